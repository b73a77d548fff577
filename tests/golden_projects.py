"""Small projects with golden tests, for pytest in pytest."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from microinterp import golden
from microinterp.golden_bundle import BundleHeader, BundleReader, BundleWriter, Chunk
from microinterp.runtimes.tflm import version
from tests.cli import sums_model
from tests.conftest import require_or_skip

ROOT = Path(__file__).resolve().parents[1]
SAMPLES = 7
SECOND = ((1, 1, 1, 1), (1, -1, 0, 1))
"""Weights of sums_model that change the second output alone."""
PLUGIN = ("-p", "microinterp.pytest_plugin")
# A clone's own metadata lists the modules of its tests, which are imported already.
IN_PROCESS = ("-W", "ignore:Module already imported:pytest.PytestAssertRewriteWarning")


class Project:
    """A folder with a model, a bundle and a .golden.toml, in which pytest is run."""

    def __init__(self, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("CI", raising=False)
        monkeypatch.setenv("PYTHONPATH", f"{ROOT}:{ROOT / 'host_tools'}")
        self.pytester = pytester
        self.path = pytester.path
        self.model = self.path / "sums.tflite"
        self.bundle = self.path / "sums.golden"
        self.model.write_bytes(sums_model())
        self.record(self.bundle)

    def record(self, bundle: Path, model: Path | None = None, **options: object) -> None:
        """A bundle of random samples, far from the ends of int8."""
        inputs = np.random.default_rng(1).integers(-9, 9, (SAMPLES, 1, 4)).astype(np.int8)
        golden.record((model or self.model).read_bytes(), [inputs], bundle, **options)

    def toml(self, *lines: str, name: str = "sums.golden.toml") -> Path:
        """A .golden.toml with one entry; `lines` go below its model and bundle."""
        path = self.path / name
        entry = ["[[golden]]", 'model = "sums.tflite"', 'bundle = "sums.golden"', *lines]
        path.write_text("\n".join(entry), encoding="utf-8")
        return path

    def change_model(self, weights: Sequence[Sequence[int]] = SECOND) -> None:
        self.model.write_bytes(sums_model(weights))

    def differences(self) -> list[golden.Difference]:
        """Of the model's outputs: what a check finds first."""
        result = golden.check(self.model.read_bytes(), self.bundle, any_model=True)
        assert result.first_output is not None
        return [result.first_output]

    def flip_output(self, sample: int) -> tuple[int, int]:
        """Change the bundle's second element of a sample's output: (recorded now, computed)."""
        header, chunk = self._whole()
        output = chunk.outputs[0].copy()
        got = int(output[sample, 0, 1])
        output[sample, 0, 1] = wanted = got ^ 1
        with BundleWriter(self.bundle, header) as writer:
            writer.add(chunk.inputs, (output,), chunk.crcs)
        return wanted, got

    def rename_runtime(self, runtime: str) -> None:
        """Let the bundle say that another runtime recorded it."""
        header, chunk = self._whole()
        with BundleWriter(self.bundle, replace(header, runtime=runtime)) as writer:
            writer.add(chunk.inputs, chunk.outputs, chunk.crcs)

    def _whole(self) -> tuple[BundleHeader, Chunk]:
        with BundleReader(self.bundle) as reader:
            (chunk,) = reader
            return reader.header, chunk

    def pasted(self, result: pytest.RunResult, what: str) -> list[str]:
        """A command that a failure shows, as a shell takes it."""
        (line,) = [line for line in result.outlines if f"microinterp {what}" in line]
        return shlex.split(line[line.index("microinterp") :])

    def run(self, *arguments: str) -> pytest.RunResult:
        """In this process."""
        return self._quiet(self.pytester.runpytest_inprocess(*PLUGIN, *IN_PROCESS, *arguments))

    def spawn(self, *arguments: str) -> pytest.RunResult:
        """In a process of its own."""
        return self._quiet(self.pytester.runpytest_subprocess(*PLUGIN, *arguments))

    def _quiet(self, result: pytest.RunResult) -> pytest.RunResult:
        """No failure may show code of ours."""
        shown = result.stdout.str() + result.stderr.str()
        assert "Traceback" not in shown
        assert "INTERNALERROR" not in shown
        assert "microinterp/testing" not in shown
        assert "pytest_plugin.py" not in shown
        return result


def require_wheel() -> None:
    if version() is None:
        require_or_skip("the TFLM wheel", "pip install 'microinterp[oracle]' (Linux x86-64)")

"""Ten times as many samples take no more memory: each run in a process of its own, by its VmHWM."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from microinterp.runtimes.tflm import version
from tests.conftest import require_or_skip
from tests.digits import DIGITS
from tests.processes import python

MODEL = DIGITS / "digits_int8.tflite"
ROOT = Path(__file__).resolve().parents[1]
FEW, MANY = 2_000, 20_000
MOST_MORE = 4 << 20
"""Bytes that ten times the samples may take more: blocks of memory that were freed, and kept."""

# Runs commands in this process and prints what they printed, its own VmHWM, and that of the
# largest child that has been closed.
CHILD = """
import io, json, sys, time
from contextlib import redirect_stdout
from microinterp.cli import app
from microinterp.runtimes.child import Child

def peak(pid):
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))

theirs, close = [0], Child.close
def measured(self):
    if self._process is not None:
        theirs.append(peak(self._process.pid))
    close(self)
Child.close = measured
printed, start = io.StringIO(), time.perf_counter()
with redirect_stdout(printed):
    app(sys.argv[1:], standalone_mode=False)
seconds = time.perf_counter() - start
print(json.dumps([printed.getvalue(), peak("self"), max(theirs), seconds]))
"""


def run(*arguments: object) -> tuple[str, int, int, float]:
    """(what it prints, VmHWM, VmHWM of its child, seconds)."""
    text, own, child, seconds = json.loads(python(CHILD, *arguments))
    return text, own, child, seconds


def require_proc() -> None:
    if not Path("/proc/self/status").exists():
        pytest.skip("VmHWM is told by Linux alone")


@pytest.mark.thorough
@pytest.mark.parametrize("runtime", ["host", "tflm"])
def test_ten_times_the_samples(tmp_path: Path, runtime: str) -> None:
    require_proc()
    if runtime == "tflm" and version() is None:
        require_or_skip("the TFLM wheel", "pip install 'microinterp[oracle]' (Linux x86-64)")
    peaks: dict[str, list[tuple[int, int]]] = {}
    for count in (FEW, MANY):
        path, computing = tmp_path / f"{count}.golden", ("--runtime", runtime)
        x = np.random.default_rng(1).integers(-128, 128, (count, 1, 8, 8, 1)).astype(np.int8)
        np.save(tmp_path / "x.npy", x)
        commands = {
            "record": ("record", MODEL, tmp_path / "x.npy", "-o", path, *computing),
            "check": ("check", MODEL, path, *computing),
        }
        if runtime == "host":
            commands["show"] = ("show", path)
            commands["export"] = ("export", path, "-o", tmp_path / "x.npz")
        for name, command in commands.items():
            text, own, child, seconds = run("golden", *command)
            peaks.setdefault(name, []).append((own, child))
            figures = f"{own / 2**20:.1f} MB, child {child / 2**20:.1f} MB, {seconds:.1f} s"
            print(f"\n{runtime} {name} {count}: {figures}", end="")
            assert f"{count:,}" in text
    for name, (few, many) in peaks.items():
        for less, more in zip(few, many, strict=True):
            assert more - less < MOST_MORE, (name, less, more)


def test_random_samples(tmp_path: Path) -> None:
    """For every run of the suite: inputs and outputs alone would take 7 MB more."""
    require_proc()
    peaks = [
        run(
            "golden", "record", MODEL, "--samples", count, "--tensors", "none", "-o", tmp_path / "x"
        )
        for count in (FEW, 100_000)
    ]
    assert peaks[1][1] - peaks[0][1] < MOST_MORE

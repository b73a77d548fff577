"""docs/ci.md: its files and commands make a project whose tests pass, fail and are updated."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from microinterp import Interpreter
from microinterp_boards import virtual_board
from microinterp_boards.ports import ports
from tests.boards.conftest import interpreter
from tests.golden_projects import ROOT, require_wheel

PAGE = (ROOT / "docs" / "ci.md").read_text()
DIGITS = ROOT / "examples" / "digits"
PAGE = re.sub(r"<!--.*?-->\n", "", PAGE, flags=re.DOTALL)
FILES = dict(re.findall(r"^`([^`\n]+)`:\n\n```\w+\n(.*?)```", PAGE, re.MULTILINE | re.DOTALL))
COMMANDS = [
    line
    for block in re.findall(r"(?<!`:\n\n)```sh\n(.*?)```", PAGE, re.DOTALL)
    for line in block.splitlines()
]
STEPS = re.findall(r"^      - run: (.*)$", FILES[".github/workflows/golden.yml"], re.MULTILINE)

__all__ = ["interpreter"]


class Scratch:
    """A project made of the page's files, with the model and the images of examples/digits."""

    def __init__(self, path: Path, runtime_folder: Path) -> None:
        self.path = path
        self.model = path / "models" / "digits.tflite"
        for name, text in FILES.items():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_text(text)
        self.model.parent.mkdir()
        self.model.write_bytes((DIGITS / "digits_int8.tflite").read_bytes())
        images = np.load(DIGITS / "test_images.npz")["images"][:20] / 16
        details = Interpreter.from_file(self.model).get_input_details(0)
        scale = details["quantization_parameters"]["scales"][0]
        zero_point = details["quantization_parameters"]["zero_points"][0]
        quantised = np.rint(images / scale + zero_point).clip(-128, 127).astype(np.int8)
        np.save(path / "inputs.npy", quantised.reshape(20, 1, 8, 8, 1))
        programs = path / "bin"
        programs.mkdir()
        for name, module in (
            ("pytest", "pytest -p microinterp.pytest_plugin"),
            ("microinterp", "microinterp"),
        ):
            (programs / name).write_text(f'#!/bin/sh\nexec {sys.executable} -m {module} "$@"\n')
            (programs / name).chmod(0o755)
        (programs / "pip").write_text("#!/bin/sh\n")  # this environment has it all
        (programs / "pip").chmod(0o755)
        self.environment = {name: value for name, value in os.environ.items() if name != "CI"} | {
            "PATH": f"{programs}:{os.environ['PATH']}",
            "PYTHONPATH": f"{ROOT}:{ROOT / 'host_tools'}",
            "XDG_RUNTIME_DIR": str(runtime_folder),
        }

    def run(self, command: str, status: int = 0, **environment: str) -> str:
        """A command of the page, in a shell, without a network; returns what it prints."""
        done = subprocess.run(
            command.replace("-n auto", "-n 2"),
            shell=True,
            cwd=self.path,
            env=self.environment | environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == status, f"{command}\n{done.stdout}{done.stderr}"
        return done.stdout

    def train_again(self) -> None:
        """One weight of the first convolution is another one."""
        data = bytearray(self.model.read_bytes())
        it = Interpreter.from_bytes(bytes(data))
        filters = it.graph.main.nodes[0].inputs[1]
        assert filters is not None
        assert filters.data is not None
        data[data.index(filters.data.tobytes())] ^= 8
        self.model.write_bytes(data)


@pytest.fixture
def scratch(tmp_path: Path) -> Scratch:
    require_wheel()
    (tmp_path / "run").mkdir()
    project = Scratch(tmp_path / "firmware", tmp_path / "run")
    project.run(command("golden record"))
    return project


def command(words: str) -> str:
    """The one command of the page with these words."""
    (found,) = [line for line in COMMANDS if words in line]
    return found


def test_the_page_shows_these_files_and_commands() -> None:
    assert set(FILES) == {
        "tests/models.golden.toml",
        "tests/test_models.py",
        ".github/workflows/golden.yml",
        "ci/golden.sh",
    }
    assert [shlex.split(line)[0] for line in COMMANDS] == [
        "microinterp",
        "pytest",
        "pytest",
        "microinterp",
        "microinterp",
    ]


@pytest.mark.slow
def test_on_a_desk_and_in_ci(scratch: Scratch) -> None:
    if any(port.vid is not None for port in ports()):
        pytest.skip("a board is plugged in, which has not the model")
    shown = scratch.run("pytest -rs")
    assert "4 passed, 1 skipped" in shown
    assert "SKIPPED [1] tests/models.golden.toml:1: there is no board" in shown
    assert "1 failed, 4 passed" in scratch.run("pytest", 1, CI="true")
    assert "4 passed" in scratch.run("sh ci/golden.sh", CI="true")


@pytest.mark.usefixtures("interpreter")
@pytest.mark.slow
def test_the_steps_of_the_workflow(scratch: Scratch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", scratch.environment["XDG_RUNTIME_DIR"])
    with virtual_board("unix"):
        shown = [scratch.run(step, CI="true") for step in STEPS]
    assert [len(shown), "4 passed" in shown[1], "1 passed" in shown[4]] == [5, True, True]
    assert (scratch.path / "golden.xml").exists()


def test_a_failure_reads_as_the_page_shows(scratch: Scratch) -> None:
    (block,) = re.findall(r"```text\n(digits: .*?)```", PAGE, re.DOTALL)
    scratch.train_again()
    assert block in scratch.run("pytest -k 'golden.toml and host'", 1)


@pytest.mark.slow
def test_an_update_on_purpose(scratch: Scratch) -> None:
    scratch.train_again()
    shown = scratch.run(command("--golden-update"))
    (block,) = re.findall(r"```text\n(=+ golden bundles.*?)\.\.\.\n```", PAGE, re.DOTALL)
    assert block in shown
    assert "4 passed, 1 skipped" in scratch.run("pytest")


@pytest.mark.slow
def test_firmware_joins(scratch: Scratch) -> None:
    scratch.run(command("golden export"))
    assert "#include <stdint.h>" in (scratch.path / "tests" / "digits_golden.h").read_text()
    scratch.run(
        "microinterp compare models/digits.tflite --with tflm --samples 2 --dump console.txt"
    )
    scratch.run(command("console.txt"))
    console = scratch.path / "console.txt"
    lines = console.read_text().splitlines()
    (at,) = [i for i, line in enumerate(lines) if line.startswith("output 0")][:1]
    lines[at] = lines[at][:-1] + ("0" if lines[at][-1] != "0" else "1")
    console.write_text("\n".join(lines))
    scratch.run(command("console.txt"), 1)

"""The programs of examples/apps, each with its recording: every line equals what the host says."""

from __future__ import annotations

import re
import runpy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from microinterp import Interpreter
from microinterp_boards import Board, virtual_board
from microinterp_boards.app.source import read_program
from tests.boards.model_boards import LARGE_HEAP, MODEL
from tests.boards.unix_port import ROOT
from tests.digits import DIGITS
from tests.marks import slow

APPS = ROOT / "examples" / "apps"
DOCS = ROOT / "docs" / "apps.md"
HEAP = """
import gc
from microinterp import models
gc.collect()
before = gc.mem_free()
from microinterp import app
gc.collect()
print(before - gc.mem_free())
"""
WATCH = 2.0
Array = np.ndarray[Any, Any]


def camera(recording: bytes) -> tuple[Array, list[str]]:
    """Cells of ink, counted with floats."""
    frames = np.frombuffer(recording, np.uint8).reshape(-1, 8, 4, 8, 4)
    ink = np.rint(16 - frames.astype(float).mean(axis=(2, 4)) * 16 / 255)
    return (15 * ink - 128).astype(np.int8)[:, None, :, :, None], [str(i) for i in range(10)]


def microphone(recording: bytes) -> tuple[Array, list[str]]:
    samples = np.frombuffer(recording, "<i2").reshape(-1, 1, 1, 512, 1)
    labels = ["silence", "500 Hz", "1000 Hz", "2000 Hz", "3000 Hz"]
    return np.floor(samples / 256).astype(np.int8), labels


def adc(recording: bytes) -> tuple[Array, list[str]]:
    windows = np.sort(np.frombuffer(recording, "<u2").reshape(-1, 64).astype(np.int64), axis=1)
    low, high = windows[:, :1], windows[:, -1:]
    values = np.where(high - low >= 1000, 254 * (windows - low) // (high - low) - 127, 0)
    return values.astype(np.int8)[:, None], ["flat", "sine", "square", "triangle"]


CASES: dict[str, tuple[Path, Callable[[bytes], tuple[Array, list[str]]]]] = {
    "camera": (MODEL, camera),
    "microphone": (APPS / "microphone" / "tones.tflite", microphone),
    "adc": (APPS / "adc" / "waveform.tflite", adc),
}


def expected(name: str) -> list[str]:
    """What the program should print of its recording, by the host's interpreter."""
    model, inputs_of = CASES[name]
    inputs, labels = inputs_of((APPS / name / "recording").read_bytes())
    host = Interpreter.from_file(model)
    lines = []
    for number, each in enumerate(inputs):
        host.set_input(each, 0)
        host.invoke()
        scores = [int(score) for score in host.get_output(0).ravel()]
        lines.append(f"{number} {labels[int(np.argmax(scores))]} {scores}")
    return lines


def lines_of(printed: str) -> list[str]:
    return [line for line in printed.splitlines() if line[:1].isdigit()]


def run(name: str, port: str) -> list[str]:
    with Board(port, patience=5) as board:
        board.files.put("recording", (APPS / name / "recording").read_bytes())
        done = board.deploy(CASES[name][0], app=APPS / name / "main.py", watch=WATCH)
    assert done.app is not None
    assert "microinterp app: the program has ended\n" in done.app.printed
    return lines_of(done.app.printed)


@pytest.fixture(scope="module")
def port(interpreter: None) -> Iterator[str]:
    with virtual_board("unix", heap=LARGE_HEAP) as port:
        yield port


@pytest.mark.parametrize("name", ["adc", slow("camera"), slow("microphone")])
def test_every_line_is_the_hosts(name: str, port: str) -> None:
    told = run(name, port)
    assert told == expected(name)
    assert len({line.partition(" ")[2] for line in told}) > 10


def test_they_see_and_hear_what_was_recorded() -> None:
    labels = np.load(DIGITS / "test_images.npz")["labels"][:20]
    read = [int(line.split()[1]) for line in expected("camera")]
    assert sum(read == labels) >= 19
    tones = (500, 1000, 2000, 3000, 3000, 2000, 1000, 500)
    wanted = [label for tone in tones for label in ("silence", *[f"{tone} Hz"] * 4)]
    assert [line.split(" ", 1)[1].split(" [")[0] for line in expected("microphone")] == wanted
    kinds = ["flat", "sine", "square", "triangle"] * 6
    assert [line.split()[1] for line in expected("adc")] == kinds


@pytest.mark.parametrize("name", CASES)
def test_programs_are_short_and_can_be_stopped(name: str) -> None:
    text = read_program(APPS / name / "main.py").text
    assert 30 <= len(text.splitlines()) <= 80
    assert b"class Recording" in text
    assert text.count(b"def read_into(") == 2


@pytest.mark.parametrize("name", CASES)
def test_recordings_are_what_make_writes(name: str) -> None:
    """Training may end in another bit elsewhere; what is formula may not."""
    made = runpy.run_path(str(APPS / name / "make.py"))
    recording = (APPS / name / "recording").read_bytes()
    if name == "camera":
        assert made["frames"]().tobytes() == recording
    elif name == "adc":
        assert made["windows"](24, np.random.default_rng(3))[0].tobytes() == recording
    else:
        assert made["model"]() == CASES[name][0].read_bytes()
        assert made["recording"]().tobytes() == recording


@pytest.mark.thorough
def test_on_a_cortex_m(qemu: None) -> None:
    """Words of 32 bits, Thumb kernels, a heap of 128 kB; what the launcher takes of it."""
    with virtual_board("qemu", heap=128 * 1024) as port:
        assert run("adc", port) == expected("adc")
        with Board(port, patience=5) as board:
            board.soft_reset()
            taken = int(board.exec(HEAP))
    (limit,) = re.findall(r"launcher takes less than ([\d,]+) bytes", DOCS.read_text())
    assert 0 < taken < int(limit.replace(",", ""))

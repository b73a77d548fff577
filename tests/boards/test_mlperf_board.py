"""A board's side of the MLPerf Tiny protocol: every exchange of the public runner, bad ones too."""

from __future__ import annotations

import random
import re
from pathlib import Path

import numpy as np
import pytest

from microinterp_boards.packing import pack_for_board
from tests.boards.mlperf_models import (
    WIDTH,
    commands,
    expected,
    two_inputs,
    two_scales,
)
from tests.boards.model_boards import MODEL
from tests.boards.unix_port import SETS, run_script
from tests.conftest import shared_model

_SERVE = """
import sys
from microinterp import mlperf
mlperf.serve("m.mipk", sys.argv[1])
"""
_INFER = re.compile(
    r"m-warmup-start-(\d+)\nm-warmup-done\nm-infer-start-(\d+)\nm-lap-us-(\d+)\nm-lap-us-(\d+)\n"
    r"m-infer-done\nm-results-\[([^]]+)\]"
)
_READY = "m-ready"


def talk(
    model: bytes,
    kind: str,
    typed: list[str],
    folder: Path,
    tier: str = "bytecode",
    script: str = _SERVE,
    heap: str = "1M",
) -> list[str]:
    """The answer to each command, its lines without m-ready; the greeting is left out."""
    (folder / "m.mipk").write_bytes(pack_for_board(model).packed)
    (folder / "serve.py").write_text(script)
    text = "".join(f"{command}%" for command in typed)
    printed = run_script(folder / "serve.py", [kind], tier, folder, heap, text)
    answers = [""]
    for line in printed.splitlines():
        if line == _READY:
            answers.append("")
        else:
            answers[-1] += f"{line}\n"
    greeting = r"m-timestamp-mode-performance\nm-lap-us-\d+\nm-init-done\n"
    assert re.fullmatch(greeting, answers[0])
    assert answers.pop() == ""
    assert len(answers) == len(typed) + 1
    return [answer.rstrip("\n") for answer in answers[1:]]


def results(answer: str) -> tuple[int, int, int, list[float]]:
    """Warm-ups, inferences, microseconds and results of an infer."""
    match = _INFER.fullmatch(answer)
    assert match, answer
    warmups, count, first, last = (int(match[i]) for i in range(1, 5))
    return warmups, count, last - first, [float(each) for each in match[5].split(",")]


@pytest.mark.parametrize("tier", SETS)
def test_the_runners_exchange(tier: str, tmp_path: Path) -> None:
    """Bytes of any value; an invoke that writes over its input gives the same every time."""
    stimulus = bytes((7 * i + 37) & 255 for i in range(WIDTH))
    typed = ["name", "profile", *commands(stimulus), "infer 1 0", "infer 5 3", "results", "infer"]
    name, profile, load, *pieces, one, many, again, plain = talk(
        two_scales(), "kws", typed, tmp_path, tier
    )
    assert name == "m-name-dut-[microinterp]"
    assert profile == "m-profile-[ULPMark for tinyML Firmware V0.0.1]\nm-model-[kws01]"
    assert load == f"m-[Expecting {WIDTH} bytes]"
    assert pieces == ["", "m-load-done"]
    wanted = expected(two_scales(), "kws", stimulus)
    assert any(value % 0.25 for value in wanted)
    assert results(one)[:2] + results(one)[3:] == (0, 1, wanted)
    assert results(many)[:2] + results(many)[3:] == (3, 5, wanted)
    assert results(plain)[:2] + results(plain)[3:] == (10, 1, wanted)
    assert again == many.rpartition("\n")[2]


@pytest.mark.parametrize(("kind", "model"), [("ic", "ic01"), ("vww", "vww01"), ("kws", "kws01")])
def test_each_kind_of_bytes(kind: str, model: str, tmp_path: Path) -> None:
    """ic and vww send unsigned bytes, kws the model's own."""
    digits = MODEL.read_bytes()
    rng = random.Random(kind)
    stimuli = [bytes(rng.randrange(256) for _ in range(64)) for _ in range(3)]
    typed = ["profile"]
    for each in stimuli:
        typed += [*commands(each), "infer 1 0", "db print"]
    profile, *answers = talk(digits, kind, typed, tmp_path)
    assert profile.endswith(f"m-model-[{model}]")
    step = len(typed) // 3
    for number, stimulus in enumerate(stimuli):
        _, *_, infer, shown = answers[number * step : (number + 1) * step]
        assert results(infer)[3] == expected(digits, kind, stimulus)
        rows = [stimulus[at : at + 8].hex("-") for at in range(0, 64, 8)]
        assert shown == "\n".join(f"m-buffer-{row}" for row in rows)


def test_features_of_ad_are_quantised_on_the_board(tmp_path: Path) -> None:
    model = two_scales()
    rng = np.random.default_rng(5)
    scale = np.float32(0.39101523)
    halves = (np.arange(WIDTH) - 20.5).astype(np.float32) * scale
    odd = [0.0, -0.0, 1e-45, -1e-45, 1e18, -1e18, 1e-30, 70.0, 1e9, -1e9]
    stimuli = [
        (rng.normal(0, 30, WIDTH)).astype("<f4"),
        (rng.normal(0, 1e-3, WIDTH)).astype("<f4"),
        halves.astype("<f4"),
        np.array([*odd, *rng.normal(0, 9, WIDTH - len(odd))], "<f4"),
    ]
    typed: list[str] = ["profile"]
    for stimulus in stimuli:
        typed += [*commands(stimulus.tobytes()), "infer 2 1"]
    profile, *answers = talk(model, "ad", typed, tmp_path)
    assert profile.endswith("m-model-[ad01]")
    step = len(answers) // len(stimuli)
    for number, stimulus in enumerate(stimuli):
        found = results(answers[(number + 1) * step - 1])[3]
        assert found == expected(model, "ad", stimulus.tobytes())


def test_features_that_are_no_numbers(tmp_path: Path) -> None:
    for value in (np.nan, np.inf, -np.inf):
        stimulus = np.full(WIDTH, 1, "<f4")
        stimulus[7] = value
        typed = [*commands(stimulus.tobytes()), "infer 1 0", "results"]
        *_, infer, told = talk(two_scales(), "ad", typed, tmp_path)
        assert infer == "e-[ValueError('number 7 is not finite',)]"
        assert told == "e-[there are no results: infer first]"


def test_commands_that_are_wrong(tmp_path: Path) -> None:
    whole = commands(bytes(WIDTH))
    cases = {
        "infer 1 0": f"e-[0 bytes are loaded, wanted {WIDTH}]",
        "results": "e-[there are no results: infer first]",
        "": "e-[a command of 1 to 80 characters is wanted]",
        "x" * 81: "e-[a command of 1 to 80 characters is wanted]",
        "y" * 5000: "e-[a command of 1 to 80 characters is wanted]",
        "x" * 80: "e-[unknown command; there is help]",
        "answer": "e-[unknown command; there is help]",
        "name\xff\x80": "e-[unknown command; there is help]",
        "db": f"e-[0 bytes given, of {WIDTH} left to load]",
        "db 0": "e-[wrong hex digits, or an odd number of them]",
        "db 0g": "e-[wrong hex digits, or an odd number of them]",
        "db load": "e-[bytes: a number of 1 to 9 digits is wanted]",
        "db load -1": "e-[bytes: a number of 1 to 9 digits is wanted]",
        "db load 4000000000": "e-[bytes: a number of 1 to 9 digits is wanted]",
        "db load 0": f"e-[1 to {WIDTH} bytes can be loaded]",
        f"db load {WIDTH + 1}": f"e-[1 to {WIDTH} bytes can be loaded]",
        "db print x": "e-[bytes: a number of 1 to 9 digits is wanted]",
        "infer 0": "e-[one inference or more is wanted]",
        "infer -3": "e-[inferences: a number of 1 to 9 digits is wanted]",
        "infer 1 x": "e-[warmups: a number of 1 to 9 digits is wanted]",
    }
    more = ["db load 3", "db 01020304", "db 0102", "infer 1 0", "db 03", "infer 1 0", "db 00"]
    typed = [*cases, *more, *whole, "infer 1 0", "db load 1", "results"]
    answers = talk(two_scales(), "kws", typed, tmp_path)
    assert dict(zip(cases, answers, strict=False)) == cases
    answers = answers[len(cases) :]
    assert answers[: len(more)] == [
        "m-[Expecting 3 bytes]",
        "e-[4 bytes given, of 3 left to load]",
        "",
        f"e-[2 bytes are loaded, wanted {WIDTH}]",
        "m-load-done",
        f"e-[3 bytes are loaded, wanted {WIDTH}]",
        "e-[1 bytes given, of 0 left to load]",
    ]
    infer, _, told = answers[-3:]
    assert results(infer)[3] == expected(two_scales(), "kws", bytes(WIDTH))
    assert told == "e-[there are no results: infer first]"


def test_line_ends_and_parts_of_the_buffer(tmp_path: Path) -> None:
    stimulus = bytes(range(WIDTH))
    typed = [*commands(stimulus), "db print 3", "db print 9 30", "db print 5 99", "\r\nname\n"]
    *_, few, part, none, name = talk(two_scales(), "ic", typed, tmp_path)
    assert few == "m-buffer-00-01-02"
    assert part == "m-buffer-1e-1f-20-21-22-23-24-25\nm-buffer-26"
    assert none == ""
    assert name.startswith("m-name-")


def test_any_commands_in_a_small_heap(tmp_path: Path) -> None:
    """Each has one answer, and none leaves anything behind."""
    rng = random.Random("commands")
    words = ["db", "load", "infer", "1", "0", "2", "40", "print", "results", "name", "00", "zz"]
    words += ["help", "profile", "timestamp", "99999999999", "-1", "\xe9", "ff" * 31, "x" * 90]
    typed = [" ".join(rng.choices(words, k=rng.randrange(5))) for _ in range(1500)]
    typed = [each for each in typed if not each.startswith("infer 9")]
    stimulus = bytes(range(WIDTH))
    typed += [*commands(stimulus), "infer 1 0"]
    *answers, last = talk(two_scales(), "kws", typed, tmp_path, heap="48k")
    assert results(last)[3] == expected(two_scales(), "kws", stimulus)
    assert sum(each.startswith("e-[") for each in answers) > 500
    assert not any("Memory" in each for each in answers)


_REFUSED = """
import sys
from microinterp import mlperf
try:
    mlperf.serve("m.mipk", sys.argv[1])
except ValueError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("kind", "model", "told"),
    [
        ("sww", two_scales(), "no kind 'sww': kws, vww, ic, ad"),
        ("kws", two_inputs(), "kws takes a model with one int8 input and one int8 output"),
        (
            "ic",
            two_scales(output_type="float32"),
            "ic takes a model with one int8 input and one int8 output",
        ),
        ("ad", MODEL.read_bytes(), "ad takes a model with as many outputs as inputs"),
    ],
)
def test_models_of_another_kind(kind: str, model: bytes, told: str, tmp_path: Path) -> None:
    (tmp_path / "m.mipk").write_bytes(pack_for_board(model).packed)
    (tmp_path / "serve.py").write_text(_REFUSED)
    assert run_script(tmp_path / "serve.py", [kind], "bytecode", tmp_path, typed="").strip() == told


_TICKS = """
import sys
from microinterp import _mlperf_port as port
LAST = (1 << 30) - 1
def tell(microseconds):
    port.ticks_us = lambda: microseconds & LAST
    port.ticks_ms = lambda: microseconds // 1000 & LAST
port.ticks_add = lambda ticks, more: ticks + more & LAST
start = int(sys.argv[1])
tell(start)
clock = port.Clock()
while True:
    line = sys.stdin.readline()
    if not line:
        break
    tell(int(line))
    print(clock.now())
"""


def test_lap_stamps_never_wrap(tmp_path: Path) -> None:
    """ticks_us of a 32-bit board starts again every 17.9 min, ticks_ms every 12.4 days."""
    rng = random.Random("ticks")
    start, times = (1 << 30) * 1000 - 5_000_000, []
    now = start
    for most in (1000, 1 << 20, 1 << 29, 1 << 30, 1 << 31, 1 << 36, 12 * 24 * 3600 * 10**6):
        for _ in range(20):
            now += rng.randrange(most)
            times.append(now)
    (tmp_path / "ticks.py").write_text(_TICKS)
    typed = "".join(f"{each}\n" for each in times)
    printed = run_script(tmp_path / "ticks.py", [str(start)], "bytecode", tmp_path, typed=typed)
    assert [int(line) for line in printed.split()] == [each - start for each in times]


@pytest.mark.parametrize(
    ("kind", "file"), [("kws", "kws_int8"), ("ic", "ic_resnet8_int8"), ("vww", "vww_96_int8")]
)
def test_the_benchmarks_models(kind: str, file: str, tmp_path: Path) -> None:
    model = shared_model(f"{file}.tflite")
    rng = np.random.default_rng(3)
    size = {"kws": 490, "ic": 3072, "vww": 27648}[kind]
    stimulus = rng.integers(0, 256, size, np.uint8).tobytes()
    *_, infer = talk(model, kind, [*commands(stimulus), "infer 1 1"], tmp_path, "viper")
    assert results(infer)[3] == expected(model, kind, stimulus)


def test_the_benchmarks_features(tmp_path: Path) -> None:
    model = shared_model("ad01_int8.tflite")
    data = shared_model("inputs/ad01_normal_id_01_00000000.bin")
    windows = [data[at : at + 2560] for at in (0, 512, 51200)]
    typed: list[str] = []
    for window in windows:
        typed += [*commands(window), "infer 1 0"]
    answers = [a for a in talk(model, "ad", typed, tmp_path, "viper") if "results" in a]
    assert [results(a)[3] for a in answers] == [expected(model, "ad", w) for w in windows]

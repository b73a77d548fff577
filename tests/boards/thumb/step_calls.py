"""Direct calls of the kernels for plain steps: all but CONV and DEPTHWISE.

Arguments are brought into the form that the loader gives. Kernels for ARMv6-M run in the trap of
test_alignment_v6.py, where a word or a halfword that is not aligned faults.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from tests.boards.random_steps import Case
from tests.boards.step_reference import run
from tests.boards.thumb.direct import Answer, Call, run_calls
from tests.boards.thumb.test_alignment_v6 import GLUE, trapping

CPUS = {"armv7em": "m4", "armv7m": "m3", "armv6m": "m3"}
"""What the kernels of each tier run on."""
HALF = (32768, 0, 0)
"""hi, lo and shift of 1/2: the multiplier is 2^30."""
_POOLS = ("AVERAGE_POOL", "MAX_POOL")
_MODULES = dict.fromkeys(_POOLS, "pool") | {"FILL": "move"}
_TABLES = {"LUT": 4, "SOFTMAX": 5}
_MULTIPLIERS = {"MEAN": (7,), "ADD": (10, 13, 16), "MUL": (9,)}


def loaded(name: str, args: Sequence[int]) -> list[int]:
    """p as the loader gives it, p[0] being any number."""
    p = [-77, *args]
    for at in _MULTIPLIERS.get(name, ()):
        m = p[at] << 15 | p[at + 1]
        p[at : at + 2] = m >> 16, m & 0xFFFF
    if name == "FILL":
        size, value = p[3], p[4]
        p[2] *= size
        p[4:] = [value >> 8 * (byte % size) & 255 for byte in range(4)]
    if name in _TABLES:
        p[_TABLES[name]] = ~p[_TABLES[name]]
    if name in _POOLS:
        channels, pixels = p[6], p[7] * p[8]
        backward = p[17] if len(p) > 17 else 0
        last = pixels - 1 if backward else 0
        p[2] += last * channels
        row, column = (p[7] - 1, p[8] - 1) if backward else (0, 0)
        p[17:] = [-1 if backward else 1, row, column, -2 * channels if backward else 0]
    return p


def run_steps(cases: Sequence[Case], arch: str, folder: Path, trap: bool = True) -> list[Answer]:
    """Run cases of one kind."""
    (name,) = {case.step[0] for case in cases}
    module = import_module(f"firmware.kernels.thumb.{_MODULES.get(name, name.lower())}")
    text, kernel = module.module(arch), name.lower()
    if trap and arch == "armv6m":
        text += f"\n{trapping()}{GLUE.format(name=kernel)}"
        kernel = "kernel"
    calls = [Call(loaded(*case.step), case.weights, case.arena) for case in cases]
    return run_calls(calls, text, kernel, arch, CPUS[arch], folder)


def check(cases: Sequence[Case], arch: str, folder: Path) -> list[Answer]:
    """Run cases of one kind, and hold whole arenas to the formulas of steps.md."""
    answers = run_steps(cases, arch, folder)
    for case, answer in zip(cases, answers, strict=True):
        wanted = bytearray(case.arena)
        run([[case.step]], wanted, case.weights)
        wrong = [i for i, (a, b) in enumerate(zip(wanted, answer.arena, strict=True)) if a != b]
        assert not wrong, (case.step, wrong[:9])
    return answers


def outputs(answer: Answer, at: int, count: int) -> list[int]:
    """int8 values of an arena."""
    return list(array("b", answer.arena[at : at + count]))

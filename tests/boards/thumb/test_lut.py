"""LUT for Thumb: numbers worked by hand, lengths, places."""

from __future__ import annotations

import random
from itertools import product
from pathlib import Path

import pytest

from tests.boards.random_steps import Case
from tests.boards.step_reference import int8_bytes
from tests.boards.thumb.step_calls import CPUS, check, outputs, run_steps
from tests.marks import slow_but

pytestmark = [
    pytest.mark.usefixtures("qemu"),
    pytest.mark.parametrize("arch", slow_but(CPUS, "armv7em", "armv6m")),
]


def test_numbers_worked_by_hand(arch: str, tmp_path: Path) -> None:
    # Entry i is 255 - i: -1 is entry 255, -128 is entry 128.
    x = int8_bytes([0, 1, -1, -128, 127])
    case = Case(("LUT", [0, 5, 5, ~4]), x + bytes(5), bytes(4) + bytes(range(255, -1, -1)), ())
    (answer,) = run_steps([case], arch, tmp_path)
    assert outputs(answer, 5, 5) == [-1, -2, 0, 127, -128]


def test_every_value(arch: str, tmp_path: Path) -> None:
    table = random.Random(1).randbytes(256)
    case = Case(("LUT", [0, 256, 256, ~0]), bytes(range(256)) * 2, table, ())
    (answer,) = check([case], arch, tmp_path)
    assert answer.arena[256:] == table


def test_lengths_and_places(arch: str, tmp_path: Path) -> None:
    """Every alignment, dst over x, x in the weights, and both ends of memory."""
    rng = random.Random(2)
    cases = []
    for n, at, to in product((1, 2, 3, 4, 5, 7, 8, 13), range(4), range(4)):
        dst = at + n + to
        arena, weights = rng.randbytes(dst + n), rng.randbytes(256 + at + n)
        for x, where in ((at, dst), (at, at), (dst, at), (~(256 + at), dst)):
            cases.append(Case(("LUT", [x, where, n, ~0]), arena, weights, ()))
    check(cases, arch, tmp_path)


def test_instructions(arch: str, tmp_path: Path) -> None:
    """What an element takes."""
    n, rng = 4096, random.Random(3)
    case = Case(("LUT", [0, n, n, ~0]), rng.randbytes(2 * n), rng.randbytes(256), ())
    (answer,) = run_steps([case], arch, tmp_path, trap=False)
    assert answer.instructions / n <= 4.1

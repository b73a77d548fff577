"""MEAN for Thumb: numbers worked by hand, shapes, extreme sums, places."""

from __future__ import annotations

import random
from itertools import product
from pathlib import Path

import pytest

from tests.boards.random_steps import Case
from tests.boards.step_reference import int8_bytes
from tests.boards.thumb.step_calls import CPUS, HALF, check, outputs, run_steps
from tests.marks import slow_but

pytestmark = [
    pytest.mark.usefixtures("qemu"),
    pytest.mark.parametrize("arch", slow_but(CPUS, "armv7em", "armv6m")),
]


def mean(
    x: bytes,
    shape: tuple[int, int, int],
    zn: int,
    multiplier: tuple[int, int, int],
    zo: int = 0,
) -> Case:
    """shape: outer, reduce, inner; dst lies behind x."""
    outer, _, inner = shape
    args = [0, len(x), *shape, zn, *multiplier, zo]
    return Case(("MEAN", args), x + bytes(outer * inner), b"", ())


def test_numbers_worked_by_hand(arch: str, tmp_path: Path) -> None:
    # Two times three rows of five channels.
    rows = [[1, 2, 3, 4, -128], [5, 6, 7, 8, -128], [-1, -1, -1, -1, -128]]
    more = [[100, 0, 1, 0, 127], [100, 0, 1, 0, 127], [100, 0, 1, 1, 127]]
    x = int8_bytes([v for row in rows + more for v in row])
    # Sums less 3: 2, 4, 6, 8, -387 and 297, -3, 0, -2, 378. Times 1/2, the product rounding halves
    # up: 1, 2, 3, 4, -193 and 149, -1, 0, -1, 189; and 2 more.
    once = mean(x, (2, 3, 5), 3, HALF, 2)
    # Half of that once more, by a shift, whose halves go away from zero.
    twice = mean(x, (2, 3, 5), 3, (32768, 0, -1), 0)
    left = mean(x, (2, 3, 5), 3, (32768, 0, 3), 0)  # times 4
    answers = run_steps([once, twice, left], arch, tmp_path)
    assert outputs(answers[0], 30, 10) == [3, 4, 5, 6, -128, 127, 1, 2, 1, 127]
    assert outputs(answers[1], 30, 10) == [1, 1, 2, 2, -97, 75, -1, 0, -1, 95]
    assert outputs(answers[2], 30, 10) == [8, 16, 24, 32, -128, 127, -12, 0, -8, 127]


def test_shapes(arch: str, tmp_path: Path) -> None:
    rng = random.Random(1)
    cases = []
    for outer, reduce, inner in product((1, 3), (1, 2, 3, 7, 49), (1, 2, 3, 4, 5, 7, 8, 9, 12, 17)):
        x = rng.randbytes(outer * reduce * inner)
        m = ((1 << 31) - 1) // reduce
        shift = rng.choice((0, 1)) if reduce > 1 else 0
        multiplier = (m >> 15, m & 32767, shift)
        zn = rng.randint(-128, 127) * reduce
        cases.append(mean(x, (outer, reduce, inner), zn, multiplier, rng.randint(-128, 127)))
    check(cases, arch, tmp_path)


def test_extreme_sums(arch: str, tmp_path: Path) -> None:
    """As far from zero as the loader lets them, and every shift."""
    ms = (1 << 30, (1 << 31) - 1, 40503 << 15 | 31153)
    cases = []
    for value, reduce in product((-128, 127), (1, 256, 1500)):
        x = int8_bytes([value]) * (5 * reduce)
        zn = -reduce * (127 if value > 0 else -128)
        widest = 128 * reduce + abs(zn)
        for shift in range(-31, 31):
            if widest << max(shift, 0) < 1 << 29 and (shift % 7 == 0 or reduce == 1):
                m = ms[shift % 3]
                cases.append(mean(x, (1, reduce, 5), zn, (m >> 15, m & 32767, shift), -3))
    check(cases, arch, tmp_path)


def test_places(arch: str, tmp_path: Path) -> None:
    """Every alignment, x in the weights, and both ends of memory."""
    rng = random.Random(2)
    cases = []
    for inner, at, to in product((1, 4, 6), range(4), range(4)):
        size = 2 * 3 * inner
        dst = at + size + to
        arena, weights = rng.randbytes(dst + size), rng.randbytes(at + size)
        for x, where in ((at, dst), (dst, at), (~at, dst)):
            args = [x, where, 2, 3, inner, 5, 32768, 0, -1, 7]
            cases.append(Case(("MEAN", args), arena, weights, ()))
    check(cases, arch, tmp_path)


def test_instructions(arch: str, tmp_path: Path) -> None:
    """What a value that is read takes, in 7x7 pixels of 64 channels."""
    most = {"armv7em": 2.4, "armv7m": 3.2, "armv6m": 3.5}[arch]
    x = random.Random(3).randbytes(49 * 64)
    case = mean(x, (1, 49, 64), 49, (43690, 0, -5))
    (answer,) = run_steps([case], arch, tmp_path, trap=False)
    assert answer.instructions / len(x) <= most

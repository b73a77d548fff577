"""ADD for Thumb: numbers worked by hand, every value, operands that repeat, places, limits."""

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
    pytest.mark.parametrize("arch", slow_but(CPUS, "armv7em")),
]
SUM = (32768, 0, -18)
"""Brings the sum of two halves of v << 20 back to v: 2^30 / 2^31 / 2^18 * 2^20 / 2."""
INT8 = (-128, 127)
EVERY = int8_bytes(range(-128, 128))


def add(
    a: bytes,
    b: bytes,
    n: int,
    zeros: tuple[int, int, int] = (0, 0, 0),
    terms: tuple[int, ...] = (*HALF, *HALF, *SUM),
    left_shift: int = 20,
    limits: tuple[int, int] = INT8,
) -> Case:
    """a and b lie before dst, which begins at len(a) + len(b)."""
    za, zb, zo = zeros
    args = [0, len(a), len(a), len(b), len(a) + len(b), n, left_shift, za, zb, *terms, zo, *limits]
    return Case(("ADD", args), a + b + bytes(n), b"", ())


def multiplier(m: int, shift: int) -> tuple[int, int, int]:
    return m >> 15, m & 32767, shift


def test_numbers_worked_by_hand(arch: str, tmp_path: Path) -> None:
    # With SUM the output is a - za + b - zb + zo, as far as it goes.
    a, b = int8_bytes([10, -128, 127, 0, -1]), int8_bytes([20, -128, 127, 1, 0])
    zeros = (3, -2, 5)
    wanted = [10 - 3 + 20 + 2 + 5, -128, 127, 0 - 3 + 1 + 2 + 5, -1 - 3 + 0 + 2 + 5]
    # Both terms at a quarter, b being 0, make half of a: halves go away from zero.
    c, quarter = int8_bytes([1, 3, -1, -3, 2, -2]), (32768, 0, -1)
    halved = add(c, bytes(6), 6, terms=(*quarter, *quarter, *SUM))
    first, second = run_steps([add(a, b, 5, zeros), halved], arch, tmp_path)
    assert outputs(first, 10, 5) == wanted
    assert outputs(second, 12, 6) == [1, 2, -1, -2, 1, -1]


def test_every_value_and_extreme_multipliers(arch: str, tmp_path: Path) -> None:
    ms = (0, 1, 1 << 30, (1 << 30) + 12345, (1 << 31) - 1)
    cases = []
    for (m, shift), za in product(product(ms, (0, -1, -2, -9, -30, -31)), (-128, 127)):
        extreme = multiplier(m, shift)
        undone = (32768, 0, -20 - shift if shift > -20 else 0)
        cases += [
            add(EVERY, int8_bytes([-7]), 256, (za, 3, -1), (*extreme, *HALF, *undone)),
            add(int8_bytes([99]), EVERY, 256, (5, za, 9), (*HALF, *extreme, *SUM)),
            add(EVERY, EVERY, 256, (za, -za - 1, 0), (*HALF, *HALF, *extreme)),
        ]
    check(cases, arch, tmp_path)


def test_every_left_shift(arch: str, tmp_path: Path) -> None:
    rng = random.Random(1)
    cases = []
    for left_shift in range(21):
        terms = [multiplier(rng.randrange(1 << 30, 1 << 31), rng.choice((0, 0, -1, -3)))] * 2
        terms.append(multiplier(rng.randrange(1 << 30, 1 << 31), 2 - left_shift))
        if left_shift < 2:
            terms[-1] = multiplier((1 << 31) - 1, 0)
        flat = tuple(number for term in terms for number in term)
        cases.append(add(EVERY, rng.randbytes(256), 256, (-128, 127, 4), flat, left_shift))
    check(cases, arch, tmp_path)


def test_operands_that_repeat(arch: str, tmp_path: Path) -> None:
    rng = random.Random(2)
    lengths = (1, 2, 3, 4, 5, 31, 32, 33, 64, 70)
    cases = [
        add(rng.randbytes(na), rng.randbytes(nb), n, (1, -2, 3))
        for na, nb, n in product(lengths, lengths, (1, 4, 7, 33, 70))
        if rng.random() < 0.5
    ]
    check(cases, arch, tmp_path)


def test_places(arch: str, tmp_path: Path) -> None:
    """Every alignment, dst over an operand, operands in the weights, and where memory ends."""
    rng = random.Random(3)
    cases = []
    for n, at, to in product((1, 3, 4, 8, 11), range(4), range(4)):
        b_at = at + n
        dst = b_at + n + to
        arena = rng.randbytes(dst + n)
        rest = [20, 1, -1, *HALF, *HALF, *SUM, 0, *INT8]
        for places in (
            (at, n, b_at, n, dst),
            (at, n, b_at, n, at),
            (at, n, b_at, n, b_at),
            (at, 1, b_at, n, b_at),
            (at, n, b_at, n, at),
            (dst, n, at, n, at),  # a is what the arena ends with
            (~at, n, at, n, dst),
            (at, n, ~at, n, dst),
            (~0, 1, ~at, n, dst),
        ):
            step = ("ADD", [*places, n, *rest])
            cases.append(Case(step, arena, rng.randbytes(at + n), ()))
    check(cases, arch, tmp_path)


def test_limits(arch: str, tmp_path: Path) -> None:
    rng = random.Random(4)
    limits = ((-128, 126), (-127, 127), (-5, 90), (7, 7), (-128, -128), (127, 127), (0, 127))
    cases = [
        add(rng.randbytes(n), rng.randbytes(n), n, (0, 9, -9), limits=pair)
        for pair, n in product(limits, (1, 2, 3, 4, 5, 8, 19))
    ]
    check(cases, arch, tmp_path)


def test_instructions(arch: str, tmp_path: Path) -> None:
    """What an element takes; CMSIS-NN compiled with gcc -O3: 78 on M4, 238 on M0+."""
    most = {"armv7em": 20.5, "armv7m": 24.5, "armv6m": 67}[arch]
    n, rng = 4096, random.Random(5)
    case = add(rng.randbytes(n), rng.randbytes(n), n, (3, 4, 5))
    (answer,) = run_steps([case], arch, tmp_path, trap=False)
    assert answer.instructions / n <= most

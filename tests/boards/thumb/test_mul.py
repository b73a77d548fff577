"""MUL for Thumb: numbers worked by hand, every value, operands that repeat, places, limits."""

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
    pytest.mark.parametrize("arch", slow_but(CPUS, "armv7em")),
]
INT8 = (-128, 127)
EVERY = int8_bytes(range(-128, 128))


def mul(
    a: bytes,
    b: bytes,
    n: int,
    zeros: tuple[int, int, int] = (0, 0, 0),
    m: int = 1 << 30,
    shift: int = -6,
    limits: tuple[int, int] = INT8,
) -> Case:
    """a and b lie before dst, which begins at len(a) + len(b)."""
    za, zb, zo = zeros
    args = [0, len(a), len(a), len(b), len(a) + len(b), n, za, zb, m >> 15, m & 32767, shift]
    return Case(("MUL", [*args, zo, *limits]), a + b + bytes(n), b"", ())


def test_numbers_worked_by_hand(arch: str, tmp_path: Path) -> None:
    a, b = int8_bytes([10, -128, 127, 3, 1, -3]), int8_bytes([-4, -128, -128, 3, 3, 3])
    # By 1: (10 - 1) * (-4 + 2) + 3, and so on.
    one = mul(a, b, 6, (1, -2, 3), 1 << 30, 1)
    # By a half: 4.5, 1.5, -4.5; halves go up in the product that makes them ...
    up = mul(a, b, 6, (0, 0, 0), 1 << 30, 0)
    # ... and away from zero in the shift. By an eighth: -40 / 8 is -5, 9 / 8 is 1, 3 / 8 is 0.
    away = mul(int8_bytes([4, -4, 12, -12, -40]), int8_bytes([1]), 5, (0, 0, 0), 1 << 30, -2)
    # To the left by 13 with the greatest multiplier: everything but 0 is beyond the limits.
    left = mul(int8_bytes([0, 1, -1]), int8_bytes([1]), 3, (0, 0, -9), (1 << 31) - 1, 13)
    answers = run_steps([one, up, away, left], arch, tmp_path)
    assert outputs(answers[0], 12, 6) == [-15, 127, -128, 13, 3, -17]
    assert outputs(answers[1], 12, 6) == [-20, 127, -128, 5, 2, -4]
    assert outputs(answers[2], 6, 5) == [1, -1, 2, -2, -5]
    assert outputs(answers[3], 4, 3) == [-9, 127, -128]


def test_every_value(arch: str, tmp_path: Path) -> None:
    """Every a with b at 17 values, the zero points at their ends."""
    a = EVERY * 17
    b = b"".join(int8_bytes([v]) * 256 for v in (*range(-128, 128, 17), 127))
    zeros = ((-128, -128, 3), (127, -128, -5), (127, 127, 0), (0, 0, 127))
    cases = [
        mul(a, b, len(b), zero, 40503 << 15 | 31153, shift)
        for zero, shift in product(zeros, (-8, -3))
    ]
    check(cases, arch, tmp_path)


def test_extreme_multipliers(arch: str, tmp_path: Path) -> None:
    rng = random.Random(1)
    ms = (0, 1, 1 << 15, (1 << 30) - 1, 1 << 30, (1 << 30) + 32768, (1 << 31) - 1)
    cases = [
        mul(
            EVERY,
            rng.randbytes(256),
            256,
            (rng.choice((-128, 127)), rng.randint(-128, 127), 1),
            m,
            s,
        )
        for m, s in product(ms, range(-31, 14))
    ]
    check(cases, arch, tmp_path)


def test_operands_that_repeat(arch: str, tmp_path: Path) -> None:
    rng = random.Random(2)
    lengths = (1, 2, 3, 4, 5, 31, 32, 33, 64, 70)
    cases = [
        mul(rng.randbytes(na), rng.randbytes(nb), n, (1, -2, 3))
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
        for places in (
            (at, n, b_at, n, dst),
            (at, n, b_at, n, at),
            (at, n, b_at, n, b_at),
            (dst, n, at, n, at),  # a is what the arena ends with
            (~at, n, at, n, dst),
            (~0, 1, ~at, n, dst),
        ):
            step = ("MUL", [*places, n, 1, -1, 32768, 0, -7, 2, *INT8])
            cases.append(Case(step, arena, rng.randbytes(at + n), ()))
    check(cases, arch, tmp_path)


def test_limits(arch: str, tmp_path: Path) -> None:
    rng = random.Random(4)
    limits = ((-128, 126), (-127, 127), (-5, 90), (7, 7), (-128, -128), (127, 127), (0, 127))
    cases = [
        mul(rng.randbytes(n), rng.randbytes(n), n, (0, 9, -9), limits=pair)
        for pair, n in product(limits, (1, 2, 3, 4, 5, 8, 19))
    ]
    check(cases, arch, tmp_path)


def test_instructions(arch: str, tmp_path: Path) -> None:
    """What an element takes."""
    most = {"armv7em": 13.5, "armv7m": 14.5, "armv6m": 38}[arch]
    n, rng = 4096, random.Random(5)
    case = mul(rng.randbytes(n), rng.randbytes(n), n, (3, 4, 5))
    (answer,) = run_steps([case], arch, tmp_path, trap=False)
    assert answer.instructions / n <= most

"""SOFTMAX for Thumb: numbers worked by hand, extreme rows and tables, places, a damaged model."""

from __future__ import annotations

import random
import struct
from itertools import product
from pathlib import Path

import pytest

from tests.boards.random_steps import Case, exp_table
from tests.boards.step_reference import int8_bytes
from tests.boards.thumb.step_calls import CPUS, check, outputs, run_steps
from tests.marks import slow_but

pytestmark = [
    pytest.mark.usefixtures("qemu"),
    pytest.mark.parametrize("arch", slow_but(CPUS, "armv7em")),
]
ONE = 2**31 - 1
POWERS = struct.pack("<256I", ONE, *(2**31 >> i for i in range(1, 32)), *[0] * 224)
"""Entry i is 2^-i."""
DEPTHS = (1, 2, 3, 4, 5, 7, 8, 10, 12, 16, 31, 100, 127, 255, 256, 257, 511, 512, 513, 1024, 2047)


def softmax(x: bytes, rows: int = 1, table: bytes = POWERS) -> Case:
    """dst lies behind x."""
    args = [0, len(x), rows, len(x) // rows, ~0]
    return Case(("SOFTMAX", args), x + bytes(len(x)), table, ())


@pytest.mark.parametrize(
    ("row", "wanted"),
    [
        ([-7], [127]),  # 256/256, the most that there is
        ([127, 127], [0, 0]),  # 128/256
        ([-128] * 4, [-64] * 4),  # 64/256
        ([5, 4, 4], [0, -64, -64]),  # 1/2, 1/4, 1/4
        ([4, 5], [-43, 43]),  # 85.3 and 170.7 of 256
        ([127, -128, 95, 96], [127, -128, -128, -128]),  # differences of 255, 32 and 31
        # 1 + 1/2 + ... + 1/512 = 1.998: 128.1, 64.1 and so on.
        (list(range(9, -1, -1)), [0, -64, -96, -112, -120, -124, -126, -127, -127, -128]),
    ],
)
def test_numbers_worked_by_hand(
    arch: str, tmp_path: Path, row: list[int], wanted: list[int]
) -> None:
    (answer,) = run_steps([softmax(int8_bytes(row))], arch, tmp_path)
    assert outputs(answer, len(row), len(row)) == wanted


def test_sums_of_512(arch: str, tmp_path: Path) -> None:
    """A share of 256/511 is rounded up to 1, and one of 256/512 would be: but it counts as none."""
    rows = {511: -127, 512: -128, 1023: -128, 1024: -128, 2047: -128}
    answers = run_steps([softmax(bytes(depth)) for depth in rows], arch, tmp_path)
    for (depth, wanted), answer in zip(rows.items(), answers, strict=True):
        assert outputs(answer, depth, depth) == [wanted] * depth


def test_a_scale_of_1_is_a_little_less(arch: str, tmp_path: Path) -> None:
    """Entries of 1, 191/256 and 65/256 add up to 2, whose scale, 1, is 2^31 - 1 in Q0.31.

    The shares are 128, 95.5 and 32.5, and halves are rounded up. But 191 * 2^23 times the scale is
    rounded to 1 less; 65 * 2^23, which is below 2^30, stays.
    """
    table = struct.pack("<256I", ONE, 191 << 23, 65 << 23, *[0] * 253)
    (answer,) = run_steps([softmax(int8_bytes([2, 1, 0]), 1, table)], arch, tmp_path)
    assert outputs(answer, 3, 3) == [0, -33, -95]


def test_extreme_rows(arch: str, tmp_path: Path) -> None:
    """All equal, one that is higher than all others, or lower, and noise; steep and flat tables."""
    rng = random.Random(1)
    flat, steep = struct.pack("<256I", *[ONE] * 256), struct.pack("<256I", ONE, *[0] * 255)
    slow = struct.pack("<256I", *(int(ONE * 0.9995**i) for i in range(256)))
    cases = []
    for depth, table in product(DEPTHS, (flat, steep, slow, exp_table(rng))):
        one_hot, one_cold = bytearray(b"\x80" * depth), bytearray(b"\x7f" * depth)
        one_hot[rng.randrange(depth)], one_cold[rng.randrange(depth)] = 127, 128
        rows = [bytes(one_hot), bytes(one_cold), b"\x80" * depth, rng.randbytes(depth)]
        cases.append(softmax(b"".join(rows), 4, table))
    check(cases, arch, tmp_path)


def test_every_entry(arch: str, tmp_path: Path) -> None:
    """Every difference, with every bit of the entries in use."""
    rng = random.Random(2)
    cases = []
    for _ in range(20):
        entries = [ONE, *(rng.getrandbits(31) >> rng.choice((0, 8, 19, 31)) for _ in range(255))]
        row = list(range(-128, 128))
        rng.shuffle(row)
        cases.append(softmax(int8_bytes(row), 1, struct.pack("<256I", *entries)))
    check(cases, arch, tmp_path)


def test_places(arch: str, tmp_path: Path) -> None:
    """Every alignment, x in the weights, dst over x, and both ends of memory."""
    rng = random.Random(3)
    cases = []
    for depth, at, to in product((1, 4, 7), range(4), range(4)):
        size = 3 * depth
        dst = at + size + to
        arena, tail = rng.randbytes(dst + size), rng.randbytes(at + size)
        for x, where in ((at, dst), (dst, at), (~(1024 + at), dst), (at, at)):
            args = [x, where, 3, depth, ~0]
            cases.append(Case(("SOFTMAX", args), arena, exp_table(rng) + tail, ()))
    check(cases, arch, tmp_path)


def test_a_destination_one_byte_behind_the_source_does_no_harm(arch: str, tmp_path: Path) -> None:
    """Outputs become elements that are higher than the highest: nothing is read before the table.

    The table begins where the weights begin, and behind a guard.
    """
    x = int8_bytes([-87] + [-90] * 40)  # 1 of 1 + 40 / 8: 42.7 of 256, -85
    case = Case(("SOFTMAX", [2, 3, 1, len(x), ~0]), b"\x11\x22" + x + b"\x33\x44", POWERS, ())
    (answer,) = run_steps([case], arch, tmp_path)
    assert answer.arena[:2] == b"\x11\x22"
    assert answer.arena[-1:] == b"\x44"
    # An element of -85 is 254 below the highest, as far as the mask goes.
    assert outputs(answer, 3, 2) == [-85, -128]


def test_instructions(arch: str, tmp_path: Path) -> None:
    """Of one row, as classifiers end with."""
    most = {"armv7em": (361, 412), "armv7m": (368, 419), "armv6m": (774, 869)}[arch]
    rng = random.Random(4)
    cases = [softmax(rng.randbytes(depth), 1, exp_table(rng)) for depth in (10, 12)]
    answers = run_steps(cases, arch, tmp_path, trap=False)
    found = tuple(answer.instructions for answer in answers)
    assert all(a <= b for a, b in zip(found, most, strict=True)), found

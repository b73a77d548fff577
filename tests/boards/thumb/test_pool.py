"""AVERAGE_POOL and MAX_POOL for Thumb: worked by hand, geometries, order, places, limits."""

from __future__ import annotations

import random
from itertools import product
from pathlib import Path

import pytest

from tests.boards.random_steps import Axis, Case, Geometry
from tests.boards.step_reference import int8_bytes
from tests.boards.thumb.step_calls import CPUS, check, outputs, run_steps
from tests.marks import slow_but

POOLS = ("AVERAGE_POOL", "MAX_POOL")
INT8 = (-128, 127)
pytestmark = [
    pytest.mark.usefixtures("qemu"),
    pytest.mark.parametrize("arch", slow_but(CPUS, "armv7em")),
    pytest.mark.parametrize("name", POOLS),
]


def axis(size: int, kernel: int, stride: int = 1, before: int = 0, behind: int = 0) -> Axis:
    """One with as many outputs as windows fit, `before` and `behind` being padding."""
    return Axis(size, (size + before + behind - kernel) // stride + 1, kernel, stride, 1, before)


def arguments(rows: Axis, columns: Axis, channels: int, batches: int = 1) -> list[int]:
    """Those between the refs and the limits."""
    shape = [batches, rows.size, columns.size, channels, rows.outputs, columns.outputs]
    shape += [rows.kernel, columns.kernel, rows.stride, columns.stride]
    return [*shape, rows.before, columns.before]


def pool(
    name: str,
    x: bytes,
    rows: Axis,
    columns: Axis,
    limits: tuple[int, int] = INT8,
    batches: int = 1,
) -> Case:
    """dst lies behind x, of as many channels as x has."""
    channels = len(x) // (batches * rows.size * columns.size)
    size = batches * rows.outputs * columns.outputs * channels
    args = [0, len(x), *arguments(rows, columns, channels, batches), *limits]
    return Case((name, args), x + bytes(size), b"", ())


def test_numbers_worked_by_hand(name: str, arch: str, tmp_path: Path) -> None:
    # Two rows of three pixels of two channels; windows of 2 by 2 with a row of padding above and
    # one below: the first and the last row of outputs see one row each.
    image = [[(1, -1), (2, -2), (4, -4)], [(1, -1), (3, -2), (127, -128)]]
    x = int8_bytes([v for row in image for pixel in row for v in pixel])
    case = pool(name, x, axis(2, 2, before=1, behind=1), axis(3, 2))
    limited = pool(name, x, axis(2, 2, before=1, behind=1), axis(3, 2), (-3, 60))
    answers = run_steps([case, limited], arch, tmp_path)
    # Means: 1.5, -1.5; 3, -3; 7/4, -6/4; 136/4, -136/4; 2, -1.5; 65, -65.
    wanted = [2, -2, 3, -3, 2, -2, 34, -34, 2, -2, 65, -65]
    if name == "MAX_POOL":
        wanted = [2, -1, 4, -2, 3, -1, 127, -2, 3, -1, 127, -2]
    assert outputs(answers[0], 12, 12) == wanted
    assert outputs(answers[1], 12, 12) == [min(max(v, -3), 60) for v in wanted]


def test_numbers_of_channels(name: str, arch: str, tmp_path: Path) -> None:
    """Blocks of every size, one after the other."""
    rng = random.Random(1)
    cases = [
        pool(name, rng.randbytes(2 * 12 * channels), axis(4, 2, 2), axis(3, 2), batches=2)
        for channels in (*range(1, 38), 64)
    ]
    check(cases, arch, tmp_path)


def test_geometries(name: str, arch: str, tmp_path: Path) -> None:
    rng = random.Random(2)
    axes = [
        axis(size, kernel, stride, before, behind)
        for size, kernel, stride in product((1, 2, 5), (1, 2, 3, 5), (1, 2, 3))
        for before, behind in ((0, 0), (kernel // 2, (kernel - 1) // 2), (kernel - 1, kernel - 1))
        if size + before + behind >= kernel
    ]
    cases = []
    for rows in axes:
        columns, channels = rng.choice(axes), rng.choice((1, 3, 8, 13))
        x = rng.randbytes(rows.size * columns.size * channels)
        cases.append(pool(name, x, rows, columns))
    check(cases, arch, tmp_path)


def test_large_windows_of_extreme_values(name: str, arch: str, tmp_path: Path) -> None:
    """Up to and beyond the 256 bytes whose sum has 16 bits."""
    cases = []
    for height, width in ((16, 16), (1, 256), (257, 1), (17, 16), (15, 17), (30, 40)):
        for value in (-128, 127, -1):
            same = int8_bytes([value]) * (height * width * 13)
            x = bytearray(same)
            x[::97] = bytes(len(x[::97]))
            for image in (same, bytes(x)):
                cases.append(pool(name, image, axis(height, height), axis(width, width)))
    check(cases, arch, tmp_path)


def test_order_over_the_input(name: str, arch: str, tmp_path: Path) -> None:
    """dst lies over x, as close as the order allows."""
    rng = random.Random(3)
    cases = []
    for rows, channels, backward in product(
        (axis(6, 2, 2), axis(5, 3, 1, 1, 1), axis(1, 1), axis(4, 1)), (1, 4, 9, 16, 21), (0, 1)
    ):
        for columns in (axis(6, 2, 2), axis(7, 3, 2, 1, 1), axis(5, 1), axis(1, 1)):
            away = Geometry(1, rows, columns, channels, channels).closest(bool(backward))
            size = rows.size * columns.size * channels
            made = rows.outputs * columns.outputs * channels
            x, dst = max(-away, 0) + 1, max(-away, 0) + 1 + away
            args = [x, dst, *arguments(rows, columns, channels), *INT8, backward]
            arena = rng.randbytes(max(x + size, dst + made) + 3)
            cases.append(Case((name, args), arena, b"", ()))
    check(cases, arch, tmp_path)


def test_places(name: str, arch: str, tmp_path: Path) -> None:
    """Every alignment, x in the weights, and both ends of memory."""
    rng = random.Random(4)
    cases = []
    for channels, at, to in product((1, 5, 8, 16), range(4), range(4)):
        size = 3 * 4 * channels
        dst = at + size + to
        arena, weights = rng.randbytes(dst + size), rng.randbytes(at + size)
        for x, where in ((at, dst), (dst, at), (~at, dst)):
            args = [x, where, *arguments(axis(3, 2), axis(4, 2, 2), channels), *INT8]
            cases.append(Case((name, args), arena, weights, ()))
    check(cases, arch, tmp_path)


def test_limits(name: str, arch: str, tmp_path: Path) -> None:
    rng = random.Random(5)
    limits = ((-128, 126), (-127, 127), (-5, 90), (7, 7), (-128, -128), (127, 127), (0, 127))
    cases = []
    for pair, channels, backward in product(limits, (1, 2, 3, 5, 8), (0, 1)):
        rows = axis(3, 1)
        args = [0, 9 * channels, *arguments(rows, rows, channels), *pair, backward]
        cases.append(Case((name, args), rng.randbytes(18 * channels), b"", ()))
    two = [pool(name, rng.randbytes(54), axis(3, 2), axis(3, 2), pair, 2) for pair in limits]
    check(cases + two, arch, tmp_path)


def test_instructions(name: str, arch: str, tmp_path: Path) -> None:
    """What an output of a 2x2 window takes, at 24x24x16; CMSIS-NN compiled with gcc -O3:

    MAX_POOL 38.7 on M4, 160 on M0+, AVERAGE_POOL 41.3 and 222.
    """
    most = {
        "MAX_POOL": {"armv7em": 8, "armv7m": 30, "armv6m": 32},
        "AVERAGE_POOL": {"armv7em": 14, "armv7m": 25, "armv6m": 47},
    }[name][arch]
    x = random.Random(6).randbytes(24 * 24 * 16)
    case = pool(name, x, axis(24, 2, 2), axis(24, 2, 2))
    (answer,) = run_steps([case], arch, tmp_path, trap=False)
    assert answer.instructions / (len(x) / 4) <= most

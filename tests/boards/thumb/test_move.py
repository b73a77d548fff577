"""MOVE and FILL for Thumb: bytes worked by hand, lengths at every alignment, dimensions, values."""

from __future__ import annotations

import random
from itertools import product
from pathlib import Path

import pytest

from tests.boards.random_steps import Case
from tests.boards.thumb.step_calls import CPUS, check, run_steps
from tests.marks import slow_but

pytestmark = [
    pytest.mark.usefixtures("qemu"),
    pytest.mark.parametrize("arch", slow_but(CPUS, "armv7em", "armv6m")),
]
LENGTHS = (1, 2, 3, 4, 5, 7, 8, 11, 15, 16, 17, 19, 20, 31, 32, 35, 67)


def move(
    x: int,
    dst: int,
    run: int,
    *dimensions: tuple[int, int, int],
    arena: bytes,
    weights: bytes = b"",
) -> Case:
    """dimensions: count, source stride and stride of each, the innermost last."""
    filled = [(1, 0, 0)] * (5 - len(dimensions)) + list(dimensions)
    counts, source_strides, strides = zip(*filled, strict=True)
    args = [x, dst, run, *counts, *source_strides, *strides]
    return Case(("MOVE", args), arena, weights, ())


def test_bytes_worked_by_hand(arch: str, tmp_path: Path) -> None:
    x = bytes(range(1, 13))  # 3 rows of 4
    arena = x + bytes(14)
    transposed = move(0, 12, 1, (4, 1, 3), (3, 4, 1), arena=arena)
    upside_down = move(8, 12, 4, (3, -4, 4), arena=arena)
    repeated = move(4, 13, 2, (3, 0, 4), arena=arena)
    padded = move(~1, 13, 2, (2, 3, 5), arena=arena, weights=b"\x63ab-cd")
    answers = run_steps([transposed, upside_down, repeated, padded], arch, tmp_path)
    found = [answer.arena[12:] for answer in answers]
    assert found == [
        bytes([1, 5, 9, 2, 6, 10, 3, 7, 11, 4, 8, 12, 0, 0]),
        bytes([9, 10, 11, 12, 5, 6, 7, 8, 1, 2, 3, 4, 0, 0]),
        bytes([0, 5, 6, 0, 0, 5, 6, 0, 0, 5, 6, 0, 0, 0]),
        b"\0ab\0\0\0cd\0\0\0\0\0\0",
    ]


def test_runs_of_every_length_and_alignment(arch: str, tmp_path: Path) -> None:
    """Two runs each, from arena and weights; x or dst at either end of memory."""
    rng = random.Random(1)
    cases = []
    for run, at, to in product(LENGTHS, range(4), range(4)):
        size = 2 * run + 1
        dst = at + size + to
        arena, weights = rng.randbytes(dst + size), rng.randbytes(at + size)
        for x, where in ((at, dst), (dst, at), (~at, dst)):
            cases.append(move(x, where, run, (2, run + 1, run + 1), arena=arena, weights=weights))
    check(cases, arch, tmp_path)


def test_dimensions(arch: str, tmp_path: Path) -> None:
    """Each of the five with a count of its own, in any order, forwards and backwards."""
    rng = random.Random(2)
    cases = []
    for run in (1, 2, 4, 5):
        for _ in range(12):
            counts = rng.sample((1, 2, 3, 4, 5), 5)
            total = run * 120
            dimensions = [(0, 0, 0)] * 5
            source, to, x, dst = run, run, 0, total
            places = rng.sample(range(5), 5)
            for place in places:
                dimensions[place] = (counts[place], source, 0)
                source *= counts[place]
            for place in rng.sample(range(5), 5):
                count, stride, _ = dimensions[place]
                if rng.random() < 0.3:
                    x += (count - 1) * stride
                    stride = -stride
                dimensions[place] = (count, stride, to)
                to *= count
            cases.append(move(x, dst, run, *dimensions, arena=rng.randbytes(2 * total)))
    check(cases, arch, tmp_path)


def test_fill(arch: str, tmp_path: Path) -> None:
    """Every alignment and size of element; all bytes of the value differ."""
    cases = []
    for count, at, size in product(LENGTHS, range(4), (1, 2, 4)):
        args = [at, count, size, -0x7E6D5C4C]
        end = at + count * size
        cases.append(Case(("FILL", args), random.Random(at).randbytes(end), b"", ()))
    answers = check(cases, arch, tmp_path)
    assert answers[-1].arena[3:] == bytes.fromhex("b4a39281") * LENGTHS[-1]


def test_instructions(arch: str, tmp_path: Path) -> None:
    """Of a byte: 16 rows of 256, where both sides are aligned, and where they are not."""
    most = (0.38, 3.12, 0.76, 1.76) if arch == "armv6m" else (0.38, 1.12, 0.76, 0.76)
    arena = bytes(8500)
    moves = [move(0, dst, 256, (16, 256, 260), arena=arena) for dst in (4096, 4097)]
    fills = [Case(("FILL", [at, 4096, 1, 7]), arena, b"", ()) for at in (0, 1)]
    answers = [
        *run_steps(moves, arch, tmp_path, trap=False),
        *run_steps(fills, arch, tmp_path, trap=False),
    ]
    found = [answer.instructions / 4096 for answer in answers]
    assert all(a <= b for a, b in zip(found, most, strict=True)), found

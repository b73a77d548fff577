"""Requantisation in every kernel that does it, on many values, against plain Python ints.

Values are chosen where it matters: at the steps of the result, near zero, and at the extremes. Each
runs in MicroPython (both tiers) and under CPython, where viper has words of 32 and 64 bits and the
bytecode tier has small ints only.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.boards.packed_builder import build, one_step
from tests.boards.step_reference import Step, int8_bytes, rq, run
from tests.boards.unix_port import Job, run_jobs
from tests.boards.viper_emulator import Board

COUNT = 2_000
SHIFTS = (30, 13, 1, 0, -1, -8, -16, -31)
ZERO_POINT = 3
Run = Callable[[bytes, bytes], bytes]
RUNNERS = ("unix bytecode", "unix viper", "small ints", "32 bits", "64 bits")


@pytest.fixture(scope="module", params=RUNNERS)
def runner(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Run:
    where, _, what = request.param.partition(" ")
    if where != "unix":
        board = Board("bytecode") if where == "small" else Board("viper", int(where))
        return board.run
    folder: Path = tmp_path_factory.mktemp("unix")

    def on_unix(model: bytes, arena: bytes) -> bytes:
        (outcome,) = run_jobs([Job(model, arena)], what, folder)
        assert outcome.arena is not None, outcome.error
        return outcome.arena

    return on_unix


@pytest.fixture
def is_bytecode(request: pytest.FixtureRequest) -> bool:
    return request.node.callspec.params["runner"] in ("unix bytecode", "small ints")


def multipliers(rng: random.Random) -> int:
    return rng.choice((2**30, 2**31 - 1, rng.randrange(2**30, 2**31), rng.randrange(2**31)))


def accumulator(rng: random.Random, multiplier: int, shift: int, limit: int) -> int:
    """A sum with a result worth looking at; below `limit` in magnitude."""
    kind = rng.randrange(8)
    if kind == 0:
        return rng.choice((0, 1, -1, limit - 1, 1 - limit, -limit if limit == 2**31 else 0))
    if kind == 1:
        return rng.randint(1 - limit, limit - 1)
    if kind == 2:
        return rng.randint(1 - limit, limit - 1) >> rng.randrange(31)
    # Where the result steps from one integer to the next, and beside it.
    target = 2 * rng.randint(-140, 140) + 1
    step = (target << 30) // max(multiplier, 1)
    step = step >> shift if shift > 0 else step << -shift
    return min(max(step + rng.randint(-2, 2), 1 - limit), limit - 1)


def filter_step(name: str, accumulators: list[int], factors: list[int], shift: int) -> bytes:
    """A model with one output channel for each accumulator, which is the channel's bias."""
    count = len(accumulators)
    left, right = max(shift, 0), max(-shift, 0)
    table = b"".join(
        struct.pack("<iHHBBH", acc, m >> 15, m & 32767, left, right, 0)
        for acc, m in zip(accumulators, factors, strict=True)
    )
    # x is the zero point, or the weight is 0: products add nothing.
    weights = (b"\x80" if name == "DEPTHWISE" else b"\x80" + bytes(7)) * count
    weights += bytes(-len(weights) % 16)
    multiplier = count if name == "DEPTHWISE" else 1
    geometry = [1, 1, 1, 1, 1, 1, count, 1, 1, 1, 1, 1, 1, 0, 0, multiplier]
    args = [count, ~0, ~len(weights), 0, *geometry, -7, ZERO_POINT, -128, 127]
    args += [] if name == "DEPTHWISE" else [count + 8]
    return build(one_step(count + 16, (name, args), weights + table))


def clamped(values: list[int]) -> bytes:
    return int8_bytes([min(max(v + ZERO_POINT, -128), 127) for v in values])


@pytest.mark.parametrize("shift", SHIFTS)
@pytest.mark.parametrize("name", ["CONV", "DEPTHWISE"])
def test_accumulators(name: str, shift: int, runner: Run, is_bytecode: bool) -> None:
    if is_bytecode and shift > 12:
        shift = 12  # beyond, the tier refuses: the sum of products alone may be too wide
    rng = random.Random(f"{name} {shift}")
    limit = (2**29 - 1 >> max(shift, 0)) - 65025 if is_bytecode else 2**31
    factors = [multipliers(rng) for _ in range(COUNT)]
    accumulators = [accumulator(rng, m, shift, limit) for m in factors]
    arena = bytes([-7 & 255]) * (COUNT + 16)
    found = runner(filter_step(name, accumulators, factors, shift), arena)
    exact = [rq(acc, m, shift) for acc, m in zip(accumulators, factors, strict=True)]
    assert found[:COUNT] == clamped(exact)
    free = sum(-128 < v + ZERO_POINT < 127 for v in exact)
    assert free > COUNT // (10 if shift > 1 else 5), "too many saturate to tell anything"


def parts(multiplier: int, shift: int) -> list[int]:
    return [multiplier >> 15, multiplier & 32767, shift]


def check_step(step: Step, content: bytes, runner: Run) -> None:
    arena = bytearray(content)
    run([[step]], arena, b"")
    assert runner(build(one_step(len(content), step)), content) == arena


@pytest.mark.parametrize("seed", range(2))
def test_pairs(seed: int, runner: Run) -> None:
    """ADD and MUL of 100 times 100 int8 values, zero points and multipliers at random."""
    rng = random.Random(seed)
    a, b = [rng.sample(range(256), 100) for _ in range(2)]
    n = len(a) * len(b)
    content = bytes(x for x in a for _ in b) + bytes(b) + bytes(n)
    sources = [0, n, n, len(b), n + len(b), n]
    zero_points = [rng.choice((-128, 127, 5)) for _ in range(2)]
    factors = [rng.randrange(2**30, 2**31) for _ in range(3)]
    shifts = (0, -2, -19)
    scaling = [v for m, s in zip(factors, shifts, strict=True) for v in parts(m, s)]
    add = ("ADD", [*sources, 20, *zero_points, *scaling, 3, -128, 127])
    check_step(add, content, runner)
    for shift in (-7, 2):
        mul = ("MUL", [*sources, *zero_points, *parts(factors[0], shift), 3, -128, 127])
        check_step(mul, content, runner)


@pytest.mark.parametrize("shift", [-31, -9, -1, 0, 1, 19])
def test_means(shift: int, runner: Run) -> None:
    """MEAN of three values, 10,000 times."""
    rng = random.Random(shift)
    multiplier = rng.randrange(2**30, 2**31)
    args = [0, 3 * COUNT, COUNT, 3, 1, rng.randint(-384, 384), *parts(multiplier, shift), -2]
    check_step(("MEAN", args), rng.randbytes(4 * COUNT), runner)

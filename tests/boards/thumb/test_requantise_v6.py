"""Requantisation on ARMv6-M, on an emulated CPU: every sum, multiplier and shift is exact."""

from __future__ import annotations

import random
import struct
from itertools import product
from pathlib import Path

import pytest

from firmware.kernels.thumb import requantise_v6
from firmware.kernels.thumb.assembler import Kernel
from firmware.kernels.thumb.frame import Arguments, Frame
from firmware.kernels.thumb.operands import r0, r2, r3, r4
from tests.boards.step_reference import clamp, rq
from tests.boards.thumb.direct import Call, run_calls

M_ENDS = (0, 1, 2, 0x7FFF, 0x8000, 0xFFFF, 1 << 30, (1 << 30) + 1, (1 << 31) - 32768, (1 << 31) - 1)
SUM_ENDS = (0, 1, 2, 3, 0x7FFF, 0x8000, 0x8001, 0xFFFF, 0x10000, 1 << 30, (1 << 31) - 32769)
Output = tuple[int, int, int]
"""A sum, a multiplier and its shift."""


def many() -> str:
    """A kernel of the routine alone. r0: sums, r1: table, r2: p."""
    k = Kernel("many", 3, "armv6m")
    arguments = Arguments("zo lo hi sums_bytes dst")
    frame = Frame(k, requantise_v6.LIMITS)
    k.save_high()
    frame.open()
    requantise_v6.prepare(k, arguments, frame, r2)
    requantise_v6.load_limits(k, frame)
    arguments.load(k, r2, sums_bytes=r3, dst=r4)
    k.adds(r3, r3, r0)
    k.mov(requantise_v6.END, r3)
    k.adds(r2, r4, r0)
    k.bl("requantise")
    k.b("end")
    requantise_v6.routine(k)
    k.label("end")
    frame.close()
    k.restore_high()
    return f"import micropython\n\n{k.source()}"


def differing(
    outputs: list[Output], folder: Path, zo: int = 0, limits: tuple[int, int] = (-128, 127)
) -> list[Output]:
    """Those that come out wrong. Half of each sum comes as the bias."""
    sums, table, right = b"", b"", []
    for total, m, shift in outputs:
        bias = total // 2
        sums += struct.pack("<i", total - bias)
        left, down = max(shift, 0), max(-shift, 0)
        table += struct.pack("<iHHBBH", bias, m >> 15, m & 0x7FFF, left, down, 0)
        right.append(clamp(rq(total, m, shift) + zo, *limits))
    ground = bytes(len(outputs) + 1)
    call = Call([0, zo, *limits, len(sums), len(sums)], table, sums + ground)
    (answer,) = run_calls([call], many(), "many", "armv6m", "m3", folder)
    assert answer.arena[: len(sums)] == sums
    assert answer.arena[-1] == 0
    found = struct.unpack(f"{len(outputs)}b", answer.arena[len(sums) : -1])
    return [o for o, a, b in zip(outputs, found, right, strict=True) if a != b]


def test_by_hand(qemu: None, tmp_path: Path) -> None:
    # 2.5 and -2.5 with halves up are 3 and -2; 3 and -3 halved away from zero are 2 and -2.
    half = 1 << 30
    assert [rq(5, half, 0), rq(-5, half, 0), rq(6, half, -1), rq(-6, half, -1)] == [3, -2, 2, -2]
    outputs = [(5, half, 0), (-5, half, 0), (6, half, -1), (-6, half, -1)]
    assert differing(outputs, tmp_path) == []


def test_ends_of_everything(qemu: None, tmp_path: Path) -> None:
    sums = sorted({s for v in SUM_ENDS for s in (v, -v)} | {-(2**31), 2**31 - 1, 2**31 - 32768})
    shifts = (0, 1, 2, 15, 16, 30, -1, -2, -7, -15, -16, -22, -30, -31)
    outputs = list(product(sums, M_ENDS, shifts))
    assert differing(outputs, tmp_path) == []


@pytest.mark.parametrize("zo", [-128, 5, 127])
@pytest.mark.parametrize("limits", [(-128, 127), (-128, -128), (127, 127), (-3, 60)])
def test_zero_points_and_limits(
    qemu: None, tmp_path: Path, zo: int, limits: tuple[int, int]
) -> None:
    ends = (-(2**31), -(2**31) + 1, 2**31 - 1, -300, -129, -128, -1, 0, 1, 127, 128, 300)
    outputs = [(s, m, shift) for s, m in product(ends, M_ENDS) for shift in (0, 1, -1)]
    assert differing(outputs, tmp_path, zo, limits) == []


def test_at_random(qemu: None, tmp_path: Path) -> None:
    """Multipliers and shifts whose outputs are mostly inside of the limits."""
    rng = random.Random(1)
    outputs = []
    for _ in range(20000):
        bits = rng.randint(1, 31)
        total = rng.randint(-(1 << bits), (1 << bits) - 1)
        m = rng.randrange(1 << 30, 1 << 31) if rng.random() < 0.8 else rng.getrandbits(31)
        outputs.append((total, m, clamp(7 - bits + rng.randint(-2, 1), -31, 30)))
    inside = sum(-128 < rq(*output) < 127 for output in outputs)
    assert inside > 12000
    assert differing(outputs, tmp_path, zo=3) == []

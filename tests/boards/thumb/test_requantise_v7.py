"""Requantisation on ARMv7-M: every shift, and sums and multipliers at their ends and at random."""

from __future__ import annotations

import random
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import pytest

from firmware.kernels.thumb.assembler import Kernel
from firmware.kernels.thumb.operands import r0, r1, r2, r3, r4, r5, r6, r7, r8, r12
from firmware.kernels.thumb.requantise_v7 import narrow, wide
from tests.boards.step_reference import clamp, int8_bytes, rq
from tests.boards.thumb.conv_layers import ARCHES
from tests.boards.thumb.direct import Call, run_calls

pytestmark = [pytest.mark.usefixtures("qemu"), pytest.mark.parametrize("arch", ARCHES)]
MULTIPLIERS = (0, 1, 2**30 - 1, 2**30, 2**30 + 1, 2**31 - 1)
Case = tuple[int, int, int]  # a sum, a multiplier, a shift; negative to the right


def kernel(arch: str, is_wide: bool) -> str:
    """f(arena, entries, arguments): arguments are how many, zero point and limits."""
    k = Kernel("f", 3, arch)
    k.save_high()
    k.ldr(r3, r2[0])
    k.label("loop")
    k.ldm(r1.up, r4, r5, r6, r7)
    k.mov(r8, r4)
    if is_wide:
        wide(k, r8, r5, r7, r12, r2[4], (r2[8], r2[12]))
        k.subs(r3, r3, 1)
    else:
        k.subs(r3, r3, 1)
        narrow(k, r8, r5, r6, r7, r12)  # leaves the flags alone
    k.strb(r8, r0.post(1))
    k.bne("loop")
    k.restore_high()
    return "import micropython\n" + k.source()


@dataclass(frozen=True)
class Batch:
    """Cases that have the zero point and the limits in common."""

    cases: Sequence[Case]
    zo: int
    low: int = -128
    high: int = 127

    def call(self) -> Call:
        entries = b""
        for acc, m, shift in self.cases:
            left, right = max(shift, 0), max(-shift, 0)
            half = ((self.zo << right) + (1 << right >> 1)) % 2**32
            entries += struct.pack("<iiIBBH", acc, m, half, right, left, 0)
        size = len(self.cases)
        return Call([size, self.zo, self.low, self.high], entries, bytes(size))

    def expected(self) -> list[int]:
        return [clamp(rq(*case) + self.zo, self.low, self.high) for case in self.cases]


def check(batches: Sequence[Batch], arch: str, is_wide: bool, folder: Path) -> None:
    calls = [batch.call() for batch in batches]
    answers = run_calls(calls, kernel(arch, is_wide), "f", arch, ARCHES[arch], folder)
    for batch, answer in zip(batches, answers, strict=True):
        found = struct.unpack(f"{len(batch.cases)}b", answer.arena)
        both = zip(batch.cases, found, batch.expected(), strict=True)
        wrong = [case for case, a, b in both if a != b]
        assert not wrong, (len(wrong), wrong[:3], batch.zo)


def near_halves(rng: random.Random, bits: int, right: int) -> list[int]:
    """Sums that end up within int8, by a multiplier of about a half, and often between two."""
    return [
        acc
        for v in rng.sample(range(-140, 141), 12)
        for acc in ((2 * v + 1 << right) + rng.randint(-2, 2), rng.randint(-255, 255) << right)
        if abs(acc) < 1 << bits
    ]


def narrow_cases(rng: random.Random) -> list[Case]:
    sums = (0, 1, -1, 2, -2, 2**30 - 1, 1 - 2**30)
    cases = list(product(sums, MULTIPLIERS, range(-22, 0)))
    for right in range(1, 23):
        for acc in near_halves(rng, 30, right):
            cases += [(acc, 2**30, -right), (acc, rng.randrange(2**30, 2**31), -right)]
    for _ in range(1000):
        acc = rng.randint(1 - 2**30, 2**30 - 1) >> rng.randrange(30)
        cases.append((acc, rng.randrange(2**31), -rng.randint(1, 22)))
    return cases


@pytest.mark.parametrize("is_wide", [False, True])
def test_narrow_sums(arch: str, tmp_path: Path, is_wide: bool) -> None:
    rng = random.Random(1)
    batches = [Batch(narrow_cases(rng), zo) for zo in (-128, 0, 3, 127)]
    check(batches, arch, is_wide, tmp_path)


def wide_cases(rng: random.Random) -> list[Case]:
    sums = (0, 1, -1, 2**30, -(2**30), 2**31 - 1, 1 - 2**31, -(2**31), 0x12345678, -0x55555555)
    cases = list(product(sums, MULTIPLIERS, range(-31, 31)))
    for right in range(23, 32):
        cases += [(acc, 2**30, -right) for acc in near_halves(rng, 31, right)]
    for _ in range(1000):
        acc = rng.randint(-(2**31), 2**31 - 1) >> rng.randrange(32)
        cases.append((acc, rng.randrange(2**31), rng.randint(-31, 30)))
    return cases


def test_wide_sums_and_limits(arch: str, tmp_path: Path) -> None:
    rng = random.Random(2)
    ends = ((0, -128, 127), (127, -128, 127), (-128, -100, 100), (5, 5, 5))
    check([Batch(wide_cases(rng), *end) for end in ends], arch, True, tmp_path)


def test_numbers_worked_by_hand(arch: str, tmp_path: Path) -> None:
    # Half of 11 is 5.5, rounded up to 6, and a quarter of it is 1.5: 2, away from zero.
    # Half of -11 is -5.5, rounded up to -5, and a quarter of it is -1.25: -1.
    # -10: -5, -2.5, away from zero -3. And 250 is more than the limit.
    half = 2**30
    cases = [(11, half, -2), (-11, half, -2), (-10, half, -1), (1000, half, -1)]
    wanted = int8_bytes([2, -1, -3, 127])
    for is_wide in (False, True):
        entries = b"".join(
            struct.pack("<iiIBBH", acc, m, 1 << -shift >> 1, -shift, 0, 0)
            for acc, m, shift in cases
        )
        call = Call([len(cases), 0, -128, 127], entries, bytes(4))
        text = kernel(arch, is_wide)
        (answer,) = run_calls([call], text, "f", arch, ARCHES[arch], tmp_path)
        assert answer.arena == wanted

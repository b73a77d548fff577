"""AVERAGE_POOL's divisions: proved for every count, and tried on the board."""

from __future__ import annotations

import random
import struct
from pathlib import Path

import numpy as np
import pytest

from firmware.kernels.thumb import pool_average
from firmware.kernels.thumb.assembler import Kernel
from firmware.kernels.thumb.frame import Frame
from firmware.kernels.thumb.operands import r0, r1, r2, r3, r5, r6, r7, r8, r9
from tests.boards.step_reference import half_away
from tests.boards.thumb.direct import Call, run_calls

COUNTS = 1 << 21
"""Windows have fewer taps."""


def test_narrow_sums_with_every_count() -> None:
    """All sums that 256 bytes may have, as the DSP extension divides them."""
    for count in range(1, 257):
        sums = np.arange(-128 * count, 127 * count + 1)
        reciprocal = (1 << 30) // count + 1
        means = (1 << 13) + (sums * reciprocal >> 16) >> 14
        wanted = np.sign(sums) * ((np.abs(sums) + count // 2) // count)
        assert np.array_equal(means, wanted), count


def quotients(dividends: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """ARMv6-M's quotients, before the last step, by pool_average's formula."""
    bits = np.frexp(counts.astype(np.float64))[1].astype(np.int64)
    shift = np.maximum(bits - 8, 0)
    reciprocal = (1 << 16 + shift) // counts
    product = (dividends >> shift) * reciprocal
    assert product.max() < 1 << 32
    return product >> 16


def prove(counts: np.ndarray) -> None:
    """The quotient is right or one too small for every dividend up to 128 * count + count / 2.

    Where dividends grow the estimate does not shrink: so it is enough to look at the first and the
    last dividend of every quotient.
    """
    for quotient in range(129):
        first = quotient * counts
        last = first + np.where(quotient < 128, counts - 1, counts // 2)
        assert (quotients(first, counts) >= quotient - 1).all()
        assert (quotients(last, counts) <= quotient).all()


def test_estimates_for_small_and_odd_counts() -> None:
    powers = [(1 << bit) + more for bit in range(1, 22) for more in (-2, -1, 0, 1)]
    chosen = {*range(1, 5000), *powers, *random.Random(1).sample(range(1, COUNTS), 5000)}
    prove(np.array(sorted(count for count in chosen if 0 < count < COUNTS)))


@pytest.mark.slow
def test_estimates_for_every_count() -> None:
    for start in range(1, COUNTS, 1 << 17):
        prove(np.arange(start, min(start + (1 << 17), COUNTS)))


def division() -> str:
    """A kernel of the two routines: p[1] pairs of sum and count from the weights, means to dst."""
    k = Kernel("division", 3, "armv6m")
    frame = Frame(k, pool_average.DIVISION_WORDS)
    k.save_high()
    frame.open()
    k.ldr(r6, r2[4])
    k.mov(r8, r0)
    k.label("next")
    k.ldm(r1.up, r0, r5)
    k.mov(r9, r0)
    k.bl("reciprocal")
    k.mov(r0, r9)
    k.bl("divide")
    k.mov(r3, r8)
    k.strb(r7, r3[0])
    k.adds(r3, 1)
    k.mov(r8, r3)
    k.subs(r6, 1)
    k.bne("next")
    k.b("end")
    pool_average.reciprocal_v6(k, frame)
    pool_average.divide_v6(k, frame)
    k.label("end")
    frame.close()
    k.restore_high()
    return "import micropython\n" + k.source()


def test_the_routines(qemu: None, tmp_path: Path) -> None:
    """Sums at which means change, of counts of every size."""
    rng = random.Random(2)
    counts = {*range(1, 40), 255, 256, 257, COUNTS - 1, COUNTS - 2}
    counts |= {(1 << bit) + more for bit in range(2, 21) for more in (-1, 0, 1)}
    pairs = []
    for count in sorted(counts):
        sums = {-128 * count, 127 * count, 0}
        for mean in (-128, -127, -2, -1, 0, 1, 126, rng.randint(-126, 125)):
            middle = (2 * mean + 1) * count // 2
            sums |= {middle - 1, middle, middle + 1, mean * count}
        pairs += [(s, count) for s in sorted(sums) if -128 * count <= s <= 127 * count]
    content = b"".join(struct.pack("<2i", *pair) for pair in pairs)
    call = Call([0, len(pairs)], content, bytes(len(pairs)))
    (answer,) = run_calls([call], division(), "division", "armv6m", "m3", tmp_path)
    found = struct.unpack(f"{len(pairs)}b", answer.arena)
    assert found == tuple(half_away(*pair) for pair in pairs)

"""Steps in plain Python integers, one element after the other, as schemas/steps.md has them.

x, y and pixels are lists of ints; what is before and behind the bytes of a step is the tests'.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from microinterp.packed import steps as s

Window = s.Conv | s.Depthwise | s.AveragePool | s.MaxPool


def wrapped(value: int) -> int:
    """The int32 that is left of a number."""
    return (value + (1 << 31)) % (1 << 32) - (1 << 31)


def rq(x: int, multiplier: int, shift: int) -> int:
    """A sum times multiplier * 2^(shift - 31), rounded as TFLM does it."""
    shifted = wrapped(x << max(shift, 0))
    high = min((shifted * multiplier + 2**30) // 2**31, 2**31 - 1)
    divisor = 1 << max(-shift, 0)
    magnitude = (abs(high) + divisor // 2) // divisor  # halves away from zero
    return magnitude if high >= 0 else -magnitude


def clamp(value: int, lo: int, hi: int) -> int:
    """The nearest number of lo to hi."""
    return min(max(value, lo), hi)


def taps_of(step: Window, y: int, x: int) -> Iterator[tuple[int, int, int]]:
    """Taps of a window inside the image: number, row and column; dilated or not."""
    dh, dw = (step.dh, step.dw) if isinstance(step, (s.Conv, s.Depthwise)) else (1, 1)
    for i in range(step.kh):
        for j in range(step.kw):
            row, column = y * step.sh - step.pt + i * dh, x * step.sw - step.pl + j * dw
            if 0 <= row < step.ih and 0 <= column < step.iw:
                yield i * step.kw + j, row, column


def outputs_of(step: Window) -> Iterator[tuple[int, int, int]]:
    """Batch, row and column of each output pixel."""
    for batch in range(step.batches):
        for y in range(step.oh):
            for x in range(step.ow):
                yield batch, y, x


def convolve(
    step: s.Conv,
    x: Sequence[int],
    w: Sequence[Sequence[int]],
    bias: Sequence[int],
    scales: Sequence[tuple[int, int]],
) -> list[int]:
    """CONV: w[o] has the taps [kh, kw, channels of a group], scales[o] multiplier and shift."""
    found, depth, per_group = [], step.ic // step.groups, step.oc // step.groups
    for batch, y, column in outputs_of(step):
        for o in range(step.oc):
            total, group = bias[o], o // per_group
            for tap, row, place in taps_of(step, y, column):
                for c in range(depth):
                    pixel = (batch * step.ih + row) * step.iw + place
                    value = x[pixel * step.ic + group * depth + c]
                    total += (value - step.zx) * w[o][tap * depth + c]
            found.append(clamp(rq(total, *scales[o]) + step.zo, step.lo, step.hi))
    return found


def convolve_depthwise(
    step: s.Depthwise,
    x: Sequence[int],
    w: Sequence[Sequence[int]],
    bias: Sequence[int],
    scales: Sequence[tuple[int, int]],
) -> list[int]:
    """DEPTHWISE: w[o] has the taps [kh, kw]."""
    found = []
    for batch, y, column in outputs_of(step):
        for o in range(step.oc):
            total = bias[o]
            for tap, row, place in taps_of(step, y, column):
                pixel = (batch * step.ih + row) * step.iw + place
                total += (x[pixel * step.ic + o // step.multiplier] - step.zx) * w[o][tap]
            found.append(clamp(rq(total, *scales[o]) + step.zo, step.lo, step.hi))
    return found


def pool(step: s.AveragePool | s.MaxPool, x: Sequence[int]) -> list[int]:
    """The greatest or the mean of the taps inside the image, halves away from zero."""
    found = []
    for batch, y, column in outputs_of(step):
        for c in range(step.c):
            seen = [
                x[((batch * step.ih + row) * step.iw + place) * step.c + c]
                for _, row, place in taps_of(step, y, column)
            ]
            value = max(seen)
            if isinstance(step, s.AveragePool):
                total = sum(seen)
                value = (abs(total) + len(seen) // 2) // len(seen) * (1 if total > 0 else -1)
            found.append(clamp(value, step.lo, step.hi))
    return found


def mean(step: s.Mean, x: Sequence[int]) -> list[int]:
    """Over the middle one of three dimensions."""
    multiplier, found = step.m_hi * 2**15 + step.m_lo, []
    for outer in range(step.outer):
        for inner in range(step.inner):
            base = outer * step.reduce * step.inner + inner
            total = sum(x[base + r * step.inner] for r in range(step.reduce)) - step.zn
            found.append(clamp(rq(total, multiplier, step.shift) + step.zo, -128, 127))
    return found


def add(step: s.Add, a: Sequence[int], b: Sequence[int]) -> list[int]:
    """Both scaled, then their sum."""
    found, up = [], 1 << step.left_shift
    for i in range(step.n):
        total = rq((a[i % step.na] - step.za) * up, step.a_hi * 2**15 + step.a_lo, step.a_shift)
        total += rq((b[i % step.nb] - step.zb) * up, step.b_hi * 2**15 + step.b_lo, step.b_shift)
        value = rq(total, step.o_hi * 2**15 + step.o_lo, step.o_shift) + step.zo
        found.append(clamp(value, step.lo, step.hi))
    return found


def mul(step: s.Mul, a: Sequence[int], b: Sequence[int]) -> list[int]:
    """The product, then scaled."""
    found, multiplier = [], step.m_hi * 2**15 + step.m_lo
    for i in range(step.n):
        product = (a[i % step.na] - step.za) * (b[i % step.nb] - step.zb)
        value = rq(product, multiplier, step.shift) + step.zo
        found.append(clamp(value, step.lo, step.hi))
    return found

"""Requantisation on ARMv6-M: sums of products to int8, for every sum and every multiplier.

A channel's entry in the table: int32 bias, uint16 hi, uint16 lo, uint8 left, uint8 right, 0, 0,
with the multiplier m = hi << 15 | lo. SRDHM(v, m) = floor((v * m + 2^30) / 2^31) comes from
products of 16 bits: v = vh * 2^16 + vl, vl being signed, so that

    v * m = vh * hi * 2^31 + (2 * vh * lo + vl * hi) * 2^15 + vl * lo
    SRDHM = vh * hi + ((vl * hi + (vl * lo >> 15) >> 1) + vh * lo + 2^14 >> 15)

where no sum leaves 32 bits but vh * hi, whose upper bits nobody misses. A shift to the right puts
the last bit that falls out into the carry; adding it rounds halves up.
"""

from __future__ import annotations

from .assembler import Kernel
from .frame import Arguments, Frame
from .operands import Register, lr, r0, r1, r2, r3, r4, r5, r6, r7, r8, r9, r10, r12

ENTRY = 12
LIMITS = "above span low"
"""Words of a frame for `prepare` and `load_limits`, one after the other."""
SUMS, TABLE, DST, END = r0, r1, r2, r12
"""What the routine gets; the first three end up behind what was read and written."""
_ABOVE, _SPAN, _LOW = r8, r9, r10
_BIAS, _HI, _LO, _LEFT, _RIGHT = 0, 4, 6, 8, 9


def prepare(k: Kernel, arguments: Arguments, frame: Frame, p: Register) -> None:
    """Put into the frame what load_limits needs. Changes r4 to r6; p is another register."""
    arguments.load(k, p, zo=r4, lo=r5, hi=r6)
    k.subs(r4, r4, r5)
    k.subs(r6, r6, r5)
    frame.store(above=r4, span=r6, low=r5)


def load_limits(k: Kernel, frame: Frame) -> None:
    """Set r8 to r10 for the routine. Changes r3 to r6."""
    frame.point(r3, "above")
    k.ldm(r3.up, r4, r5, r6)
    for high, register in ((_ABOVE, r4), (_SPAN, r5), (_LOW, r6)):
        k.mov(high, register)


def routine(k: Kernel) -> None:
    """The routine `requantise`, for bl: words from SUMS up to END to bytes from DST on.

    r8 to r10: as load_limits sets them. Changes r3 to r7.
    """
    k.label("requantise")
    v, spare = r3, r5
    k.ldm(SUMS.up, v)
    k.ldr(spare, TABLE[_BIAS])
    k.adds(v, spare)
    k.ldrb(spare, TABLE[_LEFT])
    k.lsls(v, spare)
    _high_product(k, v)
    _shift_right(k, v)
    # v is now the output's distance from `low`, without a limit and in flags as if of 33 bits.
    k.blt("is_below")
    k.cmp(v, _SPAN)
    k.bhi("is_above")
    k.label("in_range")
    k.add(v, _LOW)
    k.strb(v, DST[0])
    k.adds(DST, 1)
    k.adds(TABLE, ENTRY)
    k.cmp(SUMS, END)
    k.bne("requantise")
    k.bx(lr)
    k.label("is_below")
    k.movs(v, 0)
    k.b("in_range")
    k.label("is_above")
    k.mov(v, _SPAN)
    k.b("in_range")


def _high_product(k: Kernel, v: Register) -> None:
    """v becomes SRDHM(v, m)."""
    low, spare, lo, hi = r4, r5, r6, r7
    k.sxth(low, v)
    k.movs(spare, 0)
    k.asrs(v, v, 16)
    k.adcs(v, spare)  # the upper half, one more where the lower is negative
    k.ldrh(lo, TABLE[_LO])
    k.mov(spare, low)
    k.muls(spare, lo)
    k.asrs(spare, spare, 15)
    k.muls(lo, v)
    k.ldrh(hi, TABLE[_HI])
    k.muls(v, hi)
    k.muls(low, hi)
    k.adds(low, spare)
    k.asrs(low, low, 1)
    k.adds(low, lo)
    k.asrs(low, low, 15)
    k.adcs(v, low)


def _shift_right(k: Kernel, v: Register) -> None:
    """v becomes v / 2^right, halves away from zero, plus zero point, minus the lowest output.

    A right of 0 leaves v as it is: what adding -1 takes from a negative v, its carry gives back,
    because a shift by 0 leaves the carry alone. v - 1 stays inside: SRDHM is never -2^31.
    """
    sign, spare = r4, r5
    k.asrs(sign, v, 31)
    k.ldrb(spare, TABLE[_RIGHT])
    k.adds(v, sign)
    k.asrs(v, spare)
    k.mov(spare, _ABOVE)
    k.adcs(v, spare)

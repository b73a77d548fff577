"""Requantisation on ARMv7-M, one output at a time: a sum of products to an int8 that can be stored.

A channel's entry in the table has four words: bias, m, round, shifts; `ldm` loads it. shifts has
the shift to the right in its lowest byte, which is all that a shift by a register looks at, then
the shift to the left.

With SRDHM(a, m) = floor((a * m + 2^30) / 2^31), the output is that, divided by 2^right with halves
away from zero, plus the zero point, within the limits.
"""

from __future__ import annotations

from .assembler import Kernel
from .operands import Address, Register


def narrow(
    k: Kernel,
    acc: Register,
    multiplier: Register,
    round_: Register,
    shifts: Register,
    temp: Register,
) -> None:
    """acc becomes the output, where pack has set `wide` to 0 and the limits are those of int8.

    5 instructions, 7 without the DSP extension. Registers may be any but sp, all different; temp
    changes, flags and the other registers stay.

    |acc| < 2^30, so that it can be doubled: the product's upper word, rounded, is SRDHM(acc, m).
    round = (zero point << right) + (1 << right >> 1), so that adding it before the shift adds the
    zero point after it; right is 1 to 22. The sign that halves go away by may be the sum's, instead
    of the product's: they differ where the product is 0, which gives 0 with either.
    """
    if k.arch == "armv7em":
        k.add(temp, round_, acc.asr(31))
        k.lsl(acc, acc, 1)
        k.smmlar(acc, acc, multiplier, temp)
    else:
        k.lsl(acc, acc, 1)
        k.smull(temp, acc, acc, multiplier)
        k.add(acc, acc, temp.lsr(31))
        k.add(temp, round_, acc.asr(31))
        k.add(acc, acc, temp)
    k.asr(acc, acc, shifts)
    k.ssat(acc, 8, acc)


def wide(
    k: Kernel,
    acc: Register,
    multiplier: Register,
    shifts: Register,
    temp: Register,
    zero: Address,
    limits: tuple[Address, Address],
) -> None:
    """acc becomes the output, for every sum, multiplier, shift and pair of limits.

    25 instructions. Registers may be any but sp, all different; temp changes, and so do the flags.
    zero and limits: the words that hold the zero point, the lowest and the highest output; their
    base is neither acc nor temp.
    """
    k.lsr(temp, shifts, 8)
    k.lsl(acc, acc, temp)  # wraps around, as TFLM's does
    k.smull(temp, acc, acc, multiplier)
    k.adds(temp, temp, 1 << 30)
    k.adc(acc, acc, 0)
    k.lsl(acc, acc, 1)
    k.orr(acc, acc, temp.lsr(31))
    k.uxtb(temp, shifts)
    k.subs(temp, temp, 1)
    # (x + (x >> 31) + (1 << right - 1)) >> right, which cannot overflow in this order: a product
    # is never 2^31 - 1 or -2^31. A shift by 0 changes nothing.
    k.itttt("pl")
    k.add(acc, acc, acc.asr(31))
    k.asr(acc, acc, temp)
    k.add(acc, acc, 1)
    k.asr(acc, acc, 1)
    k.ssat(acc, 16, acc)  # the zero point cannot overflow it then
    k.ldr(temp, zero)
    k.add(acc, acc, temp)
    for limit, beyond in zip(limits, ("lt", "gt"), strict=True):
        k.ldr(temp, limit)
        k.cmp(acc, temp)
        k.it(beyond)
        k.mov(acc, temp)

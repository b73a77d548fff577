"""Multipliers of whole steps, of ADD, MUL and MEAN: products and shifts, rounded as TFLM does.

SRDHM(v, m) = floor((v * m + 2^30) / 2^31). It is then divided by 2^right, halves away from zero:
a negative v loses 1, the shift puts the last bit that falls out into the carry, and the carry is
added. A shift by 0 leaves the carry alone, and so gives back what a negative v has lost: right may
be 0. What is to be added to the quotient costs nothing, for it goes along with the carry.

The loader gives m as hi << 16 | lo, and the shift, which is positive to the left.
"""

from __future__ import annotations

from .assembler import Kernel
from .frame import Arguments, Frame
from .operands import Address, Register, Shifted, r3, r4, r5, r6

MULTIPLIER_WORDS = "hi lo left right"
"""Words of a frame for prepare_v6."""
LIMIT_WORD = "above"
"""A word of a frame for the limits on ARMv6-M."""


def load_multiplier_v7(
    k: Kernel, arguments: Arguments, p: Register, names: str, m: Register, right: Register
) -> None:
    """m and the shift to the right of the arguments with these names: those of hi, lo and shift.

    p, m and right are different, the latter two being r0 to r7. A shift to the left gives 0.
    """
    hi, lo, shift = names.split()
    arguments.load(k, p, **{hi: m})
    arguments.load(k, p, **{lo: right})
    k.orr(m, right, m.lsl(16))
    arguments.load(k, p, **{shift: right})
    k.rsbs(right, right, 0)
    k.usat(right, 5, right)


def load_scale_v7(
    k: Kernel, arguments: Arguments, p: Register, scale: Register, temp: Register
) -> None:
    """2 << left, from the argument `shift`. scale and temp are r0 to r7."""
    arguments.load(k, p, shift=temp)
    k.usat(temp, 5, temp)
    k.movs(scale, 2)
    k.lsls(scale, temp)


def product_v7(k: Kernel, doubled: Register, m: Register, temp: Register) -> None:
    """`doubled`, 2 * v, becomes SRDHM(v, m). temp, which may be m, is used without DSP only."""
    if k.arch == "armv7em":
        k.smmulr(doubled, doubled, m)
    else:
        k.smull(temp, doubled, doubled, m)
        k.add(doubled, doubled, temp.lsr(31))


def quotient_v7(
    k: Kernel, to: Register, v: Register, right: Register, plus: Register | Shifted | int
) -> None:
    """`to` becomes v / 2^right + plus. v and flags change; of `right` the lowest byte counts."""
    k.adds(v, v, v.asr(31))
    k.asrs(v, v, right)
    k.adc(to, v, plus)


def prepare_v6(k: Kernel, arguments: Arguments, p: Register, frame: Frame) -> None:
    """Fill MULTIPLIER_WORDS from the arguments hi, lo and shift; m is hi << 15 | lo there.

    Changes r3 to r6; p is another register.
    """
    arguments.load(k, p, hi=r3, lo=r4, shift=r6)
    k.lsls(r3, r3, 1)
    k.lsrs(r5, r4, 15)
    k.orrs(r3, r5)
    k.lsls(r4, r4, 17)
    k.lsrs(r4, r4, 17)
    frame.store(hi=r3, lo=r4)
    # A shift of s to the left, or of -s to the right, and the other one by 0.
    k.asrs(r4, r6, 31)
    k.movs(r5, r6)
    k.bics(r5, r4)
    k.ands(r4, r6)
    k.negs(r4, r4)
    frame.store(left=r5, right=r4)


def product_v6(
    k: Kernel,
    v: Register,
    frame: Frame,
    temps: tuple[Register, Register, Register],
    high: Register,
) -> None:
    """v becomes SRDHM(v, m), for every v. high is one of r8 on, the others are of r0 to r7.

    v = upper * 2^16 + low, low being signed, and m = hi << 15 | lo. Then SRDHM(v, m) is
    upper * hi + ((low * hi + (low * lo >> 15) >> 1) + upper * lo + 2^14 >> 15).
    """
    low, spare, factor = temps
    k.sxth(low, v)
    k.movs(spare, 0)
    k.asrs(v, v, 16)
    k.adcs(v, spare)  # the upper half is one more where the lower is negative
    frame.load(lo=factor)
    k.movs(spare, low)
    k.muls(spare, factor)
    k.asrs(spare, spare, 15)
    k.muls(factor, v)
    k.mov(high, factor)
    frame.load(hi=factor)
    k.muls(v, factor)
    k.muls(low, factor)
    k.adds(low, spare)
    k.asrs(low, low, 1)
    k.add(low, high)
    k.asrs(low, low, 15)
    k.adcs(v, low)


def quotient_v6(
    k: Kernel, v: Register, right: Address, plus: Register | Address | int, spare: Register
) -> None:
    """v becomes v / 2^right + plus. v and spare: of r0 to r7, plus: any other register."""
    k.asrs(spare, v, 31)
    k.adds(v, spare)
    k.ldr(spare, right)
    k.asrs(v, spare)
    if isinstance(plus, int):
        k.movs(spare, plus)  # which leaves the carry alone
    elif isinstance(plus, Address):
        k.ldr(spare, plus)
    elif plus.number > 7:
        k.mov(spare, plus)
    else:
        spare = plus
    k.adcs(v, spare)


def load_limits_v6(
    k: Kernel, arguments: Arguments, p: Register, frame: Frame, span: Register, low: Register
) -> None:
    """Set LIMIT_WORD, span and low, two of r8 on, from the arguments zo, low and high.

    Changes r3 to r5; p is another register.
    """
    arguments.load(k, p, zo=r3, low=r4, high=r5)
    k.subs(r3, r3, r4)
    k.subs(r5, r5, r4)
    frame.store(above=r3)
    k.mov(span, r5)
    k.mov(low, r4)


def limit_v6(k: Kernel, v: Register, span: Register, low: Register) -> None:
    """v, what is above the lowest output, becomes the output. outside_v6 has to follow somewhere.

    v: of r0 to r7. Without its limits it lies between -2^30 and 2^30.
    """
    k.cmp(v, span)
    k.bhi("outside")
    k.label("inside")
    k.add(v, low)


def outside_v6(k: Kernel, v: Register, span: Register) -> None:
    """Where limit_v6 goes if v is below 0 or above the span."""
    k.label("outside")
    k.cmp(v, 0)
    k.mov(v, span)
    k.bge("inside")
    k.movs(v, 0)
    k.b("inside")

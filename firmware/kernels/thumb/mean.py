"""MEAN over the middle of [outer, reduce, inner]: sums of four channels at a time, requantised.

|sum << left| < 2^29: nothing overflows.
"""

from __future__ import annotations

from collections.abc import Callable

from . import rounding
from .assembler import Kernel
from .frame import Arguments, Frame
from .operands import Register, lr, r0, r1, r2, r3, r4, r5, r6, r7, r8, r9, r10, r11, r12
from .runs import locate

_ARGUMENTS = Arguments("x dst outer reduce inner zn hi lo shift zo")
_FRAME = "x dst outer reduce inner span channels first_sum"
_BLOCKS = (4, 1)
"""Channels whose sums are made together."""


def module(arch: str) -> str:
    """Text of the MicroPython module for one of armv6m, armv7m and armv7em."""
    return f'"""MEAN for {arch}."""\n\nimport micropython\n\n\n{mean(arch).source()}'


def mean(arch: str) -> Kernel:
    """The kernel, mean(arena, weights, arguments)."""
    k = Kernel("mean", 3, arch)
    is_v6 = arch == "armv6m"
    frame = Frame(k, f"{_FRAME} {rounding.MULTIPLIER_WORDS}" if is_v6 else _FRAME)
    k.save_high()
    frame.open()
    p = r7
    k.mov(p, r2)
    _begin(k, p, frame)
    if is_v6:
        rounding.prepare_v6(k, _ARGUMENTS, p, frame)
        _ARGUMENTS.load(k, p, zo=r3)
        k.adds(r3, 128)
        k.mov(_ABOVE, r3)
    else:
        _constants_v7(k, p)
    _all(k, frame, _block_v6 if is_v6 else _block_v7)
    k.b("end")
    if is_v6:
        _finish_v6(k, frame)
    k.label("end")
    frame.close()
    k.restore_high()
    return k


def _begin(k: Kernel, p: Register, frame: Frame) -> None:
    """Fill _FRAME; span: the bytes of x that make `inner` outputs. p stays."""
    _ARGUMENTS.load(k, p, x=r3, dst=r4)
    locate(k, "x", r3)
    k.adds(r4, r4, r0)
    frame.store(x=r3, dst=r4)
    _ARGUMENTS.load(k, p, outer=r3, reduce=r4, inner=r5, zn=r6)
    k.negs(r6, r6)
    frame.store(outer=r3, reduce=r4, inner=r5, first_sum=r6)
    k.muls(r4, r5)
    frame.store(span=r4)


def _all(k: Kernel, frame: Frame, block: Callable[[Kernel, Frame, int], None]) -> None:
    """block(k, frame, count) emits so many outputs of neighbouring channels.

    It moves `x` and `dst` in the frame on, and may change every register that is not its own.
    """
    k.label("outer")
    frame.load(inner=r3)
    frame.store(channels=r3)
    for count in _BLOCKS:
        k.label(f"block_of_{count}")
        frame.load(channels=r3)
        k.subs(r3, count)
        k.blo(f"no_{count}")
        frame.store(channels=r3)
        block(k, frame, count)
        k.b(f"block_of_{count}")
        k.label(f"no_{count}")
    # x has moved by `inner` bytes.
    frame.load(x=r3, span=r4, inner=r5, outer=r6)
    k.adds(r3, r3, r4)
    k.subs(r3, r3, r5)
    k.subs(r6, 1)
    frame.store(x=r3, outer=r6)
    k.beq("all_done")
    k.b("outer")
    k.label("all_done")


_SUMS = (r4, r5, r6, r7)
_SCALE, _M, _RIGHT, _TEMP = r8, r9, r10, r11


def _constants_v7(k: Kernel, p: Register) -> None:
    """Set _SCALE, _M and _RIGHT, which has the zero point above the shift, a byte."""
    rounding.load_scale_v7(k, _ARGUMENTS, p, r3, r4)
    k.mov(_SCALE, r3)
    rounding.load_multiplier_v7(k, _ARGUMENTS, p, "hi lo shift", r3, r4)
    k.mov(_M, r3)
    _ARGUMENTS.load(k, p, zo=r3)
    k.orr(_RIGHT, r4, r3.lsl(8))


def _block_v7(k: Kernel, frame: Frame, count: int) -> None:
    x, inner, dst, left, word = r0, r1, r2, r3, r12
    sums = _SUMS[:count]
    frame.load(x=x, inner=inner, dst=dst, reduce=left, first_sum=sums[0])
    k.add(word, x, count)
    k.str(word, frame["x"])
    for other in sums[1:]:
        k.mov(other, sums[0])
    k.label(f"sum_{count}")
    if k.arch == "armv7em" and count == 4:
        k.ldr(word, x[0])
        for number, total in enumerate(sums):
            k.sxtab(total, total, word.ror(8 * number) if number else word)
    else:
        for number, total in enumerate(sums):
            k.ldrsb(word, x[number])
            k.add(total, total, word)
    k.add(x, x, inner)
    k.subs(left, 1)
    k.bne(f"sum_{count}")
    for total in sums:
        k.mul(total, total, _SCALE)
        rounding.product_v7(k, total, _M, _TEMP)
        rounding.quotient_v7(k, total, total, _RIGHT, _RIGHT.asr(8))
        k.ssat(total, 8, total)
        k.strb(total, dst.post(1))
    frame.store(dst=dst)


_HIGH_SUMS = (r8, r9, r10, r11)
_ABOVE = r12
"""What brings the lowest output to 0."""


def _block_v6(k: Kernel, frame: Frame, count: int) -> None:
    ends, at, inner, value = (r0, r1, r2, r3)[:count], r4, r5, r6
    sums = _HIGH_SUMS[:count]
    frame.load(x=ends[0], span=at, inner=inner, first_sum=value)
    k.adds(r7, ends[0], count)
    frame.store(x=r7)
    k.adds(ends[0], ends[0], at)
    k.negs(at, at)
    for number, end in enumerate(ends[1:], start=1):
        k.adds(end, ends[0], number)
    for total in sums:
        k.mov(total, value)
    k.label(f"sum_{count}")
    for end, total in zip(ends, sums, strict=True):
        k.ldrsb(value, end[at])
        k.add(total, value)
    k.adds(at, at, inner)
    k.bne(f"sum_{count}")
    frame.load(dst=r1)
    for total in sums:
        k.mov(r0, total)
        k.bl("finish")
    frame.store(dst=r1)


def _finish_v6(k: Kernel, frame: Frame) -> None:
    """The routine `finish`: the sum r0 becomes an output at r1, which moves on.

    r2 to r7 change, and r8, whose sum is the first to be finished.
    """
    k.label("finish")
    frame.load(left=r4)
    k.lsls(r0, r4)
    rounding.product_v6(k, r0, frame, (r4, r5, r6), r8)
    rounding.quotient_v6(k, r0, frame["right"], _ABOVE, r4)
    k.cmp(r0, 255)
    k.bls("is_inside")
    k.mvns(r0, r0)  # what is below becomes 0, what is above 255
    k.asrs(r0, r0, 31)
    k.uxtb(r0, r0)
    k.label("is_inside")
    k.subs(r0, 128)
    k.strb(r0, r1[0])
    k.adds(r1, 1)
    k.bx(lr)

"""AVERAGE_POOL's blocks: sums of a window, divided with halves away from zero.

ARMv7-M divides, (sum + half) / count or (sum - half) / count. With the DSP extension, sums of up to
256 bytes lie in half a register, and (2^13 + (sum * reciprocal >> 16)) >> 14 is their mean, with
reciprocal = 2^30 / count, rounded down, + 1. For reciprocal * count is 2^30 and 1 to count more: so
sum * reciprocal / 2^16 is 2^14 times the quotient, and farther from zero by less than 0.5, but not
by nothing. Rounded down, a half above zero is not less than a half, one below zero is less. No
other quotient comes near a half: they are 2^14 / 512 away.

On ARMv6-M the quotient of |sum| + count / 2 and count is wanted, which has 8 bits. A reciprocal of
count is found once, for as long as windows have the same count:

    shift = max(bits of count - 8, 0), reciprocal = 2^(16 + shift) / count, rounded down
    quotient = ((|sum| + count / 2) >> shift) * reciprocal >> 16, or one more

It is never too great, for nothing is rounded up; the two roundings take away less than
count / 2^shift / 2^16 * 128.5 + 2^shift / count, which is below 0.51. So it is less by one at most,
and what is left over tells.
"""

from __future__ import annotations

from . import pool_windows as windows
from .assembler import Kernel
from .frame import Frame
from .operands import Register, lr, r0, r3, r4, r5, r7
from .pool_windows import DST, PLACE, SUMS, WORD

_MOST_NARROW = 256
"""Bytes whose sum has 16 bits."""
DIVISION_WORDS = "count shift reciprocal"
"""Words of a frame for the division; the last two are ARMv6-M's."""


def average_pool(arch: str) -> Kernel:
    """The kernel, average_pool(arena, weights, arguments)."""
    k = Kernel("average_pool", 3, arch)
    frame = Frame(k, f"{DIVISION_WORDS} {windows.FRAME}")
    k.save_high()
    frame.open()
    if arch == "armv6m":
        k.movs(r3, 0)
        frame.store(count=r3)  # of no window
    blocks = [_block(k, frame, 4), _block(k, frame, 1)]
    if arch == "armv7em":
        blocks.insert(0, _pairs(k, frame))
    windows.layer(k, frame, blocks, lambda: _count(k, frame))
    k.b("end")
    if arch == "armv6m":
        reciprocal_v6(k, frame)
        divide_v6(k, frame)
    k.label("end")
    frame.close()
    k.restore_high()
    return k


def _count(k: Kernel, frame: Frame) -> None:
    """Taps of the window, whose width is r4."""
    frame.load(height=r5)
    k.muls(r5, r4)
    if k.arch != "armv6m":
        frame.store(count=r5)
        return
    frame.load(count=r3)
    k.cmp(r3, r5)
    k.beq("same_count")
    k.bl("reciprocal")
    k.label("same_count")


def _pairs(k: Kernel, frame: Frame) -> windows.Block:
    """Blocks of eight channels with two sums in a register: 0 and 2, 1 and 3, 4 and 6, 5 and 7."""

    def guard(none: str) -> None:
        frame.load(count=r4)
        k.cmp(r4, _MOST_NARROW)
        k.bhi(none)

    def take() -> None:
        for number in (0, 1):
            k.ldr(WORD, PLACE[4 * number])
            k.sxtab16(SUMS[2 * number], SUMS[2 * number], WORD)
            k.sxtab16(SUMS[2 * number + 1], SUMS[2 * number + 1], WORD.ror(8))

    def end() -> None:
        count, reciprocal, half = r3, r4, r5
        frame.load(count=count)
        k.mov(reciprocal, 1 << 30)
        k.udiv(reciprocal, reciprocal, count)
        k.adds(reciprocal, 1)
        k.mov(half, 1 << 13)
        for number in range(8):
            multiply = k.smlawt if number & 2 else k.smlawb
            multiply(r0, reciprocal, SUMS[number // 4 * 2 + number % 2], half)
            k.asrs(r0, r0, 14)
            k.strb(r0, DST.post(1))

    return windows.Block(8, lambda: _clear(k, SUMS), take, end, guard)


def _block(k: Kernel, frame: Frame, count: int) -> windows.Block:
    """Blocks of `count` channels, each with a register."""
    sums = SUMS[:count]

    def end() -> None:
        if k.arch == "armv6m":
            for number, total in enumerate(sums):
                k.mov(r0, total)
                k.bl("divide")
                k.strb(r7, DST[number])
            k.adds(DST, count)
            return
        _before_v7(k, frame)
        for total in sums:
            _divide_v7(k, total)

    return windows.Block(count, lambda: _clear(k, sums), lambda: _take(k, sums), end)


def _clear(k: Kernel, sums: tuple[Register, ...]) -> None:
    k.movs(WORD, 0)
    for total in sums:
        k.mov(total, WORD)


def _take(k: Kernel, sums: tuple[Register, ...]) -> None:
    if k.arch == "armv7em" and len(sums) == 4:
        k.ldr(WORD, PLACE[0])
        for number, total in enumerate(sums):
            k.sxtab(total, total, WORD.ror(8 * number) if number else WORD)
        return
    for number, total in enumerate(sums):
        if k.arch == "armv6m":
            k.ldrb(WORD, PLACE[number])
            k.sxtb(WORD, WORD)
        else:
            k.ldrsb(WORD, PLACE[number])
        k.add(total, WORD)


_COUNT, _HALF, _TWO_HALVES = r3, r4, r5


def _before_v7(k: Kernel, frame: Frame) -> None:
    """Set what _divide_v7 needs."""
    frame.load(count=_COUNT)
    k.lsrs(_HALF, _COUNT, 1)
    k.lsls(_TWO_HALVES, _HALF, 1)


def _divide_v7(k: Kernel, total: Register) -> None:
    """Store a quotient to DST: (total + half) / count, or (total - half) / count below zero."""
    k.asr(r7, total, 31)
    k.mla(r7, r7, _TWO_HALVES, _HALF)
    k.add(total, total, r7)
    k.sdiv(total, total, _COUNT)
    k.strb(total, DST.post(1))


def reciprocal_v6(k: Kernel, frame: Frame) -> None:
    """The routine `reciprocal`: fill DIVISION_WORDS for the count r5. Changes r3, r4 and r7."""
    shift, rest, steps, found = r3, r4, r3, r7
    k.label("reciprocal")
    frame.store(count=r5)
    k.movs(shift, 0)
    k.movs(rest, r5)
    k.label("next_bit")
    k.cmp(rest, 255)
    k.bls("shift_found")
    k.lsrs(rest, rest, 1)
    k.adds(shift, 1)
    k.b("next_bit")
    k.label("shift_found")
    frame.store(shift=shift)
    # Long division of a one and 16 + shift zeros; a step's bit of the quotient is the carry.
    k.adds(steps, 17)
    k.movs(rest, 1)
    k.movs(found, 0)
    k.label("divide_on")
    k.cmp(rest, r5)
    k.blo("bit_is_0")
    k.subs(rest, rest, r5)
    k.label("bit_is_0")
    k.adcs(found, found)
    k.lsls(rest, rest, 1)
    k.subs(steps, 1)
    k.bne("divide_on")
    frame.store(reciprocal=found)
    k.bx(lr)


def divide_v6(k: Kernel, frame: Frame) -> None:
    """The routine `divide`: r7 becomes the mean of the sum r0. Changes r0, r3, r4 and r5."""
    total, sign, count, spare, quotient = r0, r3, r4, r5, r7
    k.label("divide")
    k.asrs(sign, total, 31)
    k.eors(total, sign)
    k.subs(total, total, sign)
    frame.load(count=count)
    k.lsrs(spare, count, 1)
    k.adds(total, total, spare)
    frame.load(shift=spare)
    k.movs(quotient, total)
    k.lsrs(quotient, spare)
    frame.load(reciprocal=spare)
    k.muls(quotient, spare)
    k.lsrs(quotient, quotient, 16)
    k.movs(spare, quotient)
    k.muls(spare, count)
    k.subs(total, total, spare)
    k.cmp(total, count)
    k.blo("is_exact")
    k.adds(quotient, 1)
    k.label("is_exact")
    k.eors(quotient, sign)
    k.subs(quotient, quotient, sign)
    k.bx(lr)

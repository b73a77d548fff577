"""CONV on ARMv6-M: two pixels and four channels at a time.

Products of unsigned bytes have 16 bits, so that one multiplication serves two pixels. With
X = a' + b' * 2^16, where a' and b' are the same tap of two pixels:

    X * w' = a' * w' + b' * w' * 2^16, the upper half of which is b' * w'
    sum(a' * w') = sum(X * w') - (sum(b' * w') << 16), modulo 2^32

A tap is 21 instructions for 8 products, loads and all. The last of an odd number of pixels is
computed on its own, at 13 for 4. acc = bias + sum(x' * w') - 128 * sum(x'), as in steps.md.
"""

from __future__ import annotations

from . import gather_v6, pixels_v6, requantise_v6
from .assembler import Kernel
from .frame import CONV, Arguments, Frame
from .operands import lr, r0, r1, r2, r3, r4, r5, r6, r7, r8, r9, r10, r11
from .pixels_v6 import PLACE
from .requantise_v6 import DST, END, ENTRY, SUMS, TABLE

_ARGUMENTS = Arguments(CONV)
_WORDS = (
    f"p patch patch_end w table dst next_w next_table step skip outputs outputs_left groups_left "
    f"to_second sum_begin second_begin sums:4 second_sums:4 block_bytes {PLACE} first:3 second:3 "
    f"{pixels_v6.OTHERS} {gather_v6.WORDS} {requantise_v6.LIMITS}"
)
"""step: from a pixel's outputs to the next one's; to_second: the same, or 0 if there is no second;
sum_begin and second_begin: what sums start from; block_bytes: of the sums that count in a block."""
_CHANNELS = 4
_TAPS = 8  # of which a row is a multiple
_SUMS, _SECOND_SUMS = (r2, r3, r4, r5), (r8, r9, r10, r11)


def module(arch: str) -> str:
    """Text of the MicroPython module with the function conv(arena, weights, p)."""
    return f'"""CONV, made by conv_v6.py."""\n\nimport micropython\n\n\n{_conv(arch).source()}'


def _conv(arch: str) -> Kernel:
    k = Kernel("conv", 3, arch)
    frame = Frame(k, _WORDS)
    k.save_high()
    frame.open()
    _start(k, frame)
    k.label("pixels")
    _next_pixels(k, frame)
    k.label("group")
    _gather(k, frame)
    k.label("block")
    _sums(k, frame)
    _outputs(k, frame)
    k.bls("block_last")
    k.b("block")
    k.label("block_last")
    _next_group(k, frame)
    k.beq("group_last")
    k.b("group")
    k.label("group_last")
    frame.load(dst=r0, to_second=r1, skip=r2)
    k.adds(r0, r0, r1)
    k.adds(r0, r0, r2)
    frame.store(dst=r0)
    frame.load(pixels=r0)
    k.cmp(r0, 0)
    k.beq("all_done")
    k.b("pixels")
    _routines(k, frame)
    k.label("all_done")
    frame.close()
    k.restore_high()
    return k


def _routines(k: Kernel, frame: Frame) -> None:
    gather_v6.routines(k, frame)
    requantise_v6.routine(k)
    k.label("take")  # the next pixel's place goes to [r2], and r2 moves on
    frame.point(r3, "image")
    k.ldm(r3.up, r4, r5, r6)
    k.stm(r2.up, r4, r5, r6)
    pixels_v6.advance(k, frame)
    k.bx(lr)


def _start(k: Kernel, frame: Frame) -> None:
    """r0 to r2: the kernel's arguments."""
    frame.store(p=r2)
    pixels_v6.start(k, _ARGUMENTS, frame)
    pixels_v6.start_outputs(k, _ARGUMENTS, frame, "w", "table")
    _ARGUMENTS.load(k, r2, patch=r3, row=r4)
    k.adds(r3, r3, r0)
    k.lsls(r4, r4, 2)
    k.adds(r4, r4, r3)
    frame.store(patch=r3, patch_end=r4)
    _ARGUMENTS.load(k, r2, oc=r3, skip=r4, outputs=r5)
    k.adds(r3, r3, r4)
    frame.store(step=r3, skip=r4, outputs=r5)
    gather_v6.start(k, _ARGUMENTS, frame, r2)
    requantise_v6.prepare(k, _ARGUMENTS, frame, r2)


def _next_pixels(k: Kernel, frame: Frame) -> None:
    """The places of one pixel or two.

    Each group gathers anew. So that a pixel's outputs cannot lie over what a later group of the
    pixel before reads, groups make their pixels come one by one.
    """
    frame.load(p=r2)
    _ARGUMENTS.load(k, r2, groups=r0)
    frame.load(w=r1, table=r2)
    k.movs(r3, 0)
    frame.store(groups_left=r0, next_w=r1, next_table=r2, group=r3, to_second=r3)
    frame.point(r2, "first")
    k.bl("take")
    frame.load(pixels=r0, groups_left=r1)
    k.subs(r0, 1)
    frame.store(pixels=r0)
    k.beq("pixels_known")
    k.cmp(r1, 1)
    k.bne("pixels_known")
    k.subs(r0, 1)
    frame.load(step=r1)
    frame.store(pixels=r0, to_second=r1)
    k.bl("take")
    k.label("pixels_known")


def _gather(k: Kernel, frame: Frame) -> None:
    """Fill the patch with a group's taps, and set what its sums start from."""
    frame.point(r0, "first")
    frame.load(patch=r7)
    k.label("gather")
    gather_v6.gather(k, _ARGUMENTS, frame)
    k.negs(r6, r6)
    k.lsls(r6, r6, 7)
    k.lsls(r0, r7, 30)
    k.bmi("second_gathered")  # in the upper halves
    frame.store(sum_begin=r6)
    frame.load(to_second=r0)
    k.cmp(r0, 0)
    k.beq("gathered")
    frame.point(r0, "second")
    frame.load(patch=r7)
    k.adds(r7, 2)
    k.b("gather")
    k.label("second_gathered")
    frame.store(second_begin=r6)
    frame.load(sum_begin=r0)
    k.lsls(r6, r6, 16)
    k.adds(r0, r0, r6)
    frame.store(sum_begin=r0)
    k.label("gathered")
    frame.load(outputs=r0)
    frame.store(outputs_left=r0)


def _sums(k: Kernel, frame: Frame) -> None:
    """The sums of a block's channels, for one or two pixels."""
    w = r1
    frame.load(sum_begin=r2, patch=r0, next_w=w, patch_end=r6, to_second=r7)
    k.mov(END, r6)
    for register in _SUMS[1:]:
        k.movs(register, r2)
    k.cmp(r7, 0)
    k.bne("two_pixels")
    k.label("tap_of_one")
    _taps_of_one(k)
    k.bne("tap_of_one")
    k.b("summed")
    k.label("two_pixels")
    frame.load(second_begin=r6)
    for register in _SECOND_SUMS:
        k.mov(register, r6)
    k.label("tap_of_two")
    _taps_of_two(k)
    k.beq("summed_two")
    k.b("tap_of_two")
    k.label("summed_two")
    for number, (both, second) in enumerate(zip(_SUMS, _SECOND_SUMS, strict=True)):
        k.mov(r6, second)
        k.str(r6, frame.word("second_sums", number))
        k.lsls(r6, r6, 16)
        k.subs(both, both, r6)
    k.label("summed")
    frame.store(next_w=w)
    frame.point(r0, "sums")
    k.stm(r0.up, *_SUMS)


def _taps_of_one(k: Kernel) -> None:
    """Some taps of one pixel; not equal: there are more."""
    x, product = r6, r7
    for tap in range(_TAPS):
        k.ldrh(x, r0[4 * tap])
        for channel, total in enumerate(_SUMS):
            k.ldrb(product, r1[_CHANNELS * tap + channel])
            k.muls(product, x)
            k.adds(total, total, product)
    _next_taps(k)


def _taps_of_two(k: Kernel) -> None:
    """Some taps of two pixels; not equal: there are more."""
    x, product = r6, r7
    for tap in range(_TAPS):
        k.ldr(x, r0[4 * tap])
        for channel, (both, second) in enumerate(zip(_SUMS, _SECOND_SUMS, strict=True)):
            k.ldrb(product, r1[_CHANNELS * tap + channel])
            k.muls(product, x)
            k.adds(both, both, product)
            k.lsrs(product, product, 16)
            k.add(second, product)
    _next_taps(k)


def _next_taps(k: Kernel) -> None:
    k.adds(r0, 4 * _TAPS)
    k.adds(r1, _CHANNELS * _TAPS)
    k.cmp(r0, END)


def _outputs(k: Kernel, frame: Frame) -> None:
    """Requantise a block's sums, r0 pointing behind the first pixel's; higher: more blocks."""
    requantise_v6.load_limits(k, frame)
    k.subs(SUMS, 4 * _CHANNELS)
    frame.load(outputs_left=r3)
    k.cmp(r3, _CHANNELS)
    k.bls("block_counted")
    k.movs(r3, _CHANNELS)
    k.label("block_counted")
    k.lsls(r3, r3, 2)
    frame.store(block_bytes=r3)
    k.adds(r3, r3, SUMS)
    k.mov(END, r3)
    frame.load(next_table=TABLE, dst=DST)
    k.bl("requantise")
    frame.load(to_second=r3, dst=r4)
    frame.store(dst=DST)
    k.cmp(r3, 0)
    k.beq("block_done")
    k.adds(DST, r3, r4)
    frame.point(SUMS, "second_sums")
    frame.load(block_bytes=r3, next_table=TABLE)
    k.adds(r3, r3, SUMS)
    k.mov(END, r3)
    k.bl("requantise")
    k.label("block_done")
    frame.load(next_table=TABLE, outputs_left=r3)
    k.adds(TABLE, _CHANNELS * ENTRY)
    frame.store(next_table=TABLE)
    k.subs(r3, _CHANNELS)
    frame.store(outputs_left=r3)


def _next_group(k: Kernel, frame: Frame) -> None:
    """Not equal: there are more groups."""
    frame.load(group=r0, depth=r1, groups_left=r2)
    k.adds(r0, r0, r1)
    k.subs(r2, 1)
    frame.store(group=r0, groups_left=r2)

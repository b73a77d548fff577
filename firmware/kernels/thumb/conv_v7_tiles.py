"""Tiles of CONV on ARMv7-M: dot products of one or two patches with all channels of a group.

A tile is two channels: their weights lie side by side. Each pass over the patches makes two sums
of each; then they are requantised and stored. Between tiles r12 is where the weights go on, r2 the
channel's entry in the table; everything else lies on the stack.
"""

from __future__ import annotations

from .assembler import Kernel
from .conv_v7_frame import Slot, slot
from .operands import (
    lr,
    r0,
    r1,
    r2,
    r3,
    r4,
    r5,
    r6,
    r7,
    r8,
    r9,
    r10,
    r11,
    r12,
    sp,
)
from .requantise_v7 import narrow, wide

PATCHES, DSTS = (r0, r1), (r0, r1)
TAPS = ((r2, r3), (r4, r5))  # of each pixel; without the DSP extension only the first is used
ACCS = ((r8, r9), (r10, r11))  # of each pixel, for each of the two channels
WEIGHTS, TABLE, LEFT, EXACT = r12, r2, r3, r4
LOADED = (r6, r7)  # weights of the two channels
TEMP = lr
ENTRY = (r4, r5, r6, r7)  # an entry of the table: bias, m, round, shifts
STEPS = {"armv7em": 4, "armv7m": 2}
"""Steps of four taps that a turn of the loop has."""


def step_bytes(arch: str, pixels: int) -> int:
    """Size of a step, which is entered from outside: all its instructions have four bytes."""
    instructions = 1 + pixels + 4 + 4 * pixels if arch == "armv7em" else 4 * (2 + 3 * pixels)
    return 4 * instructions


def tiles(k: Kernel, name: str, pixels: int) -> None:
    """All channels of a group for one or two pixels; the stack knows where.

    Entered at `name`; it runs on at its end. slow(k, name, pixels) has to be put somewhere.
    """
    dsp = k.arch == "armv7em"
    k.label(name)
    for channel in (0, 1):
        k.ldr(ACCS[0][channel], TABLE[16 * channel])
    for channel in range(2 * (pixels - 1)):
        k.mov(ACCS[1][channel], ACCS[0][channel])
    k.ldrd(*PATCHES, slot(Slot.PATCH))
    end = None if dsp and pixels == 2 else r5  # there, no register is left
    if end:
        k.ldr(end, slot(Slot.OTHER_PATCH))
    k.ldr(TEMP, slot(Slot.OTHER_ENTRY if pixels == 2 else Slot.ENTRY))
    k.bx(TEMP)
    k.label(f"{name}_dot")
    for _ in range(STEPS[k.arch]):
        (_step_dsp if dsp else _step)(k, pixels)
    if not end:
        k.ldr(TEMP, slot(Slot.OTHER_PATCH))
    k.cmp(PATCHES[0], end or TEMP)
    k.bne(f"{name}_dot")
    _finish(k, name, pixels)


def _step_dsp(k: Kernel, pixels: int) -> None:
    """Four taps of two channels. int16 taps by pairs; weights in the order 0, 2, 1, 3."""
    for pixel in range(pixels):
        k.ldrd(*TAPS[pixel], PATCHES[pixel].post(8))
    k.ldrd(*LOADED, WEIGHTS.post(8))
    for channel, loaded in enumerate(LOADED):
        k.sxtb16(TEMP, loaded)
        k.sxtb16(loaded, loaded.ror(8))
        for pair, weights in enumerate((TEMP, loaded)):
            for pixel in range(pixels):
                acc = ACCS[pixel][channel]
                k.smlad(acc, TAPS[pixel][pair], weights, acc)


def _step(k: Kernel, pixels: int) -> None:
    """Four taps of two channels, one by one."""
    for _ in range(4):
        for pixel in range(pixels):
            k.ldrsb(TAPS[pixel][0], PATCHES[pixel].post(1))
        for loaded in LOADED:
            k.ldrsb(loaded, WEIGHTS.post(1))
        for channel, loaded in enumerate(LOADED):
            for pixel in range(pixels):
                acc = ACCS[pixel][channel]
                k.mla(acc, TAPS[pixel][0], loaded, acc)


def _finish(k: Kernel, name: str, pixels: int) -> None:
    """Requantise and store the sums, and go on with the next tile.

    Flags are those of the channels left once these two are done: less than 0 where the group has
    an odd number of them, so that the second is padding.
    """
    k.ldm(sp, *DSTS, TABLE, LEFT, EXACT)
    k.cmp(EXACT, 0)
    k.bne(f"{name}_slow")
    k.subs(LEFT, LEFT, 2)
    for channel in (0, 1):
        k.ldm(TABLE.up, *ENTRY)
        _, multiplier, round_, shifts = ENTRY
        for pixel in range(pixels):
            narrow(k, ACCS[pixel][channel], multiplier, round_, shifts, TEMP)
        if channel:
            k.it("pl") if pixels == 1 else k.itt("pl")
        for pixel in range(pixels):
            k.strb(ACCS[pixel][channel], DSTS[pixel].post(1))
    k.label(f"{name}_next")
    k.stm(sp, *DSTS, TABLE, LEFT)
    k.bgt(name)


def slow(k: Kernel, name: str, pixels: int) -> None:
    """What _finish does where the sums are wide or the limits are not those of int8."""
    k.label(f"{name}_slow")
    for channel in (0, 1):
        k.ldm(TABLE.up, *ENTRY)
        if channel:
            k.subs(LEFT, LEFT, 2)
            k.bmi(f"{name}_next")
        for pixel in range(pixels):
            k.mov(ENTRY[0], ACCS[pixel][channel])
            k.bl("exact")
            k.strb(ENTRY[0], DSTS[pixel].post(1))
    k.cmp(LEFT, 0)
    k.b(f"{name}_next")


def exact(k: Kernel) -> None:
    """Subroutine: a sum in the place of its entry's bias becomes the output."""
    acc, multiplier, temp, shifts = ENTRY
    k.label("exact")
    limits = (slot(Slot.LOW), slot(Slot.HIGH))
    wide(k, acc, multiplier, shifts, temp, slot(Slot.ZERO), limits)
    k.bx(lr)

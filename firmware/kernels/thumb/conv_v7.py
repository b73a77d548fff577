"""CONV for ARMv7-M, with and without the DSP extension: the whole layer in one function.

The taps of two output pixels are gathered into the patch (conv_v7_gather.py), then run through all
channels (conv_v7_tiles.py). A pixel that is left over goes alone. With groups each goes alone, one
group after the other: a pair would be written before all of the first was read.

The weights' layout: per group and pair of channels, 4 taps of the one and 4 of the other in turn,
each in the order 0, 2, 1, 3 (armv7em); or the two channels tap by tap (armv7m). A channel's entry
is told in requantise_v7.py; its bias has the input's zero point in it, and padded taps count as
that zero point.
"""

from __future__ import annotations

from . import conv_v7_gather, conv_v7_tiles
from .assembler import Kernel
from .conv_v7_frame import FRAME_BYTES, Argument, Slot, argument, slot
from .conv_v7_tiles import TABLE, WEIGHTS
from .operands import Register, r0, r1, r2, r3, r4, r5, r6, sp

ARENA, BASE, P = r0, r1, r2  # where the arena, the weights and the arguments lie
_MORE_THAN_ALL = 1 << 30  # pixels


def module(arch: str) -> str:
    """Text of the MicroPython module for armv7m or armv7em."""
    return f'"""CONV for {arch}."""\n\nimport micropython\n\n\n{conv(arch).source()}'


def conv(arch: str) -> Kernel:
    """The kernel, conv(arena, weights, arguments)."""
    k = Kernel("conv", 3, arch)
    k.save_high()
    k.sub(sp, sp, FRAME_BYTES)
    _places(k)
    _numbers(k)
    _entries(k)
    _loops(k)
    k.add(sp, sp, FRAME_BYTES)
    k.restore_high()
    k.b("end")
    conv_v7_tiles.slow(k, "tiles1", 1)
    conv_v7_tiles.slow(k, "tiles2", 2)
    conv_v7_tiles.exact(k)
    conv_v7_gather.pixel(k)
    k.label("end")
    return k


def _places(k: Kernel) -> None:
    """Offsets become addresses."""
    k.str(P, slot(Slot.ARGUMENTS))
    k.ldr(r3, argument(P, Argument.X))
    k.cmp(r3, 0)
    k.itee("ge")
    k.add(r3, r3, ARENA)
    k.mvn(r3, r3)
    k.add(r3, r3, BASE)
    k.str(r3, slot(Slot.IMAGE))
    for offset, base, place in (
        (Argument.W, BASE, Slot.FIRST_WEIGHTS),
        (Argument.CHANNELS, BASE, Slot.FIRST_TABLE),
        (Argument.DST, ARENA, Slot.DST),
        (Argument.PATCH, ARENA, Slot.PATCH),
    ):
        k.ldr(r3, argument(P, offset))
        k.add(r3, r3, base)
        k.str(r3, slot(place))
    k.ldr(r4, argument(P, Argument.ROW))
    k.add(r3, r3, r4.lsl(1) if k.arch == "armv7em" else r4)
    k.str(r3, slot(Slot.OTHER_PATCH))


def _numbers(k: Kernel) -> None:
    """What else is the same for all pixels."""
    k.ldr(r3, argument(P, Argument.ZO))
    k.str(r3, slot(Slot.ZERO))
    k.ldrd(r3, r4, argument(P, Argument.LO))
    k.strd(r3, r4, slot(Slot.LOW))
    k.ldr(r5, argument(P, Argument.WIDE))
    k.adds(r3, r3, 128)
    k.subs(r4, r4, 127)
    k.orrs(r5, r3)
    k.orrs(r5, r4)
    k.str(r5, slot(Slot.EXACT))
    if k.arch == "armv7em":
        k.ldrh(r3, argument(P, Argument.ZX))
    else:
        k.ldrb(r3, argument(P, Argument.ZX))
        k.orr(r3, r3, r3.lsl(8))
    k.orr(r3, r3, r3.lsl(16))
    k.str(r3, slot(Slot.PADDING))
    k.ldr(r3, argument(P, Argument.IW))
    k.ldr(r4, argument(P, Argument.SEGMENT_TAPS))
    k.subs(r3, r3, r4)
    k.adds(r3, r3, 1)
    k.bic(r3, r3, r3.asr(31))  # not less than 0
    k.str(r3, slot(Slot.INNER))
    k.ldr(r3, argument(P, Argument.BATCHES))
    k.str(r3, slot(Slot.BATCH))
    k.ldr(r3, argument(P, Argument.GROUPS))
    k.cmp(r3, 1)
    k.ite("eq")
    k.mov(r3, 2)
    k.mov(r3, _MORE_THAN_ALL)
    k.str(r3, slot(Slot.ENOUGH))


def _entries(k: Kernel) -> None:
    """Where the loops over taps are entered, so that a turn ends with the patch's last step."""
    k.ldr(r3, argument(P, Argument.ROW))
    k.lsrs(r3, r3, 2)
    k.negs(r3, r3)
    k.and_(r3, r3, conv_v7_tiles.STEPS[k.arch] - 1)
    for pixels, place in ((1, Slot.ENTRY), (2, Slot.OTHER_ENTRY)):
        k.movs(r4, conv_v7_tiles.step_bytes(k.arch, pixels))
        k.adr(r5, f"tiles{pixels}_dot")
        k.mla(r4, r3, r4, r5)
        k.adds(r4, r4, 1)  # Thumb code
        k.str(r4, slot(place))


def _loops(k: Kernel) -> None:
    """All batches, pixels and groups."""
    k.label("batch")
    k.ldr(P, slot(Slot.ARGUMENTS))
    k.ldrd(r3, r4, argument(P, Argument.FIRST_ROW))
    k.strd(r3, r4, slot(Slot.ROW))
    k.ldrd(r3, r4, argument(P, Argument.OH))
    k.muls(r3, r4)
    k.str(r3, slot(Slot.PIXELS))
    k.label("next_pixel")
    k.ldr(P, slot(Slot.ARGUMENTS))
    for first, now in (
        (argument(P, Argument.GROUPS), Slot.GROUP),
        (slot(Slot.IMAGE), Slot.SOURCE),
        (slot(Slot.FIRST_TABLE), Slot.TABLE),
        (slot(Slot.FIRST_WEIGHTS), Slot.WEIGHTS),
    ):
        k.ldr(r3, first)
        k.str(r3, slot(now))
    k.ldr(r0, slot(Slot.PATCH))
    k.bl("pixel")
    k.label("gathered")
    _channels(k)
    _next(k)


def _channels(k: Kernel) -> None:
    """All channels of a group, for two pixels if there are two."""
    k.ldrd(r4, r5, slot(Slot.PIXELS))
    k.cmp(r4, r5)
    k.bge("pair")
    _begin(k)
    conv_v7_tiles.tiles(k, "tiles1", 1)
    k.b("finished")
    k.label("pair")
    k.subs(r4, r4, 1)
    k.str(r4, slot(Slot.PIXELS))
    k.ldr(r0, slot(Slot.OTHER_PATCH))
    k.bl("pixel")
    k.ldr(P, slot(Slot.ARGUMENTS))
    _move(k, r3, Argument.OC)
    k.str(r3, slot(Slot.OTHER_DST))
    _begin(k)
    conv_v7_tiles.tiles(k, "tiles2", 2)
    k.str(r1, slot(Slot.DST))  # the second pixel's end
    k.label("finished")


def _begin(k: Kernel) -> None:
    """What tiles want at first."""
    k.ldr(r3, slot(Slot.ARGUMENTS))
    k.ldr(r3, argument(r3, Argument.OUTPUTS))
    k.str(r3, slot(Slot.LEFT))
    k.ldr(WEIGHTS, slot(Slot.WEIGHTS))
    k.ldr(TABLE, slot(Slot.TABLE))


def _move(k: Kernel, to: Register, *more: Argument) -> None:
    """The next pixel's dst, from the end of this one or from where `more` bytes are left of it."""
    k.ldr(to, slot(Slot.DST))
    for word in (*more, Argument.SKIP):
        k.ldr(r4, argument(P, word))
        k.add(to, to, r4)


def _next(k: Kernel) -> None:
    """The next group, pixel or batch."""
    k.ldr(P, slot(Slot.ARGUMENTS))
    k.ldr(r3, slot(Slot.GROUP))
    k.subs(r3, r3, 1)
    k.beq("groups_done")
    k.str(r3, slot(Slot.GROUP))
    k.str(WEIGHTS, slot(Slot.WEIGHTS))
    k.ldr(r3, slot(Slot.SOURCE))
    k.ldr(r4, argument(P, Argument.DEPTH))
    k.adds(r3, r3, r4)
    k.str(r3, slot(Slot.SOURCE))
    k.ldr(r0, slot(Slot.PATCH))
    k.bl("gather")
    k.b("gathered")
    k.label("groups_done")
    _move(k, r3)
    k.str(r3, slot(Slot.DST))
    k.ldr(r3, slot(Slot.PIXELS))
    k.subs(r3, r3, 1)
    k.str(r3, slot(Slot.PIXELS))
    k.bne("next_pixel")
    k.ldr(r3, slot(Slot.IMAGE))
    k.ldr(r4, argument(P, Argument.IH))
    k.ldrd(r5, r6, argument(P, Argument.IW))  # and ic
    k.muls(r4, r5)
    k.mla(r3, r4, r6, r3)
    k.str(r3, slot(Slot.IMAGE))
    k.ldr(r3, slot(Slot.BATCH))
    k.subs(r3, r3, 1)
    k.str(r3, slot(Slot.BATCH))
    k.bne("batch")

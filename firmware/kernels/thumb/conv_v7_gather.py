"""Gathering a patch of CONV on ARMv7-M: the taps of one output pixel, one after the other.

With the DSP extension a tap becomes an int16, without it stays an int8. A row of the filter is one
segment where its taps are one run of bytes in the image, else each of its taps is one. A segment
has taps to the left of the image, inside, and to the right; what is outside is the zero point.
"""

from __future__ import annotations

from .assembler import Kernel
from .conv_v7_frame import Argument, Slot, argument, slot
from .operands import Register, lr, r0, r1, r2, r3, r4, r5, r6, r7, r8, r9, r10, r11, r12

# Registers from the patch's begin to its end.
TO, FROM, P, COUNT = r0, r1, r2, r3  # COUNT: of elements to fill or to copy
IY, IX = r4, r5
PADDING, ROWS, SEGMENTS, RIGHT, DEPTH = r8, r9, r10, r11, r12


def pixel(k: Kernel) -> None:
    """Subroutine: find the window of the next pixel, gather its first group to r0, move on."""
    k.label("pixel")
    k.ldr(P, slot(Slot.ARGUMENTS))
    row, column, width, turn = r3, r4, r5, r6
    k.ldrd(row, column, slot(Slot.ROW))
    for here, stride, padding, to in (
        (row, Argument.SH, Argument.PT, Slot.TOP),
        (column, Argument.SW, Argument.PL, Slot.LEFTMOST),
    ):
        k.ldr(r5, argument(P, stride))
        k.ldr(r6, argument(P, padding))
        k.muls(r5, here)
        k.subs(r5, r5, r6)
        k.str(r5, slot(to))
    k.ldr(width, argument(P, Argument.OW))
    k.ldr(turn, argument(P, Argument.TURN))
    k.adds(column, column, turn)
    k.cmp(column, width)
    k.itt("hs")  # also where it is -1
    k.add(row, row, turn)
    k.ldr(column, argument(P, Argument.FIRST_COLUMN))
    k.strd(row, column, slot(Slot.ROW))
    gather(k)


def gather(k: Kernel) -> None:
    """Subroutine: gather the window of the present pixel and group to r0. All registers change."""
    k.label("gather")
    k.str(lr, slot(Slot.RETURN))
    k.ldr(P, slot(Slot.ARGUMENTS))
    k.ldr(PADDING, slot(Slot.PADDING))
    k.ldr(DEPTH, argument(P, Argument.DEPTH))
    k.ldr(ROWS, argument(P, Argument.KH))
    k.ldr(IY, slot(Slot.TOP))
    k.label("row")
    k.ldr(IX, slot(Slot.LEFTMOST))
    k.ldr(SEGMENTS, argument(P, Argument.SEGMENTS))
    k.label("segment")
    _segment(k)
    k.label("segment_done")
    k.ldr(r6, argument(P, Argument.DW))
    k.adds(IX, IX, r6)
    k.subs(SEGMENTS, SEGMENTS, 1)
    k.bne("segment")
    k.ldr(r6, argument(P, Argument.DH))
    k.adds(IY, IY, r6)
    k.subs(ROWS, ROWS, 1)
    k.bne("row")
    k.ldr(lr, slot(Slot.RETURN))
    k.bx(lr)
    k.label("outside")
    k.mul(COUNT, r6, DEPTH)
    k.bl("fill")
    k.b("segment_done")
    _edge(k)
    _fill(k)


def _segment(k: Kernel) -> None:
    """Copy; or fill, copy, fill."""
    taps = r6
    k.ldr(taps, argument(P, Argument.SEGMENT_TAPS))
    k.ldr(r7, argument(P, Argument.IH))
    k.cmp(IY, r7)
    k.bhs("outside")
    k.ldr(r7, slot(Slot.INNER))
    k.cmp(IX, r7)
    k.bhs("edge")  # also where it is negative
    k.mov(RIGHT, 0)
    k.mul(COUNT, taps, DEPTH)
    k.movs(FROM, IX)
    k.label("inside")
    k.ldr(r6, argument(P, Argument.IW))
    k.mla(FROM, IY, r6, FROM)
    k.ldr(r6, argument(P, Argument.IC))
    k.ldr(r7, slot(Slot.SOURCE))
    k.mla(FROM, FROM, r6, r7)
    _copy(k)
    k.mul(COUNT, RIGHT, DEPTH)
    k.cbz(COUNT, "segment_done")
    k.bl("fill")


def _edge(k: Kernel) -> None:
    """A segment that leaves the image to the left, to the right, or both ways."""
    taps, left, inside = r6, r3, r7
    k.label("edge")
    k.negs(left, IX)
    k.bic(left, left, left.asr(31))  # not less than 0
    k.cmp(left, taps)
    k.it("gt")
    k.mov(left, taps)
    k.ldr(inside, argument(P, Argument.IW))
    k.subs(inside, inside, IX)
    k.cmp(inside, taps)
    k.it("gt")
    k.mov(inside, taps)
    k.subs(inside, inside, left)
    k.bic(inside, inside, inside.asr(31))
    k.subs(taps, taps, left)
    k.sub(RIGHT, taps, inside)
    k.adds(FROM, IX, left)
    k.mul(COUNT, left, DEPTH)
    k.cbz(COUNT, "left_done")
    k.bl("fill")
    k.label("left_done")
    k.mul(COUNT, inside, DEPTH)
    k.b("inside")


def _copy(k: Kernel) -> None:
    """COUNT bytes of the image, four at a time and then one by one; it may be 0."""
    k.subs(COUNT, COUNT, 4)
    k.blo("copied_words")
    k.label("copy_word")
    k.ldr(r6, FROM.post(4))
    if k.arch == "armv7em":
        k.sxtb16(r7, r6)  # bytes 0 and 2
        k.sxtb16(r6, r6.ror(8))  # bytes 1 and 3
        k.pkhbt(lr, r7, r6.lsl(16))
        k.pkhtb(r6, r6, r7.asr(16))
        k.str(lr, TO.post(4))  # aligned to 2, which strd would not take
    k.str(r6, TO.post(4))
    k.subs(COUNT, COUNT, 4)
    k.bhs("copy_word")
    k.label("copied_words")
    k.adds(COUNT, COUNT, 4)
    k.beq("copied")
    k.label("copy_byte")
    k.ldrsb(r6, FROM.post(1))
    _store(k, r6)
    k.subs(COUNT, COUNT, 1)
    k.bne("copy_byte")
    k.label("copied")


def _fill(k: Kernel) -> None:
    """Subroutine: COUNT elements of padding, at least one."""
    k.label("fill")
    lanes = 2 if k.arch == "armv7em" else 4
    k.subs(COUNT, COUNT, lanes)
    k.blo("filled_words")
    k.label("fill_word")
    k.str(PADDING, TO.post(4))
    k.subs(COUNT, COUNT, lanes)
    k.bhs("fill_word")
    k.label("filled_words")
    k.adds(COUNT, COUNT, lanes)
    k.beq("filled")
    k.label("fill_byte")
    _store(k, PADDING)
    k.subs(COUNT, COUNT, 1)
    k.bne("fill_byte")
    k.label("filled")
    k.bx(lr)


def _store(k: Kernel, register: Register) -> None:
    """One element of the patch."""
    if k.arch == "armv7em":
        k.strh(register, TO.post(2))
    else:
        k.strb(register, TO.post(1))

"""The taps of an output pixel of CONV on ARMv6-M, gathered from the image into the patch.

The patch is a row of words, one for each tap: its lower half is for one pixel's x' = x + 128, its
upper half for another's. Each pixel is gathered on its own, by halfwords.
"""

from __future__ import annotations

from .assembler import Kernel
from .frame import Arguments, Frame
from .operands import Register, lr, r0, r1, r2, r3, r4, r5, r6, r7, r8, r9, r10, r11, r12

WORDS = "iw ic depth segments segment_taps run filter_row pad group image_group column_of_place"
"""Words of a frame. run: taps of a segment inside of the image, filter_row: of a filter's row, both
with all their channels; pad: x' outside of the image; group: where the group's channels begin in a
pixel; the last two are the gathering's own."""
_TAP = 4
_TOGETHER = 4  # bytes that are copied in one turn
_TO, _SUM = r7, r6
_ROW, _ROWS_LEFT, _COLUMN, _LINE, _SEGMENTS_LEFT = r8, r9, r10, r11, r12


def start(k: Kernel, arguments: Arguments, frame: Frame, p: Register) -> None:
    """Set the words but for group. Changes r3 to r7; p is another register."""
    arguments.load(k, p, iw=r3, ic=r4, depth=r5, segments=r6, segment_taps=r7)
    frame.store(iw=r3, ic=r4, depth=r5, segments=r6, segment_taps=r7)
    k.muls(r7, r5)
    arguments.load(k, p, kw=r3, zx=r4)
    k.muls(r3, r5)
    k.adds(r4, 128)
    frame.store(run=r7, filter_row=r3, pad=r4)


def gather(k: Kernel, arguments: Arguments, frame: Frame) -> None:
    """r0: a pixel's place, r7: the half of the patch's first word that is for it.

    r7 ends up as far behind the last tap; r6 becomes the sum of x'. Changes all other registers.
    """
    k.ldm(r0.up, r3, r4, r5)
    frame.load(group=r0, p=r1)
    k.adds(r3, r3, r0)
    frame.store(image_group=r3, column_of_place=r5)
    k.mov(_ROW, r4)
    arguments.load(k, r1, kh=r2)
    k.movs(_SUM, 0)
    k.label("filter_row")
    k.mov(_ROWS_LEFT, r2)
    _row(k, arguments, frame)
    k.label("row_done")
    frame.load(p=r1)
    arguments.load(k, r1, dh=r2)
    k.add(_ROW, r2)
    k.mov(r2, _ROWS_LEFT)
    k.subs(r2, 1)
    k.bne("filter_row")


def _row(k: Kernel, arguments: Arguments, frame: Frame) -> None:
    """One row of the filter."""
    frame.load(p=r1)
    arguments.load(k, r1, ih=r2)
    k.mov(r0, _ROW)
    k.cmp(r0, r2)
    k.blo("row_inside")  # a row above the image is a large number here
    frame.load(filter_row=r4)
    k.bl("fill")
    k.b("row_done")
    k.label("row_inside")
    frame.load(iw=r1, ic=r2, image_group=r3)
    k.muls(r0, r1)
    k.muls(r0, r2)
    k.adds(r0, r0, r3)
    k.mov(_LINE, r0)
    frame.load(column_of_place=r0, segments=r2)
    k.label("segment")
    k.mov(_COLUMN, r0)
    k.mov(_SEGMENTS_LEFT, r2)
    _segment(k, frame)
    k.mov(r2, _SEGMENTS_LEFT)
    k.subs(r2, 1)
    k.beq("row_done")
    frame.load(p=r1)
    arguments.load(k, r1, dw=r3)
    k.mov(r0, _COLUMN)
    k.adds(r0, r0, r3)
    k.b("segment")


def _segment(k: Kernel, frame: Frame) -> None:
    """Pixels side by side from column r0 on, of which some may lie outside."""
    begin, end, inside, iw = r0, r1, r2, r3
    frame.load(segment_taps=end, iw=iw)
    k.adds(end, end, begin)
    k.cmp(begin, 0)
    k.blt("beside")
    k.cmp(end, iw)
    k.bgt("beside")
    frame.load(run=r4)
    k.mov(inside, end)
    k.b("copy_segment")
    k.label("beside")
    _clip(k, r5)
    k.subs(r4, r5, begin)
    k.movs(begin, r5)
    frame.load(depth=r3)
    k.muls(r4, r3)
    k.bl("fill")
    k.subs(r4, inside, begin)
    frame.load(depth=r3)
    k.muls(r4, r3)
    k.label("copy_segment")
    frame.load(ic=r5)
    k.muls(r5, begin)
    k.add(r5, _LINE)
    k.bl("copy")
    k.subs(r4, end, inside)
    k.beq("segment_done")
    frame.load(depth=r3)
    k.muls(r4, r3)
    k.bl("fill")
    k.label("segment_done")


def _clip(k: Kernel, first: Register) -> None:
    """The part of a segment that is inside: from first = min(max(begin, 0), end) on.

    inside, where it ends, becomes max(min(end, iw), first).
    """
    begin, end, inside, iw = r0, r1, r2, r3
    k.movs(first, begin)
    k.bpl("not_left")
    k.movs(first, 0)
    k.label("not_left")
    k.cmp(first, end)
    k.ble("first_known")
    k.movs(first, end)
    k.label("first_known")
    k.movs(inside, end)
    k.cmp(inside, iw)
    k.ble("not_right")
    k.movs(inside, iw)
    k.label("not_right")
    k.cmp(inside, first)
    k.bge("inside_known")
    k.movs(inside, first)
    k.label("inside_known")


def routines(k: Kernel, frame: Frame) -> None:
    """For bl: `fill`, r4 taps of pad, and `copy`, r4 taps from [r5]. Change r0 and r3 to r5."""
    k.label("fill")
    frame.load(pad=r3)
    k.movs(r5, r4)
    k.muls(r5, r3)
    k.adds(_SUM, _SUM, r5)
    k.b("fill_next")
    k.label("filling")
    k.strh(r3, _TO[0])
    k.adds(_TO, _TAP)
    k.label("fill_next")
    k.subs(r4, 1)
    k.bpl("filling")
    k.bx(lr)
    k.label("copy")
    k.movs(r0, 128)
    k.b("copy_next")
    k.label("copying")
    _copy(k, _TOGETHER)
    k.label("copy_next")
    k.subs(r4, _TOGETHER)
    k.bpl("copying")
    k.adds(r4, _TOGETHER)
    k.beq("copied")
    k.label("copying_one")
    _copy(k, 1)
    k.subs(r4, 1)
    k.bne("copying_one")
    k.label("copied")
    k.bx(lr)


def _copy(k: Kernel, count: int) -> None:
    """Copy x' of bytes at r5."""
    for number in range(count):
        k.ldrb(r3, r5[number])
        k.eors(r3, r0)
        k.strh(r3, _TO[_TAP * number])
        k.adds(_SUM, _SUM, r3)
    k.adds(r5, count)
    k.adds(_TO, _TAP * count)

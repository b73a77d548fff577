"""The way of both pools through an image: batches, rows, pixels, blocks of channels, windows.

Only the part of a window that lies inside the image is visited. Blocks of neighbouring channels go
through the window together. A pool tells what to do with a block's bytes at one place of the
window, and at the window's end. Limits come last, in a pass over all outputs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from . import limits
from .assembler import Kernel
from .frame import Arguments, Frame
from .operands import r0, r1, r2, r3, r4, r5, r6, r7, r8, r9, r10, r11, r12
from .runs import locate

ARGUMENTS = Arguments(
    "x dst batches ih iw c oh ow kh kw sh sw pt pl low high turn first_row first_column skip"
)
FRAME = "p image batches top down rows left across columns row height width channels size"
"""Words of a frame. top, left: of the window, maybe outside; down, across: to the next one;
height, width: of its part inside; row: where its first row begins; size: bytes of an output image.
"""
PLACE, DST, WORD, SPARE = r0, r2, r5, r7
"""PLACE: where a block's bytes are in the window, DST: where its outputs go."""
SUMS = (r8, r9, r10, r11)
"""Registers that are the pool's alone, within a window."""
_PIXEL, _COLUMNS, _ROWS, _START, _JUMP = r1, r3, r4, r6, r12
_LEFT = r3
"""Channels of the pixel, between blocks."""


@dataclass(frozen=True)
class Block:
    """What a pool does with blocks of so many channels; each function emits code.

    begin: at a window's start, take: at PLACE in it, end: stores to DST, which it moves on.
    Registers that they may change are SUMS; begin and take: WORD and SPARE; end: r0, r3 to r5, r7.
    guard: before the first block of a pixel; it may change r4 and r5, and branch to the label that
    it gets, for no block.
    """

    channels: int
    begin: Callable[[], None]
    take: Callable[[], None]
    end: Callable[[], None]
    guard: Callable[[str], None] | None = None


def layer(
    k: Kernel, frame: Frame, blocks: list[Block], window: Callable[[], None] | None = None
) -> None:
    """The whole step; r0 to r2: arena, weights and arguments.

    blocks: from the largest to that of one channel. window: emits what a pixel wants first, for
    which r3 to r5 and r7 are free; r4 is the width inside.
    """
    k.mov(r7, r2)
    frame.store(p=r7)
    ARGUMENTS.load(k, r7, x=r3, dst=DST)
    locate(k, "x", r3)
    frame.store(image=r3)
    k.add(DST, r0)
    _sizes(k, frame)
    k.label("batch")
    ARGUMENTS.load(k, r7, first_row=r3, sh=r4, pt=r5, oh=r6)
    k.muls(r3, r4)
    k.subs(r3, r3, r5)
    frame.store(top=r3, rows=r6)
    k.label("next_row")
    _row(k, frame)
    k.label("pixel")
    _pixel(k, frame, window)
    for block in blocks:
        _blocks(k, frame, block)
    _next_pixel(k, frame)
    _next_row(k, frame)
    _limit(k, frame)


def _sizes(k: Kernel, frame: Frame) -> None:
    """What stays the same. r7, the arguments, stays."""
    ARGUMENTS.load(k, r7, batches=r3, turn=r4, sh=r5, sw=r6)
    k.muls(r5, r4)
    k.muls(r6, r4)
    frame.store(batches=r3, down=r5, across=r6)
    ARGUMENTS.load(k, r7, oh=r3, ow=r4, c=_PIXEL)
    k.muls(r3, r4)
    k.muls(r3, _PIXEL)
    frame.store(size=r3)


def _inside(k: Kernel, what: str) -> None:
    """r3: a window's first row or column, r4: their number; both become those of what is inside.

    r5: how many the image has. what: rows or columns, for labels.
    """
    k.adds(r4, r4, r3)
    k.cmp(r4, r5)
    k.ble(f"no_{what}_behind")
    k.movs(r4, r5)
    k.label(f"no_{what}_behind")
    k.cmp(r3, 0)
    k.bge(f"no_{what}_before")
    k.movs(r3, 0)
    k.label(f"no_{what}_before")
    k.subs(r4, r4, r3)


def _row(k: Kernel, frame: Frame) -> None:
    """Begin a row of outputs. r7: the arguments."""
    frame.load(top=r3)
    ARGUMENTS.load(k, r7, kh=r4, ih=r5)
    _inside(k, "rows")
    ARGUMENTS.load(k, r7, iw=r5)
    k.muls(r3, r5)
    k.muls(r3, _PIXEL)
    frame.load(image=r5)
    k.adds(r3, r3, r5)
    frame.store(row=r3, height=r4)
    ARGUMENTS.load(k, r7, first_column=r3, sw=r4, pl=r5, ow=r6)
    k.muls(r3, r4)
    k.subs(r3, r3, r5)
    frame.store(left=r3, columns=r6)


def _pixel(k: Kernel, frame: Frame, window: Callable[[], None] | None) -> None:
    """Begin an output pixel. r7: the arguments."""
    frame.load(left=r3)
    ARGUMENTS.load(k, r7, kw=r4, iw=r5)
    _inside(k, "columns")
    frame.store(width=r4)
    k.subs(r5, r5, r4)
    k.muls(r5, _PIXEL)
    k.mov(_JUMP, r5)
    k.muls(r3, _PIXEL)
    frame.load(row=_START)
    k.add(_START, r3)
    if window:
        window()
    k.movs(_LEFT, _PIXEL)


def _blocks(k: Kernel, frame: Frame, block: Block) -> None:
    """All of a pixel's blocks of that size, while _LEFT channels are left."""
    count = block.channels
    if block.guard:
        block.guard(f"no_block_of_{count}")
    k.label(f"block_of_{count}")
    k.cmp(_LEFT, count)
    k.blo(f"no_block_of_{count}")
    k.subs(_LEFT, count)
    frame.store(channels=_LEFT)
    k.mov(PLACE, _START)
    k.adds(_START, count)
    frame.load(height=_ROWS)
    block.begin()
    k.label(f"row_of_{count}")
    frame.load(width=_COLUMNS)
    k.label(f"column_of_{count}")
    block.take()
    k.adds(PLACE, PLACE, _PIXEL)
    k.subs(_COLUMNS, 1)
    k.bne(f"column_of_{count}")
    k.add(PLACE, _JUMP)
    k.subs(_ROWS, 1)
    k.bne(f"row_of_{count}")
    block.end()
    frame.load(channels=_LEFT)
    k.b(f"block_of_{count}")
    k.label(f"no_block_of_{count}")


def _next_pixel(k: Kernel, frame: Frame) -> None:
    """On to the next pixel of the row. r7 becomes the arguments."""
    frame.load(p=r7, left=r3, across=r4, columns=r5)
    k.adds(r3, r3, r4)
    k.subs(r5, 1)
    frame.store(left=r3, columns=r5)
    ARGUMENTS.load(k, r7, skip=r3)
    k.add(DST, r3)
    k.cmp(r5, 0)
    k.beq("row_done")
    k.b("pixel")
    k.label("row_done")


def _next_row(k: Kernel, frame: Frame) -> None:
    """On to the next row, or the next image. r7: the arguments."""
    frame.load(top=r3, down=r4, rows=r5)
    k.adds(r3, r3, r4)
    k.subs(r5, 1)
    frame.store(top=r3, rows=r5)
    k.beq("image_done")
    k.b("next_row")
    k.label("image_done")
    ARGUMENTS.load(k, r7, ih=r3, iw=r4)
    k.muls(r3, r4)
    k.muls(r3, _PIXEL)
    frame.load(image=r4, batches=r5)
    k.adds(r3, r3, r4)
    k.subs(r5, 1)
    frame.store(image=r3, batches=r5)
    k.beq("batches_done")
    k.b("batch")
    k.label("batches_done")


def _limit(k: Kernel, frame: Frame) -> None:
    """Apply the limits to all outputs. r7: the arguments, DST: where the next output would go."""
    frame.load(size=r3)
    ARGUMENTS.load(k, r7, batches=r1, turn=r4, low=r5, high=r6)
    k.muls(r1, r3)
    k.movs(r0, DST)
    k.cmp(r4, 0)
    k.bgt("forward")
    # There is one image, and DST is a pixel before it.
    ARGUMENTS.load(k, r7, c=r3)
    k.adds(r0, r0, r3)
    k.adds(r0, r0, r1)
    k.label("forward")
    k.subs(r0, r0, r1)
    k.movs(r2, r5)
    k.movs(r3, r6)
    limits.apply(k)

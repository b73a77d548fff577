"""The way of CONV and DEPTHWISE on ARMv6-M through the pixels of their output.

A pixel's place is three words: where its image begins in memory, and the row and the column of
that image where its window begins. Row and column may lie outside of the image.
"""

from __future__ import annotations

from .assembler import Kernel
from .frame import Arguments, Frame
from .operands import r0, r1, r2, r3, r4, r5, r6

PLACE = "image row column"
"""Words of a frame, one after the other: the next pixel's place."""
OTHERS = "first_row first_column down across rows columns oh ow image_bytes pixels"
"""More words of a frame. pixels: how many are left, which is for the kernel to count."""
_ARENA, _WEIGHTS, _P = r0, r1, r2


def start(k: Kernel, arguments: Arguments, frame: Frame) -> None:
    """Set the words to the first pixel. r0 to r2, the kernel's own arguments, stay."""
    arguments.load(k, _P, x=r3)
    k.cmp(r3, 0)
    k.blt("in_weights")
    k.adds(r3, r3, _ARENA)
    k.b("image_known")
    k.label("in_weights")
    k.mvns(r3, r3)
    k.adds(r3, r3, _WEIGHTS)
    k.label("image_known")
    frame.store(image=r3)
    _start_axis(k, arguments, frame, ("row", "sh", "pt", "down"))
    _start_axis(k, arguments, frame, ("column", "sw", "pl", "across"))
    arguments.load(k, _P, oh=r3, ow=r4, batches=r5)
    frame.store(rows=r3, columns=r4, oh=r3, ow=r4)
    k.muls(r3, r4)
    k.muls(r3, r5)
    arguments.load(k, _P, ih=r4, iw=r5, ic=r6)
    k.muls(r4, r5)
    k.muls(r4, r6)
    frame.store(pixels=r3, image_bytes=r4)


def _start_axis(
    k: Kernel, arguments: Arguments, frame: Frame, names: tuple[str, str, str, str]
) -> None:
    """The first window's begin along an axis, and how far it is to the next one's."""
    axis, stride, before, step = names
    arguments.load(k, _P, **{f"first_{axis}": r3, stride: r4, before: r5, "turn": r6})
    k.muls(r3, r4)
    k.subs(r3, r3, r5)
    k.muls(r4, r6)
    frame.store(**{axis: r3, f"first_{axis}": r3, step: r4})


def start_outputs(k: Kernel, arguments: Arguments, frame: Frame, w: str, table: str) -> None:
    """Set two words to the addresses of w and channels, and the word dst to that of dst."""
    arguments.load(k, _P, w=r3, channels=r4, dst=r5)
    k.adds(r3, r3, _WEIGHTS)
    k.adds(r4, r4, _WEIGHTS)
    k.adds(r5, r5, _ARENA)
    frame.store(**{w: r3, table: r4, "dst": r5})


def advance(k: Kernel, frame: Frame) -> None:
    """Go on to the next pixel's place. Changes r0 and r1. Behind the last one is none."""
    frame.load(columns=r0)
    k.subs(r0, 1)
    k.beq("row_ends")
    frame.store(columns=r0)
    frame.load(column=r0, across=r1)
    k.adds(r0, r0, r1)
    frame.store(column=r0)
    k.b("advanced")
    k.label("row_ends")
    frame.load(ow=r0, first_column=r1)
    frame.store(columns=r0, column=r1)
    frame.load(row=r0, down=r1)
    k.adds(r0, r0, r1)
    frame.store(row=r0)
    frame.load(rows=r0)
    k.subs(r0, 1)
    frame.store(rows=r0)
    k.bne("advanced")
    frame.load(oh=r0, first_row=r1)
    frame.store(rows=r0, row=r1)
    frame.load(image=r0, image_bytes=r1)
    k.adds(r0, r0, r1)
    frame.store(image=r0)
    k.label("advanced")

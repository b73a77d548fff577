"""Where the CONV kernel for ARMv7-M finds its arguments, and what it keeps on the stack.

Arguments have their numbers from schemas/steps.md; from TURN on they come from the loader.
"""

from __future__ import annotations

from enum import IntEnum

from .operands import Address, Register, sp


class Argument(IntEnum):
    """Words of the kernel's arguments."""

    X, W, CHANNELS, DST, BATCHES, IH, IW, IC, OH, OW, OC = range(1, 12)
    KH, KW, SH, SW, DH, DW, PT, PL, GROUPS, ZX, ZO, LO, HI, PATCH = range(12, 26)
    TURN, FIRST_ROW, FIRST_COLUMN, SKIP, WIDE, DEPTH, OUTPUTS, TAPS, ROW = range(26, 35)
    SEGMENTS, SEGMENT_TAPS = range(35, 37)


class Slot(IntEnum):
    """Words on the stack. The first five are loaded together by tiles; ldrd loads some pairs."""

    DST, OTHER_DST = 0, 1  # where the next output of the pixel goes, and of the one after it
    TABLE, LEFT, EXACT = 2, 3, 4  # the next channel's entry; channels left; narrow is not enough
    PATCH, OTHER_PATCH = 5, 6  # where the rows of the two pixels begin; the second ends the first
    ENTRY, OTHER_ENTRY = 7, 8  # where tiles of one pixel and of two are entered
    ROW, COLUMN = 9, 10  # the next output pixel
    TOP, LEFTMOST = 11, 12  # the input pixel of the window's first tap, maybe outside
    PIXELS, ENOUGH = 13, 14  # pixels left in this image; how many make a pair
    ZERO, LOW, HIGH = 15, 16, 17  # zero point and limits of outputs
    ARGUMENTS, IMAGE, SOURCE = 18, 19, 20  # IMAGE: of this batch, SOURCE: its first channel wanted
    GROUP, BATCH, PADDING = 21, 22, 23  # groups and batches left; zx in every lane of a word
    WEIGHTS, FIRST_WEIGHTS, FIRST_TABLE, RETURN = 24, 25, 26, 27
    INNER = 28  # a segment that begins in one of so many columns, from 0, lies inside the image


FRAME_BYTES = 4 * (max(Slot) + 1)


def slot(word: Slot) -> Address:
    """A word on the stack."""
    return sp[4 * word]


def argument(p: Register, word: Argument) -> Address:
    """An argument; p: where they lie."""
    return p[4 * word]

"""What the parts of depthwise_v7.py share: the step's arguments, the stack frame, registers."""

from __future__ import annotations

from .operands import (
    Address,
    Register,
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
    r10,
    r11,
    r12,
    sp,
)

_SHAPE = "batches ih iw ic oh ow oc kh kw sh sw dh dw pt pl multiplier"
_LOADER = "turn first_row first_column skip wide table taps blocks"
_ARGUMENTS = f"- x w channels dst {_SHAPE} zx zo lo hi {_LOADER}".split()

# Of the layer. blocks_end, channels_end: in the channel table. special: the subroutine that
# requantises, or 0. From a pixel to the next: stride is what dst moves by, past_blocks the part of
# it behind the blocks, step what the taps move by. inner_*: where windows begin that are inside.
_POINTERS = "p table table_end w channels blocks_end channels_end singles_w"
_CODE = "block_entry single_entry special"
_NUMBERS = "zo lo hi stride past_blocks step inner_rows inner_columns"
# Counts of what is left, and where in x the next window begins; inner: inner_columns of this row.
_PROGRESS = "images x rows top columns left inner run dst dst_end"
# moved: the taps' distance from the run's first pixel. channel: of x. copies: outputs of it, left.
_CHANNEL = "moved channel copies entry single_w single_dst"
_FRAME = f"{_POINTERS} {_CODE} {_NUMBERS} {_PROGRESS} {_CHANNEL}".split()
FRAME_BYTES = 4 * len(_FRAME)

# While products are summed. TAP goes through the table, up to TABLE_END. OFFSET is added to its
# addresses: the input channel, and how far the pixel is from the first that the table serves.
TAP, W, DST, OFFSET, TABLE_END = lr, r8, r10, r11, r12
ENTRY = (r0, r1, r2, r3)
"""bias, multiplier, round, shifts of a channel, see requantise_v7.py."""
ENTRY_BYTES = 4 * len(ENTRY)
BLOCK = (r4, r5, r6, r7)
"""Sums of a block's channels."""


def p(base: Register, name: str) -> Address:
    """An argument of the step."""
    return base[4 * _ARGUMENTS.index(name)]


def at(name: str) -> Address:
    """A word of the frame."""
    return sp[4 * _FRAME.index(name)]

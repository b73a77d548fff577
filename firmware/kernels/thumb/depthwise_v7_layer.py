"""What depthwise_v7.py does once for a layer: the frame's words, and the row of zero points."""

from __future__ import annotations

from .assembler import Kernel
from .depthwise_v7_frame import at, p
from .depthwise_v7_sums import UNROLLED
from .operands import r0, r1, r2, r3, r4, r5, r6


def prepare(k: Kernel) -> None:
    """r0: arena, r1: weights, r2: p, all through."""
    k.str(r2, at("p"))
    _places(k)
    _channels(k)
    _distances(k)
    _inner(k)
    _output(k)
    _zero_points(k)
    for kind in UNROLLED:
        _entry_point(k, kind)


def _places(k: Kernel) -> None:
    """Addresses of what p names."""
    k.ldr(r3, p(r2, "x"))
    k.cmp(r3, 0)
    k.itee("ge")
    k.add(r3, r3, r0)
    k.mvn(r3, r3)
    k.add(r3, r3, r1)
    k.str(r3, at("x"))
    for name, base in (("w", r1), ("channels", r1), ("dst", r0), ("table", r0)):
        k.ldr(r3, p(r2, name))
        k.add(r3, base)
        k.str(r3, at(name))
    k.ldr(r4, p(r2, "taps"))
    k.add(r3, r3, r4.lsl(2))
    k.str(r3, at("table_end"))
    k.ldr(r3, p(r2, "batches"))
    k.str(r3, at("images"))


def _channels(k: Kernel) -> None:
    """Where blocks end and single channels begin."""
    blocks, channels, taps = r3, r4, r5
    k.ldr(blocks, p(r2, "blocks"))
    k.ldr(channels, at("channels"))
    k.add(r6, channels, blocks.lsl(6))
    k.str(r6, at("blocks_end"))
    k.ldr(r6, p(r2, "oc"))
    k.add(r6, channels, r6.lsl(4))
    k.str(r6, at("channels_end"))
    k.ldr(taps, p(r2, "taps"))
    k.muls(taps, blocks)
    k.ldr(r6, at("w"))
    k.add(r6, r6, taps.lsl(2))
    k.str(r6, at("singles_w"))


def _distances(k: Kernel) -> None:
    """From a pixel to the next: of their outputs, of what follows the blocks, of their taps."""
    k.ldr(r3, p(r2, "oc"))
    k.ldr(r4, p(r2, "skip"))
    k.adds(r3, r4)
    k.str(r3, at("stride"))
    k.ldr(r4, p(r2, "blocks"))
    k.sub(r3, r3, r4.lsl(2))
    k.str(r3, at("past_blocks"))
    k.ldr(r3, p(r2, "turn"))
    for factor in ("sw", "ic"):
        k.ldr(r4, p(r2, factor))
        k.muls(r3, r4)
    k.str(r3, at("step"))


def _inner(k: Kernel) -> None:
    """Rows and columns of x at which a window that is wholly inside can begin."""
    for inner, size, kernel, dilation in (
        ("inner_rows", "ih", "kh", "dh"),
        ("inner_columns", "iw", "kw", "dw"),
    ):
        k.ldr(r3, p(r2, size))
        k.ldr(r4, p(r2, kernel))
        k.subs(r4, 1)
        k.ldr(r5, p(r2, dilation))
        k.mls(r3, r4, r5, r3)
        k.bic(r3, r3, r3.asr(31))
        k.str(r3, at(inner))
    # Single channels are not computed pixel by pixel, which makes a difference where an image is
    # one row and outputs lie over its pixels. Runs of one pixel are in order.
    k.ldr(r3, p(r2, "oh"))
    k.cmp(r3, 1)
    k.bne("rows_in_order")
    k.ldr(r3, p(r2, "oc"))
    k.cmp(r3, 1)
    k.beq("rows_in_order")
    k.ldr(r3, at("channels_end"))
    k.ldr(r4, at("blocks_end"))
    k.subs(r3, r4)
    k.beq("rows_in_order")
    k.movs(r3, 0)
    k.str(r3, at("inner_columns"))
    k.label("rows_in_order")


def _output(k: Kernel) -> None:
    """Zero point, limits, and the subroutine that requantises; 0 where none is needed."""
    wide, low, high, routine = r3, r4, r5, r6
    k.ldr(r3, p(r2, "zo"))
    k.str(r3, at("zo"))
    for limit, name in ((low, "lo"), (high, "hi")):
        k.ldr(limit, p(r2, name))
        k.str(limit, at(name))
    k.adr(routine, "limited")
    k.subs(high, low)
    k.cmp(high, 255)
    k.it("eq")
    k.mov(routine, 0)
    k.ldr(wide, p(r2, "wide"))
    k.cbz(wide, "routine_chosen")
    k.adr(routine, "exact")
    k.label("routine_chosen")
    k.cbz(routine, "no_routine")
    k.adds(routine, 1)  # blx wants the bit that says Thumb
    k.label("no_routine")
    k.str(routine, at("special"))


def _zero_points(k: Kernel) -> None:
    """A row of zero points behind the table."""
    k.ldrb(r3, p(r2, "zx"))
    k.mov(r4, 0x01010101)
    k.muls(r3, r4)
    k.ldr(r4, p(r2, "ic"))
    k.ldr(r5, at("table_end"))
    k.label("zero_point")
    k.str(r3, r5.post(4))
    k.subs(r4, 4)
    k.bgt("zero_point")


def _entry_point(k: Kernel, kind: str) -> None:
    """Where a loop of taps is entered, so that what comes fills its turns."""
    taps, left_out, size = r3, r5, r6
    k.ldr(taps, p(r2, "taps"))
    k.movs(r4, UNROLLED[kind])
    k.adds(left_out, taps, UNROLLED[kind] - 1)
    k.udiv(left_out, left_out, r4)
    k.muls(left_out, r4)
    k.subs(left_out, taps)
    k.adr(r4, f"{kind}_tap_0")
    k.adr(size, f"{kind}_tap_1")
    k.subs(size, r4)
    k.mla(r4, left_out, size, r4)
    k.adds(r4, 1)  # bx wants the bit that says Thumb
    k.str(r4, at(f"{kind}_entry"))

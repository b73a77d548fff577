"""What depthwise_v7.py does for each output: sums of products, requantisation, the byte's store."""

from __future__ import annotations

from collections.abc import Callable

from .assembler import Kernel
from .depthwise_v7_frame import BLOCK, DST, ENTRY, ENTRY_BYTES, OFFSET, TABLE_END, TAP, W, at, p
from .operands import lr, r0, r1, r2, r3, r4, r5, r6, r7, r9
from .requantise_v7 import narrow, wide

UNROLLED = {"block": 3, "single": 5}
"""Taps between two looks at where they end; most filters have 9, some 25."""

_BIAS, _MULTIPLIER, _ROUND, _SHIFTS = ENTRY
_ENTRIES = r9  # where a block's next entry lies


def blocks(k: Kernel) -> None:
    """Blocks of four channels, for each pixel of the run. Sets TABLE_END for `singles` too."""
    k.ldr(DST, at("dst"))
    k.ldr(TABLE_END, at("table_end"))
    k.movs(r0, 0)
    k.str(r0, at("moved"))
    k.ldr(r1, at("blocks_end"))
    k.ldr(r2, at("channels"))
    k.cmp(r1, r2)
    k.beq("no_block")
    k.label("block_pixel")
    k.ldr(OFFSET, at("moved"))
    k.ldr(W, at("w"))
    k.ldr(_ENTRIES, at("channels"))
    k.label("block")
    for number, total in enumerate(BLOCK):
        k.ldr(total, _ENTRIES[ENTRY_BYTES * number])
    k.ldr(r0, at("block_entry"))
    k.ldr(TAP, at("table"))
    k.bx(r0)
    _taps(k, "block", _dsp_block_tap if k.arch == "armv7em" else _block_tap)
    _block_outputs(k)
    _next_block(k)
    k.label("no_block")


def _block_outputs(k: Kernel) -> None:
    """From the block's sums to dst."""
    k.ldr(r0, at("special"))
    k.cbz(r0, "block_is_plain")
    for total in BLOCK:
        k.ldm(_ENTRIES.up, *ENTRY)
        k.mov(r0, total)
        k.ldr(lr, at("special"))
        k.blx(lr)
        k.mov(total, r0)
    k.b("block_store")
    k.label("block_is_plain")
    for total in BLOCK:
        k.ldm(_ENTRIES.up, *ENTRY)
        narrow(k, total, _MULTIPLIER, _ROUND, _SHIFTS, temp=_BIAS)
    k.label("block_store")
    for total in BLOCK:
        k.strb(total, DST.post(1))


def _next_block(k: Kernel) -> None:
    """On to the next block, and to the run's next pixel after the last."""
    k.add(OFFSET, len(BLOCK))
    k.ldr(r0, at("blocks_end"))
    k.cmp(_ENTRIES, r0)
    k.bne("block")
    k.ldr(r0, at("past_blocks"))
    k.add(DST, r0)
    k.ldr(r0, at("moved"))
    k.ldr(r1, at("step"))
    k.add(r0, r1)
    k.str(r0, at("moved"))
    k.ldr(r0, at("dst_end"))
    k.cmp(DST, r0)
    k.bne("block_pixel")


def _taps(k: Kernel, kind: str, tap: Callable[[Kernel], None]) -> None:
    """A loop of taps, which is entered where what comes fills its turns."""
    for number in range(UNROLLED[kind]):
        k.label(f"{kind}_tap_{number}")
        tap(k)
    k.cmp(TAP, TABLE_END)
    k.bne(f"{kind}_tap_0")


def _dsp_block_tap(k: Kernel) -> None:
    """Four channels of a tap. Bytes 0 and 2 of a word go to one register, 1 and 3 to another."""
    even_x, odd_x, even_w, odd_w = r0, r1, r2, r3
    first, second, third, fourth = BLOCK
    k.ldr(even_x, TAP.post(4))
    k.ldr(even_x, even_x[OFFSET])
    k.ldr(even_w, W.post(4))
    for even, odd in ((even_x, odd_x), (even_w, odd_w)):
        k.sxtb16(odd, even.ror(8))
        k.sxtb16(even, even)
    k.smlabb(first, even_x, even_w, first)
    k.smlabb(second, odd_x, odd_w, second)
    k.smlatt(third, even_x, even_w, third)
    k.smlatt(fourth, odd_x, odd_w, fourth)


def _block_tap(k: Kernel) -> None:
    """Four channels of a tap."""
    address, x, w = r0, r1, r2
    k.ldr(address, TAP.post(4))
    k.add(address, OFFSET)
    for number, total in enumerate(BLOCK):
        k.ldrsb(x, address[number])
        k.ldrsb(w, W.post(1))
        k.mla(total, x, w, total)


# While single channels are computed. BIAS is where the sum goes, so it moves out of the way.
_SUM, _X, _WEIGHT, _KEPT_BIAS, _ENTRY_POINT, _PIXELS = r0, r4, r5, r6, r7, r9


def singles(k: Kernel) -> None:
    """The other channels, each for all pixels of the run."""
    k.ldr(r1, at("blocks_end"))
    k.ldr(r2, at("channels_end"))
    k.cmp(r1, r2)
    k.beq("no_single")
    k.str(r1, at("entry"))
    k.ldr(r2, at("p"))
    k.ldr(r3, p(r2, "multiplier"))
    k.str(r3, at("copies"))
    k.ldr(r3, p(r2, "blocks"))
    k.lsls(r3, r3, 2)
    k.str(r3, at("channel"))
    k.ldr(r4, at("dst"))
    k.add(r4, r3)
    k.str(r4, at("single_dst"))
    k.ldr(W, at("singles_w"))
    k.label("single")
    k.str(W, at("single_w"))
    k.ldr(_PIXELS, at("entry"))
    k.ldm(_PIXELS.up, *ENTRY)
    k.str(_PIXELS, at("entry"))
    k.mov(_KEPT_BIAS, _BIAS)
    k.ldr(_ENTRY_POINT, at("single_entry"))
    k.ldr(OFFSET, at("channel"))
    k.ldr(DST, at("single_dst"))
    k.ldr(_PIXELS, at("run"))
    k.label("single_pixel")
    _single(k)
    k.subs(_PIXELS, 1)
    k.bne("single_pixel")
    _next_single(k)
    k.label("no_single")


def _single(k: Kernel) -> None:
    """One channel of one pixel."""
    k.mov(_SUM, _KEPT_BIAS)
    k.ldr(TAP, at("table"))
    k.ldr(W, at("single_w"))
    k.bx(_ENTRY_POINT)
    _taps(k, "single", _single_tap)
    k.ldr(_X, at("special"))
    k.cbz(_X, "single_is_plain")
    k.blx(_X)
    k.b("single_store")
    k.label("single_is_plain")
    narrow(k, _SUM, _MULTIPLIER, _ROUND, _SHIFTS, temp=_X)
    k.label("single_store")
    k.strb(_SUM, DST[0])
    k.ldr(_X, at("stride"))
    k.add(DST, _X)
    k.ldr(_X, at("step"))
    k.add(OFFSET, _X)


def _single_tap(k: Kernel) -> None:
    """One tap of one channel."""
    k.ldr(_X, TAP.post(4))
    k.ldrsb(_X, _X[OFFSET])
    k.ldrsb(_WEIGHT, W.post(1))
    k.mla(_SUM, _X, _WEIGHT, _SUM)


def _next_single(k: Kernel) -> None:
    """On to the next output channel, and to the next input channel after all of one's outputs."""
    k.ldr(r0, at("single_dst"))
    k.adds(r0, 1)
    k.str(r0, at("single_dst"))
    k.ldr(r0, at("copies"))
    k.subs(r0, 1)
    k.bne("same_input")
    k.ldr(r0, at("channel"))
    k.adds(r0, 1)
    k.str(r0, at("channel"))
    k.ldr(r0, at("p"))
    k.ldr(r0, p(r0, "multiplier"))
    k.label("same_input")
    k.str(r0, at("copies"))
    k.ldr(r0, at("entry"))
    k.ldr(r1, at("channels_end"))
    k.cmp(r0, r1)
    k.bne("single")


def special_outputs(k: Kernel) -> None:
    """Subroutines: r0, a sum with its channel's entry in r1 to r3, becomes the output.

    `exact` is for steps that are wide, and spoils the entry's `round`, of which it has no use.
    `limited` is for other steps with limits of their own.
    """
    limits = at("lo"), at("hi")
    k.label("exact")
    wide(k, r0, _MULTIPLIER, _SHIFTS, _ROUND, at("zo"), limits)
    k.bx(lr)
    k.label("limited")
    narrow(k, r0, _MULTIPLIER, _ROUND, _SHIFTS, TABLE_END)
    for limit, beyond in zip(limits, ("lt", "gt"), strict=True):
        k.ldr(TABLE_END, limit)
        k.cmp(r0, TABLE_END)
        k.it(beyond)
        k.mov(r0, TABLE_END)
    k.ldr(TABLE_END, at("table_end"))
    k.bx(lr)

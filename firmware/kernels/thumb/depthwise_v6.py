"""DEPTHWISE on ARMv6-M: four channels at a time where input and output channels are the same.

For each output pixel the addresses of its taps are worked out once, for all channels; a tap
outside of the image gets the address of a row of zx. w is [taps, oc], so that a channel's number
is its place behind either address. acc = bias + sum(x * w), zx being folded into the bias.
"""

from __future__ import annotations

from . import pixels_v6, requantise_v6
from .assembler import Kernel
from .frame import DEPTHWISE, Arguments, Frame
from .operands import Register, r0, r1, r2, r3, r4, r5, r6, r7, r8, r9, r10, r11
from .pixels_v6 import PLACE
from .requantise_v6 import DST, END, SUMS, TABLE

_ARGUMENTS = Arguments(DEPTHWISE)
_WORDS = (
    f"p w table dst skip ic oc block_step tap_step within addresses outside channel input "
    f"next_table blocks_end table_end sharing sums:4 {PLACE} {pixels_v6.OTHERS} "
    f"{requantise_v6.LIMITS}"
)
"""outside: the row of zx; tap_step: bytes of x from a tap to the next in a row; oc and block_step:
bytes of w that are left to the next tap; within: windows that begin in a column below have all
columns inside; channel: the next output channel, input: the one that it reads; blocks_end: where
the table goes on with single channels; sharing: how many of these are still to read the same
input."""
_CHANNELS = 4
_TO, _TAP, _COLUMN, _IW, _OUTSIDE = r7, r4, r3, r5, r6
_ROWS_LEFT, _ROW, _STEP, _DILATION = r8, r9, r10, r11
"""Registers of _find_taps."""
_ADDRESS, _W, _TO_NEXT = r0, r1, r9
"""Registers of the loops over taps."""


def module(arch: str) -> str:
    """Text of the MicroPython module with the function depthwise(arena, weights, p)."""
    source = _depthwise(arch).source()
    return f'"""DEPTHWISE, made by depthwise_v6.py."""\n\nimport micropython\n\n\n{source}'


def _depthwise(arch: str) -> Kernel:
    k = Kernel("depthwise", 3, arch)
    frame = Frame(k, _WORDS)
    k.save_high()
    frame.open()
    _start(k, frame)
    k.label("pixel")
    _find_taps(k, frame)
    _blocks(k, frame)
    _singles(k, frame)
    pixels_v6.advance(k, frame)
    frame.load(dst=r0, skip=r1, pixels=r2)
    k.adds(r0, r0, r1)
    k.subs(r2, 1)
    frame.store(dst=r0, pixels=r2)
    k.beq("all_done")
    k.b("pixel")
    requantise_v6.routine(k)
    k.label("all_done")
    frame.close()
    k.restore_high()
    return k


def _start(k: Kernel, frame: Frame) -> None:
    """r0 to r2: the kernel's arguments."""
    frame.store(p=r2)
    pixels_v6.start(k, _ARGUMENTS, frame)
    pixels_v6.start_outputs(k, _ARGUMENTS, frame, "w", "table")
    requantise_v6.prepare(k, _ARGUMENTS, frame, r2)
    _start_table(k, frame)
    _start_columns(k, frame)
    _ARGUMENTS.load(k, r2, patch=r4, taps=r5, zx=r6)
    k.adds(r4, r4, r0)
    k.lsls(r5, r5, 2)
    k.adds(r5, r5, r4)
    frame.store(addresses=r4, outside=r5)
    k.label("fill")
    k.strb(r6, r5[0])
    k.adds(r5, 1)
    k.subs(r3, 1)
    k.bne("fill")


def _start_table(k: Kernel, frame: Frame) -> None:
    frame.load(table=r3)
    _ARGUMENTS.load(k, r2, blocks=r4, oc=r5)
    k.movs(r6, requantise_v6.ENTRY)
    k.muls(r5, r6)
    k.adds(r5, r5, r3)
    k.lsls(r4, r4, 2)
    k.muls(r4, r6)
    k.adds(r4, r4, r3)
    frame.store(blocks_end=r4, table_end=r5)


def _start_columns(k: Kernel, frame: Frame) -> None:
    """r3 becomes ic."""
    _ARGUMENTS.load(k, r2, kw=r3, dw=r4, iw=r5)
    k.subs(r3, 1)
    k.muls(r3, r4)
    k.subs(r5, r5, r3)
    k.bpl("some_within")
    k.movs(r5, 0)
    k.label("some_within")
    frame.store(within=r5)
    _ARGUMENTS.load(k, r2, ic=r3, skip=r5, oc=r6)
    k.muls(r4, r3)
    k.subs(r7, r6, 2)
    frame.store(ic=r3, tap_step=r4, skip=r5, oc=r6, block_step=r7)


def _find_taps(k: Kernel, frame: Frame) -> None:
    """The addresses of the next pixel's taps."""
    frame.load(addresses=_TO, p=r2, row=r0, tap_step=r1, outside=_OUTSIDE)
    _ARGUMENTS.load(k, r2, kh=r3, dw=r4, iw=_IW)
    for high, register in ((_ROWS_LEFT, r3), (_ROW, r0), (_STEP, r1), (_DILATION, r4)):
        k.mov(high, register)
    k.label("filter_row")
    k.mov(r0, _ROW)
    frame.load(p=r2)
    _ARGUMENTS.load(k, r2, ih=r1, kw=r2)
    frame.load(column=_COLUMN)
    k.cmp(r0, r1)
    k.blo("row_inside")  # a row above the image is a large number here
    k.movs(_COLUMN, _IW)  # and so are all columns of it outside
    k.label("row_inside")
    k.muls(r0, _IW)
    k.adds(r0, r0, _COLUMN)
    frame.load(ic=r1, image=_TAP)
    k.muls(r0, r1)
    k.adds(_TAP, _TAP, r0)
    _row_of_taps(k, frame)
    frame.load(p=r2)
    _ARGUMENTS.load(k, r2, dh=r0)
    k.add(_ROW, r0)
    k.mov(r0, _ROWS_LEFT)
    k.subs(r0, 1)
    k.mov(_ROWS_LEFT, r0)
    k.bne("filter_row")


def _row_of_taps(k: Kernel, frame: Frame) -> None:
    """r2 taps from _COLUMN on, the first of which would be at _TAP."""
    frame.load(within=r1)
    k.cmp(_COLUMN, r1)
    k.bhs("tap")
    k.label("tap_within")
    k.stm(_TO.up, _TAP)
    k.add(_TAP, _STEP)
    k.subs(r2, 1)
    k.bne("tap_within")
    k.b("row_done")
    k.label("tap")
    k.movs(r0, _TAP)
    k.cmp(_COLUMN, _IW)
    k.blo("tap_inside")
    k.movs(r0, _OUTSIDE)
    k.label("tap_inside")
    k.stm(_TO.up, r0)
    k.add(_TAP, _STEP)
    k.add(_COLUMN, _DILATION)
    k.subs(r2, 1)
    k.bne("tap")
    k.label("row_done")


def _start_taps(k: Kernel, frame: Frame, step: str) -> None:
    """Registers of both loops over taps. Changes r4."""
    frame.load(outside=r4)
    k.mov(END, r4)  # begins where the addresses end
    frame.load(**{step: r4})
    k.mov(_TO_NEXT, r4)
    frame.load(addresses=_ADDRESS, w=_W)


def _blocks(k: Kernel, frame: Frame) -> None:
    """Four channels at a time; TABLE ends up at the single channels' entries."""
    frame.load(table=TABLE, blocks_end=r0)
    k.movs(r2, 0)
    frame.store(next_table=TABLE, channel=r2)
    k.cmp(TABLE, r0)
    k.beq("blocks_done")
    k.label("block")
    _start_taps(k, frame, "block_step")
    frame.load(channel=r2)
    k.adds(r3, r2, 1)
    sums = r7, r8, r10, r11
    k.movs(r7, 0)
    for register in sums[1:]:
        k.mov(register, r7)
    k.label("tap_of_four")
    _tap_of_four(k, sums)
    k.cmp(_ADDRESS, END)
    k.bne("tap_of_four")
    for low, total in zip((r4, r5, r6, r7), sums, strict=True):
        k.mov(low, total)
    k.adds(r2, _CHANNELS)
    frame.store(channel=r2)
    frame.point(r0, "sums")
    k.stm(r0.up, r4, r5, r6, r7)
    _outputs(k, frame, _CHANNELS)
    frame.load(blocks_end=r0)
    k.cmp(TABLE, r0)
    k.bne("block")
    k.label("blocks_done")


def _tap_of_four(k: Kernel, sums: tuple[Register, ...]) -> None:
    """Channels r2 and r3 = r2 + 1 of a tap, then the two behind."""
    address, x, product = r4, r5, r6
    k.ldm(_ADDRESS.up, address)
    for half in range(2):
        for channel in range(2):
            k.ldrsb(x, address[(r2, r3)[channel]])
            k.ldrsb(product, _W[(r2, r3)[channel]])
            k.muls(product, x)
            k.add(sums[2 * half + channel], product)
        if not half:
            k.adds(address, 2)
            k.adds(_W, 2)
    k.add(_W, _TO_NEXT)


def _singles(k: Kernel, frame: Frame) -> None:
    """The channels that are left, one at a time; TABLE is at their entries."""
    frame.load(table_end=r0, channel=r2, p=r3)
    k.cmp(TABLE, r0)
    k.beq("singles_done")
    _ARGUMENTS.load(k, r3, multiplier=r3)
    frame.store(input=r2, sharing=r3)
    k.label("single")
    _start_taps(k, frame, "oc")
    frame.load(input=r2, channel=r3)
    k.movs(r7, 0)
    k.label("tap_of_one")
    _tap_of_one(k, r7)
    k.cmp(_ADDRESS, END)
    k.bne("tap_of_one")
    frame.point(r0, "sums")
    k.stm(r0.up, r7)
    _outputs(k, frame, 1)
    _next_single(k, frame)
    frame.load(next_table=r0, table_end=r1)
    k.cmp(r0, r1)
    k.bne("single")
    k.label("singles_done")


def _tap_of_one(k: Kernel, total: Register) -> None:
    """Output channel r3 of a tap, which reads input channel r2."""
    address, x, product = r4, r5, r6
    k.ldm(_ADDRESS.up, address)
    k.ldrsb(x, address[r2])
    k.ldrsb(product, _W[r3])
    k.muls(product, x)
    k.adds(total, total, product)
    k.add(_W, _TO_NEXT)


def _next_single(k: Kernel, frame: Frame) -> None:
    frame.load(channel=r0, sharing=r1)
    k.adds(r0, 1)
    frame.store(channel=r0)
    k.subs(r1, 1)
    k.bne("input_known")
    frame.load(input=r0, p=r1)
    k.adds(r0, 1)
    frame.store(input=r0)
    _ARGUMENTS.load(k, r1, multiplier=r1)
    k.label("input_known")
    frame.store(sharing=r1)


def _outputs(k: Kernel, frame: Frame, count: int) -> None:
    """Requantise sums; r0 points behind them."""
    requantise_v6.load_limits(k, frame)
    k.mov(END, r0)
    k.subs(SUMS, 4 * count)
    frame.load(next_table=TABLE, dst=DST)
    k.bl("requantise")
    frame.store(next_table=TABLE, dst=DST)

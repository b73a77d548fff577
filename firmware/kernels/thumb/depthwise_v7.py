"""DEPTHWISE on ARMv7-M: a whole layer in one call.

Each row of outputs is done in runs of pixels. A table in the scratch holds one address per tap of
the run's first pixel: of that tap's pixel in x or, outside of the image, of a row of zero points.
Pixels whose taps are all inside follow at a fixed distance, so the table serves many of them;
others are runs of their own.

In a run, blocks of four channels are computed pixel by pixel. Then come channels one by one: what
does not fill a block, or all of them where an input channel has several outputs. Each is computed
for all pixels of the run, while its table entry stays in registers.
"""

from __future__ import annotations

from .assembler import Kernel
from .depthwise_v7_frame import FRAME_BYTES, at, p
from .depthwise_v7_layer import prepare
from .depthwise_v7_sums import blocks, singles, special_outputs
from .operands import lr, r0, r1, r2, r3, r4, r5, r6, r7, r8, r9, r10, r11, r12, sp


def module(arch: str) -> str:
    """Text of the MicroPython module with `depthwise`. arch: armv7m or armv7em."""
    return f'"""DEPTHWISE for {arch}."""\n\nimport micropython\n\n\n{depthwise(arch)}'


def depthwise(arch: str) -> str:
    """The kernel `depthwise(arena, weights, p)`, as a function of MicroPython."""
    k = Kernel("depthwise", 3, arch)
    k.save_high()
    k.sub(sp, FRAME_BYTES)
    prepare(k)
    k.label("image")
    _begin_image(k)
    k.label("row")
    _begin_row(k)
    k.label("run")
    _begin_run(k)
    _fill_table(k)
    blocks(k)
    singles(k)
    _next_run(k)
    k.b("end")
    special_outputs(k)
    k.label("end")
    k.add(sp, FRAME_BYTES)
    k.restore_high()
    return k.source()


def _begin_image(k: Kernel) -> None:
    """The image's first row."""
    k.ldr(r0, at("p"))
    k.ldr(r1, p(r0, "first_row"))
    k.ldr(r2, p(r0, "sh"))
    k.muls(r1, r2)
    k.ldr(r2, p(r0, "pt"))
    k.subs(r1, r2)
    k.str(r1, at("top"))
    k.ldr(r1, p(r0, "oh"))
    k.str(r1, at("rows"))


def _begin_row(k: Kernel) -> None:
    """The row's first column, and how many of x's columns begin windows that are inside."""
    k.ldr(r0, at("p"))
    k.ldr(r1, p(r0, "first_column"))
    k.ldr(r2, p(r0, "sw"))
    k.muls(r1, r2)
    k.ldr(r2, p(r0, "pl"))
    k.subs(r1, r2)
    k.str(r1, at("left"))
    k.ldr(r1, p(r0, "ow"))
    k.str(r1, at("columns"))
    k.ldr(r1, at("top"))
    k.ldr(r2, at("inner_rows"))
    k.ldr(r3, at("inner_columns"))
    k.cmp(r1, r2)  # unsigned: what is above the image is below nothing
    k.it("hs")
    k.mov(r3, 0)
    k.str(r3, at("inner"))


def _begin_run(k: Kernel) -> None:
    """How many pixels the table can serve. Leaves p in r0, the first one's left column in lr."""
    run, inner, columns, turn, sw = r1, r2, r3, r4, r5
    k.ldr(r0, at("p"))
    k.ldr(lr, at("left"))
    k.ldr(inner, at("inner"))
    k.ldr(columns, at("columns"))
    k.ldr(turn, p(r0, "turn"))
    k.ldr(sw, p(r0, "sw"))
    k.movs(run, 1)
    k.cmp(lr, inner)
    k.bhs("alone")
    k.cmp(turn, 0)
    k.itte("gt")
    k.sub(inner, 1)
    k.sub(inner, lr)
    k.mov(inner, lr)  # on the way back, the columns before
    k.udiv(inner, inner, sw)
    k.adds(run, inner, 1)
    k.cmp(run, columns)
    k.it("hi")
    k.mov(run, columns)
    k.label("alone")
    k.str(run, at("run"))
    k.subs(columns, run)
    k.str(columns, at("columns"))
    k.muls(turn, sw)
    k.mla(turn, turn, run, lr)
    k.str(turn, at("left"))
    k.ldr(r2, at("dst"))
    k.ldr(r3, at("stride"))
    k.mla(r3, r3, run, r2)
    k.str(r3, at("dst_end"))


def _fill_table(k: Kernel) -> None:
    """Addresses of the taps of a pixel. r0: p, lr: its left column."""
    to, iy, row, tap, ix, count, dh = r1, r2, r3, r4, r5, r6, r7
    width, ic, dw, zeros, down = r8, r9, r10, r11, r12
    k.ldr(width, p(r0, "iw"))
    k.ldr(ic, p(r0, "ic"))
    k.ldr(dw, p(r0, "dw"))
    k.ldr(dh, p(r0, "dh"))
    k.ldr(iy, at("top"))
    k.ldr(tap, at("x"))
    k.mul(down, width, ic)
    k.mla(row, iy, down, tap)  # may lie before x, where nothing is read
    k.mul(down, down, dh)
    k.ldr(zeros, at("table_end"))
    k.ldr(to, at("table"))
    k.label("filter_row")
    k.ldr(width, p(r0, "iw"))
    k.ldr(count, p(r0, "ih"))
    k.cmp(iy, count)  # unsigned, so that above and below the image are one case
    k.it("hs")
    k.mov(width, 0)  # no column of that row is inside
    k.mov(ix, lr)
    k.ldr(count, p(r0, "kw"))
    k.label("filter_column")
    k.mla(tap, ix, ic, row)
    k.cmp(ix, width)
    k.it("hs")
    k.mov(tap, zeros)
    k.str(tap, to.post(4))
    k.add(ix, dw)
    k.subs(count, 1)
    k.bne("filter_column")
    k.add(row, down)
    k.add(iy, dh)
    k.cmp(to, zeros)
    k.bne("filter_row")


def _next_run(k: Kernel) -> None:
    """On to the next run, row or image, until there is none."""
    k.ldr(r0, at("dst_end"))
    k.str(r0, at("dst"))
    k.ldr(r0, at("columns"))
    k.cmp(r0, 0)
    k.bne("run")
    k.ldr(r0, at("p"))
    k.ldr(r1, p(r0, "turn"))
    k.ldr(r2, p(r0, "sh"))
    k.ldr(r3, at("top"))
    k.mla(r3, r1, r2, r3)
    k.str(r3, at("top"))
    k.ldr(r3, at("rows"))
    k.subs(r3, 1)
    k.str(r3, at("rows"))
    k.bne("row")
    k.ldr(r1, p(r0, "ih"))
    k.ldr(r2, p(r0, "iw"))
    k.muls(r1, r2)
    k.ldr(r2, p(r0, "ic"))
    k.ldr(r3, at("x"))
    k.mla(r3, r1, r2, r3)
    k.str(r3, at("x"))
    k.ldr(r3, at("images"))
    k.subs(r3, 1)
    k.str(r3, at("images"))
    k.bne("image")

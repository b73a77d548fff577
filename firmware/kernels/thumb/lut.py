"""LUT: bytes through a table of 256."""

from __future__ import annotations

from .assembler import Kernel
from .frame import Arguments
from .operands import r0, r1, r2, r3, r4, r5, r6
from .runs import locate

_ARGUMENTS = Arguments("x dst n table")
_AT_ONCE = 4


def module(arch: str) -> str:
    """Text of the MicroPython module for one of armv6m, armv7m and armv7em."""
    return f'"""LUT for {arch}."""\n\nimport micropython\n\n\n{lut(arch).source()}'


def lut(arch: str) -> Kernel:
    """The kernel, lut(arena, weights, arguments). dst may be x."""
    k = Kernel("lut", 3, arch)
    x, table, dst, left = r3, r1, r0, r4
    _ARGUMENTS.load(k, r2, x=x)
    locate(k, "x", x)
    _ARGUMENTS.load(k, r2, table=r5, n=left, dst=r2)
    k.adds(table, table, r5)
    k.adds(dst, dst, r2)
    k.subs(left, _AT_ONCE)
    k.blo("fours_done")
    k.label("fours")
    for number in range(_AT_ONCE):
        k.ldrb(r5, x[number])
        k.ldrb(r5, table[r5])
        k.strb(r5, dst[number])
    k.adds(x, _AT_ONCE)
    k.adds(dst, _AT_ONCE)
    k.subs(left, _AT_ONCE)
    k.bhs("fours")
    k.label("fours_done")
    k.adds(left, _AT_ONCE)
    k.beq("end")
    k.movs(r6, 0)
    k.label("ones")
    k.ldrb(r5, x[r6])
    k.ldrb(r5, table[r5])
    k.strb(r5, dst[r6])
    k.adds(r6, 1)
    k.cmp(r6, left)
    k.bne("ones")
    k.label("end")
    return k

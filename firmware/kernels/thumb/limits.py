"""Limits of outputs for kernels that store int8 without them: a pass over what they have stored.

It costs nothing where the limits are those of int8, and else is short beside the step itself.
"""

from __future__ import annotations

from .assembler import Kernel
from .operands import r0, r1, r2, r3, r4, r5, r6, r7

_FIRST, _COUNT, _LOW, _HIGH, _VALUE = r0, r1, r2, r3, r4


def apply(k: Kernel) -> None:
    """Limit bytes. r0: the first byte, r1: how many, not 0, r2: lowest, r3: highest.

    Changes r0, r1 and r4 to r7.
    """
    k.subs(_VALUE, _HIGH, _LOW)
    k.cmp(_VALUE, 255)
    k.beq("no_limits")
    if k.arch == "armv7em":
        _words(k)
    end, at = _FIRST, _COUNT
    k.adds(end, end, at)
    k.negs(at, at)
    k.label("limit")
    k.ldrsb(_VALUE, end[at])
    k.cmp(_VALUE, _LOW)
    k.bge("not_below")
    k.movs(_VALUE, _LOW)
    k.label("not_below")
    k.cmp(_VALUE, _HIGH)
    k.ble("not_above")
    k.movs(_VALUE, _HIGH)
    k.label("not_above")
    k.strb(_VALUE, end[at])
    k.adds(at, 1)
    k.bne("limit")
    k.label("no_limits")


def _words(k: Kernel) -> None:
    """Limit four bytes at a time; up to three are left."""
    low, high, spare = r5, r6, r7
    k.mov(spare, 0x01010101)
    for limit, word in ((_LOW, low), (_HIGH, high)):
        k.uxtb(word, limit)
        k.muls(word, spare)
    k.subs(_COUNT, 4)
    k.blo("few")
    k.label("limit_word")
    k.ldr(_VALUE, _FIRST[0])
    k.ssub8(spare, _VALUE, low)  # its flags tell which bytes are not below
    k.sel(_VALUE, _VALUE, low)
    k.ssub8(spare, high, _VALUE)
    k.sel(_VALUE, _VALUE, high)
    k.str(_VALUE, _FIRST.post(4))
    k.subs(_COUNT, 4)
    k.bhs("limit_word")
    k.label("few")
    k.adds(_COUNT, 4)
    k.beq("no_limits")

"""MOVE and FILL: runs of bytes, as many at a time as their places allow.

The loader has made MOVE's innermost dimensions one run where they are contiguous on both sides.
"""

from __future__ import annotations

from .assembler import Kernel
from .frame import Arguments, Frame
from .operands import Register, lr, r0, r1, r2, r3, r4, r5, r6, r7, r12, sp
from .runs import locate

_DIMENSIONS = 5
_MOVE = Arguments(
    "x dst run "
    + " ".join(f"{name}{number}" for name in ("n", "ss", "ds") for number in range(_DIMENSIONS))
)
_FILL = Arguments("dst bytes esize value0 value1 value2 value3")
_COUNT, _SOURCE_STRIDE, _STRIDE = 4 * 4, 4 * 9, 4 * 14
"""Arguments of dimension 0, in bytes from p; those of the others follow."""
_ARENA = r0
_X, _DST, _P = r0, r1, r2


def module(arch: str) -> str:
    """Text of the MicroPython module for one of armv6m, armv7m and armv7em."""
    kernels = f"{move(arch).source()}\n\n{fill(arch).source()}"
    return f'"""MOVE and FILL for {arch}."""\n\nimport micropython\n\n\n{kernels}'


def move(arch: str) -> Kernel:
    """The kernel, move(arena, weights, arguments)."""
    k = Kernel("move", 3, arch)
    frame = Frame(k, f"left:{_DIMENSIONS}")
    frame.open()
    for number in range(_DIMENSIONS):
        _MOVE.load(k, _P, **{f"n{number}": r3})
        k.str(r3, frame.word("left", number))
    _MOVE.load(k, _P, x=r4, dst=r5, run=r3)
    locate(k, "x", r4)
    k.adds(_DST, r5, _ARENA)
    k.movs(_X, r4)
    run, frame_from_p = lr, r12
    k.mov(run, r3)
    k.mov(r3, sp)
    k.subs(r3, r3, _P)
    k.mov(frame_from_p, r3)
    k.label("run")
    k.mov(r3, run)
    _copy(k, r3)
    _advance(k, run, frame_from_p)
    frame.close()
    return k


def _advance(k: Kernel, run: Register, frame_from_p: Register) -> None:
    """Move _X and _DST to the next run and go there; run into what follows behind the last one.

    `left` counts down in each dimension, and starts again where it ends.
    """
    place, x_moved, dst_moved, value, frame = r3, r4, r5, r6, r7
    k.movs(place, _P)
    k.adds(place, 4 * (_DIMENSIONS - 1))
    k.mov(frame, frame_from_p)
    k.mov(x_moved, run)
    k.mov(dst_moved, run)
    k.label("dimension")
    k.subs(_X, _X, x_moved)
    k.subs(_DST, _DST, dst_moved)
    k.ldr(x_moved, place[_SOURCE_STRIDE])
    k.adds(_X, _X, x_moved)
    k.ldr(dst_moved, place[_STRIDE])
    k.adds(_DST, _DST, dst_moved)
    k.ldr(value, place[frame])
    k.subs(value, 1)
    k.str(value, place[frame])
    k.bne("run")
    k.ldr(value, place[_COUNT])
    k.str(value, place[frame])
    k.muls(x_moved, value)
    k.muls(dst_moved, value)
    k.subs(place, 4)
    k.cmp(place, _P)
    k.bhs("dimension")


def _copy(k: Kernel, left: Register) -> None:
    """Copy `left` bytes, 1 or more; _X and _DST move on. Changes r4 to r7."""
    words = (r4, r5, r6, r7)
    k.movs(r4, _X)
    k.orrs(r4, _DST)
    k.lsls(r4, r4, 30)
    k.bne("fours")
    k.subs(left, 16)
    k.blo("sixteens_done")
    k.label("sixteen")
    k.ldm(_X.up, *words)
    k.stm(_DST.up, *words)
    k.subs(left, 16)
    k.bhs("sixteen")
    k.label("sixteens_done")
    k.adds(left, 16)
    k.label("fours")
    k.subs(left, 4)
    k.blo("fours_done")
    k.label("four")
    if k.arch == "armv6m":
        for number, byte in enumerate(words):
            k.ldrb(byte, _X[number])
        for number, byte in enumerate(words):
            k.strb(byte, _DST[number])
        k.adds(_X, 4)
        k.adds(_DST, 4)
    else:
        k.ldr(r4, _X.post(4))
        k.str(r4, _DST.post(4))
    k.subs(left, 4)
    k.bhs("four")
    k.label("fours_done")
    k.adds(left, 4)
    k.beq("copied")
    k.label("one")
    k.ldrb(r4, _X[0])
    k.strb(r4, _DST[0])
    k.adds(_X, 1)
    k.adds(_DST, 1)
    k.subs(left, 1)
    k.bne("one")
    k.label("copied")


def fill(arch: str) -> Kernel:
    """The kernel, fill(arena, weights, arguments)."""
    k = Kernel("fill", 3, arch)
    dst, left, word = r0, r1, r7
    values = (r3, r4, r5, r6)
    _FILL.load(k, _P, dst=left, **{f"value{i}": value for i, value in enumerate(values)})
    k.adds(dst, _ARENA, left)
    _FILL.load(k, _P, bytes=left)
    k.movs(word, values[3])
    for value in reversed(values[:3]):
        k.lsls(word, word, 8)
        k.orrs(word, value)
    k.subs(left, 4)
    k.blo("fours_done")
    if arch == "armv6m":
        k.lsls(_P, dst, 30)
        k.beq("four")
        k.label("four_bytes")
        for number, value in enumerate(values):
            k.strb(value, dst[number])
        k.adds(dst, 4)
        k.subs(left, 4)
        k.bhs("four_bytes")
        k.b("fours_done")
    k.label("four")
    if arch == "armv6m":
        k.stm(dst.up, word)
    else:
        k.str(word, dst.post(4))
    k.subs(left, 4)
    k.bhs("four")
    k.label("fours_done")
    k.adds(left, 4)
    k.beq("end")
    k.label("one")
    k.strb(word, dst[0])
    k.lsrs(word, word, 8)
    k.adds(dst, 1)
    k.subs(left, 1)
    k.bne("one")
    k.label("end")
    return k

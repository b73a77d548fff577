"""SOFTMAX: a row's exponentials from a table, their sum's reciprocal, and their shares of the sum.

A row of the table's entries e, Q0.31, sums up to `total` in Q12.19. With h leading zeros in it,
`half` = total << h - 1 is between 1/2 and 1 in Q0.31. Its reciprocal `guess`, between 1 and 2 in
Q2.29, comes from three of Newton's steps; `scale` is that in Q0.31. An output is
SRDHM(e, scale) / 2^shift - 128, halves up, where shift = 35 - h and
SRDHM(v, m) = floor((v * m + 2^30) / 2^31).

|v| < 2^30 in all products but the last: v is a constant, or an error, which is below 2^29, or a
guess, which reaches 2^30 only in the last step, behind its products.
"""

from __future__ import annotations

from . import rounding
from .assembler import Kernel
from .frame import Arguments, Frame
from .operands import Register, literal, lr, r0, r1, r2, r3, r4, r5, r6, r7, r12
from .runs import locate

_ARGUMENTS = Arguments("x dst rows depth table")
_FRAME = "rows depth peak shift half guess"
_X, _DST, _TABLE = r5, r6, r7
"""Ends of the row, and the table."""
_AT = r4
"""Negative: how far an element is from the ends."""
_ARENA, _WEIGHTS = r0, r1


def module(arch: str) -> str:
    """Text of the MicroPython module for one of armv6m, armv7m and armv7em."""
    return f'"""SOFTMAX for {arch}."""\n\nimport micropython\n\n\n{softmax(arch).source()}'


def softmax(arch: str) -> Kernel:
    """The kernel, softmax(arena, weights, arguments)."""
    k = Kernel("softmax", 3, arch)
    is_v6 = arch == "armv6m"
    frame = Frame(k, f"{_FRAME} hi lo" if is_v6 else _FRAME)
    frame.open()
    _begin(k, r2, frame)
    k.label("row")
    frame.load(depth=r0)
    k.adds(_X, _X, r0)
    k.adds(_DST, _DST, r0)
    _peak(k, frame)
    _total(k, frame)
    _normalise(k, frame)
    _reciprocal(k, frame)
    (_shares_v6 if is_v6 else _shares_v7)(k, frame)
    frame.load(rows=r0)
    k.subs(r0, 1)
    frame.store(rows=r0)
    if is_v6:
        k.beq("end")
        k.b("row")
        _times_v6(k, frame)
        k.label("end")
    else:
        k.bne("row")
    frame.close()
    return k


def _begin(k: Kernel, p: Register, frame: Frame) -> None:
    _ARGUMENTS.load(k, p, x=_X, dst=_DST, table=_TABLE, rows=r3, depth=r4)
    locate(k, "x", _X)
    k.adds(_DST, _DST, _ARENA)
    k.adds(_TABLE, _TABLE, _WEIGHTS)
    frame.store(rows=r3, depth=r4)


def _first(k: Kernel, frame: Frame) -> None:
    """Set _AT to the row's first element."""
    frame.load(depth=_AT)
    k.negs(_AT, _AT)


def _next(k: Kernel, loop: str) -> None:
    k.adds(_AT, 1)
    k.bne(loop)


def _peak(k: Kernel, frame: Frame) -> None:
    """`peak`: the row's highest element."""
    value, peak = r0, r1
    _first(k, frame)
    k.movs(peak, 127)
    k.mvns(peak, peak)
    k.label("find")
    k.ldrsb(value, _X[_AT])
    k.cmp(value, peak)
    k.ble("is_lower")
    k.movs(peak, value)
    k.label("is_lower")
    _next(k, "find")
    frame.store(peak=peak)


def _entry(k: Kernel, value: Register, peak: Register) -> None:
    """`value` becomes the table's entry for the next element."""
    k.ldrsb(value, _X[_AT])
    k.subs(value, peak, value)
    # An element may have changed since `peak` was found: dst lies over x in a damaged model.
    k.uxtb(value, value)
    if k.arch == "armv6m":
        k.lsls(value, value, 2)
        k.ldr(value, _TABLE[value])
    else:
        k.ldr(value, _TABLE[value.lsl(2)])


def _total(k: Kernel, frame: Frame) -> None:
    """r2: the sum of the row's entries, in Q12.19, each rounded: at least 2^19, below 2^30."""
    value, peak, total = r0, r1, r2
    _first(k, frame)
    k.movs(total, 0)
    k.label("sum")
    _entry(k, value, peak)
    k.lsrs(value, value, 12)
    k.adcs(total, value)  # the last bit that fell out is the carry
    _next(k, "sum")


def _normalise(k: Kernel, frame: Frame) -> None:
    """From r2: `half` and `shift`."""
    total, shift = r2, r3
    if k.arch == "armv6m":
        k.movs(shift, 35)
        k.label("normalise")
        k.subs(shift, 1)
        k.lsls(total, total, 1)
        k.bpl("normalise")
    else:
        k.clz(shift, total)
        k.lsls(total, shift)
        k.rsb(shift, shift, 35)
    k.lsrs(total, total, 1)
    frame.store(half=total, shift=shift)


_V, _FACTOR, _SPARE = r0, r1, r2
"""What _times multiplies, and what it may change; on ARMv6-M r3 and r12, too."""


def _times(k: Kernel) -> None:
    """_V becomes SRDHM(_V, _FACTOR): |_V| < 2^30, _FACTOR is not negative on ARMv6-M."""
    if k.arch == "armv6m":
        k.bl("times")
    else:
        k.lsls(_V, _V, 1)
        rounding.product_v7(k, _V, _FACTOR, _SPARE)


def _reciprocal(k: Kernel, frame: Frame) -> None:
    """_V: `scale`, from `half`."""
    left = _AT
    # 48/17 - 32/17 * half, in Q2.29.
    k.ldr(_V, literal(-1010580540))
    frame.load(half=_FACTOR)
    _times(k)
    k.ldr(_FACTOR, literal(1515870810))
    k.adds(_V, _V, _FACTOR)
    k.movs(left, 3)
    k.label("newton")
    frame.store(guess=_V)
    frame.load(half=_FACTOR)
    _times(k)
    k.movs(_FACTOR, 1)
    k.lsls(_FACTOR, _FACTOR, 29)
    k.subs(_V, _FACTOR, _V)  # the error: 1 less the product
    frame.load(guess=_FACTOR)
    _times(k)
    frame.load(guess=_FACTOR)
    k.lsls(_V, _V, 2)
    k.adds(_V, _V, _FACTOR)
    k.subs(left, 1)
    k.bne("newton")
    k.lsls(_V, _V, 1)
    k.bpl("is_below_1")
    k.movs(_V, 0)
    k.mvns(_V, _V)
    k.lsrs(_V, _V, 1)
    k.label("is_below_1")


def _shares_v7(k: Kernel, frame: Frame) -> None:
    """Outputs of a row. With p = e * scale, both roundings are one sum and one shift:

    (floor((p + 2^30) / 2^31) + 2^(shift - 1)) >> shift = (p + 2^30 + 2^(shift + 30)) >> shift + 31
    """
    share, peak, shift, scale, low, half = r0, r1, r2, r3, r12, lr
    k.mov(scale, _V)
    frame.load(peak=peak, shift=shift)
    k.subs(shift, 2)
    k.mov(half, 1)
    k.lsl(half, half, shift)
    k.adds(shift, 1)  # 22 to 32; the upper word stays below 2^32
    _first(k, frame)
    k.label("share")
    _entry(k, share, peak)
    k.umull(low, share, share, scale)
    k.adds(low, low, 1 << 30)
    k.adc(share, share, half)
    k.lsrs(share, shift)
    k.usat(share, 8, share)
    k.eor(share, share, 128)
    k.strb(share, _DST[_AT])
    _next(k, "share")


def _shares_v6(k: Kernel, frame: Frame) -> None:
    """Outputs of a row."""
    share, spare = r0, r1
    _split(k, _V, spare, frame)
    _first(k, frame)
    k.label("share")
    frame.load(peak=spare)
    _entry(k, share, spare)
    rounding.product_v6(k, share, frame, (r1, r2, r3), r12)
    frame.load(shift=spare)
    k.lsrs(share, spare)
    k.movs(spare, 0)
    k.adcs(share, spare)  # up to 256, which becomes 255
    k.lsrs(spare, share, 8)
    k.subs(share, share, spare)
    k.subs(share, 128)
    k.strb(share, _DST[_AT])
    _next(k, "share")


def _split(k: Kernel, m: Register, spare: Register, frame: Frame) -> None:
    """Set `hi` and `lo` to the two parts of m, for product_v6. m and spare change."""
    k.lsrs(spare, m, 15)
    k.lsls(m, m, 17)
    k.lsrs(m, m, 17)
    frame.store(hi=spare, lo=m)


def _times_v6(k: Kernel, frame: Frame) -> None:
    k.label("times")
    _split(k, _FACTOR, _SPARE, frame)
    rounding.product_v6(k, _V, frame, (r1, r2, r3), r12)
    k.bx(lr)

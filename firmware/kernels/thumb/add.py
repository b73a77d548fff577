"""ADD: both operands are brought to one scale, and their sum to the output's.

With v = operand - zero point, a term is SRDHM(v << left_shift, m) / 2^right, and the output is the
sum of both, requantised in the same way. |v << left_shift| < 2^28: nothing overflows.
"""

from __future__ import annotations

from . import rounding, runs
from .assembler import Kernel
from .frame import Arguments, Frame
from .operands import (
    Register,
    lr,
    r2,
    r3,
    r4,
    r5,
    r6,
    r7,
    r8,
    r9,
    r10,
    r11,
    r12,
)

_TERMS = "a_hi a_lo a_shift b_hi b_lo b_shift"
_ARGUMENTS = Arguments(f"a na b nb dst n left_shift za zb {_TERMS} hi lo shift zo low high")
_CONSTANTS = (r5, r6, r7, r8, r9, r10, r11, r12, lr)
_SCALE, _A_PLUS, _A_M, _A_RIGHT, _B_PLUS, _B_M, _B_RIGHT, _M, _RIGHT = _CONSTANTS


def module(arch: str) -> str:
    """Text of the MicroPython module for one of armv6m, armv7m and armv7em."""
    kernel = add_v6() if arch == "armv6m" else add_v7(arch)
    return f'"""ADD for {arch}."""\n\nimport micropython\n\n\n{kernel.source()}'


def add_v7(arch: str) -> Kernel:
    """The kernel, add(arena, weights, arguments), for ARMv7-M."""
    prepare, element = _constants_v7, _element_v7
    return runs.kernel_v7("add", arch, _ARGUMENTS, _CONSTANTS, prepare, element, words="m")


def _constants_v7(k: Kernel, p: Register, frame: Frame) -> None:
    """Words of _CONSTANTS to the frame: an operand's term is of v * scale + plus, with 2 in scale.

    The last holds the zero point above the shift to the right, which is a byte.
    """
    scale, value, right = r3, r4, r5
    _ARGUMENTS.load(k, p, left_shift=r4)
    k.movs(scale, 2)
    k.lsls(scale, r4)
    frame.point(r6, "constants")
    k.stm(r6.up, scale)
    for name in ("a", "b"):
        _ARGUMENTS.load(k, p, **{f"z{name}": value})
        k.muls(value, scale)
        k.rsbs(value, value, 0)
        k.stm(r6.up, value)
        names = f"{name}_hi {name}_lo {name}_shift"
        rounding.load_multiplier_v7(k, _ARGUMENTS, p, names, value, right)
        k.stm(r6.up, value, right)
    rounding.load_multiplier_v7(k, _ARGUMENTS, p, "hi lo shift", value, right)
    frame.store(m=value)
    _ARGUMENTS.load(k, p, zo=scale)
    k.orr(right, right, scale.lsl(8))
    k.stm(r6.up, value, right)


def _element_v7(k: Kernel, frame: Frame) -> None:
    a, b = r3, r4
    spare = _M  # without the DSP extension, where _M is loaded when it is wanted
    k.ldrsb(a, runs.A.post(1))
    k.mla(a, a, _SCALE, _A_PLUS)
    rounding.product_v7(k, a, _A_M, spare)
    rounding.quotient_v7(k, a, a, _A_RIGHT, 0)
    k.ldrsb(b, runs.B.post(1))
    k.mla(b, b, _SCALE, _B_PLUS)
    rounding.product_v7(k, b, _B_M, spare)
    rounding.quotient_v7(k, a, b, _B_RIGHT, a)
    k.lsl(a, a, 1)
    if k.arch != "armv7em":
        frame.load(m=_M)
    rounding.product_v7(k, a, _M, b)
    rounding.quotient_v7(k, a, a, _RIGHT, _RIGHT.asr(8))
    k.ssat(a, 8, a)
    k.strb(a, runs.DST.post(1))


_A_ZERO, _B_ZERO, _HALF, _HIGH, _SPAN, _LOW = r8, r9, r10, r11, r12, lr
_EXACT = 20
"""A left_shift with which v * m, of 40 bits, has 11 bits to be rounded away; a lesser has more."""


def add_v6() -> Kernel:
    """The kernel for ARMv6-M."""
    k = Kernel("add", 3, "armv6m")
    terms = "a_hi a_lo a_right b_hi b_lo b_right rest"
    frame = Frame(k, f"{rounding.MULTIPLIER_WORDS} {rounding.LIMIT_WORD} {terms} {runs.FRAME}")
    k.save_high()
    frame.open()
    p = r7
    k.mov(p, r2)
    rounding.prepare_v6(k, _ARGUMENTS, p, frame)
    _terms_v6(k, p, frame)
    rounding.load_limits_v6(k, _ARGUMENTS, p, frame, _SPAN, _LOW)
    runs.begin(k, _ARGUMENTS, p, frame)
    runs.over(k, frame, lambda count: runs.run_v6(k, count, lambda: _element_v6(k, frame)))
    k.b("end")
    rounding.outside_v6(k, _SUM, _SPAN)
    k.label("end")
    frame.close()
    k.restore_high()
    return k


def _terms_v6(k: Kernel, p: Register, frame: Frame) -> None:
    """What both terms need, to the frame and the upper registers. p stays."""
    for name, zero in (("a", _A_ZERO), ("b", _B_ZERO)):
        hi, lo, shift, right = (f"{name}_{what}" for what in ("hi", "lo", "shift", "right"))
        _ARGUMENTS.load(k, p, **{hi: r3, lo: r4, shift: r5, f"z{name}": r6})
        k.negs(r5, r5)
        k.negs(r6, r6)
        frame.store(**{hi: r3, lo: r4, right: r5})
        k.mov(zero, r6)
    _ARGUMENTS.load(k, p, left_shift=r3)
    k.movs(r4, _EXACT)
    k.subs(r4, r4, r3)
    k.movs(r3, 1)
    k.lsls(r3, r3, 30 - _EXACT)
    k.lsls(r3, r4)
    k.mov(_HALF, r3)
    frame.store(rest=r4)


_SUM = r6


def _element_v6(k: Kernel, frame: Frame) -> None:
    _term_v6(k, frame, "a", runs.A, _A_ZERO, r7, 0)
    _term_v6(k, frame, "b", runs.B, _B_ZERO, _SUM, r7)
    rounding.product_v6(k, _SUM, frame, (r4, r5, r7), _HIGH)
    rounding.quotient_v6(k, _SUM, frame["right"], frame["above"], r4)
    rounding.limit_v6(k, _SUM, _SPAN, _LOW)
    k.strb(_SUM, runs.DST[r3])


def _term_v6(
    k: Kernel,
    frame: Frame,
    name: str,
    source: Register,
    zero: Register,
    to: Register,
    plus: Register | int,
) -> None:
    """`to` becomes an operand's term, plus `plus`.

    v has 9 bits, so that v * hi and v * lo are exact. Their sum v * hi * 2^16 + v * lo + half,
    shifted by 11 and then by the rest, is SRDHM(v << left_shift, m).
    """
    v, low = r4, r5
    k.ldrsb(v, source[r3])
    k.add(v, zero)
    k.ldr(low, frame[f"{name}_lo"])
    k.muls(low, v)
    k.add(low, _HALF)
    k.asrs(low, low, 31 - _EXACT)
    k.ldr(to, frame[f"{name}_hi"])
    k.muls(to, v)
    k.lsls(to, to, 16 - (31 - _EXACT))
    k.adds(to, low)
    k.ldr(low, frame["rest"])
    k.asrs(to, low)
    rounding.quotient_v6(k, to, frame[f"{name}_right"], plus, low)

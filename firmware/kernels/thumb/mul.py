"""MUL: the product of both operands, without their zero points, requantised.

|product << left| < 2^29: nothing overflows.
"""

from __future__ import annotations

from . import rounding, runs
from .assembler import Kernel
from .frame import Arguments, Frame
from .operands import Register, r2, r3, r4, r5, r6, r7, r8, r9, r10, r11, r12

_ARGUMENTS = Arguments("a na b nb dst n za zb hi lo shift zo low high")
_CONSTANTS = (r5, r6, r7, r8, r9)
_A_ZERO, _B_ZERO, _SCALE, _M, _RIGHT = _CONSTANTS


def module(arch: str) -> str:
    """Text of the MicroPython module for one of armv6m, armv7m and armv7em."""
    kernel = mul_v6() if arch == "armv6m" else mul_v7(arch)
    return f'"""MUL for {arch}."""\n\nimport micropython\n\n\n{kernel.source()}'


def mul_v7(arch: str) -> Kernel:
    """The kernel, mul(arena, weights, arguments), for ARMv7-M."""
    return runs.kernel_v7("mul", arch, _ARGUMENTS, _CONSTANTS, _constants_v7, _element_v7)


def _constants_v7(k: Kernel, p: Register, frame: Frame) -> None:
    """Words of _CONSTANTS; the last holds the zero point above the shift to the right, a byte."""
    frame.point(r6, "constants")
    _ARGUMENTS.load(k, p, za=r3, zb=r4)
    k.stm(r6.up, r3, r4)
    rounding.load_scale_v7(k, _ARGUMENTS, p, r3, r5)
    rounding.load_multiplier_v7(k, _ARGUMENTS, p, "hi lo shift", r4, r5)
    k.stm(r6.up, r3, r4)
    _ARGUMENTS.load(k, p, zo=r3)
    k.orr(r5, r5, r3.lsl(8))
    k.str(r5, r6[0])


def _element_v7(k: Kernel, _frame: Frame) -> None:
    a, b = r3, r4
    k.ldrsb(a, runs.A.post(1))
    k.ldrsb(b, runs.B.post(1))
    k.subs(a, a, _A_ZERO)
    k.subs(b, b, _B_ZERO)
    k.muls(a, b)
    k.muls(a, _SCALE)
    rounding.product_v7(k, a, _M, b)
    rounding.quotient_v7(k, a, a, _RIGHT, _RIGHT.asr(8))
    k.ssat(a, 8, a)
    k.strb(a, runs.DST.post(1))


_MINUS_A_ZERO, _MINUS_B_ZERO, _HIGH, _SPAN, _LOW = r8, r9, r10, r11, r12


def mul_v6() -> Kernel:
    """The kernel for ARMv6-M."""
    k = Kernel("mul", 3, "armv6m")
    frame = Frame(k, f"{rounding.MULTIPLIER_WORDS} {rounding.LIMIT_WORD} {runs.FRAME}")
    k.save_high()
    frame.open()
    p = r7
    k.mov(p, r2)
    rounding.prepare_v6(k, _ARGUMENTS, p, frame)
    rounding.load_limits_v6(k, _ARGUMENTS, p, frame, _SPAN, _LOW)
    _ARGUMENTS.load(k, p, za=r3, zb=r4)
    for zero, minus in ((r3, _MINUS_A_ZERO), (r4, _MINUS_B_ZERO)):
        k.negs(zero, zero)
        k.mov(minus, zero)
    runs.begin(k, _ARGUMENTS, p, frame)
    runs.over(k, frame, lambda count: runs.run_v6(k, count, lambda: _element_v6(k, frame)))
    k.b("end")
    rounding.outside_v6(k, r4, _SPAN)
    k.label("end")
    frame.close()
    k.restore_high()
    return k


def _element_v6(k: Kernel, frame: Frame) -> None:
    a, b = r4, r5
    k.ldrsb(a, runs.A[r3])
    k.add(a, _MINUS_A_ZERO)
    k.ldrsb(b, runs.B[r3])
    k.add(b, _MINUS_B_ZERO)
    k.muls(a, b)
    frame.load(left=b)
    k.lsls(a, b)
    rounding.product_v6(k, a, frame, (r5, r6, r7), _HIGH)
    rounding.quotient_v6(k, a, frame["right"], frame["above"], b)
    rounding.limit_v6(k, a, _SPAN, _LOW)
    k.strb(a, runs.DST[r3])

"""Scalar fixed-point truth in plain Python ints, written to be read; runs on MicroPython too.

No imports, no floats. The NumPy twins in fixedpoint.py are tested against these.
Sources: gemmlowp fixedpoint/fixedpoint.h, TFLM kernels/internal/common.cc.
"""

INT32_MIN = -(1 << 31)
INT32_MAX = (1 << 31) - 1


def wrap32(x: int) -> int:
    """x as a C int32 that has wrapped around."""
    return ((x + (1 << 31)) & 0xFFFFFFFF) - (1 << 31)


def clamp(x: int, low: int, high: int) -> int:
    """x limited to [low, high]."""
    return low if x < low else high if x > high else x


def saturate32(x: int) -> int:
    """x limited to the range of int32."""
    return clamp(x, INT32_MIN, INT32_MAX)


def saturating_rounding_doubling_high_mul(a: int, b: int) -> int:
    """The high 32 bits of 2*a*b, rounded: floor((a*b + 2^30) / 2^31), int32 in and out.

    Only INT32_MIN * INT32_MIN leaves the range; it saturates.
    """
    return saturate32((a * b + (1 << 30)) >> 31)


def rounding_divide_by_pot(x: int, exponent: int) -> int:
    """x / 2^exponent rounded to nearest, halves away from zero; 0 <= exponent <= 31."""
    if exponent == 0:
        return x
    half = 1 << (exponent - 1)
    return (x + half) >> exponent if x >= 0 else -((-x + half) >> exponent)


def multiply_double(x: int, multiplier: int, shift: int) -> int:
    """x * multiplier * 2^(shift-31), rounded twice: what TFLM and CMSIS-NN compute by default.

    A left shift comes first and wraps like int32; the product is rounded to 31 fractional bits
    (halves up), then the right shift rounds again (halves away from zero).
    """
    left = shift if shift > 0 else 0
    right = -shift if shift < 0 else 0
    return rounding_divide_by_pot(
        saturating_rounding_doubling_high_mul(wrap32(x << left), multiplier), right
    )


def multiply_single(x: int, multiplier: int, shift: int) -> int:
    """x * multiplier * 2^(shift-31), rounded once, halves up (TFLITE_SINGLE_ROUNDING)."""
    total = 31 - shift
    return wrap32((x * multiplier + (1 << (total - 1))) >> total)


def multiply_int64(x: int, multiplier: int, shift: int) -> int:
    """As above for a 48-bit x: the multiplier is cut to 16 bits first (16x8 kernels).

    Used with 64-bit accumulators; the same in both rounding modes.
    """
    reduced = 0x7FFF if multiplier >= 0x7FFF0000 else (multiplier + (1 << 15)) >> 16
    total = 15 - shift
    return wrap32((x * reduced + (1 << (total - 1))) >> total)

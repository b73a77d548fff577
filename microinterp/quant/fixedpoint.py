"""NumPy twins of fixedpoint_ref.py's multiplications: the same integers, whole arrays at a time.

Multipliers and shifts may be scalars or arrays that broadcast (per channel: along the last axis).
Nothing here checks its arguments; a shift outside the stated range gives an undefined number,
never an exception.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Int64Array = npt.NDArray[np.int64]
IntLike = int | npt.NDArray[Any]
Requantise = Callable[[npt.NDArray[Any], IntLike, IntLike], npt.NDArray[Any]]

INT32_MIN = np.int64(-(1 << 31))
INT32_MAX = np.int64((1 << 31) - 1)


def wrap32(x: Int64Array) -> Int64Array:
    """int64 values as they look after wrapping to int32."""
    return x.astype(np.int32).astype(np.int64)


def saturating_rounding_doubling_high_mul(a: npt.NDArray[Any], b: IntLike) -> Int64Array:
    """floor((a*b + 2^30) / 2^31), saturated; a and b hold int32 values."""
    product = a.astype(np.int64) * np.asarray(b, np.int64)
    product += 1 << 30
    product >>= 31
    # Only INT32_MIN * INT32_MIN exceeds it.
    result: Int64Array = np.minimum(product, INT32_MAX)
    return result


def rounding_divide_by_pot(x: Int64Array, exponent: IntLike) -> Int64Array:
    """x / 2^exponent to nearest, halves away from zero; exponent is 0 to 31."""
    right: Int64Array = np.asarray(exponent, np.int64)
    half = (np.int64(1) << right) >> 1
    # For negative x, "away from zero" is "down": one less than the half-up rounding at a tie.
    result: Int64Array = (x + half - ((x < 0) & (half > 0))) >> right
    return result


def multiply_double(x: npt.NDArray[Any], multiplier: IntLike, shift: IntLike) -> Int64Array:
    """x * multiplier * 2^(shift-31) rounded twice (see fixedpoint_ref.multiply_double).

    Args:
        x: int32 values, any shape.
        multiplier: int32 in [2^30, 2^31), or 0.
        shift: -31 to 30; positive is to the left.

    Returns:
        int32 values held in int64, shape of x.
    """
    shift = np.asarray(shift, np.int64)
    left = np.maximum(shift, 0)
    shifted = wrap32(x.astype(np.int64) << left) if left.any() else x
    return rounding_divide_by_pot(
        saturating_rounding_doubling_high_mul(shifted, multiplier), np.maximum(-shift, 0)
    )


def multiply_single(x: npt.NDArray[Any], multiplier: IntLike, shift: IntLike) -> Int64Array:
    """x * multiplier * 2^(shift-31) rounded once, halves up; arguments as multiply_double."""
    total = 31 - np.asarray(shift, np.int64)
    product = x.astype(np.int64) * np.asarray(multiplier, np.int64)
    return wrap32((product + (np.int64(1) << (total - 1))) >> total)


def multiply_int64(x: npt.NDArray[Any], multiplier: IntLike, shift: IntLike) -> Int64Array:
    """For 64-bit accumulators: the multiplier is cut to 16 bits (fixedpoint_ref.multiply_int64).

    Args:
        x: int64 values below 2^47 in magnitude.
        multiplier: int32 in [2^30, 2^31), or 0.
        shift: -31 to 7; positive is to the left.
    """
    product, total = _short_product(x, multiplier, shift)
    return wrap32((product + (np.int64(1) << (total - 1))) >> total)


def multiply_int64_short(x: npt.NDArray[Any], multiplier: IntLike, shift: IntLike) -> Int64Array:
    """The same as CMSIS-NN has it: cut to 32 bits while one bit is still to be rounded off."""
    product, total = _short_product(x, multiplier, shift)
    return wrap32(wrap32(product >> (total - 1)) + 1) >> 1


def _short_product(
    x: npt.NDArray[Any], multiplier: IntLike, shift: IntLike
) -> tuple[Int64Array, Int64Array]:
    """x times the upper 16 bits of the multiplier, and how far to shift that right."""
    multiplier = np.asarray(multiplier, np.int64)
    reduced = np.where(multiplier >= 0x7FFF0000, 0x7FFF, (multiplier + (1 << 15)) >> 16)
    return x.astype(np.int64) * reduced, 15 - np.asarray(shift, np.int64)


def multiply_real(x: npt.NDArray[Any], multiplier: IntLike, shift: IntLike) -> Int64Array:
    """x times a factor in double precision, to nearest, halves away from zero, within int32.

    No fixed point at all: what LiteRT's reference FULLY_CONNECTED does.

    Args:
        x: integers below 2^53 in magnitude.
        multiplier, shift: the factor with all its bits (params.exact_multiplier).
    """
    factor = np.ldexp(np.asarray(multiplier, np.float64), np.asarray(shift, np.int32) - 31)
    product = x.astype(np.float64) * factor
    magnitude = np.abs(product)
    whole = np.floor(magnitude)
    whole = whole + (magnitude - whole >= 0.5)
    result: Int64Array = np.clip(np.copysign(whole, product), INT32_MIN, INT32_MAX).astype(np.int64)
    return result

"""NumPy twins of fixedpoint_ref's functions of a real variable: exp, log, 1/sqrt(x), tanh, ...

Arrays hold int32 values in int64; "Qm.n" is explained in fixedpoint_ref.py, and so is each formula.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from microinterp.quant.fixedpoint import (
    INT32_MAX,
    INT32_MIN,
    Int64Array,
    rounding_divide_by_pot,
    wrap32,
)
from microinterp.quant.fixedpoint import saturating_rounding_doubling_high_mul as mul
from microinterp.quant.fixedpoint_ref import (
    EXP_OF_MINUS_EIGHTH,
    EXP_OF_MINUS_POWERS,
    FOURTH_ROOT_OF_HALF_Q0,
    LOG_2_Q0,
    LOG_CONSTANT_Q0,
    LOG_LINEAR_Q0,
    LOG_NUMERATOR_Q0,
    LOG_SQUARE_Q0,
    NEWTON_SLOPE,
    NEWTON_START,
    ONE_AND_HALF_Q3,
    ONE_Q0,
    ONE_Q2,
    ONE_Q3,
    ONE_THIRD_Q0,
    QUARTER_Q6,
    SQRT_HALF_Q0,
)


def count_leading_zeros(x: npt.NDArray[Any]) -> Int64Array:
    """Zero bits before the first one of each x as a 32-bit unsigned number; 32 for 0."""
    # frexp's exponent is the number of bits: exact, because doubles hold 53 of them.
    bits = np.frexp((x.astype(np.int64) & 0xFFFFFFFF).astype(np.float64))[1]
    zeros: Int64Array = 32 - bits.astype(np.int64)
    return zeros


def saturating_shift_left(x: Int64Array, exponent: int) -> Int64Array:
    """x * 2^exponent, saturated to int32."""
    result: Int64Array = np.clip(x << exponent, INT32_MIN, INT32_MAX)
    return result


def exp_on_minus_quarter_to_0(a: Int64Array) -> Int64Array:
    """exp(a) for a in [-1/4, 0), Q0.31 in and out."""
    x = a + (1 << 28)
    x2 = mul(x, x)
    x3 = mul(x2, x)
    x4_over_4 = rounding_divide_by_pot(mul(x2, x2), 2)
    tail = rounding_divide_by_pot(mul(x4_over_4 + x3, ONE_THIRD_Q0) + x2, 1)
    return EXP_OF_MINUS_EIGHTH + mul(x + tail, EXP_OF_MINUS_EIGHTH)


def exp_on_negative_values(a: npt.NDArray[Any], integer_bits: int) -> Int64Array:
    """exp(a) in Q0.31 for a <= 0 in Q(integer_bits); integer_bits is 0 to 5."""
    a = a.astype(np.int64)
    fraction = 31 - integer_bits
    quarter = 1 << (fraction - 2)
    part = (a & (quarter - 1)) - quarter
    result = exp_on_minus_quarter_to_0(saturating_shift_left(part, integer_bits))
    rest = part - a
    for exponent, factor in EXP_OF_MINUS_POWERS:
        if exponent < integer_bits:
            has_bit = rest & (1 << (fraction + exponent)) != 0
            result = np.where(has_bit, mul(result, factor), result)
    return np.where(a == 0, ONE_Q0, result)


def reciprocal_of_half_sum(a: Int64Array) -> Int64Array:
    """2 / (1 + a) in Q2.29 for a in [0, 1), Q0.31."""
    half_sum = rounding_divide_by_pot(a + ONE_Q0, 1)
    x = NEWTON_START + mul(half_sum, NEWTON_SLOPE)
    for _ in range(3):
        error = ONE_Q2 - mul(half_sum, x)
        x = x + saturating_shift_left(mul(x, error), 2)
    return x


def one_over_one_plus_x(a: Int64Array) -> Int64Array:
    """1 / (1 + a) for a in [0, 1), Q0.31 in and out."""
    return saturating_shift_left(reciprocal_of_half_sum(a), 1)


def one_minus_x_over_one_plus_x(a: Int64Array) -> Int64Array:
    """(1 - a) / (1 + a) for a in [0, 1), Q0.31 in and out."""
    return saturating_shift_left(reciprocal_of_half_sum(a) - ONE_Q2, 2)


def logistic(a: npt.NDArray[Any], integer_bits: int) -> Int64Array:
    """1 / (1 + exp(-a)) in Q0.31 for a in Q(integer_bits); integer_bits is 0 to 5."""
    a = a.astype(np.int64)
    result = one_over_one_plus_x(exp_on_negative_values(-np.abs(a), integer_bits))
    return np.where(a == 0, 1 << 30, np.where(a > 0, result, ONE_Q0 - result))


def tanh(a: npt.NDArray[Any], integer_bits: int) -> Int64Array:
    """tanh(a) in Q0.31 for a in Q(integer_bits); integer_bits is 0 to 4."""
    a = a.astype(np.int64)
    # The same bits with one more integer bit are 2a.
    result = one_minus_x_over_one_plus_x(exp_on_negative_values(-np.abs(a), integer_bits + 1))
    signed: Int64Array = np.sign(a) * result
    return signed


def reciprocal(x: npt.NDArray[Any], integer_bits: int) -> tuple[Int64Array, Int64Array]:
    """1 / x for x > 0 in Q(integer_bits), as (mantissa, exponent): mantissa / 2^31 / 2^exponent."""
    headroom = count_leading_zeros(x)
    over_one = wrap32((x.astype(np.int64) << headroom) - (1 << 31))
    return one_over_one_plus_x(over_one), integer_bits - headroom


def interpolate(value: npt.NDArray[Any], table: npt.NDArray[np.int16]) -> Int64Array:
    """Look up int16 values in a table of 513 int16 (fixedpoint_ref.interpolate)."""
    value, wide = value.astype(np.int64), table.astype(np.int64)
    index = 256 + (value >> 7)
    base = wide[index]
    slope = (wide[index + 1] - base).astype(np.int16).astype(np.int64)
    result: Int64Array = base + ((slope * (value & 0x7F) + 64) >> 7)
    return result


def inverse_sqrt(x: npt.NDArray[Any]) -> tuple[Int64Array, Int64Array]:
    """1 / sqrt(x) of int32 values as (mantissa, shift): mantissa * 2^(shift - 31).

    See fixedpoint_ref.inverse_sqrt.
    """
    whole = np.maximum(x.astype(np.int64), 2)
    quarters = np.where(whole >= 1 << 29, 1, 0)
    whole = whole >> (2 * quarters)
    pairs = (count_leading_zeros(whole) - 1) // 2 - 1
    whole <<= 2 * pairs
    right = 11 + quarters - pairs
    half = rounding_divide_by_pot(whole >> 1, 1)
    y = np.full_like(whole, ONE_Q3)
    for _ in range(5):
        cube = saturating_shift_left(mul(mul(y, y), y), 6)
        y = saturating_shift_left(mul(y, ONE_AND_HALF_Q3) - mul(half, cube), 3)
    mantissa = wrap32(mul(y, SQRT_HALF_Q0) << np.maximum(-right, 0))
    small = x <= 1
    return np.where(small, INT32_MAX, mantissa), np.where(small, 0, -np.maximum(right, 0))


def log_from_one(x: npt.NDArray[Any], integer_bits: int) -> Int64Array:
    """log(x) in Q5.26 for x >= 1 in Q(integer_bits); see fixedpoint_ref.log_from_one."""
    z = x.astype(np.int64)
    headroom = count_leading_zeros(z)
    rooted = mul(z, SQRT_HALF_Q0)
    rooted_headroom = count_leading_zeros(rooted) - 1
    near = saturating_shift_left(mul(z << (headroom - 1), SQRT_HALF_Q0), 1)
    near_rooted = np.clip(z << rooted_headroom, INT32_MIN, INT32_MAX)
    powers = np.maximum(
        ((integer_bits - headroom) << 25) + QUARTER_Q6,
        ((integer_bits - rooted_headroom) << 25) - QUARTER_Q6,
    )
    r = np.minimum(near, near_rooted)
    p = rounding_divide_by_pot(r + FOURTH_ROOT_OF_HALF_Q0, 1)
    q = 2 * (r - FOURTH_ROOT_OF_HALF_Q0)
    square = mul(q, q)
    numerator = mul(q, r) + mul(mul(q, square), LOG_NUMERATOR_Q0)
    inner = LOG_CONSTANT_Q0 + q + mul(square, LOG_SQUARE_Q0)
    denominator = mul(p, inner) + mul(q, LOG_LINEAR_Q0)
    part = mul(rounding_divide_by_pot(numerator, 6), one_over_one_plus_x(denominator))
    return saturating_shift_left(mul(powers, LOG_2_Q0) + part, 1)

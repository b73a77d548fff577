"""Element-wise operators in plain Python, element by element, from TFLite's quantisation scheme.

A tensor's quantisation is a pair (scale, zero point).
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence

from microinterp.quant import fixedpoint_ref as fixed
from tests.spec_ops.scales import LIMITS, factor, half_away, limits, single

Quant = tuple[float, int]
CAST_LIMITS = {**LIMITS, "int32": (-(2**31), 2**31 - 1), "uint32": (0, 2**32 - 1)}


def _finish(raw: int, zero: int, dtype: str) -> int:
    return fixed.clamp(fixed.wrap32(raw + zero), *LIMITS[dtype])


def absolute(x: int, quant: Quant, out: Quant, dtype: str) -> int:
    """Integer ABS."""
    magnitude = abs(x - quant[1])
    if quant[0] != out[0]:
        magnitude = fixed.multiply_double(magnitude, *factor(quant[0] / out[0]))
    return _finish(magnitude, out[1], dtype)


def rsqrt(x: int, quant: Quant, out: Quant, dtype: str) -> int:
    """Integer RSQRT: the root in 20 fractional bits, then the scales' part."""
    if x == quant[1]:
        return LIMITS[dtype][1]
    mantissa, shift = fixed.inverse_sqrt(x - quant[1])
    root = fixed.multiply_double(1, mantissa, shift + 20)
    multiplier, exponent = factor(1 / (math.sqrt(quant[0]) * out[0]))
    return _finish(fixed.multiply_double(root, multiplier, exponent - 20), out[1], dtype)


def comparable(x: int, quant: Quant) -> int:
    """What int8 comparisons compare."""
    return fixed.multiply_double((x - quant[1]) * 256, *factor(quant[0]))


def squared_difference(a: int, b: int, quant: Sequence[Quant], dtype: str) -> int:
    """Integer SQUARED_DIFFERENCE; `quant` is of a, b and out."""
    bits = 7 if dtype == "int8" else 0
    twice = 2 * max(quant[0][0], quant[1][0])
    left, right = (
        fixed.multiply_double((x - zero) << bits, *factor(scale / twice))
        for x, (scale, zero) in zip((a, b), quant, strict=False)
    )
    real = twice**2 / (4**bits * quant[2][0])
    return _finish(fixed.multiply_double((left - right) ** 2, *factor(real)), quant[2][1], dtype)


def add_n(terms: Sequence[int], quant: Quant, out: Quant) -> int:
    """int8 ADD_N: the sum starts at raw 0, which is a zero point away from real 0."""
    total = sum(fixed.multiply_double((x - quant[1]) << 20, *factor(0.5)) for x in (0, *terms))
    raw = fixed.multiply_double(fixed.wrap32(total), *factor(2 * quant[0] / (2**20 * out[0])))
    return _finish(raw, out[1], "int8")


def _x86_divide(x: int, exponent: int) -> int:
    """x / 2^exponent as gemmlowp rounds it, x86 taking shifts modulo 32."""
    mask = fixed.wrap32((1 << (exponent % 64)) - 1)
    return (x >> (exponent % 32)) + ((x & mask) > (mask >> 1) + (x < 0))


def divide(a: int, b: int, quant: Sequence[Quant], activation: str) -> int:
    """int8 DIV."""
    mul = fixed.saturating_rounding_doubling_high_mul
    numerator, divisor = a - quant[0][1], b - quant[1][1]
    if divisor < 0:
        numerator, divisor = -numerator, -divisor
    # 1 / 0 is where Newton's steps leave int32
    inverse, over = fixed.reciprocal(divisor, 31) if divisor else (-1515870788, -1)
    headroom = fixed.count_leading_zeros(numerator if numerator >= 0 else ~numerator) - 1
    quotient = mul(fixed.wrap32(numerator << headroom), inverse)
    multiplier, shift = factor(quant[0][0] / (quant[1][0] * quant[2][0]))
    raw = _x86_divide(mul(quotient, multiplier), headroom + over - shift) + quant[2][1]
    return fixed.clamp(fixed.wrap32(raw), *limits(activation, "int8", *quant[2]))


def truncated_quotient(a: int, b: int) -> int:
    """C's a / b."""
    return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)


def floor_mod(a: float, b: float) -> float:
    """Remainder with the sign of b."""
    if math.isnan(a) or math.isnan(b) or math.isinf(a) or b == 0:
        return math.nan
    remainder = math.fmod(a, b)
    return single(remainder + b) if remainder and (b < 0) != (remainder < 0) else remainder


def leaky_relu(x: int, quant: Quant, out: Quant, alpha: float, dtype: str) -> int:
    """Integer LEAKY_RELU."""
    value = x - quant[1]
    if value >= 0:
        return _finish(fixed.multiply_double(value, *factor(quant[0] / out[0])), out[1], dtype)
    raw = fixed.multiply_double(value, *factor(quant[0] * abs(alpha) / out[0]))
    return _finish(-raw if alpha < 0 else raw, out[1], dtype)


def prelu(x: int, alpha: int, quant: Sequence[Quant], dtype: str) -> int:
    """Integer PRELU; `quant` is of x, alpha and out."""
    value, out = x - quant[0][1], quant[2]
    if value >= 0:
        return _finish(fixed.multiply_double(value, *factor(quant[0][0] / out[0])), out[1], dtype)
    product = value * (alpha - quant[1][1])
    real = quant[0][0] * quant[1][0] / out[0]
    return _finish(fixed.multiply_double(product, *factor(real)), out[1], dtype)


def elu(x: int, quant: Quant, out: Quant) -> int:
    """int8 ELU, in float32 throughout."""
    real = single(quant[0] * (x - quant[1]))
    value = single(single(math.exp(real)) - 1) if real < 0 else real
    steps = half_away(single(value * single(1 / out[0])))
    return fixed.clamp(steps + out[1], -128, 127)


def _multiply16(a: int, b: int) -> int:
    return (a * b + 2**14) >> 15


def _wrap16(x: int) -> int:
    return (x + 2**15) % 2**16 - 2**15


def _divide16(x: int, exponent: int) -> int:
    """gemmlowp's rounding division of int16, its mask cut to 16 bits."""
    mask = _wrap16(2**exponent - 1)
    return (x >> exponent) + ((x & mask) > (mask >> 1) + (x < 0))


def hard_swish(x: int, quant: Quant, out: Quant) -> int:
    """int8 HARD_SWISH in 16-bit fixed point."""
    value = (x - quant[1]) * 128
    (up, up_shift), (ramp, ramp_shift) = (
        factor(quant[0] / 128 / scale) for scale in (out[0], 3 / 32768)
    )
    up, ramp = (min((m + 2**15) >> 16, 32767) for m in (up, ramp))
    gate = value
    if ramp_shift > 0:
        gate = fixed.clamp(gate << (ramp_shift - 1), *LIMITS["int16"])
    gate = _multiply16(gate, ramp)
    if ramp_shift > 0:
        gate = fixed.clamp(gate * 2, *LIMITS["int16"])
    elif ramp_shift < 0:
        gate = _divide16(gate, -ramp_shift)
    gate = (gate + 2**15) // 2
    product = int(gate * _multiply16(value, up) / 2**15)  # towards 0; exact in double
    return fixed.clamp(_wrap16(_divide16(product, -up_shift) + out[1]), -128, 127)


def log_softmax(row: Sequence[int], scale: float) -> list[int]:
    """int8 LOG_SOFTMAX of one row."""
    multiplier, shift = factor(min(scale * 2**26, 2.0**31 - 1))
    least = -math.floor(31 * 2**26 / 2**shift)
    diffs = [x - max(row) for x in row]
    scaled = [fixed.multiply_double(d, multiplier, shift) for d in diffs]
    total = sum(
        fixed.rounding_divide_by_pot(fixed.exp_on_negative_values(s, 5), 12)
        for d, s in zip(diffs, scaled, strict=True)
        if d >= least
    )
    log_sum = fixed.log_from_one(total, 12)
    back = factor(2 ** (31 - shift) / multiplier)
    floor = max(least - 1, fixed.multiply_double(log_sum - 2**31, *back))
    return [
        fixed.clamp(fixed.rounding_divide_by_pot(s - log_sum, 22) + 127, -128, 127)
        if d > floor
        else -128
        for d, s in zip(diffs, scaled, strict=True)
    ]


def l2_normalization(row: Sequence[int], zero: int) -> list[int]:
    """int8 L2_NORMALIZATION of one row."""
    mantissa, shift = fixed.inverse_sqrt(sum((x - zero) ** 2 for x in row))
    return [
        fixed.clamp(fixed.multiply_double(x - zero, mantissa, shift + 7), -128, 127) for x in row
    ]


def cast(x: float, source: str, target: str) -> float:
    """CAST of one element."""
    if target == "float32":
        return x if source == "float32" else single(x)
    if target == "bool":
        return x != 0
    low, high = CAST_LIMITS[target]
    if source == "float32":
        if math.isnan(x):
            return 0
        return fixed.clamp(math.trunc(max(-1e12, min(1e12, x))), low, high)
    return (int(x) - low) % (high - low + 1) + low


def round_half_even(x: float) -> float:
    """ROUND: what rounds to 0 from below is 0.0."""
    return x if not math.isfinite(x) or x == 0 else float(round(x))


def float_bits(x: float) -> int:
    """The bits of a float32, with one NaN for all."""
    return 0x7FC00000 if math.isnan(x) else int(struct.unpack("<I", struct.pack("<f", x))[0])

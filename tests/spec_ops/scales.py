"""TFLite's quantisation scheme from its definition: factors, clamp limits, requantised sums."""

from __future__ import annotations

import math
import struct

from microinterp.quant import fixedpoint_ref as fixed

LIMITS = {"int8": (-128, 127), "int16": (-32768, 32767)}
FLOAT_MAX = struct.unpack("<f", b"\xff\xff\x7f\x7f")[0]


def single(x: float) -> float:
    """x rounded to float32 (values beyond its range become infinite)."""
    try:
        (rounded,) = struct.unpack("<f", struct.pack("<f", x))
    except OverflowError:
        return math.copysign(math.inf, x)
    return float(rounded)


def half_away(x: float) -> int:
    """x >= 0 or below, to the nearest integer, halves away from zero."""
    return int(math.copysign(math.floor(abs(x) + 0.5), x))


def factor(real: float) -> tuple[int, int]:
    """(m, e) with real = m / 2^31 * 2^e and m of 31 bits; 0 where real is below 2^-32."""
    mantissa, exponent = math.frexp(real)
    whole = half_away(mantissa * 2**31)
    if whole == 2**31:
        whole, exponent = 2**30, exponent + 1
    return (whole, exponent) if exponent >= -31 else (0, 0)


def limits(activation: str, dtype: str, scale: float, zero_point: int) -> tuple[int, int]:
    """Smallest and greatest output of a fused activation."""
    low, high = LIMITS[dtype]

    def steps(real: float) -> int:
        return zero_point + half_away(single(real / scale))

    if activation.startswith("RELU"):
        low = max(low, steps(-1.0 if activation == "RELU_N1_TO_1" else 0.0))
    if activation in ("RELU6", "RELU_N1_TO_1"):
        high = min(high, steps(6.0 if activation == "RELU6" else 1.0))
    return low, high


def float_limits(activation: str) -> tuple[float, float]:
    """The same for float32."""
    return {
        "RELU": (0.0, FLOAT_MAX),
        "RELU6": (0.0, 6.0),
        "RELU_N1_TO_1": (-1.0, 1.0),
    }.get(activation, (-FLOAT_MAX, FLOAT_MAX))


def requantised(total: int, bits: int, real: float, zero_point: int, low: int, high: int) -> int:
    """A sum of `bits` bits as an output value."""
    multiply = fixed.multiply_double if bits == 32 else fixed.multiply_int64
    return fixed.clamp(fixed.wrap32(multiply(total, *factor(real)) + zero_point), low, high)

"""QUANTIZE and DEQUANTIZE in plain Python, element by element."""

from __future__ import annotations

from microinterp.quant import fixedpoint_ref as fixed
from tests.spec_ops.scales import factor, half_away, single

LIMITS = {
    "int8": (-128, 127),
    "uint8": (0, 255),
    "int16": (-32768, 32767),
    "int32": (fixed.INT32_MIN, fixed.INT32_MAX),
}


def quantize_float(x: float, scale: float, zero_point: int, dtype: str) -> int:
    """A finite float32 whose quotient fits int32."""
    return fixed.clamp(half_away(single(x / scale)) + zero_point, *LIMITS[dtype])


def requantize(
    x: int, scale: float, zero_point: int, out_scale: float, out_zero_point: int, dtype: str
) -> int:
    """An integer from one quantisation to another."""
    centred = fixed.wrap32(x - zero_point)
    raw = fixed.multiply_double(centred, *factor(scale / out_scale)) + out_zero_point
    return fixed.clamp(fixed.wrap32(raw), *LIMITS[dtype])


def dequantize(x: int, scale: float, zero_point: int) -> float:
    """The float32 that an integer stands for."""
    return single(scale * (x - zero_point))

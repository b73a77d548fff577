"""ADD, SUB and MUL in plain Python, element by element, from TFLite's quantisation scheme."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product

from microinterp.quant import fixedpoint_ref as fixed
from tests.spec_ops.scales import factor, float_limits, limits, single

Shape = tuple[int, ...]
INT32_LIMITS = {"RELU": (0, fixed.INT32_MAX), "RELU6": (0, 6), "RELU_N1_TO_1": (-1, 1)}


@dataclass(frozen=True)
class Quantized:
    """Scale and zero point of one tensor."""

    scale: float
    zero_point: int


def broadcast_shape(a: Shape, b: Shape) -> Shape:
    """Shape of an element-wise op: sizes are equal, counted from the last, or one of them is 1."""
    rank = max(len(a), len(b))
    pairs = zip((1,) * (rank - len(a)) + a, (1,) * (rank - len(b)) + b, strict=True)
    return tuple(q if p == 1 else p for p, q in pairs)


def element_pairs(a: Shape, b: Shape) -> list[tuple[int, int]]:
    """For each output element, in order, the element of `a` and of `b` that make it."""
    places = product(*(range(size) for size in broadcast_shape(a, b)))
    return [(_offset(place, a), _offset(place, b)) for place in places]


def _offset(place: Sequence[int], shape: Shape) -> int:
    offset = 0
    for index, size in zip(place[len(place) - len(shape) :], shape, strict=True):
        offset = offset * size + (index if size > 1 else 0)
    return offset


def add_quantized(
    a: int, b: int, quant: Sequence[Quantized], dtype: str, activation: str, op: str
) -> int:
    """One element of an int8 or int16 ADD or SUB; `quant` is of a, b and out."""
    left_shift = 15 if dtype == "int16" else 20
    twice = 2 * max(quant[0].scale, quant[1].scale)
    scaled = [
        fixed.multiply_double((x - q.zero_point) << left_shift, *factor(q.scale / twice))
        for x, q in zip((a, b), quant, strict=False)
    ]
    total = scaled[0] - scaled[1] if op == "SUB" else scaled[0] + scaled[1]
    real = twice / ((1 << left_shift) * quant[2].scale)
    raw = fixed.multiply_double(total, *factor(real)) + quant[2].zero_point
    return fixed.clamp(raw, *limits(activation, dtype, quant[2].scale, quant[2].zero_point))


def mul_quantized(a: int, b: int, quant: Sequence[Quantized], dtype: str, activation: str) -> int:
    """One element of an int8 or int16 MUL."""
    product_ = (a - quant[0].zero_point) * (b - quant[1].zero_point)
    real = quant[0].scale * quant[1].scale / quant[2].scale
    raw = fixed.wrap32(fixed.multiply_double(product_, *factor(real)) + quant[2].zero_point)
    return fixed.clamp(raw, *limits(activation, dtype, quant[2].scale, quant[2].zero_point))


_OPERATORS: dict[str, Callable[[float, float], float]] = {
    "ADD": operator.add,
    "SUB": operator.sub,
    "MUL": operator.mul,
}


def plain_float(a: float, b: float, op: str, activation: str) -> float:
    """One element in float32: a double result of two float32 numbers rounds only once."""
    result = single(_OPERATORS[op](a, b))
    low, high = float_limits(activation)
    return result if math.isnan(result) else min(max(result, low), high)


def plain_int32(a: int, b: int, op: str, activation: str) -> int:
    """One element in int32, which wraps; ADD ignores its activation."""
    result = fixed.wrap32(int(_OPERATORS[op](a, b)))
    if op == "ADD" or activation not in INT32_LIMITS:
        return result
    return fixed.clamp(result, *INT32_LIMITS[activation])

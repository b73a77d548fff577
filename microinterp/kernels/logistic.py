"""LOGISTIC and TANH: out = 1 / (1 + exp(-x)) and out = tanh(x).

int8: x scaled to Q4.27, gemmlowp's fixed-point functions, outputs in steps of 1/256 (zero point
-128) and 1/128 (zero point 0). There are only 256 inputs, so prepare tabulates them.
int16: a table of sigmoid(i/24), interpolated; tanh(x) = 2 * sigmoid(2x) - 1.
float32: from C's expf and tanhf.
Source: TFLM kernels/{logistic_common,tanh}.cc, kernels/internal/reference/logistic.h,
reference/integer_ops/{logistic,tanh}.h.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from microinterp.graph import Node, Tensor
from microinterp.kernels.common import (
    Evaluate,
    is_float,
    pick_by_type,
    require_quantized,
    require_zero_points,
    unary_operands,
)
from microinterp.kernels.tabulated import Table, evaluate_table, table_of
from microinterp.prepare import Arrays, Context, Kernel
from microinterp.quant import fixedpoint_math
from microinterp.quant.fixedpoint import Int64Array, rounding_divide_by_pot
from microinterp.quant.libm import checked_log2, expf, tanhf
from microinterp.quant.params import round_half_away
from microinterp.quant.tables import sigmoid_table
from microinterp.registry import Op

_INPUT_BITS = 4
"""Integer bits of the int8 kernels' scaled input: Q4.27."""
_ALL_ONE = np.float32(16.619047164916992188)
"""Above this the float kernel says 1; below -9, exp(x)."""
_ALL_EXP = np.float32(-9)


@dataclass(frozen=True)
class Int16Params:
    """How int16 inputs are scaled to 1/(3*4096): (x * multiplier, rounded) >> shift."""

    multiplier: int
    shift: int
    sigmoid: Int64Array


def evaluate_logistic_int16(p: Int16Params, arrays: Arrays) -> None:
    """int16 x -> out."""
    (x,), (out,) = arrays.inputs, arrays.outputs
    assert x is not None
    out[...] = logistic_int16(x, p)


def logistic_int16(x: npt.NDArray[Any], p: Int16Params) -> Int64Array:
    """sigmoid of scaled int16 values as a fraction of 2^15."""
    scaled = _scale_int16(x, p)
    result = _interpolate(np.abs(scaled), 9, p.sigmoid, saturated=0x7FFF << 10)
    mirrored = np.where(scaled >= 0, result + (1 << 9), (1 << 25) - result + (1 << 9) - 1)
    return mirrored >> 10


def evaluate_tanh_int16(p: Int16Params, arrays: Arrays) -> None:
    """int16 x -> out."""
    (x,), (out,) = arrays.inputs, arrays.outputs
    assert x is not None
    out[...] = tanh_int16(x, p)


def tanh_int16(x: npt.NDArray[Any], p: Int16Params) -> Int64Array:
    """tanh of scaled int16 values as a fraction of 2^15."""
    scaled = _scale_int16(x, p)
    result = _interpolate(np.abs(scaled), 8, p.sigmoid, saturated=0xFFFF << 8) - (1 << 23)
    return np.where(scaled >= 0, result + (1 << 7), -result + (1 << 7) - 1) >> 8


def evaluate_logistic_float(_: None, arrays: Arrays) -> None:
    """float32 x -> out."""
    (x,), (out,) = arrays.inputs, arrays.outputs
    assert x is not None
    out[...] = logistic_float(x)


def logistic_float(x: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """sigmoid of float32 values; far off it is 1, or exp(x)."""
    one = np.float32(1)
    middle = one / (one + expf(-x))
    return np.where(x > _ALL_ONE, one, np.where(x < _ALL_EXP, expf(x), middle))


def evaluate_tanh_float(_: None, arrays: Arrays) -> None:
    """float32 x -> out."""
    (x,), (out,) = arrays.inputs, arrays.outputs
    assert x is not None
    out[...] = tanhf(x)


def _scale_int16(x: npt.NDArray[Any], p: Int16Params) -> Int64Array:
    half = (1 << p.shift) >> 1
    scaled: Int64Array = (x.astype(np.int64) * p.multiplier + half) >> p.shift
    return scaled


def _interpolate(
    magnitude: Int64Array, bits: int, sigmoid: Int64Array, saturated: int
) -> Int64Array:
    """sigmoid * 2^(16 + bits): upper bits of `magnitude` choose, the lower `bits` interpolate."""
    last = len(sigmoid) - 1
    index = np.minimum(magnitude >> bits, last - 1)
    base, following = sigmoid[index], sigmoid[index + 1]
    between = (base << bits) + (magnitude & ((1 << bits) - 1)) * (following - base)
    return np.where(magnitude >> bits >= last, saturated, between)


def prepare_logistic(node: Node, context: Context) -> Kernel:
    """Check a LOGISTIC and fold its scale."""
    x, out = unary_operands(node)
    evaluate = pick_by_type(node, _LOGISTIC, x, out)
    if is_float(x):
        return Kernel(evaluate)
    require_quantized(node, x, out)
    if x.dtype == np.int16:
        return Kernel(evaluate, _int16_params(node, x, out, largest_shift=0))
    require_zero_points(node, -128, out)
    outputs = _tabulate(node, context, x, fixedpoint_math.logistic, fraction_bits=8)
    return Kernel(evaluate, outputs)


def prepare_tanh(node: Node, context: Context) -> Kernel:
    """Check a TANH and fold its scale."""
    x, out = unary_operands(node)
    evaluate = pick_by_type(node, _TANH, x, out)
    if is_float(x):
        return Kernel(evaluate)
    require_quantized(node, x, out)
    if x.dtype == np.int16:
        return Kernel(evaluate, _int16_params(node, x, out, largest_shift=1))
    outputs = _tabulate(node, context, x, fixedpoint_math.tanh, fraction_bits=7)
    return Kernel(evaluate, outputs)


def _tabulate(
    node: Node,
    context: Context,
    x: Tensor,
    function: Callable[[npt.NDArray[Any], int], Int64Array],
    fraction_bits: int,
) -> Table:
    """Outputs for all 256 inputs. |x| beyond the radius saturates; 8 bits start at -128."""
    fraction, shift = math.frexp(float(x.scale) * (1 << 31 - _INPUT_BITS))
    node.require(0 <= shift <= _MAX_SHIFT, f"scale {x.scale:g} is out of TFLM's range", x)
    multiplier = round_half_away(fraction * (1 << 31))
    radius = math.floor(((1 << _INPUT_BITS) - 1) * (1 << 31 - _INPUT_BITS) / (1 << shift))
    centred = np.arange(-128, 128) - x.zero_point
    inside = np.clip(centred, 1 - radius, radius - 1) if radius > 0 else np.zeros_like(centred)
    scaled = context.profile.requantise(node.name)(inside, multiplier, min(shift, _SAFE_SHIFT))
    steps = rounding_divide_by_pot(function(scaled, _INPUT_BITS), 31 - fraction_bits)
    steps = np.clip(steps - (128 if fraction_bits == 8 else 0), -128, 127)
    steps = np.where(centred >= radius, 127, steps)
    return table_of(np.where(centred <= -radius, -128, steps))


def _int16_params(node: Node, x: Tensor, out: Tensor, largest_shift: int) -> Int16Params:
    """A power of two near 2^-12 is scaled by 3; any other by its own 16-bit multiplier."""
    require_zero_points(node, 0, x, out)
    out_log2, is_power = checked_log2(out.scale)
    node.require(is_power and out_log2 == -15, f"scale {out.scale:g}, wanted 2^-15", out)
    sigmoid = sigmoid_table().astype(np.int64)
    log2, is_power = checked_log2(x.scale)
    if is_power and 0 <= log2 + 12 <= largest_shift:
        return Int16Params(3 << (log2 + 12), 0, sigmoid)
    real, shift = float(x.scale) * 4096.0 * 3.0, 0
    while real <= 32767.0 / 2.0 and shift <= 30:
        real, shift = real * 2, shift + 1
    node.require(1 <= real < 1 << 16, f"scale {x.scale:g} is out of the range of TFLM's table", x)
    return Int16Params(int(real), shift, sigmoid)


_MAX_SHIFT = 62
"""C's 1LL << shift in the radius is undefined beyond."""
_SAFE_SHIFT = 30
"""From here on the radius is 1 or 0, so that only 0 is scaled, and any shift gives 0."""
_LOGISTIC: Mapping[tuple[str, ...], Evaluate] = {
    ("float32", "float32"): evaluate_logistic_float,
    ("int8", "int8"): evaluate_table,
    ("int16", "int16"): evaluate_logistic_int16,
}
_TANH: Mapping[tuple[str, ...], Evaluate] = {
    ("float32", "float32"): evaluate_tanh_float,
    ("int8", "int8"): evaluate_table,
    ("int16", "int16"): evaluate_tanh_int16,
}
_TYPES = ("float32", "int8", "int16")

OPS = (
    Op(
        "LOGISTIC",
        prepare_logistic,
        _TYPES,
        float_exactness="exact with glibc's expf, but for 2 of 2^32 arguments",
    ),
    Op(
        "TANH",
        prepare_tanh,
        _TYPES,
        float_exactness="exact with the tanhf of fdlibm: newlib, glibc up to 2.40",
    ),
)

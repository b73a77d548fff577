"""ABS and RSQRT: out = |x| and out = 1 / sqrt(x).

Integer ABS: out = clamp(requantise(|x - x_zp|) + out_zp), factor x_scale / out_scale; it is left
out where the scales are equal. int16 without quantisation is plain: |-32768| wraps.
Integer RSQRT: the inverse root of x - x_zp in 20 fractional bits, by Newton's method in fixed
point, then requantised by 1 / (sqrt(x_scale) * out_scale). At x = x_zp the output is the type's
greatest number; below, TFLM stops the invoke, and so do we.
float32 RSQRT: 1 / sqrt(x), rounded twice, as C does.
Source: TFLM kernels/elementwise.cc, GetInvSqrtQuantizedMultiplierExp in kernels/internal/common.h.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from microinterp.graph import Node, Tensor
from microinterp.kernels.common import (
    Evaluate,
    is_float,
    multiplier_of,
    pick_by_type,
    require_positive_scales,
    require_quantized,
    require_zero_points,
    unary_operands,
)
from microinterp.kernels.scaling import UnaryScaling, requantised
from microinterp.prepare import Arrays, Context, Kernel, Status
from microinterp.quant.fixedpoint_math import inverse_sqrt
from microinterp.registry import Op

_FRACTION_BITS = 20
"""Of the inverse root before it is requantised."""
_MAX_RIGHT_SHIFT = 31
"""C leaves an int32 undefined that is shifted further."""


def evaluate_abs_int(p: UnaryScaling, arrays: Arrays) -> None:
    """int8 or int16 x -> out of the same type."""
    (x,), (out,) = arrays.inputs, arrays.outputs
    assert x is not None
    out[...] = requantised(np.abs(x.astype(np.int64) - p.input_zero_point), p, out.dtype)


def evaluate_abs_same_scale(p: UnaryScaling, arrays: Arrays) -> None:
    """int8 or int16 x -> out of the same type and scale."""
    (x,), (out,) = arrays.inputs, arrays.outputs
    assert x is not None
    magnitude = np.abs(x.astype(np.int64) - p.input_zero_point)
    out[...] = np.clip(magnitude + p.output_zero_point, p.low, p.high)


def evaluate_abs_plain(_: None, arrays: Arrays) -> None:
    """float32 or unquantised int16 x -> out of the same type."""
    (x,), (out,) = arrays.inputs, arrays.outputs
    assert x is not None
    np.abs(x, out=out)


def evaluate_rsqrt_int(p: UnaryScaling, arrays: Arrays) -> Status:
    """int8 or int16 x -> out of the same type; an error if an element is below the zero point."""
    (x,), (out,) = arrays.inputs, arrays.outputs
    assert x is not None
    value = x.astype(np.int64) - p.input_zero_point
    if (value < 0).any():
        return Status.ERROR
    mantissa, shift = inverse_sqrt(value)
    root = p.requantise(np.ones_like(value), mantissa, shift + _FRACTION_BITS)
    out[...] = np.where(value == 0, p.high, requantised(root, p, out.dtype))
    return Status.OK


def evaluate_rsqrt_float(_: None, arrays: Arrays) -> None:
    """float32 x -> out."""
    (x,), (out,) = arrays.inputs, arrays.outputs
    assert x is not None
    out[...] = np.float32(1) / np.sqrt(x)


def prepare_abs(node: Node, context: Context) -> Kernel:
    """Check an ABS and fold its scales."""
    x, out = unary_operands(node)
    evaluate = pick_by_type(node, _ABS, x, out)
    if is_float(x) or (x.dtype == np.int16 and x.quantization is None):
        return Kernel(evaluate_abs_plain)
    _require_quantization(node, x, out)
    if x.scale == out.scale:
        return Kernel(evaluate_abs_same_scale, _params(node, context, x, out, 1.0))
    return Kernel(evaluate, _params(node, context, x, out, float(x.scale) / float(out.scale)))


def prepare_rsqrt(node: Node, context: Context) -> Kernel:
    """Check an RSQRT and fold its scales."""
    x, out = unary_operands(node)
    evaluate = pick_by_type(node, _RSQRT, x, out)
    if is_float(x):
        return Kernel(evaluate)
    _require_quantization(node, x, out)
    require_positive_scales(node, x)
    product = math.sqrt(float(x.scale)) * float(out.scale)
    return Kernel(evaluate, _params(node, context, x, out, 1 / product, _FRACTION_BITS))


def _require_quantization(node: Node, x: Tensor, out: Tensor) -> None:
    require_quantized(node, x, out)
    if x.dtype == np.int16:
        require_zero_points(node, 0, x, out)


def _params(
    node: Node, context: Context, x: Tensor, out: Tensor, real: float, right_shift: int = 0
) -> UnaryScaling:
    multiplier = multiplier_of(node, real)
    shift = multiplier.shift - right_shift
    node.require(
        shift >= -_MAX_RIGHT_SHIFT,
        f"requantisation factor {real:g} is below 2^-{_MAX_RIGHT_SHIFT - right_shift}",
        hint="the scales are far too large",
    )
    info = np.iinfo(out.dtype)
    return UnaryScaling(
        input_zero_point=x.zero_point,
        requantise=context.profile.requantise(node.name),
        multiplier=multiplier.multiplier,
        shift=shift,
        output_zero_point=out.zero_point,
        low=int(info.min),
        high=int(info.max),
    )


_ABS: Mapping[tuple[str, ...], Evaluate] = {
    ("float32", "float32"): evaluate_abs_plain,
    ("int8", "int8"): evaluate_abs_int,
    ("int16", "int16"): evaluate_abs_int,
}
_RSQRT: Mapping[tuple[str, ...], Evaluate] = {
    ("float32", "float32"): evaluate_rsqrt_float,
    ("int8", "int8"): evaluate_rsqrt_int,
    ("int16", "int16"): evaluate_rsqrt_int,
}
_TYPES = ("float32", "int8", "int16")
_ZERO_POINTS = "zero points of int16 are 0"

OPS = (
    Op("ABS", prepare_abs, _TYPES, limits=(_ZERO_POINTS,)),
    Op("RSQRT", prepare_rsqrt, _TYPES, limits=(_ZERO_POINTS, "integers from the zero point up")),
)

"""RELU and RELU6: out = max(x, 0), and min(max(x, 0), 6).

Integer RELU rescales to the output's quantisation: out = clamp(requantise(x - x_zp) + out_zp),
with the factor x_scale / out_scale divided in double
(docs/decisions/0005-scales-in-double.md). Integer RELU6 does not: it clamps the raw
numbers to the input's zero point and to its quantised 6, whatever the output's scale says.
Source: TFLM kernels/activations.h and activations_common.cc.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import tflite

from microinterp.graph import Node, Tensor
from microinterp.kernels.common import (
    Evaluate,
    activation_range,
    clamp_float,
    is_float,
    multiplier_of,
    pick_by_type,
    require_quantized,
    require_zero_points,
    unary_operands,
)
from microinterp.kernels.scaling import UnaryScaling, requantised
from microinterp.prepare import Arrays, Context, Kernel
from microinterp.registry import Op


@dataclass(frozen=True)
class Limits:
    """Raw values that an integer RELU6, or a float kernel, clamps to."""

    low: int | np.float32
    high: int | np.float32


def evaluate_relu_int(p: UnaryScaling, arrays: Arrays) -> None:
    """int8 or int16 x -> out of the same type."""
    (x,), (out,) = arrays.inputs, arrays.outputs
    assert x is not None
    out[...] = requantised(x.astype(np.int64) - p.input_zero_point, p, out.dtype)


def evaluate_relu6_int(p: Limits, arrays: Arrays) -> None:
    """int8 or int16 x -> out of the same type."""
    (x,), (out,) = arrays.inputs, arrays.outputs
    assert x is not None
    np.clip(x, p.low, p.high, out=out)


def evaluate_float(p: Limits, arrays: Arrays) -> None:
    """float32 x -> out; NaN stays NaN."""
    (x,), (out,) = arrays.inputs, arrays.outputs
    assert x is not None
    out[...] = clamp_float(x, p.low, p.high)


def prepare_relu(node: Node, context: Context) -> Kernel:
    """Check a RELU and fold its scales."""
    x, out = _operands(node)
    evaluate = pick_by_type(node, _RELU, x, out)
    if is_float(x):
        return Kernel(evaluate, Limits(np.float32(0), np.float32(np.inf)))
    if x.dtype == np.int16:
        require_zero_points(node, 0, x, out)
    multiplier = multiplier_of(node, float(x.scale) / float(out.scale))
    params = UnaryScaling(
        input_zero_point=x.zero_point,
        requantise=context.profile.requantise(node.name),
        multiplier=multiplier.multiplier,
        shift=multiplier.shift,
        output_zero_point=out.zero_point,
        low=out.zero_point,
        high=int(np.iinfo(out.dtype).max),
    )
    return Kernel(evaluate, params)


def prepare_relu6(node: Node, context: Context) -> Kernel:
    """Check a RELU6 and fold its scale."""
    x, out = _operands(node)
    evaluate = pick_by_type(node, _RELU6, x, out)
    if is_float(x):
        return Kernel(evaluate, Limits(np.float32(0), np.float32(6)))
    return Kernel(evaluate, Limits(*activation_range(node, _RELU6_ACTIVATION, x)))


def _operands(node: Node) -> tuple[Tensor, Tensor]:
    x, out = unary_operands(node)
    if not is_float(x):
        require_quantized(node, x, out)
    return x, out


_RELU6_ACTIVATION = tflite.ActivationFunctionType.RELU6
_RELU: Mapping[tuple[str, ...], Evaluate] = {
    ("float32", "float32"): evaluate_float,
    ("int8", "int8"): evaluate_relu_int,
    ("int16", "int16"): evaluate_relu_int,
}
_RELU6: Mapping[tuple[str, ...], Evaluate] = {
    ("float32", "float32"): evaluate_float,
    ("int8", "int8"): evaluate_relu6_int,
    ("int16", "int16"): evaluate_relu6_int,
}
_TYPES = ("float32", "int8", "int16")

OPS = (Op("RELU", prepare_relu, _TYPES), Op("RELU6", prepare_relu6, _TYPES))

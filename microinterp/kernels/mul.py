"""MUL: out = a * b, with broadcasting and a fused activation.

int8 and int16: out = clamp(requantise((a - a_zp) * (b - b_zp)) + out_zp), the factor being
a_scale * b_scale / out_scale in double; zero points of int16 are 0. int32 is not quantised: it
wraps. Source: TFLM kernels/mul_common.cc, kernels/internal/reference/integer_ops/mul.h and
reference/mul.h.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import tflite

from microinterp.graph import Node
from microinterp.kernels.broadcast import Broadcast, FloatParams, Int32Params, broadcast_of
from microinterp.kernels.common import (
    Evaluate,
    activation_range,
    clamp_float,
    is_float,
    multiplier_of,
    pick_by_type,
    require_quantized,
    require_zero_points,
)
from microinterp.kernels.scaling import Scaling, requantised
from microinterp.prepare import Arrays, Context, Kernel
from microinterp.quant.params import activation_range_float, activation_range_int32
from microinterp.registry import Op


@dataclass(frozen=True)
class Params(Scaling):
    """Folded parameters of one integer MUL."""

    operands: Broadcast
    zero_points: tuple[int, int]


def evaluate_int(p: Params, arrays: Arrays) -> None:
    """int8 or int16 a and b -> out of the same type."""
    (out,) = arrays.outputs
    a, b = p.operands(*arrays.inputs)
    product = (a.astype(np.int64) - p.zero_points[0]) * (b.astype(np.int64) - p.zero_points[1])
    out[...] = requantised(product, p, out.dtype)


def evaluate_float(p: FloatParams, arrays: Arrays) -> None:
    """float32 a and b -> out."""
    (out,) = arrays.outputs
    out[...] = clamp_float(np.multiply(*p.operands(*arrays.inputs)), p.low, p.high)


def evaluate_int32(p: Int32Params, arrays: Arrays) -> None:
    """int32 a and b -> out; products wrap."""
    (out,) = arrays.outputs
    out[...] = np.clip(np.multiply(*p.operands(*arrays.inputs)), p.low, p.high)


def prepare(node: Node, context: Context) -> Kernel:
    """Check the node against TFLM's rules and fold its scales."""
    node.require_counts((2, 2))
    a, b, out = node.input(0), node.input(1), node.output()
    evaluate = pick_by_type(node, _EVALUATE, a, b, out)
    operands = broadcast_of(node, a, b, out)
    activation = node.options(tflite.MulOptions).FusedActivationFunction()
    if is_float(out):
        return Kernel(evaluate, FloatParams(operands, *activation_range_float(activation)))
    if out.dtype == np.int32:
        return Kernel(evaluate, Int32Params(operands, *activation_range_int32(activation)))
    require_quantized(node, a, b, out)
    if out.dtype == np.int16:
        require_zero_points(node, 0, a, b, out)
    multiplier = multiplier_of(node, float(a.scale) * float(b.scale) / float(out.scale))
    low, high = activation_range(node, activation, out)
    params = Params(
        operands=operands,
        zero_points=(a.zero_point, b.zero_point),
        requantise=context.profile.requantise(node.name),
        multiplier=multiplier.multiplier,
        shift=multiplier.shift,
        output_zero_point=out.zero_point,
        low=low,
        high=high,
    )
    return Kernel(evaluate, params)


_EVALUATE: Mapping[tuple[str, ...], Evaluate] = {
    ("float32", "float32", "float32"): evaluate_float,
    ("int8", "int8", "int8"): evaluate_int,
    ("int16", "int16", "int16"): evaluate_int,
    ("int32", "int32", "int32"): evaluate_int32,
}

OPS = (Op("MUL", prepare, ("float32", "int8", "int16", "int32")),)

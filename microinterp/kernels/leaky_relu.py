"""LEAKY_RELU: out = x for x > 0, else alpha * x.

Integers: the difference from the zero point is requantised by x_scale / out_scale where it is not
negative, by alpha * x_scale / out_scale where it is. With a negative alpha the second factor's
magnitude is used and the result negated.
Source: TFLM kernels/leaky_relu_common.cc, kernels/internal/reference/leaky_relu.h.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import tflite

from microinterp.graph import Node
from microinterp.kernels.common import (
    Evaluate,
    is_float,
    multiplier_of,
    pick_by_type,
    require_quantized,
    unary_operands,
)
from microinterp.prepare import Arrays, Context, Kernel
from microinterp.quant.fixedpoint import Requantise, wrap32
from microinterp.quant.params import Multiplier
from microinterp.registry import Op


@dataclass(frozen=True)
class Params:
    """Folded parameters of an integer LEAKY_RELU; `sign` is alpha's."""

    input_zero_point: int
    requantise: Requantise
    identity: Multiplier
    alpha: Multiplier
    sign: int
    output_zero_point: int
    low: int
    high: int


def evaluate_int(p: Params, arrays: Arrays) -> None:
    """int8 or int16 x -> out of the same type."""
    (x,), (out,) = arrays.inputs, arrays.outputs
    assert x is not None
    value = x.astype(np.int64) - p.input_zero_point
    kept = p.requantise(value, p.identity.multiplier, p.identity.shift)
    leaked = p.sign * p.requantise(value, p.alpha.multiplier, p.alpha.shift)
    result = wrap32(np.where(value >= 0, kept, leaked) + p.output_zero_point)
    out[...] = np.clip(result, p.low, p.high)


def evaluate_float(alpha: np.float32, arrays: Arrays) -> None:
    """float32 x -> out."""
    (x,), (out,) = arrays.inputs, arrays.outputs
    assert x is not None
    out[...] = np.where(x > 0, x, x * alpha)


def prepare(node: Node, context: Context) -> Kernel:
    """Check the node against TFLM's rules and fold its scales."""
    x, out = unary_operands(node)
    evaluate = pick_by_type(node, _EVALUATE, x, out)
    alpha = node.options(tflite.LeakyReluOptions).Alpha()
    if is_float(x):
        return Kernel(evaluate, np.float32(alpha))
    require_quantized(node, x, out)
    node.require(math.isfinite(alpha), f"alpha is {alpha:g}, wanted a finite number")
    ratio = float(x.scale) / float(out.scale)
    info = np.iinfo(out.dtype)
    params = Params(
        input_zero_point=x.zero_point,
        requantise=context.profile.requantise(node.name),
        identity=multiplier_of(node, ratio),
        alpha=multiplier_of(node, float(x.scale) * abs(alpha) / float(out.scale)),
        sign=-1 if alpha < 0 else 1,
        output_zero_point=out.zero_point,
        low=int(info.min),
        high=int(info.max),
    )
    return Kernel(evaluate, params)


_EVALUATE: Mapping[tuple[str, ...], Evaluate] = {
    ("float32", "float32"): evaluate_float,
    ("int8", "int8"): evaluate_int,
    ("int16", "int16"): evaluate_int,
}

OPS = (Op("LEAKY_RELU", prepare, ("float32", "int8", "int16")),)

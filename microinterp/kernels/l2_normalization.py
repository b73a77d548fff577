"""L2_NORMALIZATION: out[c] = x[c] / sqrt(sum over c of x[c]^2), along the last axis.

int8: the inverse root of the integer sum, by Newton's method in fixed point; outputs in steps of
1/128 with zero point 0, whatever the output says. No scale is needed.
float32: the sum in order, the root at least 1e-6, a division.
Source: TFLM kernels/l2norm.cc, kernels/internal/reference/{,integer_ops/}l2normalization.h.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import tflite

from microinterp.graph import Node
from microinterp.kernels.common import (
    Evaluate,
    is_float,
    pick_by_type,
    require_rank,
    unary_operands,
)
from microinterp.prepare import Arrays, Context, Kernel
from microinterp.quant.fixedpoint import Requantise, wrap32
from microinterp.quant.fixedpoint_math import inverse_sqrt
from microinterp.registry import Op

_EPSILON = np.float32(1e-6)
_OUTPUT_BITS = 7
_MAX_RANK = 4


@dataclass(frozen=True)
class Params:
    """Parameters of an int8 L2_NORMALIZATION."""

    input_zero_point: int
    requantise: Requantise


def evaluate_int8(p: Params, arrays: Arrays) -> None:
    """int8 x [..., c] -> int8 out [..., c]."""
    (x,), (out,) = arrays.inputs, arrays.outputs
    assert x is not None
    value = x.astype(np.int64) - p.input_zero_point
    total = wrap32((value * value).sum(axis=-1, keepdims=True))
    mantissa, shift = inverse_sqrt(total)
    out[...] = np.clip(p.requantise(value, mantissa, shift + _OUTPUT_BITS), -128, 127)


def evaluate_float(_: None, arrays: Arrays) -> None:
    """float32 x [..., c] -> out [..., c]."""
    (x,), (out,) = arrays.inputs, arrays.outputs
    assert x is not None
    # accumulate adds one by one, where sum would add in pairs
    norm = np.sqrt(np.add.accumulate(x * x, axis=-1)[..., -1:])
    out[...] = x / np.where(norm < _EPSILON, _EPSILON, norm)


def prepare(node: Node, context: Context) -> Kernel:
    """Check the node against TFLM's rules."""
    x, out = unary_operands(node)
    evaluate = pick_by_type(node, _EVALUATE, x, out)
    require_rank(node, x, 1, _MAX_RANK)
    node.require(x.elements > 0, f"{x} has no elements", x)
    activation = node.options(tflite.L2NormOptions).FusedActivationFunction()
    node.require(
        activation == tflite.ActivationFunctionType.NONE,
        f"fused activation {activation}, TFLM has none here",
        hint="make the activation an op of its own",
    )
    if is_float(x):
        return Kernel(evaluate)
    return Kernel(evaluate, Params(x.zero_point, context.profile.requantise(node.name)))


_EVALUATE: Mapping[tuple[str, ...], Evaluate] = {
    ("float32", "float32"): evaluate_float,
    ("int8", "int8"): evaluate_int8,
}

OPS = (
    Op(
        "L2_NORMALIZATION",
        prepare,
        ("float32", "int8"),
        limits=("rank up to 4", "no fused activation"),
    ),
)

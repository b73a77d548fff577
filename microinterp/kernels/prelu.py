"""PRELU: out = x for x >= 0, else alpha * x, alpha broadcast over x.

Integers: x - x_zp is requantised by x_scale / out_scale where it is not negative; where it is,
(x - x_zp) * (alpha - alpha_zp) by x_scale * alpha_scale / out_scale. The alpha of int16 is int8.
Source: TFLM kernels/prelu_common.cc, kernels/internal/reference/prelu.h.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from microinterp.graph import Node
from microinterp.kernels.broadcast import Broadcast, broadcast_of
from microinterp.kernels.common import (
    Evaluate,
    is_float,
    multiplier_of,
    pick_by_type,
    require_quantized,
    require_rank,
)
from microinterp.prepare import Arrays, Context, Kernel
from microinterp.quant.fixedpoint import Requantise, wrap32
from microinterp.quant.params import Multiplier
from microinterp.registry import Op

_MAX_FLOAT_RANK = 4


@dataclass(frozen=True)
class Params:
    """Folded parameters of an integer PRELU."""

    operands: Broadcast
    zero_points: tuple[int, int]
    requantise: Requantise
    identity: Multiplier
    alpha: Multiplier
    output_zero_point: int
    low: int
    high: int


def evaluate_int(p: Params, arrays: Arrays) -> None:
    """int8 or int16 x, int8 alpha -> out of x's type."""
    (out,) = arrays.outputs
    x, alpha = (
        array.astype(np.int64) - zero
        for array, zero in zip(p.operands(*arrays.inputs), p.zero_points, strict=True)
    )
    kept = p.requantise(x, p.identity.multiplier, p.identity.shift)
    leaked = p.requantise(x * alpha, p.alpha.multiplier, p.alpha.shift)
    result = wrap32(np.where(x >= 0, kept, leaked) + p.output_zero_point)
    out[...] = np.clip(result, p.low, p.high)


def evaluate_float(operands: Broadcast, arrays: Arrays) -> None:
    """float32 x and alpha -> out."""
    (out,) = arrays.outputs
    x, alpha = operands(*arrays.inputs)
    out[...] = np.where(x >= 0, x, x * alpha)


def prepare(node: Node, context: Context) -> Kernel:
    """Check the node against TFLM's rules and fold its scales."""
    node.require_counts((2, 2))
    x, alpha, out = node.input(0), node.input(1), node.output()
    evaluate = pick_by_type(node, _EVALUATE, x, alpha, out)
    operands = broadcast_of(node, x, alpha, out)
    if is_float(x):
        for tensor in (x, alpha):
            require_rank(node, tensor, 0, _MAX_FLOAT_RANK)
        return Kernel(evaluate, operands)
    require_quantized(node, x, alpha, out)
    info = np.iinfo(out.dtype)
    leak = float(x.scale) * float(alpha.scale) / float(out.scale)
    params = Params(
        operands=operands,
        zero_points=(x.zero_point, alpha.zero_point),
        requantise=context.profile.requantise(node.name),
        identity=multiplier_of(node, float(x.scale) / float(out.scale)),
        alpha=multiplier_of(node, leak),
        output_zero_point=out.zero_point,
        low=int(info.min),
        high=int(info.max),
    )
    return Kernel(evaluate, params)


_EVALUATE: Mapping[tuple[str, ...], Evaluate] = {
    ("float32", "float32", "float32"): evaluate_float,
    ("int8", "int8", "int8"): evaluate_int,
    ("int16", "int8", "int16"): evaluate_int,
}

OPS = (
    Op(
        "PRELU",
        prepare,
        ("float32", "int8", "int16 x int8"),
        limits=("float32 of rank up to 4",),
    ),
)

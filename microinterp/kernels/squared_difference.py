"""SQUARED_DIFFERENCE: out = (a - b)^2, with broadcasting.

Integer kernels bring both operands to the scale 2 * max(a_scale, b_scale) / 2^left_shift:
    raw = requantise((a - a_zp) << left_shift) - requantise((b - b_zp) << left_shift)
    out = clamp(requantise(raw * raw) + out_zp)
with 7 bits of left shift for int8 and none for int16. int32 is not quantised: it wraps.
Source: TFLM kernels/squared_difference.cc.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from microinterp.graph import Node
from microinterp.kernels.broadcast import Broadcast, ScaledOperands, broadcast_of
from microinterp.kernels.common import (
    Evaluate,
    multiplier_of,
    pick_by_type,
    require_positive_scales,
    require_quantized,
    require_zero_points,
)
from microinterp.kernels.scaling import Scaling, requantised
from microinterp.prepare import Arrays, Context, Kernel
from microinterp.quant.params import quantize_multiplier
from microinterp.registry import Op

_LEFT_SHIFT = {"int8": 7, "int16": 0}


@dataclass(frozen=True)
class Params(Scaling):
    """Folded parameters of an integer SQUARED_DIFFERENCE.

    Attributes:
        operands: how they come to a common scale.
    """

    operands: ScaledOperands


def evaluate_int(p: Params, arrays: Arrays) -> None:
    """int8 or int16 a and b -> out of the same type."""
    (out,) = arrays.outputs
    a, b = p.operands(*arrays.inputs)
    out[...] = requantised((a - b) * (a - b), p, out.dtype)


def evaluate_plain(operands: Broadcast, arrays: Arrays) -> None:
    """float32 or int32 a and b -> out of the same type."""
    (out,) = arrays.outputs
    a, b = operands(*arrays.inputs)
    difference = a - b
    out[...] = difference * difference


def prepare(node: Node, context: Context) -> Kernel:
    """Check the node against TFLM's rules and fold its scales."""
    node.require_counts((2, 2))
    a, b, out = node.input(0), node.input(1), node.output()
    evaluate = pick_by_type(node, _EVALUATE, a, b, out)
    operands = broadcast_of(node, a, b, out)
    if evaluate is evaluate_plain:
        return Kernel(evaluate, operands)
    require_quantized(node, a, b, out)
    if out.dtype == np.int16:
        require_zero_points(node, 0, a, b, out)
    require_positive_scales(node, a, b, out)
    left_shift = _LEFT_SHIFT[out.type_name]
    twice = 2.0 * float(max(a.scale, b.scale))
    multiplier = multiplier_of(node, twice * twice / ((1 << 2 * left_shift) * float(out.scale)))
    info = np.iinfo(out.dtype)
    requantise = context.profile.requantise(node.name)
    scaling = tuple(quantize_multiplier(float(tensor.scale) / twice) for tensor in (a, b))
    params = Params(
        operands=ScaledOperands(
            operands,
            left_shift,
            (a.zero_point, b.zero_point),
            (scaling[0], scaling[1]),
            requantise,
        ),
        requantise=requantise,
        multiplier=multiplier.multiplier,
        shift=multiplier.shift,
        output_zero_point=out.zero_point,
        low=int(info.min),
        high=int(info.max),
    )
    return Kernel(evaluate, params)


_EVALUATE: Mapping[tuple[str, ...], Evaluate] = {
    ("float32", "float32", "float32"): evaluate_plain,
    ("int8", "int8", "int8"): evaluate_int,
    ("int16", "int16", "int16"): evaluate_int,
    ("int32", "int32", "int32"): evaluate_plain,
}

OPS = (
    Op(
        "SQUARED_DIFFERENCE",
        prepare,
        ("float32", "int8", "int16", "int32"),
        limits=("zero points of int16 are 0",),
    ),
)

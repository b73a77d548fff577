"""CONCATENATION: the inputs one after the other along one axis, copied as they are.

No input is rescaled: TFLM wants one scale and zero point for all int8 tensors, and zero point 0
for int16. Source: TFLM kernels/concatenation.cc, reference/concatenation.h.
"""

from __future__ import annotations

from dataclasses import dataclass

import tflite

from microinterp.graph import Node, Tensor
from microinterp.kernels.common import (
    Index,
    along_axis,
    normalised_axis,
    pick_by_type,
    require_rank,
    require_same_type,
    require_shape,
)
from microinterp.prepare import Arrays, Context, Kernel
from microinterp.registry import Op

MAX_INPUTS = 10
MAX_RANK = 6
"""RuntimeShape::kMaxSmallSize: shapes are copied into arrays of this many dimensions."""


@dataclass(frozen=True)
class Params:
    """Where each input goes in the output, counted from the last axis."""

    places: tuple[Index, ...]


def evaluate(p: Params, arrays: Arrays) -> None:
    """in [..., n, ...] each -> out [..., sum of n, ...]."""
    (out,) = arrays.outputs
    for place, x in zip(p.places, arrays.inputs, strict=True):
        out[place] = x


def prepare(node: Node, context: Context) -> Kernel:
    """Check types, quantisation and shapes of all inputs against the output."""
    node.require_counts((1, MAX_INPUTS))
    inputs, out = [node.input(i) for i in range(len(node.inputs))], node.output()
    pick_by_type(node, {(name, name): evaluate for name in TYPES}, inputs[0], out)
    options = node.options(tflite.ConcatenationOptions)
    activation = options.FusedActivationFunction()
    node.require(
        activation == tflite.ActivationFunctionType.NONE,
        f"fused activation {activation}, TFLM has none here",
        hint="make the activation an op of its own",
    )
    require_same_type(node, *inputs)
    require_rank(node, out, 1, MAX_RANK)
    axis = normalised_axis(node, options.Axis(), out.rank)
    for tensor in inputs:
        _check_quantization(node, tensor, out)
        require_rank(node, tensor, out.rank)
        require_shape(node, tensor, (*out.shape[:axis], tensor.shape[axis], *out.shape[axis + 1 :]))
    sizes = [tensor.shape[axis] for tensor in inputs]
    require_shape(node, out, (*out.shape[:axis], sum(sizes), *out.shape[axis + 1 :]))
    return Kernel(evaluate, Params(along_axis(sizes, axis - out.rank)))


def _check_quantization(node: Node, tensor: Tensor, out: Tensor) -> None:
    if tensor.type_code == tflite.TensorType.INT8:
        node.require(
            (tensor.scale, tensor.zero_point) == (out.scale, out.zero_point),
            f"scale {tensor.scale:g} and zero point {tensor.zero_point}, wanted the output's "
            f"{out.scale:g} and {out.zero_point}",
            tensor,
            "TFLM does not rescale here: insert QUANTIZE before this input",
        )
    elif tensor.type_code == tflite.TensorType.INT16:
        for each in (tensor, out):
            node.require(each.zero_point == 0, f"zero point {each.zero_point}, wanted 0", each)


TYPES = ("float32", "int8", "int16", "int32", "int64", "bool")
LIMITS = (
    "up to 10 inputs",
    "rank 1 to 6",
    "int8: one scale and zero point",
    "int16: zero point 0",
)
OPS = (Op("CONCATENATION", prepare, TYPES, limits=LIMITS),)

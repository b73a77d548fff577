"""FILL, ZEROS_LIKE, SHAPE: outputs that depend on shapes, not on what stands in a tensor.

ZEROS_LIKE gives the byte 0, also where the zero point is another number.
Source: TFLM kernels/fill.cc, zeros_like.cc, shape.cc.
"""

from __future__ import annotations

from dataclasses import dataclass

import tflite

from microinterp.graph import Node
from microinterp.kernels.common import (
    constant_ints,
    pick_by_type,
    require_rank,
    require_shape,
    require_type_option,
    unary_operands,
)
from microinterp.prepare import Arrays, Context, Kernel
from microinterp.registry import Op


@dataclass(frozen=True)
class ShapeParams:
    """The input's shape."""

    shape: tuple[int, ...]


def evaluate_fill(rank: int, arrays: Arrays) -> None:
    """value, one element -> out [...] of `rank` axes, in which every element is the value."""
    value, (out,) = arrays.inputs[1], arrays.outputs
    assert value is not None
    out[...] = value.reshape(value.shape + (1,) * rank)


def evaluate_zeros_like(p: None, arrays: Arrays) -> None:
    """in [...] -> out of the same shape."""
    arrays.outputs[0][...] = 0


def evaluate_shape(p: ShapeParams, arrays: Arrays) -> None:
    """in [...] -> out int32 [rank]."""
    arrays.outputs[0][...] = p.shape


def prepare_fill(node: Node, context: Context) -> Kernel:
    """Check that the output has the shape that the first input tells."""
    node.require_counts((2, 2))
    dims, value, out = node.input(0), node.input(1), node.output()
    pick_by_type(node, {(name, name): evaluate_fill for name in FILL_TYPES}, value, out)
    require_rank(node, value, 0)
    require_rank(node, dims, 1)
    require_rank(node, out, 1, max(1, out.rank))  # a file has no constant without elements
    require_shape(node, out, constant_ints(node, dims, out.rank, DIMS_TYPES))
    return Kernel(evaluate_fill, out.rank)


def prepare_zeros_like(node: Node, context: Context) -> Kernel:
    """Check that input and output have one type and shape."""
    x, out = unary_operands(node)
    pick_by_type(node, {(name, name): evaluate_zeros_like for name in ZEROS_TYPES}, x, out)
    return Kernel(evaluate_zeros_like)


def prepare_shape(node: Node, context: Context) -> Kernel:
    """Check that the output has one int32 per dimension."""
    node.require_counts((1, 1))
    require_type_option(node, tflite.ShapeOptions, "OutType")
    x, out = node.input(0), node.output()
    node.require(out.type_name == "int32", f"type {out.type_name}, wanted int32", out)
    require_shape(node, out, (x.rank,))
    return Kernel(evaluate_shape, ShapeParams(x.shape))


DIMS_TYPES = ("int8", "int16", "int32", "int64")
FILL_TYPES = ("float32", "int8", "int32")
ZEROS_TYPES = ("float32", "int8", "int32", "int64")
OPS = (
    Op("FILL", prepare_fill, FILL_TYPES, limits=("dims constant", "value of rank 0")),
    Op("ZEROS_LIKE", prepare_zeros_like, ZEROS_TYPES, limits=("rank up to 6",)),
    Op("SHAPE", prepare_shape, ("any",), limits=("output int32",)),
)

"""SPLIT, SPLIT_V: the outputs are consecutive parts of the input along one axis.

The parts' sizes are those of the output tensors; TFLM does not look at num_splits or size_splits.
Source: TFLM kernels/split.cc, split_v.cc.
"""

from __future__ import annotations

from dataclasses import dataclass

from microinterp.graph import Node, Tensor
from microinterp.kernels.common import (
    Index,
    along_axis,
    constant_ints,
    normalised_axis,
    pick_by_type,
    require_rank,
    require_same_type,
    require_shape,
)
from microinterp.prepare import Arrays, Context, Kernel
from microinterp.registry import Op


@dataclass(frozen=True)
class Params:
    """Which input is split, and the part of it that each output takes."""

    position: int
    parts: tuple[Index, ...]


def evaluate(p: Params, arrays: Arrays) -> None:
    """in [..., sum of n, ...] -> out [..., n, ...] each."""
    x = arrays.inputs[p.position]
    assert x is not None
    for part, out in zip(p.parts, arrays.outputs, strict=True):
        out[...] = x[part]


def prepare_split(node: Node, context: Context) -> Kernel:
    """SPLIT: inputs axis, x; parts of equal size."""
    node.require_counts((2, 2), len(node.outputs))
    outputs = _outputs(node)
    for output in outputs[1:]:
        require_shape(node, output, outputs[0].shape)
    return _prepare(node, position=1, axis_tensor=node.input(0))


def prepare_split_v(node: Node, context: Context) -> Kernel:
    """SPLIT_V: inputs x, size_splits, axis."""
    node.require_counts((3, 3), len(node.outputs))
    return _prepare(node, position=0, axis_tensor=node.input(2))


def _prepare(node: Node, position: int, axis_tensor: Tensor) -> Kernel:
    x, outputs = node.input(position), _outputs(node)
    pick_by_type(node, {(name, name): evaluate for name in TYPES}, x, outputs[0])
    require_same_type(node, *outputs)
    (given,) = constant_ints(node, axis_tensor, 1)
    axis = normalised_axis(node, given, x.rank, axis_tensor)
    for output in outputs:
        require_rank(node, output, x.rank)
        require_shape(node, output, (*x.shape[:axis], output.shape[axis], *x.shape[axis + 1 :]))
    sizes = [output.shape[axis] for output in outputs]
    node.require(
        sum(sizes) == x.shape[axis],
        f"the outputs take {sum(sizes)} of axis {axis}, wanted all {x.shape[axis]}",
        x,
    )
    return Kernel(evaluate, Params(position, along_axis(sizes, axis - x.rank)))


def _outputs(node: Node) -> tuple[Tensor, ...]:
    node.output()
    return node.outputs


TYPES = ("float32", "int8", "int16", "int32")
LIMITS = ("axis constant",)
OPS = (
    Op("SPLIT", prepare_split, TYPES, limits=LIMITS),
    Op("SPLIT_V", prepare_split_v, TYPES, limits=LIMITS),
)

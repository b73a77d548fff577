"""PACK and UNPACK: tensors of one shape become the slices of a new axis, and the reverse.

Source: TFLM kernels/pack.cc, unpack.cc.
"""

from __future__ import annotations

from dataclasses import dataclass

import tflite

from microinterp.graph import Node, Tensor
from microinterp.kernels.common import (
    Index,
    normalised_axis,
    pick_by_type,
    require_same_type,
    require_shape,
)
from microinterp.prepare import Arrays, Context, Kernel
from microinterp.registry import Op


@dataclass(frozen=True)
class Params:
    """Index of each slice, counted from the last axis."""

    slices: tuple[Index, ...]


def evaluate_pack(p: Params, arrays: Arrays) -> None:
    """n inputs [...] -> out with one more axis, of size n."""
    (out,) = arrays.outputs
    for place, x in zip(p.slices, arrays.inputs, strict=True):
        out[place] = x


def evaluate_unpack(p: Params, arrays: Arrays) -> None:
    """in with an axis of size n -> n outputs without it."""
    x = arrays.inputs[0]
    assert x is not None
    for place, out in zip(p.slices, arrays.outputs, strict=True):
        out[...] = x[place]


def prepare_pack(node: Node, context: Context) -> Kernel:
    """Check that the inputs are the slices of the output."""
    node.require_counts((1, max(1, len(node.inputs))))
    inputs, out = [node.input(i) for i in range(len(node.inputs))], node.output()
    pick_by_type(node, {(name, name): evaluate_pack for name in PACK_TYPES}, inputs[0], out)
    require_same_type(node, *inputs)
    options = node.options(tflite.PackOptions)
    slices = _slices(node, out, options.Axis(), options.ValuesCount(), inputs)
    return Kernel(evaluate_pack, Params(slices))


def prepare_unpack(node: Node, context: Context) -> Kernel:
    """Check that the outputs are the slices of the input."""
    node.require_counts((1, 1), len(node.outputs))
    x, out = node.input(0), node.output()
    pick_by_type(node, {(name, name): evaluate_unpack for name in UNPACK_TYPES}, x, out)
    require_same_type(node, *node.outputs)
    options = node.options(tflite.UnpackOptions)
    slices = _slices(node, x, options.Axis(), options.Num(), node.outputs)
    return Kernel(evaluate_unpack, Params(slices))


def _slices(
    node: Node, whole: Tensor, given_axis: int, count: int, parts: list[Tensor] | tuple[Tensor, ...]
) -> tuple[Index, ...]:
    """The places of `parts` in `whole`."""
    axis = normalised_axis(node, given_axis, whole.rank)
    node.require(
        count == len(parts) == whole.shape[axis],
        f"the option counts {count} parts, there are {len(parts)} and axis {axis} of {whole} "
        f"has {whole.shape[axis]}",
        whole,
    )
    for part in parts:
        require_shape(node, part, whole.shape[:axis] + whole.shape[axis + 1 :])
    behind = (slice(None),) * (whole.rank - axis - 1)
    return tuple((..., i, *behind) for i in range(count))


PACK_TYPES = ("float32", "int8", "int16", "int32", "int64")
UNPACK_TYPES = ("float32", "int8", "int16", "int32")
OPS = (Op("PACK", prepare_pack, PACK_TYPES), Op("UNPACK", prepare_unpack, UNPACK_TYPES))

"""STRIDED_SLICE: out = in[begin:end:stride, ...], with Python's meaning of negative numbers.

Per axis: a negative begin or end counts from the end; both are then clamped to the axis (to one
element before it for a negative stride); a bit in begin_mask or end_mask takes the whole way; a
bit in shrink_axis_mask takes the element at begin and drops the axis.

TFLM does not look at ellipsis_mask, new_axis_mask and offset, and neither do we: where they
matter, shapes do not fit and the model is refused.
Source: TFLM kernels/strided_slice_common.cc, kernels/internal/strided_slice_logic.h.
"""

from __future__ import annotations

from dataclasses import dataclass

import tflite

from microinterp.graph import Node, Tensor
from microinterp.kernels.common import (
    Index,
    constant_ints,
    pick_by_type,
    require_rank,
    require_shape,
)
from microinterp.prepare import Arrays, Context, Kernel
from microinterp.registry import Op

MAX_RANK = 4


@dataclass(frozen=True)
class Params:
    """What is taken, counted from the last axis; a number drops its axis."""

    index: Index


@dataclass(frozen=True)
class Axis:
    """One axis of the input as the node describes it, clamped: elements start, start + stride..."""

    start: int
    stop: int
    stride: int

    @property
    def count(self) -> int:
        """Number of elements taken."""
        return max(0, -((self.start - self.stop) // self.stride))

    @property
    def index(self) -> slice:
        """The same for NumPy, to which -1 as a stop would mean the last element."""
        return slice(self.start, None if self.stop < 0 else self.stop, self.stride)


def evaluate(p: Params, arrays: Arrays) -> None:
    """in [...] -> out [...] without the dropped axes."""
    x = arrays.inputs[0]
    (out,) = arrays.outputs
    assert x is not None
    out[...] = x[p.index]


def prepare(node: Node, context: Context) -> Kernel:
    """Clamp the ranges and check the output's shape."""
    node.require_counts((4, 4))
    x, begin, end, strides, out = *map(node.input, range(4)), node.output()
    pick_by_type(node, {(name, name): evaluate for name in TYPES}, x, out)
    require_rank(node, x, 1, MAX_RANK)
    options = node.options(tflite.StridedSliceOptions)
    numbers = [constant_ints(node, tensor, x.rank) for tensor in (begin, end, strides)]
    index: list[slice | int] = []
    shape = []
    for i, (first, last, stride) in enumerate(zip(*numbers, strict=True)):
        node.require(stride != 0, f"stride of axis {i} is 0", strides)
        bit = 1 << i
        axis = _clamped(
            x.shape[i],
            None if options.BeginMask() & bit else first,
            None if options.EndMask() & bit else last,
            stride,
        )
        if options.ShrinkAxisMask() & bit:
            index.append(_single(node, axis, i, x, begin))
        else:
            index.append(axis.index)
            shape.append(axis.count)
    require_shape(node, out, tuple(shape))
    return Kernel(evaluate, Params((..., *index)))


def _clamped(size: int, begin: int | None, end: int | None, stride: int) -> Axis:
    """The range that begin and end (None: masked) mean on an axis of `size` elements."""
    low, high = (0, size) if stride > 0 else (-1, size - 1)

    def clamp(place: int) -> int:
        return min(max(place + size if place < 0 else place, low), high)

    first, last = (low, high) if stride > 0 else (high, low)
    return Axis(
        first if begin is None else clamp(begin), last if end is None else clamp(end), stride
    )


def _single(node: Node, axis: Axis, number: int, x: Tensor, begin: Tensor) -> int:
    """The element of a dropped axis. Where it is not one, TFLM leaves the output unwritten."""
    size = x.shape[number]
    node.require(
        axis.stride > 0 and axis.start < size,
        f"no element {axis.start} with stride {axis.stride} in axis {number} of size {size}, "
        "which shrink_axis_mask drops",
        begin,
        "TFLM would leave the output unwritten",
    )
    return axis.start


TYPES = ("float32", "int8", "int16", "int32", "bool")
LIMITS = ("rank 1 to 4", "begin, end and strides constant, int32")
OPS = (Op("STRIDED_SLICE", prepare, TYPES, limits=LIMITS),)

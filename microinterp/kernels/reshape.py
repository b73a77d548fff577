"""RESHAPE, SQUEEZE, EXPAND_DIMS: the same elements in the same order under another shape.

TFLM copies; that the buffers differ is what makes the arena plan come out as on the chip. RESHAPE
takes its shape from the output tensor: neither the shape input nor the option is looked at.
Source: TFLM kernels/reshape_common.cc, squeeze.cc, expand_dims.cc.
"""

from __future__ import annotations

from dataclasses import dataclass

import tflite

from microinterp.errors import UnsupportedError
from microinterp.graph import Node, Tensor
from microinterp.kernels.common import (
    constant_ints,
    pick_by_type,
    require_rank,
    require_same_type,
    require_shape,
)
from microinterp.prepare import Arrays, Context, Kernel
from microinterp.registry import Op

MAX_SQUEEZED_RANK = 8
MAX_OPTION_LENGTH = 8  # of the lists in the options: TFLM copies them into arrays of 8


@dataclass(frozen=True)
class Params:
    """Rank of the input and shape of the output, as in the file."""

    rank: int
    shape: tuple[int, ...]


def evaluate(p: Params, arrays: Arrays) -> None:
    """in [...] -> out [...] with as many elements."""
    x = arrays.inputs[0]
    (out,) = arrays.outputs
    assert x is not None
    samples = x.shape[: x.ndim - p.rank]
    out[...] = x.reshape(samples + p.shape)


def prepare_reshape(node: Node, context: Context) -> Kernel:
    """RESHAPE: types and numbers of elements must be equal."""
    node.require_counts((1, 2))
    x, out = node.input(0), node.output()
    _require_copyable(node, x, out)
    if node.operator.options_type == tflite.BuiltinOptions.ReshapeOptions:
        _require_short(node, "new_shape", node.options(tflite.ReshapeOptions).NewShapeLength())
    node.require(
        x.elements == out.elements,
        f"{out} has {out.elements} elements, wanted the input's {x.elements}",
        out,
    )
    return Kernel(evaluate, Params(x.rank, out.shape))


def prepare_squeeze(node: Node, context: Context) -> Kernel:
    """SQUEEZE: drops the dimensions that the option names, or all of size 1."""
    node.require_counts((1, 1))
    x, out = node.input(0), node.output()
    _require_copyable(node, x, out)
    require_rank(node, x, 0, MAX_SQUEEZED_RANK)
    options = node.options(tflite.SqueezeOptions)
    _require_short(node, "squeeze_dims", options.SqueezeDimsLength())
    named = options.SqueezeDimsAsNumpy().tolist() if options.SqueezeDimsLength() else []
    for axis in named:
        node.require(
            -x.rank <= axis < x.rank and x.shape[axis] == 1,
            f"cannot squeeze dimension {axis}: it is not of size 1",
            x,
        )
    dropped = {axis % x.rank for axis in named} or {i for i, n in enumerate(x.shape) if n == 1}
    require_shape(node, out, tuple(n for i, n in enumerate(x.shape) if i not in dropped))
    return Kernel(evaluate, Params(x.rank, out.shape))


def prepare_expand_dims(node: Node, context: Context) -> Kernel:
    """EXPAND_DIMS: inserts a dimension of size 1 at a constant axis."""
    node.require_counts((2, 2))
    x, axis_tensor, out = node.input(0), node.input(1), node.output()
    pick_by_type(node, {(name, name): evaluate for name in EXPAND_TYPES}, x, out)
    require_rank(node, axis_tensor, 0, 1)
    (axis,) = constant_ints(node, axis_tensor, 1)
    node.require(
        -x.rank - 1 <= axis <= x.rank, f"axis {axis} is outside rank {x.rank + 1}", axis_tensor
    )
    place = axis % (x.rank + 1)
    require_shape(node, out, (*x.shape[:place], 1, *x.shape[place:]))
    return Kernel(evaluate, Params(x.rank, out.shape))


def _require_short(node: Node, option: str, length: int) -> None:
    text = f"the option {option} has {length} numbers, TFLM holds {MAX_OPTION_LENGTH}"
    node.require(length <= MAX_OPTION_LENGTH, text)


def _require_copyable(node: Node, x: Tensor, out: Tensor) -> None:
    """Any element type; but int4 is packed where it is constant, and only there."""
    require_same_type(node, x, out)
    if x.type_code == tflite.TensorType.INT4 and x.is_constant:
        raise UnsupportedError("a packed int4 constant cannot be reshaped", node.where(x))


EXPAND_TYPES = ("float32", "int8", "int16")
OPS = (
    Op("RESHAPE", prepare_reshape, ("any",)),
    Op("SQUEEZE", prepare_squeeze, ("any",), limits=("rank up to 8",)),
    Op("EXPAND_DIMS", prepare_expand_dims, EXPAND_TYPES, limits=("axis constant",)),
)

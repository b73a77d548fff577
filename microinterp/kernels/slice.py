"""SLICE: out[i] = in[begin + i], a box of the input.

TFLM takes the box's size on trust from the size input, where -1 means "to the end"; here it must
be the output's shape. A begin that is computed at run time is kept inside the input, where TFLM
would read outside of it. Source: TFLM kernels/slice.cc, reference/slice.h.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from microinterp.graph import Node, Tensor
from microinterp.kernels.common import (
    Index,
    constant_ints,
    pick_by_type,
    require_rank,
    require_same_type,
)
from microinterp.prepare import Arrays, Context, Kernel
from microinterp.registry import Op

MAX_RANK = 5
INDEX_TYPES = ("int32", "int64")


@dataclass(frozen=True)
class Params:
    """The box, counted from the last axis."""

    box: Index


@dataclass(frozen=True, eq=False)
class ComputedParams:
    """Shape of the box, and the largest begin per axis that leaves it inside the input."""

    shape: tuple[int, ...]
    last_begin: npt.NDArray[np.int64] = field(repr=False)


def evaluate(p: Params, arrays: Arrays) -> None:
    """in [...] -> out [...] of the same rank."""
    x = arrays.inputs[0]
    (out,) = arrays.outputs
    assert x is not None
    out[...] = x[p.box]


def evaluate_computed(p: ComputedParams, arrays: Arrays) -> None:
    """in [...], begin int [rank] -> out [...]; with samples, each has a begin of its own."""
    x, begin, _ = arrays.inputs
    (out,) = arrays.outputs
    assert x is not None
    assert begin is not None
    starts = np.clip(begin, 0, p.last_begin)
    for sample in np.ndindex(starts.shape[:-1]):
        corner = zip(starts[sample].tolist(), p.shape, strict=True)
        image = x[sample] if x.ndim > len(p.shape) else x
        out[sample] = image[tuple(slice(start, start + size) for start, size in corner)]


def prepare(node: Node, context: Context) -> Kernel:
    """Check that the box has the output's shape and lies inside the input."""
    node.require_counts((3, 3))
    x, begin, size, out = node.input(0), node.input(1), node.input(2), node.output()
    pick_by_type(node, {(name, name): evaluate for name in TYPES}, x, out)
    require_rank(node, x, 1, MAX_RANK)
    require_rank(node, out, x.rank)
    require_same_type(node, begin, size)
    for tensor in (begin, size):
        require_rank(node, tensor, 1)
    node.require(
        all(have <= room for have, room in zip(out.shape, x.shape, strict=True)),
        f"{out} does not fit into {x}",
        out,
    )
    starts = _known(node, begin, x.rank)
    sizes = _known(node, size, x.rank)
    _check_sizes(node, x, out, starts, sizes)
    if starts is None:
        room = np.subtract(x.shape, out.shape).astype(np.int64)
        return Kernel(evaluate_computed, ComputedParams(out.shape, room))
    for axis, (start, have, whole) in enumerate(zip(starts, out.shape, x.shape, strict=True)):
        node.require(
            0 <= start <= whole - have,
            f"{have} elements from {start} leave axis {axis} of size {whole}",
            begin,
        )
    box = (slice(start, start + have) for start, have in zip(starts, out.shape, strict=True))
    return Kernel(evaluate, Params((..., *box)))


def _known(node: Node, tensor: Tensor, rank: int) -> tuple[int, ...] | None:
    """The numbers of a constant begin or size; None where they are computed at run time."""
    if tensor.is_constant:
        return constant_ints(node, tensor, rank, INDEX_TYPES)
    node.require(
        tensor.type_name in INDEX_TYPES and tensor.elements == rank,
        f"{tensor}, wanted {rank} elements of {' or '.join(INDEX_TYPES)}",
        tensor,
    )
    return None


def _check_sizes(
    node: Node,
    x: Tensor,
    out: Tensor,
    starts: tuple[int, ...] | None,
    sizes: tuple[int, ...] | None,
) -> None:
    """A known size must be the output's; -1 can only be checked where begin is known too."""
    for axis, size in enumerate(sizes or ()):
        if size == -1:
            size = out.shape[axis] if starts is None else x.shape[axis] - starts[axis]
        node.require(
            size == out.shape[axis],
            f"axis {axis} has {out.shape[axis]} elements, wanted {size}",
            out,
        )


TYPES = ("float32", "int8", "int16", "int32", "bool")
OPS = (Op("SLICE", prepare, TYPES),)

"""SLICE: out[i] = in[begin + i], a box of the input.

TFLM takes the box on trust: its begin, and its size, where -1 means "to the end". Here the size
must be the output's shape, and the box must lie inside the input. Where begin or size are computed
at run time and break this, invoke raises an InputError; TFLM would read or write outside.
Source: TFLM kernels/slice.cc, reference/slice.h.
"""

from __future__ import annotations

from dataclasses import dataclass

from microinterp.errors import InputError, Where
from microinterp.graph import Node, Tensor
from microinterp.kernels.common import (
    Index,
    by_sample,
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
    """What a box found at run time must be.

    Attributes:
        shape: of the box.
        room: of the input.
        begin, size: the op and these inputs, for the error.
    """

    shape: tuple[int, ...]
    room: tuple[int, ...]
    begin: Where
    size: Where


def evaluate(p: Params, arrays: Arrays) -> None:
    """in [...] -> out [...] of the same rank."""
    x = arrays.inputs[0]
    (out,) = arrays.outputs
    assert x is not None
    out[...] = x[p.box]


def evaluate_computed(p: ComputedParams, arrays: Arrays) -> None:
    """in [...], begin and size int [rank] -> out [...]; with samples, each has its own.

    Raises:
        InputError: the box does not lie inside the input, or has not the output's shape.
    """
    x, begin, size = arrays.inputs
    (out,) = arrays.outputs
    assert x is not None
    assert begin is not None
    assert size is not None
    rank = len(p.shape)
    for image, corner, sizes, result in by_sample((rank, 1, 1, rank), x, begin, size, out):
        result[...] = image[_box(p, corner.tolist(), sizes.tolist())]


def _box(p: ComputedParams, begin: list[int], size: list[int]) -> tuple[slice, ...]:
    numbers = zip(begin, size, p.shape, p.room, strict=True)
    for axis, (start, given, have, whole) in enumerate(numbers):
        if not 0 <= start <= whole - have:
            raise InputError(
                f"{have} elements from {start} leave axis {axis} of size {whole}", p.begin
            )
        wanted = whole - start if given == -1 else given
        if wanted != have:
            raise InputError(f"axis {axis} of the output has {have} elements, not {given}", p.size)
    return tuple(slice(start, start + have) for start, have in zip(begin, p.shape, strict=True))


def prepare(node: Node, context: Context) -> Kernel:
    """Check that the box has the output's shape and lies inside the input."""
    node.require_counts((3, 3))
    x, begin, size, out = node.input(0), node.input(1), node.input(2), node.output()
    pick_by_type(node, {(name, name): evaluate for name in TYPES}, x, out)
    require_rank(node, x, 0, MAX_RANK)
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
    if starts is not None:
        _check_begin(node, x, out, begin, starts)
    if starts is None or sizes is None:
        params = ComputedParams(out.shape, x.shape, node.where(begin), node.where(size))
        return Kernel(evaluate_computed, params)
    box = (slice(start, start + have) for start, have in zip(starts, out.shape, strict=True))
    return Kernel(evaluate, Params((..., *box)))


def _known(node: Node, tensor: Tensor, rank: int) -> tuple[int, ...] | None:
    """The numbers of a constant begin or size; None where they are computed at run time."""
    if tensor.is_constant or not rank:
        return constant_ints(node, tensor, rank, INDEX_TYPES)
    node.require(
        tensor.type_name in INDEX_TYPES and tensor.elements == rank,
        f"{tensor}, wanted {rank} elements of {' or '.join(INDEX_TYPES)}",
        tensor,
    )
    return None


def _check_begin(
    node: Node, x: Tensor, out: Tensor, begin: Tensor, starts: tuple[int, ...]
) -> None:
    for axis, (start, have, whole) in enumerate(zip(starts, out.shape, x.shape, strict=True)):
        node.require(
            0 <= start <= whole - have,
            f"{have} elements from {start} leave axis {axis} of size {whole}",
            begin,
        )


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
OPS = (Op("SLICE", prepare, TYPES, limits=("rank up to 5", "begin and size int32 or int64")),)

"""BROADCAST_TO: a tensor repeated along axes of size 1 or missing.

BROADCAST_ARGS: of two shapes, the shape to which both broadcast, worked out at run time.

Source: TFLM kernels/broadcast_to.cc, broadcast_args.cc, reference/broadcast_args.h.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import tflite

from microinterp.errors import InputError, UnsupportedError, Where
from microinterp.graph import Node
from microinterp.kernels.common import (
    constant_ints,
    pick_by_type,
    require_rank,
    require_same_type,
    require_shape,
)
from microinterp.prepare import Arrays, Context, Kernel
from microinterp.registry import Op

MAX_RANK = 5


@dataclass(frozen=True)
class Params:
    """Rank of the input in the file, and its shape with ones before the first axis."""

    rank: int
    extended: tuple[int, ...]


def evaluate(p: Params, arrays: Arrays) -> None:
    """in [...] -> out, in which in's axes are the last ones."""
    x, (out,) = arrays.inputs[0], arrays.outputs
    assert x is not None
    out[...] = x.reshape(x.shape[: x.ndim - p.rank] + p.extended)


def evaluate_args(where: Where, arrays: Arrays) -> None:
    """Two shapes, int32 or int64 [..., n] and [..., m] -> out [..., max(n, m)].

    Raises:
        InputError: they do not broadcast; TFLM halts then.
    """
    (out,) = arrays.outputs
    a, b = (_extended(x, out.shape[-1]) for x in arrays.inputs)
    if ((a != 1) & (b != 1) & (a != b)).any():
        raise InputError(
            "the shapes do not broadcast with each other", where, "sizes must be equal, or one 1"
        )
    out[...] = np.where(a == 1, b, a)


def _extended(x: npt.NDArray[Any] | None, length: int) -> npt.NDArray[np.int32]:
    """A shape with ones in front. TFLM cuts its numbers to int32, also those of int64."""
    assert x is not None
    ones = np.ones((*x.shape[:-1], length - x.shape[-1]), np.int32)
    return np.concatenate([ones, x.astype(np.int32)], axis=-1)


def prepare_to(node: Node, context: Context) -> Kernel:
    """Check the shape input against the output, and that the input broadcasts to it."""
    node.require_counts((2, 2))
    x, shape, out = node.input(0), node.input(1), node.output()
    require_same_type(node, x, out)
    if x.type_code == tflite.TensorType.INT4:
        raise UnsupportedError("int4 cannot be broadcast", node.where(x))
    require_rank(node, out, 1, MAX_RANK)
    require_rank(node, x, 0, out.rank)
    require_rank(node, shape, 1)
    wanted = constant_ints(node, shape, out.rank, ("int32", "int64"))
    require_shape(node, out, wanted)
    extended = (1,) * (out.rank - x.rank) + x.shape
    node.require(
        all(have in (1, size) for have, size in zip(extended, wanted, strict=True)),
        f"shape {list(x.shape)} does not broadcast to {list(wanted)}",
        x,
    )
    return Kernel(evaluate, Params(x.rank, extended))


def prepare_args(node: Node, context: Context) -> Kernel:
    """Check that both inputs are shapes and that the output has room for the longer one."""
    node.require_counts((2, 2))
    a, b, out = node.input(0), node.input(1), node.output()
    pick_by_type(node, {(name, name): evaluate_args for name in ARGS_TYPES}, a, out)
    require_same_type(node, a, b)
    for tensor in (a, b):
        require_rank(node, tensor, 1)
    require_shape(node, out, (max(a.elements, b.elements),))
    return Kernel(evaluate_args, node.where())


ARGS_TYPES = ("int32", "int64")
OPS = (
    Op(
        "BROADCAST_TO",
        prepare_to,
        ("any",),
        limits=("rank up to 5", "shape constant, int32 or int64"),
    ),
    Op("BROADCAST_ARGS", prepare_args, ARGS_TYPES),
)

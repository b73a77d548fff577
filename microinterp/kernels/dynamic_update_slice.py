"""DYNAMIC_UPDATE_SLICE: the operand with a box of it, found at run time, taken from `update`.

The box begins at the start indices, moved so that it lies inside the operand. An update as large as
the operand replaces it. Source: TFLM kernels/dynamic_update_slice.cc.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from microinterp.graph import Node
from microinterp.kernels.common import (
    MAX_SHAPE_RANK,
    by_sample,
    pick_by_type,
    require_rank,
    require_same_type,
    require_shape,
)
from microinterp.prepare import Arrays, Context, Kernel
from microinterp.registry import Op


@dataclass(frozen=True, eq=False)
class Params:
    """Shape of the box, and the last start per axis, int64 [rank], that leaves it inside."""

    shape: tuple[int, ...]
    last_start: npt.NDArray[np.int64] = field(repr=False)


def evaluate(p: Params, arrays: Arrays) -> None:
    """operand [...], update [...], starts int [rank] -> out of the operand's shape."""
    operand, update, starts = arrays.inputs
    (out,) = arrays.outputs
    assert update is not None
    assert starts is not None
    out[...] = operand
    inside = np.clip(starts, 0, p.last_start)
    rank = len(p.shape)
    for box, corner, result in by_sample((rank, 1, rank), update, inside, out):
        places = zip(corner.tolist(), p.shape, strict=True)
        result[tuple(slice(start, start + size) for start, size in places)] = box


def prepare(node: Node, context: Context) -> Kernel:
    """Check types and that the box fits into the operand."""
    node.require_counts((3, 3))
    x, update, starts, out = node.input(0), node.input(1), node.input(2), node.output()
    pick_by_type(node, {(name, name): evaluate for name in TYPES}, x, out)
    require_same_type(node, x, update)
    node.require(
        starts.type_name in ("int32", "int64"),
        f"type {starts.type_name}, wanted int32 or int64",
        starts,
    )
    require_rank(node, x, 1, MAX_SHAPE_RANK)
    require_rank(node, update, x.rank)
    require_shape(node, starts, (x.rank,))
    require_shape(node, out, x.shape)
    node.require(
        all(have <= room for have, room in zip(update.shape, x.shape, strict=True)),
        f"{update} does not fit into {x}",
        update,
    )
    return Kernel(
        evaluate, Params(update.shape, np.subtract(x.shape, update.shape).astype(np.int64))
    )


TYPES = ("float32", "int8", "int16", "int32")
LIMITS = ("rank 1 to 6", "start indices int32 or int64")
OPS = (Op("DYNAMIC_UPDATE_SLICE", prepare, TYPES, limits=LIMITS),)

"""RESIZE_NEAREST_NEIGHBOR: out[y, x] = in[near(y), near(x)], whole pixels copied.

near(i) = min(floor((i + offset) * scale), size - 1), all in float32; with align_corners rounded,
halves away from zero, instead of floor. scale = in / out, or (in - 1) / (out - 1) with
align_corners (where out > 1); offset = 1/2 with half_pixel_centers, else 0.
Source: TFLM kernels/resize_nearest_neighbor.cc, reference/resize_nearest_neighbor.h.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import tflite

from microinterp.graph import Node
from microinterp.kernels.common import pick_by_type
from microinterp.kernels.resizing import Side, resized_sides
from microinterp.prepare import Arrays, Context, Kernel
from microinterp.registry import Op


@dataclass(frozen=True, eq=False)
class Params:
    """Input row of each output row, int64 [out height, 1]; input columns, int64 [out width]."""

    rows: npt.NDArray[np.int64] = field(repr=False)
    columns: npt.NDArray[np.int64] = field(repr=False)


def evaluate(p: Params, arrays: Arrays) -> None:
    """in [..., h, w, c] -> out [..., oh, ow, c]."""
    x = arrays.inputs[0]
    (out,) = arrays.outputs
    assert x is not None
    out[...] = x[..., p.rows, p.columns, :]


def nearest(side: Side) -> npt.NDArray[np.int64]:
    """Input index for each output place along one axis."""
    scale = np.float32(side.size - side.is_aligned) / np.float32(side.outputs - side.is_aligned)
    offset = np.float32(0.5 if side.half else 0)
    place = (np.arange(side.outputs).astype(np.float32) + offset) * scale
    whole = np.floor(place)
    if side.align:
        whole += place - whole >= 0.5
    inside: npt.NDArray[np.int64] = np.minimum(whole.astype(np.int64), side.size - 1)
    return inside


def prepare(node: Node, context: Context) -> Kernel:
    """Check the geometry and work out which pixel goes where."""
    node.require_counts((2, 2))
    x, out = node.input(0), node.output()
    pick_by_type(node, {(name, name): evaluate for name in TYPES}, x, out)
    rows, columns = resized_sides(node, node.options(tflite.ResizeNearestNeighborOptions))
    return Kernel(evaluate, Params(nearest(rows)[:, None], nearest(columns)))


TYPES = ("float32", "int8", "int16")
LIMITS = ("rank 4", "size constant")
OPS = (Op("RESIZE_NEAREST_NEIGHBOR", prepare, TYPES, limits=LIMITS),)

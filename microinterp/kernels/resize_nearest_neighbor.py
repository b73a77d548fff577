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
from microinterp.kernels.common import constant_ints, pick_by_type, require_rank, require_shape
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


def nearest(size: int, outputs: int, align: bool, half: bool) -> npt.NDArray[np.int64]:
    """Input index for each of `outputs` places along an axis of `size` > 0."""
    aligned = align and outputs > 1
    scale = np.float32(size - aligned) / np.float32(outputs - aligned)
    place = (np.arange(outputs).astype(np.float32) + np.float32(0.5 if half else 0)) * scale
    whole = np.floor(place)
    if align:
        whole += place - whole >= 0.5
    inside: npt.NDArray[np.int64] = np.minimum(whole.astype(np.int64), size - 1)
    return inside


def prepare(node: Node, context: Context) -> Kernel:
    """Check the geometry and work out which pixel goes where."""
    node.require_counts((2, 2))
    x, size, out = node.input(0), node.input(1), node.output()
    pick_by_type(node, {(name, name): evaluate for name in TYPES}, x, out)
    require_rank(node, x, 4)
    require_rank(node, size, 1)
    height, width = constant_ints(node, size, 2)
    batches, rows, columns, channels = x.shape
    node.require(rows > 0 and columns > 0, f"{x} has no pixels", x)
    require_shape(node, out, (batches, height, width, channels))
    options = node.options(tflite.ResizeNearestNeighborOptions)
    align, half = options.AlignCorners(), options.HalfPixelCenters()
    params = Params(
        rows=nearest(rows, height, align, half)[:, None],
        columns=nearest(columns, width, align, half),
    )
    return Kernel(evaluate, params)


TYPES = ("float32", "int8", "int16")
LIMITS = ("rank 4", "size constant")
OPS = (Op("RESIZE_NEAREST_NEIGHBOR", prepare, TYPES, limits=LIMITS),)

"""RESIZE_BILINEAR: each output pixel is a mix of the four input pixels around its place.

float32: place = i * scale, or (i + 1/2) * scale - 1/2 with half_pixel_centers; scale = in / out, or
(in - 1) / (out - 1) with align_corners; all in float32, four products added in order.
int8: the same with places in steps of 1/1024, weights of 20 bits and one rounding at the end, half
away from zero (half up in a single-rounding build).
Left of the first pixel the weights are below 0 and above 1, but both pixels are the first one.
Source: TFLM kernels/resize_bilinear.cc, reference/resize_bilinear.h.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import tflite

from microinterp.graph import Node
from microinterp.kernels.common import Evaluate, is_float, pick_by_type
from microinterp.kernels.resizing import Side, resized_sides
from microinterp.prepare import Arrays, Context, Kernel
from microinterp.registry import Op

ONE = 1 << 10
"""A pixel, in the integer kernel's steps."""


@dataclass(frozen=True, eq=False)
class Axis:
    """Both neighbours of each output place along one axis [outputs], and the second one's weight.

    The weight is float32, or int64 in steps of 1/1024; the first one's is one minus it.
    """

    low: npt.NDArray[np.int64] = field(repr=False)
    high: npt.NDArray[np.int64] = field(repr=False)
    weight: npt.NDArray[Any] = field(repr=False)


@dataclass(frozen=True, eq=False)
class Params:
    """Where the output's rows and columns lie in the input; how a 20-bit sum is rounded."""

    rows: Axis
    columns: Axis
    halves_up: bool = False


def evaluate_float(p: Params, arrays: Arrays) -> None:
    """float32 in [..., h, w, c] -> out [..., oh, ow, c]."""
    x, (out,) = arrays.inputs[0], arrays.outputs
    assert x is not None
    out[...] = _mixed(x, p.rows, p.columns, np.float32(1)) + np.float32(0)  # -0.0 becomes 0.0


def evaluate_int(p: Params, arrays: Arrays) -> None:
    """int8 in [..., h, w, c] -> out [..., oh, ow, c]."""
    x, (out,) = arrays.inputs[0], arrays.outputs
    assert x is not None
    total = _mixed(x.astype(np.int64), p.rows, p.columns, np.int64(ONE))
    # halves away from zero: for negative sums, "away" is "down"
    down = np.zeros_like(total) if p.halves_up else (total < 0).astype(np.int64)
    out[...] = (total + (1 << 19) - down) >> 20


def _mixed(x: npt.NDArray[Any], rows: Axis, columns: Axis, one: Any) -> npt.NDArray[Any]:
    """Sum of the four neighbours times their weights, in TFLM's order."""
    down, right = rows.weight[:, None, None], columns.weight[:, None]
    low, high = rows.low[:, None], rows.high[:, None]
    total: npt.NDArray[Any] = (
        x[..., low, columns.low, :] * (one - down) * (one - right)
        + x[..., high, columns.low, :] * down * (one - right)
        + x[..., low, columns.high, :] * (one - down) * right
        + x[..., high, columns.high, :] * down * right
    )
    return total


def float_axis(side: Side) -> Axis:
    """Places in float32."""
    scale = np.float32(side.size - side.is_aligned) / np.float32(side.outputs - side.is_aligned)
    place = np.arange(side.outputs).astype(np.float32)
    place = (place + np.float32(0.5)) * scale - np.float32(0.5) if side.half else place * scale
    low = np.maximum(np.floor(place).astype(np.int64), 0)
    high = np.minimum(np.ceil(place).astype(np.int64), side.size - 1)
    return Axis(low, high, place - low.astype(np.float32))


def int_axis(side: Side) -> Axis:
    """Places in steps of 1/1024."""
    size, outputs = side.size - side.is_aligned, side.outputs - side.is_aligned
    scale = (ONE * size + outputs // 2) // outputs
    place = np.arange(side.outputs, dtype=np.int64) * scale
    if side.half:
        place = place + scale // 2 - ONE // 2
    low = np.maximum(place // ONE, 0)  # C truncates; below 0 both give 0
    high = np.minimum(-(-place // ONE), side.size - 1)
    return Axis(low, np.maximum(high, 0), place - ONE * low)


def prepare(node: Node, context: Context) -> Kernel:
    """Check the geometry and work out neighbours and weights."""
    node.require_counts((2, 2))
    x, out = node.input(0), node.output()
    evaluate = pick_by_type(node, _EVALUATE, x, out)
    options = node.options(tflite.ResizeBilinearOptions)
    sides = resized_sides(node, options)
    node.require(
        not (options.AlignCorners() and options.HalfPixelCenters()),
        "align_corners and half_pixel_centers cannot both be true",
    )
    make: Callable[[Side], Axis] = float_axis if is_float(x) else int_axis
    rows, columns = (make(side) for side in sides)
    for axis, side in zip((rows, columns), sides, strict=True):
        node.require(
            int(axis.low.max()) < side.size,
            f"TFLM's steps of 1/{ONE} leave the input of {side.size} pixels: it would read outside",
            x,
            "make the output smaller",
        )
    halves_up = context.profile.rounding(node.name) == "single"
    return Kernel(evaluate, Params(rows, columns, halves_up))


_EVALUATE: dict[tuple[str, ...], Evaluate] = {
    ("float32", "float32"): evaluate_float,
    ("int8", "int8"): evaluate_int,
}
OPS = (Op("RESIZE_BILINEAR", prepare, ("float32", "int8"), limits=("rank 4", "size constant")),)

"""ARG_MAX, ARG_MIN: place of the largest (smallest) element along one axis, the first of equals.

The search starts at the first element and moves on only to one that is truly larger (smaller). So
a NaN is never found, but one that stands first stays.
Source: TFLM kernels/arg_min_max.cc, reference/arg_min_max.h.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import tflite

from microinterp.graph import Node
from microinterp.kernels.common import (
    MAX_SHAPE_RANK,
    Evaluate,
    constant_ints,
    normalised_axis,
    pick_by_type,
    require_rank,
    require_shape,
    require_type_option,
)
from microinterp.prepare import Arrays, Context, Kernel
from microinterp.registry import Op


@dataclass(frozen=True)
class Params:
    """How to search.

    Attributes:
        axis: counted from the last one (negative).
        find: np.argmax or np.argmin.
        worst: what every other number beats, in place of NaN.
    """

    axis: int
    find: Callable[..., Any]
    worst: float


def evaluate_int(p: Params, arrays: Arrays) -> None:
    """int8 x [..., n, ...] -> out int32 [..., ...]."""
    (out,) = arrays.outputs
    out[...] = p.find(arrays.inputs[0], axis=p.axis)


def evaluate_float(p: Params, arrays: Arrays) -> None:
    """float32 x [..., n, ...] -> out int32 [..., ...]."""
    x, (out,) = arrays.inputs[0], arrays.outputs
    assert x is not None
    is_nan = np.isnan(x)
    found = p.find(np.where(is_nan, np.float32(p.worst), x), axis=p.axis)
    out[...] = np.where(is_nan.take(0, p.axis), 0, found)


def prepare_arg_max(node: Node, context: Context) -> Kernel:
    """Check an ARG_MAX."""
    return _prepare(node, np.argmax, -np.inf)


def prepare_arg_min(node: Node, context: Context) -> Kernel:
    """Check an ARG_MIN."""
    return _prepare(node, np.argmin, np.inf)


def _prepare(node: Node, find: Callable[..., Any], worst: float) -> Kernel:
    node.require_counts((2, 2))
    for kind in (tflite.ArgMaxOptions, tflite.ArgMinOptions):
        require_type_option(node, kind, "OutputType")
    x, axis_tensor, out = node.input(0), node.input(1), node.output()
    evaluate = pick_by_type(node, _EVALUATE, x, axis_tensor, out)
    require_rank(node, x, 1, MAX_SHAPE_RANK)
    (given,) = constant_ints(node, axis_tensor, 1)
    axis = normalised_axis(node, given, x.rank, axis_tensor)
    node.require(x.shape[axis] > 0, f"{x} has nothing along axis {axis}", x)
    require_shape(node, out, x.shape[:axis] + x.shape[axis + 1 :])
    return Kernel(evaluate, Params(axis - x.rank, find, worst))


_EVALUATE: dict[tuple[str, ...], Evaluate] = {
    ("float32", "int32", "int32"): evaluate_float,
    ("int8", "int32", "int32"): evaluate_int,
}
TYPES = ("float32", "int8")
LIMITS = ("output int32", "axis constant", "rank 1 to 6")
OPS = (
    Op("ARG_MAX", prepare_arg_max, TYPES, limits=LIMITS),
    Op("ARG_MIN", prepare_arg_min, TYPES, limits=LIMITS),
)

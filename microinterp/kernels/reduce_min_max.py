"""REDUCE_MAX, REDUCE_MIN, REDUCE_ALL over some axes.

float32: the search starts at the lowest (largest) finite number and moves on, in memory order, only
to an element that is truly larger (smaller). So NaN and the infinity on the wrong side are never
found, and of 0.0 and -0.0 the first one is.
Source: TFLM kernels/reduce_common.cc, kernels/internal/reference/reduce.h.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from microinterp.graph import Node, Tensor
from microinterp.kernels.common import Evaluate, is_float, pick_by_type
from microinterp.kernels.reduce import Reduction, reduction_of
from microinterp.prepare import Arrays, Context, Kernel
from microinterp.registry import Op

_LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class Params:
    """How integers and bools are reduced: np.max, np.min or np.all."""

    reduction: Reduction
    reduce: Callable[..., Any]


@dataclass(frozen=True)
class FloatParams:
    """How floats are searched.

    Attributes:
        reduction: which axes go.
        find: np.argmax or np.argmin.
        start: what an element must beat.
    """

    reduction: Reduction
    find: Callable[..., Any]
    start: float


def evaluate(p: Params, arrays: Arrays) -> None:
    """int8 or bool x [...] -> out of the same type, fewer axes or shorter ones."""
    (out,) = arrays.outputs
    r = p.reduction
    out[...] = p.reduce(arrays.inputs[0], axis=r.axes, keepdims=r.keep_dims)


def evaluate_float(p: FloatParams, arrays: Arrays) -> None:
    """float32 x [...] -> out, fewer axes or shorter ones."""
    x, (out,) = arrays.inputs[0], arrays.outputs
    assert x is not None
    r, start = p.reduction, np.float32(p.start)
    beats = x > start if p.find is np.argmax else x < start
    candidates = np.moveaxis(np.where(beats, x, start), r.axes, range(-len(r.axes), 0))
    flat = candidates.reshape((*candidates.shape[: x.ndim - len(r.axes)], r.count))
    best = np.take_along_axis(flat, p.find(flat, axis=-1)[..., None], axis=-1)
    out[...] = best.reshape(out.shape)


def prepare_max(node: Node, context: Context) -> Kernel:
    """Check a REDUCE_MAX."""
    return _prepare(node, _MIN_MAX, np.max, lambda r: FloatParams(r, np.argmax, -_LARGEST))


def prepare_min(node: Node, context: Context) -> Kernel:
    """Check a REDUCE_MIN."""
    return _prepare(node, _MIN_MAX, np.min, lambda r: FloatParams(r, np.argmin, _LARGEST))


def prepare_all(node: Node, context: Context) -> Kernel:
    """Check a REDUCE_ALL."""
    return _prepare(node, {("bool", "bool"): evaluate}, np.all, None)


def _prepare(
    node: Node,
    choices: dict[tuple[str, ...], Evaluate],
    reduce: Callable[..., Any],
    float_params: Callable[[Reduction], FloatParams] | None,
) -> Kernel:
    node.require_counts((2, 2))
    x, axis, out = node.input(0), node.input(1), node.output()
    chosen = pick_by_type(node, choices, x, out)
    reduction = reduction_of(node, x, axis, out)
    scratch = (4 * x.rank, 4 * axis.elements)
    if float_params is not None and is_float(x):
        return Kernel(chosen, float_params(reduction), scratch)
    if x.dtype == np.int8:
        _require_same_quantization(node, x, out)
    return Kernel(chosen, Params(reduction, reduce), scratch)


def _require_same_quantization(node: Node, x: Tensor, out: Tensor) -> None:
    node.require(
        (x.scale, x.zero_point) == (out.scale, out.zero_point),
        f"scale {out.scale:g} and zero point {out.zero_point}, wanted the input's {x.scale:g} and "
        f"{x.zero_point}",
        out,
        "TFLM does not rescale here: insert QUANTIZE after this op",
    )


_MIN_MAX: dict[tuple[str, ...], Evaluate] = {
    ("float32", "float32"): evaluate_float,
    ("int8", "int8"): evaluate,
}
_TYPES = ("float32", "int8")
_LIMITS = ("axis constant", "int8: input and output with the same scale and zero point")
OPS = (
    Op("REDUCE_MAX", prepare_max, _TYPES, limits=_LIMITS),
    Op("REDUCE_MIN", prepare_min, _TYPES, limits=_LIMITS),
    Op("REDUCE_ALL", prepare_all, ("bool",), limits=("axis constant",)),
)

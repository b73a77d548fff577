"""MEAN and SUM over some axes.

int8 and int16: out = clamp(requantise(sum(x) - n * x_zp) + out_zp), sums in int32, which wrap; the
factor is x_scale / out_scale, and for MEAN its multiplier is divided by n (floor) before use.
float32: elements are added one by one in memory order, then divided by n.
Source: TFLM kernels/reduce_common.cc, kernels/internal/reference/reduce.h.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import tflite

from microinterp.graph import Node, Tensor
from microinterp.kernels.common import (
    Evaluate,
    constant_ints,
    is_float,
    multiplier_of,
    normalised_axis,
    pick_by_type,
    require_quantized,
    require_shape,
)
from microinterp.kernels.scaling import Scaling, requantised
from microinterp.prepare import Arrays, Context, Kernel
from microinterp.quant.params import Multiplier
from microinterp.registry import Op

_MAX_FLOAT_MEAN_AXES = 4
"""Room for axis numbers in MeanParams, which TFLM's float MEAN fills without looking."""


@dataclass(frozen=True)
class Reduction:
    """Which axes go.

    Attributes:
        axes: counted from the last one (negative), ascending.
        count: elements that make one output.
        keep_dims: reduced axes stay, with size 1.
    """

    axes: tuple[int, ...]
    count: int
    keep_dims: bool


@dataclass(frozen=True)
class Params(Scaling):
    """Folded parameters of an integer MEAN or SUM.

    Attributes:
        reduction: which axes go.
        offset: what zero points add to a sum.
    """

    reduction: Reduction
    offset: int


def evaluate_int(p: Params, arrays: Arrays) -> None:
    """int8 or int16 x [...] -> out of the same type, fewer axes or shorter ones."""
    x, (out,) = arrays.inputs[0], arrays.outputs
    assert x is not None
    r = p.reduction
    total = x.sum(axis=r.axes, dtype=np.int32, keepdims=r.keep_dims)
    centred = (total.astype(np.int64) - p.offset).astype(np.int32)
    out[...] = requantised(centred, p, out.dtype)


def evaluate_mean_float(r: Reduction, arrays: Arrays) -> None:
    """float32 x [...] -> out, fewer axes or shorter ones."""
    x, (out,) = arrays.inputs[0], arrays.outputs
    assert x is not None
    out[...] = _sum_in_order(x, r).reshape(out.shape) / np.float32(r.count)


def evaluate_sum_float(r: Reduction, arrays: Arrays) -> None:
    """float32 x [...] -> out, fewer axes or shorter ones."""
    x, (out,) = arrays.inputs[0], arrays.outputs
    assert x is not None
    out[...] = _sum_in_order(x, r).reshape(out.shape)


def _sum_in_order(x: npt.NDArray[Any], r: Reduction) -> npt.NDArray[Any]:
    """Sums in float32; `accumulate` adds one by one, where `sum` would add in pairs."""
    last = np.moveaxis(x, r.axes, range(-len(r.axes), 0))
    flat = last.reshape((*last.shape[: x.ndim - len(r.axes)], r.count))
    # C starts at 0.0, so that a sum of -0.0 alone is 0.0.
    total: npt.NDArray[Any] = np.float32(0) + np.add.accumulate(flat, axis=-1)[..., -1]
    return total


def prepare_mean(node: Node, context: Context) -> Kernel:
    """Check a MEAN and fold its scales."""
    return _prepare(node, context, evaluate_mean_float)


def prepare_sum(node: Node, context: Context) -> Kernel:
    """Check a SUM and fold its scales."""
    return _prepare(node, context, evaluate_sum_float)


def _prepare(node: Node, context: Context, evaluate_float: Evaluate) -> Kernel:
    node.require_counts((2, 2))
    x, axis, out = node.input(0), node.input(1), node.output()
    is_mean = evaluate_float is evaluate_mean_float
    evaluate = pick_by_type(node, _EVALUATE | {("float32", "float32"): evaluate_float}, x, out)
    reduction = reduction_of(node, x, axis, out)
    # TFLM's iterator and its list of axes; for integers, sums before them.
    scratch = (4 * x.rank, 4 * axis.elements)
    if is_float(x):
        node.require(
            not is_mean or axis.elements <= _MAX_FLOAT_MEAN_AXES,
            f"lists {axis.elements} axes, TFLM has room for {_MAX_FLOAT_MEAN_AXES}",
            axis,
        )
        return Kernel(evaluate, reduction, scratch)
    require_quantized(node, x, out)
    multiplier = multiplier_of(node, float(x.scale) / float(out.scale))
    if is_mean:
        multiplier = _divided(multiplier, reduction.count)
    limits = np.iinfo(out.dtype)
    params = Params(
        reduction=reduction,
        offset=x.zero_point * reduction.count,
        requantise=context.profile.requantise(node.name),
        multiplier=multiplier.multiplier,
        shift=multiplier.shift,
        output_zero_point=out.zero_point,
        low=int(limits.min),
        high=int(limits.max),
    )
    return Kernel(evaluate, params, (4 * out.elements, *scratch))


def reduction_of(node: Node, x: Tensor, axis: Tensor, out: Tensor) -> Reduction:
    """Read and check the axes of a reducing op, and the output's shape.

    Raises:
        PrepareError: axes are not constant or out of range, or the output has another shape.
    """
    listed = constant_ints(node, axis, axis.elements)
    node.require(x.elements > 0, f"shape {list(x.shape)} has no elements", x)
    keep_dims = bool(node.options(tflite.ReducerOptions).KeepDims())
    # TFLM looks at no axis of a scalar.
    axes = {normalised_axis(node, a, x.rank, axis) for a in listed} if x.rank else set()
    left = [(1 if i in axes else size, i in axes) for i, size in enumerate(x.shape)]
    require_shape(node, out, tuple(size for size, gone in left if keep_dims or not gone))
    return Reduction(
        axes=tuple(sorted(a - x.rank for a in axes)),
        count=math.prod(x.shape[a] for a in axes),
        keep_dims=keep_dims,
    )


def _divided(multiplier: Multiplier, count: int) -> Multiplier:
    """multiplier / count: as many bits as count has are gained first, then floor."""
    bits = min(count.bit_length() - 1, 32, 31 + multiplier.shift)
    return Multiplier((multiplier.multiplier << bits) // count, multiplier.shift - bits)


_EVALUATE: dict[tuple[str, ...], Evaluate] = {
    ("int8", "int8"): evaluate_int,
    ("int16", "int16"): evaluate_int,
}
_TYPES = ("float32", "int8", "int16")

OPS = (
    Op("MEAN", prepare_mean, _TYPES, limits=("axis constant", "float32: up to 4 axes")),
    Op("SUM", prepare_sum, _TYPES, limits=("axis constant",)),
)

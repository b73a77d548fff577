"""XNNPACK's kernels without a filter that give other bytes than TFLM's, for the cause `xnnpack`.

Sources are paths in XNNPACK.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import tflite

from microinterp.compare.cause import Changed, dtype_range
from microinterp.compare.changes import field_of
from microinterp.compare.told import Array
from microinterp.graph import Tensor
from microinterp.kernels.resizing import Side, resized_sides
from microinterp.prepare import Arrays, PreparedNode

_BITS = 8  # of a unary kernel's multiplier behind the point
_WEIGHT_BITS = 11  # of a weight between two pixels


@dataclass(frozen=True)
class _Unary:
    """out = ((x - zero point) * multiplier + half) >> 8, plus the output's zero point.

    Attributes:
        below: multiplier of x below its zero point.
    """

    zero_point: int
    multiplier: int
    below: int
    output_zero_point: int


def _unary(item: PreparedNode) -> Iterator[Changed]:
    """src/qs8-vcvt, src/qs8-vlrelu, src/microparams-init.c."""
    node = item.node
    x, out = node.input(0), node.output()
    scale = np.float32(x.scale) / np.float32(out.scale)
    slope = np.float32(1)
    if node.name == "LEAKY_RELU":
        slope = np.float32(node.options(tflite.LeakyReluOptions).Alpha())
    multiplier, below = (int(np.rint(np.float32(256) * each)) for each in (scale, scale * slope))
    params = _Unary(x.zero_point, multiplier, below, out.zero_point)
    yield Changed(node, replace(item.kernel, evaluate=_evaluate_unary, params=params))


def _evaluate_unary(p: _Unary, arrays: Arrays) -> None:
    x, (out,) = arrays.inputs[0], arrays.outputs
    assert x is not None
    steps = x.astype(np.int64) - p.zero_point
    product = steps * np.where(steps > 0, p.multiplier, p.below)
    rounded = (product + (1 << (_BITS - 1))) >> _BITS
    out[...] = np.clip(rounded + p.output_zero_point, *dtype_range(out.dtype))


@dataclass(frozen=True)
class _Reduce:
    """out = sum * scale + zero point, in float32, to nearest, halves to even."""

    axes: tuple[int, ...]
    keep_dims: bool
    scale: np.float32
    zero_point: np.float32


def _reduce(item: PreparedNode) -> Iterator[Changed]:
    """src/operators/reduce-nd.c, src/xnnpack/reference-utils.h."""
    node, reduction = item.node, field_of(item.kernel.params, "reduction")
    if reduction is None:
        return
    x, out = node.input(0), node.output()
    scale = np.float32(x.scale) / np.float32(out.scale)
    if node.name == "MEAN":
        scale = scale * (np.float32(1) / np.float32(reduction.count))
    zero_point = np.float32(out.zero_point) - np.float32(reduction.count * x.zero_point) * scale
    params = _Reduce(reduction.axes, reduction.keep_dims, scale, zero_point)
    yield Changed(node, replace(item.kernel, evaluate=_evaluate_reduce, params=params))


def _evaluate_reduce(p: _Reduce, arrays: Arrays) -> None:
    x, (out,) = arrays.inputs[0], arrays.outputs
    assert x is not None
    total = x.sum(axis=p.axes, dtype=np.int32, keepdims=p.keep_dims).astype(np.float32)
    steps = np.rint(total * p.scale + p.zero_point)
    out[...] = np.clip(steps, *dtype_range(out.dtype)).astype(out.dtype)


@dataclass(frozen=True, eq=False)
class _Axis:
    """Both neighbours of each output place, and the second one's weight in steps of 1/2048."""

    low: Array
    high: Array
    weight: Array


def _resize(item: PreparedNode) -> Iterator[Changed]:
    """src/s8-ibilinear, src/indirection.c."""
    node = item.node
    sides = resized_sides(node, node.options(tflite.ResizeBilinearOptions))
    rows, columns = (_axis(side) for side in sides)
    yield Changed(node, replace(item.kernel, evaluate=_evaluate_resize, params=(rows, columns)))


def _axis(side: Side) -> _Axis:
    one = int(side.is_aligned)
    scale = np.float32(side.size - one) / np.float32(side.outputs - one)
    place = np.arange(side.outputs).astype(np.float32) * scale
    if side.half:
        place = place + (np.float32(0.5) * scale - np.float32(0.5))
    place = np.clip(place, np.float32(0), np.float32(side.size - 1))
    low = place.astype(np.int64)
    weight = np.rint((place - low.astype(np.float32)) * np.float32(1 << _WEIGHT_BITS))
    return _Axis(low, np.minimum(low + 1, side.size - 1), weight.astype(np.int64))


def _evaluate_resize(axes: tuple[_Axis, _Axis], arrays: Arrays) -> None:
    x, (out,) = arrays.inputs[0], arrays.outputs
    assert x is not None
    rows, columns = axes
    wide = x.astype(np.int64)
    top, bottom = (_between(wide[..., r, :, :], columns) for r in (rows.low, rows.high))
    total = (top << _WEIGHT_BITS) + (bottom - top) * rows.weight[:, None, None]
    out[...] = (total + (1 << (2 * _WEIGHT_BITS - 1))) >> (2 * _WEIGHT_BITS)


def _between(rows: Array, columns: _Axis) -> Array:
    left, right = rows[..., columns.low, :], rows[..., columns.high, :]
    mixed: Array = (left << _WEIGHT_BITS) + (right - left) * columns.weight[:, None]
    return mixed


def _is_int8(tensor: Tensor) -> bool:
    return tensor.dtype == np.int8 and tensor.quantization is not None


_CHANGES: dict[str, Callable[[PreparedNode], Iterator[Changed]]] = {
    "LEAKY_RELU": _unary,
    "QUANTIZE": _unary,
    "MEAN": _reduce,
    "SUM": _reduce,
    "RESIZE_BILINEAR": _resize,
}


def changed_kernels(item: PreparedNode) -> Iterator[Changed]:
    """The op as XNNPACK computes it, for int8 ops of this file; none for others."""
    node = item.node
    if node.name in _CHANGES and all(map(_is_int8, (node.input(0), node.output()))):
        yield from _CHANGES[node.name](item)

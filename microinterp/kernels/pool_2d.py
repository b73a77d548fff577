"""AVERAGE_POOL_2D, MAX_POOL_2D, L2_POOL_2D: one number for the pixels under a window, per channel.

The mean, the greatest, or the root of the mean of the squares (float only).
Only pixels of the image count, padding does not. Integers: the raw values are summed in int32 (no
zero points: input and output have the same), and the mean is rounded to nearest, halves away from
zero. Float: the sum runs in float32, row by row. Source: TFLM kernels/pooling.cc,
pooling_common.cc, l2_pool_2d.cc, reference/pooling.h and reference/integer_ops/pooling.h.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import tflite

from microinterp.graph import Node, Tensor
from microinterp.kernels.common import (
    Evaluate,
    Window,
    activation_range,
    clamp_float,
    is_float,
    make_window,
    pick_by_type,
    require_rank,
    require_shape,
    taps,
)
from microinterp.prepare import Arrays, Context, Kernel
from microinterp.quant.params import activation_range_float
from microinterp.registry import Op

MAX_SCALE_DIFFERENCE = 1e-6
"""Scales of input and output may differ by this much, as in TFLM."""


@dataclass(frozen=True)
class Params:
    """Parameters of a pool.

    Attributes:
        height, width: the windows.
        low, high: clamp limits, int or float32 as the tensors are.
    """

    height: Window
    width: Window
    low: np.float32 | int
    high: np.float32 | int

    def counts(self) -> npt.NDArray[np.int32]:
        """Pixels of the image under each output's window [rows, columns, 1]."""
        return np.multiply.outer(self.height.counts(), self.width.counts())[..., None]

    def full(self, x: npt.NDArray[Any], dtype: npt.DTypeLike, value: float) -> npt.NDArray[Any]:
        """An output for x, filled with `value`."""
        shape = (*x.shape[:-3], self.height.outputs, self.width.outputs, x.shape[-1])
        return np.full(shape, value, dtype)


def evaluate_average_int(p: Params, arrays: Arrays) -> None:
    """in [..., h, w, c] -> out [..., oh, ow, c]."""
    x, out = arrays.inputs[0], arrays.outputs[0]
    assert x is not None
    counts = p.counts()
    sums = p.full(x, np.int32, 0)
    for _, _, outputs, inputs in taps(p.height, p.width):
        sums[outputs] += x[inputs]
    sums += np.where(sums > 0, counts // 2, -(counts // 2))
    means = np.sign(sums) * (np.abs(sums.astype(np.int64)) // counts)  # C truncates
    out[...] = np.clip(means, p.low, p.high)


def evaluate_average_float(p: Params, arrays: Arrays) -> None:
    """in [..., h, w, c] -> out [..., oh, ow, c]."""
    x, out = arrays.inputs[0], arrays.outputs[0]
    assert x is not None
    sums = p.full(x, np.float32, 0)
    for _, _, outputs, inputs in taps(p.height, p.width):
        sums[outputs] += x[inputs]
    out[...] = clamp_float(sums / p.counts().astype(np.float32), p.low, p.high)


def evaluate_max(p: Params, arrays: Arrays) -> None:
    """in [..., h, w, c] -> out [..., oh, ow, c]. A NaN never is the greatest, as in C."""
    x, out = arrays.inputs[0], arrays.outputs[0]
    assert x is not None
    info = np.finfo(x.dtype) if x.dtype.kind == "f" else np.iinfo(x.dtype)
    greatest = p.full(x, x.dtype, info.min)
    for _, _, outputs, inputs in taps(p.height, p.width):
        np.copyto(greatest[outputs], x[inputs], where=x[inputs] > greatest[outputs])
    out[...] = np.clip(greatest, p.low, p.high)


def evaluate_l2(p: Params, arrays: Arrays) -> None:
    """in [..., h, w, c] -> out [..., oh, ow, c]."""
    x, out = arrays.inputs[0], arrays.outputs[0]
    assert x is not None
    sums = p.full(x, np.float32, 0)
    for _, _, outputs, inputs in taps(p.height, p.width):
        sums[outputs] += np.square(x[inputs])
    out[...] = clamp_float(np.sqrt(sums / p.counts().astype(np.float32)), p.low, p.high)


def _prepare(node: Node, evaluates: dict[tuple[str, ...], Evaluate]) -> Kernel:
    node.require_counts((1, 1))
    x, out = node.input(0), node.output()
    evaluate = pick_by_type(node, evaluates, x, out)
    options = node.options(tflite.Pool2DOptions)
    height, width = _windows(node, options, x, out)
    activation = options.FusedActivationFunction()
    if is_float(x):
        limits = activation_range_float(activation)
        return Kernel(evaluate, Params(height, width, *limits))
    node.require(
        float(abs(x.scale - out.scale)) <= MAX_SCALE_DIFFERENCE and x.zero_point == out.zero_point,
        f"quantised with scale {out.scale:g}, zero point {out.zero_point}; "
        f"the input has {x.scale:g}, {x.zero_point}",
        out,
        "a pool does not requantise",
    )
    return Kernel(evaluate, Params(height, width, *activation_range(node, activation, out)))


def _windows(
    node: Node, options: tflite.Pool2DOptions, x: Tensor, out: Tensor
) -> tuple[Window, Window]:
    for tensor in (x, out):
        require_rank(node, tensor, 4)
    batches, rows, columns, channels = x.shape
    padding = options.Padding()
    height = make_window(node, padding, rows, options.FilterHeight(), options.StrideH())
    width = make_window(node, padding, columns, options.FilterWidth(), options.StrideW())
    require_shape(node, out, (batches, height.outputs, width.outputs, channels))
    return height, width


def prepare_average(node: Node, context: Context) -> Kernel:
    """Check an AVERAGE_POOL_2D against TFLM's rules."""
    return _prepare(
        node,
        {
            ("float32", "float32"): evaluate_average_float,
            ("int8", "int8"): evaluate_average_int,
            ("int16", "int16"): evaluate_average_int,
        },
    )


def prepare_max(node: Node, context: Context) -> Kernel:
    """Check a MAX_POOL_2D against TFLM's rules."""
    return _prepare(node, {(name, name): evaluate_max for name in TYPES})


def prepare_l2(node: Node, context: Context) -> Kernel:
    """Check an L2_POOL_2D against TFLM's rules."""
    return _prepare(node, {("float32", "float32"): evaluate_l2})


TYPES = ("float32", "int8", "int16")
LIMITS = ("rank 4", "equal scales and zero points")
OPS = (
    Op("AVERAGE_POOL_2D", prepare_average, TYPES, limits=LIMITS),
    Op("MAX_POOL_2D", prepare_max, TYPES, limits=LIMITS),
    Op("L2_POOL_2D", prepare_l2, ("float32",), limits=LIMITS[:1]),
)

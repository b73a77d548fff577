"""CONV_2D: out[y, x, o] = sum over ky, kx, c of in[y*s + ky*d, x*s + kx*d, c] * w[o, ky, kx, c].

Integer kernels: acc = sum((in - in_zero_point) * w) + bias in int32 (int64 where int16
activations have a 64-bit bias), then per-channel requantisation, output zero point, clamp.
Padding adds nothing to the sum. Float: the sum runs in float32 in the order ky, kx, c.
Source: TFLM kernels/conv.cc, conv_common.cc, kernels/internal/reference/conv.h and
reference/integer_ops/conv.h.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import tflite

from microinterp.graph import Node, Tensor
from microinterp.kernels.common import (
    Window,
    activation_range,
    is_float,
    make_window,
    pad_image,
    pick_by_type,
    requantised,
    require_rank,
    require_shape,
)
from microinterp.kernels.filters import (
    accumulator_of,
    filter_multipliers,
    require_bias,
    require_float_bias,
)
from microinterp.prepare import Arrays, Context, Kernel
from microinterp.quant.fixedpoint import Requantise
from microinterp.quant.params import activation_range_float
from microinterp.registry import Op


@dataclass(frozen=True)
class Params:
    """Folded parameters of one integer convolution.

    Attributes:
        height, width: the filter's windows.
        groups: the input's channels are split into this many groups.
        input_zero_point, output_zero_point: of the activations.
        accumulator: NumPy type of the sums.
        requantise, multiplier, shift: per output channel.
        low, high: clamp limits.
    """

    height: Window
    width: Window
    groups: int
    input_zero_point: int
    accumulator: type[np.signedinteger[Any]]
    requantise: Requantise
    multiplier: npt.NDArray[np.int64]
    shift: npt.NDArray[np.int64]
    output_zero_point: int
    low: int
    high: int


@dataclass(frozen=True)
class FloatParams:
    """Parameters of a float32 convolution."""

    height: Window
    width: Window
    groups: int
    low: np.float32
    high: np.float32


def evaluate_int(p: Params, arrays: Arrays) -> None:
    """in [..., h, w, c] and w [o, kh, kw, c/groups] -> out [..., oh, ow, o]."""
    x, w, *bias = arrays.inputs
    (out,) = arrays.outputs
    assert x is not None
    assert w is not None
    centred = x.astype(p.accumulator) - p.accumulator(p.input_zero_point)
    acc = _sum_taps(pad_image(centred, p.height, p.width), w.astype(p.accumulator), p)
    if bias and bias[0] is not None:
        acc += bias[0]
    out[...] = requantised(acc, p, out.dtype)


def evaluate_float(p: FloatParams, arrays: Arrays) -> None:
    """The same in float32; every product is added by itself, as C does without FMA."""
    x, w, *bias = arrays.inputs
    (out,) = arrays.outputs
    assert x is not None
    assert w is not None
    image = pad_image(x, p.height, p.width)
    acc = np.zeros(out.shape, np.float32)
    depth, filters = w.shape[3], w.shape[0] // p.groups
    for ky in range(p.height.size):
        for kx in range(p.width.size):
            tap = image[..., p.height.tap(ky), p.width.tap(kx), :]
            for g in range(p.groups):
                part = slice(g * filters, (g + 1) * filters)
                for c in range(depth):
                    acc[..., part] += tap[..., g * depth + c, None] * w[part, ky, kx, c]
    if bias and bias[0] is not None:
        acc += bias[0]
    out[...] = np.clip(acc, p.low, p.high)


def _sum_taps(image: npt.NDArray[Any], w: npt.NDArray[Any], p: Params) -> npt.NDArray[Any]:
    """Integer sums: one small matrix product per tap and group; int32 wraps as in C."""
    depth, filters = w.shape[3], w.shape[0] // p.groups
    parts = []
    for g in range(p.groups):
        channels = slice(g * depth, (g + 1) * depth)
        weights = w[g * filters : (g + 1) * filters]
        parts.append(
            sum(
                image[..., p.height.tap(ky), p.width.tap(kx), channels] @ weights[:, ky, kx].T
                for ky in range(p.height.size)
                for kx in range(p.width.size)
            )
        )
    return parts[0] if p.groups == 1 else np.concatenate(parts, axis=-1)


def prepare(node: Node, context: Context) -> Kernel:
    """Check the node against TFLM's rules and fold its scales."""
    node.require_counts((2, 3))
    x, w, bias, out = node.input(0), node.input(1), node.optional_input(2), node.output()
    evaluate = pick_by_type(node, _EVALUATE, x, w, out)
    options = node.options(tflite.Conv2DOptions)
    height, width, groups = _geometry(node, options, x, w, out)
    activation = options.FusedActivationFunction()
    require_bias(node, bias, w.shape[0])
    if is_float(x):
        require_float_bias(node, bias)
        limits = activation_range_float(activation)
        return Kernel(evaluate, FloatParams(height, width, groups, *limits))
    multipliers = filter_multipliers(node, x, w, out, channels=w.shape[0], axis=0)
    accumulator, requantise = accumulator_of(node, context, x, bias, options.QuantizedBiasType())
    low, high = activation_range(node, activation, out)
    params = Params(
        height=height,
        width=width,
        groups=groups,
        input_zero_point=x.zero_point,
        accumulator=accumulator,
        requantise=requantise,
        multiplier=multipliers.multiplier,
        shift=multipliers.shift,
        output_zero_point=out.zero_point,
        low=low,
        high=high,
    )
    return Kernel(evaluate, params)


def _geometry(
    node: Node, options: Any, x: Tensor, w: Tensor, out: Tensor
) -> tuple[Window, Window, int]:
    for tensor in (x, w, out):
        require_rank(node, tensor, 4)
    batches, rows, columns, channels = x.shape
    filters, filter_rows, filter_columns, depth = w.shape
    node.require(
        depth > 0 and channels % depth == 0,
        f"{channels} input channels do not divide into the filter's {depth}",
        w,
    )
    groups = channels // depth
    node.require(
        groups > 0 and filters % groups == 0,
        f"{filters} filters do not divide into {groups} groups",
        w,
    )
    padding = options.Padding()
    height = make_window(
        node, padding, rows, filter_rows, options.StrideH(), options.DilationHFactor()
    )
    width = make_window(
        node, padding, columns, filter_columns, options.StrideW(), options.DilationWFactor()
    )
    require_shape(node, out, (batches, height.outputs, width.outputs, filters))
    return height, width, groups


_EVALUATE = {
    ("float32", "float32", "float32"): evaluate_float,
    ("int8", "int8", "int8"): evaluate_int,
    ("int16", "int8", "int16"): evaluate_int,
}

OPS = (Op("CONV_2D", prepare, ("float32 x float32", "int8 x int8", "int16 x int8")),)

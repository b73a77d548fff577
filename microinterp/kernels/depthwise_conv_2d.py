"""DEPTHWISE_CONV_2D: every input channel is convolved with m filters of its own.

out[y, x, o] = sum over ky, kx of in[y*s + ky*d, x*s + kx*d, o // m] * w[ky, kx, o], m being the
depth multiplier. Sums, requantisation and padding are those of CONV_2D, except that int16
activations always have 64-bit sums. Source: TFLM kernels/depthwise_conv.cc,
depthwise_conv_common.cc, reference/depthwiseconv_float.h and
reference/integer_ops/depthwise_conv.h.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import tflite
from tflite import TensorType

from microinterp.graph import Node, Tensor
from microinterp.kernels.common import (
    INT16_MAX,
    Evaluate,
    Window,
    clamp_float,
    is_float,
    pick_by_type,
    refuse_by,
    refuse_int16_zero_points,
    require_shape,
    taps,
)
from microinterp.kernels.filters import (
    BIAS_TYPES,
    FLOAT_SUMS,
    FloatParams,
    Params,
    channel_factors,
    filter_scratch,
    fold,
    operands,
    require_bias,
    require_windows,
    sample_by_sample,
)
from microinterp.kernels.scaling import requantised
from microinterp.prepare import Arrays, Context, Kernel
from microinterp.quant.params import activation_range_float
from microinterp.registry import Op


@dataclass(frozen=True)
class Geometry:
    """What is summed: the filter's windows and the filters of each channel.

    Attributes:
        height, width: the filter's windows.
        multiplier: filters of each input channel.
        channels: output channels.
    """

    height: Window
    width: Window
    multiplier: int
    channels: int


def evaluate_int(p: Params[Geometry], arrays: Arrays) -> None:
    """in [..., h, w, c], filter [1, kh, kw, c * m], bias [c * m] -> out [..., oh, ow, c * m]."""
    x, w, bias = operands(arrays)
    (out,) = arrays.outputs
    dtype = p.quant.accumulator
    sums = _sums(x.astype(dtype) - dtype(p.quant.input_zero_point), w.astype(dtype), p.geometry)
    out[...] = requantised(sums + bias, p.quant, out.dtype)


def evaluate_float(p: FloatParams[Geometry], arrays: Arrays) -> None:
    """The same in float32; every product is added by itself, as C does without FMA."""
    x, w, bias = operands(arrays)
    (out,) = arrays.outputs
    out[...] = clamp_float(_sums(x, w, p.geometry) + bias, p.low, p.high)


def _sums(x: npt.NDArray[Any], w: npt.NDArray[Any], g: Geometry) -> npt.NDArray[Any]:
    """Sums before the bias [..., oh, ow, c * m], in the type of x."""
    x = x if g.multiplier == 1 else np.repeat(x, g.multiplier, axis=-1)
    sums = np.zeros((*x.shape[:-3], g.height.outputs, g.width.outputs, g.channels), x.dtype)
    for ky, kx, outputs, inputs in taps(g.height, g.width):
        sums[outputs] += x[inputs] * w[0, ky, kx]
    return sums


def prepare(node: Node, context: Context) -> Kernel:
    """Check the node against TFLM's rules and fold its scales."""
    node.require_counts((2, 3))
    node.require(
        len(node.inputs) == 2 or node.inputs[2] is not None,
        "the bias is left out by -1, which crashes TFLM",
        hint="give the op only two inputs, or a bias of zeros",
    )
    x, w, out = node.input(0), node.input(1), node.output()
    evaluate = sample_by_sample(node, pick_by_type(node, _EVALUATE, x, w, out))
    options = node.options(tflite.DepthwiseConv2DOptions)
    geometry = _geometry(node, options, x, w, out)
    activation = options.FusedActivationFunction()
    # unlike CONV_2D, the int16 kernel reads a 64-bit bias whatever the file says
    is_int16 = x.type_code == TensorType.INT16
    bias_types = (TensorType.INT64,) if is_int16 else BIAS_TYPES[x.type_code]
    require_bias(node, geometry.channels, bias_types)
    if is_float(x):
        return Kernel(evaluate, FloatParams(geometry, *activation_range_float(activation)))
    refuse_int16_zero_points(node, context, x, out)
    _refuse_odd_int4(node, context, geometry, x, w)
    factors = channel_factors(node, geometry.channels, axis=3)
    accumulator = np.int64 if is_int16 else np.int32
    quant = fold(node, context, factors, activation, accumulator, zero_points=not is_int16)
    return Kernel(evaluate, Params(geometry, quant), filter_scratch(w))


def _refuse_odd_int4(node: Node, context: Context, g: Geometry, x: Tensor, w: Tensor) -> None:
    """The rule depthwise-int4-odd-channels."""
    windows = g.height, g.width
    is_met = (
        w.type_code == TensorType.INT4
        and x.shape[3] % 2 == 1
        and any(window.size > 1 for window in windows)
        and (g.multiplier > 1 or any(v.meets_padding() for v in windows))
        and (g.multiplier > 1 or x.shape[0] > 1 or any(v.dilation > 1 for v in windows))
    )
    message = f"an int4 filter over {x.shape[3]} channels"
    refuse_by("depthwise-int4-odd-channels", node, context, is_met, message, w)


def _geometry(
    node: Node, options: tflite.DepthwiseConv2DOptions, x: Tensor, w: Tensor, out: Tensor
) -> Geometry:
    height, width = require_windows(node, options)
    depth, multiplier = x.shape[3], options.DepthMultiplier()
    node.require(multiplier <= INT16_MAX, f"depth multiplier {multiplier} overflows TFLM's int16")
    require_shape(node, w, (1, height.size, width.size, depth * multiplier))
    channels = w.shape[3]
    require_shape(node, out, (x.shape[0], height.outputs, width.outputs, channels))
    return Geometry(height, width, multiplier, channels)


_EVALUATE: dict[tuple[str, ...], Evaluate] = {
    ("float32", "float32", "float32"): evaluate_float,
    ("int8", "int8", "int8"): evaluate_int,
    ("int8", "int4", "int8"): evaluate_int,
    ("int16", "int8", "int16"): evaluate_int,
}

OPS = (
    Op(
        "DEPTHWISE_CONV_2D",
        prepare,
        ("float32 x float32", "int8 x int8", "int8 x int4", "int16 x int8"),
        float_exactness=FLOAT_SUMS,
        limits=("rank 4", "int4 filter constant", "int16: 64-bit bias"),
    ),
)

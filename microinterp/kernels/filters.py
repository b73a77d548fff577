"""What CONV_2D, DEPTHWISE_CONV_2D and FULLY_CONNECTED share: multipliers, bias, accumulators."""

from __future__ import annotations

from typing import Any

import numpy as np
import tflite

from microinterp.graph import Node, Tensor
from microinterp.kernels.common import is_float, multipliers_of, require_quantized, require_shape
from microinterp.prepare import Context
from microinterp.quant.fixedpoint import Requantise, multiply_int64
from microinterp.quant.params import ChannelMultipliers


def filter_multipliers(
    node: Node, x: Tensor, w: Tensor, out: Tensor, channels: int, axis: int
) -> ChannelMultipliers:
    """Requantisation per output channel: in_scale * w_scale[c] / out_scale, all in double.

    A per-tensor filter scale serves every channel. Source: PopulateConvolutionQuantizationParams
    in lite/kernels/kernel_util.cc.

    Args:
        channels: number of output channels.
        axis: the filter's dimension that they run along.
    """
    require_quantized(node, x, w, out)
    assert w.quantization is not None
    scales = w.quantization.scale
    if len(scales) > 1:
        node.require(
            len(scales) == channels and w.quantization.axis == axis,
            f"{len(scales)} scales along dimension {w.quantization.axis}, "
            f"wanted {channels} along dimension {axis}",
            w,
        )
    reals = [float(x.scale) * float(s) / float(out.scale) for s in scales]
    return multipliers_of(node, reals if len(reals) == channels else reals * channels)


def require_bias(node: Node, bias: Tensor | None, channels: int) -> None:
    """Raise PrepareError unless the bias, where there is one, has one element per channel."""
    if bias is not None:
        require_shape(node, bias, (channels,))


def accumulator_of(
    node: Node, context: Context, x: Tensor, bias: Tensor | None, bias_type_if_none: int
) -> tuple[type[np.signedinteger[Any]], Requantise]:
    """Type of the sums and the requantisation that goes with it.

    int8 activations: int32. int16 activations: int32 with an int32 bias, int64 (and a multiplier
    cut to 16 bits) with an int64 one; without a bias the option quantized_bias_type decides.
    """
    bias_type = bias.type_code if bias is not None else bias_type_if_none
    if x.type_code == tflite.TensorType.INT8:
        node.require(
            bias is None or bias_type == tflite.TensorType.INT32,
            f"bias type {bias.type_name if bias else ''}, wanted int32",
            bias,
        )
        return np.int32, context.profile.requantise(node.name)
    node.require(
        bias is None or bias_type in (tflite.TensorType.INT32, tflite.TensorType.INT64),
        f"bias type {bias.type_name if bias else ''}, wanted int32 or int64",
        bias,
    )
    if bias_type == tflite.TensorType.INT32:
        return np.int32, context.profile.requantise(node.name)
    return np.int64, multiply_int64


def require_float_bias(node: Node, bias: Tensor | None) -> None:
    """Raise PrepareError unless the bias, where there is one, is float32."""
    node.require(bias is None or is_float(bias), "bias type is not float32", bias)

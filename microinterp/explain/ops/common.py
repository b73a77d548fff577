"""What explainers share: the words for a factor, and the float model's activation."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import tflite

from microinterp.graph import Node
from microinterp.quant.params import activation_range_float

_OPTIONS = {
    "CONV_2D": tflite.Conv2DOptions,
    "DEPTHWISE_CONV_2D": tflite.DepthwiseConv2DOptions,
    "FULLY_CONNECTED": tflite.FullyConnectedOptions,
    "TRANSPOSE_CONV": tflite.TransposeConvOptions,
    "ADD": tflite.AddOptions,
    "SUB": tflite.SubOptions,
    "MUL": tflite.MulOptions,
    "DIV": tflite.DivOptions,
    "AVERAGE_POOL_2D": tflite.Pool2DOptions,
    "MAX_POOL_2D": tflite.Pool2DOptions,
    "SVDF": tflite.SVDFOptions,
}
"""Options of the operators that have a fused activation."""


def ratio_text(scales: Sequence[float], out_scale: float) -> str:
    """Where a factor comes from: "0.00123 = 0.5 * 0.02 / 8.1", input scales over the output's."""
    factor = prod(scales) / out_scale if out_scale else 0.0
    return f"factor {factor:.7g} = {' * '.join(f'{s:.6g}' for s in scales)} / {out_scale:.6g}"


def activated(node: Node, real: float) -> float:
    """A real number after the op's fused activation; as it is where there is none."""
    kind = _OPTIONS.get(node.name)
    if kind is None:
        return real
    low, high = activation_range_float(node.options(kind).FusedActivationFunction())
    return min(max(real, float(low)), float(high))

"""FULLY_CONNECTED: out[b, o] = sum over d of in[b, d] * w[o, d].

The input is read as rows of the filter's depth, whatever its rank; the output may have any rank
whose last dimension is the filter's. Integers: sums, bias, requantisation and clamp as in CONV_2D,
but zero points count for int16 as well, and with one filter scale for all channels a zero point of
the filter counts too (TFLM asserts that there is none, its release builds compute with it). Scales
are multiplied in double, as the pinned wheel does: TFLM up to August 2026 multiplied per-tensor
scales in float32 (docs/decisions/0005-scales-in-double.md). Float: the sum runs in float32 in the
order of d. Source: TFLM kernels/fully_connected.cc, fully_connected_common.cc,
reference/fully_connected.h and reference/integer_ops/fully_connected.h;
GetQuantizedConvolutionMultipler in kernel_util.cc.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import tflite

from microinterp.graph import Node, Tensor
from microinterp.kernels import filters
from microinterp.kernels.common import (
    Evaluate,
    clamp_float,
    is_float,
    pick_by_type,
    refuse_by,
    refuse_int16_zero_points,
    require_quantized,
    require_rank,
)
from microinterp.kernels.filters import (
    BIAS_TYPES,
    FILTER_TYPES,
    FLOAT_SUMS,
    FloatParams,
    accumulator_of,
    channel_factors,
    filter_scratch,
    fold,
    operands,
    quantized_bias_type,
    require_bias,
    sample_by_sample,
)
from microinterp.kernels.scaling import requantised
from microinterp.prepare import Arrays, Context, Kernel
from microinterp.quant.params import activation_range_float
from microinterp.registry import Op

MAX_BIAS_ERROR = 0.02
"""How far a bias' scale may be from in_scale * filter_scale, in output steps."""


@dataclass(frozen=True)
class Geometry:
    """Shapes without a batch's axis.

    Attributes:
        input_rank: of the input in the file.
        output_shape: of the output in the file; its last dimension is the filter's first.
        depth: inputs of each sum.
    """

    input_rank: int
    output_shape: tuple[int, ...]
    depth: int

    def rows(self, x: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """x as [..., *output_shape[:-1], depth]."""
        samples = x.shape[: x.ndim - self.input_rank]
        return x.reshape((*samples, *self.output_shape[:-1], self.depth))


@dataclass(frozen=True)
class Params(filters.Params[Geometry]):
    """Parameters of an integer layer."""

    filter_zero_point: int


def evaluate_int(p: Params, arrays: Arrays) -> None:
    """in [...] of n * d elements, filter [o, d], bias [o] -> out [..., o] of n * o elements."""
    x, w, bias = operands(arrays)
    (out,) = arrays.outputs
    dtype = p.quant.accumulator
    rows = p.geometry.rows(x).astype(dtype) - dtype(p.quant.input_zero_point)
    weights = w.astype(dtype) - dtype(p.filter_zero_point)
    sums = np.einsum("...d,od->...o", rows, weights) + bias
    out[...] = requantised(sums, p.quant, out.dtype)


def evaluate_float(p: FloatParams[Geometry], arrays: Arrays) -> None:
    """The same in float32; every product is added by itself, as C does without FMA."""
    x, w, bias = operands(arrays)
    (out,) = arrays.outputs
    rows = p.geometry.rows(x)
    sums = np.zeros(rows.shape[:-1] + w.shape[:1], np.float32)
    for d in range(p.geometry.depth):
        sums += rows[..., d, None] * w[:, d]
    out[...] = clamp_float(sums + bias, p.low, p.high)


def prepare(node: Node, context: Context) -> Kernel:
    """Check the node against TFLM's rules and fold its scales."""
    node.require_counts((2, 3))
    x, w, out = node.input(0), node.input(1), node.output()
    evaluate = sample_by_sample(node, pick_by_type(node, _EVALUATE, x, w, out))
    options = node.options(tflite.FullyConnectedOptions)
    node.require(
        options.WeightsFormat() == tflite.FullyConnectedOptionsWeightsFormat.DEFAULT,
        "weights are shuffled, which TFLM does not undo",
        w,
    )
    geometry = _geometry(node, x, w, out)
    activation = options.FusedActivationFunction()
    accumulator = _accumulator(node, context, quantized_bias_type(node, options))
    require_bias(node, w.shape[0], BIAS_TYPES[x.type_code])
    if is_float(x):
        return Kernel(evaluate, FloatParams(geometry, *activation_range_float(activation)))
    refuse_int16_zero_points(node, context, x, out)
    factors, filter_zero_point = _factors(node, context, x, w, out)
    if _drops_zero_point(context, geometry, x, w):
        filter_zero_point = 0
    quant = fold(node, context, factors, activation, accumulator)
    return Kernel(evaluate, Params(geometry, quant, filter_zero_point), filter_scratch(w))


def _geometry(node: Node, x: Tensor, w: Tensor, out: Tensor) -> Geometry:
    """TFLM takes the number of rows from the output and never looks at keep_num_dims."""
    require_rank(node, w, 2)
    channels, depth = w.shape
    node.require(
        out.rank > 0 and out.shape[-1] == channels,
        f"shape {list(out.shape)}, wanted a last dimension of {channels}",
        out,
    )
    node.require(
        x.elements * channels == out.elements * depth and depth > 0,
        f"{x.elements} elements for {out.elements // channels} rows of {depth}",
        x,
    )
    return Geometry(x.rank, out.shape, depth)


def _factors(
    node: Node, context: Context, x: Tensor, w: Tensor, out: Tensor
) -> tuple[list[float], int]:
    """Output steps per unit of a sum, per channel or one for all; the filter's zero point."""
    require_quantized(node, x, w, out)
    assert w.quantization is not None
    if len(w.quantization.scale) > 1:
        node.require(
            w.type_code != tflite.TensorType.INT4,
            f"has {len(w.quantization.scale)} scales, wanted one for an int4 filter",
            w,
            "convert the model with per-tensor weights for its dense layers",
        )
        is_met = x.type_code == tflite.TensorType.INT16
        refuse_by("fully-connected-int16-channels", node, context, is_met, "several scales", w)
        return channel_factors(node, w.shape[0], axis=0), 0  # this kernel knows no zero points
    product = float(x.scale) * float(w.scale)
    _require_bias_scale(node, product, out)
    return [product / float(out.scale)], w.zero_point


def _accumulator(node: Node, context: Context, bias_type_if_none: int) -> type[Any]:
    """The type of the sums, with the rule fully-connected-int16-sums."""
    x, bias, rule = node.input(0), node.optional_input(2), "fully-connected-int16-sums"
    if x.type_code != tflite.TensorType.INT16 or not context.profile.follows(rule):
        return accumulator_of(node, bias_type_if_none)
    is_met = bias is not None and bias.type_code == tflite.TensorType.INT32
    refuse_by(rule, node, context, is_met, "a bias of int32", bias)
    return np.int64


def _drops_zero_point(context: Context, geometry: Geometry, x: Tensor, w: Tensor) -> bool:
    """Whether the rule fully-connected-filter-zero-point applies."""
    is_convolution = len(geometry.output_shape) > 2 and geometry.depth % 4 == 0
    is_other = (x.type_name, w.type_name) != ("int8", "int8")
    follows = context.profile.follows("fully-connected-filter-zero-point")
    return follows and (is_convolution or is_other)


def _require_bias_scale(node: Node, product: float, out: Tensor) -> None:
    """TFLM refuses a bias in other steps than the sums (only with one scale per tensor)."""
    bias = node.optional_input(2)
    if bias is None:
        return
    node.require(
        abs(product - float(bias.scale)) / float(out.scale) <= MAX_BIAS_ERROR,
        f"scale {bias.scale:g}, wanted input scale * filter scale = {product:g}",
        bias,
    )


_EVALUATE: dict[tuple[str, ...], Evaluate] = {
    ("float32", "float32", "float32"): evaluate_float,
    ("int8", "int8", "int8"): evaluate_int,
    ("int8", "int4", "int8"): evaluate_int,
    ("int16", "int8", "int16"): evaluate_int,
}

OPS = (
    Op(
        "FULLY_CONNECTED",
        prepare,
        FILTER_TYPES,
        float_exactness=FLOAT_SUMS,
        limits=("filter of rank 2", "int4 filter constant, with one scale"),
    ),
)

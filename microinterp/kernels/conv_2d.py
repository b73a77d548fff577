"""CONV_2D: out[y, x, o] = sum over ky, kx, c of in[y*s + ky*d, x*s + kx*d, c] * w[o, ky, kx, c].

With fewer channels in the filter than in the input, the channels fall into groups, and so do the
outputs. Integers: the sum of (in - in_zero_point) * w and the bias, in int32 (int64 where int16
activations have a 64-bit bias), then per-channel requantisation, output zero point, clamp. The
int16 kernel takes zero points for 0. Padding adds nothing to a sum. Float: the sum runs in float32
in the order ky, kx, c. Source: TFLM kernels/conv.cc, conv_common.cc,
kernels/internal/reference/conv.h and reference/integer_ops/conv.h.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import tflite
from tflite import TensorType

from microinterp.graph import Node, Tensor
from microinterp.kernels.common import (
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
    FILTER_TYPES,
    FLOAT_SUMS,
    FloatParams,
    Params,
    accumulator_of,
    channel_factors,
    filter_scratch,
    fold,
    operands,
    quantized_bias_type,
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
    """What is summed: the filter's windows and the groups of channels.

    Attributes:
        height, width: the filter's windows.
        groups, depth, filters: number of groups, input channels and filters of each one.
    """

    height: Window
    width: Window
    groups: int
    depth: int
    filters: int

    @property
    def output_shape(self) -> tuple[int, int, int]:
        """[rows, columns, filters]."""
        return self.height.outputs, self.width.outputs, self.groups * self.filters

    def slices(self) -> Iterator[tuple[slice, slice]]:
        """Input channels and filters of each group."""
        for g in range(self.groups):
            yield (
                slice(g * self.depth, (g + 1) * self.depth),
                slice(g * self.filters, (g + 1) * self.filters),
            )


def evaluate_int(p: Params[Geometry], arrays: Arrays) -> None:
    """in [..., h, w, c], filter [o, kh, kw, c / groups], bias [o] -> out [..., oh, ow, o]."""
    x, w, bias = operands(arrays)
    (out,) = arrays.outputs
    geometry, dtype = p.geometry, p.quant.accumulator
    x = x.astype(dtype) - dtype(p.quant.input_zero_point)
    w = w.astype(dtype)
    sums = np.zeros(x.shape[:-3] + geometry.output_shape, dtype)
    for channels, filters in geometry.slices():
        for ky, kx, outputs, inputs in taps(geometry.height, geometry.width):
            pixels, weights = x[inputs][..., channels], w[filters, ky, kx]
            sums[outputs][..., filters] += np.einsum("...c,oc->...o", pixels, weights)
    sums += bias
    out[...] = requantised(sums, p.quant, out.dtype)


def evaluate_float(p: FloatParams[Geometry], arrays: Arrays) -> None:
    """The same in float32; every product is added by itself, as C does without FMA."""
    x, w, bias = operands(arrays)
    (out,) = arrays.outputs
    geometry = p.geometry
    sums = np.zeros(x.shape[:-3] + geometry.output_shape, np.float32)
    for channels, filters in geometry.slices():
        for ky, kx, outputs, inputs in taps(geometry.height, geometry.width):
            pixels, weights = x[inputs][..., channels], w[filters, ky, kx]
            for c in range(geometry.depth):
                sums[outputs][..., filters] += pixels[..., c, None] * weights[:, c]
    out[...] = clamp_float(sums + bias, p.low, p.high)


def prepare(node: Node, context: Context) -> Kernel:
    """Check the node against TFLM's rules and fold its scales."""
    node.require_counts((2, 3))
    x, w, out = node.input(0), node.input(1), node.output()
    evaluate = sample_by_sample(node, pick_by_type(node, _EVALUATE, x, w, out))
    options = node.options(tflite.Conv2DOptions)
    geometry = _geometry(node, options, x, w, out)
    activation = options.FusedActivationFunction()
    accumulator = accumulator_of(node, quantized_bias_type(node, options))
    require_bias(node, w.shape[0], BIAS_TYPES[x.type_code])
    if is_float(x):
        return Kernel(evaluate, FloatParams(geometry, *activation_range_float(activation)))
    refuse_int16_zero_points(node, context, x, out)
    _refuse_groups(node, context, geometry.groups)
    factors = channel_factors(node, w.shape[0], axis=0)
    has_zero_points = x.type_code == TensorType.INT8
    quant = fold(node, context, factors, activation, accumulator, has_zero_points)
    return Kernel(evaluate, Params(geometry, quant), filter_scratch(w))


def _refuse_groups(node: Node, context: Context, groups: int) -> None:
    """The rule conv-2d-groups."""
    types = node.input(0).type_name, node.input(1).type_name
    is_met = groups > 1 and (types != ("int8", "int8") or node.optional_input(2) is None)
    refuse_by("conv-2d-groups", node, context, is_met, f"{groups} groups of channels")


def _geometry(
    node: Node, options: tflite.Conv2DOptions, x: Tensor, w: Tensor, out: Tensor
) -> Geometry:
    height, width = require_windows(node, options)
    channels, filters, depth = x.shape[3], w.shape[0], w.shape[3]
    node.require(
        depth > 0 and channels > 0 and channels % depth == 0,
        f"{channels} input channels do not divide into the filter's {depth}",
        w,
    )
    groups = channels // depth
    node.require(filters % groups == 0, f"{filters} filters do not divide into {groups} groups", w)
    require_shape(node, out, (x.shape[0], height.outputs, width.outputs, filters))
    return Geometry(height, width, groups, depth, filters // groups)


_EVALUATE: dict[tuple[str, ...], Evaluate] = {
    ("float32", "float32", "float32"): evaluate_float,
    ("int8", "int8", "int8"): evaluate_int,
    ("int8", "int4", "int8"): evaluate_int,
    ("int16", "int8", "int16"): evaluate_int,
}

OPS = (
    Op(
        "CONV_2D",
        prepare,
        FILTER_TYPES,
        float_exactness=FLOAT_SUMS,
        limits=("rank 4", "int4 filter constant"),
    ),
)

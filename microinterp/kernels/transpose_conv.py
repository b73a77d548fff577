"""TRANSPOSE_CONV: each input pixel adds its channels times the filter to the outputs under it.

out[y*s + ky - before, x*s + kx - before, o] gets the sum over c of in[y, x, c] * w[o, ky, kx, c];
`before` is the padding of the convolution that leads from the output back to the input. Outputs
under no pixel get the bias alone. Sums, requantisation and clamp are those of CONV_2D, except that
int16 activations always have 64-bit sums, and may have a 16-bit bias. Float: each sum runs in
float32 in the order y, x, c. The output's shape is the file's: TFLM never looks at input 0, which
repeats it. Source: TFLM kernels/transpose_conv.cc, reference/transpose_conv.h and
reference/integer_ops/transpose_conv.h.
"""

from __future__ import annotations

from collections.abc import Mapping
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
    constant_ints,
    is_float,
    pick_by_type,
    refuse_by,
    require_rank,
    taps,
)
from microinterp.kernels.filters import (
    FLOAT_SUMS,
    FloatParams,
    Params,
    SampleBySample,
    channel_factors,
    fold,
    quantized_bias_type,
    require_bias,
)
from microinterp.kernels.scaling import requantised
from microinterp.prepare import Arrays, Context, Kernel
from microinterp.quant.params import activation_range_float
from microinterp.registry import Op

_SHAPE, _FILTER, _INPUT, _BIAS = range(4)
_REVERSED_DEPTH = 16
"""Input channels up to which CMSIS-NN does not turn the layer into a convolution."""
BIAS_TYPES: Mapping[int, tuple[int, ...]] = {
    TensorType.FLOAT32: (TensorType.FLOAT32,),
    TensorType.INT8: (TensorType.INT32,),
    TensorType.INT16: (TensorType.INT16, TensorType.INT64),
}
"""Bias types by the input's type; TFLM reads any other as if it were one of these."""


@dataclass(frozen=True)
class Geometry:
    """Windows of the convolution from the output (its image) to the input (its outputs)."""

    height: Window
    width: Window
    channels: int

    def zeros(self, x: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Sums for x [..., h, w, c], in its type."""
        shape = (*x.shape[:-3], self.height.length, self.width.length, self.channels)
        return np.zeros(shape, x.dtype)


def evaluate_int(p: Params[Geometry], arrays: Arrays) -> None:
    """in [..., h, w, c], filter [o, kh, kw, c], bias [o] -> out [..., oh, ow, o]."""
    w, x, bias = _operands(arrays)
    (out,) = arrays.outputs
    dtype = p.quant.accumulator
    x, w = x.astype(dtype) - dtype(p.quant.input_zero_point), w.astype(dtype)
    sums = p.geometry.zeros(x)
    for ky, kx, pixels, outputs in taps(p.geometry.height, p.geometry.width):
        sums[outputs] += np.einsum("...c,oc->...o", x[pixels], w[:, ky, kx])
    out[...] = requantised(sums + bias, p.quant, out.dtype)


def evaluate_float(p: FloatParams[Geometry], arrays: Arrays) -> None:
    """The same in float32; of the pixels over an output, the last tap meets the first one."""
    w, x, bias = _operands(arrays)
    (out,) = arrays.outputs
    sums = p.geometry.zeros(x)
    for ky, kx, pixels, outputs in reversed([*taps(p.geometry.height, p.geometry.width)]):
        for c in range(x.shape[-1]):
            sums[outputs] += x[pixels][..., c, None] * w[:, ky, kx, c]
    out[...] = clamp_float(sums + bias, p.low, p.high)


def _operands(
    arrays: Arrays,
) -> tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any] | int]:
    _, w, x, *rest = arrays.inputs
    assert w is not None
    assert x is not None
    bias = rest[0] if rest else None
    return w, x, 0 if bias is None else bias.reshape(-1)


def prepare(node: Node, context: Context) -> Kernel:
    """Check the node against TFLM's rules and fold its scales."""
    node.require_counts((3, 4))
    w, x, out = node.input(_FILTER), node.input(_INPUT), node.output()
    evaluate = _by_sample(node, pick_by_type(node, _EVALUATE, x, w, out))
    options = node.options(tflite.TransposeConvOptions)
    quantized_bias_type(node, options)
    geometry = _geometry(node, options, w, x, out)
    activation = options.FusedActivationFunction()
    require_bias(node, geometry.channels, BIAS_TYPES[x.type_code], _BIAS)
    if is_float(x):
        return Kernel(evaluate, FloatParams(geometry, *activation_range_float(activation)))
    is_int16 = x.type_code == TensorType.INT16
    if not is_int16:
        wrong = _wrong_rows(geometry, x.shape[3])
        refuse_by("transpose-conv-rows", node, context, bool(wrong), wrong, out)
    if context.profile.follows("transpose-conv-activation"):
        activation = tflite.ActivationFunctionType.NONE
    accumulator = np.int64 if is_int16 else np.int32
    factors = channel_factors(node, geometry.channels, axis=0, x=x)
    quant = fold(node, context, factors, activation, accumulator, not is_int16, x)
    return Kernel(evaluate, Params(geometry, quant), _scratch(node, accumulator, out))


def _by_sample(node: Node, evaluate: Evaluate) -> Evaluate:
    """A computed filter or bias has one value per sample of a batch."""
    if all(t is None or t.is_constant for t in (*node.inputs[1:2], *node.inputs[3:])):
        return evaluate
    return SampleBySample(evaluate, tuple(0 if t is None else t.rank for t in node.inputs))


def _scratch(node: Node, accumulator: type[Any], out: Tensor) -> tuple[int, ...]:
    """TFLM's sums, and a 16-bit bias as 64 bits."""
    sums = out.elements * np.dtype(accumulator).itemsize
    bias = node.optional_input(_BIAS)
    if bias is not None and bias.type_code == TensorType.INT16:
        return sums, bias.elements * 8
    return (sums,)


def _geometry(
    node: Node, options: tflite.TransposeConvOptions, w: Tensor, x: Tensor, out: Tensor
) -> Geometry:
    for tensor in (w, x, out):
        require_rank(node, tensor, 4)
    channels, depth = w.shape[0], w.shape[3]
    node.require(x.shape[3] == depth, f"shape {list(x.shape)}, wanted {depth} channels", x)
    node.require(
        (out.shape[0], out.shape[3]) == (x.shape[0], channels),
        f"shape {list(out.shape)}, wanted {x.shape[0]} images of {channels} channels",
        out,
    )
    shape = node.input(_SHAPE)
    if shape.is_constant:
        node.require(
            constant_ints(node, shape, 4) == out.shape,
            f"says {shape.data}, the output has {list(out.shape)}",
            shape,
        )
    strides = options.StrideH(), options.StrideW()
    height, width = (
        _window(node, options.Padding(), *numbers)
        for numbers in zip(x.shape[1:3], out.shape[1:3], w.shape[1:3], strides, strict=True)
    )
    return Geometry(height, width, channels)


def _window(node: Node, padding: int, pixels: int, outputs: int, size: int, stride: int) -> Window:
    """TFLM takes the padding from the output's length, whatever the input's is."""
    for name, value in (("stride", stride), ("filter size", size)):
        node.require(0 < value <= INT16_MAX, f"{name} is {value}, wanted 1 to {INT16_MAX}")
    node.require(padding in (0, 1), f"padding {padding} is neither SAME (0) nor VALID (1)")
    if padding == tflite.Padding.SAME:
        strides = -(-outputs // stride)
    else:
        strides = int((outputs + stride - size) / stride)  # C truncates
    before = max(0, (strides - 1) * stride + size - outputs) // 2
    return Window(size, stride, 1, before, length=outputs, outputs=pixels)


def _wrong_rows(geometry: Geometry, depth: int) -> str:
    """What goes wrong in CMSIS-NN's kernel (rule transpose-conv-rows), "" for nothing.

    It adds rows of pixels to a ring of sums, and writes `stride` rows after each row of pixels that
    lies whole below the padding, then those rows that the filter reaches beyond.
    """
    height, width = geometry.height, geometry.width
    if max(height.stride, width.stride) <= 2 and depth > _REVERSED_DEPTH:
        return ""  # another kernel, without rings
    first = min(-(-height.before // height.stride), height.outputs)
    if first * height.stride != height.before:
        return f"a padding of {height.before} rows for a stride of {height.stride}"
    end = height.outputs * height.stride
    rest = range(end, end + height.size - height.stride)
    past = height.before + height.length
    written = end - height.before + sum(height.before <= row < past for row in rest)
    if written != height.length:
        return f"{written} rows are written, the output has {height.length}"
    # between the first and the last row of pixels less is skipped than at one of the two
    if any(_skipped(height, row) > height.size for row in (0, height.outputs - 1)):
        return "rows of pixels that meet no row of the output"
    columns = (width.outputs - 1) * width.stride + max(width.size, width.stride)
    if width.before + width.length > columns:
        return f"{width.length} columns of which pixels reach {columns - width.before}"
    if width.stride > max(width.size, height.stride):
        return "a scratch buffer that is too small for the stride"
    return ""


def _skipped(height: Window, row: int) -> int:
    """Rows of the filter that the kernel leaves out for a row of pixels."""
    top = row * height.stride
    below = top + height.size - height.before - height.length - 1
    return max(0, height.before - top) + max(0, below)


_EVALUATE: dict[tuple[str, ...], Evaluate] = {
    ("float32", "float32", "float32"): evaluate_float,
    ("int8", "int8", "int8"): evaluate_int,
    ("int16", "int8", "int16"): evaluate_int,
}

OPS = (
    Op(
        "TRANSPOSE_CONV",
        prepare,
        (
            "float32 x float32",
            "int8 x int8",
            "int16 x int8, 16-bit bias",
            "int16 x int8, 64-bit bias",
        ),
        float_exactness=FLOAT_SUMS,
        limits=("rank 4", "output shape from the file"),
    ),
)

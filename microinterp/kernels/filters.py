"""What layers with a filter share: scales, bias, int4 filters, computed filters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt
from tflite import TensorType

from microinterp.errors import UnsupportedError
from microinterp.graph import Node, Tensor
from microinterp.kernels.common import (
    INT16_MAX,
    MAX_LEFT_SHIFT,
    Evaluate,
    Window,
    activation_range,
    make_window,
    multipliers_of,
    require_quantized,
    require_rank,
)
from microinterp.prepare import Arrays, Context
from microinterp.quant.fixedpoint import Requantise
from microinterp.tensor_types import BY_CODE, name_of

MAX_LEFT_SHIFT_INT64 = 14
"""multiply_int64 rounds with 1 << (14 - shift), and C cannot shift by less than 0.

TFLM's contract is 7 at most, which debug builds assert; release builds compute on up to here.
"""
BIAS_TYPES = {
    TensorType.FLOAT32: (TensorType.FLOAT32,),
    TensorType.INT8: (TensorType.INT32,),
    TensorType.INT16: (TensorType.INT32, TensorType.INT64),
}
"""Bias types by the input's type. TFLM does not check most of them: it would read wild bytes."""

FILTER_TYPES = (
    "float32 x float32",
    "int8 x int8",
    "int8 x int4",
    "int16 x int8, 32-bit sums",
    "int16 x int8, 64-bit sums",
)
"""Input and filter. Sums of int16 have 32 bits where the bias has, or would have."""
FLOAT_SUMS = "exact on a PC; a chip whose compiler fuses multiply and add rounds less often"
"""Exactness of float32 sums of products (reference/fully_connected.h compiled for Cortex-M4F)."""


@dataclass(frozen=True)
class Quant:
    """The integers of one quantised layer with a filter.

    Attributes:
        input_zero_point: subtracted from each input.
        accumulator: NumPy type of the sums.
        requantise: takes sums to output steps, with their channel's multiplier and shift.
        multiplier, shift: [channels].
        output_zero_point: added after requantisation.
        low, high: clamp limits.
    """

    input_zero_point: int
    accumulator: type[np.signedinteger[Any]]
    requantise: Requantise
    multiplier: npt.NDArray[np.int64]
    shift: npt.NDArray[np.int64]
    output_zero_point: int
    low: int
    high: int


GeometryT = TypeVar("GeometryT")


@dataclass(frozen=True)
class Params(Generic[GeometryT]):
    """Parameters of an integer layer: what is summed, and its quantisation."""

    geometry: GeometryT
    quant: Quant


@dataclass(frozen=True)
class FloatParams(Generic[GeometryT]):
    """Parameters of a float32 layer: what is summed; low and high are clamp limits."""

    geometry: GeometryT
    low: np.float32
    high: np.float32


def fold(
    node: Node,
    context: Context,
    factors: Sequence[float],
    activation: int,
    accumulator: type[np.signedinteger[Any]],
    zero_points: bool = True,
    x: Tensor | None = None,
) -> Quant:
    """Fold a layer's quantisation into integers.

    Args:
        factors: output steps per unit of a sum, for each channel or one for all.
        activation: number in the schema's ActivationFunctionType.
        accumulator: int32 or int64, the type of the sums.
        zero_points: False where the kernel takes them for 0, whatever the file says.
        x: the op's activations, input 0 by default.
    """
    x, out = x or node.input(0), node.output()
    channels = out.shape[-1:]
    is_32_bit = accumulator is np.int32
    profile = context.profile
    max_left_shift = MAX_LEFT_SHIFT if is_32_bit else MAX_LEFT_SHIFT_INT64
    multipliers = multipliers_of(node, factors, max_left_shift, profile.split(node.name))
    requantise = profile.requantise if is_32_bit else profile.requantise_int64
    low, high = activation_range(node, activation, out)
    return Quant(
        input_zero_point=x.zero_point if zero_points else 0,
        accumulator=accumulator,
        requantise=requantise(node.name),
        multiplier=np.broadcast_to(multipliers.multiplier, channels),
        shift=np.broadcast_to(multipliers.shift, channels),
        output_zero_point=out.zero_point if zero_points else 0,
        low=low,
        high=high,
    )


def accumulator_of(node: Node, bias_type_if_none: int) -> type[np.signedinteger[Any]]:
    """The type of the sums of CONV_2D and FULLY_CONNECTED: with int16 inputs it is the bias'.

    Args:
        bias_type_if_none: the type that a bias which is left out would have.
    """
    x, bias = node.input(0), node.optional_input(2)
    bias_type = bias_type_if_none if bias is None else bias.type_code
    is_32_bit = x.type_code == TensorType.INT8 or bias_type == TensorType.INT32
    return np.int32 if is_32_bit else np.int64


def channel_factors(node: Node, channels: int, axis: int, x: Tensor | None = None) -> list[float]:
    """in_scale * filter_scale[c] / out_scale for each filter scale, all in double.

    There is one for each output channel, or one for all. Source:
    PopulateConvolutionQuantizationParams in lite/kernels/kernel_util.cc.

    Args:
        channels: number of output channels.
        axis: the filter's dimension that they run along.
        x: the op's activations, input 0 by default.
    """
    x, w, out = x or node.input(0), node.input(1), node.output()
    require_quantized(node, x, w, out)
    assert w.quantization is not None
    scales = w.quantization.scale
    node.require(
        len(scales) == 1 or (len(scales) == channels and w.quantization.axis == axis),
        f"{len(scales)} scales along dimension {w.quantization.axis}, "
        f"wanted one, or {channels} along dimension {axis}",
        w,
    )
    return [float(x.scale) * float(scale) / float(out.scale) for scale in scales]


def require_bias(node: Node, channels: int, types: Sequence[int], position: int = 2) -> None:
    """Raise PrepareError unless the bias is left out, or has a type and a size that fit."""
    bias = node.optional_input(position)
    if bias is None:
        return
    names = " or ".join(name_of(code) for code in types)
    node.require(bias.type_code in types, f"type {bias.type_name}, wanted {names}", bias)
    node.require(
        bias.elements == channels, f"{bias} has {bias.elements} elements, wanted {channels}", bias
    )


def quantized_bias_type(node: Node, options: Any) -> int:
    """The type that a bias which is left out would have.

    Args:
        options: Conv2DOptions or FullyConnectedOptions.

    Raises:
        PrepareError: it is no element type, which TFLM refuses for every layer.
    """
    code = int(options.QuantizedBiasType())
    node.require(code in BY_CODE, f"quantized_bias_type is {code}, which is no element type")
    return code


def require_windows(node: Node, options: Any) -> tuple[Window, Window]:
    """Height and width windows of a convolution, from its options and shapes.

    Args:
        options: Conv2DOptions or DepthwiseConv2DOptions.
    """
    x, w, out = node.input(0), node.input(1), node.output()
    for tensor in (x, w, out):
        require_rank(node, tensor, 4)
    sizes = (x.shape[1:3], w.shape[1:3])
    strides = options.StrideH(), options.StrideW()
    dilations = options.DilationHFactor(), options.DilationWFactor()
    for value in (*strides, *dilations):
        node.require(value <= INT16_MAX, f"stride or dilation {value} overflows TFLM's int16")
    height, width = (
        make_window(node, options.Padding(), *numbers)
        for numbers in zip(*sizes, strides, dilations, strict=True)
    )
    return height, width


def operands(
    arrays: Arrays,
) -> tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any] | int]:
    """Input, filter and bias [channels] of a layer; the bias is 0 where it is left out."""
    x, w, *rest = arrays.inputs
    assert x is not None
    assert w is not None
    bias = rest[0] if rest else None
    return x, w, 0 if bias is None else bias.reshape(-1)


@dataclass(frozen=True)
class SampleBySample:
    """Evaluates layers whose filter or bias is computed: a batch has one of them per sample.

    Attributes:
        evaluate: takes a batch of inputs, but only one filter and one bias.
        ranks: of each input in the file, 0 where it is left out.
    """

    evaluate: Evaluate
    ranks: tuple[int, ...]

    def __call__(self, params: Any, arrays: Arrays) -> None:
        """Evaluate a batch sample after sample, a single run as it is."""
        has_batch = [
            x is not None and x.ndim > rank
            for x, rank in zip(arrays.inputs, self.ranks, strict=True)
        ]
        if not any(has_batch):
            self.evaluate(params, arrays)
            return
        for i, out in enumerate(arrays.outputs[0]):
            inputs = tuple(
                x[i] if has and x is not None else x
                for x, has in zip(arrays.inputs, has_batch, strict=True)
            )
            self.evaluate(params, Arrays(inputs, (out,)))


@dataclass(frozen=True)
class Int4Filter:
    """Evaluates layers whose filter is packed, two int4 in a byte.

    Attributes:
        evaluate: takes an int8 filter.
        shape: of the filter.
    """

    evaluate: Evaluate
    shape: tuple[int, ...]

    def __call__(self, params: Any, arrays: Arrays) -> None:
        """Evaluate with the unpacked filter."""
        x, packed, *rest = arrays.inputs
        assert packed is not None
        inputs = (x, unpack_int4(packed, self.shape), *rest)
        self.evaluate(params, Arrays(inputs, arrays.outputs))


def unpack_int4(packed: npt.NDArray[np.uint8], shape: tuple[int, ...]) -> npt.NDArray[np.int8]:
    """Two's complement nibbles, the low one of each byte first, as int8 of `shape`."""
    nibbles = np.stack((packed << 4, packed & 0xF0), axis=-1).view(np.int8) >> 4
    return nibbles.reshape(-1)[: int(np.prod(shape))].reshape(shape)


def unpacked_filter(node: Node, evaluate: Evaluate) -> Evaluate:
    """`evaluate` in an Int4Filter if the filter is int4.

    Raises:
        UnsupportedError: it is int4 and computed (TFLM counts a byte per element in the arena but
            reads two elements from each).
    """
    w = node.input(1)
    if w.type_code != TensorType.INT4:
        return evaluate
    if w.data is None:
        raise UnsupportedError("a filter of int4 must be constant", node.where(w))
    return Int4Filter(evaluate, w.shape)


def filter_scratch(w: Tensor) -> tuple[int, ...]:
    """TFLM unpacks an int4 filter into the arena, at a byte per element."""
    return (w.elements,) if w.type_code == TensorType.INT4 else ()


def sample_by_sample(node: Node, evaluate: Evaluate) -> Evaluate:
    """`evaluate` as it is where filter and bias are constant, else in a SampleBySample."""
    evaluate = unpacked_filter(node, evaluate)
    if all(tensor is None or tensor.is_constant for tensor in node.inputs[1:]):
        return evaluate
    return SampleBySample(evaluate, tuple(0 if t is None else t.rank for t in node.inputs))

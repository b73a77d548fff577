"""What several kernels share: type and quantisation checks, windows, clamps."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import isfinite
from types import EllipsisType
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import tflite

from microinterp.errors import UnsupportedError
from microinterp.graph import Node, Tensor
from microinterp.prepare import Arrays, Context, Status
from microinterp.quant.params import (
    ChannelMultipliers,
    Multiplier,
    activation_range_int,
    channel_multipliers,
    quantize_multiplier,
)
from microinterp.tensor_types import BY_CODE

Evaluate = Callable[[Any, Arrays], Status | None]
Index: TypeAlias = "tuple[slice | int | EllipsisType, ...]"
"""An index into an array of any rank: it starts with `...`, so it counts from the last axis."""
INT16_MAX = (1 << 15) - 1
MAX_SHAPE_RANK = 6
"""Dimensions that most of TFLM's kernels hold (RuntimeShape::kMaxSmallSize)."""
MAX_LEFT_SHIFT = 30
"""A requantisation factor of 2^30 or more shifts an int32 out of itself; no sane scale needs it."""


def pick_by_type(
    node: Node, choices: Mapping[tuple[str, ...], Evaluate], *tensors: Tensor
) -> Evaluate:
    """The evaluate function for the element types of `tensors`.

    Raises:
        UnsupportedError: TFLM has no such combination; the hint lists those there are.
    """
    types = tuple(tensor.type_name for tensor in tensors)
    if types in choices:
        return choices[types]
    offered = "; ".join(" x ".join(key) for key in choices)
    raise UnsupportedError(
        f"element types {' x '.join(types)} are not supported",
        node.where(),
        f"this op takes {offered}",
    )


def require_type(node: Node, type_name: str, *tensors: Tensor) -> None:
    """Raise UnsupportedError unless every tensor has that element type."""
    for tensor in tensors:
        if tensor.type_name != type_name:
            raise UnsupportedError(
                f"element type {tensor.type_name} is not supported",
                node.where(tensor),
                f"this op takes {type_name} here",
            )


def require_same_type(node: Node, *tensors: Tensor) -> None:
    """Raise PrepareError unless all tensors have the first one's element type."""
    for tensor in tensors[1:]:
        node.require(
            tensor.type_code == tensors[0].type_code,
            f"type {tensor.type_name}, wanted {tensors[0].type_name}",
            tensor,
        )


def require_shape(node: Node, tensor: Tensor, shape: tuple[int, ...]) -> None:
    """Raise PrepareError unless `tensor` has exactly `shape`."""
    node.require(tensor.shape == shape, f"shape {list(tensor.shape)}, wanted {list(shape)}", tensor)


def refuse_by(
    rule: str,
    node: Node,
    context: Context,
    is_met: bool,
    message: str,
    tensor: Tensor | None = None,
) -> None:
    """Raise PrepareError where the profile follows `rule` and the layer is one that it refuses."""
    node.require(
        not (is_met and context.profile.follows(rule)),
        f"{message} (rule {rule} of the profile {context.profile.name})",
        tensor,
        "docs/profiles.md explains the rule",
    )


def refuse_int16_zero_points(node: Node, context: Context, *tensors: Tensor) -> None:
    """The rule int16-zero-points: the profile takes no int16 tensor whose zero point is not 0."""
    for t in tensors:
        is_met = t.type_code == tflite.TensorType.INT16 and t.zero_point != 0
        refuse_by("int16-zero-points", node, context, is_met, f"zero point {t.zero_point}", t)


def require_rank(node: Node, tensor: Tensor, low: int, high: int | None = None) -> None:
    """Raise PrepareError unless low <= rank <= high (high defaults to low)."""
    high = low if high is None else high
    wanted = f"{low}" if low == high else f"{low} to {high}"
    node.require(low <= tensor.rank <= high, f"rank {tensor.rank}, wanted {wanted}", tensor)


def unary_operands(node: Node) -> tuple[Tensor, Tensor]:
    """Input and output of an op that keeps the shape.

    Raises:
        PrepareError: there are more, their shapes differ, or have more than 6 dimensions.
    """
    node.require_counts((1, 1))
    x, out = node.input(0), node.output()
    require_rank(node, x, 0, MAX_SHAPE_RANK)
    require_shape(node, out, x.shape)
    return x, out


def constant_ints(
    node: Node, tensor: Tensor, count: int, types: tuple[str, ...] = ("int32",)
) -> tuple[int, ...]:
    """The `count` numbers in a constant tensor (axes, paddings, ...) that prepare must know.

    Raises:
        PrepareError: it is computed at run time, or has another type or number of elements.
    """
    node.require(
        tensor.type_name in types, f"type {tensor.type_name}, wanted {' or '.join(types)}", tensor
    )
    node.require(
        tensor.elements == count, f"has {tensor.elements} elements, wanted {count}", tensor
    )
    if tensor.data is None and count:  # a file holds no data of a tensor without elements
        hint = "TFLM plans memory before it runs: fold this tensor into a constant"
        raise node.error("is computed at run time, wanted a constant", tensor, hint)
    return () if tensor.data is None else tuple(int(value) for value in tensor.data.ravel())


def require_type_option(node: Node, kind: type[Any], option: str) -> None:
    """Raise PrepareError where an option names a type that the schema lacks: TFLM cannot read it.

    Args:
        kind: class of the options in the `tflite` package; other options, or none, are let pass.
        option: its method that gives the type's number.
    """
    if node.operator.options_type == getattr(tflite.BuiltinOptions, kind.__name__):
        code = getattr(node.options(kind), option)()
        node.require(code in BY_CODE, f"the option {option} is {code}, which is no type")


def normalised_axis(node: Node, axis: int, rank: int, tensor: Tensor | None = None) -> int:
    """`axis` as 0 to rank - 1; negative ones count from the end. Raises PrepareError outside."""
    node.require(-rank <= axis < rank, f"axis {axis} is outside rank {rank}", tensor)
    return axis % rank


def along_axis(sizes: Sequence[int], axis: int) -> tuple[Index, ...]:
    """Index of each of several parts that follow each other along `axis` (negative)."""
    ends = accumulate(sizes)
    behind = (slice(None),) * (-axis - 1)
    return tuple(
        (..., slice(end - size, end), *behind) for size, end in zip(sizes, ends, strict=True)
    )


def bytes_of(array: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """A contiguous array's bytes, flat; writing to them writes to it."""
    return array.reshape(-1).view(np.uint8)


def by_sample(
    ranks: Sequence[int], *arrays: npt.NDArray[Any]
) -> Iterator[tuple[npt.NDArray[Any], ...]]:
    """The arrays of one sample after the other, for what no index can do for all at once.

    `ranks` are those in the file: an array with no more axes than that is shared by all samples.
    """
    leading = (a.shape[: a.ndim - rank] for a, rank in zip(arrays, ranks, strict=True))
    for sample in np.ndindex(max(leading, key=len)):
        yield tuple(a[sample] if a.ndim > r else a for a, r in zip(arrays, ranks, strict=True))


def require_quantized(node: Node, *tensors: Tensor) -> None:
    """Raise PrepareError unless each tensor has a scale and zero point."""
    for tensor in tensors:
        node.require(
            tensor.quantization is not None,
            f"{tensor.type_name} tensor has no quantisation",
            tensor,
            "quantise the model fully to integers",
        )


def require_positive_scales(node: Node, *tensors: Tensor) -> None:
    """Raise PrepareError unless each scale is above 0 (the file's rules let a constant have 0)."""
    for tensor in tensors:
        node.require(bool(tensor.scale > 0), f"scale is {tensor.scale:g}, wanted above 0", tensor)


def require_zero_points(node: Node, value: int, *tensors: Tensor) -> None:
    """Raise PrepareError unless the zero point of each tensor is `value`."""
    for tensor in tensors:
        node.require(
            tensor.zero_point == value,
            f"zero point {tensor.zero_point}, wanted {value} for {tensor.type_name}",
            tensor,
        )


def is_float(tensor: Tensor) -> bool:
    """True for float32."""
    return bool(tensor.type_code == tflite.TensorType.FLOAT32)


def multiplier_of(node: Node, real: float) -> Multiplier:
    """quantize_multiplier with the range that an int32 requantisation stands."""
    _require_finite(node, real)
    result = quantize_multiplier(real)
    _require_shift(node, result.shift, real, MAX_LEFT_SHIFT)
    return result


def multiplier_below_one(node: Node, real: float, tensor: Tensor) -> Multiplier:
    """The multiplier of a requantisation factor between 0 and 1; on any other TFLM halts.

    Raises:
        PrepareError: it is another one; names `tensor`.
    """
    result = quantize_multiplier(real) if 0 < real < 1 else None
    if result is None or result.shift > 0:
        raise node.error(
            f"requantisation factor {real:g}, wanted one between 0 and 1",
            tensor,
            "the output's scale is too small for the scales of the inputs, or one of them is 0",
        )
    return result


def multipliers_of(
    node: Node,
    reals: Sequence[float],
    max_left_shift: int = MAX_LEFT_SHIFT,
    split: Callable[[float], Multiplier] = quantize_multiplier,
) -> ChannelMultipliers:
    """channel_multipliers with the range that the requantisation stands."""
    for real in reals:
        if not isfinite(real):
            _require_finite(node, real)
    result = channel_multipliers(reals, split)
    for at in np.flatnonzero(result.shift > max_left_shift).tolist():
        _require_shift(node, int(result.shift[at]), reals[at], max_left_shift)
    return result


def _require_finite(node: Node, real: float) -> None:
    node.require(isfinite(real), f"requantisation factor {real:g}, wanted a finite one")


def _require_shift(node: Node, shift: int, real: float, limit: int) -> None:
    node.require(
        shift <= limit,
        f"requantisation factor {real:g} is 2^{limit} or more",
        hint="the output's scale is far too small for its inputs' scales",
    )


def activation_range(node: Node, activation: int, output: Tensor) -> tuple[int, int]:
    """Clamp limits of a quantised output. Raises PrepareError where TFLM refuses them."""
    try:
        return activation_range_int(activation, output.scale, output.zero_point, output.dtype)
    except OverflowError as error:
        raise node.error(str(error), output) from None


def clamp_float(
    x: npt.NDArray[Any], low: np.float32 | float, high: np.float32 | float
) -> npt.NDArray[Any]:
    """min(max(x, low), high) as C++ has it: NaN stays, and so does -0.0 at a limit of 0."""
    raised = np.where(x < low, low, x)
    result: npt.NDArray[Any] = np.where(raised > high, high, raised)
    return result


@dataclass(frozen=True, slots=True)
class Window:
    """How a filter moves over an image, along one axis.

    Attributes:
        size: taps of the filter.
        stride, dilation: in pixels.
        before: padding before the first pixel.
        length: input pixels.
        outputs: output pixels.
    """

    size: int
    stride: int
    dilation: int
    before: int
    length: int
    outputs: int

    def taps(self) -> range:
        """The taps that may meet the image; the others lie in the padding for every output."""
        first = self.before - (self.outputs - 1) * self.stride
        last = self.before + self.length - 1
        return range(max(0, -(-first // self.dilation)), min(self.size, last // self.dilation + 1))

    def meets(self, tap: int) -> tuple[slice, slice]:
        """The outputs whose tap `tap` lies inside the image, and the pixels that it meets there."""
        offset = tap * self.dilation - self.before
        first = max(0, -(offset // self.stride))
        last = min(self.outputs - 1, (self.length - 1 - offset) // self.stride)
        if first > last:
            return slice(0, 0), slice(0, 0)
        start, stop = first * self.stride + offset, last * self.stride + offset + 1
        return slice(first, last + 1), slice(start, stop, self.stride)

    def meets_padding(self) -> bool:
        """True if some tap lies outside the image for some output."""
        last = (self.outputs - 1) * self.stride + (self.size - 1) * self.dilation - self.before
        return self.before > 0 or last >= self.length

    def counts(self) -> npt.NDArray[np.int32]:
        """How many taps lie inside the image, for each output [outputs]."""
        found = np.zeros(self.outputs, np.int32)
        for tap in self.taps():
            found[self.meets(tap)[0]] += 1
        return found


def make_window(
    node: Node, padding: int, length: int, size: int, stride: int, dilation: int = 1
) -> Window:
    """The window of one axis, with TFLite's SAME or VALID padding.

    Raises:
        PrepareError: stride, dilation or size is not positive, no output is left, or the padding
            is more than TFLM can count.
    """
    for name, value in (("stride", stride), ("dilation", dilation), ("filter size", size)):
        node.require(value > 0, f"{name} is {value}, wanted 1 or more")
    node.require(padding in (0, 1), f"padding {padding} is neither SAME (0) nor VALID (1)")
    effective = (size - 1) * dilation + 1
    if padding == tflite.Padding.SAME:
        outputs = -(-length // stride)
        total = max(0, (outputs - 1) * stride + effective - length)
    else:
        outputs = (length - effective + stride) // stride
        total = 0
    node.require(
        outputs > 0, f"filter of {effective} pixels does not fit the {length} of the input"
    )
    before = total // 2
    node.require(before <= INT16_MAX, f"padding of {before} pixels overflows TFLM's int16")
    return Window(size, stride, dilation, before, length, outputs)


def taps(height: Window, width: Window) -> Iterator[tuple[int, int, Index, Index]]:
    """Each tap of a filter, row by row, that meets the image: its row, column and two indexes.

    The first index finds the outputs, the second one the pixels that the tap meets there, both in
    arrays [..., height, width, channels]. What lies in the padding is in no index.
    """
    for row in height.taps():
        out_rows, in_rows = height.meets(row)
        for column in width.taps():
            out_columns, in_columns = width.meets(column)
            outputs: Index = (..., out_rows, out_columns, slice(None))
            yield row, column, outputs, (..., in_rows, in_columns, slice(None))

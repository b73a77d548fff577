"""Rules about the quantisation of each tensor."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from tflite import TensorType

from microinterp.errors import Problem, Where
from microinterp.model import FileTensor, Model
from microinterp.rules.common import (
    INT32_MAX,
    error,
    is_constant,
    op_name,
    tensor_where,
    warning,
)
from microinterp.tensor_types import BY_CODE, name_of

_NARROW = (TensorType.INT4, TensorType.INT8, TensorType.UINT8, TensorType.INT16, TensorType.UINT16)
_INT4_RANGE = (-8, 7)


def zero_points_match_scales(model: Model) -> Iterator[Problem]:
    """There is one zero point for each scale, or one for all of them."""
    for tensor, where in _tensors(model):
        if tensor.quantization is None:
            continue
        scales, zeros = len(tensor.quantization.scale), len(tensor.quantization.zero_point)
        if zeros not in (1, scales):
            yield error(f"has {zeros} zero points for {scales} scales", where)


def channels_match_shape(model: Model) -> Iterator[Problem]:
    """With several scales there is one for each index of the quantised dimension.

    The bias of a layer has only one dimension, whichever one it names; float tensors are exempt.
    """
    for tensor, where in _tensors(model):
        if tensor.quantization is None or _integer_range(tensor) is None:
            continue
        count, shape = len(tensor.quantization.scale), tensor.shape or ()
        axis = 0 if len(shape) == 1 else tensor.quantization.axis
        if count == 1:
            continue
        if not 0 <= axis < len(shape):
            text = f"has {count} scales along dimension {axis}, the tensor has {len(shape)}"
            yield error(text, where)
        elif shape[axis] != count:
            text = f"has {count} scales along dimension {axis}, whose size is {shape[axis]}"
            yield error(text, where)


def scales_usable(model: Model) -> Iterator[Problem]:
    """Scales of integer tensors are finite and not negative, and not zero where data is computed.

    Converters write scale 0 for weight channels that are all zero, and for integers that are
    not quantised at all (shapes, indices): TFLM computes the same with it.
    """
    for tensor, where in _tensors(model):
        if tensor.quantization is None or _integer_range(tensor) is None:
            continue
        scale = tensor.quantization.scale
        bad = _first(~np.isfinite(scale) | np.signbit(scale))
        zero = _first(scale == 0)
        if bad is not None:
            yield error(f"scale {bad} is {scale[bad]}, wanted a positive number", where)
        elif zero is not None and tensor.type_code in _NARROW:
            report = warning if is_constant(model, tensor) else error
            yield report(f"scale {zero} is 0, so nothing but zero can be stored", where)


def zero_points_in_range(model: Model) -> Iterator[Problem]:
    """Zero points of integer tensors lie in the range of the element type, and of int32."""
    for tensor, where in _tensors(model):
        limits = _integer_range(tensor)
        if tensor.quantization is None or limits is None:
            continue
        zeros, (low, high) = tensor.quantization.zero_point, limits
        bad = _first((zeros < low) | (zeros > high))
        if bad is not None:
            kind = name_of(tensor.type_code)
            text = f"zero point {bad} is {zeros[bad]}, {kind} holds {low} to {high}"
            yield error(text, where)


def _tensors(model: Model) -> Iterator[tuple[FileTensor, Where]]:
    """Every tensor but those that TFLM_DECODE unpacks.

    They are bytes, and `compress` leaves them the quantisation of what they were before.
    """
    for subgraph in model.subgraphs:
        packed: set[int] = set()
        others: set[int] = set()
        for op in subgraph.operators:
            is_decode = op_name(model, op) == "TFLM_DECODE"
            (packed if is_decode else others).update(op.inputs)
        packed -= others.union(subgraph.outputs)
        for tensor in subgraph.tensors:
            if tensor.index not in packed or not is_constant(model, tensor):
                yield tensor, tensor_where(subgraph, tensor.index)


def _integer_range(tensor: FileTensor) -> tuple[int, int] | None:
    """Least and greatest zero point; None for types that are not quantised."""
    if tensor.type_code == TensorType.INT4:
        return _INT4_RANGE
    entry = BY_CODE.get(tensor.type_code)
    if entry is None or entry.dtype is None or tensor.type_code == TensorType.RESOURCE:
        return None
    dtype = np.dtype(entry.dtype)
    if dtype.kind not in "iu":
        return None
    info = np.iinfo(dtype)
    return max(int(info.min), -INT32_MAX - 1), min(int(info.max), INT32_MAX)


def _first(broken: npt.NDArray[Any]) -> int | None:
    return int(np.argmax(broken)) if broken.any() else None

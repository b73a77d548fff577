"""What a caller of ModelBuilder hands over, checked and turned into what the file holds."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import tflite

from microinterp import tensor_types
from microinterp.errors import InputError
from microinterp.model_options import enum_value, int_vector
from microinterp.model_writer import QuantizationRecord

Shape: TypeAlias = Sequence[int] | None
Scale: TypeAlias = float | Sequence[float] | npt.NDArray[Any] | None
ZeroPoint: TypeAlias = int | Sequence[int] | npt.NDArray[Any] | None

_OMITTED = -1  # the tensor number of an optional input that is left out
_MAX_INT64 = 2**63 - 1
# What an array's own type means; int4 and resource are kept in NumPy types of other names.
_NAMES = {
    np.dtype(entry.dtype): entry.name
    for entry in tensor_types.BY_CODE.values()
    if entry.dtype is not None and entry.name not in ("int4", "resource")
}


def text_value(value: object, what: str) -> str:
    """Return a str as it is. Raises InputError on anything else."""
    if not isinstance(value, str):
        raise InputError(f"{what} is a str, not {type(value).__name__}")
    return value


def bytes_value(value: object, what: str) -> bytes:
    """Return bytes, or a copy of a bytearray or memoryview. Raises InputError on anything else."""
    if not isinstance(value, (bytes, bytearray, memoryview)):
        raise InputError(f"{what} is bytes, not {type(value).__name__}")
    return bytes(value)


def integer_value(value: Any, what: str, low: int = -(2**31), high: int = 2**31 - 1) -> int:
    """Return an integer from `low` to `high`. Raises InputError."""
    try:
        number = operator.index(value)
    except TypeError:
        raise InputError(f"{what} is an integer, not {value!r}") from None
    if not low <= number <= high:
        raise InputError(f"{what} is from {low} to {high}, not {number}")
    return number


def int32_vector(values: Sequence[int], what: str) -> npt.NDArray[np.int32]:
    """Return integers as int32. Raises InputError."""
    try:
        return int_vector(values)
    except (TypeError, OverflowError):
        raise InputError(f"{what} is a list of int32 numbers, not {values!r}") from None


def tensor_numbers(numbers: Sequence[int | None]) -> npt.NDArray[np.int32]:
    """Return an op's tensor list with -1 for None. Raises InputError."""
    try:
        given = [_OMITTED if number is None else number for number in numbers]
    except TypeError:
        raise InputError(f"the tensors of an op are a list, not {numbers!r}") from None
    return int32_vector(given, "the tensors of an op")


def dtype_code(dtype: str) -> int:
    """Return the number of a TensorType name. Raises InputError."""
    return enum_value(tflite.TensorType, text_value(dtype, "a dtype"))


def quantization_record(
    scale: Scale, zero_point: ZeroPoint, axis: int
) -> QuantizationRecord | None:
    """Return quantisation as the file holds it, None for none. Raises InputError.

    A single zero point is repeated for each scale, because TFLM reads one for each; a list of them
    is written as it is.
    """
    if scale is None and zero_point is None:
        return None
    scales = None if scale is None else _scales(scale)
    zeros = None
    if zero_point is not None:
        zeros = _zero_points(zero_point)
        if np.ndim(zero_point) == 0 and scales is not None:
            zeros = np.repeat(zeros, scales.size)
    return QuantizationRecord(scales, zeros, integer_value(axis, "axis"))


def _scales(scale: Any) -> npt.NDArray[np.float32]:
    array = _number_list(scale, "iuf")
    if array is None:
        raise InputError(f"scale is a number or a list of numbers, not {scale!r}")
    with np.errstate(over="ignore"):  # beyond float32 is infinity: a broken model on purpose
        return array.astype(np.float32)


def _zero_points(zero_point: Any) -> npt.NDArray[np.int64]:
    array = _number_list(zero_point, "iu")
    if array is None or (array.size and int(array.max()) > _MAX_INT64):
        raise InputError(f"zero_point is an int64 number or a list of them, not {zero_point!r}")
    return array.astype(np.int64)


def _number_list(values: Any, kinds: str) -> npt.NDArray[Any] | None:
    """A number or a list as an array [n]; None for anything else."""
    try:
        array = np.asarray(values)
    except ValueError:
        return None
    sound = array.ndim <= 1 and (array.size == 0 or array.dtype.kind in kinds)
    return np.atleast_1d(array) if sound else None


def constant_data(
    values: npt.ArrayLike, dtype: str | None
) -> tuple[bytes, tuple[int, ...] | None, int]:
    """Return (bytes in the file, shape or None for raw bytes, type number). Raises InputError."""
    if isinstance(values, (bytes, bytearray, memoryview)):
        if dtype is None:
            raise InputError("raw bytes do not tell their type", hint="give dtype and shape")
        return bytes(values), None, dtype_code(dtype)
    array = _array(values)
    code = dtype_code(dtype or _own_dtype(array, values))
    array = _converted(array, code)
    data = _pack_int4(array) if code == tflite.TensorType.INT4 else array.tobytes()
    return data, array.shape, code


def _array(values: npt.ArrayLike) -> npt.NDArray[Any]:
    try:
        array = np.asarray(values)
    except ValueError:
        raise InputError("the values of a constant are no array: rows differ in length") from None
    if array.dtype.kind not in "biufc":
        raise InputError(f"the values of a constant are numbers, not {array.dtype}")
    return array


def _own_dtype(array: npt.NDArray[Any], values: npt.ArrayLike) -> str:
    if not isinstance(values, (np.ndarray, np.generic)):
        hint = 'give dtype="int32" or whatever it is'
        raise InputError("a plain list or number does not tell its type", hint=hint)
    name = _NAMES.get(array.dtype.newbyteorder("="))
    if name is None:
        raise InputError(f"the schema has no tensors of {array.dtype}", hint="give dtype")
    return name


def _converted(array: npt.NDArray[Any], code: int) -> npt.NDArray[Any]:
    """The array in the file's type and byte order; floats may be rounded, integers not changed."""
    entry = tensor_types.BY_CODE[code]
    if entry.dtype is None:
        hint = "give the values as bytes, and a shape"
        raise InputError(f"NumPy has no {entry.name}", hint=hint)
    with np.errstate(invalid="ignore", over="ignore"):
        converted = array.astype(np.dtype(entry.dtype).newbyteorder("<"))
    exact = converted.dtype.kind in "fc" or np.array_equal(converted, array)
    if not exact or (code == tflite.TensorType.INT4 and not _fits_int4(converted)):
        raise InputError(f"the values do not all fit {entry.name}")
    return converted


def _fits_int4(array: npt.NDArray[Any]) -> bool:
    return bool(((array >= -8) & (array <= 7)).all())


def _pack_int4(array: npt.NDArray[Any]) -> bytes:
    """Two elements a byte, the first in the low nibble; an odd last one leaves zero above it."""
    nibbles = array.ravel().astype(np.uint8) & 0x0F
    nibbles = np.append(nibbles, np.zeros(nibbles.size % 2, np.uint8))
    return (nibbles[0::2] | nibbles[1::2] << 4).astype(np.uint8).tobytes()

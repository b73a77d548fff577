"""Element types of the TFLite schema: names, NumPy types and sizes as TFLM counts them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from tflite import TensorType


@dataclass(frozen=True, slots=True)
class ElementType:
    """One entry of the schema's TensorType.

    Attributes:
        code: number in the schema.
        name: the schema's name, in lower case.
        dtype: NumPy type of one element in the arena; None where TFLM has no such tensors.
        nbytes: bytes per element in the arena (TfLiteTypeSizeOf in micro/memory_helpers.cc).
    """

    code: int
    name: str
    dtype: npt.DTypeLike | None
    nbytes: int


# int4 activations take a whole byte each; only constant int4 buffers are packed, two per byte.
# A resource handle is its int32 id.
_NUMPY = {
    "FLOAT16": np.float16,
    "FLOAT32": np.float32,
    "FLOAT64": np.float64,
    "INT8": np.int8,
    "INT16": np.int16,
    "INT32": np.int32,
    "INT64": np.int64,
    "UINT8": np.uint8,
    "UINT16": np.uint16,
    "UINT32": np.uint32,
    "UINT64": np.uint64,
    "BOOL": np.bool_,
    "COMPLEX64": np.complex64,
    "COMPLEX128": np.complex128,
    "INT4": np.int8,
    "RESOURCE": np.int32,
}


def _entries() -> dict[int, ElementType]:
    found = {}
    for name, code in vars(TensorType).items():
        if name.startswith("_"):
            continue
        dtype = _NUMPY.get(name)
        nbytes = np.dtype(dtype).itemsize if dtype is not None else 0
        found[code] = ElementType(code, name.lower(), dtype, nbytes)
    return found


BY_CODE = _entries()


def name_of(code: int) -> str:
    """Schema name of a TensorType number in lower case, or `type N` for a number it lacks."""
    entry = BY_CODE.get(code)
    return entry.name if entry else f"type {code}"

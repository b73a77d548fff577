"""Numbers as JSON has them, without loss: also the floats that JSON lacks."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def plain(array: Array) -> Any:
    """An array as nested lists of numbers.

    Floats have the digits that give the same float again; infinities are "Infinity" and
    "-Infinity", a NaN is "NaN:" and its bits in hexadecimal.
    """
    if array.dtype.kind == "c":
        return plain(array.view(array.real.dtype).reshape(*array.shape, 2))
    if array.dtype.kind != "f" or np.isfinite(array).all():
        return array.tolist()
    if array.ndim:
        return [plain(part) for part in array]
    value = array.item()
    if math.isnan(value):
        return f"NaN:{bits(array)}"
    return value if math.isfinite(value) else "Infinity" if value > 0 else "-Infinity"


def bits(number: Array) -> str:
    """The bytes of one number in hexadecimal, the highest first."""
    return np.asarray(number, number.dtype.newbyteorder("<")).tobytes()[::-1].hex()


def from_plain(values: Any, dtype: npt.DTypeLike, shape: tuple[int, ...]) -> Array:
    """The array [*shape] that `plain` was given."""
    kind = np.dtype(dtype)
    if kind.kind == "c":
        return from_plain(values, f"f{kind.itemsize // 2}", (*shape, 2)).view(kind).reshape(shape)
    flat = np.empty(math.prod(shape), kind)
    for at, value in enumerate(_leaves(values)):
        if isinstance(value, str) and value.startswith("NaN:"):
            raw = bytes.fromhex(value.removeprefix("NaN:"))
            flat[at : at + 1] = np.frombuffer(raw[::-1], kind.newbyteorder("<"))
        else:
            flat[at] = float(value) if kind.kind == "f" else value
    return flat.reshape(shape)


def _leaves(values: Any) -> Any:
    if not isinstance(values, list):
        yield values
        return
    for value in values:
        yield from _leaves(value)

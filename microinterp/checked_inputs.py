"""What callers give to an interpreter, held to the model: numbers of inputs, dtypes, shapes."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from microinterp.errors import InputError, printable
from microinterp.graph import Tensor

ItemT = TypeVar("ItemT")


def at(items: tuple[ItemT, ...], index: int, what: str) -> ItemT:
    """The input or output of that number. Raises InputError if there is none."""
    if not isinstance(index, (int, np.integer)) or not 0 <= index < len(items):
        raise InputError(
            f"no {what} {printable(str(index))}: the model has {len(items)}",
            hint=f"{what}s are numbered 0 to {len(items) - 1}" if items else "",
        )
    return items[index]


def checked_input(array: npt.ArrayLike, tensor: Tensor, index: int, batch: bool = False) -> Any:
    """An array of exactly the input's dtype and shape; of a batch with one more axis in front.

    Raises InputError.
    """
    return checked_array(array, tensor, f"input {index} '{printable(tensor.name)}'", batch)


def checked_array(array: npt.ArrayLike, tensor: Tensor, name: str, batch: bool = False) -> Any:
    """As `checked_input`; `name` is what errors call the tensor."""
    given = np.asarray(array)
    if given.dtype != tensor.dtype:
        raise InputError(
            f"{name} takes {tensor.dtype}, got {given.dtype}",
            hint="quantise it with the scale and zero point in get_input_details",
        )
    shape = given.shape[1:] if batch else given.shape
    if shape != tensor.shape or given.ndim != tensor.rank + batch:
        wanted = ", ".join(("N",) * batch + tuple(map(str, tensor.shape)))
        raise InputError(f"{name} takes shape [{wanted}], got {list(given.shape)}")
    return given


def checked_batch(arrays: tuple[npt.ArrayLike, ...], inputs: tuple[Tensor, ...]) -> list[Any]:
    """One array [N, *shape] for each input, N the same for all. Raises InputError."""
    if len(arrays) != len(inputs):
        raise InputError(f"the model has {len(inputs)} inputs, got {len(arrays)} arrays")
    checked = [
        checked_input(array, tensor, i, batch=True)
        for i, (array, tensor) in enumerate(zip(arrays, inputs, strict=True))
    ]
    if len({len(array) for array in checked}) > 1:
        counts = ", ".join(str(len(array)) for array in checked)
        raise InputError(f"the inputs of a batch have {counts} samples, wanted one number for all")
    return checked

"""Arrays in pieces that stay in a core's own cache, and constants as long as a piece."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from microinterp.prepare import Arrays, Kernel

BLOCK = 1 << 14
"""Elements of a piece: a dozen microseconds of work, next to which a call costs little."""


def blocks(elements: int) -> Iterator[slice]:
    """Pieces of a flat array [elements], one after the other."""
    for start in range(0, elements, BLOCK):
        yield slice(start, min(elements, start + BLOCK))


def constants(elements: int, value: float, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """`value` as often as the longest piece of a flat array [elements] needs it.

    np.maximum and np.minimum take ten times longer with a scalar than with an array.
    """
    return np.full(min(elements, BLOCK), value, dtype)


def bits_of(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """A contiguous array's elements as unsigned numbers of the same size, flat."""
    return array.reshape(-1).view(f"u{array.dtype.itemsize}")


def every(dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """Every element of a type of 1 or 2 bytes, ordered by its bits as an unsigned number."""
    unsigned = np.dtype(f"u{dtype.itemsize}")
    return np.arange(1 << 8 * dtype.itemsize, dtype=unsigned).view(dtype)


def unary(arrays: Arrays) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Input and output of an op on single elements, flat."""
    x, out = arrays.inputs[0], arrays.outputs[0]
    assert x is not None
    return x.reshape(-1), out.reshape(-1)


def tabulated(
    kernel: Kernel, inputs: tuple[npt.NDArray[Any], ...], dtype: npt.DTypeLike, piece: int
) -> npt.NDArray[Any] | None:
    """What a plain kernel makes of inputs that broadcast, flat; None where it ends with an error.

    It runs on pieces of some `piece` elements along the first axis: arrays that the allocator has
    to fetch from the system take most of the time otherwise.
    """
    shape = np.broadcast_shapes(*(x.shape for x in inputs))
    outputs = np.empty(shape, dtype)
    step = max(1, piece // int(np.prod(shape[1:])))
    with np.errstate(all="ignore"):
        for start in range(0, len(outputs), step):
            part = slice(start, start + step)
            pieces = tuple(x[part] if len(x) > 1 else x for x in inputs)
            if kernel.evaluate(kernel.params, Arrays(pieces, (outputs[part],))):
                return None
    outputs.setflags(write=False)  # layers and threads share it
    return outputs.reshape(-1)

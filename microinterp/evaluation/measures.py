"""What is kept of every answer: a few numbers per sample, the same whoever computes them.

Sums of floats are `math.fsum`'s, which are rounded once, so that no order of summation shows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from microinterp.graph import Tensor
from microinterp.inputs import dequantise

Array = npt.NDArray[Any]


def scores(output: Array) -> dict[str, Array]:
    """Raw scores of every class [n, classes]."""
    return {"scores": output.reshape(len(output), -1)}


def errors(output: Array, tensor: Tensor, targets: Array) -> dict[str, Array]:
    """Of every sample: sums over its elements of |e| and e * e, and the largest |e|.

    Args:
        output: raw [n, *shape].
        tensor: its scale and zero point.
        targets: true values [n, elements].
    """
    distances = np.abs(_real(output, tensor) - targets)
    return {
        "absolute": _sums(distances),
        "squared": _sums(_squares(distances)),
        "largest": distances.max(axis=1, initial=0.0),
    }


def reconstruction(
    output: Array, tensor: Tensor, given: Array, input_tensor: Tensor
) -> dict[str, Array]:
    """Mean squared distance between each output and its input, both as real values."""
    distances = _real(output, tensor) - _real(given, input_tensor)
    return {"error": _sums(_squares(distances)) / max(1, distances.shape[1])}


def agreement(ours: Sequence[Array], theirs: Sequence[Array], output: int) -> dict[str, Array]:
    """How two runtimes' outputs differ.

    Returns:
        Of every sample: bytes that differ over all outputs, the largest difference of two raw
        numbers, and whether output `output` has its highest element in the same place.
    """
    count = len(ours[0])
    differing, largest = np.zeros(count, np.int64), np.zeros(count)
    for mine, other in zip(ours, theirs, strict=True):
        flat = [np.ascontiguousarray(a).reshape(count, -1) for a in (mine, other)]
        as_bytes = [a.view(np.uint8) for a in flat]
        differing += np.count_nonzero(as_bytes[0] != as_bytes[1], axis=1)
        steps = np.abs(flat[0].astype(np.float64) - flat[1].astype(np.float64))
        largest = np.maximum(largest, np.nan_to_num(steps).max(axis=1, initial=0.0))
    tops = [best(arrays[output].reshape(count, -1)) for arrays in (ours, theirs)]
    return {"differing": differing, "apart": largest, "same_top": tops[0] == tops[1]}


def best(values: Array) -> npt.NDArray[np.intp]:
    """Index of the highest of each row [n, elements]; of equals the first, and NaN is lowest."""
    found: npt.NDArray[np.intp] = ordered(values).argmax(axis=1)
    return found


def ordered(values: Array) -> Array:
    """The same numbers with NaN as the lowest."""
    return np.where(np.isnan(values), -np.inf, values) if values.dtype.kind == "f" else values


def _real(values: Array, tensor: Tensor) -> npt.NDArray[np.float64]:
    return dequantise(values, tensor).reshape(len(values), -1)


def _squares(distances: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    with np.errstate(over="ignore"):  # a square beyond a double is infinity
        return distances * distances


def _sums(rows: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.array([_sum(row.tolist()) for row in rows], np.float64)


def _sum(values: list[float]) -> float:
    try:
        return math.fsum(values)
    except (OverflowError, ValueError):  # infinities, or sums beyond a double
        return math.nan if any(map(math.isnan, values)) else math.inf

"""hypothesis strategies that the operator tests share: shapes, scales, zero points, constants."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st

ACTIVATIONS = ("NONE", "RELU", "RELU6", "RELU_N1_TO_1")


def seeds() -> st.SearchStrategy[int]:
    """Seeds of NumPy generators for contents that need no shrinking."""
    return st.integers(0, 2**32 - 1)


def scales(low: float = 1e-4, high: float = 2.0) -> st.SearchStrategy[float]:
    """Quantisation scales: spread evenly over the exponents, powers of two among them."""
    exponents = st.floats(np.log2(low), np.log2(high))
    powers = st.integers(int(np.ceil(np.log2(low))), int(np.floor(np.log2(high))))
    return st.one_of(exponents, powers).map(lambda e: float(np.float32(2.0**e)))


def zero_points(dtype: str) -> st.SearchStrategy[int]:
    """Zero points: anywhere in int8, always 0 for int16."""
    return st.integers(-128, 127) if dtype == "int8" else st.just(0)


def shapes(
    min_rank: int = 1, max_rank: int = 4, max_side: int = 6
) -> st.SearchStrategy[tuple[int, ...]]:
    """Shapes of small tensors."""
    sides = st.integers(1, max_side)
    return st.lists(sides, min_size=min_rank, max_size=max_rank).map(tuple)


def integers_like(rng: np.random.Generator, dtype: str, shape: tuple[int, ...]) -> npt.NDArray[Any]:
    """Random integers over the whole range of `dtype`."""
    info = np.iinfo(dtype)
    return rng.integers(info.min, info.max, shape, np.dtype(dtype), endpoint=True)

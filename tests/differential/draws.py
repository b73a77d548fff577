"""Samples for cases whose inputs are not free: floats of every kind, indices that lie inside."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from microinterp.graph import Graph, Tensor
from microinterp.runtimes.tflm import Sample
from tests.differential.case import Draw
from tests.oracle import random_input

Array = npt.NDArray[Any]
ROUGH = np.array(
    [0.0, -0.0, 1.0, 1.0, -1.0, 3e38, -3e38, np.inf, -np.inf, np.nan, np.nan, 1e-45, -1e-45],
    np.float32,
)


def rough_samples(rng: np.random.Generator, graph: Graph, count: int) -> list[Sample]:
    """Random samples in which a part of the floats is infinite, NaN, a zero or equal to others."""
    share = rng.choice([0.0, 0.3, 1.0])

    def one(tensor: Tensor) -> Array:
        plain = random_input(rng, tensor)
        if tensor.dtype != np.float32:
            return plain
        rough = rng.choice(ROUGH, tensor.shape)
        return np.where(rng.random(tensor.shape) < share, rough, plain).astype(np.float32)

    return [[one(t) for t in graph.main.inputs] for _ in range(count)]


def with_numbers(numbers: Callable[[np.random.Generator, Graph, Tensor], Array | None]) -> Draw:
    """Random samples, but for inputs of which `numbers` returns an array (it fixes the type)."""

    def draw(rng: np.random.Generator, graph: Graph, count: int) -> list[Sample]:
        samples: list[Sample] = []
        for _ in range(count):
            sample = []
            for tensor in graph.main.inputs:
                given = numbers(rng, graph, tensor)
                sample.append(
                    random_input(rng, tensor) if given is None else given.astype(tensor.dtype)
                )
            samples.append(sample)
        return samples

    return draw

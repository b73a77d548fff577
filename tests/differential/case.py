"""One row of the differential tests: an operator, a combination of types, and its random models."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from hypothesis.strategies import SearchStrategy

from microinterp.graph import Graph
from microinterp.runtimes.tflm import Sample
from tests.oracle import random_samples

Draw = Callable[[np.random.Generator, Graph, int], Sequence[Sample]]


@dataclass(frozen=True)
class Case:
    """Random models of one operator in one combination of types.

    Attributes:
        op: the operator's name.
        types: exactly as in the operator's Op.types.
        models: draws the bytes of .tflite files that TFLM takes; attributes reach their edges.
        samples: invokes per model; several in a row show state.
        draw: makes the samples (None among them resets); random over the types by default.
        ulps: units in the last place by which float32 may differ; 0 wherever TFLM's arithmetic
            is sums and products only.
        hidden: names of tensors that are not compared themselves, since TFLM leaves elements of
            them unset; the model has ops behind them that pick those that are set.
    """

    op: str
    types: str
    models: SearchStrategy[bytes]
    samples: int = 3
    draw: Draw = random_samples
    ulps: int = 0
    hidden: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """For test ids and the command line."""
        return f"{self.op}[{self.types}]"

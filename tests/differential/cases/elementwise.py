"""Random models of the element-wise operators."""

from __future__ import annotations

import numpy as np

from microinterp.graph import Graph
from microinterp.runtimes.tflm import Sample
from tests.differential.case import Case
from tests.ops.elementwise import drawn_by, random_values
from tests.ops.elementwise_models import COMPARISONS, FILLS, MODELS

ULPS = {"SIN": 1, "COS": 1, "LOG": 1, "LOG_SOFTMAX": 2}
"""By which C's float32 functions may differ from ours."""


def draw_roots(rng: np.random.Generator, graph: Graph, count: int) -> list[Sample]:
    """Integers from the zero point up; TFLM stops at others."""
    (x,) = graph.main.inputs
    if x.dtype.kind == "f":
        return drawn_by(random_values)(rng, graph, count)
    high = int(np.iinfo(x.dtype).max)
    return [
        [rng.integers(x.zero_point, high, x.shape, x.dtype, endpoint=True)] for _ in range(count)
    ]


CASES = tuple(
    Case(
        op,
        types,
        models.map(lambda model: model.data),
        samples=5 if op in COMPARISONS else 3,  # their results are often the same
        draw=draw_roots if op == "RSQRT" else drawn_by(FILLS.get(op, random_values)),
        ulps=ULPS.get(op, 0) if types == "float32" else 0,
    )
    for (op, types), models in MODELS.items()
)

"""Random models of control flow and of resource variables."""

from __future__ import annotations

import numpy as np

from microinterp.graph import Graph
from microinterp.runtimes.tflm import Sample
from tests.differential.case import Case
from tests.graphs.models import FLOW, graphs
from tests.ops.variable_programs import programs
from tests.oracle import random_samples


def with_reset(rng: np.random.Generator, graph: Graph, count: int) -> list[Sample]:
    """Random samples, with a reset among them."""
    samples = random_samples(rng, graph, count)
    samples.insert(int(rng.integers(1, count)), None)
    return samples


def _program_case(op: str, types: str, once: bool) -> Case:
    models = programs()
    if once:
        models = models.filter(lambda program: program.init is not None)
    return Case(op, types, models.map(lambda program: program.data), samples=5, draw=with_reset)


CASES = (
    *(
        Case(op, types, graphs(1, 4, FLOW, first=op), samples=4, draw=with_reset)
        for op, types in (("IF", "bool, any"), ("WHILE", "any"))
    ),
    _program_case("CALL_ONCE", "any", once=True),
    _program_case("VAR_HANDLE", "resource", once=False),
    _program_case("READ_VARIABLE", "any", once=False),
    _program_case("ASSIGN_VARIABLE", "any", once=False),
)

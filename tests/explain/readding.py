"""Random elements of random ops of random models, explained and added up again."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import hypothesis
import numpy as np
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from microinterp import Interpreter
from microinterp.errors import PrepareError, UnsupportedError
from microinterp.explain import explain
from microinterp.explain.ops import FAMILIES, explainer_of
from microinterp.graph import Node
from microinterp.runtimes.tflm import Sample
from tests.differential.case import Case
from tests.explain.evaluator import evaluate


@dataclass
class Tally:
    """What has been explained so far: elements by operator, and the different values."""

    elements: int = 0
    by_op: Counter[str] = field(default_factory=Counter)
    values: set[object] = field(default_factory=set)

    def add(self, other: Tally) -> None:
        """Count what another one has counted."""
        self.elements += other.elements
        self.by_op += other.by_op
        self.values |= other.values


def readd(
    data: bytes,
    samples: Sequence[Sample],
    seed: int,
    tally: Tally,
    profile: str = "tflm",
    op: str = "",
) -> None:
    """Explain a random element of a random op, of those of the main subgraph that can be.

    The printed steps, done again, must give the element that an interpreter of its own gives.
    """
    rng = np.random.default_rng(seed)
    truth = Interpreter.from_bytes(
        data, preserve_all_tensors=True, profile=profile, kernels="plain"
    )
    nodes = [n for n in truth.graph.main.nodes if op in ("", n.name) and opens(n)]
    if not nodes:
        return
    node = nodes[rng.integers(len(nodes))]
    number = int(rng.integers(len(node.outputs)))
    tensor = node.outputs[number]
    index = tuple(int(rng.integers(size)) for size in tensor.shape)
    given = [sample for sample in samples if sample is not None]
    for sample in given:
        for i, array in enumerate(sample):
            truth.set_input(array, i)
        status = truth.invoke()
        if status:
            return  # a streaming op waits: what follows has not run
    arrays = [np.stack(each) for each in zip(*given, strict=True)]
    explanation = explain(
        data, node.index, index, arrays, output=number, profile=profile, sample=len(given) - 1
    )
    printed = json.loads(json.dumps(explanation.as_dict()))
    value = evaluate(printed)
    check_reads(printed, truth, node)
    wanted = truth.get_tensor(tensor.index)[index]
    assert np.asarray(value, wanted.dtype).tobytes() == wanted.tobytes(), (node, value, wanted)
    tally.elements += 1
    tally.by_op[node.name] += 1
    tally.values.add((node.name, value))


def check_reads(printed: dict[str, Any], truth: Interpreter, node: Node) -> None:
    """The numbers that steps say they have read stand at these places."""
    behind = truth.graph.main.nodes[node.index :]
    changed = {tensor.index for other in behind for tensor in other.outputs}
    for step in printed["steps"]:
        number = step.get("tensor_index")
        if number is None or number in changed:
            continue
        tensor = truth.graph.main.tensors[number]
        assert step["tensor"] == tensor.name
        if tensor.is_variable:
            continue
        values = truth.get_tensor(number)
        reads = [(step["at"], step["result"])] if "at" in step else []
        reads += [(term["at"], term["numbers"][0]) for term in step.get("terms", ())]
        for at, value in reads:
            assert np.asarray(value, values.dtype).tobytes() == values[tuple(at)].tobytes()


def opens(node: Node) -> bool:
    """True if every output of an op can be explained."""
    try:
        for number in range(len(node.outputs)):
            explainer_of(node, number)
    except UnsupportedError:
        return False
    return bool(node.outputs) and all(tensor.elements for tensor in node.outputs)


def has_integers(case: Case) -> bool:
    """True for a case whose operator is explained and whose types are not all float32.

    Control flow and what only writes variables have no elements of their own.
    """
    names = {name for family in FAMILIES.values() for name in family}
    return case.op in names and set(re.split(" x | -> ", case.types)) != {"float32"}


def explain_case(
    case: Case, count: int, seed: int = 0, profile: str = "tflm"
) -> tuple[Tally, str | None]:
    """Explain an element of `count` random models of a case; what went wrong first, or None.

    Models that the profile refuses are left out.
    """
    tally = Tally()

    @hypothesis.seed(seed)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
    )
    @given(data=case.models, inputs=st.integers(0, 2**32 - 1))
    def check(data: bytes, inputs: int) -> None:
        try:
            graph = Interpreter.from_bytes(data, profile=profile).graph
        except (PrepareError, UnsupportedError):
            assert profile != "tflm"
            return
        samples = case.draw(np.random.default_rng(inputs), graph, case.samples)
        readd(data, samples, inputs, tally, profile, case.op)

    try:
        check()
    except Exception as problem:  # the test says which case it was
        return tally, f"{type(problem).__name__}: {problem}"
    return tally, None

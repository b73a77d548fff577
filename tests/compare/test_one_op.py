"""An op alone, over all samples at once or one by one, gives what it gave in the model."""

from __future__ import annotations

import hypothesis
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, settings

from microinterp.compare import Account, Told
from microinterp.compare.isolated import can_be_isolated, run_op
from microinterp.compare.rows import Case
from microinterp.errors import MicrointerpError
from microinterp.sides import places_of
from microinterp.sides.host import HostSide
from tests.differential.case import Case as OpCase
from tests.differential.cases import all_cases

CASES = list(all_cases())
NEVER = {
    *("ASSIGN_VARIABLE", "READ_VARIABLE", "VAR_HANDLE"),
    *("CALL_ONCE", "IF", "WHILE", "CIRCULAR_BUFFER", "TFLite_Detection_PostProcess"),
}
"""Ops that hang on more than their inputs, or leave elements as they were."""


def drawn(case: OpCase, count: int) -> list[bytes]:
    found: list[bytes] = []

    @hypothesis.seed(20261121)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @hypothesis.given(case.models)
    def draw(model: bytes) -> None:
        found.append(model)

    draw()
    return found


def ran(case: OpCase, model: bytes) -> Case | None:
    """Our own run as if another side had told it; None for samples with which the op ends."""
    host = HostSide(model, kernels="plain")
    graph = host.interpreter.graph
    samples = [s for s in case.draw(np.random.default_rng(1), graph, 3) if s is not None]
    x = [np.stack(column) for column in zip(*samples, strict=True)] if graph.main.inputs else []
    try:
        seen = host.run(x, places_of(host.interpreter.prepared))
    except MicrointerpError:
        return None
    told = {place: Told(array) for place, array in seen.tensors.items()}
    outputs = [Told(array) for array in seen.outputs]
    account = Account("host", "", len(x[0]) if x else 1, x, outputs, told)
    return Case(host.interpreter.prepared, x, seen, account)


def check(count: int) -> tuple[set[str], int]:
    """Run models of every case; return the ops that were run alone, and how often."""
    seen, runs = set(), 0
    for each in CASES:
        for model in drawn(each, count):
            case = ran(each, model)
            for item in case.items() if case is not None else ():
                given = case.given_to(item)
                if given is None or not can_be_isolated(item):
                    continue
                outputs = run_op(item.node, item.kernel, given)
                assert outputs is not None, (each.name, item.node.name)
                for tensor, found in zip(item.node.outputs, outputs, strict=True):
                    want = case.ours.tensors.get((0, item.node.index, tensor.index))
                    assert want is None or Told(want).equals(found), (each.name, item.node.name)
                seen.add(item.node.name)
                runs += 1
    return seen, runs


def test_every_operator() -> None:
    seen, runs = check(2)
    assert {case.op for case in CASES} - seen == NEVER
    assert runs > 500


@pytest.mark.thorough
def test_every_operator_often() -> None:
    assert check(12)[1] > 3000

"""The float model of the further operators: integers that only round stand close to it."""

from __future__ import annotations

from collections.abc import Iterator

import hypothesis
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from microinterp import Interpreter
from microinterp.explain import Explanation, explain
from microinterp.graph import Node
from tests.differential.case import Case
from tests.differential.cases import all_cases
from tests.explain.test_float_model import is_plain

OPS = (
    "ABS",
    "ADD_N",
    "BATCH_MATMUL",
    "CUMSUM",
    "DIV",
    "ELU",
    "HARD_SWISH",
    "L2_NORMALIZATION",
    "LOGISTIC",
    "LOG_SOFTMAX",
    "MEAN",
    "REDUCE_MAX",
    "REDUCE_MIN",
    "RESIZE_BILINEAR",
    "RSQRT",
    "SOFTMAX",
    "SUM",
    "TANH",
)
CASES = [case for case in all_cases() if case.op in OPS and case.types not in ("float32", "int32")]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_difference_is_that_of_rounding(case: Case) -> None:
    """Of the most of them: a second rounding, a table or a saturating fraction may cost more."""
    found = sorted(abs(difference) for difference in differences(case))
    assert len(found) >= 2
    assert found[0] < 0.5
    assert found[len(found) // 2] <= (0.0 if case.op.startswith("REDUCE") else 1.0)


def differences(case: Case) -> Iterator[float]:
    """In output steps, of those random models where integers do nothing but round."""
    collected: list[float] = []

    @hypothesis.seed(12)
    @settings(
        max_examples=40,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(data=case.models, seed=st.integers(0, 2**32 - 1))
    def check(data: bytes, seed: int) -> None:
        rng = np.random.default_rng(seed)
        graph = Interpreter.from_bytes(data).graph
        (node,) = (node for node in graph.main.nodes if node.name == case.op)
        samples = [s for s in case.draw(rng, graph, case.samples) if s is not None]
        index = tuple(int(rng.integers(size)) for size in node.outputs[0].shape)
        found = explain(data, node.index, index, [np.stack(a) for a in zip(*samples, strict=True)])
        difference = in_steps(found)
        if is_plain(found) and is_faithful(node) and difference is not None:
            collected.append(difference)

    check()
    yield from collected


def in_steps(found: Explanation) -> float | None:
    """Outputs of unquantised integers are steps themselves."""
    if found.difference_steps is not None or found.float_model is None:
        return found.difference_steps
    return found.value - found.float_model


def is_faithful(node: Node) -> bool:
    """False where TFLM's integer kernel means something else than the float model."""
    if node.name in ("ADD_N", "CUMSUM"):  # its sum begins at minus the zero point
        return node.input(0).zero_point == 0
    return True

"""Which run of an op is explained: loops, branches, state, samples; and which ops are."""

from __future__ import annotations

import numpy as np
import pytest

from microinterp.errors import InputError, UnsupportedError
from microinterp.explain import explain
from microinterp.explain.ops import FAMILIES
from microinterp.kernels import default_registry
from microinterp.model_builder import ModelBuilder
from tests.explain.evaluator import evaluate
from tests.flow_models import control_flow_model

TAPE, START = np.array([[1, 1, 0, 0]], np.bool_), np.array([[3, 5]], np.int32)
BODY, BRANCH, WHILE, DOUBLE, DIFFERENCE = 2, 4, 2, 2, 1


def test_the_last_turn_of_a_loop_is_explained() -> None:
    """The sum is doubled twice: 5, 10, 20."""
    found = explain(control_flow_model(), DOUBLE, (1,), [TAPE, START], subgraph=BODY)
    assert (found.runs, found.value) == (2, 20)
    assert evaluate(found.as_dict()) == 20
    assert found.as_dict()["op"] == {"subgraph": BODY, "index": DOUBLE, "name": "ADD"}


def test_a_branch_reads_what_the_loop_has_assigned() -> None:
    found = explain(control_flow_model(), DIFFERENCE, (0,), [TAPE, START], subgraph=BRANCH)
    assert (found.runs, found.value) == (1, 0)
    variable = explain(control_flow_model(), 0, (0,), [TAPE, START], subgraph=BRANCH)
    assert [(step.tensor, step.result) for step in variable.steps] == [("variable 0", 12)]


def test_an_op_of_a_loop_that_does_not_turn_has_not_run() -> None:
    with pytest.raises(InputError, match="the op has not run"):
        explain(
            control_flow_model(), DOUBLE, (0,), [np.zeros((1, 4), np.bool_), START], subgraph=BODY
        )


def test_control_flow_points_to_its_subgraphs() -> None:
    with pytest.raises(UnsupportedError) as refused:
        explain(control_flow_model(), WHILE, (0,), [TAPE, START])
    assert "--subgraph" in refused.value.hint


def test_samples_before_it_run_where_there_is_state() -> None:
    b = ModelBuilder()
    g = b.subgraph("main")
    x = g.input("x", (1, 1, 1, 2), "int8", scale=1.0, zero_point=0)
    y = g.tensor("y", (1, 5, 1, 2), "int8", scale=1.0, zero_point=0)  # it runs at each invoke
    g.custom_op("CIRCULAR_BUFFER", [x], [y])
    g.output(y)
    samples = np.arange(6, dtype=np.int8).reshape(3, 1, 1, 1, 2)
    values = [explain(b.finish(), 0, (0, row, 0, 1), [samples]).value for row in range(5)]
    assert values == [0, 0, 1, 3, 5]
    found = explain(b.finish(), 0, (0, 4, 0, 1), [samples], sample=1)
    assert (found.value, found.steps[0].tensor, found.steps[0].at) == (3, "x", (0, 0, 0, 1))


@pytest.mark.parametrize("sample", [3, -4])
def test_no_such_sample(sample: int) -> None:
    tape, start = np.repeat(TAPE, 3, 0), np.repeat(START, 3, 0)
    with pytest.raises(InputError, match=f"no sample {sample}: the inputs hold 3"):
        explain(control_flow_model(), DOUBLE, (1,), [tape, start], subgraph=BODY, sample=sample)


NOT_COMPUTING = {
    "ASSIGN_VARIABLE": "has no output",
    "CALL_ONCE": "runs a subgraph, whose ops are explained",
    "IF": "runs a subgraph, whose ops are explained",
    "VAR_HANDLE": "its output is a handle",
    "WHILE": "runs a subgraph, whose ops are explained",
}


def test_every_operator_of_integers_is_explained() -> None:
    """But those that have no numbers of their own, and what only takes float32."""
    known = {name for names in FAMILIES.values() for name in names}
    for op in default_registry():
        is_float = set(op.types) == {"float32"}
        if op.refused or is_float or op.name in NOT_COMPUTING:
            assert op.name not in known, op.name
        else:
            assert op.name in known, op.name


def test_every_op_of_a_family_has_an_explainer() -> None:
    for family, names in FAMILIES.items():
        module = __import__(f"microinterp.explain.ops.{family}", fromlist=["EXPLAINERS"])
        assert set(module.EXPLAINERS) == set(names), family
    assert len([n for names in FAMILIES.values() for n in names]) == len(
        {n for names in FAMILIES.values() for n in names}
    )

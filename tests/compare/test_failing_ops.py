"""Ops that cannot go on while causes are tried, and words for causes and differences of floats."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from microinterp.compare import Account, Finding, Told
from microinterp.compare.cause import Changed
from microinterp.compare.comparing import _as_written, cause_text
from microinterp.compare.evidence import _rounding
from microinterp.compare.isolated import OpInputs, run_op
from microinterp.compare.model_diagnosis import ModelDiagnosis
from microinterp.compare.op_diagnosis import _gives
from microinterp.compare.running import AS_USUAL, run_model
from microinterp.compare.xnnpack import _reduce
from microinterp.interpreter import prepare_model
from microinterp.prepare import Prepared, State, Status
from microinterp.sides import Observed
from tests.compare.test_rare_sides import MODEL, X


def failing(how: Any) -> Prepared:
    """The model whose second op ends like this, or raises it; None lets it run."""
    prepared = prepare_model(MODEL, kernels="plain")
    first, second = prepared.subgraphs[0]

    def evaluate(params: Any, arrays: Any) -> Any:
        if isinstance(how, Exception):
            raise how
        return how

    if how is None:
        return prepared
    changed = replace(second, kernel=replace(second.kernel, evaluate=evaluate))
    return replace(prepared, subgraphs=((first, changed),))


@pytest.mark.parametrize("is_stateful", [False, True])
def test_an_op_that_cannot_go_on_gives_nothing(is_stateful: bool) -> None:
    for ends, is_given in ((None, True), (Status.OK, True), (Status.ERROR, False)):
        item = failing(ends).subgraphs[0][1]
        if is_stateful:
            item = replace(item, kernel=replace(item.kernel, state=(State(1),)))
        given = OpInputs((X,), 2)
        assert (run_op(item.node, item.kernel, given) is not None) == is_given


@pytest.mark.parametrize("trouble", [ValueError("odd"), IndexError(), TypeError(), Status.ERROR])
def test_a_changed_op_that_fails_explains_nothing(trouble: Any) -> None:
    item = failing(trouble).subgraphs[0][1]
    changed = Changed(item.node, item.kernel)
    wanted = [Told(np.maximum(X, 0))]
    assert not _gives(changed, OpInputs((X,), 2), wanted)
    good = failing(None).subgraphs[0][1]
    assert _gives(Changed(good.node, good.kernel), OpInputs((X,), 2), wanted)
    assert not _gives(Changed(good.node, good.kernel), OpInputs((X,), 2), [Told(X)])


def test_causes_in_words() -> None:
    found = [
        Finding("a", "turns colours"),
        Finding("b", "rounds up", "half", op="ADD"),
        Finding("c", "rounds down", op="MUL", subgraph=2, index=5),
    ]
    told = cause_text(found)
    assert told is not None
    first, second, third = told.split("; or: ")
    assert first.startswith("the other side turns colours")
    assert second.startswith("ADD rounds up")
    assert "op 5" in third
    assert "subgraph 2" in third
    assert cause_text([]) is None


def test_what_lies_there_before_an_op_writes_is_nobody_s() -> None:
    ours = Observed((), {(0, 1, 2): np.arange(4).reshape(4, 1), (0, 0, 1): np.zeros((4, 1))})
    other = np.full((4, 1), 9)
    sums = Told(crcs=np.zeros(4, np.uint32))
    told = {(0, 1, 2): Told(other), (0, 0, 1): sums, (0, 7, 7): Told(other)}
    theirs = Account("x", "", 4, [], [], told)
    found = _as_written(theirs, ours, {(0, 1, 2): 2, (0, 0, 1): 0})
    assert found.tensors.keys() == {(0, 1, 2)}
    values = found.tensors[0, 1, 2].values
    assert values is not None
    assert values.ravel().tolist() == [0, 1, 9, 9]
    whole = _as_written(theirs, ours, {(0, 1, 2): 0}).tensors[0, 1, 2].values
    assert whole is not None
    assert whole.ravel().tolist() == [9] * 4


def test_floats_that_differ_as_sums_do_and_others() -> None:
    ours = np.array([1.0, 2.0, 4.0], np.float32)
    near, far = list(_rounding(ours, np.nextafter(ours, 9))), list(_rounding(ours, ours * 1.5))
    assert near[-1].startswith("floats that are added in another order")
    assert near[0].startswith("at most 4.77e-07 apart; half of them by 1 units")
    assert len(far) == 1
    (odd,) = _rounding(ours, np.array([1.0, np.inf, 4.0], np.float32))
    assert odd == "some of them are infinite or no numbers on one side"


def test_an_op_without_a_sum_has_no_other_way_to_reduce() -> None:
    assert list(_reduce(failing(None).subgraphs[0][0])) == []


def test_a_run_that_fails_explains_nothing() -> None:
    wanted = Told(np.maximum(X, 0))
    asked = SimpleNamespace(_places=(), _told=[(0, wanted)])
    whole = slice(0, 2)
    for how, is_explained in ((None, True), (ValueError("odd"), False), (Status.ERROR, False)):
        gives = ModelDiagnosis._gives(asked, failing(how), [X], AS_USUAL, whole)  # type: ignore[arg-type]
        assert gives == is_explained
    assert run_model(failing(Status.ERROR), [X], (), AS_USUAL) is None

"""Every case, some models each; the slow twin takes many more."""

from __future__ import annotations

import pytest

from microinterp.kernels import default_registry
from microinterp.runtimes.tflm import TflmRuntime
from tests.differential.case import Case
from tests.differential.cases import all_cases
from tests.differential.run import run_case
from tests.marks import slow, thorough

MODELS = 6
SOME_MODELS = 15
MANY_MODELS = 200
CASES = [pytest.param(case, id=case.name) for case in all_cases()]


def require_equal(tflm: TflmRuntime, case: Case, count: int, varied: float) -> None:
    tally, failure = run_case(tflm, case, count)
    if failure is not None:
        pytest.fail(f"{failure.reason} (python -m tests.differential --op {case.op} saves it)")
    share = tally.varied / tally.tensors
    assert share > varied, f"{tally.varied} of {tally.tensors} tensors varied"


@pytest.mark.parametrize("case", CASES)
def test_equals_tflm(tflm: TflmRuntime, case: Case) -> None:
    require_equal(tflm, case, MODELS, 0.25)


@pytest.mark.parametrize("count", [slow(SOME_MODELS), thorough(MANY_MODELS)])
@pytest.mark.parametrize("case", CASES)
def test_equals_tflm_in_many_models(tflm: TflmRuntime, case: Case, count: int) -> None:
    require_equal(tflm, case, count, 0.4)


def test_every_operator_and_type_has_a_case() -> None:
    have = {(case.op, case.types) for case in all_cases()}
    want = {(op.name, types) for op in default_registry() if not op.refused for types in op.types}
    assert sorted(want - have) == []
    assert sorted(have - want) == []

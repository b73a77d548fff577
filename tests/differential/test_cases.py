"""Every case, some models each; the slow twin takes 200 and more."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from microinterp.runtimes.tflm import TflmRuntime
from tests.differential.case import Case
from tests.differential.cases import all_cases
from tests.differential.check import Tally, check_model

MODELS = 30
SLOW_MODELS = 200
CASES = [pytest.param(case, id=case.name) for case in all_cases()]


def run_case(tflm: TflmRuntime, case: Case, count: int) -> Tally:
    tally = Tally()

    @settings(max_examples=count)
    @given(data=case.models, seed=st.integers(0, 2**32 - 1))
    def check(data: bytes, seed: int) -> None:
        check_model(tflm, case, data, seed, tally)

    check()
    return tally


@pytest.mark.parametrize("case", CASES)
def test_equals_tflm(tflm: TflmRuntime, case: Case) -> None:
    tally = run_case(tflm, case, MODELS)
    assert tally.varied * 2 > tally.tensors, f"{tally.varied} of {tally.tensors} tensors varied"


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_equals_tflm_in_many_models(tflm: TflmRuntime, case: Case) -> None:
    run_case(tflm, case, SLOW_MODELS)

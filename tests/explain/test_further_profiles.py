"""Profiles are followed by the further operators: their roundings, and rules of CMSIS-NN."""

from __future__ import annotations

import pytest

from tests.differential.case import Case
from tests.differential.cases import all_cases
from tests.explain.readding import explain_case

OPS = (
    "ADD_N",
    "BATCH_MATMUL",
    "CUMSUM",
    "DIV",
    "GREATER",
    "L2_NORMALIZATION",
    "LOGISTIC",
    "LOG_SOFTMAX",
    "MEAN",
    "RESIZE_BILINEAR",
    "RSQRT",
    "SOFTMAX",
    "SVDF",
    "TANH",
    "UNIDIRECTIONAL_SEQUENCE_LSTM",
)
CASES = [
    case
    for case in all_cases()
    if case.op in OPS and case.types not in ("float32", "int32", "int64")
]


@pytest.mark.parametrize("profile", ["single", "litert-ref", "cmsis-nn"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_profiles_are_followed(case: Case, profile: str) -> None:
    tally, problem = explain_case(case, count=4, seed=3, profile=profile)
    assert problem is None
    assert tally.elements

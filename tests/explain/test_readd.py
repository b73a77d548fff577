"""explain re-adds up: the printed steps, done again by other code, give the interpreter's bytes."""

from __future__ import annotations

import os
from pathlib import Path

import hypothesis
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from microinterp import Interpreter
from microinterp.explain.ops import FAMILIES
from microinterp.inputs import random_samples
from tests.differential.case import Case
from tests.differential.cases import all_cases
from tests.explain.readding import Tally, explain_case, has_integers, readd
from tests.random_graphs import random_graphs

MODELS = Path(__file__).resolve().parents[3] / "shared" / "models"
REAL = (
    "ad01_int8",
    "audio_preprocessor_int8",
    "dtln",
    "hello_world_int8",
    "ic_resnet8_int8",
    "keyword_scrambled_8bit",
    "kws_int8",
    "micro_speech_int8",
    "person_detect",
    "vww_96_int8",
)
MOVING = {*FAMILIES["moves"], "CAST"}
CASES = [case for case in all_cases() if has_integers(case)]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_an_element_of_each_operator_and_type(case: Case) -> None:
    count = 12 if case.op == "CIRCULAR_BUFFER" else 2  # it waits at most invokes
    tally, problem = explain_case(case, count, seed=1)
    assert problem is None
    assert tally.elements


@pytest.mark.parametrize("profile", ["single", "litert-ref", "cmsis-nn"])
@pytest.mark.parametrize(
    "op", ["CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV", "ADD", "MUL"]
)
def test_profiles_are_followed(op: str, profile: str) -> None:
    cases = [case for case in CASES if case.op == op]
    elements = 0
    for case in cases:
        tally, problem = explain_case(case, count=6, seed=2, profile=profile)
        assert problem is None
        elements += tally.elements
    assert elements > len(cases)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=random_graphs(), seed=st.integers(0, 2**32 - 1))
def test_elements_of_random_graphs(data: bytes, seed: int) -> None:
    readd_random(data, seed, Tally())


def readd_random(data: bytes, seed: int, tally: Tally, count: int = 1) -> None:
    inputs = Interpreter.from_bytes(data).graph.main.inputs
    arrays = random_samples(inputs, count, seed)
    samples = [[array[i] for array in arrays] for i in range(count)]
    readd(data, samples, seed, tally)


def real_model(name: str) -> bytes:
    path = MODELS / f"{name}.tflite"
    if not path.exists():
        assert os.environ.get("CI") != "true" or not MODELS.exists()
        pytest.skip(f"{path.name} is not in ../shared/models")
    return path.read_bytes()


@pytest.mark.parametrize("name", REAL)
def test_elements_of_real_models(name: str) -> None:
    data, tally = real_model(name), Tally()
    for seed in range(3):
        readd_random(data, seed, tally, 2)
    assert tally.elements == 3


@pytest.mark.thorough
def test_two_thousand_elements() -> None:
    total = Tally()
    for number, case in enumerate(CASES):
        count = 6 if case.op in MOVING else 20
        tally, problem = explain_case(case, count, seed=100 + number)
        assert problem is None, case.name
        total.add(tally)
    for name in REAL:
        if (MODELS / f"{name}.tflite").exists():
            for seed in range(12):
                readd_random(real_model(name), 50 + seed, total, 2)

    @hypothesis.seed(7)
    @settings(
        max_examples=200,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(data=random_graphs(), seed=st.integers(0, 2**32 - 1))
    def more(data: bytes, seed: int) -> None:
        readd_random(data, seed, total)

    more()
    assert total.elements >= 2000
    assert len(total.values) > total.elements / 3  # no story of zeros
    assert min(total.by_op[op] for case in CASES if (op := case.op) not in MOVING) >= 20

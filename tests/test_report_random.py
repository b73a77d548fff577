"""Reports of random graphs, and health of damaged files: figures that agree, no foreign errors."""

from __future__ import annotations

import hashlib
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from microinterp.errors import MicrointerpError
from microinterp.inspect_model import inspect_model
from microinterp.report.figures import measure
from microinterp.report.model_page import model_page
from tests.fuzz_models import model_bytes, model_names
from tests.graphs.models import FLOW, graphs
from tests.report_pages import Shown, lookup, random_ones, says

HEALTH = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]
GRAPHS, SLOW_GRAPHS, MUTANTS = 12, 150, 25


def check_report(data: bytes) -> None:
    """The page is made, and every figure on it is the JSON's."""
    measured = measure(data, "model.tflite", random_ones)
    shown = Shown(model_page(measured).decode())
    assert shown.data == measured.figures
    assert {"runs", "file.bytes"} <= shown.figures.keys()
    for path, texts in shown.figures.items():
        value = lookup(measured.figures, path)
        assert all(says(text, value) for text in texts), (path, texts, value)
    for use in measured.figures["activations"]:
        assert sum(use["bins"]) == use["values"], use["name"]


def run(count: int, models: st.SearchStrategy[bytes]) -> None:
    @settings(max_examples=count, suppress_health_check=HEALTH)
    @given(data=models)
    def check(data: bytes) -> None:
        check_report(data)

    check()


def test_random_graphs() -> None:
    run(GRAPHS, graphs())


def test_random_control_flow() -> None:
    run(GRAPHS, graphs(3, 10, FLOW))


@pytest.mark.thorough
def test_many_random_graphs() -> None:
    run(SLOW_GRAPHS, graphs())
    run(SLOW_GRAPHS, graphs(3, 10, FLOW))


@pytest.mark.parametrize("name", model_names())
def test_damaged_files(name: str) -> None:
    """Bytes changed anywhere: facts with findings, or an error of ours."""
    rng, good = random.Random(name), model_bytes(name)
    sound = broken = refused = 0
    for _ in range(MUTANTS):
        data = bytearray(good)
        for _ in range(rng.choice((1, 1, 2, 8))):
            data[rng.randrange(len(data))] = rng.choice((0, 1, 127, 128, 255, rng.randrange(256)))
        try:
            facts = inspect_model(bytes(data))
        except MicrointerpError:
            refused += 1
            continue
        assert facts.sha256 == hashlib.sha256(data).hexdigest()
        broken += bool(facts.problems)
        sound += not facts.problems
    assert min(sound, broken, refused) > 0

"""Random graphs of all operators: every tensor and the arena are TFLM's, byte for byte."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from microinterp import Interpreter
from microinterp.runtimes.tflm import TflmRuntime
from tests.arena_oracle import differing_arena_bytes
from tests.graphs.models import FLOW, TABLE, graphs
from tests.ops.movement import EVERY_TYPE
from tests.oracle import compare_with_tflm, random_samples

MODELS, SLOW_MODELS = 100, 2000
HEALTH = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]


def check_graph(tflm: TflmRuntime, data: bytes, seed: int, used: Counter[str]) -> tuple[int, int]:
    """Compare one model; the numbers of tensors compared, and of those that varied."""
    interpreter = Interpreter.from_bytes(data)
    used.update({node.name for node in interpreter.graph.nodes()})
    samples = random_samples(np.random.default_rng(seed), interpreter.graph, 3)
    with_reset = [*samples[:2], None, *samples[2:]]
    result = compare_with_tflm(tflm, data, with_reset, EVERY_TYPE)
    assert result.differing_bytes == 0, result.first
    facts = tflm.arena(data, samples)
    assert interpreter.arena.head_bytes == facts.head_bytes
    compared, differing = differing_arena_bytes(interpreter, facts, samples)
    assert differing == 0, f"{differing} of {compared} bytes of the arena"
    return result.tensors, len(result.varied)


def run(tflm: TflmRuntime, count: int, models: st.SearchStrategy[bytes]) -> Counter[str]:
    used: Counter[str] = Counter()
    tensors = Counter[str]()

    @settings(max_examples=count, suppress_health_check=HEALTH)
    @given(data=models, seed=st.integers(0, 2**32 - 1))
    def check(data: bytes, seed: int) -> None:
        compared, varied = check_graph(tflm, data, seed, used)
        tensors.update(compared=compared, varied=varied)

    check()
    assert tensors["varied"] * 2 > tensors["compared"], tensors
    return used


def test_graphs_of_all_operators(tflm: TflmRuntime) -> None:
    run(tflm, MODELS // 2, graphs())


def test_graphs_of_control_flow(tflm: TflmRuntime) -> None:
    run(tflm, MODELS // 2, graphs(3, 10, FLOW))


@pytest.mark.thorough
def test_many_graphs(tflm: TflmRuntime) -> None:
    used = run(tflm, SLOW_MODELS, graphs())
    assert set(TABLE) - set(used) == {"variable tensor", "compressed constant"}

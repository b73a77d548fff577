"""Random graphs of all operators through passes: variables, subgraphs and resets as without any."""

from __future__ import annotations

import random
from collections import Counter

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from microinterp import Interpreter
from microinterp.arena.plan import plan
from microinterp.errors import UnsupportedError
from microinterp.passes import NAMES, run_passes
from microinterp.runtimes.tflm import Sample
from tests.graphs.models import FLOW, graphs
from tests.marks import thorough
from tests.oracle import random_samples
from tests.passes.checking import check_passed, passed_outputs, prepared_of, usual_outputs
from tests.random_graphs import random_graphs
from tests.test_wakewords import INVOKES, MODELS, wakeword

PLAIN, MANY = 15, 200
HEALTH = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]


def check_graph(data: bytes, seed: int, seen: Counter[str]) -> None:
    """Five invokes with a reset between: "auto", one pass by itself, and some of them."""
    prepared, chance = prepared_of(data), random.Random(seed)
    samples: list[Sample] = random_samples(np.random.default_rng(seed), prepared.graph, 5)
    samples.insert(3, None)
    wanted = usual_outputs(data, samples)
    usual = plan(prepared).head_bytes
    some = chance.sample(NAMES, chance.randint(2, len(NAMES)))
    keeps = any(item.kernel.keeps_outputs for item in prepared.nodes())
    seen["graphs"] += 1
    seen["stateful"] += prepared.is_stateful
    seen["with subgraphs"] += len(prepared.graph.subgraphs) > 1
    for names in ("auto", [NAMES[seed % len(NAMES)]], some):
        if keeps and names != "auto":
            with pytest.raises(UnsupportedError):
                run_passes(prepared, names)
            continue
        passed = run_passes(prepared, names, max_extra_macs=chance.choice((0.1, 5.0)))
        check_passed(passed, samples, wanted)
        assert passed.plan.head_bytes <= usual
        if not keeps:
            seen["rewritten"] += passed.prepared.rewritten
            seen["smaller"] += passed.plan.head_bytes < usual
            order = [item.node.file_index for item in passed.prepared.subgraphs[0]]
            seen["in another order"] += order != sorted(order)
        else:
            assert not passed.prepared.rewritten


def run(count: int, models: st.SearchStrategy[bytes]) -> Counter[str]:
    seen: Counter[str] = Counter()

    @settings(max_examples=count, suppress_health_check=HEALTH)
    @given(data=models, seed=st.integers(0, 2**32 - 1))
    def check(data: bytes, seed: int) -> None:
        check_graph(data, seed, seen)

    check()
    print(f"\n{dict(seen)}")
    require_shares(seen, {"rewritten": 1 / 8, "smaller": 1 / 16})
    return seen


def require_shares(seen: Counter[str], shares: dict[str, float]) -> None:
    """The graphs are of the kinds meant. So few as in the plain suite may all be of others."""
    if seen["graphs"] >= MANY:
        assert all(seen[kind] >= share * seen["graphs"] for kind, share in shares.items()), seen


@pytest.mark.parametrize("count", [PLAIN, thorough(MANY)])
def test_graphs_of_int8_layers(count: int) -> None:
    """Some of their files prescribe offsets, which passes leave aside."""
    run(count, st.one_of(random_graphs(), random_graphs(offline=True)))


@pytest.mark.parametrize("count", [PLAIN, thorough(MANY)])
def test_graphs_of_all_operators(count: int) -> None:
    seen = run(count, graphs())
    require_shares(seen, {"stateful": 1 / 8, "in another order": 1 / 20})


@pytest.mark.parametrize("count", [PLAIN, thorough(MANY)])
def test_graphs_of_control_flow(count: int) -> None:
    seen = run(count, graphs(3, 10, FLOW))
    require_shares(seen, {"with subgraphs": 1 / 4})


@pytest.mark.parametrize("name", ["alexa", *map(thorough, MODELS[1:])])
def test_wakewords_carry_their_state(name: str) -> None:
    """50 invokes, a reset, 50 more: probability and all variables are those without passes."""
    data = wakeword(name)
    graph = Interpreter.from_bytes(data).graph
    samples = random_samples(np.random.default_rng(8), graph, 2 * INVOKES)
    samples.insert(INVOKES, None)
    wanted = usual_outputs(data, samples)
    assert len({tuple(variables) for _, *variables in wanted}) == 2 * INVOKES
    assert len(wanted[0]) == 7
    assert passed_outputs(data, samples, passes="auto") == wanted
    prepared = prepared_of(data)
    for names in ("auto", NAMES):
        check_passed(run_passes(prepared, names), samples, wanted)


@pytest.mark.parametrize("name", MODELS)
def test_batches_of_wakewords_carry_their_state(name: str) -> None:
    """A model with state runs its batch in the arena that passes have made."""
    data = wakeword(name)
    usual, passed = Interpreter.from_bytes(data), Interpreter.from_bytes(data, passes="auto")
    samples = random_samples(np.random.default_rng(9), usual.graph, 12)
    batch = np.stack([sample[0] for sample in samples if sample is not None])
    for _ in range(2):  # the second one starts from the state that the first one has left
        (wanted,), (found,) = usual.run_batch(batch), passed.run_batch(batch)
        assert found.tobytes() == wanted.tobytes()

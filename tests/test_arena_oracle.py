"""The arena of random graphs against TFLM's own: size of the head, and every byte a tensor left."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from microinterp import Interpreter
from microinterp.arena import greedy
from microinterp.arena.check import check_plan
from microinterp.arena.poison import Poison
from microinterp.runtimes.tflm import TflmRuntime
from tests.arena_oracle import differing_arena_bytes
from tests.differential.case import Case
from tests.differential.cases import all_cases
from tests.fuzz_models import recurrent_model
from tests.marks import slow
from tests.models import chain_model
from tests.ops.strategies import seeds
from tests.ops.variable_programs import Program, programs
from tests.oracle import random_samples
from tests.random_graphs import random_graphs

GRAPHS, MANY_GRAPHS = 100, 1000
PLANS = st.one_of(random_graphs(), random_graphs(), random_graphs(offline=True))


@pytest.mark.parametrize("count", [GRAPHS, slow(MANY_GRAPHS)])
def test_random_graphs_equal_tflm(tflm: TflmRuntime, count: int) -> None:
    """Equal heads, and equal bytes after two invokes: equal offsets. A third has offline plans."""
    total: Counter[str] = Counter()

    @settings(max_examples=count)
    @given(data=PLANS, seed=seeds())
    def check(data: bytes, seed: int) -> None:
        interpreter = Interpreter.from_bytes(data)
        samples = random_samples(np.random.default_rng(seed), interpreter.graph, 2)
        facts = tflm.arena(data, samples)
        assert interpreter.arena.head_bytes == facts.head_bytes
        compared, differing = differing_arena_bytes(interpreter, facts, samples)
        assert differing == 0
        total.update(graphs=1, head=facts.head_bytes, compared=compared)

    check()
    print(f"\n{total['graphs']} graphs: {total['compared']} of {total['head']} bytes compared")
    assert total["compared"] > 0.5 * total["head"]


@given(program=programs(), seed=seeds())
def test_variables_and_subgraphs_equal_tflm(tflm: TflmRuntime, program: Program, seed: int) -> None:
    """Scopes of a CALL_ONCE, and handles, which take no room; resources lie outside the head."""
    interpreter = Interpreter.from_bytes(program.data)
    samples = random_samples(np.random.default_rng(seed), interpreter.graph, 2)
    facts = tflm.arena(program.data, samples)
    assert interpreter.arena.head_bytes == facts.head_bytes
    assert check_plan(interpreter.prepared, interpreter.arena.plan) == []
    compared, differing = differing_arena_bytes(interpreter, facts, samples)
    assert differing == 0
    assert compared > 0


SCRATCH = ("TRANSPOSE_CONV", "SVDF", "UNIDIRECTIONAL_SEQUENCE_LSTM", "CONV_2D", "FULLY_CONNECTED")


@pytest.mark.parametrize("case", [c for c in all_cases() if c.op in SCRATCH], ids=lambda c: c.name)
def test_scratch_of_layers_lies_where_tflm_puts_it(tflm: TflmRuntime, case: Case) -> None:
    """int4 filters, sums, gates: inputs and outputs are where they are because of them."""
    differing = compared = 0

    @settings(max_examples=15)
    @given(data=case.models, seed=seeds())
    def check(data: bytes, seed: int) -> None:
        nonlocal differing, compared
        interpreter = Interpreter.from_bytes(data)
        samples = random_samples(np.random.default_rng(seed), interpreter.graph, 1)
        some, wrong = differing_arena_bytes(interpreter, tflm.arena(data, samples), samples)
        compared, differing = compared + some, differing + wrong

    check()
    assert differing == 0 < compared


def test_states_and_scratch_of_a_graph_equal_tflm(tflm: TflmRuntime) -> None:
    data = recurrent_model()
    interpreter = Interpreter.from_bytes(data)
    samples = random_samples(np.random.default_rng(2), interpreter.graph, 3)
    compared, differing = differing_arena_bytes(interpreter, tflm.arena(data, samples), samples)
    assert differing == 0 < compared


def test_a_wrong_tie_rule_is_found(tflm: TflmRuntime, monkeypatch: pytest.MonkeyPatch) -> None:
    """Buffers of equal size the other way round: the head is as large, but bytes differ."""
    in_order = lambda sizes: list(range(len(sizes)))  # noqa: E731
    monkeypatch.setattr(greedy, "_placing_order", in_order)
    data = chain_model()
    interpreter = Interpreter.from_bytes(data)
    samples = random_samples(np.random.default_rng(1), interpreter.graph, 1)
    facts = tflm.arena(data, samples)
    assert interpreter.arena.head_bytes == facts.head_bytes
    _, differing = differing_arena_bytes(interpreter, facts, samples)
    assert differing > 0


@given(data=PLANS, seed=seeds())
def test_plans_are_sound_and_poison_changes_nothing(data: bytes, seed: int) -> None:
    plain, poisoned = Interpreter.from_bytes(data), Interpreter.from_bytes(data)
    assert check_plan(plain.prepared, plain.arena.plan) == []
    poison = Poison()
    for sample in random_samples(np.random.default_rng(seed), plain.graph, 2):
        for interpreter, trace in ((plain, None), (poisoned, poison)):
            for i, array in enumerate(sample or ()):
                interpreter.set_input(array, i)
            interpreter.invoke(trace)
        for i in range(len(plain.graph.main.outputs)):
            assert plain.get_output(i).tobytes() == poisoned.get_output(i).tobytes()
    assert poison.poisoned > 0


@given(data=random_graphs())
def test_linear_plans_are_sound(data: bytes) -> None:
    interpreter = Interpreter.from_bytes(data, planner="linear")
    assert check_plan(interpreter.prepared, interpreter.arena.plan) == []

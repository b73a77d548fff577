"""The planner `best`: never worse than TFLM's, sound, and proved the best where it says so."""

from __future__ import annotations

import itertools
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from microinterp import Interpreter
from microinterp.arena.best import best_offsets, search
from microinterp.arena.check import check_plan
from microinterp.arena.greedy import greedy_offsets
from microinterp.arena.lifetimes import Request
from microinterp.arena.placing import lower_bound, ordinary_blocks
from microinterp.arena.plan import plan
from microinterp.interpreter import prepare_model
from microinterp.model_builder import ModelBuilder
from tests.conftest import shared_model
from tests.oracle import random_samples
from tests.random_graphs import random_graphs

PLANS = st.one_of(random_graphs(), random_graphs(), random_graphs(offline=True))


def staggered_model() -> bytes:
    """Dense layers from 32 bytes to 16, to 16, to 32: TFLM puts both of the 32 at 0.

    Of equal sizes the later one goes first: out at 0, x (which it does not meet) at 0, then the
    middle ones at 32 and 48. With the first 16 at 0 behind x at 16, out lies at 16 again: 48 bytes.
    """
    b = ModelBuilder()
    g = b.subgraph("main")
    quant = {"scale": 1.0, "zero_point": 0}
    tensor = g.input("x", (1, 32), "int8", **quant)
    for before, after in itertools.pairwise((32, 16, 16, 32)):
        w = g.constant("w", np.ones((after, before), np.int8), **quant)
        following = g.tensor("t", (1, after), "int8", **quant)
        g.op("FULLY_CONNECTED", [tensor, w], [following])
        tensor = following
    g.output(tensor)
    return b.finish()


def heads(data: bytes) -> tuple[int, int, int]:
    """Of TFLM's plan and of the best one, and the bound."""
    prepared = prepare_model(data, kernels="plain")
    best = plan(prepared, "best")
    assert check_plan(prepared, best) == []
    return plan(prepared).head_bytes, best.head_bytes, best.lower_bound


def test_by_hand() -> None:
    assert heads(staggered_model()) == (64, 48, 48)


def requests(*lives: tuple[int, int, int]) -> tuple[list[Request], list[int]]:
    """Buffers of (size, first, last)."""
    return [Request(*life) for life in lives], [size for size, _, _ in lives]


def head(offsets: list[int], sizes: list[int]) -> int:
    return max((o + s for o, s in zip(offsets, sizes, strict=True)), default=0)


def test_lower_bound_by_hand() -> None:
    assert lower_bound(*requests((32, 0, 1), (16, 1, 2), (48, 2, 2), (16, 3, 3))) == 64
    assert lower_bound([], []) == 0
    asked, sizes = requests((32, 0, 1), (16, 1, 2))
    asked[1].offline_offset = 160
    assert lower_bound(asked, sizes) == 176


def test_the_best_of_all_orders_is_found_where_there_are_few() -> None:
    """Every order of six buffers is tried; the search finds as small a head in all 200 sets."""
    chance = random.Random(3)
    worse_than_greedy = 0
    for _ in range(200):
        lives = []
        for _ in range(6):
            first = chance.randrange(5)
            lives.append((16 * chance.randint(1, 6), first, min(5, first + chance.randrange(3))))
        asked, sizes = requests(*lives)
        orders = itertools.permutations(range(6))
        blocks = ordinary_blocks(asked, sizes)
        least = min(head(blocks.place(order), sizes) for order in orders)
        assert head(best_offsets(asked, sizes), sizes) == least
        worse_than_greedy += head(greedy_offsets(asked, sizes), sizes) > least
    assert worse_than_greedy > 10


def test_tflms_plan_stays_where_nothing_smaller_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """None of the orders that are tried first is as good, and there are no further tries."""
    monkeypatch.setattr("microinterp.arena.best._MOST_WORK", 0)
    lives = ((48, 5, 6), (48, 1, 3), (48, 2, 4), (32, 4, 7), (16, 7, 8), (32, 4, 4))
    asked, sizes = requests(*lives)
    offsets = greedy_offsets(asked, sizes)
    assert head(search(ordinary_blocks(asked, sizes)), sizes) > head(offsets, sizes)
    assert best_offsets(asked, sizes) == offsets


@given(data=PLANS)
def test_random_graphs(data: bytes) -> None:
    tflms, best, bound = heads(data)
    assert bound <= best <= tflms


@pytest.mark.thorough
def test_two_thousand_random_graphs() -> None:
    smaller = 0

    @settings(max_examples=2000)
    @given(data=PLANS)
    def check(data: bytes) -> None:
        nonlocal smaller
        tflms, best, bound = heads(data)
        assert bound <= best <= tflms
        smaller += best < tflms

    check()
    print(f"\n{smaller} of 2,000 graphs have a smaller head")
    assert smaller


@settings(max_examples=30)
@given(data=random_graphs(), seed=st.integers(0, 2**32 - 1))
def test_outputs_stay_the_same(data: bytes, seed: int) -> None:
    usual, best = Interpreter.from_bytes(data), Interpreter.from_bytes(data, planner="best")
    assert best.arena.head_bytes == best.arena.plan.head_bytes <= usual.arena.head_bytes
    for sample in random_samples(np.random.default_rng(seed), usual.graph, 2):
        for interpreter in (usual, best):
            for index, array in enumerate(sample or ()):
                interpreter.set_input(array, index)
            interpreter.invoke()
        for index in range(len(usual.graph.main.outputs)):
            assert best.get_output(index).tobytes() == usual.get_output(index).tobytes()


def test_the_plan_is_the_same_every_time() -> None:
    """Also where the search goes on to its end, since no order reaches the bound."""
    prepared = prepare_model(staggered_model())
    assert plan(prepared, "best").tensors == plan(prepared, "best").tensors
    chance = random.Random(10)
    lives = []
    for _ in range(25):
        first = chance.randrange(40)
        lives.append((16 * chance.randint(1, 9), first, min(40, first + chance.randrange(30))))
    blocks = ordinary_blocks(*requests(*lives))
    offsets = search(blocks, most_tries=100)
    assert blocks.head(offsets) > blocks.bound
    assert search(blocks, most_tries=100) == offsets


def test_vww() -> None:
    data = shared_model("vww_96_int8.tflite")
    assert heads(data) == (73_728, 55_296, 55_296)

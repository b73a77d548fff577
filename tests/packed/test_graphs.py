"""Packed graphs of several ops, and streaming programs with variables and CALL_ONCE."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from microinterp import Interpreter
from tests.ops.strategies import seeds
from tests.ops.variable_programs import Program, programs
from tests.oracle import random_samples
from tests.packed.compare import Family, check_on_board, compare
from tests.random_graphs import random_graphs


def test_random_graphs(tmp_path: Path) -> None:
    family = Family()

    @given(data=random_graphs(), seed=seeds())
    def check(data: bytes, seed: int) -> None:
        family.add(data, seed)

    check()
    family.finish(tmp_path, share=1.0)


def test_random_programs_of_variables(tmp_path: Path) -> None:
    """Ten invokes, a reset and three more."""
    models = []

    @given(program=programs(), seed=seeds())
    def check(program: Program, seed: int) -> None:
        graph = Interpreter.from_bytes(program.data).graph
        samples = random_samples(np.random.default_rng(seed), graph, 13)
        models.append(compare(program.data, [*samples[:10], None, *samples[10:]]))

    check()
    assert not check_on_board(models, "viper", tmp_path)
    assert not check_on_board(models, "bytecode", tmp_path)


def test_packing_refuses_a_plan_that_overlaps() -> None:
    """An offline plan may be refused, but what is packed gives the same bytes."""
    family = Family()

    @given(data=st.deferred(lambda: random_graphs(offline=True)), seed=seeds())
    def check(data: bytes, seed: int) -> None:
        family.add(data, seed)

    check()
    print(family.seen, family.refused)
    assert family.seen["packed"] > 0

"""Every step, on random arguments, against the loops of step_reference.py: both tiers."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.boards.packed_builder import build
from tests.boards.random_steps import MAKERS, Case, make
from tests.boards.step_reference import run
from tests.boards.unix_port import SETS, Job, Outcome, run_jobs

CASES = 60


def expected(case: Case) -> bytearray:
    arena = bytearray(case.arena)
    run([[case.step]], arena, case.weights)
    return arena


def assert_equal(case: Case, outcome: Outcome) -> None:
    """The whole arena is compared: what a step has no business with must stay."""
    assert outcome.arena is not None, outcome.error
    found, wanted = bytearray(outcome.arena), expected(case)
    for offset, size in case.scratch:
        found[offset : offset + size] = wanted[offset : offset + size] = bytes(size)
    assert found == wanted, case.step


@pytest.mark.parametrize("tier", SETS)
@pytest.mark.parametrize("name", MAKERS)
def test_step(name: str, tier: str, tmp_path: Path) -> None:
    rng = random.Random(name)
    cases = [make(name, rng) for _ in range(CASES)]
    outcomes = run_jobs([Job(build(case.packed), case.arena) for case in cases], tier, tmp_path)
    for case, outcome in zip(cases, outcomes, strict=True):
        assert_equal(case, outcome)

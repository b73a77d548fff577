"""The same recorded vectors on every board and in both tiers: every step, and requantisation.

They are held to what the recording script makes now, and to the host's own steps in NumPy.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from microinterp.packed import load as load_packed
from microinterp.packed.run import Buffers, run_step
from microinterp.packed.steps import CallOnce
from tests.boards import qemu_port, unix_port
from tests.boards.random_steps import MAKERS
from tests.boards.unix_port import Job, Outcome
from tests.marks import slow_but
from tests.vectors.record_board_steps import (
    Vector,
    load,
    provenance,
    recorded_provenance,
    vectors,
)

RECORDED = load()


def test_the_file_is_what_the_script_makes() -> None:
    assert recorded_provenance() == provenance(), "python -m tests.vectors.record_board_steps"
    assert list(vectors()) == RECORDED
    assert {vector.name for vector in RECORDED if not vector.tier} >= set(MAKERS)


def test_the_host_gives_the_same() -> None:
    for vector in RECORDED:
        model = load_packed(vector.model)
        arena = np.frombuffer(bytearray(vector.before), np.uint8)
        buffers = Buffers(arena, np.frombuffer(model.weights, np.uint8))
        for step in model.subgraphs[0].steps:
            assert not isinstance(step, CallOnce)
            run_step(step, buffers)
        assert vector.masked(arena.tobytes()) == vector.masked(vector.after), vector.name


def jobs(tier: str) -> tuple[list[Vector], list[Job]]:
    """Those for a tier; each is invoked with the heap locked."""
    chosen = [vector for vector in RECORDED if vector.tier in ("", tier)]
    return chosen, [Job(vector.model, vector.before) for vector in chosen]


def assert_as_recorded(chosen: list[Vector], outcomes: list[Outcome]) -> None:
    for vector, outcome in zip(chosen, outcomes, strict=True):
        assert outcome.arena is not None, outcome.error
        assert vector.masked(outcome.arena) == vector.masked(vector.after), vector.name
    changed = sum(vector.masked(vector.before) != vector.masked(vector.after) for vector in chosen)
    assert changed > len(chosen) * 3 // 4, "most steps must have something to do"


@pytest.mark.parametrize("tier", unix_port.SETS)
def test_unix(tier: str, tmp_path: Path) -> None:
    chosen, wanted = jobs(tier)
    assert_as_recorded(chosen, unix_port.run_jobs(wanted, tier, tmp_path))


@pytest.mark.usefixtures("qemu")
@pytest.mark.parametrize("tier", unix_port.SETS)
@pytest.mark.parametrize("cpu", slow_but(qemu_port.CPUS, "m4"))
def test_cortex_m(cpu: str, tier: str) -> None:
    chosen, wanted = jobs(tier)
    assert_as_recorded(chosen, qemu_port.run_jobs(wanted, tier, cpu))

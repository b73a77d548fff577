"""Plans written into files: TFLM's wheel follows them, and nothing else of the file changes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings

from microinterp import Interpreter
from microinterp.arena.check import check_plan
from microinterp.arena.embed import embed
from microinterp.arena.plan import plan
from microinterp.interpreter import prepare_model
from microinterp.model import load
from microinterp.runtimes.tflm import TflmRuntime
from microinterp.verify import verify
from tests.cli import good, good_json, stored
from tests.conftest import SHARED_MODELS, shared_model
from tests.ops.strategies import seeds
from tests.ops.variable_programs import Program, programs
from tests.oracle import random_samples
from tests.random_graphs import random_graphs
from tests.test_arena_best import PLANS, staggered_model

MODELS = sorted(path.name for path in SHARED_MODELS.glob("*.tflite"))


def free(data: bytes) -> bytes:
    """The file with a plan that leaves every tensor to the planner."""
    return embed(data, load(data), {})


def planned(data: bytes) -> tuple[bytes, int]:
    """The file with its best plan, and the head that TFLM is to make of it."""
    prepared = prepare_model(free(data), kernels="plain")
    written = embed(data, load(data), plan(prepared, "best").tensors)
    again = prepare_model(written, kernels="plain")
    assert check_plan(again, plan(again)) == []
    return written, plan(again).head_bytes


def require_followed(tflm: TflmRuntime, data: bytes, seed: int) -> int:
    """The wheel runs the file with the plan: equal outputs, the head that we say. Returns it."""
    written, head = planned(data)
    assert written.endswith(data)
    assert [p for p in verify(load(written)) if p.severity == "error"] == []
    samples = random_samples(np.random.default_rng(seed), Interpreter.from_bytes(data).graph, 2)
    assert tflm.arena(written, samples).head_bytes == head
    pairs = zip(tflm.run(data, samples).outputs, tflm.run(written, samples).outputs, strict=True)
    for before, after in pairs:
        assert [a.tobytes() for a in before] == [a.tobytes() for a in after]
    return head


def test_by_hand(tflm: TflmRuntime) -> None:
    assert require_followed(tflm, staggered_model(), 1) == 48
    assert tflm.arena(staggered_model()).head_bytes == 64


@settings(max_examples=50)
@given(data=PLANS, seed=seeds())
def test_random_graphs(tflm: TflmRuntime, data: bytes, seed: int) -> None:
    require_followed(tflm, data, seed)


@settings(max_examples=30)
@given(program=programs(), seed=seeds())
def test_several_subgraphs_and_variables(tflm: TflmRuntime, program: Program, seed: int) -> None:
    require_followed(tflm, program.data, seed)


@given(data=random_graphs())
def test_the_rest_of_the_file_reads_as_before(data: bytes) -> None:
    before, after = load(data), load(planned(data)[0])
    assert (after.version, after.description) == (before.version, before.description)
    assert after.subgraphs == before.subgraphs
    assert after.operator_codes == before.operator_codes
    assert after.signatures == before.signatures
    assert [bytes(b or b"") for b in after.buffers[:-1]] == [
        bytes(b or b"") for b in before.buffers
    ]
    assert after.metadata[:-1] == tuple(
        m for m in before.metadata if m.name != "OfflineMemoryAllocation"
    )


@given(data=random_graphs(offline=True))
def test_a_plan_in_the_file_is_replaced(data: bytes) -> None:
    names = [entry.name for entry in load(planned(data)[0]).metadata]
    assert names.count("OfflineMemoryAllocation") == 1
    assert plan(prepare_model(free(data))).head_bytes <= plan(prepare_model(data)).head_bytes


@pytest.mark.parametrize("name", MODELS or ["absent"])
def test_real_models(tflm: TflmRuntime, name: str) -> None:
    data = shared_model(f"{name}")
    head = require_followed(tflm, data, 3)
    assert head <= plan(prepare_model(data, kernels="plain")).head_bytes
    if name == "vww_96_int8.tflite":
        assert head == 55_296


def test_the_command(tmp_path: Path) -> None:
    to = tmp_path / "out.tflite"
    path = stored(tmp_path, staggered_model())
    shown = good("plan", path, "--planner", "best", "--embed", str(to))
    assert "TFLM's head with this plan has 48 bytes" in " ".join(shown.split())
    assert good_json("plan", str(to))["head_bytes"] == 48
    found = good_json("plan", str(to), "--planner", "tflm", "--embed", str(to))
    assert (found["head_bytes"], found["embedded_head_bytes"]) == (64, 64)
    assert good_json("plan", str(to))["embedded_head_bytes"] is None

"""Streaming models that a PyPI package ships: their state is carried from invoke to invoke."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from importlib import resources

import numpy as np
import pytest

from microinterp import Interpreter
from microinterp.arena.check import check_plan
from microinterp.arena.poison import Poison
from microinterp.graph import Node
from microinterp.kernels import default_registry
from microinterp.prepare import Context, Kernel
from microinterp.registry import Registry
from microinterp.runtimes.tflm import TflmRuntime
from tests.arena_oracle import differing_arena_bytes
from tests.conftest import require_or_skip
from tests.oracle import compare_with_tflm, random_samples

MODELS = ("alexa", "hey_jarvis", "hey_mycroft", "okay_nabu")
INVOKES = 50
MOST_VARY = 30


def wakeword(name: str) -> bytes:
    """Contents of one of the package's models."""
    if importlib.util.find_spec("pymicro_wakeword") is None:
        require_or_skip("pymicro-wakeword", "pip install 'microinterp[dev]'")
    file = resources.files("pymicro_wakeword") / "models" / f"{name}.tflite"
    return file.read_bytes()


@pytest.mark.parametrize("name", MODELS)
def test_every_integer_tensor_equals_tflm(tflm: TflmRuntime, name: str) -> None:
    """50 invokes and 50 after a reset; the resource handles are left out, TFLM cannot show them."""
    data = wakeword(name)
    graph = Interpreter.from_bytes(data).graph
    samples = random_samples(np.random.default_rng(1), graph, 2 * INVOKES)
    samples[INVOKES:INVOKES] = [None]
    result = compare_with_tflm(tflm, data, samples)
    print(
        f"\n{name}: {result.bytes} bytes of {result.tensors} tensors in {2 * INVOKES} invokes, "
        f"{len(result.varied)} tensors varied, {result.differing_bytes} bytes differ"
    )
    assert result.differing_bytes == 0, result.first
    assert len(result.varied) >= MOST_VARY


@pytest.mark.parametrize("name", MODELS)
def test_arena_equals_tflm(tflm: TflmRuntime, name: str) -> None:
    """Size of the head, and its bytes after three invokes: every offset is TFLM's."""
    data = wakeword(name)
    interpreter = Interpreter.from_bytes(data)
    samples = random_samples(np.random.default_rng(4), interpreter.graph, 3)
    facts = tflm.arena(data, samples)
    assert interpreter.arena.head_bytes == facts.head_bytes
    compared, differing = differing_arena_bytes(interpreter, facts, samples)
    assert differing == 0
    assert compared > 0.9 * facts.head_bytes


@pytest.mark.parametrize("name", MODELS)
def test_plan_is_sound_and_poison_changes_nothing(name: str) -> None:
    data = wakeword(name)
    plain, poisoned = Interpreter.from_bytes(data), Interpreter.from_bytes(data)
    assert check_plan(plain.prepared, plain.arena.plan) == []
    poison = Poison()
    for sample in random_samples(np.random.default_rng(5), plain.graph, 5):
        assert sample is not None
        for interpreter, trace in ((plain, None), (poisoned, poison)):
            interpreter.set_input(sample[0], 0)
            interpreter.invoke(trace)
        assert plain.get_output(0) == poisoned.get_output(0)
    assert poison.poisoned > 0


@pytest.mark.parametrize("name", MODELS)
def test_run_batch_carries_the_state(name: str) -> None:
    """A batch is one sample after the other: equal to single runs of a fresh interpreter."""
    data = wakeword(name)
    interpreter = Interpreter.from_bytes(data)
    samples = random_samples(np.random.default_rng(2), interpreter.graph, 10)
    singles = []
    for sample in samples:
        assert sample is not None
        interpreter.set_input(sample[0], 0)
        interpreter.invoke()
        singles.append(interpreter.get_output(0))
    batch = np.stack([sample[0] for sample in samples if sample is not None])
    (outputs,) = Interpreter.from_bytes(data).run_batch(batch)
    assert outputs.tobytes() == np.stack(singles).tobytes()


@pytest.mark.parametrize("name", MODELS)
def test_a_lost_assignment_is_found(tflm: TflmRuntime, name: str) -> None:
    """The comparison above can fail: without any one assignment, bytes differ."""
    data = wakeword(name)
    graph = Interpreter.from_bytes(data).graph
    assignments = [node for node in graph.main.nodes if node.name == "ASSIGN_VARIABLE"]
    assert len(assignments) == 6
    samples = random_samples(np.random.default_rng(3), graph, 10)
    for node in assignments:
        result = compare_with_tflm(tflm, data, samples, registry=without(node.index))
        assert result.differing_bytes > 0, f"nothing noticed the loss of op {node.index}"


def without(op_index: int) -> Registry:
    """Every operator, but one ASSIGN_VARIABLE of the main graph does nothing."""
    registry = default_registry()
    assign = next(op for op in registry if op.name == "ASSIGN_VARIABLE")

    def prepare(node: Node, context: Context) -> Kernel:
        kernel = assign.prepare(node, context)
        lost = (node.subgraph, node.index) == (0, op_index)
        return replace(kernel, evaluate=lambda params, arrays: None) if lost else kernel

    return registry.with_op(replace(assign, prepare=prepare))

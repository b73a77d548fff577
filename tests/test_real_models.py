"""The models people run, against TFLM: every tensor of every op, the arena, real inputs."""

from __future__ import annotations

import numpy as np
import pytest

from microinterp import Interpreter
from microinterp.arena.check import check_plan
from microinterp.arena.poison import Poison
from microinterp.inputs import read_samples
from microinterp.runtimes.tflm import Sample, TflmRuntime
from tests.arena_oracle import differing_arena_bytes
from tests.conftest import SHARED_MODELS, shared_model
from tests.oracle import COMPARED, Comparison, compare_with_tflm, computed_tensors, random_samples

INT8_MODELS = (
    "ad01_int8",
    "hello_world_int8",
    "ic_resnet8_int8",
    "kws_int8",
    "micro_speech_int8",
    "person_detect",
    "vww_96_int8",
)
STATEFUL_MODELS = {"dtln": 8, "keyword_scrambled_8bit": 8}
"""Of their integer tensors, outputs of ops and states, how many vary on random input.

keyword_scrambled_8bit's weights are scrambled: all its sums saturate, so that of 15 outputs only
the first QUANTIZE varies, and the seven states with it.
"""
FLOAT_MODELS = ("ic_resnet8_float", "vww_96_float")
RANDOM_INPUTS = 100
SOFTMAX_ULPS = 2
"""Float softmax: exp is computed in double and rounded, glibc's expf may differ by an ulp."""


def real_inputs(name: str, interpreter: Interpreter) -> list[Sample]:
    """Inputs in ../shared/models/inputs that fit a model, quantised by its own parameters."""
    folder = SHARED_MODELS / "inputs"
    if name == "person_detect":
        paths = [str(folder / f) for f in ("person.bmp", "no_person.bmp")]
        return [[image] for image in read_samples(paths, interpreter.graph.main.inputs).arrays[0]]
    if name == "ad01_int8":
        tensor = interpreter.graph.main.inputs[0]
        windows = np.fromfile(folder / "ad01_normal_id_01_00000000.bin", np.float32)
        steps = np.rint(windows / tensor.scale) + tensor.zero_point
        quantised = np.clip(steps, -128, 127).astype(np.int8)
        return [[window] for window in quantised.reshape(-1, *tensor.shape)]
    return []


@pytest.mark.parametrize("name", INT8_MODELS)
def test_every_integer_tensor_equals_tflm(tflm: TflmRuntime, name: str) -> None:
    data = shared_model(f"{name}.tflite")
    interpreter = Interpreter.from_bytes(data)
    samples = random_samples(np.random.default_rng(2), interpreter.graph, RANDOM_INPUTS)
    samples += real_inputs(name, interpreter)
    result = compare_with_tflm(tflm, data, samples)
    assert result.differing_bytes == 0, result.first
    report(name, result, len(samples))
    assert len(result.varied) >= 0.9 * result.tensors


@pytest.mark.parametrize("name", STATEFUL_MODELS)
def test_states_are_carried_as_in_tflm(tflm: TflmRuntime, name: str) -> None:
    """20 invokes in a row, a reset, and two more: every integer tensor, the states among them."""
    data = shared_model(f"{name}.tflite")
    interpreter = Interpreter.from_bytes(data)
    samples = random_samples(np.random.default_rng(6), interpreter.graph, 22)
    result = compare_with_tflm(tflm, data, [*samples[:20], None, *samples[20:]])
    assert result.differing_bytes == 0, result.first
    report(name, result, len(samples))
    states = sum(t.is_variable for t in interpreter.graph.main.tensors)
    outputs = sum(len(node.outputs) for node in interpreter.graph.nodes())
    assert result.tensors == states + outputs
    assert len(result.varied) == STATEFUL_MODELS[name]


@pytest.mark.parametrize("name", FLOAT_MODELS)
def test_float_models_equal_tflm_up_to_the_softmax(tflm: TflmRuntime, name: str) -> None:
    data = shared_model(f"{name}.tflite")
    interpreter = Interpreter.from_bytes(data, preserve_all_tensors=True)
    samples = random_samples(np.random.default_rng(3), interpreter.graph, 10)
    nodes = interpreter.graph.main.nodes
    softmax = next(node.index for node in nodes if node.name == "SOFTMAX")
    exact = [t for n in nodes[:softmax] for t in n.outputs]
    after = [t for n in nodes[softmax:] for t in n.outputs]
    theirs = tflm.run(data, samples, [(0, t.index) for t in exact + after])
    worst = 0
    for sample, expected in zip(samples, theirs.tensors, strict=True):
        assert sample is not None
        interpreter.set_input(sample[0], 0)
        interpreter.invoke()
        for tensor in exact:
            ours = interpreter.get_tensor(tensor.index)
            assert ours.tobytes() == expected[0, tensor.index].tobytes(), tensor.name
        for tensor in after:
            ours = interpreter.get_tensor(tensor.index).view(np.int32).astype(np.int64)
            difference = np.abs(ours - expected[0, tensor.index].view(np.int32))
            worst = max(worst, int(difference.max()))
    print(f"\n{name}: {len(exact)} tensors equal, softmax differs by at most {worst} ulp")
    assert worst <= SOFTMAX_ULPS


def report(name: str, result: Comparison, samples: int) -> None:
    """Said with pytest -s: how much the comparison compared."""
    print(
        f"\n{name}: {samples} inputs, {result.tensors} tensors ({len(result.varied)} varied), "
        f"{result.bytes} bytes, {result.differing_bytes} differing"
    )


@pytest.mark.parametrize("name", INT8_MODELS)
def test_every_integer_tensor_is_compared(name: str) -> None:
    interpreter = Interpreter.from_bytes(shared_model(f"{name}.tflite"))
    compared = computed_tensors(interpreter.graph, COMPARED)
    assert len(compared) == sum(len(node.outputs) for node in interpreter.graph.nodes())


@pytest.mark.parametrize("name", [*INT8_MODELS, *STATEFUL_MODELS, *FLOAT_MODELS])
def test_arena_is_tflms_byte_for_byte(tflm: TflmRuntime, name: str) -> None:
    data = shared_model(f"{name}.tflite")
    interpreter = Interpreter.from_bytes(data)
    samples = random_samples(np.random.default_rng(4), interpreter.graph, 1)
    facts = tflm.arena(data, samples)
    assert interpreter.arena.head_bytes == facts.head_bytes
    assert facts.head is not None
    compared, differing = differing_arena_bytes(interpreter, facts, samples)
    print(f"\n{name}: head {facts.head_bytes}, {compared} bytes compared, {differing} differing")
    # states lie outside of the head, and their ops' scratch inside it
    assert compared > (0.3 if name in STATEFUL_MODELS else 0.5) * facts.head_bytes
    assert differing == 0
    assert check_plan(interpreter.prepared, interpreter.arena.plan) == []


@pytest.mark.parametrize("name", [*INT8_MODELS, *STATEFUL_MODELS])
def test_poisoned_dead_bytes_change_nothing(name: str) -> None:
    data = shared_model(f"{name}.tflite")
    plain, poisoned = Interpreter.from_bytes(data), Interpreter.from_bytes(data)
    poison = Poison()
    for sample in random_samples(np.random.default_rng(5), plain.graph, 3):
        assert sample is not None
        for interpreter, trace in ((plain, None), (poisoned, poison)):
            interpreter.set_input(sample[0], 0)
            interpreter.invoke(trace)
        assert plain.get_output(0).tobytes() == poisoned.get_output(0).tobytes()
    assert poison.poisoned > 0

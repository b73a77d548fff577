"""Whole models, plain against fast: every tensor, poisoned arenas, batches, sequences."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from microinterp import Interpreter
from microinterp.arena.poison import Poison
from microinterp.runtimes.tflm import Sample
from tests.conftest import shared_model
from tests.graphs.models import graphs
from tests.ops.strategies import seeds
from tests.oracle import computed_tensors, random_samples
from tests.random_graphs import random_graphs
from tests.test_real_models import FLOAT_MODELS, INT8_MODELS, STATEFUL_MODELS, real_inputs

EVERY = (*INT8_MODELS, *STATEFUL_MODELS, *FLOAT_MODELS, "audio_preprocessor_int8")
TYPES = (
    "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "bool", "float32"
)  # fmt: skip
HEALTH = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]


def invoke(interpreter: Interpreter, sample: Sample, trace: Poison | None = None) -> list[bytes]:
    """Set the inputs, or reset; the outputs."""
    if sample is None:
        interpreter.reset()
        return []
    for i, array in enumerate(sample):
        interpreter.set_input(array, i)
    status = interpreter.invoke(trace)
    outputs = range(len(interpreter.graph.main.outputs))
    # where a streaming model has stopped early, its outputs hold anything
    return [] if status else [interpreter.get_output(i).tobytes() for i in outputs]


def check_tensors(data: bytes, samples: list[Sample]) -> int:
    """Every tensor that an op writes, one invoke after the other; how many there are."""
    plain = Interpreter.from_bytes(data, kernels="plain", preserve_all_tensors=True)
    fast = Interpreter.from_bytes(data, preserve_all_tensors=True)
    tensors = computed_tensors(plain.graph, TYPES)
    for sample in samples:
        assert invoke(fast, sample) == invoke(plain, sample)
        for tensor in tensors:
            place = tensor.index, tensor.subgraph
            want, have = plain.get_tensor(*place), fast.get_tensor(*place)
            assert have.tobytes() == want.tobytes(), tensor.name
    return len(tensors)


def check_outputs(data: bytes, samples: list[Sample]) -> None:
    """In the shared arena, in one whose dead bytes are overwritten, and as a batch."""
    plain = Interpreter.from_bytes(data, kernels="plain")
    want = [invoke(plain, sample) for sample in samples]
    fast, poison = Interpreter.from_bytes(data), Poison()
    for trace in (None, poison):
        again = Interpreter.from_bytes(data)
        assert [invoke(again, sample, trace) for sample in samples] == want
    assert poison.poisoned > 0
    if None in samples or not fast.graph.main.inputs or [] in want:
        return
    batch = [np.stack(arrays) for arrays in zip(*samples, strict=True)]  # type: ignore[arg-type]
    per_sample = max(1, fast.arena.head_bytes)
    for threads, max_bytes in ((1, None), (2, None), (2, 3 * per_sample), (3, 1)):
        fresh = Interpreter.from_bytes(data) if fast.prepared.is_stateful else fast
        found = fresh.run_batch(*batch, threads=threads, max_bytes=max_bytes)
        for i, outputs in enumerate(found):
            assert outputs.tobytes() == b"".join(w[i] for w in want), (threads, max_bytes, i)


@pytest.mark.parametrize("name", EVERY)
def test_real_models(name: str) -> None:
    """12 random inputs and the real ones; a model with state is reset on the way."""
    data = shared_model(f"{name}.tflite")
    interpreter = Interpreter.from_bytes(data)
    count = 3 if name in FLOAT_MODELS else 12
    samples = random_samples(np.random.default_rng(8), interpreter.graph, count)
    samples += real_inputs(name, interpreter)[:4]
    tensors = check_tensors(data, [*samples[:2], None, *samples[2:]])
    check_outputs(data, samples)
    twins = Counter(bool(node.fast) for node in interpreter.prepared.nodes())
    print(f"\n{name}: {tensors} tensors, {len(samples)} inputs, twins: {dict(twins)}")
    if name in INT8_MODELS:
        assert twins[True] >= twins.total() - 2


@pytest.mark.parametrize("name", [*INT8_MODELS, "dtln", "keyword_scrambled_8bit"])
@pytest.mark.parametrize("profile", ["single", "cmsis-nn", "litert-ref"])
def test_real_models_in_other_profiles(name: str, profile: str) -> None:
    data = shared_model(f"{name}.tflite")
    plain = Interpreter.from_bytes(data, profile=profile, kernels="plain")
    fast = Interpreter.from_bytes(data, profile=profile)
    for sample in random_samples(np.random.default_rng(9), plain.graph, 3):
        assert invoke(fast, sample) == invoke(plain, sample)


def check_graphs(models: st.SearchStrategy[bytes], count: int) -> Counter[str]:
    """Random graphs of many ops; how many ops had a twin."""
    seen: Counter[str] = Counter()

    @settings(max_examples=count, suppress_health_check=HEALTH)
    @given(data=models, seed=seeds())
    def check(data: bytes, seed: int) -> None:
        interpreter = Interpreter.from_bytes(data)
        samples = random_samples(np.random.default_rng(seed), interpreter.graph, 4)
        seen["tensors"] += check_tensors(data, [*samples[:2], None, *samples[2:]])
        check_outputs(data, samples)
        for node in interpreter.prepared.nodes():
            seen["twins" if node.fast else "plain"] += 1

    check()
    print(f"\n{dict(seen)}")
    return seen


def test_random_graphs_of_int8() -> None:
    seen = check_graphs(random_graphs(), 40)
    assert seen["twins"] > seen["plain"]


def test_random_graphs_of_all_operators() -> None:
    assert check_graphs(graphs(), 15)["twins"] >= 15


@pytest.mark.thorough
def test_many_random_graphs() -> None:
    assert check_graphs(random_graphs(), 500)["twins"] >= 2000
    assert check_graphs(graphs(), 500)["twins"] >= 500

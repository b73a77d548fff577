"""The oracle in its child process: results, refusals, crashes and time-outs are all told apart."""

from __future__ import annotations

import numpy as np
import pytest

from microinterp import Interpreter
from microinterp.errors import RuntimeUnavailableError
from microinterp.runtimes.tflm import TflmRuntime, as_samples
from tests.models import chain_model, conv_model


def test_run_gives_outputs_and_tensors(tflm: TflmRuntime) -> None:
    batch = np.arange(-4, 4, dtype=np.int8).reshape(2, 1, 2, 2, 1)
    run = tflm.run(chain_model(2), as_samples([batch]), tensors=[(0, 2)])
    for sample, outputs, tensors in zip(batch, run.outputs, run.tensors, strict=True):
        assert np.array_equal(outputs[0], sample)
        assert np.array_equal(tensors[0, 2], -sample)


def test_arena_facts(tflm: TflmRuntime) -> None:
    sample = [np.ones((1, 2, 2, 1), np.int8)]
    facts = tflm.arena(chain_model(2), [sample])
    it = Interpreter.from_bytes(chain_model(2))
    it.set_input(sample[0], 0)
    it.invoke()
    assert facts.head_bytes == it.arena.head_bytes == 32
    assert facts.head is not None
    for offset in it.arena.offsets.values():
        assert facts.head[offset : offset + 4] == it.arena.memory[offset : offset + 4]


def test_refusal_is_an_error_and_the_next_call_works(tflm: TflmRuntime) -> None:
    with pytest.raises(RuntimeUnavailableError, match="TFLM says"):
        tflm.run(conv_model(), [[np.zeros((1, 2), np.int8)]])
    with pytest.raises(RuntimeUnavailableError, match="failed to allocate"):
        tflm.run(conv_model(), [], arena_size=1024)
    assert len(tflm.run(conv_model(), [[np.zeros((1, 4, 4, 1), np.int8)]]).outputs) == 1


def test_crash_is_an_error_and_the_next_call_works(tflm: TflmRuntime) -> None:
    with pytest.raises(RuntimeUnavailableError, match="crashed with SIG"):
        tflm.run(conv_model(), [[np.zeros((1, 4, 4, 1), np.int8)]], tensors=[(0, 1 << 30)])
    assert len(tflm.run(conv_model(), [[np.zeros((1, 4, 4, 1), np.int8)]]).outputs) == 1


def test_time_out_is_an_error() -> None:
    sample = [np.zeros((1, 4, 4, 1), np.int8)]
    with (
        TflmRuntime(timeout=1.0) as slow,
        pytest.raises(RuntimeUnavailableError, match="within 1 s"),
    ):
        slow.seconds_per_invoke(conv_model(), sample, 10**9)


def test_missing_wheel_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("microinterp.runtimes.tflm.version", lambda: None)
    with pytest.raises(RuntimeUnavailableError, match="pip install"):
        TflmRuntime()

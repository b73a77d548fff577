"""An FFT's element as butterflies: the bits of kiss_fft, for each radix, both ways."""

from __future__ import annotations

import json

import numpy as np
import pytest

from microinterp.explain import explain
from microinterp.interpreter import Interpreter
from tests.explain.evaluator import evaluate
from tests.ops.custom import custom_model
from tests.ops.movement import Input

TYPES = {"int16": 7, "int32": 2}


def fft(op: str, dtype: str, length: int, samples: int | None = None) -> bytes:
    ends = Input((samples or length,), dtype), Input((length + 2,), dtype)
    options = {"T": TYPES[dtype], "fft_length": length}
    return custom_model(op, *([end] for end in ends[:: 1 if op == "SignalRfft" else -1]), options)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("length", [4, 6, 8, 10, 12, 16, 18, 20, 30, 32, 60])
@pytest.mark.parametrize("op", ["SignalRfft", "SignalIrfft"])
def test_every_element(op: str, length: int, dtype: str) -> None:
    """Whole range of the type: sums wrap as in C."""
    data = fft(op, dtype, length)
    interpreter = Interpreter.from_bytes(data)
    rng = np.random.default_rng(length)
    info = np.iinfo(dtype)
    shape = interpreter.graph.main.inputs[0].shape
    x = rng.integers(info.min, info.max, shape, dtype, endpoint=True)
    interpreter.set_input(x, 0)
    interpreter.invoke()
    wanted = interpreter.get_output(0)
    for i in range(0, wanted.size, 1 if length < 16 else 5):
        found = explain(data, 0, (i,), [x[None]])
        assert evaluate(json.loads(json.dumps(found.as_dict()))) == wanted[i]


def test_four_points_by_hand() -> None:
    """1000, 0, 0, 0: two points, the pairs (1000, 0) and (0, 0).

    Each is halved (by 16383/32768: 500), their sum is 500; the pass halves it again: 250. Both bins
    at the ends are 250 + 0 and 250 - 0.
    """
    x = np.array([[1000, 0, 0, 0]], np.int16)
    first = explain(fft("SignalRfft", "int16", 4), 0, (0,), [x])
    assert [(step.kind, step.result) for step in first.steps] == [
        ("butterfly", 500),
        ("butterfly", 0),
        ("multiply_rounded", 250),
        ("multiply_rounded", 0),
        ("add", 250),
    ]
    assert [term.at for term in first.steps[0].terms] == [(0,), (2,)]
    assert explain(fft("SignalRfft", "int16", 4), 0, (1,), [x]).steps[0].kind == "read"


def test_samples_that_are_not_there_are_zeros() -> None:
    x = np.array([[1000, 7, 3]], np.int16)
    found = explain(fft("SignalRfft", "int16", 8, 3), 0, (2,), [x])
    leaves = [step for step in found.steps if step.kind == "butterfly" and step.terms[0].at == (0,)]
    assert all(step.tensor is None for step in leaves)
    assert evaluate(json.loads(json.dumps(found.as_dict()))) == found.value

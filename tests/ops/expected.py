"""Running a case here alone against what it must give, for ops that tests/differential compares."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from microinterp import Interpreter
from microinterp.errors import (
    InputError,
    MicrointerpError,
    PrepareError,
    RuntimeUnavailableError,
)
from microinterp.graph import build
from microinterp.model import load
from microinterp.runtimes.tflm import TflmRuntime
from tests.differential.case import Draw
from tests.ops.movement import Case, assert_refused, bits, run_bits
from tests.ops.values import ValueCase, run_on
from tests.oracle import random_samples


def check_bits(case: Case, seed: int, draw: Draw = random_samples) -> None:
    """One random sample of a case of a data-movement op; every output, bit for bit."""
    interpreter = Interpreter.from_bytes(case.data)
    (sample,) = draw(np.random.default_rng(seed), interpreter.graph, 1)
    assert sample is not None
    assert run_bits(interpreter, sample) == case.expected([bits(array) for array in sample])


def check_numbers(case: ValueCase, seed: int, draw: Draw = random_samples) -> None:
    """One random sample of a case that computes; equal numbers, 0.0 told from -0.0."""
    interpreter = Interpreter.from_bytes(case.data)
    (sample,) = draw(np.random.default_rng(seed), interpreter.graph, 1)
    assert sample is not None
    have = run_on(interpreter, sample).reshape(-1)
    want = np.array(case.expected([array.reshape(-1).tolist() for array in sample]))
    np.testing.assert_array_equal(have, want.astype(have.dtype))
    assert np.array_equal(np.signbit(have), np.signbit(want))


def assert_both_refuse(
    tflm: TflmRuntime,
    data: bytes,
    text: str,
    tensor: int | None = None,
    kind: type[MicrointerpError] = PrepareError,
) -> None:
    """We refuse the model when it is made; TFLM then, at the first invoke, or with a crash."""
    assert_refused(data, text, tensor, kind)
    zeros = [np.zeros(t.shape, t.dtype) for t in build(load(data)).main.inputs]
    with pytest.raises(RuntimeUnavailableError):
        tflm.run(data, [zeros])


def assert_input_error(
    data: bytes, sample: Sequence[npt.NDArray[Any]], text: str, tensor: int | None
) -> None:
    """The sample is refused at invoke, alone and in a batch."""
    interpreter = Interpreter.from_bytes(data)
    for run in (
        lambda: run_bits(interpreter, sample),
        lambda: interpreter.run_batch(*(np.stack([array, array]) for array in sample)),
    ):
        with pytest.raises(InputError, match=re.escape(text)) as caught:
            run()
        assert caught.value.where.op_index == 0
        assert caught.value.where.tensor_index == tensor


def assert_fails_at_invoke(
    tflm: TflmRuntime,
    data: bytes,
    sample: Sequence[npt.NDArray[Any]],
    text: str,
    tensor: int | None,
) -> None:
    """The sample is refused at invoke, where TFLM's fails too."""
    assert_input_error(data, sample, text, tensor)
    with pytest.raises(RuntimeUnavailableError):
        tflm.run(data, [sample])

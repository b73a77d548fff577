"""Running a case here alone against what it must give, for ops that tests/differential compares."""

from __future__ import annotations

import numpy as np

from microinterp import Interpreter
from tests.differential.case import Draw
from tests.ops.movement import Case, bits, run_bits
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

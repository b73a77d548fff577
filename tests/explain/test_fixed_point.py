"""Fixed-point functions as steps: the bits of fixedpoint_ref, and each step does add up."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from microinterp.explain import fixed_point
from microinterp.explain.recorder import Recorder
from microinterp.quant import fixedpoint
from microinterp.quant import fixedpoint_ref as ref
from microinterp.quant.tables import softmax_exp_table, softmax_reciprocal_table
from tests.explain.evaluator import recompute

INT32 = st.integers(-(1 << 31), (1 << 31) - 1)
NEGATIVE = st.integers(-(1 << 31), 0) | st.integers(-(1 << 20), 0)
Twin = Callable[[Recorder, int], Any]


def steps_of(twin: Twin, x: int) -> tuple[Any, Recorder]:
    """A function's result from a number that was read; all steps do add up."""
    recorder = Recorder()
    found = twin(recorder, recorder.read("x", "test", (), x))
    for step in recorder.steps:
        assert recompute(step.as_dict()) == step.result, step
    return found, recorder


@pytest.mark.parametrize("bits", range(6))
@settings(max_examples=60, deadline=None)
@given(x=NEGATIVE)
def test_exp(bits: int, x: int) -> None:
    found, recorder = steps_of(lambda r, a: fixed_point.exp_on_negative_values(r, a, bits), x)
    assert found == ref.exp_on_negative_values(x, bits)
    exact = math.exp(x / 2 ** (31 - bits))
    assert recorder.steps[-1].real == pytest.approx(exact, abs=1e-6)


@settings(max_examples=60, deadline=None)
@given(x=st.integers(0, (1 << 31) - 1))
def test_quotients(x: int) -> None:
    assert steps_of(fixed_point.one_over_one_plus_x, x)[0] == ref.one_over_one_plus_x(x)
    found = steps_of(fixed_point.one_minus_x_over_one_plus_x, x)[0]
    assert found == ref.one_minus_x_over_one_plus_x(x)


@pytest.mark.parametrize("bits", range(5))
@settings(max_examples=40, deadline=None)
@given(x=INT32 | st.integers(-3, 3))
def test_curves(bits: int, x: int) -> None:
    assert steps_of(lambda r, a: fixed_point.logistic(r, a, bits), x)[0] == ref.logistic(x, bits)
    assert steps_of(lambda r, a: fixed_point.tanh(r, a, bits), x)[0] == ref.tanh(x, bits)


@settings(max_examples=60, deadline=None)
@given(x=st.integers(1, (1 << 31) - 1) | st.integers(1, 300))
def test_reciprocal(x: int) -> None:
    found = steps_of(lambda r, a: fixed_point.reciprocal(r, a, 12), x)[0]
    assert found == ref.reciprocal(x, 12)


@settings(max_examples=100, deadline=None)
@given(x=st.integers(0, (1 << 31) - 1) | st.integers(0, 300))
def test_inverse_root(x: int) -> None:
    (mantissa, right), _ = steps_of(fixed_point.inverse_sqrt, x)
    assert (mantissa, -right) == ref.inverse_sqrt(x)


@settings(max_examples=60, deadline=None)
@given(x=st.integers(1 << 19, (1 << 31) - 1))
def test_logarithm(x: int) -> None:
    found, recorder = steps_of(lambda r, a: fixed_point.log_from_one(r, a, 12), x)
    assert found == ref.log_from_one(x, 12)
    assert recorder.steps[-1].real == pytest.approx(math.log(x / 2**19), abs=1e-6)


@settings(max_examples=60, deadline=None)
@given(x=st.integers(-(1 << 15), (1 << 15) - 1))
def test_tables(x: int) -> None:
    for table in (softmax_exp_table().tolist(), softmax_reciprocal_table().tolist()):
        twin = lambda r, a, table=table: fixed_point.interpolate(r, a, table, "f")  # noqa: E731
        assert steps_of(twin, x)[0] == ref.interpolate(x, table)


@settings(max_examples=100, deadline=None)
@given(x=INT32, mantissa=st.integers(1 << 30, (1 << 31) - 1), right=st.integers(-30, 31))
def test_scaling_by_computed_numbers(x: int, mantissa: int, right: int) -> None:
    for function, scalar in (
        (fixedpoint.multiply_double, ref.multiply_double),
        (fixedpoint.multiply_single, ref.multiply_single),
    ):
        recorder = Recorder()
        shift = recorder.read("shift", "test", (), right)
        found = fixed_point.scaled_by(recorder, x, function, mantissa, shift)
        assert found == scalar(x, mantissa, -right)
        assert all(recompute(step.as_dict()) == step.result for step in recorder.steps)

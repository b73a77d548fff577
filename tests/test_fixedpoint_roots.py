"""Inverse square root and logarithm in fixed point: true to the reals, and the twins agree."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from microinterp.quant import fixedpoint_math, fixedpoint_ref

INT32_MAX = 2**31 - 1
POSITIVE = st.one_of(st.integers(1, 300), st.integers(1, INT32_MAX))


@given(x=st.integers(2, INT32_MAX))
def test_inverse_sqrt_is_near_the_real_one(x: int) -> None:
    mantissa, shift = fixedpoint_ref.inverse_sqrt(x)
    assert 0 < mantissa <= INT32_MAX
    assert shift <= 0
    assert math.isclose(mantissa * 2.0 ** (shift - 31), x**-0.5, rel_tol=2e-4)


def test_inverse_sqrt_by_hand() -> None:
    """1 is as near 1 as Q0.31 gets, and so is what has no root; 1 / sqrt(4) is 2^30 / 2^31."""
    assert [fixedpoint_ref.inverse_sqrt(x) for x in (1, 0, -5)] == [(INT32_MAX, 0)] * 3
    mantissa, shift = fixedpoint_ref.inverse_sqrt(4)
    assert shift == 0
    assert abs(mantissa - 2**30) < 2**12


@given(x=st.lists(st.one_of(st.integers(-9, 9), st.integers(-(2**31), INT32_MAX)), min_size=1))
def test_inverse_sqrt_twins_agree(x: list[int]) -> None:
    mantissa, shift = fixedpoint_math.inverse_sqrt(np.array(x, np.int64))
    want = [fixedpoint_ref.inverse_sqrt(value) for value in x]
    assert list(zip(mantissa.tolist(), shift.tolist(), strict=True)) == want


@given(x=st.integers(1 << 19, INT32_MAX))
def test_log_is_near_the_real_one(x: int) -> None:
    """Q12.19 in, Q5.26 out."""
    result = fixedpoint_ref.log_from_one(x, 12) / 2**26
    assert abs(result - math.log(x / 2**19)) < 2e-7


@pytest.mark.parametrize("power", range(12))
def test_log_of_powers_of_two(power: int) -> None:
    result = fixedpoint_ref.log_from_one(1 << (19 + power), 12) / 2**26
    assert abs(result - power * math.log(2)) < 1e-7


@given(x=st.lists(st.integers(1 << 19, INT32_MAX), min_size=1))
def test_log_twins_agree(x: list[int]) -> None:
    have = fixedpoint_math.log_from_one(np.array(x, np.int64), 12)
    assert have.tolist() == [fixedpoint_ref.log_from_one(value, 12) for value in x]

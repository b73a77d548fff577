"""Real scales to integers: multipliers, rounding, clamp limits, by definition and by hand."""

from __future__ import annotations

import dataclasses
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from microinterp.quant.params import (
    ChannelMultipliers,
    Multiplier,
    activation_range_float,
    activation_range_int,
    activation_range_int32,
    channel_multipliers,
    exact_multiplier,
    quantize_multiplier,
    round_half_away,
)

NONE, RELU, RELU_N1_TO_1, RELU6, TANH = range(5)
INT8, INT16 = np.dtype(np.int8), np.dtype(np.int16)
FLOAT_MAX = np.finfo(np.float32).max


@pytest.mark.parametrize(
    ("real", "multiplier", "shift"),
    [
        (0.0, 0, 0),
        (0.5, 1 << 30, 0),
        (1.0, 1 << 30, 1),
        (0.75, 3 << 29, 0),
        (0.1, 1717986918, -3),  # 0.8 * 2^31 = 1717986918.4
        (1 - 2.0**-33, 1 << 30, 1),  # rounds up to the next power of two
        (1 - 2.0**-31, (1 << 31) - 1, 0),
        (1 - 2.0**-32, 1 << 30, 1),  # the tie goes up
        (2.0**-32, 1 << 30, -31),
        (2.0**-33, 0, 0),  # would need a shift of -32
        (2.0**-32 - 2.0**-70, 1 << 30, -31),  # rounds into range
        (3.0 * 2.0**300, 3 << 29, 302),
    ],
)
def test_quantize_multiplier_by_hand(real: float, multiplier: int, shift: int) -> None:
    assert quantize_multiplier(real) == Multiplier(multiplier, shift)


@given(real=st.floats(2.0**-31, 2.0**60))
def test_quantize_multiplier_is_the_nearest(real: float) -> None:
    m = quantize_multiplier(real)
    assert 1 << 30 <= m.multiplier < 1 << 31
    assert m.real == math.ldexp(m.multiplier, m.shift - 31)
    half_step = Fraction(2) ** (m.shift - 31) / 2
    assert abs(Fraction(m.multiplier) * 2 * half_step - Fraction(real)) <= half_step


@given(real=st.floats(2.0**-300, 2.0**300))
def test_exact_multiplier_loses_nothing(real: float) -> None:
    m = exact_multiplier(real)
    assert m.real == real
    assert 1 << 52 <= m.multiplier < 1 << 53


def test_channel_multipliers() -> None:
    found = channel_multipliers([0.5, 0.0, 3.0])
    assert isinstance(found, ChannelMultipliers)
    assert found.multiplier.tolist() == [1 << 30, 0, 3 << 29]
    assert found.shift.tolist() == [0, 0, 2]
    exact = channel_multipliers([0.1], exact_multiplier)
    assert exact.multiplier.tolist() == [exact_multiplier(0.1).multiplier]


@pytest.mark.parametrize(
    ("x", "want"),
    [
        (0.5, 1),
        (-0.5, -1),
        (1.5, 2),
        (2.5, 3),
        (-2.5, -3),
        (0.49999999999999994, 0),  # x + 0.5 would be 1
        (-0.0, 0),
        (4503599627370497.5, 4503599627370498),
        (9007199254740993.0, 9007199254740992),  # that is what the float holds
    ],
)
def test_round_half_away(x: float, want: int) -> None:
    assert round_half_away(x) == want


def limits(activation: int, scale: float, zero: int, dtype: np.dtype = INT8) -> tuple[int, int]:
    return activation_range_int(activation, np.float32(scale), zero, dtype)


def test_integer_limits_by_hand() -> None:
    assert limits(NONE, 0.1, 5) == limits(TANH, 0.1, 5) == (-128, 127)
    assert limits(RELU, 0.1, 5) == (5, 127)
    assert limits(RELU6, 0.1, 5) == (5, 65)
    assert limits(RELU6, 0.01, 5) == (5, 127)
    assert limits(RELU_N1_TO_1, 0.1, 5) == (-5, 15)
    assert limits(RELU6, 0.001, 0, INT16) == (0, 6000)
    assert limits(NONE, 0.001, 0, INT16) == (-32768, 32767)
    # 6 / 4 and 1 / 2 are ties: away from zero
    assert limits(RELU6, 4.0, 0) == (0, 2)
    assert limits(RELU_N1_TO_1, 2.0, 0) == (-1, 1)


def test_limits_divide_in_float32() -> None:
    """There are scales at which 6 / scale is a tie in float32 and none in double precision."""
    found = 0
    for scale in np.linspace(0.05, 0.06, 200_001).astype(np.float32):
        single = round_half_away(float(np.float32(6) / scale))
        if single != round_half_away(6 / float(scale)):
            assert limits(RELU6, scale, -100, INT16) == (-100, single - 100)
            found += 1
    assert found > 0


def test_limits_that_leave_int32_are_refused() -> None:
    for activation, scale in ((RELU6, 2e-9), (RELU_N1_TO_1, 4e-10), (RELU6, 0.0)):
        with pytest.raises(OverflowError, match="out of range"):
            limits(activation, scale, 0)
    assert limits(RELU6, 3e-9, 0) == (0, 127)  # 2e9 steps still fit
    assert limits(NONE, 0.0, 0) == (-128, 127)
    with pytest.raises(OverflowError):
        limits(RELU6, 6 / 2**31, 0)  # 2^31 itself does not


def test_float_and_int32_limits() -> None:
    assert activation_range_float(NONE) == activation_range_float(TANH) == (-FLOAT_MAX, FLOAT_MAX)
    assert activation_range_float(RELU) == (0, FLOAT_MAX)
    assert activation_range_float(RELU6) == (0, 6)
    assert activation_range_float(RELU_N1_TO_1) == (-1, 1)
    assert activation_range_int32(NONE) == (-(2**31), 2**31 - 1)
    assert activation_range_int32(RELU) == (0, 2**31 - 1)
    assert activation_range_int32(RELU6) == (0, 6)
    assert activation_range_int32(RELU_N1_TO_1) == (-1, 1)
    for limit in (*activation_range_float(RELU), *activation_range_float(NONE)):
        assert isinstance(limit, np.float32)


def test_many_factors_are_split_as_one_is() -> None:
    rng = np.random.default_rng(5)
    edges = [0.0, 2.0**-33, 2.0**-32, 1 - 2.0**-33, 1 - 2.0**-53, 1.0, 0.5, 5e-324, 1e300]
    ties = ((1 << 30) + np.arange(40) + 0.5) / (1 << 31)
    spread = rng.random(5000) * 2.0 ** rng.integers(-40, 31, 5000)
    factors = [*edges, *ties, *np.nextafter(ties, 0), *np.nextafter(ties, 1), *spread]
    many = channel_multipliers(factors)
    one = [quantize_multiplier(factor) for factor in factors]
    assert many.multiplier.tolist() == [m.multiplier for m in one]
    assert many.shift.tolist() == [m.shift for m in one]


@pytest.mark.parametrize("made", [quantize_multiplier(0.75), channel_multipliers([0.5, 0.25])])
def test_multipliers_are_not_changed(made: Multiplier | ChannelMultipliers) -> None:
    """Prepared ops share them."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.shift = 1  # type: ignore[misc,union-attr]

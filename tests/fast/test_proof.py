"""The bounds on sums, and the thresholds of requantisation against the scalar truth."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import numpy as np
import pytest

from microinterp.kernels.fast.proof import (
    FLOAT32_INTEGERS,
    FLOAT64_INTEGERS,
    THRESHOLDS,
    double_thresholds,
    products_are_exact,
    single_thresholds,
    sums_of,
)
from microinterp.quant import fixedpoint, fixedpoint_ref

Scalar = Callable[[int, int, int], int]
ROUNDINGS = {
    "double": (double_thresholds, fixedpoint_ref.multiply_double),
    "single": (single_thresholds, fixedpoint_ref.multiply_single),
}
FARTHEST = 255
"""Of outputs, from a zero point at one end to the other end of int8."""
EXTREMES = (1 << 30, (1 << 30) + 1, 3 << 29, (1 << 31) - 2, (1 << 31) - 1, 0)


def assert_least(scalar: Scalar, multiplier: int, shift: int, level: int, least: int) -> bool:
    """`least` is the least sum that reaches `level`; says whether it is a sum that can be."""
    reach = ((1 << 31) - 1) >> max(shift, 0)
    near = range(max(-reach, least - 2), min(reach, least + 2) + 1)
    for x in (-reach, reach, 0, *near):
        have = scalar(x, multiplier, shift) >= level
        assert have == (x >= least), (multiplier, shift, level, least, x)
    return -reach <= least <= reach


@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_thresholds_of_every_shift_and_extreme_multiplier(rounding: str) -> None:
    thresholds, scalar = ROUNDINGS[rounding]
    levels = np.array([-255, -128, -2, -1, 0, 1, 2, 127, 128, 255])
    pairs = list(product(EXTREMES, range(-31, 31)))
    multiplier, shift = np.array(pairs).T
    found = thresholds(multiplier, shift, levels[:, None])
    inside = 0
    for (row, level), (column, pair) in product(enumerate(levels.tolist()), enumerate(pairs)):
        inside += assert_least(scalar, *pair, level, int(found[row, column]))
    assert inside > 1500


@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_thresholds_of_random_multipliers(rounding: str) -> None:
    """8,000 of them, of channels whose shifts lie on both sides of 0."""
    thresholds, scalar = ROUNDINGS[rounding]
    rng = np.random.default_rng(3)
    inside = 0
    for _ in range(50):
        multiplier = rng.integers(1 << 30, 1 << 31, 16)
        multiplier[rng.random(16) < 0.1] = 0
        shift = rng.integers(*sorted(rng.choice(np.arange(-31, 31), 2, replace=False)), 16)
        levels = rng.integers(-FARTHEST, FARTHEST + 1, 10)
        found = thresholds(multiplier, shift, levels[:, None])
        for (row, level), column in product(enumerate(levels.tolist()), range(16)):
            numbers = int(multiplier[column]), int(shift[column])
            inside += assert_least(scalar, *numbers, level, int(found[row, column]))
    assert inside > 4000


def test_thresholds_worked_by_hand() -> None:
    """A quarter of a sum: 2^30 * 2^(-1 - 31)."""
    quarter, levels = (1 << 30, -1), np.array([[-1], [0], [1], [2]])
    # Twice: 1 / 2 gives 1, halves up, and 1 / 2 gives 1, away from zero: so 1 / 4 is 1. 5 / 2 gives
    # 3, 3 / 2 gives 2. -1 / 2 gives 0, but -2 / 2 gives -1, and -1 / 2 gives -1. -5 / 2 gives -2,
    # -2 / 2 gives -1, but -6 / 2 gives -3, and -3 / 2 gives -2.
    assert double_thresholds(*quarter, levels).ravel().tolist() == [-5, -1, 1, 5]
    # Once, halves up: 2 / 4 is 1, -2 / 4 is 0, -6 / 4 is -1, 6 / 4 is 2.
    assert single_thresholds(*quarter, levels).ravel().tolist() == [-6, -2, 2, 6]
    # Eight times a sum: only whole sums reach a level, so level 1 needs 1, level -1 needs 0.
    eight = 1 << 30, 4
    assert double_thresholds(*eight, np.array([[-8], [-1], [1], [8], [9]])).ravel().tolist() == [
        -1,
        0,
        1,
        1,
        2,
    ]
    # A multiplier of 0 gives 0 whatever the sum: levels up to 0 are always reached, others never.
    for thresholds in (double_thresholds, single_thresholds):
        below, zero, above = thresholds(0, 0, np.array([[-1], [0], [1]])).ravel().tolist()
        assert below == zero < -(1 << 40)
        assert above > 1 << 40


def test_roundings_without_thresholds_are_those_of_doubles_and_of_wide_sums() -> None:
    assert set(THRESHOLDS) == {fixedpoint.multiply_double, fixedpoint.multiply_single}


def test_bounds_hold_for_sums_of_any_part_in_any_order() -> None:
    rng = np.random.default_rng(4)
    for _ in range(200):
        taps, channels = rng.integers(1, 9), rng.integers(1, 5)
        low, high = -int(rng.integers(0, 129)), int(rng.integers(0, 128))
        weights = rng.integers(-128, 128, (taps, channels))
        sums = sums_of(weights, low, high)
        for _ in range(20):
            x = rng.choice((low, high, 0, rng.integers(low, high + 1)), taps)
            partial = (x[:, None] * weights)[rng.permutation(taps)].cumsum(axis=0)
            assert (partial >= sums.low).all()
            assert (partial <= sums.high).all()
        ends = weights[..., None] * (low, high)
        assert (ends.min(axis=2).sum(axis=0) == sums.low).all()  # and they are reached
        assert (ends.max(axis=2).sum(axis=0) == sums.high).all()
        assert sums.bound == max(-sums.low.min(), sums.high.max())
        assert (sums.weights == weights.sum(axis=0)).all()


def test_bounds_worked_by_hand() -> None:
    # 3 and -2 and 5: at most 127 * 8 + 128 * 2 = 1272, at least -128 * 8 - 127 * 2 = -1278
    sums = sums_of(np.array([[3, 0], [-2, 0], [5, 0]], np.int8), -128, 127)
    assert (sums.low.tolist(), sums.high.tolist()) == ([-1278, 0], [1272, 0])
    assert (sums.weights.tolist(), sums.bound) == ([6, 0], 1278)


@pytest.mark.parametrize(
    ("bound", "dtype"),
    [
        (0, np.float32),
        (FLOAT32_INTEGERS - 1, np.float32),
        (FLOAT32_INTEGERS, np.float32),
        (FLOAT32_INTEGERS + 1, np.float64),
        (FLOAT64_INTEGERS, np.float64),
        (FLOAT64_INTEGERS + 1, None),
    ],
)
@pytest.mark.parametrize("sign", [1, -1])
def test_the_narrowest_float_that_holds_the_sums(bound: int, dtype: object, sign: int) -> None:
    """2^24 + 1 and 2^53 + 1 are the first integers that float32 and float64 lack."""
    assert sums_of(np.array([[bound * sign], [0]]), -1, 1).dtype is dtype
    for kind in (np.float32, np.float64):
        largest = 1 << (24 if kind is np.float32 else 53)
        assert int(kind(largest)) == largest
        assert int(kind(largest + 1)) != largest + 1


def test_products_of_this_machine_keep_the_integers() -> None:
    assert products_are_exact()

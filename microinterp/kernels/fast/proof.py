"""What must hold before floats may stand in for integers: bounds on sums, and where outputs step.

A sum of integer products in floats is exact, in any order and with or without fused multiply-adds,
if no partial sum can leave the range in which the type holds every integer. The constant weights
bound it: each input takes the value of its type that pushes the sum furthest.

A requantised output is a staircase of its sum: it never falls, and it rises at thresholds that the
integer arithmetic gives in closed form. Another function that never falls is the same staircase if
it has the same values on both sides of every threshold.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from microinterp.fast_path import one_blas_thread
from microinterp.quant.fixedpoint import (
    Int64Array,
    IntLike,
    Requantise,
    multiply_double,
    multiply_single,
)

FLOAT32_INTEGERS = 1 << 24
FLOAT64_INTEGERS = 1 << 53
"""Floats hold every integer up to here."""
NOWHERE = 1 << 62
"""A threshold that no int32 sum reaches."""


@dataclass(frozen=True)
class Sums:
    """What the sums of a layer's products can be.

    Attributes:
        low, high: least and greatest sum of each channel [channels]; low <= 0 <= high, and every
            partial sum lies between them.
        weights: sum of each channel's weights [channels].
    """

    low: Int64Array
    high: Int64Array
    weights: Int64Array

    @property
    def bound(self) -> int:
        """No partial sum is greater than this in magnitude."""
        return max(int(self.high.max(initial=0)), -int(self.low.min(initial=0)))

    @property
    def dtype(self) -> type[np.floating] | None:
        """The narrowest float that holds every partial sum exactly; None if there is none."""
        if self.bound <= FLOAT32_INTEGERS:
            return np.float32
        return np.float64 if self.bound <= FLOAT64_INTEGERS else None


def sums_of(weights: npt.NDArray[np.integer], low: int, high: int) -> Sums:
    """Bounds for weights [taps, channels] and inputs from low <= 0 to high >= 0."""
    positive = np.maximum(weights, 0).sum(axis=0, dtype=np.int64)
    total = weights.sum(axis=0, dtype=np.int64)
    negative = total - positive
    return Sums(
        low=positive * low + negative * high, high=positive * high + negative * low, weights=total
    )


@cache
def products_are_exact() -> bool:
    """Whether this machine's matrix products keep the integers that floats hold; looked at once.

    BLAS libraries can be told to compute float32 with fewer bits. The sums here climb to the last
    integers of both types, by odd steps, in matrices of several shapes.
    """
    for dtype, bits in ((np.float32, 24), (np.float64, 53)):
        largest = (1 << bits) - 1
        for rows, taps, channels in ((1, 129, 33), (37, 129, 33)):
            x = (np.arange(rows * taps).reshape(rows, taps) * 37 + 11) % 256 - 128
            w = (np.arange(taps * channels).reshape(taps, channels) * 91 + 5) % 255 - 127
            w[0], x[:, 0] = 1, largest - np.abs(x[:, 1:]) @ np.abs(w[1:]).max(axis=1)
            with one_blas_thread:
                products = x.astype(dtype) @ w.astype(dtype)
            if (products != np.einsum("rt,tc->rc", x, w)).any():
                return False
    return True


Thresholds = Callable[[IntLike, IntLike, Int64Array], Int64Array]


def double_thresholds(multiplier: IntLike, shift: IntLike, levels: Int64Array) -> Int64Array:
    """The least x for which multiply_double(x, multiplier, shift) reaches each level.

    The second rounding, by n = max(-shift, 0) bits with halves away from zero, needs a first
    result of R = level * 2^n - 2^(n-1), one more for levels up to 0; the first one needs
    x * multiplier * 2^max(shift, 0) >= R * 2^31 - 2^30.

    Args:
        multiplier, shift: [channels], as multiply_double takes them.
        levels: [levels, 1], within 511 of 0.

    Returns:
        [levels, channels]; exact for every x that stays an int32 when shifted to the left.
    """
    shift = np.asarray(shift, np.int64)
    right, left = np.maximum(-shift, 0), np.maximum(shift, 0)
    first = (levels << right) - ((np.int64(1) << right) >> 1) + ((levels <= 0) & (right > 0))
    if right.max(initial=0) > 22:  # no first result is greater than 2^31, nor is any of these else
        first = np.clip(first, -(1 << 31), 1 << 31)
    return _divide_up((first << 31) - (1 << 30), multiplier, left, levels)


def single_thresholds(multiplier: IntLike, shift: IntLike, levels: Int64Array) -> Int64Array:
    """The same for multiply_single: x * multiplier >= (2 * level - 1) * 2^(30 - shift)."""
    half = 30 - np.asarray(shift, np.int64)
    most = (NOWHERE >> half) + 1  # beyond any product, and not beyond int64
    wanted = np.clip(2 * levels - 1, -most, most) << half
    return _divide_up(wanted, multiplier, np.zeros_like(half), levels)


def _divide_up(
    wanted: Int64Array, multiplier: IntLike, left: Int64Array, levels: Int64Array
) -> Int64Array:
    """The least x with (x << left) * multiplier >= wanted; a multiplier of 0 reaches only 0."""
    multiplier = np.asarray(multiplier, np.int64)
    least = -(-wanted // np.maximum(multiplier, 1))
    if left.any():
        least = -(-least >> left)
    if multiplier.all():
        return least
    nowhere = np.where(levels <= 0, -NOWHERE, NOWHERE)
    result: Int64Array = np.where(multiplier > 0, least, nowhere)
    return result


THRESHOLDS: Mapping[Requantise, Thresholds] = {
    multiply_double: double_thresholds,
    multiply_single: single_thresholds,
}
"""Roundings that have a fast form. multiply_single shifts left inside its one rounding."""

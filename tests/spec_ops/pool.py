"""Pools as naive loops over flat Python lists, written from TFLite's definitions."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from tests.spec_ops.conv import Axis, Number, output_shape
from tests.spec_ops.movement import places, position


def windows(
    x: Sequence[Number], x_shape: Sequence[int], axes: tuple[Axis, Axis]
) -> list[list[Number]]:
    """For each output the pixels of the image under its window, row by row."""
    return [
        [
            x[position((n, iy, ix, c), x_shape)]
            for _, iy in axes[0].pixels(oy, x_shape[1])
            for _, ix in axes[1].pixels(ox, x_shape[2])
        ]
        for n, oy, ox, c in places(output_shape(x_shape, x_shape[3], axes))
    ]


def rounded_mean(values: Sequence[int]) -> int:
    """The mean to the nearest integer, halves away from zero."""
    mean = Fraction(sum(values), len(values))
    whole = int(abs(mean) + Fraction(1, 2))
    return whole if mean > 0 else -whole

"""Convolutions as naive loops over flat Python lists, written from TFLite's definitions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.spec_ops.movement import places, position

Number = int | float
Term = Callable[[Number, Number, Number], Number]
"""A sum, a pixel and a weight give the next sum."""


@dataclass(frozen=True)
class Axis:
    """A filter's movement along one axis."""

    size: int
    stride: int
    dilation: int
    padding: str

    @property
    def reach(self) -> int:
        """Pixels from the first tap to the last one."""
        return (self.size - 1) * self.dilation + 1

    def outputs(self, length: int) -> int:
        """SAME: as if with stride 1 nothing were lost; VALID: only where the filter fits."""
        if self.padding == "SAME":
            return (length + self.stride - 1) // self.stride
        return len(range(0, length - self.reach + 1, self.stride))

    def before(self, length: int) -> int:
        """Pixels of padding before the image: the smaller half of what SAME needs."""
        if self.padding == "VALID":
            return 0
        return max(0, (self.outputs(length) - 1) * self.stride + self.reach - length) // 2

    def pixels(self, output: int, length: int) -> list[tuple[int, int]]:
        """(tap, pixel) of the taps that lie inside the image."""
        start = output * self.stride - self.before(length)
        found = [(tap, start + tap * self.dilation) for tap in range(self.size)]
        return [(tap, pixel) for tap, pixel in found if 0 <= pixel < length]


def output_shape(
    x_shape: Sequence[int], filters: int, axes: tuple[Axis, Axis]
) -> tuple[int, int, int, int]:
    rows, columns = axes
    return x_shape[0], rows.outputs(x_shape[1]), columns.outputs(x_shape[2]), filters


def convolve(
    x: Sequence[Number],
    x_shape: Sequence[int],
    w: Sequence[Number],
    w_shape: Sequence[int],
    axes: tuple[Axis, Axis],
    term: Term,
) -> list[Number]:
    """Sums of CONV_2D, before the bias; the filter is [filters, rows, columns, depth]."""
    filters, depth = w_shape[0], w_shape[3]
    per_group = filters // (x_shape[3] // depth)
    sums = []
    for n, oy, ox, o in places(output_shape(x_shape, filters, axes)):
        total: Number = 0
        for ky, iy in axes[0].pixels(oy, x_shape[1]):
            for kx, ix in axes[1].pixels(ox, x_shape[2]):
                for c in range(depth):
                    channel = o // per_group * depth + c
                    pixel = x[position((n, iy, ix, channel), x_shape)]
                    total = term(total, pixel, w[position((o, ky, kx, c), w_shape)])
        sums.append(total)
    return sums


def convolve_depthwise(
    x: Sequence[Number],
    x_shape: Sequence[int],
    w: Sequence[Number],
    w_shape: Sequence[int],
    axes: tuple[Axis, Axis],
    term: Term,
) -> list[Number]:
    """Sums of DEPTHWISE_CONV_2D, before the bias; the filter is [1, rows, columns, filters]."""
    per_channel = w_shape[3] // x_shape[3]
    sums = []
    for n, oy, ox, o in places(output_shape(x_shape, w_shape[3], axes)):
        total: Number = 0
        for ky, iy in axes[0].pixels(oy, x_shape[1]):
            for kx, ix in axes[1].pixels(ox, x_shape[2]):
                pixel = x[position((n, iy, ix, o // per_channel), x_shape)]
                total = term(total, pixel, w[position((0, ky, kx, o), w_shape)])
        sums.append(total)
    return sums

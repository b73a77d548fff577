"""TRANSPOSE_CONV as naive loops over flat Python lists, written from TFLite's definition."""

from __future__ import annotations

from collections.abc import Sequence

from tests.spec_ops.conv import Axis, Number, Term
from tests.spec_ops.movement import places, position


def scatter(
    x: Sequence[Number],
    x_shape: Sequence[int],
    w: Sequence[Number],
    w_shape: Sequence[int],
    y_shape: Sequence[int],
    axes: tuple[Axis, Axis],
    term: Term,
) -> list[Number]:
    """Sums before the bias: pixel after pixel is spread over the output, through the filter
    [filters, rows, columns, depth]. What falls outside the output is lost."""
    sums: list[Number] = [0] * (y_shape[0] * y_shape[1] * y_shape[2] * y_shape[3])
    top, left = (axis.before(length) for axis, length in zip(axes, y_shape[1:3], strict=True))
    for n, iy, ix, c in places(x_shape):
        pixel = x[position((n, iy, ix, c), x_shape)]
        for o, ky, kx, _ in places((*w_shape[:3], 1)):
            oy, ox = iy * axes[0].stride + ky - top, ix * axes[1].stride + kx - left
            if 0 <= oy < y_shape[1] and 0 <= ox < y_shape[2]:
                at = position((n, oy, ox, o), y_shape)
                sums[at] = term(sums[at], pixel, w[position((o, ky, kx, c), w_shape)])
    return sums

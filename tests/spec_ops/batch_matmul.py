"""BATCH_MATMUL as naive loops over flat Python lists, written from TensorFlow's definition."""

from __future__ import annotations

from collections.abc import Sequence

from tests.spec_ops.conv import Number, Term
from tests.spec_ops.movement import places, position


def products(
    x: Sequence[Number],
    x_shape: Sequence[int],
    y: Sequence[Number],
    y_shape: Sequence[int],
    out_shape: Sequence[int],
    adjoint: tuple[bool, bool],
    term: Term,
) -> list[Number]:
    """Sums for each place of the output; adjoint operands lie with rows and columns swapped."""
    depth = x_shape[-2 if adjoint[0] else -1]
    sums = []
    for *stack, i, j in places(out_shape):
        total: Number = 0
        for k in range(depth):
            left = x[_position(stack, (k, i) if adjoint[0] else (i, k), x_shape)]
            right = y[_position(stack, (j, k) if adjoint[1] else (k, j), y_shape)]
            total = term(total, left, right)
        sums.append(total)
    return sums


def _position(stack: Sequence[int], place: tuple[int, int], shape: Sequence[int]) -> int:
    """Where a matrix' element lies: dimensions of 1 serve every place, absent ones too."""
    own = len(shape) - 2
    kept = stack[len(stack) - own :]
    at = [0 if size == 1 else number for number, size in zip(kept, shape[:own], strict=True)]
    return position((*at, *place), shape)

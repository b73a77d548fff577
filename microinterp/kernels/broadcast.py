"""Broadcasting of two operands, for the element-wise kernels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from microinterp.graph import Node, Tensor
from microinterp.kernels.common import MAX_SHAPE_RANK, require_rank, require_shape


@dataclass(frozen=True, slots=True)
class Broadcast:
    """How two operands come to the same number of axes, so that NumPy can broadcast them.

    Attributes:
        ranks: axes of each operand in the file.
        shapes: the operands' shapes with ones before the first axis.
    """

    ranks: tuple[int, int]
    shapes: tuple[tuple[int, ...], tuple[int, ...]]

    def __call__(
        self, a: npt.NDArray[Any] | None, b: npt.NDArray[Any] | None
    ) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """Both operands with the same number of axes; a leading axis of a batch stays first."""
        assert a is not None
        assert b is not None
        if self.ranks[0] == self.ranks[1]:
            return a, b
        return self._extended(a, 0), self._extended(b, 1)

    def _extended(self, x: npt.NDArray[Any], operand: int) -> npt.NDArray[Any]:
        return x.reshape(x.shape[: x.ndim - self.ranks[operand]] + self.shapes[operand])


def broadcast_of(node: Node, a: Tensor, b: Tensor, out: Tensor) -> Broadcast:
    """Check that `a` and `b` broadcast to the shape of `out`.

    Raises:
        PrepareError: they do not, or have more than 6 dimensions.
    """
    for tensor in (a, b, out):
        require_rank(node, tensor, 0, MAX_SHAPE_RANK)
    try:
        shape = np.broadcast_shapes(a.shape, b.shape)
    except ValueError:
        raise node.error(
            f"shape {list(b.shape)} does not broadcast with {list(a.shape)}", b
        ) from None
    require_shape(node, out, shape)
    rank = len(shape)
    extended = tuple((1,) * (rank - len(s)) + s for s in (a.shape, b.shape))
    return Broadcast((a.rank, b.rank), (extended[0], extended[1]))

"""Broadcasting of two operands, for the element-wise kernels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from microinterp.graph import Node, Tensor
from microinterp.kernels.common import MAX_SHAPE_RANK, require_rank, require_shape
from microinterp.quant.fixedpoint import Int64Array, Requantise
from microinterp.quant.params import Multiplier


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


@dataclass(frozen=True, slots=True)
class ScaledOperands:
    """How two integer operands come to one scale: requantise((x - zero point) << left_shift).

    Attributes:
        operands: how they broadcast.
        left_shift: bits that the operands gain before they are rescaled.
        zero_points, scaling: of each operand.
        requantise: rounding function.
    """

    operands: Broadcast
    left_shift: int
    zero_points: tuple[int, int]
    scaling: tuple[Multiplier, Multiplier]
    requantise: Requantise

    def __call__(
        self, a: npt.NDArray[Any] | None, b: npt.NDArray[Any] | None
    ) -> tuple[Int64Array, Int64Array]:
        """Both operands in their common scale."""
        scaled_a, scaled_b = (
            self.requantise((x.astype(np.int64) - zero) << self.left_shift, s.multiplier, s.shift)
            for x, zero, s in zip(self.operands(a, b), self.zero_points, self.scaling, strict=True)
        )
        return scaled_a, scaled_b


@dataclass(frozen=True)
class FloatParams:
    """Parameters of a float32 op on two operands; low and high are clamp limits."""

    operands: Broadcast
    low: np.float32
    high: np.float32


@dataclass(frozen=True)
class Int32Params:
    """Parameters of an op on two operands of plain int32; low and high are clamp limits."""

    operands: Broadcast
    low: int
    high: int


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

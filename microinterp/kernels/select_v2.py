"""SELECT_V2: out = x where the condition is true, else y; all three broadcast.

The raw numbers are copied, nothing is rescaled. If all three and the output have one element, their
ranks may differ. Source: TFLM kernels/select.cc.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from microinterp.graph import Node, Tensor
from microinterp.kernels.common import (
    MAX_SHAPE_RANK,
    Evaluate,
    pick_by_type,
    require_rank,
    require_shape,
)
from microinterp.prepare import Arrays, Context, Kernel
from microinterp.registry import Op


@dataclass(frozen=True)
class Params:
    """Of condition, x and y: ranks in the file, and shapes with ones in front to the output's."""

    ranks: tuple[int, ...]
    shapes: tuple[tuple[int, ...], ...]

    def extended(self, operand: int, array: npt.NDArray[Any] | None) -> npt.NDArray[Any]:
        """Operand `operand` with the output's number of axes; a batch's leading axis stays."""
        assert array is not None
        leading = array.shape[: array.ndim - self.ranks[operand]]
        return array.reshape(leading + self.shapes[operand])


def evaluate(p: Params, arrays: Arrays) -> None:
    """bool condition, x and y of one type -> out of that type."""
    (out,) = arrays.outputs
    condition, x, y = (p.extended(i, array) for i, array in enumerate(arrays.inputs))
    out[...] = np.where(condition, x, y)


def prepare(node: Node, context: Context) -> Kernel:
    """Check types and shapes."""
    node.require_counts((3, 3))
    operands = [node.input(i) for i in range(3)]
    out = node.output()
    evaluate = pick_by_type(node, _EVALUATE, *operands, out)
    for tensor in (*operands, out):
        require_rank(node, tensor, 0, MAX_SHAPE_RANK)
    if all(tensor.elements == 1 for tensor in (*operands, out)):
        shapes = tuple((1,) * out.rank for _ in operands)
    else:
        _require_broadcast(node, operands, out)
        shapes = tuple((1,) * (out.rank - t.rank) + t.shape for t in operands)
    return Kernel(evaluate, Params(tuple(t.rank for t in operands), shapes))


def _require_broadcast(node: Node, operands: list[Tensor], out: Tensor) -> None:
    try:
        shape = np.broadcast_shapes(*(tensor.shape for tensor in operands))
    except ValueError:
        given = " and ".join(str(list(tensor.shape)) for tensor in operands)
        raise node.error(f"shapes {given} do not broadcast") from None
    require_shape(node, out, shape)


_TYPES = ("float32", "int8", "int16")
_EVALUATE: Mapping[tuple[str, ...], Evaluate] = {
    ("bool", name, name, name): evaluate for name in _TYPES
}

OPS = (Op("SELECT_V2", prepare, _TYPES),)

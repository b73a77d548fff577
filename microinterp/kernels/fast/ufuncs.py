"""Kernels that are one of NumPy's functions of two elements: it writes straight into the output."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from microinterp.fast_path import Call, Fast, Workspace
from microinterp.graph import Node
from microinterp.kernels.broadcast import Broadcast
from microinterp.prepare import Arrays, Kernel

if TYPE_CHECKING:
    from microinterp.kernels import logical, maximum_minimum


@dataclass(frozen=True)
class Straight:
    """out = combine(a, b).

    Attributes:
        constants: each operand that is constant, spread over the output's shape in the file:
            NumPy is slow on operands that it has to spread itself.
    """

    operands: Broadcast
    combine: np.ufunc
    constants: tuple[npt.NDArray[Any] | None, npt.NDArray[Any] | None]

    def bind(self, arrays: Arrays, workspace: Workspace) -> list[Call]:
        """The call from a and b to out [...]."""
        sides = self.operands(*arrays.inputs)
        a, b = (x if c is None else c for x, c in zip(sides, self.constants, strict=True))
        return [partial(self.combine, a, b, out=arrays.outputs[0])]


def straight(node: Node, operands: Broadcast, combine: np.ufunc) -> Fast:
    """The twin of a kernel whose output is what `combine` gives for its operands."""
    tensors, shape = (node.input(0), node.input(1)), node.output().shape
    constants = [
        None if t.data is None else np.broadcast_to(t.data.reshape(s), shape).copy()
        for t, s in zip(tensors, operands.shapes, strict=True)
    ]
    twin = Straight(operands, combine, (constants[0], constants[1]))
    return Fast(f"numpy.{combine.__name__} straight into the output", twin.bind)


def choose_extreme(node: Node, kernel: Kernel) -> Fast | str:
    """The fast twin of maximum_minimum.evaluate, or why there is none."""
    if node.output().dtype.kind == "f":
        return "NumPy's extremes of floats take NaN and -0.0 otherwise"
    p: maximum_minimum.Params = kernel.params
    combine = np.maximum if p.prefers_first is np.greater else np.minimum
    return straight(node, p.operands, combine)


def choose_logical(node: Node, kernel: Kernel) -> Fast | str:
    """The fast twin of logical.evaluate_binary."""
    p: logical.Params = kernel.params
    return straight(node, p.operands, p.combine)

"""FLOOR_DIV and FLOOR_MOD of float32, with broadcasting.

FLOOR_DIV: out = floor(a / b), divided in double; TFLM stops the invoke where any b is 0, and so do
we. FLOOR_MOD: the remainder of a truncated division, plus b where its sign is not b's.
Source: TFLM kernels/{floor_div,floor_mod}.cc, kernels/internal/reference/{floor_div,floor_mod}.h.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from microinterp.graph import Node
from microinterp.kernels.broadcast import Broadcast, broadcast_of
from microinterp.kernels.common import Evaluate, pick_by_type
from microinterp.prepare import Arrays, Context, Kernel, Status
from microinterp.registry import Op


def evaluate_floor_div(operands: Broadcast, arrays: Arrays) -> Status:
    """float32 a and b -> out; an error if an element of b is 0."""
    (out,) = arrays.outputs
    a, b = operands(*arrays.inputs)
    if (b == 0).any():
        return Status.ERROR
    out[...] = np.floor(a.astype(np.float64) / b)
    return Status.OK


def evaluate_floor_mod(operands: Broadcast, arrays: Arrays) -> None:
    """float32 a and b -> out; NaN where b is 0."""
    (out,) = arrays.outputs
    a, b = operands(*arrays.inputs)
    remainder = np.fmod(a, b)
    moves = (remainder != 0) & ((b < 0) != (remainder < 0))
    out[...] = np.where(moves, remainder + b, remainder)


def _prepare(evaluates: Mapping[tuple[str, ...], Evaluate], node: Node) -> Kernel:
    node.require_counts((2, 2))
    a, b, out = node.input(0), node.input(1), node.output()
    evaluate = pick_by_type(node, evaluates, a, b, out)
    return Kernel(evaluate, broadcast_of(node, a, b, out))


def prepare_floor_div(node: Node, context: Context) -> Kernel:
    """Check a FLOOR_DIV: a constant divisor has no 0."""
    kernel = _prepare(_FLOOR_DIV, node)
    b = node.input(1)
    if b.data is not None:
        node.require(bool((b.data != 0).all()), "division by a constant 0", b)
    return kernel


def prepare_floor_mod(node: Node, context: Context) -> Kernel:
    """Check a FLOOR_MOD."""
    return _prepare(_FLOOR_MOD, node)


_FLOOR_DIV: Mapping[tuple[str, ...], Evaluate] = {
    ("float32", "float32", "float32"): evaluate_floor_div
}
_FLOOR_MOD: Mapping[tuple[str, ...], Evaluate] = {
    ("float32", "float32", "float32"): evaluate_floor_mod
}

OPS = (
    Op("FLOOR_DIV", prepare_floor_div, ("float32",), limits=("no divisor is 0",)),
    Op("FLOOR_MOD", prepare_floor_mod, ("float32",)),
)

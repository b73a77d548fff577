"""LOGICAL_AND, LOGICAL_OR (with broadcasting) and LOGICAL_NOT of bool.

TFLM's AND and OR do not look at the types: of any other than bool they would read the bytes as
truth values. Those are refused here.
Source: TFLM kernels/{logical_common,elementwise}.cc.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from microinterp.graph import Node
from microinterp.kernels.broadcast import Broadcast, broadcast_of
from microinterp.kernels.common import Evaluate, pick_by_type, unary_operands
from microinterp.prepare import Arrays, Context, Kernel
from microinterp.registry import Op


@dataclass(frozen=True)
class Params:
    """A binary operation on truth values."""

    operands: Broadcast
    combine: np.ufunc


def evaluate_binary(p: Params, arrays: Arrays) -> None:
    """bool a and b -> out."""
    (out,) = arrays.outputs
    out[...] = p.combine(*p.operands(*arrays.inputs))


def evaluate_not(_: None, arrays: Arrays) -> None:
    """bool x -> out."""
    (x,), (out,) = arrays.inputs, arrays.outputs
    assert x is not None
    np.logical_not(x, out=out)


def prepare_binary(combine: np.ufunc, node: Node, context: Context) -> Kernel:
    """Check a LOGICAL_AND or LOGICAL_OR."""
    node.require_counts((2, 2))
    a, b, out = node.input(0), node.input(1), node.output()
    evaluate = pick_by_type(node, _BINARY, a, b, out)
    return Kernel(evaluate, Params(broadcast_of(node, a, b, out), combine))


def prepare_not(node: Node, context: Context) -> Kernel:
    """Check a LOGICAL_NOT."""
    x, out = unary_operands(node)
    return Kernel(pick_by_type(node, _NOT, x, out))


_BINARY: Mapping[tuple[str, ...], Evaluate] = {("bool", "bool", "bool"): evaluate_binary}
_NOT: Mapping[tuple[str, ...], Evaluate] = {("bool", "bool"): evaluate_not}

OPS = (
    Op("LOGICAL_AND", partial(prepare_binary, np.logical_and), ("bool",)),
    Op("LOGICAL_OR", partial(prepare_binary, np.logical_or), ("bool",)),
    Op("LOGICAL_NOT", prepare_not, ("bool",)),
)

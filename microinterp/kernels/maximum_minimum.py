"""MAXIMUM and MINIMUM, with broadcasting: the raw numbers, nothing is rescaled.

a > b ? a : b and a < b ? a : b: where one is NaN, b.
Source: TFLM kernels/maximum_minimum.{cc,h}.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from microinterp.graph import Node
from microinterp.kernels.broadcast import Broadcast, broadcast_of
from microinterp.kernels.common import Evaluate, pick_by_type
from microinterp.prepare import Arrays, Context, Kernel
from microinterp.registry import Op

_TYPES = ("float32", "int8", "int16", "int32", "int64")


@dataclass(frozen=True)
class Params:
    """How the operands broadcast, and the comparison that prefers the first one."""

    operands: Broadcast
    prefers_first: np.ufunc


def evaluate(p: Params, arrays: Arrays) -> None:
    """a and b of one type -> out of that type."""
    (out,) = arrays.outputs
    a, b = p.operands(*arrays.inputs)
    out[...] = np.where(p.prefers_first(a, b), a, b)


def prepare(prefers_first: np.ufunc, node: Node, context: Context) -> Kernel:
    """Check types and shapes."""
    node.require_counts((2, 2))
    a, b, out = node.input(0), node.input(1), node.output()
    evaluate = pick_by_type(node, _EVALUATE, a, b, out)
    return Kernel(evaluate, Params(broadcast_of(node, a, b, out), prefers_first))


_EVALUATE: Mapping[tuple[str, ...], Evaluate] = {(name,) * 3: evaluate for name in _TYPES}

OPS = (
    Op("MAXIMUM", partial(prepare, np.greater), _TYPES),
    Op("MINIMUM", partial(prepare, np.less), _TYPES),
)

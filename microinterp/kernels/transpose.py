"""TRANSPOSE: out[i] = in[j] with j[perm[k]] = i[k].

Source: TFLM kernels/transpose_common.cc, transpose.cc, reference/transpose.h.
"""

from __future__ import annotations

from dataclasses import dataclass

from microinterp.graph import Node
from microinterp.kernels.common import constant_ints, pick_by_type, require_rank, require_shape
from microinterp.prepare import Arrays, Context, Kernel
from microinterp.registry import Op

MAX_RANK = 5


@dataclass(frozen=True)
class Params:
    """Which input axis each output axis is, in the file's numbering."""

    permutation: tuple[int, ...]


def evaluate(p: Params, arrays: Arrays) -> None:
    """in [...] -> out [...] with its axes permuted."""
    x = arrays.inputs[0]
    (out,) = arrays.outputs
    assert x is not None
    extra = x.ndim - len(p.permutation)
    out[...] = x.transpose(*range(extra), *(axis + extra for axis in p.permutation))


def prepare(node: Node, context: Context) -> Kernel:
    """Check that the second input is a permutation and that it gives the output's shape."""
    node.require_counts((2, 2))
    x, order, out = node.input(0), node.input(1), node.output()
    pick_by_type(node, {(name, name): evaluate for name in TYPES}, x, out)
    require_rank(node, x, 1, MAX_RANK)  # without axes, TFLM finds no constant order
    require_rank(node, order, 1)
    permutation = constant_ints(node, order, x.rank)
    node.require(
        sorted(permutation) == list(range(x.rank)),
        f"{list(permutation)} is no permutation of {x.rank} axes",
        order,
    )
    require_shape(node, out, tuple(x.shape[axis] for axis in permutation))
    return Kernel(evaluate, Params(permutation))


TYPES = ("float32", "int8", "int16")
LIMITS = ("rank 1 to 5", "permutation constant, int32")
OPS = (Op("TRANSPOSE", prepare, TYPES, limits=LIMITS),)

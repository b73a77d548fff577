"""REVERSE_V2: the input with the order of elements reversed along neighbouring axes.

Source: TFLM kernels/reverse.cc, reference/reverse.h.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from microinterp.errors import InputError, Where
from microinterp.graph import Node
from microinterp.kernels.common import (
    MAX_SHAPE_RANK,
    by_sample,
    constant_ints,
    pick_by_type,
    require_rank,
    require_shape,
)
from microinterp.prepare import Arrays, Context, Kernel
from microinterp.registry import Op


@dataclass(frozen=True)
class Params:
    """Which axes are reversed, counted from the last one."""

    axes: tuple[int, ...]


@dataclass(frozen=True)
class ComputedParams:
    """Rank of the input; the op and its axes, for the error."""

    rank: int
    where: Where


def evaluate(p: Params, arrays: Arrays) -> None:
    """in [...] -> out of the same shape."""
    x, (out,) = arrays.inputs[0], arrays.outputs
    assert x is not None
    out[...] = np.flip(x, p.axes)


def evaluate_computed(p: ComputedParams, arrays: Arrays) -> None:
    """in [...], axes int32 [n] -> out of in's shape.

    Raises:
        InputError: the axes are not what TFLM takes; it fails then.
    """
    x, axes = arrays.inputs
    (out,) = arrays.outputs
    assert x is not None
    assert axes is not None
    for one, given, result in by_sample((p.rank, 1, p.rank), x, axes, out):
        chosen, problem = chosen_axes(given.tolist(), p.rank)
        if problem:
            raise InputError(problem, p.where)
        result[...] = np.flip(one, chosen)


def chosen_axes(given: list[int], rank: int) -> tuple[tuple[int, ...], str]:
    """The axes counted from the last one, ascending; and what TFLM has against them, or ""."""
    if any(not -rank <= axis < rank for axis in given):
        return (), f"axes {given} are outside rank {rank}"
    axes = sorted(axis % rank - rank for axis in given)
    if any(after != before + 1 for before, after in pairwise(axes)):
        return (), f"axes {given} do not follow each other, which TFLM wants"
    return tuple(axes), ""


def prepare(node: Node, context: Context) -> Kernel:
    """Check shapes and, where they are known, the axes."""
    node.require_counts((2, 2))
    x, axes, out = node.input(0), node.input(1), node.output()
    pick_by_type(node, {(name, "int32", name): evaluate for name in TYPES}, x, axes, out)
    require_rank(node, x, 1, MAX_SHAPE_RANK)
    require_rank(node, axes, 1)
    require_shape(node, out, x.shape)
    node.require(
        1 <= axes.elements <= x.rank, f"lists {axes.elements} axes, wanted 1 to {x.rank}", axes
    )
    if not axes.is_constant:
        return Kernel(evaluate_computed, ComputedParams(x.rank, node.where(axes)))
    chosen, problem = chosen_axes(list(constant_ints(node, axes, axes.elements)), x.rank)
    node.require(not problem, problem, axes)
    return Kernel(evaluate, Params(chosen))


TYPES = ("float32", "int8", "int16", "int32", "int64", "uint8", "bool")
LIMITS = ("rank 1 to 6", "axes int32, neighbours of each other")
OPS = (Op("REVERSE_V2", prepare, TYPES, limits=LIMITS),)

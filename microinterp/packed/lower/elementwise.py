"""ADD and MUL of int8: operands that do not repeat as a whole are spread out first."""

from __future__ import annotations

import math

import numpy as np

from microinterp.graph import Tensor
from microinterp.kernels import add, mul
from microinterp.packed.lower.common import Lower, Lowering
from microinterp.packed.lower.movement import move, viewed
from microinterp.packed.steps import Add, Mul, Step, split

_Operand = tuple[list[Step], int, int]  # steps before, ref, elements


def lower_add(op: Lowering) -> list[Step]:
    """ADD."""
    op.require_types("int8")
    p = op.params(add.Params)
    out = op.node.output()
    (before_a, a, na), (before_b, b, nb) = _operand(op, 0, out), _operand(op, 1, out)
    scale_a, scale_b = p.operands.scaling
    step = Add(
        a,
        na,
        b,
        nb,
        op.destination(out),
        out.elements,
        p.operands.left_shift,
        *p.operands.zero_points,
        *split(scale_a.multiplier),
        scale_a.shift,
        *split(scale_b.multiplier),
        scale_b.shift,
        *split(p.multiplier),
        p.shift,
        p.output_zero_point,
        p.low,
        p.high,
    )
    return [*before_a, *before_b, step]


def lower_mul(op: Lowering) -> list[Step]:
    """MUL."""
    op.require_types("int8")
    p = op.params(mul.Params)
    out = op.node.output()
    (before_a, a, na), (before_b, b, nb) = _operand(op, 0, out), _operand(op, 1, out)
    step = Mul(
        a,
        na,
        b,
        nb,
        op.destination(out),
        out.elements,
        *p.zero_points,
        *split(p.multiplier),
        p.shift,
        p.output_zero_point,
        p.low,
        p.high,
    )
    return [*before_a, *before_b, step]


def _operand(op: Lowering, position: int, out: Tensor) -> _Operand:
    """An operand such that element i of the output uses its element i modulo its size.

    That holds if it has size 1 along all axes before some axis and the output's sizes from there
    on. Others are copied to scratch with every element as often as it is used; constants are
    packed like that.
    """
    x = op.node.input(position)
    shape = (1,) * (out.rank - x.rank) + x.shape
    first = next((i for i, size in enumerate(shape) if size != 1), out.rank)
    wanted = out.shape[first:]
    if shape[first:] == wanted:
        return [], op.source(x), x.elements
    if x.data is not None:
        spread = np.broadcast_to(x.data.reshape(shape[first:]), wanted)
        return [], op.constant(spread), spread.size
    count = math.prod(wanted)
    scratch = op.scratch(count)
    like = np.empty(shape[first:], x.dtype)
    source = viewed(op.source(x), like, np.broadcast_to(like, wanted))
    target_like = np.empty(wanted, x.dtype)
    steps = move(op, source, viewed(scratch, target_like, target_like))
    return steps, scratch, count


LOWER: dict[str, Lower] = {"ADD": lower_add, "MUL": lower_mul}

"""MEAN and SUM of int8 over any axes."""

from __future__ import annotations

import math
from itertools import groupby

import numpy as np

from microinterp.kernels import reduce
from microinterp.packed.lower.common import Lower, Lowering
from microinterp.packed.lower.movement import move, viewed
from microinterp.packed.steps import Mean, Step, split


def lower_mean(op: Lowering) -> list[Step]:
    """One MEAN step; where axes in between stay, they are first brought to the front."""
    op.require_types("int8")
    p = op.params(reduce.Params)
    x, out = op.node.input(0), op.node.output()
    reduced = {axis + x.rank for axis in p.reduction.axes}
    sizes = [(size, axis in reduced) for axis, size in enumerate(x.shape) if size != 1]
    runs = [(gone, [s for s, _ in run]) for gone, run in groupby(sizes, key=lambda pair: pair[1])]
    before: list[Step] = []
    source = op.source(x)
    if sum(gone for gone, _ in runs) > 1:
        kept = [axis for axis in range(x.rank) if axis not in reduced]
        like = np.empty(x.shape, x.dtype)
        view = like.transpose(*kept, *sorted(reduced))
        scratch = op.scratch(x.nbytes)
        target = np.empty(view.shape, x.dtype)
        before = move(op, viewed(source, like, view), viewed(scratch, target, target))
        source, outer, inner = scratch, out.elements, 1
    else:
        place = next((i for i, (gone, _) in enumerate(runs) if gone), len(runs))
        outer = math.prod(math.prod(run) for _, run in runs[:place])
        inner = math.prod(math.prod(run) for _, run in runs[place + 1 :])
    step = Mean(
        source,
        op.destination(out),
        outer,
        p.reduction.count,
        inner,
        p.offset,
        *split(p.multiplier),
        p.shift,
        p.output_zero_point,
    )
    return [*before, step]


LOWER: dict[str, Lower] = {"MEAN": lower_mean, "SUM": lower_mean}

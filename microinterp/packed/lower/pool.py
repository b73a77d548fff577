"""AVERAGE_POOL_2D and MAX_POOL_2D."""

from __future__ import annotations

from microinterp.kernels import pool_2d
from microinterp.packed.lower.common import Lower, Lowering
from microinterp.packed.steps import AveragePool, MaxPool, Step


def lower_average(op: Lowering) -> list[Step]:
    """AVERAGE_POOL_2D."""
    return [AveragePool(*_arguments(op))]


def lower_max(op: Lowering) -> list[Step]:
    """MAX_POOL_2D."""
    return [MaxPool(*_arguments(op))]


def _arguments(op: Lowering) -> tuple[int, ...]:
    op.require_types("int8")
    p = op.params(pool_2d.Params)
    x = op.node.input(0)
    height, width = p.height, p.width
    step = MaxPool(
        x=op.source(x),
        dst=op.destination(op.node.output()),
        batches=x.shape[0],
        ih=height.length,
        iw=width.length,
        c=x.shape[3],
        oh=height.outputs,
        ow=width.outputs,
        kh=height.size,
        kw=width.size,
        sh=height.stride,
        sw=width.stride,
        pt=height.before,
        pl=width.before,
        lo=int(p.low),
        hi=int(p.high),
        order=op.order,
    )
    return tuple(step)


LOWER: dict[str, Lower] = {"AVERAGE_POOL_2D": lower_average, "MAX_POOL_2D": lower_max}

"""CUMSUM as naive loops over flat Python lists."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tests.spec_ops.movement import Shape, places, position
from tests.spec_ops.search import Value


def cumsum(
    values: Sequence[Value],
    shape: Shape,
    axis: int,
    exclusive: bool,
    reverse: bool,
    start: Value,
    add: Callable[[Value, Value], Value],
) -> list[Value]:
    """Running sums along `axis` >= 0 that begin with `start`."""
    out = list(values)
    for index in places((*shape[:axis], *shape[axis + 1 :])):
        total = start
        for i in range(shape[axis])[:: -1 if reverse else 1]:
            at = position((*index[:axis], i, *index[axis:]), shape)
            if exclusive:
                out[at] = total
            total = add(total, values[at])
            if not exclusive:
                out[at] = total
    return out

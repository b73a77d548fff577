"""ARG_MAX, ARG_MIN as naive loops over flat Python lists."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from tests.spec_ops.movement import Shape, places, position

Value = TypeVar("Value", int, float)


def arg(
    values: Sequence[Value], shape: Shape, axis: int, better: Callable[[Value, Value], bool]
) -> list[int]:
    """Place along `axis` >= 0 of the first element that no other is better than."""
    out = []
    for index in places((*shape[:axis], *shape[axis + 1 :])):
        line = [
            values[position((*index[:axis], i, *index[axis:]), shape)] for i in range(shape[axis])
        ]
        best = 0
        for i, value in enumerate(line):
            if better(value, line[best]):
                best = i
        out.append(best)
    return out

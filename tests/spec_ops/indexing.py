"""Ops that pick, place or repeat whole elements, as naive loops over flat Python lists."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tests.spec_ops.movement import Shape, places, position


def pack(parts: Sequence[list[int]], shape: Shape, axis: int) -> list[int]:
    """Tensors of one shape as the slices of a new axis >= 0."""
    whole = (*shape[:axis], len(parts), *shape[axis:])
    return [
        parts[index[axis]][position((*index[:axis], *index[axis + 1 :]), shape)]
        for index in places(whole)
    ]


def unpack(values: list[int], shape: Shape, axis: int) -> list[list[int]]:
    """The slices along an axis >= 0."""
    return [
        [v for index, v in zip(places(shape), values, strict=True) if index[axis] == i]
        for i in range(shape[axis])
    ]


def gather(
    values: list[int], shape: Shape, indices: list[int], counts: Shape, axis: int, batch: int
) -> list[int]:
    """out[b, o, i, r] = x[b, o, indices[b, i], r]: b has `batch` axes, b and o have `axis`."""
    out = []
    for index in places((*shape[:axis], *counts[batch:], *shape[axis + 1 :])):
        rank = len(counts) - batch
        outer, which, inner = index[:axis], index[axis : axis + rank], index[axis + rank :]
        chosen = indices[position((*outer[:batch], *which), counts)]
        out.append(values[position((*outer, chosen, *inner), shape)])
    return out


def gather_nd(values: list[int], shape: Shape, indices: list[int], counts: Shape) -> list[int]:
    """out[i] = x[indices[i]], where each row of indices is a place in the first axes of x."""
    depth = counts[-1]
    out = []
    for row in range(math.prod(counts[:-1])):
        place = indices[row * depth : (row + 1) * depth]
        out += [values[position((*place, *rest), shape)] for rest in places(shape[depth:])]
    return out


def lookup(table: list[int], shape: Shape, ids: list[int]) -> list[int]:
    """Rows of a table."""
    width = math.prod(shape[1:])
    return [v for i in ids for v in table[i * width : (i + 1) * width]]


def update_slice(
    values: list[int], shape: Shape, update: list[int], box: Shape, starts: Sequence[int]
) -> list[int]:
    """The values with a box taken from `update`, moved so that it lies inside."""
    out = list(values)
    for index, value in zip(places(box), update, strict=True):
        moved = [
            max(0, min(start, size - have)) + i
            for start, size, have, i in zip(starts, shape, box, index, strict=True)
        ]
        out[position(moved, shape)] = value
    return out


def reverse(values: list[int], shape: Shape, axes: Sequence[int]) -> list[int]:
    """The order along `axes` >= 0 turned round."""
    out = []
    for index in places(shape):
        turned = [shape[k] - 1 - i if k in axes else i for k, i in enumerate(index)]
        out.append(values[position(turned, shape)])
    return out


def broadcast(values: list[int], shape: Shape, wanted: Shape) -> list[int]:
    """The values repeated along axes that are missing or of size 1."""
    missing = len(wanted) - len(shape)
    out = []
    for index in places(wanted):
        own = [0 if n == 1 else i for i, n in zip(index[missing:], shape, strict=True)]
        out.append(values[position(own, shape)])
    return out


def mirror(place: int, size: int, left: int, edge: int) -> int:
    """The input place that stands at output `place`; `edge` is 1 if the edge is not repeated."""
    at = place - left
    if at < 0:
        return -at - 1 + edge
    if at >= size:
        return max(0, 2 * size - 1 - edge - at)
    return at


def mirror_pad(
    values: list[int], shape: Shape, paddings: Sequence[tuple[int, int]], edge: int
) -> list[int]:
    """The input with its mirror image around it."""
    wanted = [left + n + right for n, (left, right) in zip(shape, paddings, strict=True)]
    out = []
    for index in places(wanted):
        source = [
            mirror(i, n, left, edge) for i, n, (left, _) in zip(index, shape, paddings, strict=True)
        ]
        out.append(values[position(source, shape)])
    return out

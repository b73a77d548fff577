"""Data-movement ops as naive loops over flat Python lists, written from TFLite's definitions.

A tensor is a flat list of its elements, last axis fastest, and a shape.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Sequence
from itertools import product

Shape = Sequence[int]


def places(shape: Shape) -> Iterator[tuple[int, ...]]:
    """Every index of a tensor, in the order of its elements."""
    return product(*(range(size) for size in shape))


def position(index: Sequence[int], shape: Shape) -> int:
    """Where the element at `index` stands in the flat list."""
    at = 0
    for i, size in zip(index, shape, strict=True):
        assert 0 <= i < size
        at = at * size + i
    return at


def padded_shape(shape: Shape, paddings: Sequence[tuple[int, int]]) -> tuple[int, ...]:
    return tuple(b + n + a for n, (b, a) in zip(shape, paddings, strict=True))


def pad(
    values: list[int], shape: Shape, paddings: Sequence[tuple[int, int]], fill: int
) -> list[int]:
    """The input with `fill` around it."""
    bigger = padded_shape(shape, paddings)
    out = [fill] * math.prod(bigger)
    for index in places(shape):
        moved = [i + before for i, (before, _) in zip(index, paddings, strict=True)]
        out[position(moved, bigger)] = values[position(index, shape)]
    return out


def squeezed_shape(shape: Shape, dims: Sequence[int]) -> tuple[int, ...]:
    """The shape without the dimensions named, or without all of size 1 if none is."""
    if not dims:
        return tuple(size for size in shape if size != 1)
    left = list(shape)
    for axis in {d + len(shape) if d < 0 else d for d in dims}:
        left[axis] = 0
    return tuple(size for size in left if size)


def expanded_shape(shape: Shape, axis: int) -> tuple[int, ...]:
    """The shape with a 1 that ends up at `axis` (counted in the new shape)."""
    longer = list(shape)
    longer.insert(axis if axis >= 0 else len(shape) + 1 + axis, 1)
    return tuple(longer)


def transpose(values: list[int], shape: Shape, permutation: Sequence[int]) -> list[int]:
    """out[i] = in[j] with j[permutation[k]] = i[k]."""
    out = []
    for index in places([shape[axis] for axis in permutation]):
        source = [0] * len(shape)
        for k, axis in enumerate(permutation):
            source[axis] = index[k]
        out.append(values[position(source, shape)])
    return out


def float32(x: float) -> float:
    """x rounded to float32; one rounding after +, -, * or / of float32 values is exact."""
    return float(struct.unpack("<f", struct.pack("<f", x))[0])


def nearest(place: int, size: int, outputs: int, align: bool, half: bool) -> int:
    """Which of `size` pixels stands at `place` of `outputs`."""
    if align and outputs > 1:
        scale = float32((size - 1) / (outputs - 1))
    else:
        scale = float32(size / outputs)
    at = float32(float32(place + (0.5 if half else 0.0)) * scale)
    whole = math.floor(at)
    if align and at - whole >= 0.5:
        whole += 1
    return max(0, min(whole, size - 1))


def resize_nearest(
    values: list[int], shape: Shape, height: int, width: int, align: bool, half: bool
) -> list[int]:
    batches, rows, columns, channels = shape
    out = []
    for b, y, x, c in places((batches, height, width, channels)):
        row = nearest(y, rows, height, align, half)
        column = nearest(x, columns, width, align, half)
        out.append(values[position((b, row, column, c), shape)])
    return out


def concatenate(parts: Sequence[list[int]], shapes: Sequence[Shape], axis: int) -> list[int]:
    """Tensors one after the other along `axis` >= 0."""
    shape = list(shapes[0])
    shape[axis] = sum(s[axis] for s in shapes)
    out = [0] * math.prod(shape)
    start = 0
    for values, own in zip(parts, shapes, strict=True):
        for index in places(own):
            moved = list(index)
            moved[axis] += start
            out[position(moved, shape)] = values[position(index, own)]
        start += own[axis]
    return out


def split(values: list[int], shape: Shape, axis: int, sizes: Sequence[int]) -> list[list[int]]:
    """Consecutive parts along `axis` >= 0, of `sizes`."""
    parts = []
    start = 0
    for size in sizes:
        taken = [range(n) for n in shape]
        taken[axis] = range(start, start + size)
        parts.append([values[position(index, shape)] for index in product(*taken)])
        start += size
    return parts


def take(values: list[int], shape: Shape, chosen: Sequence[Sequence[int]]) -> list[int]:
    """The elements whose index along each axis is chosen, in the order given."""
    return [values[position(index, shape)] for index in product(*chosen)]

"""Blocks of pixels to and from channels and batches, as naive loops over flat Python lists."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tests.spec_ops.movement import Shape, places, position

Edges = Sequence[tuple[int, int]]


def depth_to_space(values: list[int], shape: Shape, block: int) -> list[int]:
    """[n, h, w, block * block * d] -> [n, h * block, w * block, d]."""
    n, h, w, channels = shape
    depth = channels // block // block
    out = []
    for b, y, x, d in places((n, h * block, w * block, depth)):
        channel = ((y % block) * block + x % block) * depth + d
        out.append(values[position((b, y // block, x // block, channel), shape)])
    return out


def space_to_depth(values: list[int], shape: Shape, block: int) -> list[int]:
    """[n, h * block, w * block, d] -> [n, h, w, block * block * d]."""
    n, h, w, depth = shape
    out = []
    for b, y, x, c in places((n, h // block, w // block, depth * block * block)):
        row, column, d = c // depth // block, c // depth % block, c % depth
        out.append(values[position((b, y * block + row, x * block + column, d), shape)])
    return out


def space_to_batch(values: list[int], shape: Shape, block: Shape, pads: Edges) -> list[int]:
    """Batch (offset in the block) * n + image has the pixels at that offset; padding is 0."""
    n, *sides, depth = shape
    small = [(sum(p) + s) // b for s, b, p in zip(sides, block, pads, strict=True)]
    out = []
    for deep, *at, d in places((n * math.prod(block), *small, depth)):
        offsets = _offsets(deep // n, block)
        place = [i * b + o - p[0] for i, b, o, p in zip(at, block, offsets, pads, strict=True)]
        inside = all(0 <= i < s for i, s in zip(place, sides, strict=True))
        out.append(values[position((deep % n, *place, d), shape)] if inside else 0)
    return out


def batch_to_space(values: list[int], shape: Shape, block: Shape, crops: Edges) -> list[int]:
    """The reverse of space_to_batch, with edges cut off."""
    batches, *sides, depth = shape
    n = batches // math.prod(block)
    big = [s * b - sum(c) for s, b, c in zip(sides, block, crops, strict=True)]
    out = []
    for image, *at, d in places((n, *big, depth)):
        whole = [i + c[0] for i, c in zip(at, crops, strict=True)]
        offset = 0
        for i, b in zip(whole, block, strict=True):
            offset = offset * b + i % b
        place = [i // b for i, b in zip(whole, block, strict=True)]
        out.append(values[position((offset * n + image, *place, d), shape)])
    return out


def _offsets(number: int, block: Shape) -> list[int]:
    found = []
    for size in reversed(block):
        found.append(number % size)
        number //= size
    return found[::-1]

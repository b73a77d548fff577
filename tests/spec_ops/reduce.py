"""MEAN and SUM in plain Python: every element is added to the sum of its place, in order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import product

from microinterp.quant import fixedpoint_ref as fixed
from tests.spec_ops.scales import LIMITS, factor, single

Shape = tuple[int, ...]


def reduced_axes(shape: Shape, axes: Iterable[int]) -> set[int]:
    """Axes as indexes from the first one; a scalar has none."""
    return {axis % len(shape) for axis in axes} if shape else set()


def reduced_shape(shape: Shape, axes: Iterable[int], keep_dims: bool) -> Shape:
    """Shape of the output."""
    gone = reduced_axes(shape, axes)
    sizes = [1 if i in gone else size for i, size in enumerate(shape)]
    return tuple(size for i, size in enumerate(sizes) if keep_dims or i not in gone)


def groups(shape: Shape, axes: Iterable[int]) -> list[list[int]]:
    """For each output, in order, the elements that make it, in order."""
    gone = reduced_axes(shape, axes)
    found: dict[tuple[int, ...], list[int]] = {}
    for offset, place in enumerate(product(*(range(size) for size in shape))):
        key = tuple(0 if i in gone else index for i, index in enumerate(place))
        found.setdefault(key, []).append(offset)
    return [found[key] for key in sorted(found)]


def reduce_quantized(
    x: Sequence[int], group: Sequence[int], real: float, zeros: tuple[int, int], dtype: str, op: str
) -> int:
    """One output of an int8 or int16 MEAN or SUM; `real` is in_scale / out_scale."""
    total = 0
    for offset in group:
        total = fixed.wrap32(total + x[offset])
    centred = fixed.wrap32(total - zeros[0] * len(group))
    multiplier, shift = factor(real)
    if op == "MEAN":
        bits = min(len(group).bit_length() - 1, 32, 31 + shift)
        multiplier, shift = (multiplier << bits) // len(group), shift - bits
    raw = fixed.wrap32(fixed.multiply_double(centred, multiplier, shift) + zeros[1])
    return fixed.clamp(raw, *LIMITS[dtype])


def reduce_float(x: Sequence[float], group: Sequence[int], op: str) -> float:
    """One output of a float32 MEAN or SUM."""
    total = 0.0
    for offset in group:
        total = single(total + x[offset])
    return single(total / single(len(group))) if op == "MEAN" else total

"""MIRROR_PAD: the input with its own mirror image around it, with or without the edge twice.

Along an axis of n elements, output place i stands for input place i - left, where that is inside.
To the left of it, place -k stands for k (REFLECT) or k - 1 (SYMMETRIC); to the right, place
n - 1 + k stands for n - 1 - k or n - k, but never for less than 0: TFLM stops at the first element.
On the left it does not stop, so more padding than elements is refused there.
Source: TFLM kernels/mirror_pad.cc.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import tflite

from microinterp.graph import Node, Tensor
from microinterp.kernels.common import constant_ints, pick_by_type, require_shape
from microinterp.prepare import Arrays, Context, Kernel
from microinterp.registry import Op


@dataclass(frozen=True, eq=False)
class Params:
    """For each padded axis, counted from the last one: which input place each output place is."""

    sources: tuple[tuple[int, npt.NDArray[np.int64]], ...] = field(repr=False)


def evaluate(p: Params, arrays: Arrays) -> None:
    """in [...] -> out [...] of the same rank."""
    x, (out,) = arrays.inputs[0], arrays.outputs
    assert x is not None
    for axis, source in p.sources:
        x = x.take(source, axis=axis)
    out[...] = x


def mirrored(size: int, left: int, right: int, skipped: int) -> npt.NDArray[np.int64]:
    """Input place of each output place; `skipped` is 1 if the edge is not repeated."""
    before = np.arange(left)[::-1] + skipped
    after = np.maximum(size - 1 - skipped - np.arange(right), 0)
    return np.concatenate([before, np.arange(size), after])


def prepare(node: Node, context: Context) -> Kernel:
    """Check the paddings and fold them into places."""
    node.require_counts((2, 2))
    x, paddings, out = node.input(0), node.input(1), node.output()
    pick_by_type(node, {(name, name): evaluate for name in TYPES}, x, out)
    require_shape(node, paddings, (x.rank, 2))
    amounts = np.reshape(
        constant_ints(node, paddings, 2 * x.rank, ("int32", "int64")), (x.rank, 2)
    ).tolist()
    skipped = int(node.options(tflite.MirrorPadOptions).Mode() == tflite.MirrorPadMode.REFLECT)
    for axis, (left, right) in enumerate(amounts):
        _check_padding(node, paddings, axis, x.shape[axis] - skipped, left, right)
    padded = [size for size, pad in zip(x.shape, amounts, strict=True) if any(pad)]
    node.require(0 not in padded, f"{x} has no elements to mirror", x)
    sizes = zip(x.shape, amounts, strict=True)
    require_shape(node, out, tuple(left + size + right for size, (left, right) in sizes))
    sources = tuple(
        (axis - x.rank, mirrored(x.shape[axis], left, right, skipped))
        for axis, (left, right) in enumerate(amounts)
        if left or right
    )
    return Kernel(evaluate, Params(sources), scratch=(4 * x.rank, 4 * x.rank))


def _check_padding(
    node: Node, paddings: Tensor, axis: int, room: int, left: int, right: int
) -> None:
    node.require(
        0 <= left <= max(0, room) and right >= 0,
        f"padding [{left}, {right}] of axis {axis}, wanted 0 to {room} on the left, 0 or more on "
        "the right",
        paddings,
        "TFLM would read outside the input",
    )


TYPES = ("float32", "int8")
LIMITS = ("paddings constant", "paddings int32 or int64")
OPS = (Op("MIRROR_PAD", prepare, TYPES, limits=LIMITS),)

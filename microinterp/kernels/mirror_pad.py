"""MIRROR_PAD: the input with its own mirror image around it, with or without the edge twice.

Along an axis of n elements, output place i stands for input place i - left, where that is inside.
To the left of it, place -k stands for k (REFLECT) or k - 1 (SYMMETRIC); to the right, place
n - 1 + k stands for n - 1 - k or n - k, but never for less than 0: TFLM stops at the first element.
On the left it does not stop, so more padding than elements is refused there.
Source: TFLM kernels/mirror_pad.cc.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import tflite

from microinterp.graph import Node, Tensor
from microinterp.kernels.common import Index, constant_ints, pick_by_type, require_shape
from microinterp.prepare import Arrays, Context, Kernel
from microinterp.registry import Op


@dataclass(frozen=True)
class Params:
    """Where the input lies in the output, and copies from there outwards, in this order."""

    inside: Index
    copies: tuple[tuple[Index, Index], ...]


def evaluate(p: Params, arrays: Arrays) -> None:
    """in [...] -> out [...] of the same rank."""
    (out,) = arrays.outputs
    out[p.inside] = arrays.inputs[0]
    for target, source in p.copies:
        out[target] = out[source]


def mirrors(size: int, left: int, right: int, skipped: int) -> list[tuple[slice, slice]]:
    """What is copied where along one axis of the output; `skipped` is 1 without the edge.

    Places are those of the output, where the input's first element stands at `left`.
    """
    first, end = left + skipped, left + size
    whole = min(right, size - skipped)
    found = [
        (slice(0, left), _down(first + left - 1, left)),
        (slice(end, end + whole), _down(end - 1 - skipped, whole)),
        (slice(end + whole, end + right), slice(left, left + 1)),
    ]
    return [pair for pair in found if pair[0].stop > pair[0].start]


def _down(start: int, count: int) -> slice:
    """`count` places from `start` towards 0."""
    stop = start - count
    return slice(start, stop if stop >= 0 else None, -1)


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
    return Kernel(evaluate, _params(x.shape, amounts, skipped), scratch=(4 * x.rank, 4 * x.rank))


def _params(shape: tuple[int, ...], amounts: list[list[int]], skipped: int) -> Params:
    """Copies along the first axis, then along the next one, over all that is there by then."""
    inside = [slice(left, left + n) for n, (left, _) in zip(shape, amounts, strict=True)]
    copies: list[tuple[Index, Index]] = []
    for axis, (size, (left, right)) in enumerate(zip(shape, amounts, strict=True)):
        before, behind = [slice(None)] * axis, inside[axis + 1 :]
        for target, source in mirrors(size, left, right, skipped) if left or right else ():
            copies.append(((..., *before, target, *behind), (..., *before, source, *behind)))
    return Params((..., *inside), tuple(copies))


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

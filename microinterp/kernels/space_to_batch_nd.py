"""SPACE_TO_BATCH_ND, BATCH_TO_SPACE_ND: pixels of a b x c block to and from b * c batches.

Batch (row * c + column) * n + i of the deep side holds, of image i, the pixels at (row, column)
inside their blocks. SPACE_TO_BATCH_ND pads the image before, BATCH_TO_SPACE_ND crops it after.
Padding is the byte 0, also in a quantised tensor: TFLM's pad value is never set.
With three axes, the image has one column.
Source: TFLM kernels/space_to_batch_nd.cc, batch_to_space_nd.cc and their reference kernels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from microinterp.graph import Node, Tensor
from microinterp.kernels.common import (
    constant_ints,
    pick_by_type,
    require_rank,
    require_same_type,
    require_shape,
)
from microinterp.prepare import Arrays, Context, Kernel
from microinterp.registry import Op


@dataclass(frozen=True)
class Params:
    """Geometry; images have four axes here.

    Attributes:
        rank: of the tensors in the file, 3 or 4.
        image: shape of the whole image, padded or not cropped.
        block: rows and columns of a block.
        inside: rows and columns of the image that are data, the others are padding or cropped.
    """

    rank: int
    image: tuple[int, int, int, int]
    block: tuple[int, int]
    inside: tuple[slice, slice]

    @property
    def grid(self) -> tuple[int, int, int, int, int, int]:
        """The image as image, block row, row inside, block column, column inside, channel."""
        n, height, width, depth = self.image
        high, wide = self.block
        return n, height // high, high, width // wide, wide, depth


def evaluate_space_to_batch(p: Params, arrays: Arrays) -> None:
    """in [..., n, h, (w,) c] -> out [..., n * blocks, h', (w',) c]."""
    x, (out,) = arrays.inputs[0], arrays.outputs
    assert x is not None
    samples = x.shape[: x.ndim - p.rank]
    image = np.zeros(samples + p.image, x.dtype)
    rows, columns = p.inside
    place = image[..., rows, columns, :]
    place[...] = x.reshape(place.shape)
    n, high, row, wide, column, depth = range(-6, 0)
    parts = image.reshape(samples + p.grid)
    order = (*range(len(samples)), row, column, n, high, wide, depth)
    out[...] = parts.transpose(order).reshape(samples + out.shape[out.ndim - p.rank :])


def evaluate_batch_to_space(p: Params, arrays: Arrays) -> None:
    """in [..., n * blocks, h', (w',) c] -> out [..., n, h, (w,) c]."""
    x, (out,) = arrays.inputs[0], arrays.outputs
    assert x is not None
    samples = x.shape[: x.ndim - p.rank]
    n, high, row, wide, column, depth = p.grid
    parts = x.reshape((*samples, row, column, n, high, wide, depth))
    order = (*range(len(samples)), -4, -3, -6, -2, -5, -1)
    rows, columns = p.inside
    image = parts.transpose(order).reshape(samples + p.image)[..., rows, columns, :]
    out[...] = image.reshape(samples + out.shape[out.ndim - p.rank :])


def prepare_space_to_batch(node: Node, context: Context) -> Kernel:
    """Check that the padded image consists of whole blocks."""
    x, out, block, edges = _operands(node)
    n, height, width, depth = _image(x)
    tall, broad = height + sum(edges[0]), width + sum(edges[1])
    node.require(
        tall % block[0] == 0 and broad % block[1] == 0,
        f"{tall} x {broad} pixels with padding do not make up blocks of {block[0]} x {block[1]}",
        x,
    )
    deep = (n * block[0] * block[1], tall // block[0], broad // block[1], depth)
    require_shape(node, out, _in_file(deep, x.rank))
    inside = _inside((height, width), edges)
    params = Params(x.rank, (n, tall, broad, depth), block, inside)
    return Kernel(evaluate_space_to_batch, params)


def prepare_batch_to_space(node: Node, context: Context) -> Kernel:
    """Check that the batches make up whole blocks and that something is left after cropping."""
    x, out, block, edges = _operands(node)
    batches, high, wide, depth = _image(x)
    parts = block[0] * block[1]
    node.require(
        batches % parts == 0,
        f"{batches} batches do not make up blocks of {block[0]} x {block[1]}",
        x,
    )
    tall, broad = high * block[0], wide * block[1]
    height, width = tall - sum(edges[0]), broad - sum(edges[1])
    require_shape(node, out, _in_file((batches // parts, height, width, depth), x.rank))
    inside = _inside((height, width), edges)
    params = Params(x.rank, (batches // parts, tall, broad, depth), block, inside)
    return Kernel(evaluate_batch_to_space, params)


def _operands(
    node: Node,
) -> tuple[Tensor, Tensor, tuple[int, int], tuple[tuple[int, int], tuple[int, int]]]:
    """Input, output, block size, and what is padded or cropped before and after each axis."""
    node.require_counts((3, 3))
    x, block, edges, out = node.input(0), node.input(1), node.input(2), node.output()
    pick_by_type(node, {(name, name): evaluate_space_to_batch for name in TYPES}, x, out)
    require_same_type(node, block, edges)
    require_rank(node, x, 3, 4)
    spatial = x.rank - 2
    require_shape(node, block, (spatial,))
    require_shape(node, edges, (spatial, 2))
    sizes = (*constant_ints(node, block, spatial), 1)[:2]
    node.require(min(sizes) > 0, f"block {list(sizes)}, wanted sizes of 1 or more", block)
    amounts = (*constant_ints(node, edges, 2 * spatial), 0, 0)[:4]
    node.require(min(amounts) >= 0, f"{list(amounts)}, wanted none below 0", edges)
    top, bottom, left, right = amounts
    return x, out, (sizes[0], sizes[1]), ((top, bottom), (left, right))


def _image(x: Tensor) -> tuple[int, int, int, int]:
    """Shape with four axes."""
    n, height, *width, depth = x.shape
    return n, height, width[0] if width else 1, depth


def _in_file(shape: tuple[int, int, int, int], rank: int) -> tuple[int, ...]:
    return shape if rank == 4 else (*shape[:2], shape[3])


def _inside(
    sizes: tuple[int, int], edges: tuple[tuple[int, int], tuple[int, int]]
) -> tuple[slice, slice]:
    (top, _), (left, _) = edges
    return slice(top, top + sizes[0]), slice(left, left + sizes[1])


TYPES = ("float32", "int8")
LIMITS = ("rank 3 or 4", "block shape and paddings or crops constant")
OPS = (
    Op("SPACE_TO_BATCH_ND", prepare_space_to_batch, TYPES, limits=LIMITS),
    Op("BATCH_TO_SPACE_ND", prepare_batch_to_space, TYPES, limits=LIMITS),
)

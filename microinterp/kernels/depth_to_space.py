"""DEPTH_TO_SPACE, SPACE_TO_DEPTH: blocks of b x b pixels to and from b * b times the channels.

Channel (row * b + column) * depth + d of a deep pixel is channel d of the pixel at (row, column)
inside its block. Source: TFLM kernels/depth_to_space.cc, space_to_depth.cc.
"""

from __future__ import annotations

from dataclasses import dataclass

import tflite

from microinterp.graph import Node, Tensor
from microinterp.kernels.common import pick_by_type, require_rank, require_shape
from microinterp.prepare import Arrays, Context, Kernel
from microinterp.registry import Op


@dataclass(frozen=True)
class Params:
    """The input's last three axes split into five: those of the blocks on their own."""

    split: tuple[int, ...]


def evaluate(p: Params, arrays: Arrays) -> None:
    """in [..., h, w, b * b * d] -> out [..., h * b, w * b, d], or the reverse."""
    x, (out,) = arrays.inputs[0], arrays.outputs
    assert x is not None
    # h, w, row, column, d <-> h, row, w, column, d
    blocks = x.reshape(x.shape[:-3] + p.split).swapaxes(-4, -3)
    out[...] = blocks.reshape(out.shape)


def prepare_depth_to_space(node: Node, context: Context) -> Kernel:
    """Check that the channels make up whole blocks."""
    x, out = _operands(node)
    block = _block(node, node.options(tflite.DepthToSpaceOptions).BlockSize())
    batches, rows, columns, channels = x.shape
    node.require(
        channels % (block * block) == 0,
        f"{channels} channels do not make up blocks of {block} x {block}",
        x,
    )
    depth = channels // (block * block)
    require_shape(node, out, (batches, rows * block, columns * block, depth))
    return Kernel(evaluate, Params((rows, columns, block, block, depth)))


def prepare_space_to_depth(node: Node, context: Context) -> Kernel:
    """Check that the image consists of whole blocks."""
    x, out = _operands(node)
    block = _block(node, node.options(tflite.SpaceToDepthOptions).BlockSize())
    batches, rows, columns, depth = x.shape
    node.require(
        rows % block == 0 and columns % block == 0,
        f"{rows} x {columns} pixels do not make up blocks of {block} x {block}",
        x,
    )
    high, wide = rows // block, columns // block
    require_shape(node, out, (batches, high, wide, depth * block * block))
    return Kernel(evaluate, Params((high, block, wide, block, depth)))


def _operands(node: Node) -> tuple[Tensor, Tensor]:
    node.require_counts((1, 1))
    x, out = node.input(0), node.output()
    pick_by_type(node, {(name, name): evaluate for name in TYPES}, x, out)
    require_rank(node, x, 4)
    return x, out


def _block(node: Node, size: int) -> int:
    node.require(size > 0, f"block size {size}, wanted 1 or more")
    return size


TYPES = ("float32", "int8")
LIMITS = ("rank 4",)
OPS = (
    Op("DEPTH_TO_SPACE", prepare_depth_to_space, TYPES, limits=LIMITS),
    Op("SPACE_TO_DEPTH", prepare_space_to_depth, TYPES, limits=LIMITS),
)

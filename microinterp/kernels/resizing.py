"""What RESIZE_BILINEAR and RESIZE_NEAREST_NEIGHBOR share: the sides of images, and options."""

from __future__ import annotations

from dataclasses import dataclass

import tflite

from microinterp.graph import Node
from microinterp.kernels.common import constant_ints, require_rank, require_shape

MAX_SIDE = (1 << 20) - 1
"""Pixels of a side: with more, 1/1024 pixels leave the bilinear kernel's int32.

It bounds the tables of places as well, which are made before the arena's size is known.
"""


@dataclass(frozen=True, slots=True)
class Side:
    """Rows or columns: pixels of the input and of the output, and how places correspond."""

    size: int
    outputs: int
    align: bool
    half: bool

    @property
    def is_aligned(self) -> bool:
        """True if the last pixels lie on each other, too."""
        return self.align and self.outputs > 1


def resized_sides(
    node: Node, options: tflite.ResizeBilinearOptions | tflite.ResizeNearestNeighborOptions
) -> tuple[Side, Side]:
    """Height and width of a resized image.

    Raises:
        PrepareError: images without pixels or longer than MAX_SIDE, a size that is not constant,
            or not the output's.
    """
    x, size, out = node.input(0), node.input(1), node.output()
    require_rank(node, x, 4)
    require_rank(node, size, 1)
    height, width = constant_ints(node, size, 2)
    batches, rows, columns, channels = x.shape
    node.require(rows > 0 and columns > 0, f"{x} has no pixels", x)
    require_shape(node, out, (batches, height, width, channels))
    for tensor in (x, out):
        longest = max(tensor.shape[1:3])
        node.require(longest <= MAX_SIDE, f"a side of {longest}, wanted {MAX_SIDE} at most", tensor)
    align, half = options.AlignCorners(), options.HalfPixelCenters()
    return Side(rows, height, align, half), Side(columns, width, align, half)

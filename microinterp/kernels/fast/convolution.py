"""Fast CONV_2D: gathered pixels (im2col, for 1 x 1 the image itself) times a matrix of weights.

A DEPTHWISE_CONV_2D of images with one channel is such a layer too. The padding holds the input's
zero point, whose share in each sum the folded bias takes off again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from microinterp.fast_path import Call, Fast, Workspace
from microinterp.graph import Node
from microinterp.kernels.common import Window
from microinterp.kernels.fast.matrix import Part, Product, bias_of, filter_of, integer_product
from microinterp.kernels.fast.windows import (
    MOST_FLOATS,
    Axis,
    fill,
    padded_floats,
    tiles,
    windows,
)
from microinterp.prepare import Arrays, Kernel


@dataclass(frozen=True)
class Convolution:
    """A convolution of images with one group of channels.

    Attributes:
        height, width: the filter's windows.
        product: weights [taps down * taps across * channels, filters] and what follows.
        padding: the value around the image.
    """

    height: Window
    width: Window
    product: Product
    padding: int

    def bind(self, arrays: Arrays, workspace: Workspace) -> list[Call]:
        """The calls from images [..., h, w, c] to out [..., oh, ow, o]."""
        x, out = arrays.inputs[0], arrays.outputs[0]
        assert x is not None
        parts = self._parts(x.reshape(-1, *x.shape[-3:]), workspace)
        return self.product.bind(parts, out.reshape(-1, out.shape[-1]), workspace)

    def _parts(self, images: npt.NDArray[Any], workspace: Workspace) -> Iterator[Part]:
        """The rows of outputs, tile by tile; the first tile of a group pads its images."""
        per_row = self.width.outputs * self.product.floats_per_row
        padded: npt.NDArray[Any] | None = None
        for group in tiles(len(images), self.height.outputs, per_row, self.padded_floats):
            members = images[group[0].images]
            pad: list[Call] = []
            if self.padded_floats:
                padded = self._padded(members) if padded is None else padded[: len(members)]
                pad = [fill(padded, members, Axis(self.height), Axis(self.width))]
                members = padded
            view = windows(members, self.height, self.width)
            for tile in group:
                gather, columns = self.product.gathered(view[:, tile.rows], workspace)
                yield [*pad, *gather], columns
                pad = []

    @property
    def padded_floats(self) -> int:
        """Elements of an image with its padding; 0 where no tap meets padding."""
        if not (self.height.meets_padding() or self.width.meets_padding()):
            return 0
        channels = len(self.product.weights) // (self.height.size * self.width.size)
        return padded_floats(self.height, self.width, channels)

    def _padded(self, images: npt.NDArray[Any]) -> npt.NDArray[Any]:
        shape = len(images), Axis(self.height).padded, Axis(self.width).padded, images.shape[-1]
        return np.full(shape, self.padding, images.dtype)


def choose(node: Node, kernel: Kernel) -> Fast | str:
    """The fast twin of conv_2d.evaluate_int, or why there is none."""
    geometry, quant = kernel.params.geometry, kernel.params.quant
    if node.input(0).type_name != "int8":
        return f"activations of {node.input(0).type_name}"
    if geometry.groups > 1:
        return f"{geometry.groups} groups of channels"
    w = filter_of(node)
    product = integer_product(w.reshape(len(w), -1).T, bias_of(node, len(w)), quant)
    if isinstance(product, str):
        return product
    return twin(geometry.height, geometry.width, product, quant.input_zero_point)


def twin(height: Window, width: Window, product: Product, padding: int) -> Fast | str:
    """The twin of a convolution, unless it takes too much memory."""
    per_row = width.outputs * product.floats_per_row
    if per_row > MOST_FLOATS:
        return f"a row of outputs would gather {per_row} floats"
    op = Convolution(height, width, product, padding)
    if op.padded_floats > MOST_FLOATS:
        return f"its padded image would have {op.padded_floats} elements"
    return Fast(product.how, op.bind)

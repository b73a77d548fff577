"""Fast DEPTHWISE_CONV_2D and AVERAGE_POOL_2D: each channel's window times its own weights, summed.

One einsum sums over all taps along whole rows of outputs: the columns of a row and their channels
lie side by side, and so do the weights, repeated for each column. With a stride across, the padded
image is kept in phases, the pixels that are a stride apart side by side, so that rows stay whole.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from math import gcd, log2
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import as_strided

from microinterp.fast_path import Call, Fast, Workspace
from microinterp.graph import Node
from microinterp.kernels.common import Window
from microinterp.kernels.fast import convolution
from microinterp.kernels.fast.matrix import Tail, bias_of, filter_of, integer_product
from microinterp.kernels.fast.proof import sums_of
from microinterp.kernels.fast.rescale import prove, prove_mean
from microinterp.kernels.fast.windows import MOST_FLOATS, Axis, fill, padded_floats, tiles
from microinterp.prepare import Arrays, Kernel


@dataclass(frozen=True)
class Depthwise:
    """A depthwise convolution.

    Attributes:
        height, width: the filter's windows.
        weights: [taps down, taps across, channels], float32.
        multiplier: filters of each input channel.
        padding: the value around the image.
        tail: takes the sums.
    """

    height: Window
    width: Window
    weights: npt.NDArray[np.float32]
    multiplier: int
    padding: float
    tail: Tail

    def bind(self, arrays: Arrays, workspace: Workspace) -> list[Call]:
        """The calls from images [..., h, w, c] to out [..., oh, ow, c * multiplier]."""
        x, out = arrays.inputs[0], arrays.outputs[0]
        assert x is not None
        images = x.reshape(-1, *x.shape[-3:])
        outputs = out.reshape(-1, *out.shape[-3:])
        groups = list(tiles(len(images), self.height.outputs, 2 * self._line, self.padded_floats))
        largest = max(tile.shape[0] for group in groups for tile in group)
        phases = [_Phase(self, phase, largest) for phase in self._phases()]
        calls: list[Call] = []
        for group in groups:
            for phase in phases:
                calls.append(phase.fill(images[group[0].images]))
            for tile in group:
                part = outputs[tile.images, tile.rows]
                sums = workspace.array("sums", (*tile.shape, self._line), np.float32)
                for phase in phases:
                    calls += phase.add(sums, tile.shape[0], tile.rows, workspace)
                channels = self.weights.shape[2]
                rows = sums.reshape(-1, channels), part.reshape(-1, channels)
                calls += self.tail.bind(*rows, workspace)
        return calls

    @property
    def floats_per_row(self) -> int:
        """Weights that a row of outputs takes: the filter, repeated for each column."""
        return self.width.outputs * self.weights.size

    @property
    def padded_floats(self) -> int:
        """Elements of an image with its padding."""
        return padded_floats(self.height, self.width, self.weights.shape[2])

    @property
    def _line(self) -> int:
        """Sums of a row of outputs."""
        return self.width.outputs * int(self.weights.shape[2])

    def _phases(self) -> list[int]:
        """Phases that some tap across meets, in the order of taps."""
        w = self.width
        return list(dict.fromkeys(tap * w.dilation % w.stride for tap in range(w.size)))


class _Phase:
    """The padded columns that are a stride apart, and the taps that meet them."""

    def __init__(self, op: Depthwise, phase: int, images: int) -> None:
        self.phase, self._height, self._multiplier = phase, Axis(op.height), op.multiplier
        self._width = Axis(op.width, op.width.stride)
        channels = op.weights.shape[2]
        shape = images, self._height.padded, self._width.padded, channels
        self._padded = np.full(shape, op.padding, np.float32)
        stride, dilation = op.width.stride, op.width.dilation
        taps = [t for t in range(op.width.size) if t * dilation % stride == phase]
        self._first = taps[0] * dilation // stride
        self._apart = dilation // gcd(dilation, stride)
        columns = op.width.outputs
        lines = op.weights[:, taps, None, :].repeat(columns, axis=2)
        self._weights = np.ascontiguousarray(lines.reshape(op.height.size, len(taps), -1))

    def fill(self, images: npt.NDArray[Any]) -> Call:
        """The call that converts images into the phase's columns."""
        n, _, _, channels = images.shape
        padded = self._padded[:n].reshape(*self._padded[:n].shape[:3], channels, self._multiplier)
        return fill(padded, images[..., None], self._height, self._width, self.phase)

    def add(
        self,
        sums: npt.NDArray[np.float32],
        images: int,
        rows: slice,
        workspace: Workspace,
    ) -> list[Call]:
        """The calls that add this phase's taps to sums [images, rows, line]; phase 0 sets them."""
        down, across, line = self._weights.shape
        window = self._height.window
        image, row, column, item = self._padded.strides
        view = as_strided(
            self._padded[:, rows.start * window.stride :, self._first :],
            (images, rows.stop - rows.start, down, across, line),
            (image, row * window.stride, row * window.dilation, column * self._apart, item),
            writeable=False,
        )
        product = partial(np.einsum, "ghabn,abn->ghn", view, self._weights)
        if self.phase == 0:
            return [partial(product, out=sums)]
        more = workspace.array("more", sums.shape, np.float32)
        return [partial(product, out=more), partial(np.add, sums, more, sums)]


def choose(node: Node, kernel: Kernel) -> Fast | str:
    """The fast twin of depthwise_conv_2d.evaluate_int, or why there is none."""
    geometry, quant = kernel.params.geometry, kernel.params.quant
    x = node.input(0)
    if x.type_name != "int8":
        return f"activations of {x.type_name}"
    weights = filter_of(node)[0]
    flat, bias = weights.reshape(-1, geometry.channels), bias_of(node, geometry.channels)
    if x.shape[3] == 1:
        product = integer_product(flat, bias, quant)
        if isinstance(product, str):
            return product
        windows = geometry.height, geometry.width
        return convolution.twin(*windows, product, quant.input_zero_point)
    sums = sums_of(flat, -128, 127)
    if sums.dtype is not np.float32:
        return f"sums may reach {sums.bound}, float32 holds integers up to 2^24"
    tail = prove(quant, sums, bias - quant.input_zero_point * sums.weights)
    if isinstance(tail, str):
        return tail
    how = f"float32 sums of {len(flat)} taps below 2^{log2(sums.bound + 1):.1f}, {tail.how}"
    op = Depthwise(
        geometry.height,
        geometry.width,
        weights.astype(np.float32),
        geometry.multiplier,
        quant.input_zero_point,
        tail,
    )
    return twin(op, how)


def twin(op: Depthwise, how: str) -> Fast | str:
    """The twin of a depthwise convolution, unless it takes too much memory."""
    if op.floats_per_row > MOST_FLOATS:
        return f"a row of outputs would take {op.floats_per_row} weights"
    if op.padded_floats > MOST_FLOATS:
        return f"its padded image would have {op.padded_floats} elements"
    if op.width.outputs == 1:  # a single column needs no phases
        op = replace(op, width=replace(op.width, stride=1))
    return Fast(how, op.bind)


def choose_average(node: Node, kernel: Kernel) -> Fast | str:
    """The fast twin of pool_2d.evaluate_average_int, or why there is none."""
    params, x = kernel.params, node.input(0)
    if x.type_name != "int8":
        return f"activations of {x.type_name}"
    if params.height.meets_padding() or params.width.meets_padding():
        return "means of fewer pixels at the edges"
    count, channels = params.height.size * params.width.size, x.shape[3]
    if count * channels * params.width.outputs > MOST_FLOATS:
        return f"{count} pixels in a window of {channels} channels"
    sums = sums_of(np.ones((count, 1), np.int64), -128, 127)
    if sums.dtype is not np.float32:
        return f"sums of {count} pixels, float32 holds integers up to 2^24"
    tail = prove_mean(count, params.low, params.high, sums)
    if isinstance(tail, str):
        return tail
    weights = np.ones((params.height.size, params.width.size, channels), np.float32)
    op = Depthwise(params.height, params.width, weights, 1, 0, tail.repeated(channels))
    return twin(op, f"float32 sums of {count} pixels, {tail.how}")

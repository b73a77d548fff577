"""Image models layer by layer, with activations that vary, for the tests of memory passes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from microinterp.model_builder import ModelBuilder

Size = tuple[int, int, int]
"""Rows, columns, channels."""
Pair = int | tuple[int, int]
"""One number for rows and columns, or one for each."""
ZERO = -5


class ImageNet:
    """A model under construction; `at` numbers the tensor made last, `size` is its shape.

    Padding is "SAME", "VALID", or "PAD": a PAD op and a VALID layer, as PyTorch's exporters write.

    Args:
        size: of the input.
        edges: what stands before the first layer: "uint8" (QUANTIZE to int8), "nchw" (TRANSPOSE).
    """

    def __init__(
        self,
        size: Size,
        seed: int = 0,
        dtype: str = "int8",
        batches: int = 1,
        edges: Sequence[str] = (),
    ) -> None:
        self.builder = ModelBuilder()
        self.graph = self.builder.subgraph("main")
        self._rng = np.random.default_rng(seed)
        self._count = 0
        self.dtype, self.batches, self.size = dtype, batches, size
        self._begin(edges)

    def _begin(self, edges: Sequence[str]) -> None:
        rows, columns, channels = size = self.size
        numbers = self.activation()
        if "nchw" in edges:
            size = (channels, rows, columns)
        shape = (self.batches, *size)
        if "uint8" in edges:
            flipped = {**numbers, "zero_point": ZERO + 128}
            self.at = self.graph.input("x", shape, "uint8", **flipped)
            self.made("QUANTIZE", [self.at], size)
        else:
            self.at = self.graph.input("x", shape, self.dtype, **numbers)
        if "nchw" in edges:
            axes = self.graph.constant("axes", np.array([0, 2, 3, 1], np.int32))
            self.made("TRANSPOSE", [self.at, axes], (rows, columns, channels))

    def activation(self) -> dict[str, float | int]:
        """Quantisation of all activations."""
        if self.dtype == "float32":
            return {}
        return {"scale": 0.1, "zero_point": ZERO if self.dtype == "int8" else 0}

    def tensor(self, size: Size) -> int:
        """A tensor of an image that belongs to no op yet."""
        self._count += 1
        shape = (self.batches, *size)
        return self.graph.tensor(f"t{self._count}", shape, self.dtype, **self.activation())

    def variable(self) -> int:
        """A variable of the size of the tensor made last."""
        self._count += 1
        shape, numbers = (self.batches, *self.size), self.activation()
        return self.graph.tensor(f"v{self._count}", shape, self.dtype, **numbers, is_variable=True)

    def made(self, op: str, inputs: list[int], size: Size, **options: Any) -> int:
        """An op of the graph; its output is the tensor made last."""
        return self.write(self.tensor(size), op, inputs, size, **options)

    def write(self, out: int, op: str, inputs: list[int], size: Size, **options: Any) -> int:
        """An op whose output is there already."""
        self.graph.op(op, inputs, [out], **options)
        self.at, self.size = out, size
        return out

    def go(self, at: int, size: Size) -> None:
        """Go on from another tensor."""
        self.at, self.size = at, size

    def _weights(self, shape: tuple[int, ...], taps: int, is_depthwise: bool) -> list[int]:
        """Filter and bias that spread the outputs over the element type."""
        channels = shape[-1] if is_depthwise else shape[0]
        scale = 1 / (80 * taps**0.5)
        values = self._rng.integers(-127, 128, shape).astype(np.int8)
        bias = self._rng.integers(-2000, 2000, channels)
        if self.dtype == "float32":
            arrays = ((values * scale).astype(np.float32), (bias * 1e-3).astype(np.float32))
            return [self.graph.constant("w", array) for array in arrays]
        wide = np.int32 if self.dtype == "int8" else np.int64
        return [
            self.graph.constant("w", values, scale=scale, zero_point=0),
            self.graph.constant("bias", bias.astype(wide), scale=scale * 0.1, zero_point=0),
        ]

    def pad(self, before: Pair, after: Pair) -> int:
        """PAD of rows and columns."""
        (top, left), (bottom, right) = _pair(before), _pair(after)
        rows, columns, channels = self.size
        amounts = np.array([[0, 0], [top, bottom], [left, right], [0, 0]], np.int32)
        inputs = [self.at, self.graph.constant("pads", amounts)]
        return self.made("PAD", inputs, (rows + top + bottom, columns + left + right, channels))

    def _window(self, kernel: Pair, stride: Pair, dilation: Pair, padding: str) -> tuple[int, int]:
        """Rows and columns of the output; puts a PAD in front where it is an op of its own."""
        sizes, steps, gaps = _pair(kernel), _pair(stride), _pair(dilation)
        down, across = ((k - 1) * d + 1 for k, d in zip(sizes, gaps, strict=True))
        if padding == "PAD":
            self.pad((down // 2, across // 2), (down // 2, across // 2))
        rows, columns, _ = self.size
        if padding == "SAME":
            return -(-rows // steps[0]), -(-columns // steps[1])
        return (rows - down) // steps[0] + 1, (columns - across) // steps[1] + 1

    def conv(
        self,
        channels: int,
        kernel: Pair = 1,
        stride: Pair = 1,
        padding: str = "SAME",
        dilation: Pair = 1,
        into: int | None = None,
    ) -> int:
        """CONV_2D; `into` is its output where that is there already."""
        rows, columns = self._window(kernel, stride, dilation, padding)
        shape = (channels, *_pair(kernel), self.size[2])
        inputs = [self.at, *self._weights(shape, int(np.prod(shape[1:])), is_depthwise=False)]
        options = _options(stride, padding, dilation)
        out = self.tensor((rows, columns, channels)) if into is None else into
        return self.write(out, "CONV_2D", inputs, (rows, columns, channels), **options)

    def depthwise(
        self,
        kernel: Pair = 3,
        stride: Pair = 1,
        padding: str = "SAME",
        dilation: Pair = 1,
        multiplier: int = 1,
    ) -> int:
        """DEPTHWISE_CONV_2D."""
        rows, columns = self._window(kernel, stride, dilation, padding)
        channels = self.size[2] * multiplier
        shape = (1, *_pair(kernel), channels)
        inputs = [self.at, *self._weights(shape, int(np.prod(shape[1:3])), is_depthwise=True)]
        options = _options(stride, padding, dilation) | {"depth_multiplier": multiplier}
        return self.made("DEPTHWISE_CONV_2D", inputs, (rows, columns, channels), **options)

    def pool(self, op: str, kernel: Pair, stride: Pair, padding: str = "VALID") -> int:
        """AVERAGE_POOL_2D or MAX_POOL_2D."""
        rows, columns = self._window(kernel, stride, 1, padding)
        down, across = _pair(kernel)
        options = {
            "padding": padding,
            "stride_h": _pair(stride)[0],
            "stride_w": _pair(stride)[1],
            "filter_height": down,
            "filter_width": across,
        }
        return self.made(op, [self.at], (rows, columns, self.size[2]), **options)

    def add(self, other: int) -> int:
        """ADD of the last tensor and another one of its size."""
        return self.made("ADD", [self.at, other], self.size)

    def relu(self) -> int:
        """RELU."""
        return self.made("RELU", [self.at], self.size)

    def scaled(self, op: str, shape: tuple[int, ...]) -> int:
        """ADD, MUL, MAXIMUM and so on of the last tensor and a constant of a shape."""
        if self.dtype == "float32":
            values: npt.NDArray[Any] = self._rng.standard_normal(shape).astype(np.float32)
        else:
            values = self._rng.integers(-120, 121, shape).astype(self.dtype)
        other = self.graph.constant("by", values, **self.activation())
        return self.made(op, [self.at, other], self.size)

    def finish(self, *others: int) -> bytes:
        """The file; the last tensor is an output, behind the others."""
        for number in (*others, self.at):
            self.graph.output(number)
        return self.builder.finish()


def _pair(value: Pair) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else value


def _options(stride: Pair, padding: str, dilation: Pair) -> dict[str, object]:
    return {
        "padding": "VALID" if padding == "PAD" else padding,
        "stride_h": _pair(stride)[0],
        "stride_w": _pair(stride)[1],
        "dilation_h_factor": _pair(dilation)[0],
        "dilation_w_factor": _pair(dilation)[1],
    }


BLOCKS = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
"""MobileNetV2: expansion, channels, repeats, stride of the first. Source: arXiv 1801.04381."""


def mobilenet_v2(side: int = 224, blocks: tuple[tuple[int, int, int, int], ...] = BLOCKS) -> bytes:
    """MobileNetV2 up to its last convolution and pool, with PADs as PyTorch's exporters write."""
    net = ImageNet((side, side, 3))
    net.conv(32, 3, 2, "PAD")
    for expansion, channels, repeats, stride in blocks:
        for repeat in range(repeats):
            start, depth = net.at, net.size[2]
            if expansion != 1:
                net.conv(depth * expansion)
            own_stride = stride if repeat == 0 else 1
            net.depthwise(3, own_stride, "PAD")
            net.conv(channels)
            if own_stride == 1 and depth == channels:
                net.add(start)
    net.conv(1280)
    net.pool("AVERAGE_POOL_2D", net.size[0], 1)
    return net.finish()


def depthwise_chain(length: int = 6, size: Size = (24, 24, 16)) -> bytes:
    """Depthwise layers of stride 1: each output is as large as its input."""
    net = ImageNet(size)
    for _ in range(length):
        net.depthwise(3)
    return net.finish()

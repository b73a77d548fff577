"""Image models layer by layer, with activations that vary, for the tests of memory passes."""

from __future__ import annotations

import numpy as np

from microinterp.model_builder import ModelBuilder

Size = tuple[int, int, int]
"""Rows, columns, channels."""
ZERO = -5


class ImageNet:
    """A model under construction; `at` numbers the tensor made last, `size` is its shape.

    Padding is "SAME", "VALID", or "PAD": a PAD op and a VALID layer, as PyTorch's exporters write.
    """

    def __init__(self, size: Size, seed: int = 0) -> None:
        self._builder = ModelBuilder()
        self.graph = self._builder.subgraph("main")
        self._rng = np.random.default_rng(seed)
        self._count = 0
        self.size = size
        self.at = self.graph.input("x", (1, *size), "int8", **self._activation())

    @staticmethod
    def _activation() -> dict[str, float | int]:
        return {"scale": 0.1, "zero_point": ZERO}

    def _tensor(self, size: Size) -> int:
        self._count += 1
        return self.graph.tensor(f"t{self._count}", (1, *size), "int8", **self._activation())

    def _made(self, op: str, inputs: list[int], size: Size, **options: object) -> int:
        out = self._tensor(size)
        self.graph.op(op, inputs, [out], **options)
        self.at, self.size = out, size
        return out

    def _weights(self, shape: tuple[int, ...], taps: int) -> list[int]:
        """Filter and bias that spread the outputs over int8."""
        channels = shape[-1] if shape[0] == 1 else shape[0]
        scale = 1 / (80 * taps**0.5)
        values = self._rng.integers(-127, 128, shape).astype(np.int8)
        bias = self._rng.integers(-2000, 2000, channels).astype(np.int32)
        return [
            self.graph.constant("w", values, scale=scale, zero_point=0),
            self.graph.constant("bias", bias, scale=scale * 0.1, zero_point=0),
        ]

    def pad(self, before: int, after: int) -> int:
        """PAD of rows and columns."""
        rows, columns, channels = self.size
        amounts = np.array([[0, 0], [before, after], [before, after], [0, 0]], np.int32)
        inputs = [self.at, self.graph.constant("pads", amounts)]
        more = before + after
        return self._made("PAD", inputs, (rows + more, columns + more, channels))

    def _window(self, kernel: int, stride: int, dilation: int, padding: str) -> tuple[int, int]:
        """Rows and columns of the output; puts a PAD in front where it is an op of its own."""
        reach = (kernel - 1) * dilation + 1
        if padding == "PAD":
            self.pad(reach // 2, reach // 2)
        rows, columns, _ = self.size
        if padding == "SAME":
            return -(-rows // stride), -(-columns // stride)
        return (rows - reach) // stride + 1, (columns - reach) // stride + 1

    def conv(
        self,
        channels: int,
        kernel: int = 1,
        stride: int = 1,
        padding: str = "SAME",
        dilation: int = 1,
    ) -> int:
        """CONV_2D."""
        rows, columns = self._window(kernel, stride, dilation, padding)
        depth = self.size[2]
        weights = self._weights((channels, kernel, kernel, depth), kernel * kernel * depth)
        options = _options(stride, padding, dilation)
        return self._made("CONV_2D", [self.at, *weights], (rows, columns, channels), **options)

    def depthwise(
        self,
        kernel: int = 3,
        stride: int = 1,
        padding: str = "SAME",
        dilation: int = 1,
        multiplier: int = 1,
    ) -> int:
        """DEPTHWISE_CONV_2D."""
        rows, columns = self._window(kernel, stride, dilation, padding)
        channels = self.size[2] * multiplier
        weights = self._weights((1, kernel, kernel, channels), kernel * kernel)
        options = _options(stride, padding, dilation) | {"depth_multiplier": multiplier}
        size = (rows, columns, channels)
        return self._made("DEPTHWISE_CONV_2D", [self.at, *weights], size, **options)

    def pool(self, op: str, kernel: int, stride: int, padding: str = "VALID") -> int:
        """AVERAGE_POOL_2D or MAX_POOL_2D."""
        rows, columns = self._window(kernel, stride, 1, padding)
        options = {
            "padding": padding,
            "stride_h": stride,
            "stride_w": stride,
            "filter_height": kernel,
            "filter_width": kernel,
        }
        return self._made(op, [self.at], (rows, columns, self.size[2]), **options)

    def add(self, other: int) -> int:
        """ADD of the last tensor and another one of its size."""
        return self._made("ADD", [self.at, other], self.size)

    def relu(self) -> int:
        """RELU."""
        return self._made("RELU", [self.at], self.size)

    def finish(self, *others: int) -> bytes:
        """The file; the last tensor is an output, behind the others."""
        for number in (*others, self.at):
            self.graph.output(number)
        return self._builder.finish()


def _options(stride: int, padding: str, dilation: int) -> dict[str, object]:
    return {
        "padding": "VALID" if padding == "PAD" else padding,
        "stride_h": stride,
        "stride_w": stride,
        "dilation_h_factor": dilation,
        "dilation_w_factor": dilation,
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
    """MobileNetV2 up to its last convolution and pool, with PAD ops as PyTorch's exporters write."""
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

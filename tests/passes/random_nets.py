"""Random image models: every layer that passes can cut, and some that they must leave alone."""

from __future__ import annotations

import numpy as np

from tests.passes.nets import ImageNet, Pair

MOST_ELEMENTS = 4000
TYPES = ("int8", "int8", "int8", "int16", "float32")
KERNELS = (1, 1, 2, 3, 3, 3, 4, 5)


class RandomNet:
    """A model of 2 to 9 layers on one image, made from a seed."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self.dtype = self._choose(TYPES)
        rows = 1 if self._chance(8) else self._integer(2, 17)
        size = (rows, self._integer(2, 17), self._integer(1, 5))
        edges = [edge for edge in ("uint8", "nchw") if self.dtype == "int8" and self._chance(6)]
        self.net = ImageNet(size, seed, self.dtype, 2 if self._chance(10) else 1, edges)
        self.outputs: list[int] = []

    def _integer(self, low: int, high: int) -> int:
        return int(self._rng.integers(low, high + 1))

    def _chance(self, one_in: int) -> bool:
        return self._integer(1, one_in) == 1

    def _choose(self, items: tuple[str, ...]) -> str:
        return items[self._integer(0, len(items) - 1)]

    def finish(self) -> bytes:
        """The model's file."""
        for _ in range(self._integer(2, 9)):
            self._layer()
            if self._chance(12):
                self.outputs.append(self.net.at)
            if self._chance(12):
                self.net.tensor((3, 3, 3))
        outputs = [number for number in dict.fromkeys(self.outputs) if number != self.net.at]
        if self._chance(15):
            outputs.append(0)
        return self.net.finish(*outputs)

    def _layer(self) -> None:
        before = self.net.at, self.net.size
        kind = self._integer(0, 9)
        if kind <= 2:
            self._conv()
        elif kind <= 4:
            self._depthwise()
        elif kind == 5:
            self._pool()
        elif kind <= 7:
            self._elementwise()
        elif kind == 8:
            self._residual()
        else:
            self._branches()
        if self.net.at == before[0]:
            self.net.relu()

    def _window(self) -> tuple[Pair, Pair, Pair, str] | None:
        """Kernel, stride, dilation and padding; None where they leave no output."""
        kernel = self._side(), self._side()
        if self._chance(2):
            kernel = kernel[0], kernel[0]
        stride = self._integer(1, 3), self._integer(1, 3)
        if self._chance(2):
            stride = 1, 1
        dilation = (1, 1)
        if self._chance(5):
            dilation = self._integer(1, 3), self._integer(1, 3)
        padding = self._choose(("SAME", "VALID", "PAD"))
        reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
        room = [size + (2 * (r // 2) if padding == "PAD" else 0) for size, r in self._sides(reach)]
        if padding != "SAME" and any(r > space for r, space in zip(reach, room, strict=True)):
            return None
        return kernel, stride, dilation, padding

    def _side(self) -> int:
        return KERNELS[self._integer(0, len(KERNELS) - 1)]

    def _sides(self, reach: list[int]) -> list[tuple[int, int]]:
        return list(zip(self.net.size[:2], reach, strict=True))

    def _conv(self) -> None:
        found = self._window()
        if found is not None:
            kernel, stride, dilation, padding = found
            self.net.conv(self._integer(1, 6), kernel, stride, padding, dilation)

    def _depthwise(self) -> None:
        found = self._window()
        if found is not None:
            kernel, stride, dilation, padding = found
            multiplier = 2 if self._chance(4) and self.net.size[2] < 5 else 1
            self.net.depthwise(kernel, stride, padding, dilation, multiplier)

    def _pool(self) -> None:
        op = self._choose(("AVERAGE_POOL_2D", "MAX_POOL_2D"))
        found = self._window()
        if found is not None and found[3] != "PAD":
            self.net.pool(op, found[0], found[1], found[3])

    def _elementwise(self) -> None:
        rows, columns, channels = self.net.size
        ops = ("ADD", "MUL", "SUB", "MAXIMUM", "MINIMUM")
        kind = self._integer(0, 4)
        if kind == 0:
            self.net.relu()
        elif kind == 1:
            shapes = ((channels,), (1,), (), (1, 1, 1, channels), (rows, columns, channels))
            self.net.scaled(self._choose(ops), shapes[self._integer(0, 4)])
        elif kind == 2:
            self.net.made("LEAKY_RELU", [self.net.at], self.net.size, alpha=0.3)
        elif kind == 3 and self.dtype != "int16":
            self.net.made("HARD_SWISH", [self.net.at], self.net.size)
        elif kind == 4 and self.dtype == "float32":
            self.net.made(self._choose(("LOGISTIC", "TANH")), [self.net.at], self.net.size)
        elif kind == 4:
            self.net.made("QUANTIZE", [self.net.at], self.net.size)

    def _residual(self) -> None:
        """A layer of the same size, added to what it was made of."""
        start, channels = self.net.at, self.net.size[2]
        self.net.conv(channels, self._choose_size(), padding="SAME")
        if self._chance(2):
            self.net.depthwise(3)
        if self._chance(8):
            self.net.add(self.net.at)
        self.net.add(start)

    def _branches(self) -> None:
        """Two ways of different depth that meet again."""
        start, size = self.net.at, self.net.size
        self.net.conv(3, self._choose_size(), padding="SAME")
        left = self.net.at
        self.net.at, self.net.size = start, size
        self.net.depthwise(3, padding="PAD")
        self.net.conv(3)
        self.net.made(self._choose(("ADD", "MUL", "MAXIMUM")), [left, self.net.at], self.net.size)

    def _choose_size(self) -> Pair:
        return 2 * self._integer(0, 2) + 1, 2 * self._integer(0, 2) + 1


def random_net(seed: int) -> bytes:
    """The file of a random image model."""
    return RandomNet(seed).finish()

"""The layers of the digits network in NumPy: what they compute, their gradients, their .tflite op.

Activations are [batch, height, width, channels] and weights are laid out as .tflite files want
them, so that nothing has to be turned round on the way out. `forward` keeps what `backward` needs;
`backward` takes d(loss)/d(output), fills `gradients` and returns d(loss)/d(input).
"""

from __future__ import annotations

import math
import os
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
CLASSES = 10
IMAGE_SHAPE = (8, 8, 1)


class Layer:
    """One layer.

    Attributes:
        name: of the layer, and of its output in the .tflite file.
        op, options: the .tflite operator and the fields of its options table.
        parameters: what training changes, by name.
        gradients: d(loss)/d(parameter), the same names.
        channel_axis: of the weights, where each output channel has a scale of its own.
        is_ranged: the output has a range of its own; otherwise it has that of the input.
    """

    op = ""
    channel_axis: int | None = None
    is_ranged = True

    def __init__(self, name: str, **parameters: Array) -> None:
        self.name = name
        self.parameters = parameters
        self.gradients: dict[str, Array] = {}
        self.options: dict[str, Any] = {}

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Shape of the output for an input of `shape`, both without the batch."""
        return shape

    def macs(self, shape: tuple[int, ...]) -> int:
        """Multiply-accumulates of one inference for an input of `shape`."""
        return 0

    def forward(self, x: Array) -> Array:
        raise NotImplementedError

    def backward(self, dy: Array) -> Array:
        raise NotImplementedError


def he_normal(rng: np.random.Generator, shape: tuple[int, ...], fan_in: int) -> Array:
    """Random weights that keep the size of activations through a ReLU (He et al., 2015)."""
    return (rng.standard_normal(shape) * np.sqrt(2 / fan_in)).astype(np.float32)


def pad(x: Array, size: int) -> Array:
    """Zeros around the image, so that a size x size window fits on every pixel (SAME, stride 1)."""
    margin = size // 2
    return np.pad(x, ((0, 0), (margin, margin), (margin, margin), (0, 0)))


def unpad(x: Array, size: int) -> Array:
    """Cut off again what `pad` added."""
    margin = size // 2
    return x[:, margin : x.shape[1] - margin, margin : x.shape[2] - margin]


def taps(padded: Array, size: int) -> list[Array]:
    """The image as each of the size x size filter taps sees it, row by row; views, no copies."""
    height, width = padded.shape[1] - size + 1, padded.shape[2] - size + 1
    return [padded[:, i : i + height, j : j + width] for i in range(size) for j in range(size)]


class Conv(Layer):
    """Convolution, stride 1, SAME padding, ReLU; weights [out, height, width, in]."""

    op = "CONV_2D"
    channel_axis = 0

    def __init__(
        self, name: str, size: int, inputs: int, outputs: int, rng: np.random.Generator
    ) -> None:
        weights = he_normal(rng, (outputs, size, size, inputs), size * size * inputs)
        super().__init__(name, weights=weights, bias=np.zeros(outputs, np.float32))
        self.size = size
        self.options = {
            "padding": "SAME",
            "stride_w": 1,
            "stride_h": 1,
            "fused_activation_function": "RELU",
        }

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return (*shape[:2], len(self.parameters["bias"]))

    def macs(self, shape: tuple[int, ...]) -> int:
        return shape[0] * shape[1] * self.parameters["weights"].size

    def forward(self, x: Array) -> Array:
        weights, bias = self.parameters["weights"], self.parameters["bias"]
        # im2col: each output pixel becomes one row with all the inputs that it sees
        self.rows = np.concatenate(taps(pad(x, self.size), self.size), axis=-1)
        self.y = np.maximum(self.rows @ weights.reshape(len(bias), -1).T + bias, 0)
        return self.y

    def backward(self, dy: Array) -> Array:
        weights = self.parameters["weights"]
        dy = dy * (self.y > 0)
        flat_dy = dy.reshape(-1, dy.shape[-1])
        flat_rows = self.rows.reshape(-1, self.rows.shape[-1])
        self.gradients = {
            "weights": (flat_dy.T @ flat_rows).reshape(weights.shape),
            "bias": flat_dy.sum(axis=0),
        }
        drows = dy @ weights.reshape(len(weights), -1)
        dx = pad(np.zeros((*dy.shape[:3], weights.shape[-1]), dy.dtype), self.size)
        for k, tap in enumerate(taps(dx, self.size)):
            tap += drows[..., k * weights.shape[-1] : (k + 1) * weights.shape[-1]]
        return unpad(dx, self.size)


class DepthwiseConv(Layer):
    """One filter per channel, stride 1, SAME padding, ReLU; weights [1, height, width, channel]."""

    op = "DEPTHWISE_CONV_2D"
    channel_axis = 3

    def __init__(self, name: str, size: int, channels: int, rng: np.random.Generator) -> None:
        weights = he_normal(rng, (1, size, size, channels), size * size)
        super().__init__(name, weights=weights, bias=np.zeros(channels, np.float32))
        self.size = size
        self.options = {
            "padding": "SAME",
            "stride_w": 1,
            "stride_h": 1,
            "depth_multiplier": 1,
            "fused_activation_function": "RELU",
        }

    def macs(self, shape: tuple[int, ...]) -> int:
        return shape[0] * shape[1] * self.parameters["weights"].size

    def forward(self, x: Array) -> Array:
        filters = self.parameters["weights"].reshape(self.size**2, -1)
        self.taps = taps(pad(x, self.size), self.size)
        y = sum(tap * w for tap, w in zip(self.taps, filters, strict=True))
        self.y = np.maximum(y + self.parameters["bias"], 0)
        return self.y

    def backward(self, dy: Array) -> Array:
        weights = self.parameters["weights"]
        filters = weights.reshape(self.size**2, -1)
        dy = dy * (self.y > 0)
        dfilters = [np.einsum("nhwc,nhwc->c", tap, dy) for tap in self.taps]
        self.gradients = {
            "weights": np.stack(dfilters).reshape(weights.shape),
            "bias": dy.sum(axis=(0, 1, 2)),
        }
        dx = pad(np.zeros_like(dy), self.size)
        for tap, w in zip(taps(dx, self.size), filters, strict=True):
            tap += dy * w
        return unpad(dx, self.size)


class Pool(Layer):
    """What max and average pooling share: 2 x 2 blocks, side by side, per channel."""

    is_ranged = False

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.options = {
            "padding": "VALID",
            "stride_w": 2,
            "stride_h": 2,
            "filter_width": 2,
            "filter_height": 2,
        }

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return (shape[0] // 2, shape[1] // 2, shape[2])

    def blocks(self, x: Array) -> Array:
        """[batch, height / 2, 2, width / 2, 2, channels]; a view."""
        batch, height, width, channels = x.shape
        return x.reshape(batch, height // 2, 2, width // 2, 2, channels)

    def spread(self, dy: Array, share: Array) -> Array:
        """Hand the gradient of each block to its four pixels by their share."""
        dx = dy[:, :, None, :, None] * share
        return dx.reshape(dy.shape[0], 2 * dy.shape[1], 2 * dy.shape[2], dy.shape[3])


class MaxPool(Pool):
    """The largest of each block. Equal pixels share the gradient."""

    op = "MAX_POOL_2D"

    def forward(self, x: Array) -> Array:
        blocks = self.blocks(x)
        y = blocks.max(axis=(2, 4), keepdims=True)
        self.largest = blocks == y
        return y[:, :, 0, :, 0]

    def backward(self, dy: Array) -> Array:
        ties = self.largest.sum(axis=(2, 4), keepdims=True, dtype=dy.dtype)
        return self.spread(dy, self.largest / ties)


class AveragePool(Pool):
    """The mean of each block."""

    op = "AVERAGE_POOL_2D"

    def forward(self, x: Array) -> Array:
        return self.blocks(x).mean(axis=(2, 4))

    def backward(self, dy: Array) -> Array:
        return self.spread(dy, np.full((1, 1, 2, 1, 2, 1), 0.25, dy.dtype))


class Flatten(Layer):
    """The image as one row of numbers."""

    op = "RESHAPE"
    is_ranged = False

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return (math.prod(shape),)

    def forward(self, x: Array) -> Array:
        self.shape = x.shape
        return x.reshape(len(x), -1)

    def backward(self, dy: Array) -> Array:
        return dy.reshape(self.shape)


class FullyConnected(Layer):
    """Each output a weighted sum of all inputs; weights [out, in], one scale for all of them."""

    op = "FULLY_CONNECTED"

    def __init__(self, name: str, inputs: int, outputs: int, rng: np.random.Generator) -> None:
        weights = he_normal(rng, (outputs, inputs), inputs)
        super().__init__(name, weights=weights, bias=np.zeros(outputs, np.float32))

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return self.parameters["bias"].shape

    def macs(self, shape: tuple[int, ...]) -> int:
        return self.parameters["weights"].size

    def forward(self, x: Array) -> Array:
        self.x = x
        return x @ self.parameters["weights"].T + self.parameters["bias"]

    def backward(self, dy: Array) -> Array:
        self.gradients = {"weights": dy.T @ self.x, "bias": dy.sum(axis=0)}
        return dy @ self.parameters["weights"]


class Softmax(Layer):
    """From scores to probabilities. `backward` is that of softmax and cross-entropy together."""

    op = "SOFTMAX"

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.options = {"beta": 1.0}

    def forward(self, x: Array) -> Array:
        e = np.exp(x - x.max(axis=-1, keepdims=True))
        return e / e.sum(axis=-1, keepdims=True)

    def backward(self, dy: Array) -> Array:
        return dy  # train.py hands over (probabilities - target), the gradient at the scores


def digits_network(seed: int) -> list[Layer]:
    """The layers in order, with random weights that depend on `seed` only."""
    rng = np.random.default_rng(seed)
    return [
        Conv("conv", 3, 1, 16, rng),
        DepthwiseConv("depthwise_1", 3, 16, rng),
        Conv("pointwise_1", 1, 16, 32, rng),
        MaxPool("max_pool"),
        DepthwiseConv("depthwise_2", 3, 32, rng),
        Conv("pointwise_2", 1, 32, 48, rng),
        AveragePool("average_pool"),
        Flatten("flatten"),
        FullyConnected("scores", 2 * 2 * 48, CLASSES, rng),
        Softmax("probabilities"),
    ]


def forward(layers: list[Layer], x: Array) -> Array:
    """Probabilities [batch, 10] for images [batch, 8, 8, 1] of real values 0..1."""
    for layer in layers:
        x = layer.forward(x)
    return x


def backward(layers: list[Layer], dy: Array) -> Array:
    """Gradients of all parameters, from `dy` = probabilities - target; d(loss)/d(image)."""
    for layer in reversed(layers):
        dy = layer.backward(dy)
    return dy


def shapes(layers: list[Layer]) -> list[tuple[int, ...]]:
    """Shape of what goes into each layer, without the batch, and of what comes out of the last."""
    found: list[tuple[int, ...]] = [IMAGE_SHAPE]
    for layer in layers:
        found.append(layer.output_shape(found[-1]))
    return found


def save_weights(layers: list[Layer], path: str | os.PathLike[str]) -> None:
    """Write all parameters, as "layer/parameter", into an .npz file."""
    np.savez(path, **{f"{a.name}/{key}": w for a in layers for key, w in a.parameters.items()})


def load_weights(path: str | os.PathLike[str], dtype: type = np.float32) -> list[Layer]:
    """The digits network with the parameters of an .npz file."""
    layers = digits_network(seed=0)
    with np.load(path) as file:
        for layer in layers:
            for key in layer.parameters:
                layer.parameters[key] = file[f"{layer.name}/{key}"].astype(dtype)
    return layers

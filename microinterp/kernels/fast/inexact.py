"""Float layers as float products. Sums run in another order than TFLM's, so bits may differ.

They are taken only where the caller asks for it: Interpreter(..., exact=False).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from microinterp.fast_path import Call, Fast, Workspace, assign
from microinterp.graph import Node
from microinterp.kernels.fast import convolution, depthwise
from microinterp.kernels.fast.dense import Dense
from microinterp.kernels.fast.matrix import Product
from microinterp.prepare import Kernel

_WARNING = "not exact: sums in another order than TFLM's"


@dataclass(frozen=True)
class FloatTail:
    """Bias [channels] and clamp of float32 sums."""

    bias: npt.NDArray[np.float32]
    low: np.float32
    high: np.float32

    def bind(
        self, sums: npt.NDArray[Any], out: npt.NDArray[Any], workspace: Workspace
    ) -> list[Call]:
        """The calls from sums [rows, channels], which they change, to out [rows, channels]."""
        limits = np.finfo(np.float32)
        calls: list[Call] = [partial(np.add, sums, self.bias, sums)]
        if self.low > limits.min:
            calls.append(partial(np.maximum, sums, self.low, out=sums))
        if self.high < limits.max:
            calls.append(partial(np.minimum, sums, self.high, out=sums))
        return [*calls, assign(out, sums)]


def _tail(node: Node, kernel: Kernel, channels: int) -> FloatTail:
    bias = node.optional_input(2)
    values = np.zeros(channels, np.float32) if bias is None or bias.data is None else bias.data
    return FloatTail(values.reshape(-1), kernel.params.low, kernel.params.high)


def _product(node: Node, kernel: Kernel, weights: npt.NDArray[np.float32]) -> Product:
    """Of weights [taps, channels]."""
    tail = _tail(node, kernel, weights.shape[1])
    how = f"{weights.shape[0]} x {weights.shape[1]} float32 product, {_WARNING}"
    return Product(np.ascontiguousarray(weights), tail, how)


def _filter(node: Node) -> npt.NDArray[np.float32]:
    data = node.input(1).data
    assert data is not None
    return data


def choose_convolution(node: Node, kernel: Kernel) -> Fast | str:
    """The twin of a float CONV_2D, or why there is none."""
    geometry, w = kernel.params.geometry, _filter(node)
    if geometry.groups > 1:
        return f"{geometry.groups} groups of channels"
    product = _product(node, kernel, w.reshape(len(w), -1).T)
    return convolution.twin(geometry.height, geometry.width, product, 0)


def choose_depthwise(node: Node, kernel: Kernel) -> Fast | str:
    """The twin of a float DEPTHWISE_CONV_2D, or why there is none."""
    geometry, w = kernel.params.geometry, _filter(node)[0]
    if node.input(0).shape[3] == 1:
        product = _product(node, kernel, w.reshape(-1, geometry.channels))
        return convolution.twin(geometry.height, geometry.width, product, 0)
    tail = _tail(node, kernel, geometry.channels)
    windows = geometry.height, geometry.width
    op = depthwise.Depthwise(*windows, np.ascontiguousarray(w), geometry.multiplier, 0, tail)
    return depthwise.twin(op, f"float32 sums of taps, {_WARNING}")


def choose_dense(node: Node, kernel: Kernel) -> Fast | str:
    """The twin of a float FULLY_CONNECTED, or why there is none."""
    product = _product(node, kernel, _filter(node).T)
    return Fast(product.how, Dense(product).bind)

"""Small files with enormous shapes are refused without work or memory that grows with them."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest

from microinterp import Interpreter
from microinterp.errors import ArenaError
from microinterp.model_builder import ModelBuilder, SubGraphBuilder

LONG = 1 << 28
MOST_BYTES = 16 << 20
"""Memory that loading may take; one byte for each element would be 16 times as much."""
QUANT = {"scale": 0.5, "zero_point": 0}
STRIDES = {"stride_h": 1, "stride_w": 1, "padding": "VALID"}


def _input(g: SubGraphBuilder, name: str, *shape: int) -> int:
    return g.input(name, shape, "int8", **QUANT)


def dense(g: SubGraphBuilder, y: Callable[..., int]) -> None:
    """As many channels as the computed filter says, under one scale."""
    g.op("FULLY_CONNECTED", [_input(g, "x", 1, 1), _input(g, "w", LONG, 1)], [y(1, LONG)])


def conv(g: SubGraphBuilder, y: Callable[..., int]) -> None:
    """The same of a convolution."""
    inputs = [_input(g, "x", 1, 1, 1, 1), _input(g, "w", LONG, 1, 1, 1)]
    g.op("CONV_2D", inputs, [y(1, 1, 1, LONG)], **STRIDES)


def depthwise(g: SubGraphBuilder, y: Callable[..., int]) -> None:
    """A rule of cmsis-nn asks whether taps fall into the padding."""
    w = g.constant("w", np.ones((1, 2, 1, 1), np.int8), "int4", **QUANT)
    options = STRIDES | {"padding": "SAME", "depth_multiplier": 1}
    g.op("DEPTHWISE_CONV_2D", [_input(g, "x", 1, LONG, 1, 1), w], [y(1, LONG, 1, 1)], **options)


def transposed(g: SubGraphBuilder, y: Callable[..., int]) -> None:
    """A rule of cmsis-nn asks about each row of pixels."""
    shape = g.constant("shape", np.array([1, LONG, 1, 1], np.int32))
    w = g.constant("w", np.ones((1, 1, 1, 1), np.int8), **QUANT)
    inputs = [shape, w, _input(g, "x", 1, LONG, 1, 1)]
    g.op("TRANSPOSE_CONV", inputs, [y(1, LONG, 1, 1)], **STRIDES)


def pool(g: SubGraphBuilder, y: Callable[..., int]) -> None:
    """A window of one tap per pixel."""
    options = STRIDES | {"filter_height": LONG, "filter_width": 1}
    g.op("AVERAGE_POOL_2D", [_input(g, "x", 1, LONG, 1, 1)], [y(1, 1, 1, 1)], **options)


@pytest.mark.parametrize("profile", ["tflm", "cmsis-nn"])
@pytest.mark.parametrize("add", [dense, conv, depthwise, transposed, pool])
def test_only_the_arena_is_too_large(
    add: Callable[[SubGraphBuilder, Callable[..., int]], None], profile: str
) -> None:
    b = ModelBuilder()
    g = b.subgraph("main")

    def y(*shape: int) -> int:
        tensor = g.tensor("y", shape, "int8", **QUANT)
        g.output(tensor)
        return tensor

    add(g, y)
    data = b.finish()
    tracemalloc.start()
    try:
        with pytest.raises(ArenaError, match="more than"):
            Interpreter.from_bytes(data, profile=profile)
        assert tracemalloc.get_traced_memory()[1] < MOST_BYTES
    finally:
        tracemalloc.stop()

"""CONV_2D as a product: every geometry, the edges of the sums, and what it may take of memory."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from microinterp import Interpreter
from tests.fast.layers import assert_same, node_of
from tests.ops.layers import Layer, options_of
from tests.ops.movement import Input
from tests.spec_ops.conv import Axis

ROOM = 300 << 20


def far_apart(op: str, dilation: int, channels: int) -> Layer:
    """3 x 3 taps on a single pixel, most of them far out in the padding."""
    axis = Axis(3, 1, dilation, "SAME")
    is_depthwise = op == "DEPTHWISE_CONV_2D"
    w_shape = (1, 3, 3, channels) if is_depthwise else (channels, 3, 3, channels)
    return Layer(
        op,
        Input((1, 1, 1, channels), "int8", 0.5, 1),
        np.arange(np.prod(w_shape)).reshape(w_shape).astype(np.int8),
        Input((1, 1, 1, channels), "int8", 1.0, -2),
        w_scales=[0.5],
        axis=3 if is_depthwise else 0,
        options={**options_of((axis, axis)), **({"depth_multiplier": 1} if is_depthwise else {})},
    )


@pytest.mark.parametrize("op", ["CONV_2D", "DEPTHWISE_CONV_2D"])
@pytest.mark.parametrize("dilation", [700, 32767])
def test_padding_takes_little_memory(op: str, dilation: int) -> None:
    """A padded image may be far larger than the image; many at once, or a vast one, are too much."""
    data = far_apart(op, dilation, 2).data()
    batch = np.arange(200, dtype=np.uint8).view(np.int8).reshape(100, 1, 1, 1, 2)
    tracemalloc.start()
    try:
        (have,) = Interpreter.from_bytes(data).run_batch(batch, threads=2)
        assert tracemalloc.get_traced_memory()[1] < ROOM
    finally:
        tracemalloc.stop()
    (want,) = Interpreter.from_bytes(data, kernels="plain").run_batch(batch)
    assert have.tobytes() == want.tobytes()
    if dilation > 1000:
        assert "padded image" in node_of(Interpreter.from_bytes(data)).why

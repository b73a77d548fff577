"""Small models that several tests share, built with ModelBuilder."""

from __future__ import annotations

import numpy as np

from microinterp.model_builder import ModelBuilder


def conv_model(filters: int = 2, seed: int = 1) -> bytes:
    """int8 [1, 4, 4, 1] -> CONV_2D 3x3 SAME -> int8 [1, 4, 4, filters]; tensors x, w, bias, y."""
    rng = np.random.default_rng(seed)
    b = ModelBuilder(description="one convolution")
    g = b.subgraph("main")
    x = g.input("x", (1, 4, 4, 1), "int8", scale=0.5, zero_point=-3)
    w = g.constant(
        "w", rng.integers(-127, 128, (filters, 3, 3, 1)).astype(np.int8), scale=0.01, zero_point=0
    )
    bias = g.constant(
        "bias", rng.integers(-99, 99, filters).astype(np.int32), scale=0.005, zero_point=0
    )
    y = g.tensor("y", (1, 4, 4, filters), "int8", scale=0.5, zero_point=4)
    g.op("CONV_2D", [x, w, bias], [y], padding="SAME", stride_h=1, stride_w=1)
    g.output(y)
    return b.finish()


def chain_model(length: int = 3, weight: int = -1) -> bytes:
    """int8 [1, 2, 2, 1] times `weight`, `length` times over; all buffers of one size."""
    b = ModelBuilder()
    g = b.subgraph("main")
    tensor = g.input("in", (1, 2, 2, 1), "int8", scale=1.0, zero_point=0)
    w = g.constant("w", np.full((1, 1, 1, 1), weight, np.int8), scale=1.0, zero_point=0)
    for i in range(length):
        following = g.tensor(f"t{i}", (1, 2, 2, 1), "int8", scale=1.0, zero_point=0)
        g.op("CONV_2D", [tensor, w], [following], padding="VALID", stride_h=1, stride_w=1)
        tensor = following
    g.output(tensor)
    return b.finish()

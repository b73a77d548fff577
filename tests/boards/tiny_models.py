"""Tiny .tflite models of the ops that have a source form, with random weights and scales."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from microinterp.model_builder import ModelBuilder

ACTIVATIONS = ("NONE", "RELU", "RELU6")


def dense_model(
    sizes: Sequence[int], seed: int = 0, table: str | None = None, per_channel: bool = False
) -> bytes:
    """FULLY_CONNECTED layers of `sizes` from the input to the output, behind a RESHAPE.

    `table` is an activation behind the last layer. Scales are such that outputs vary.
    """
    rng = np.random.default_rng(seed)
    builder = ModelBuilder()
    graph = builder.subgraph("main")
    scale, zero = 0.02, int(rng.integers(-128, 128))
    x = graph.input("x", (1, 1, sizes[0]), "int8", scale=scale, zero_point=zero)
    flat = graph.tensor("flat", (1, sizes[0]), "int8", scale=scale, zero_point=zero)
    shape = graph.constant("shape", np.array([1, sizes[0]], np.int32))
    graph.op("RESHAPE", [x, shape], [flat])
    x = flat
    for depth, width in pairwise(sizes):
        weights = rng.integers(-127, 128, (width, depth), np.int8)
        w_scales = rng.uniform(0.002, 0.02, width if per_channel else 1)
        w = graph.constant("w", weights, scale=w_scales, zero_point=0)
        bias = rng.integers(-3000, 3000, width, np.int32)
        b = graph.constant("b", bias, scale=scale * w_scales, zero_point=0)
        scale *= float(w_scales.mean()) * 70 * np.sqrt(depth)
        zero = int(rng.integers(-128, 128))
        y = graph.tensor("y", (1, width), "int8", scale=scale, zero_point=zero)
        activation = str(rng.choice(ACTIVATIONS))
        graph.op("FULLY_CONNECTED", [x, w, b], [y], fused_activation_function=activation)
        x = y
    if table is not None:
        fixed = {"TANH": (1 / 128, 0), "LOGISTIC": (1 / 256, -128)}.get(table, (scale, zero))
        y = graph.tensor("activated", (1, sizes[-1]), "int8", scale=fixed[0], zero_point=fixed[1])
        graph.op(table, [x], [y])
        x = y
    graph.output(x)
    return builder.finish()

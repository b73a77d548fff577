"""Networks that labs need and no example has: of the shape of real ones, with random weights."""

from __future__ import annotations

import math

import numpy as np

from microinterp.model_builder import ModelBuilder, SubGraphBuilder

# (output channels, stride) of each block: 3 x 3, then 1 x 1; the first block is a plain convolution
_BLOCKS = ((8, 2), (16, 1), (32, 2), (32, 1), (64, 2), (64, 1))
_SCALE = 0.02  # of all activations


def camera(size: int = 96, seed: int = 0) -> bytes:
    """A MobileNet for grey images [1, size, size, 1], int8, untrained: says two random scores.

    Its memory and its arithmetic are those of a trained one.
    """
    rng = np.random.default_rng(seed)
    builder = ModelBuilder(description="a camera's network, with random weights")
    graph = builder.subgraph("main")
    x = graph.input("image", (1, size, size, 1), "int8", scale=1 / 255, zero_point=-128)
    scale, channels = 1 / 255, 1
    for number, (outputs, stride) in enumerate(_BLOCKS):
        size = -(-size // stride)
        if number:
            shape = (1, 3, 3, channels)
            name = f"depthwise_{number}"
            x = _layer(graph, rng, name, x, scale, shape, (size, channels, stride))
            scale = _SCALE
        shape = (outputs, 1, 1, channels) if number else (outputs, 3, 3, channels)
        name, own_stride = (f"pointwise_{number}", 1) if number else ("conv", stride)
        x = _layer(graph, rng, name, x, scale, shape, (size, outputs, own_stride))
        scale, channels = _SCALE, outputs
    pooled = graph.tensor("pool", (1, 1, 1, channels), "int8", scale=scale, zero_point=-128)
    window = {"stride_w": size, "stride_h": size, "filter_width": size, "filter_height": size}
    graph.op("AVERAGE_POOL_2D", [x], [pooled], version=2, padding="VALID", **window)
    weights = rng.integers(-127, 128, (2, channels)).astype(np.int8)
    w = graph.constant("scores/weights", weights, scale=0.01, zero_point=0)
    bias = graph.constant("scores/bias", np.zeros(2, np.int32), scale=0.01 * scale, zero_point=0)
    scores = graph.tensor("scores", (1, 2), "int8", scale=0.1, zero_point=0)
    graph.op("FULLY_CONNECTED", [pooled, w, bias], [scores], version=4)
    graph.output(scores)
    return builder.finish()


def _layer(
    graph: SubGraphBuilder,
    rng: np.random.Generator,
    name: str,
    x: int,
    scale: float,
    shape: tuple[int, int, int, int],
    output: tuple[int, int, int],
) -> int:
    """A convolution with ReLU, depthwise by its name; `output` is size, channels and stride."""
    size, channels, stride = output
    is_depthwise = name.startswith("depthwise")
    weight_scales = np.full(channels, _SCALE / math.sqrt(math.prod(shape) / channels))
    w = graph.constant(
        f"{name}/weights",
        rng.integers(-127, 128, shape).astype(np.int8),
        scale=weight_scales.tolist(),
        zero_point=0,
        axis=3 if is_depthwise else 0,
    )
    bias = graph.constant(
        f"{name}/bias",
        rng.integers(-2000, 2000, channels).astype(np.int32),
        scale=(weight_scales * scale).tolist(),
        zero_point=0,
    )
    y = graph.tensor(name, (1, size, size, channels), "int8", scale=_SCALE, zero_point=-128)
    options = {"padding": "SAME", "stride_w": stride, "stride_h": stride}
    if is_depthwise:
        options["depth_multiplier"] = 1
    op = "DEPTHWISE_CONV_2D" if is_depthwise else "CONV_2D"
    graph.op(op, [x, w, bias], [y], version=3, fused_activation_function="RELU", **options)
    return y

"""Models for the page: each shows another kind of input, output or memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from microinterp.model_builder import ModelBuilder
from tests.cli import good

HOSTILE = '<img src=x onerror="document.title=1">'


def packed(folder: Path, tflite: bytes, *options: str, tier: str = "bytecode") -> Path:
    """The file that `microinterp pack` writes."""
    source, target = folder / "model.tflite", folder / "model.mipk"
    source.write_bytes(tflite)
    good("pack", source, "-o", target, "--tier", tier, *options)
    return target


def sum_model() -> bytes:
    """Two int8 inputs [1, 6], added, then real numbers: float32 [1, 6]. Its names are hostile."""
    b = ModelBuilder()
    g = b.subgraph("main")
    x = g.input(HOSTILE, (1, 6), "int8", scale=0.5, zero_point=-3)
    y = g.input("y", (1, 6), "int8", scale=0.25, zero_point=7)
    total = g.tensor("sum", (1, 6), "int8", scale=0.75, zero_point=1)
    real = g.tensor(HOSTILE, (1, 6), "float32")
    g.op("ADD", [x, y], [total], version=2)
    g.op("DEQUANTIZE", [total], [real], version=2)
    g.output(real)
    return b.finish()


def picture_model(side: int = 12, filters: int = 5, channels: int = 3, layers: int = 1) -> bytes:
    """A picture in colours, convolutions 3x3, and the mean of each filter's picture."""
    rng = np.random.default_rng(5)
    b = ModelBuilder()
    g = b.subgraph("main")
    tensor = g.input("picture", (1, side, side, channels), "int8", scale=1 / 255, zero_point=-128)
    for layer in range(layers):
        shape = filters, 3, 3, channels if layer == 0 else filters
        weights = rng.integers(-127, 128, shape).astype(np.int8)
        w = g.constant(f"w{layer}", weights, scale=0.01, zero_point=0)
        following = g.tensor(
            f"layer {layer}", (1, side, side, filters), "int8", scale=0.1, zero_point=3
        )
        g.op("CONV_2D", [tensor, w], [following], padding="SAME", stride_h=1, stride_w=1)
        tensor = following
    axes = g.constant("axes", np.array([1, 2], np.int32))
    mean = g.tensor("mean", (1, filters), "int8", scale=0.1, zero_point=3)
    g.op("MEAN", [tensor, axes], [mean], keep_dims=False)
    g.output(mean)
    return b.finish()


def sound_model() -> bytes:
    """Samples in one row [1, 1, 6000, 1]; two filters; 12,000 numbers come out."""
    b = ModelBuilder()
    g = b.subgraph("main")
    x = g.input("samples", (1, 1, 6000, 1), "int8", scale=1 / 128, zero_point=0)
    weights = np.array([[1, -2, 5, -2, 1], [3, 3, 3, 3, 3]], np.int8)[:, None, :, None]
    w = g.constant("w", weights, scale=0.1, zero_point=0)
    y = g.tensor("y", (1, 1, 6000, 2), "int8", scale=0.02, zero_point=0)
    g.op("CONV_2D", [x, w], [y], padding="SAME", stride_h=1, stride_w=1)
    real = g.tensor("real", (1, 1, 6000, 2), "float32")
    g.op("DEQUANTIZE", [y], [real], version=2)
    g.output(real)
    return b.finish()


def long_model() -> bytes:
    """Some 100 million multiplications: minutes in a browser."""
    return picture_model(side=64, filters=52, layers=2)

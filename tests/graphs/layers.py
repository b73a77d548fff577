"""Entries of layers with filters, and pools."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.graphs.growing import Growing, Kind
from tests.graphs.movement import image

Entry = Callable[[Growing], None]
ACTIVATIONS = ("NONE", "RELU", "RELU6")


def weights(w: Growing, kind: Kind, shape: tuple[int, ...], axis: int) -> int:
    """A filter for inputs of that kind: float, int8 or int4; one scale, or one per channel."""
    if kind.dtype == "float32":
        return w.constant(w.rng.standard_normal(shape).astype(np.float32))
    is_int4 = kind.dtype == "int8" and w.chance(4)
    reach = 8 if is_int4 else 128
    values = w.rng.integers(1 - reach, reach, shape).astype(np.int8)
    count = shape[axis] if w.chance(2) and not is_int4 else 1
    scales = [0.01 * (1 + i % 3) for i in range(count)]
    dtype = "int4" if is_int4 else None
    return w.constant(values, dtype, scale=scales, zero_point=0, axis=axis if count > 1 else 0)


def bias(w: Growing, kind: Kind, channels: int) -> list[int]:
    """Nothing, or a bias of the type that goes with the input."""
    if w.chance(2):
        return []
    if kind.dtype == "float32":
        return [w.constant(w.rng.standard_normal(channels).astype(np.float32))]
    dtype = {"int8": np.int32, "int16": np.int64}[kind.dtype]
    assert kind.scale is not None
    values = w.rng.integers(-500, 500, channels).astype(dtype)
    return [w.constant(values, scale=kind.scale * 0.01, zero_point=0)]


def activation(w: Growing, kind: Kind) -> dict[str, Any]:
    """Floats are clamped, so that a long graph does not run away to infinity."""
    return {
        "fused_activation_function": "RELU6" if kind.dtype == "float32" else w.choose(ACTIVATIONS)
    }


def convolution(op: str) -> Entry:
    """CONV_2D, DEPTHWISE_CONV_2D with padding VALID or SAME."""

    def add(w: Growing) -> None:
        x = w.pick("float32", "int8", "int16", fits=image)
        kind = w.values[x]
        n, h, width, c = kind.shape
        kernel = (w.integer(1, min(h, 3)), w.integer(1, min(width, 3)))
        strides = (w.integer(1, 2), w.integer(1, 2))
        filters = w.integer(1, 6) if op == "CONV_2D" else c * w.integer(1, 2)
        padding = w.choose(("VALID", "SAME"))
        sides = [
            -(-side // s) if padding == "SAME" else (side - k) // s + 1
            for side, k, s in zip((h, width), kernel, strides, strict=True)
        ]
        is_conv = op == "CONV_2D"
        shape = (filters, *kernel, c) if is_conv else (1, *kernel, filters)
        filter_ = weights(w, kind, shape, 0 if is_conv else 3)
        inputs = [x, filter_, *bias(w, kind, filters)]
        more = {} if is_conv else {"depth_multiplier": filters // c}
        w.op(
            op,
            inputs,
            w.requantised(kind).shaped(n, *sides, filters),
            calm=True,
            padding=padding,
            stride_h=strides[0],
            stride_w=strides[1],
            **more,
            **activation(w, kind),
        )

    return add


def transpose_conv(w: Growing) -> None:
    """TRANSPOSE_CONV; floats are clamped behind it."""
    x = w.pick("float32", "int8", "int16", fits=image)
    kind = w.values[x]
    n, h, width, c = kind.shape
    filters = w.integer(1, 3)
    shape = (n, h + 1, width + 1, filters)
    filter_ = weights(w, Kind("int16" if kind.scale else "float32", ()), (filters, 2, 2, c), 0)
    inputs = [w.ints(*shape), filter_, x]
    out = w.requantised(kind).shaped(*shape)
    if out.elements > 300:
        return
    w.op(
        "TRANSPOSE_CONV",
        inputs,
        out,
        calm=True,
        padding="VALID",
        stride_h=1,
        stride_w=1,
        fused_activation_function="RELU6" if kind.dtype == "float32" else "NONE",
    )


def fully_connected(w: Growing) -> None:
    """FULLY_CONNECTED of rows."""
    x = w.pick("float32", "int8", "int16", fits=lambda kind: kind.rank > 1)
    kind = w.values[x]
    rows, depth = kind.elements // kind.shape[-1], kind.shape[-1]
    channels = w.integer(1, 6)
    inputs = [x, weights(w, kind, (channels, depth), 0)]
    out = w.requantised(kind).shaped(rows, channels)
    w.op("FULLY_CONNECTED", inputs, out, calm=True, **activation(w, kind))


def pool(op: str, *types: str) -> Entry:
    """AVERAGE_POOL_2D, MAX_POOL_2D."""

    def add(w: Growing) -> None:
        x = w.pick(*types, fits=image)
        kind = w.values[x]
        n, h, width, c = kind.shape
        size = (w.integer(1, min(h, 3)), w.integer(1, min(width, 3)))
        out = kind.shaped(n, h - size[0] + 1, width - size[1] + 1, c)
        w.op(
            op,
            [x],
            out,
            padding="VALID",
            filter_height=size[0],
            filter_width=size[1],
            stride_h=1,
            stride_w=1,
        )

    return add


def batch_matmul(w: Growing) -> None:
    """BATCH_MATMUL of a value with itself transposed; floats are clamped behind it."""
    x = w.pick("float32", "int8", fits=lambda kind: kind.rank in (2, 3), calm=True)
    kind = w.values[x]
    out = w.requantised(kind).shaped(*kind.shape[:-1], kind.shape[-2])
    product = w.op("BATCH_MATMUL", [x, x], out, adj_y=True)
    if kind.dtype == "float32":
        w.op("RELU6", [product], out, calm=True)


ENTRIES: dict[str, Entry] = {
    "CONV_2D": convolution("CONV_2D"),
    "DEPTHWISE_CONV_2D": convolution("DEPTHWISE_CONV_2D"),
    "TRANSPOSE_CONV": transpose_conv,
    "FULLY_CONNECTED": fully_connected,
    "AVERAGE_POOL_2D": pool("AVERAGE_POOL_2D", "float32", "int8", "int16"),
    "MAX_POOL_2D": pool("MAX_POOL_2D", "float32", "int8", "int16"),
    "L2_POOL_2D": pool("L2_POOL_2D", "float32"),
    "BATCH_MATMUL": batch_matmul,
}

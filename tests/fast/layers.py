"""Random layers at the edges of the proof, and inputs that reach their bounds."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt

from tests.ops.layers import Layer, options_of
from tests.ops.movement import Input
from tests.ops.strategies import ACTIVATIONS
from tests.spec_ops import conv as spec
from tests.spec_ops.conv import Axis

Array = npt.NDArray[Any]
Rng = np.random.Generator
INT8 = -128, 127


# Geometry ---------------------------------------------------------------------------------------


def random_axes(rng: Rng) -> tuple[Axis, Axis]:
    """Strides beyond the filter, dilations, and now and then a filter wider than any image."""
    padding = ("SAME", "VALID")[rng.integers(2)]
    rows, columns = (
        Axis(
            int(rng.choice((1, 1, 2, 3, 4, 11) if padding == "SAME" else (1, 1, 2, 3, 4))),
            int(rng.choice((1, 1, 2, 3, 5))),
            int(rng.choice((1, 1, 1, 2, 3))),
            padding,
        )
        for _ in range(2)
    )
    return rows, columns


def random_sides(rng: Rng, axes: tuple[Axis, Axis]) -> list[int]:
    """Image sides that the filter fits, one pixel among them; VALID leaves pixels unused."""
    return [
        int(rng.integers(least, least + 8)) if rng.integers(5) else least
        for least in (a.reach if a.padding == "VALID" else 1 for a in axes)
    ]


def geometry(op: str, shape: tuple[int, ...], axes: tuple[Axis, Axis], channels: int) -> Layer:
    """A convolution without its numbers, all weights 0.

    Args:
        shape: of the images [n, h, w, c].
        channels: filters; of each input channel for DEPTHWISE_CONV_2D.
    """
    options: dict[str, Any] = {**options_of(axes)}
    sizes, depth = [a.size for a in axes], shape[-1]
    w_shape: tuple[int, ...] = (channels, *sizes, depth)
    is_depthwise = op == "DEPTHWISE_CONV_2D"
    if is_depthwise:
        options["depth_multiplier"] = channels
        channels *= depth
        w_shape = (1, *sizes, channels)
    y = Input(spec.output_shape(shape, channels, axes), "int8", 1.0, 0)
    x = Input(shape, "int8", 1.0, 0)
    w = np.zeros(w_shape, np.int8)
    return Layer(op, x, w, y, axis=3 if is_depthwise else 0, options=options)


def dense(shape: tuple[int, ...], rows: int, channels: int) -> Layer:
    """The same for FULLY_CONNECTED: so many rows of outputs from all elements of the input."""
    depth = int(np.prod(shape)) // rows
    x, y = Input(shape, "int8", 1.0, 0), Input((rows, channels), "int8", 1.0, 0)
    return Layer("FULLY_CONNECTED", x, np.zeros((channels, depth), np.int8), y)


def random_geometry(rng: Rng, op: str) -> Layer:
    """A layer without its numbers."""
    if op == "FULLY_CONNECTED":
        rows, depth, channels = (int(rng.integers(1, n)) for n in (4, 40, 7))
        return dense((rows, depth), rows, channels)
    axes = random_axes(rng)
    shape = int(rng.integers(1, 3)), *random_sides(rng, axes), int(rng.choice((1, 2, 3, 5)))
    channels = rng.choice((1, 1, 2, 3)) if op == "DEPTHWISE_CONV_2D" else rng.integers(1, 7)
    return geometry(op, shape, axes, int(channels))


# Numbers ----------------------------------------------------------------------------------------


def taps_of(layer: Layer) -> npt.NDArray[np.int64]:
    """The weights [taps, channels], the filter's zero point taken off where it counts."""
    w = layer.w.astype(np.int64)
    if layer.op == "FULLY_CONNECTED" and len(layer.w_scales) == 1:
        w = w - layer.w_zero_point
    return w.reshape(-1, layer.channels) if layer.axis == 3 else w.reshape(len(w), -1).T


def bounds_of(layer: Layer) -> tuple[Array, Array]:
    """Least and greatest sum of raw inputs and weights, by trying both ends tap by tap."""
    taps = taps_of(layer)[..., None] * np.array(INT8)
    return taps.min(-1).sum(0), taps.max(-1).sum(0)


def random_weights(rng: Rng, shape: tuple[int, ...], axis: int, low: int = -128) -> Array:
    """Whole range, small, one-sided or extreme weights; some channels all 0."""
    high = -low - 1
    style = rng.integers(6)
    if style < 3:
        w = rng.integers(low, high + 1, shape)
    elif style == 3:
        w = rng.integers(-1, 2, shape)
    elif style == 4:
        w = rng.integers(0, high + 1, shape) * rng.choice((1, -1))
    else:
        w = rng.choice((low, high), shape)
    if rng.integers(6) == 0:
        channel = [slice(None)] * len(shape)
        channel[axis] = slice(0, 1)
        w[tuple(channel)] = 0
    return w.astype(np.int8)


def random_factors(rng: Rng, spans: Array, powers: bool) -> Array:
    """Output steps per unit of a sum, for each channel: most spread its sums over the outputs."""
    spread = 255.0 / np.maximum(spans, 1) * 2.0 ** rng.uniform(-2, 3, len(spans))
    style = rng.integers(8)
    if style == 0:
        spread = 2.0 ** rng.uniform(-40, 8, len(spans))
    elif style == 1:
        spread = 2.0 ** rng.integers(-36, 30, len(spans)).astype(float)
    return 2.0 ** np.round(np.log2(spread)) if powers else spread


def with_numbers(rng: Rng, layer: Layer, w: Array | None = None) -> Layer:
    """The layer with random weights, scales, zero points, bias and activation."""
    is_dense = layer.op == "FULLY_CONNECTED"
    powers = bool(rng.integers(3) == 0)  # exact powers of two: ties at every other sum
    is_int4 = w is None and rng.integers(8) == 0
    low = -8 if is_int4 else -128
    w = random_weights(rng, layer.w.shape, layer.axis, low) if w is None else w
    per_channel = bool(rng.integers(2)) and not (is_dense and is_int4)
    if layer.axis == 3 and layer.x.shape[3] % 2:
        is_int4 = False  # refused by a rule of some profiles
    layer = replace(layer, w=w, w_type="int4" if is_int4 else None, w_scales=[1.0])
    if is_dense and not per_channel and rng.integers(3) == 0:
        layer = replace(layer, w_zero_point=int(rng.choice((low, 3, -low - 1))))
    least, greatest = bounds_of(layer)
    factors = random_factors(rng, greatest - least, powers)
    x_scale, y_scale = 2.0 ** rng.integers(-8, 2), 2.0 ** rng.integers(-6, 4)
    if not powers:
        x_scale, y_scale = x_scale * rng.uniform(0.5, 1), y_scale * rng.uniform(0.5, 1)
    x_scale, y_scale = (float(np.float32(s)) for s in (x_scale, y_scale))
    if not per_channel:
        factors = np.full_like(factors, factors[0])
    if is_dense and (not per_channel or layer.channels == 1):
        factors = np.minimum(factors, 2.0**16)  # the bias' scale is checked against theirs
    scales = [float(np.float32(f * y_scale / x_scale)) for f in factors]
    zeros = [int(rng.choice((-128, 127, 0, rng.integers(-128, 128)))) for _ in range(2)]
    bias = random_bias(rng, factors, least, greatest, zeros[0] * taps_of(layer).sum(0))
    options = {**layer.options, "fused_activation_function": str(rng.choice(ACTIVATIONS))}
    return replace(
        layer,
        w_scales=scales if per_channel else scales[:1],
        x=replace(layer.x, scale=x_scale, zero_point=zeros[0]),
        y=replace(layer.y, scale=y_scale, zero_point=zeros[1]),
        bias=bias,
        options=options,
    )


def with_usual_numbers(rng: Rng, layer: Layer) -> Layer:
    """The layer as a converter might write it: outputs vary, and there is always a twin."""
    w = rng.integers(-128, 128, layer.w.shape).astype(np.int8)
    taps = w.size // layer.channels
    scales = 60 / (74 * 74 * taps**0.5) * 2.0 ** rng.uniform(-1, 1, layer.channels)
    zeros = [int(rng.integers(-20, 20)) for _ in range(2)]
    return replace(
        layer,
        w=w,
        w_scales=[float(np.float32(scale)) for scale in scales],
        x=replace(layer.x, zero_point=zeros[0]),
        y=replace(layer.y, zero_point=zeros[1]),
        bias=rng.integers(-5000, 5000, layer.channels).astype(np.int32),
    )


def random_bias(
    rng: Rng, factors: Array, least: Array, greatest: Array, share: Array
) -> Array | None:
    """None, or what moves the middle, or an end, of the sums to 0, or near int32's ends.

    Args:
        share: of the input's zero point in each sum.
    """
    style = rng.integers(8)
    if style == 0:
        return None
    steps = rng.integers(-200, 200, len(factors)) / factors
    if style == 1:
        room = 1 << int(rng.integers(0, 28))  # how far from the end, sums and all
        sign = rng.choice((1, -1), len(factors))
        end = np.where(sign > 0, (1 << 31) - 1 - greatest, -(1 << 31) + 1 - least)
        bias = end + share - sign * rng.integers(-1, room, len(factors))
    else:
        middle = (least + greatest) // 2 if style < 6 else (least, greatest)[style % 2]
        bias = share - middle + np.clip(steps, -(2**30), 2**30).astype(np.int64)
    return np.clip(bias, -(1 << 31), (1 << 31) - 1).astype(np.int32)


# Layers at the edge of exact floats ---------------------------------------------------------------


def weights_with_bound(rng: Rng, bound: int, depth: int) -> Array:
    """Weights [depth] whose sums reach exactly `bound` and no more in magnitude.

    128 * P + 127 * N, P and N being the sums of positive and of negative weights.
    """
    n = -bound % 128
    p, rest = divmod(bound - 127 * n, 128)
    assert rest == 0
    assert p >= n
    weights = [127] * (p // 127) + [p % 127] * (p % 127 > 0)
    weights += [-127] * (n // 127) + [-(n % 127)] * (n % 127 > 0)
    # ones among them let a sum take every value near the bound
    weights += [0] * (depth - len(weights))
    split = min(4, weights.count(0) // 126, weights.count(127))
    for _ in range(split):
        weights.remove(127)
        weights += [1] * 127
        for _ in range(126):
            weights.remove(0)
    assert len(weights) == depth
    result: Array = rng.permutation(np.array(weights, np.int8))
    return result


def at_the_edge(rng: Rng, bound: int, op: str = "FULLY_CONNECTED") -> Layer:
    """A dense layer or a 1 x 1 convolution whose greatest sums are near `bound`.

    The bias takes them back to where the outputs step, one unit of a sum at a time or a few.
    """
    depth = bound // (127 * 128) + 300
    channels = int(rng.integers(1, 4))
    w = np.stack([weights_with_bound(rng, bound, depth) for _ in range(channels)])
    w = w * rng.choice((1, -1), channels)[:, None]
    dense = Layer(op, Input((1, depth)), w.astype(np.int8), Input((1, channels)), w_scales=[1.0])
    least, greatest = bounds_of(dense)
    ends = np.where(rng.integers(2, size=channels) == 1, least, greatest)
    factor = float(2.0 ** rng.integers(-3, 1)) * (rng.uniform(0.5, 1) if rng.integers(4) else 1)
    zeros = [int(rng.integers(-128, 128)) for _ in range(2)]
    bias = zeros[0] * taps_of(dense).sum(0) - ends + rng.integers(-100, 100, channels)
    activation = str(rng.choice(("NONE", "NONE", "NONE", "RELU", "RELU6")))
    options: dict[str, Any] = {"fused_activation_function": activation}
    shape: tuple[int, ...] = (1, depth)
    if op == "CONV_2D":
        options |= options_of((Axis(1, 1, 1, "VALID"), Axis(1, 1, 1, "VALID")))
        shape, w = (1, 1, 1, depth), w.reshape(channels, 1, 1, depth)
    return replace(
        dense,
        x=Input(shape, "int8", 1.0, zeros[0]),
        w=w.astype(np.int8),
        y=Input((*shape[:-1], channels), "int8", float(np.float32(1 / factor)), zeros[1]),
        bias=bias.astype(np.int32),
        options=options,
    )


def depthwise_at_the_edge(taps_down: int) -> Layer:
    """32 x 32 taps of -128 sum to exactly 2^24, 33 x 32 to more."""
    shape = 1, taps_down, 32, 2
    axes = Axis(taps_down, 1, 1, "VALID"), Axis(32, 1, 1, "VALID")
    w = np.full(shape, -128, np.int8)
    bias = np.array([-taps_down * 32 * 128 * 128 + 50, taps_down * 32 * 128 * 127 - 50], np.int32)
    return Layer(
        "DEPTHWISE_CONV_2D",
        Input(shape, "int8", 1.0, 0),
        w,
        Input((1, 1, 1, 2), "int8", 1.0, 0),
        bias=bias,
        w_scales=[1.0],
        axis=3,
        options={**options_of(axes), "depth_multiplier": 1},
    )


def random_layer(rng: Rng, op: str) -> Layer:
    """A layer of any kind."""
    if op != "DEPTHWISE_CONV_2D" and rng.integers(15) == 0:
        return at_the_edge(rng, (1 << 24) + int(rng.choice((-128, -1, 0, 1, 2, 128, 1 << 22))), op)
    if op == "DEPTHWISE_CONV_2D" and rng.integers(100) == 0:
        return depthwise_at_the_edge(int(rng.integers(31, 34)))
    return with_numbers(rng, random_geometry(rng, op))


# Inputs -------------------------------------------------------------------------------------------


def inputs_for(rng: Rng, layer: Layer, random: int = 2) -> Array:
    """Inputs [N, ...]: all of one value, signs matched to the weights, near those, random."""
    shape = layer.x.shape
    found = [np.full(shape, value, np.int8) for value in (*INT8, layer.x.zero_point or 0)]
    for sign, is_near in product((1, -1), (False, True)):
        found.append(matched(rng, layer, int(rng.integers(layer.channels)), sign, is_near))
    found += [rng.integers(-128, 128, shape).astype(np.int8) for _ in range(random)]
    return np.stack(found)


def matched(rng: Rng, layer: Layer, channel: int, sign: int, is_near: bool) -> Array:
    """A random input, but under one window the values that push one channel's sum furthest.

    Args:
        is_near: take some of the inputs with the least weights back a little.
    """
    x = rng.integers(-128, 128, layer.x.shape).astype(np.int8)
    taps = taps_of(layer)[:, channel] * sign
    ends = np.where(taps > 0, 127, -128)
    if is_near:
        few = rng.choice(np.argsort(np.abs(taps) + (taps == 0) * 1000)[:50], rng.integers(1, 4))
        ends[few] -= np.sign(ends[few]) * rng.integers(0, 60, len(few))
    if layer.op == "FULLY_CONNECTED":
        x.reshape(-1, len(taps))[rng.integers(x.size // len(taps))] = ends
        return x
    is_depthwise = layer.axis == 3
    image = x[rng.integers(len(x))]
    pixels = ends.reshape(*layer.w.shape[1:3], -1)
    where = channel // (layer.channels // x.shape[3]) if is_depthwise else slice(None)
    down, across = (
        axis.pixels(int(rng.integers(outputs)), length)
        for axis, outputs, length in zip(
            layer.axes(), layer.y.shape[1:3], x.shape[1:3], strict=True
        )
    )
    for (ky, row), (kx, column) in product(down, across):
        image[row, column, where] = pixels[ky, kx, 0] if is_depthwise else pixels[ky, kx]
    return x

"""CONV_2D, DEPTHWISE_CONV_2D, FULLY_CONNECTED, TRANSPOSE_CONV: products, a bias, one requantising.

The formulas are those of the kernels of the same names.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from tflite import TensorType

from microinterp.explain.ops.common import activated, ratio_text
from microinterp.explain.recorder import Recorder, Tap
from microinterp.explain.subject import Explainer, Outcome, Subject
from microinterp.graph import Tensor
from microinterp.kernels import conv_2d, depthwise_conv_2d, fully_connected, transpose_conv
from microinterp.kernels.common import Window
from microinterp.kernels.filters import Quant, unpack_int4

_COLUMNS = ("input", "weight")


@dataclass(frozen=True)
class _Roles:
    """Positions of the op's inputs."""

    x: int = 0
    w: int = 1
    bias: int = 2


_USUAL = _Roles()


@dataclass(frozen=True)
class _Layer:
    """One element of a layer with a filter.

    Attributes:
        pairs: indexes into input and filter, of each tap that meets the image.
        padded: taps that do not.
        channel: of the output.
        axis: the filter's dimension that output channels run along.
    """

    pairs: Sequence[tuple[tuple[int, ...], tuple[int, ...]]]
    padded: int
    channel: int
    axis: int = 0


def _conv_2d(subject: Subject, recorder: Recorder) -> Outcome:
    g: conv_2d.Geometry = subject.params.geometry
    sample, y, x, channel = subject.index
    first = channel // g.filters * g.depth
    pairs = [
        ((sample, row, column, first + c), (channel, ky, kx, c))
        for ky, kx, row, column in window_taps(g.height, g.width, y, x)
        for c in range(g.depth)
    ]
    total = g.height.size * g.width.size * g.depth
    return _layer(subject, recorder, _Layer(pairs, total - len(pairs), channel))


def _depthwise(subject: Subject, recorder: Recorder) -> Outcome:
    g: depthwise_conv_2d.Geometry = subject.params.geometry
    sample, y, x, channel = subject.index
    pairs = [
        ((sample, row, column, channel // g.multiplier), (0, ky, kx, channel))
        for ky, kx, row, column in window_taps(g.height, g.width, y, x)
    ]
    padded = g.height.size * g.width.size - len(pairs)
    return _layer(subject, recorder, _Layer(pairs, padded, channel, axis=3))


def window_taps(
    height: Window, width: Window, y: int, x: int
) -> Iterator[tuple[int, int, int, int]]:
    """Tap and pixel (row and column each) of every tap of output y, x that meets the image."""
    for ky in range(height.size):
        row = y * height.stride + ky * height.dilation - height.before
        for kx in range(width.size):
            column = x * width.stride + kx * width.dilation - width.before
            if 0 <= row < height.length and 0 <= column < width.length:
                yield ky, kx, row, column


def _fully_connected(subject: Subject, recorder: Recorder) -> Outcome:
    g: fully_connected.Geometry = subject.params.geometry
    *row, channel = subject.index
    start = int(np.ravel_multi_index(row, g.output_shape[:-1])) * g.depth if row else 0
    shape = subject.node.input(0).shape
    pairs = []
    for d in range(g.depth):
        at = np.unravel_index(start + d, shape) if shape else ()
        pairs.append((tuple(int(i) for i in at), (channel, d)))
    zero_point = subject.params.filter_zero_point
    return _layer(subject, recorder, _Layer(pairs, 0, channel), zero_point)


def _transpose_conv(subject: Subject, recorder: Recorder) -> Outcome:
    g: transpose_conv.Geometry = subject.params.geometry
    sample, y, x, channel = subject.index
    depth = subject.node.input(2).shape[3]
    rows, columns = _reaching(g.height, y), _reaching(g.width, x)
    pairs = [
        ((sample, row, column, c), (channel, ky, kx, c))
        for row, ky in rows
        for column, kx in columns
        for c in range(depth)
    ]
    return _layer(subject, recorder, _Layer(pairs, 0, channel), roles=_Roles(x=2, bias=3))


def _reaching(window: Window, place: int) -> list[tuple[int, int]]:
    """Input pixels that add to an output pixel, along one axis, with the tap that does."""
    found = []
    for pixel in range(window.outputs):
        tap = place - pixel * window.stride + window.before
        if 0 <= tap < window.size:
            found.append((pixel, tap))
    return found


def _layer(
    subject: Subject,
    recorder: Recorder,
    layer: _Layer,
    filter_zero_point: int = 0,
    roles: _Roles = _USUAL,
) -> Outcome:
    """Sum of products, bias, requantise, zero point, clamp."""
    quant: Quant = subject.params.quant
    x, w = subject.node.input(roles.x), subject.node.input(roles.w)
    unit = float(x.scale) * _scale_of(w, layer.channel)
    taps = _taps(subject, roles, layer)
    zero_points = (quant.input_zero_point, filter_zero_point)
    total = recorder.sum_of_products(
        "sum of the products",
        _COLUMNS,
        zero_points,
        taps,
        "; ".join(_notes(subject, roles, layer, zero_points)),
        source=x,
    )
    bits = 32 if quant.accumulator is np.int32 else 64
    total = recorder.wrap(total, bits)
    bias = _bias(subject, roles, layer.channel)
    if bias is not None:
        label = f"add bias {layer.channel}"
        total = recorder.do("add", label, x=total, y=bias, real=(total + bias) * unit)
        total = recorder.wrap(total, bits)
    scaled = recorder.requantise(
        total,
        quant.requantise,
        quant.multiplier[layer.channel],
        quant.shift[layer.channel],
        ratio_text((float(x.scale), _scale_of(w, layer.channel)), subject.scale),
    )
    value = recorder.output(scaled, quant.output_zero_point, quant.low, quant.high, subject.scale)
    return Outcome(value, _float_model(subject, roles, layer, taps, bias))


def _notes(
    subject: Subject, roles: _Roles, layer: _Layer, counted: tuple[int, int]
) -> Iterator[str]:
    """Taps that are left out, and zero points of the file that the kernel does not look at."""
    if layer.padded:
        yield f"{_count(layer.padded)} in the padding, adding nothing"
    x, w, out = subject.node.input(roles.x), subject.node.input(roles.w), subject.out
    in_file = (x.zero_point, _zero_of(w, layer.channel), out.zero_point)
    names = ("the input", "the filter", "the output")
    used = (*counted, subject.params.quant.output_zero_point)
    for name, there, zero in zip(names, in_file, used, strict=True):
        if there != zero:
            yield f"{name} has zero point {there} in the file, which counts as {zero} here"


def _count(taps: int) -> str:
    return "1 more tap lies" if taps == 1 else f"{taps} more taps lie"


def _taps(subject: Subject, roles: _Roles, layer: _Layer) -> list[Tap]:
    activations, weights = subject.array(roles.x), subject.array(roles.w)
    w = subject.node.input(roles.w)
    if w.type_code == TensorType.INT4:
        weights = unpack_int4(weights, w.shape)
    return [(at, (int(activations[at]), int(weights[by]))) for at, by in layer.pairs]


def _bias(subject: Subject, roles: _Roles, channel: int) -> int | None:
    if subject.node.optional_input(roles.bias) is None:
        return None
    return int(subject.array(roles.bias).reshape(-1)[channel])


def _scale_of(w: Tensor, channel: int) -> float:
    """The filter's scale of an output channel."""
    assert w.quantization is not None
    scales = w.quantization.scale
    return float(scales[channel if len(scales) > 1 else 0])


def _float_model(
    subject: Subject, roles: _Roles, layer: _Layer, taps: Sequence[Tap], bias: int | None
) -> float:
    """The dequantised numbers' sum and activation, in real numbers."""
    x, w = subject.node.input(roles.x), subject.node.input(roles.w)
    unit = float(x.scale) * _scale_of(w, layer.channel)
    products = [(a - x.zero_point) * (b - _zero_of(w, layer.channel)) for _, (a, b) in taps]
    return activated(subject.node, sum(products) * unit + (0 if bias is None else bias * unit))


def _zero_of(w: Tensor, channel: int) -> int:
    assert w.quantization is not None
    zeros = w.quantization.zero_point
    return int(zeros[channel if len(zeros) > 1 else 0]) if len(zeros) else 0


EXPLAINERS: Mapping[str, Explainer] = {
    "CONV_2D": _conv_2d,
    "DEPTHWISE_CONV_2D": _depthwise,
    "FULLY_CONNECTED": _fully_connected,
    "TRANSPOSE_CONV": _transpose_conv,
}

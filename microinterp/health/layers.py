"""Rules about layers with constant filters: their channels, scales, biases and sums."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from tflite import TensorType

from microinterp.graph import Node, Tensor
from microinterp.health.finding import Finding, finding, listed, many
from microinterp.kernels.common import MAX_LEFT_SHIFT
from microinterp.kernels.filters import MAX_LEFT_SHIFT_INT64, accumulator_of, unpack_int4

Numbers = npt.NDArray[np.int64]

LARGEST_FACTOR = 2.0**MAX_LEFT_SHIFT
"""From here on an int32 requantisation shifts a sum out of itself."""
LARGEST_FACTOR_INT64 = 2.0**MAX_LEFT_SHIFT_INT64
"""The same for 64-bit sums."""
SMALLEST_FACTOR = 2.0**-32
"""TFLM's QuantizeMultiplier makes 0 of what is smaller."""
OUTLIER = 1024.0
"""A channel's scale so many times its layer's median, or less than the median by so much: ten bits
apart, one of the two is all that an 8-bit output can hold. Sound models reach 50."""
COARSE = 4
"""Weights of a channel all below that use three bits of eight at most."""
COARSE_SHARE = 0.25
"""A few small channels are usual where a layer has one scale; a quarter of them is not."""
SATURATED = 0.05
"""Share of weights at the ends beyond the one in each channel that symmetric quantisation puts
there. Sound models stay below 0.01, small ones below 0.04."""
SATURATED_COUNT = 8
"""So few weights at the ends are chance."""
LARGE_BIAS = 3 * 2**29
"""Converters keep biases at about 2^30 at most; from three quarters of int32 on, sums overflow."""
BIAS_SCALE_ERROR = 0.01
"""Relative difference of a bias' scale from input scale times weight scale; converters compute it
in float32 and give seven digits."""

_AXES = {"CONV_2D": 0, "DEPTHWISE_CONV_2D": 3, "FULLY_CONNECTED": 0, "TRANSPOSE_CONV": 0}
_INTEGERS = (TensorType.INT8, TensorType.INT16)
_FILTERS = (TensorType.INT8, TensorType.INT4)


@dataclass(frozen=True)
class Layer:
    """A quantised layer with a constant filter.

    Attributes:
        node: the op.
        x, w, out, bias: its activations, filter, output, and bias if there is one.
        weights: the filter as [channels, taps].
        scales: the filter's, one or one for each channel.
        has_32_bit_sums: False where sums have 64 bits.
    """

    node: Node
    x: Tensor
    w: Tensor
    out: Tensor
    bias: Tensor | None
    weights: Numbers
    scales: npt.NDArray[np.float64]
    has_32_bit_sums: bool

    @property
    def live(self) -> npt.NDArray[np.bool_]:
        """[channels]: there is a weight other than 0."""
        return np.asarray(self.weights.any(axis=1))

    @property
    def biases(self) -> Numbers | None:
        """[channels]; None for a bias that is computed, or of no use to the kernel."""
        data = None if self.bias is None else self.bias.data
        if data is None or data.dtype.kind != "i" or data.size != len(self.weights):
            return None
        return data.astype(np.int64).reshape(-1)

    @property
    def factors(self) -> npt.NDArray[np.float64]:
        """[channels] output steps per unit of a sum."""
        made = float(self.x.scale) * self.scales / float(self.out.scale)
        return np.broadcast_to(made, len(self.weights))


def layer_findings(node: Node) -> Iterator[Finding]:
    """Everything that the rules of this file have to say of an op; nothing of other ops."""
    layer = layer_of(node)
    if layer is None:
        return
    for rule in _RULES:
        yield from rule(layer)


def layer_of(node: Node) -> Layer | None:
    """The op as a Layer; None for other ops, for float layers and for filters that are computed."""
    axis = _AXES.get(node.name)
    is_transposed = node.name == "TRANSPOSE_CONV"
    x = node.optional_input(2 if is_transposed else 0)
    w = node.optional_input(1)
    if axis is None or x is None or w is None or w.data is None or not node.outputs:
        return None
    out, bias = node.outputs[0], node.optional_input(3 if is_transposed else 2)
    quantised = all(t.quantization is not None and (t.scale > 0) for t in (x, out))
    if not quantised or w.quantization is None or w.rank <= axis or not w.elements:
        return None
    if x.type_code not in _INTEGERS or w.type_code not in _FILTERS:
        return None
    packed = w.type_code == TensorType.INT4
    data = unpack_int4(w.data, w.shape) if packed else w.data
    weights = np.moveaxis(data, axis, 0).reshape(w.shape[axis], -1).astype(np.int64)
    scales = w.quantization.scale.astype(np.float64)
    if len(scales) not in (1, len(weights)):
        return None
    return Layer(node, x, w, out, bias, weights, scales, _has_32_bit_sums(node, x, bias))


def _has_32_bit_sums(node: Node, x: Tensor, bias: Tensor | None) -> bool:
    if node.name in ("CONV_2D", "FULLY_CONNECTED"):
        return (
            accumulator_of(node, TensorType.INT64 if bias is None else bias.type_code) is np.int32
        )
    return bool(x.type_code == TensorType.INT8)


def _factors(layer: Layer) -> Iterator[Finding]:
    """Requantisation factors that TFLM does not take, that become 0, and that are unusual."""
    where = layer.node.where()
    factors = layer.factors[layer.live]
    if not len(factors):
        return
    largest, channels = float(factors.max()), len(layer.weights)
    limit = LARGEST_FACTOR if layer.has_32_bit_sums else LARGEST_FACTOR_INT64
    if largest >= limit:
        text = f"the requantisation factor is {largest:.4g}, TFLM takes less than {limit:.4g}"
        yield finding("multiplier-too-large", text, where, factor=largest, limit=limit)
    elif largest >= 1:
        count = int(np.count_nonzero(factors >= 1))
        text = (
            f"{many(count, channels, 'requantisation factor')} are 1 or more, up to {largest:.4g}"
        )
        yield finding("multiplier-above-one", text, where, factor=largest, channels=count)
    lost = np.flatnonzero((layer.factors < SMALLEST_FACTOR) & layer.live)
    if len(lost):
        text = f"{many(len(lost), channels, 'channel')} have a requantisation factor below 2^-32"
        yield finding(
            "multiplier-vanishes",
            f"{text}, of which TFLM makes 0",
            where,
            channels=len(lost),
            first=listed(lost),
            factor=float(layer.factors[lost].max()),
        )


def _channel_scales(layer: Layer) -> Iterator[Finding]:
    """Scales of channels, those that are all 0 left out, far from the layer's median."""
    live = layer.live
    if len(layer.scales) < 3 or not live.any():
        return
    median = float(np.median(layer.scales[live]))
    ratios = layer.scales / median if median else np.ones(len(layer.scales))
    far = live & ((ratios > OUTLIER) | (ratios < 1 / OUTLIER))
    if not far.any():
        return
    odd = np.flatnonzero(far)
    worst = float(ratios[odd[np.argmax(np.abs(np.log2(ratios[odd])))]])
    yield finding(
        "channel-scale-outlier",
        f"{many(len(odd), len(live), 'channel')} have scales over {OUTLIER:.0f} times away from "
        f"the median, one {worst:.3g} times it",
        layer.node.where(layer.w),
        channels=len(odd),
        first=listed(odd),
        median=median,
        ratio=worst,
    )


def _dead(layer: Layer) -> Iterator[Finding]:
    """Channels whose weights are all 0."""
    dead = np.flatnonzero(~layer.live)
    if len(dead):
        yield finding(
            "dead-channels",
            f"{many(len(dead), len(layer.weights), 'channel')} have only weights of 0",
            layer.node.where(layer.w),
            channels=len(dead),
            of=len(layer.weights),
            first=listed(dead),
        )


def _coarse(layer: Layer) -> Iterator[Finding]:
    """Channels that use few of the codes there are; int4 has no more than these."""
    if layer.w.type_code != TensorType.INT8:
        return
    largest = np.abs(layer.weights).max(axis=1)
    coarse = np.flatnonzero((largest > 0) & (largest < COARSE))
    if len(coarse) > COARSE_SHARE * len(layer.weights):
        yield finding(
            "coarse-channels",
            f"{many(len(coarse), len(layer.weights), 'channel')} have weights from -{COARSE - 1} "
            f"to {COARSE - 1} only",
            layer.node.where(layer.w),
            channels=len(coarse),
            of=len(layer.weights),
            first=listed(coarse),
        )


def _per_tensor(layer: Layer) -> Iterator[Finding]:
    """One scale for all channels of a depthwise filter, whose ranges differ the most."""
    channels = len(layer.weights)
    if layer.node.name == "DEPTHWISE_CONV_2D" and len(layer.scales) == 1 and channels > 1:
        largest = np.abs(layer.weights).max(axis=1)
        yield finding(
            "per-tensor-depthwise",
            f"{channels:,} channels share one scale; the narrowest one has weights up to "
            f"{int(largest.min())}, the widest up to {int(largest.max())}",
            layer.node.where(layer.w),
            channels=channels,
            narrowest=int(largest.min()),
            widest=int(largest.max()),
        )


def _saturated(layer: Layer) -> Iterator[Finding]:
    """Weights at the ends; symmetric quantisation puts one of each channel there."""
    if layer.w.type_code != TensorType.INT8:
        return
    lowest = int(np.count_nonzero(layer.weights <= -127))
    highest = int(np.count_nonzero(layer.weights >= 127))
    total = layer.weights.size
    excess = lowest + highest - min(int(layer.live.sum()), lowest + highest)
    if excess >= SATURATED_COUNT and excess > SATURATED * total:
        yield finding(
            "saturated-weights",
            f"{(lowest + highest) / total:.1%} of {total:,} weights lie at the ends of int8",
            layer.node.where(layer.w),
            lowest=lowest,
            highest=highest,
            weights=total,
        )


def _bias(layer: Layer) -> Iterator[Finding]:
    """Biases near the ends of int32, and biases whose scale is not the one that kernels assume."""
    bias, values = layer.bias, layer.biases
    if bias is None or values is None:
        return
    large = np.flatnonzero(np.abs(values) >= LARGE_BIAS) if layer.has_32_bit_sums else ()
    if len(large):
        largest = int(values[np.abs(values).argmax()])
        yield finding(
            "bias-near-limit",
            f"{many(len(large), len(values), 'channel')} have a bias within a quarter of int32's "
            f"ends, the largest {largest:,}",
            layer.node.where(bias),
            largest=largest,
            channels=len(large),
            first=listed(large),
        )
    yield from _bias_scale(layer, bias)


def _bias_scale(layer: Layer, bias: Tensor) -> Iterator[Finding]:
    if bias.quantization is None or not bias.scale > 0:
        return
    scales = bias.quantization.scale.astype(np.float64)
    wanted = float(layer.x.scale) * layer.scales
    if len(scales) not in (1, len(wanted)):
        return
    with np.errstate(divide="ignore", invalid="ignore"):
        errors = np.where(wanted > 0, np.abs(scales / wanted - 1), 0)
    if len(layer.scales) == len(layer.weights):
        errors = np.where(layer.live, errors, 0)  # without weights there is no scale to meet
    at = int(errors.argmax())
    if errors[at] > BIAS_SCALE_ERROR:
        scale = float(scales[min(at, len(scales) - 1)])
        yield finding(
            "bias-scale",
            f"the scale {scale:.6g} is not input scale times weight scale, {wanted[at]:.6g}",
            layer.node.where(bias),
            scale=scale,
            wanted=float(wanted[at]),
            channel=at,
        )


def _sums(layer: Layer) -> Iterator[Finding]:
    """Sums of 32 bits that some input drives out of int32."""
    if not layer.has_32_bit_sums:
        return
    info: Any = np.iinfo(layer.x.dtype)
    zero_point = layer.x.zero_point
    low, high = info.min - zero_point, info.max - zero_point
    up = np.where(layer.weights > 0, layer.weights, 0).sum(axis=1)
    down = layer.weights.sum(axis=1) - up
    bias = 0 if layer.biases is None else layer.biases
    greatest, least = up * high + down * low + bias, up * low + down * high + bias
    reach = np.maximum(greatest, -least - 1)
    over = np.flatnonzero((reach > 2**31 - 1) & layer.live)
    if len(over):
        most = int(reach.max())
        yield finding(
            "accumulator-overflow",
            f"{many(len(over), len(up), 'channel')} have sums that can leave int32, up to {most:,}",
            layer.node.where(),
            channels=len(over),
            first=listed(over),
            reach=most,
        )


_RULES = (_factors, _channel_scales, _dead, _coarse, _per_tensor, _saturated, _bias, _sums)

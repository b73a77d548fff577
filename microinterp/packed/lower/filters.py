"""CONV_2D, DEPTHWISE_CONV_2D and FULLY_CONNECTED: filters are laid out as the tier wants them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from microinterp.graph import Tensor
from microinterp.kernels import depthwise_conv_2d, fully_connected
from microinterp.kernels.common import Window
from microinterp.kernels.filters import Params, Quant
from microinterp.packed.lower.common import Lower, Lowering
from microinterp.packed.steps import Conv, Depthwise, DepthwiseInPlace, Step
from microinterp.packed.tiers import Filters
from microinterp.passes.in_place_depthwise import ChannelByChannel

Ints = npt.NDArray[np.int64]
_INT8 = np.iinfo(np.int8)
_INT32 = np.iinfo(np.int32)
_ONE = Window(size=1, stride=1, dilation=1, before=0, length=1, outputs=1)


def lower_conv(op: Lowering) -> list[Step]:
    """CONV_2D, with groups of channels or without."""
    _require_int8(op)
    p = op.params(Params)
    w = op.values(op.node.input(1)).astype(np.int64)
    geometry = p.geometry
    return [_conv(op, geometry.height, geometry.width, geometry.groups, w, p.quant)]


def lower_fully_connected(op: Lowering) -> list[Step]:
    """FULLY_CONNECTED: a convolution over an image that is one pixel wide."""
    op.require_types("int8")
    p = op.params(fully_connected.Params)
    filters = op.node.input(1)
    w = op.values(filters).astype(np.int64) - p.filter_zero_point
    op.require(
        bool(np.all((w >= _INT8.min) & (w <= _INT8.max))),
        f"weights less their zero point {p.filter_zero_point} leave int8",
        filters,
        "quantise weights symmetrically",
    )
    rows = op.node.output().elements // w.shape[0]
    height = Window(size=1, stride=1, dilation=1, before=0, length=rows, outputs=rows)
    return [_conv(op, height, _ONE, 1, w.reshape(w.shape[0], 1, 1, w.shape[1]), p.quant, 1)]


def lower_depthwise(op: Lowering) -> list[Step]:
    """DEPTHWISE_CONV_2D; with one input channel it is a convolution, which is faster."""
    _require_int8(op)
    p = op.params(Params)
    w = op.values(op.node.input(1)).astype(np.int64)[0]
    geometry, quant = p.geometry, p.quant
    height, width = geometry.height, geometry.width
    if isinstance(op.kernel.evaluate, ChannelByChannel):
        return [_in_place(op, w, p)]
    if geometry.multiplier == geometry.channels:
        return [_conv(op, height, width, 1, w.transpose(2, 0, 1)[..., None], quant)]
    filters = _depthwise_filters(op, w, quant)
    weights, table = op.layout.depthwise(filters, geometry.multiplier)
    x, out = op.node.input(0), op.node.output()
    step = Depthwise(
        x=op.source(x),
        w=op.constant(weights),
        channels=op.constant(table),
        dst=op.destination(out),
        **_geometry(height, width, x, out),
        batches=x.shape[0],
        multiplier=geometry.multiplier,
        **_numbers(quant),
        order=op.order,
        wide=op.layout.is_wide(filters),
        patch=_scratch(op, height.size * width.size, x.shape[-1]),
    )
    return [step]


def _depthwise_filters(op: Lowering, w: Ints, quant: Quant) -> Filters:
    """Filters w [kh, kw, channels], whose sums are proved to stay inside int32."""
    bias = _bias(op, w.shape[2])
    _require_sums(op, bias, np.abs(w).sum(axis=(0, 1)) * _reach(quant.input_zero_point))
    return _filters(op, w.reshape(-1, w.shape[2]).T, bias, quant)


def _filters(op: Lowering, w: Ints, bias: Ints, quant: Quant) -> Filters:
    zx, zo = quant.input_zero_point, quant.output_zero_point
    filters = Filters(w, bias, quant.multiplier, quant.shift, zx, zo)
    op.require(
        not filters.may_overflow,
        "an output may leave int32 before it is clamped",
        hint="a bias is near the end of int32, and the scale is nearly 1",
    )
    return op.layout.fitted(filters, quant.low, quant.high)


def _scratch(op: Lowering, taps: int, ic: int) -> int:
    """Ref of a DEPTHWISE's scratch, 0 where it needs none."""
    nbytes = op.layout.depthwise_patch(taps, ic)
    return op.scratch(nbytes) if nbytes else 0


def _in_place(op: Lowering, w: Ints, p: Params[depthwise_conv_2d.Geometry]) -> DepthwiseInPlace:
    """Channel by channel, with filters w [kh, kw, channels]; it is stored a channel at a time."""
    quant = p.quant
    filters = _depthwise_filters(op, w, quant)
    weights, table = op.layout.depthwise_in_place(filters)
    x, out = op.node.input(0), op.node.output()
    place = op.source(x)
    op.require(
        place == op.destination(out),
        "it runs in place, but its output lies elsewhere than its input",
        out,
    )
    return DepthwiseInPlace(
        x=place,
        w=op.constant(weights),
        channels=op.constant(table),
        scratch=op.planned_scratch(len(op.kernel.scratch) - 1),
        **_geometry(p.geometry.height, p.geometry.width, x, out),
        batches=x.shape[0],
        multiplier=1,
        **_numbers(quant),
        wide=op.layout.is_wide(filters),
        patch=_scratch(op, w.shape[0] * w.shape[1], 1),
    )


def _conv(
    op: Lowering,
    height: Window,
    width: Window,
    groups: int,
    w: Ints,
    quant: Quant,
    batches: int | None = None,
) -> Conv:
    """A CONV with filters w [oc, kh, kw, channels of a group]."""
    x, out = op.node.input(0), op.node.output()
    rows = w.reshape(len(w), -1)
    taps = rows.shape[1]
    bias = _bias(op, len(w))
    # The widest sums are those of unsigned products.
    folded = bias - (128 + quant.input_zero_point) * rows.sum(axis=1)
    _require_sums(op, folded, 255 * (rows + 128).sum(axis=1), 128 * 255 * taps)
    filters = _filters(op, rows, bias, quant)
    weights, table = op.layout.conv(filters, groups)
    return Conv(
        x=op.source(x),
        w=op.constant(weights),
        channels=op.constant(table),
        dst=op.destination(out),
        batches=x.shape[0] if batches is None else batches,
        **(_geometry(height, width, x, out) | {"ic": w.shape[3] * groups, "oc": len(w)}),
        groups=groups,
        **_numbers(quant),
        patch=op.scratch(op.layout.conv_patch(taps)),
        order=op.order,
        wide=op.layout.is_wide(filters),
    )


def _geometry(height: Window, width: Window, x: Tensor, out: Tensor) -> dict[str, int]:
    return {
        "ih": height.length,
        "iw": width.length,
        "ic": x.shape[-1] if x.shape else 1,
        "oh": height.outputs,
        "ow": width.outputs,
        "oc": out.shape[-1],
        "kh": height.size,
        "kw": width.size,
        "sh": height.stride,
        "sw": width.stride,
        "dh": height.dilation,
        "dw": width.dilation,
        "pt": height.before,
        "pl": width.before,
    }


def _numbers(quant: Quant) -> dict[str, int]:
    return {
        "zx": quant.input_zero_point,
        "zo": quant.output_zero_point,
        "lo": quant.low,
        "hi": quant.high,
    }


def _require_int8(op: Lowering) -> None:
    x = op.node.input(0)
    op.require(
        x.type_name != "uint8",
        "a memory pass lets it read uint8, boards read int8",
        x,
        "leave the pass fold-quantize out",
    )
    op.require_types("int8")


def _reach(zero_point: int) -> int:
    """Greatest magnitude of an int8 less its zero point."""
    return max(_INT8.max - zero_point, zero_point - _INT8.min)


def _bias(op: Lowering, channels: int) -> Ints:
    bias = op.node.optional_input(2)
    if bias is None:
        return np.zeros(channels, np.int64)
    return op.values(bias).astype(np.int64).reshape(-1)


def _require_sums(op: Lowering, bias: Ints, above: Any, below: Any = None) -> None:
    """Prove that a sum stays inside int32 whatever the input, and whatever the order.

    Args:
        bias: as in the channel table [channels].
        above, below: how far the other terms can lead up and down [channels]; below is above
            where it is left out.
    """
    below = above if below is None else below
    high, low = np.maximum(bias, 0) + above, np.minimum(bias, 0) - below
    op.require(
        bool(np.all(high <= _INT32.max) and np.all(low >= _INT32.min)),
        f"sums of up to {max(int(high.max()), -int(low.min()))} leave int32",
        hint="the layer is too wide for a board, or a bias is near the end of its range",
    )


LOWER: dict[str, Lower] = {
    "CONV_2D": lower_conv,
    "DEPTHWISE_CONV_2D": lower_depthwise,
    "FULLY_CONNECTED": lower_fully_connected,
}

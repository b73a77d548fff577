"""The single layers whose instructions are counted: those that CMSIS-NN was counted with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from microinterp.model_builder import ModelBuilder, SubGraphBuilder

SCALE, ZERO = 0.05, -5
STRIDES = {"stride_h": 1, "stride_w": 1}
POOL = {"padding": "VALID", "stride_h": 2, "stride_w": 2, "filter_height": 2, "filter_width": 2}
INLINE = "M4, inline assembly"
"""CMSIS-NN with its option CMSIS_NN_USE_REQUANTIZE_INLINE_ASSEMBLY."""
SPREAD = 50  # of outputs, where inputs and weights are spread as random bytes are


@dataclass(frozen=True)
class Layer:
    """A model of one layer.

    Attributes:
        name: as the tables have it.
        data: the .tflite file.
        units: what its instructions are told per: "MAC", or "output".
        count: how many of those there are, padded taps included.
        cmsis_nn: instructions per unit of CMSIS-NN, by core, and INLINE.
    """

    name: str
    data: bytes
    units: str
    count: int
    cmsis_nn: Mapping[str, float] = field(default_factory=dict)


def layers() -> list[Layer]:
    """All of them. CMSIS-NN: version of July 2026, gcc 12.2.1, -O3, counted by QEMU's -icount."""
    return [
        _conv("1x1, 24x24x64 to 64", 24, 64, 64, 1, (2.018, 1.963, 2.018, 3.079, 7.532)),
        _conv("3x3, 32x32x16 to 16", 32, 16, 16, 3, (2.322, 2.279, 2.330, 3.334, 7.556)),
        _depthwise("depthwise 3x3, 24x24x32", 3, (8.576, 7.843, 8.577, 9.977, 38.427)),
        _depthwise("depthwise 5x5, 24x24x32", 5, (10.103, 9.535, 9.826, 18.448, 40.505)),
        _dense("fully connected, 640 to 128", (1.954, 1.945, 1.954, 3.435, 6.185)),
        _add("add, 24x24x32", {"M4": 78, INLINE: 56, "M0+": 238}),
        _pool("max pool 2x2, 24x24x32", "MAX_POOL_2D", {"M4": 38.7, "M0+": 160}),
        _pool("average pool 2x2, 24x24x32", "AVERAGE_POOL_2D", {"M4": 41.3, "M0+": 222}),
        _softmax("softmax, 12", {"M4": 535, "M0+": 1977}),
    ]


def _by_core(figures: tuple[float, ...]) -> dict[str, float]:
    return dict(zip(("M4", INLINE, "M7", "M3", "M0+"), figures, strict=True))


def _conv(
    name: str, side: int, depth: int, filters: int, window: int, figures: tuple[float, ...]
) -> Layer:
    """SAME, stride 1."""
    model = _Model((1, side, side, depth))
    x, y = model.x, model.output((1, side, side, filters))
    w, bias = model.filters((filters, window, window, depth), axis=0)
    model.graph.op("CONV_2D", [x, w, bias], [y], padding="SAME", **STRIDES)
    macs = side * side * filters * window * window * depth
    return Layer(name, model.finish(), "MAC", macs, _by_core(figures))


def _depthwise(name: str, window: int, figures: tuple[float, ...]) -> Layer:
    """SAME, stride 1, one filter to a channel."""
    side, depth = 24, 32
    model = _Model((1, side, side, depth))
    x, y = model.x, model.output((1, side, side, depth))
    w, bias = model.filters((1, window, window, depth), axis=3)
    options = {"padding": "SAME", "depth_multiplier": 1, **STRIDES}
    model.graph.op("DEPTHWISE_CONV_2D", [x, w, bias], [y], **options)
    macs = side * side * depth * window * window
    return Layer(name, model.finish(), "MAC", macs, _by_core(figures))


def _dense(name: str, figures: tuple[float, ...]) -> Layer:
    """Per tensor, as converters write it."""
    model = _Model((1, 640))
    x, y = model.x, model.output((1, 128))
    w, bias = model.filters((128, 640), axis=None)
    model.graph.op("FULLY_CONNECTED", [x, w, bias], [y])
    return Layer(name, model.finish(), "MAC", 640 * 128, _by_core(figures))


def _add(name: str, figures: Mapping[str, float]) -> Layer:
    shape = (1, 24, 24, 32)
    model = _Model(shape)
    other = model.graph.input("other", shape, "int8", scale=0.04, zero_point=3)
    y = model.output(shape, 0.07)
    model.graph.op("ADD", [model.x, other], [y], pot_scale_int16=False)
    return Layer(name, model.finish(), "output", 24 * 24 * 32, figures)


def _pool(name: str, op: str, figures: Mapping[str, float]) -> Layer:
    """Stride 2: windows do not overlap."""
    model = _Model((1, 24, 24, 32))
    y = model.output((1, 12, 12, 32))
    model.graph.op(op, [model.x], [y], **POOL)
    return Layer(name, model.finish(), "output", 12 * 12 * 32, figures)


def _softmax(name: str, figures: Mapping[str, float]) -> Layer:
    model = _Model((1, 12))
    y = model.output((1, 12), 1 / 256, -128)
    model.graph.op("SOFTMAX", [model.x], [y], beta=1.0)
    return Layer(name, model.finish(), "output", 12, figures)


class _Model:
    """A model of one op under construction: `graph`, and its first input `x`."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._builder = ModelBuilder(description="one layer")
        self._rng = np.random.default_rng(1)
        self.graph: SubGraphBuilder = self._builder.subgraph("main")
        self.x = self.graph.input("x", shape, "int8", scale=SCALE, zero_point=ZERO)

    def output(self, shape: tuple[int, ...], scale: float = SCALE, zero: int = ZERO) -> int:
        """The op's output, which is the model's."""
        y = self.graph.tensor("y", shape, "int8", scale=scale, zero_point=zero)
        self.graph.output(y)
        return y

    def filters(self, shape: tuple[int, ...], axis: int | None) -> tuple[int, int]:
        """Weights and bias, with one scale for each channel on `axis`, or one for all."""
        channels = shape[0 if axis is None else axis]
        taps = int(np.prod(shape)) // (shape[0] if axis != 3 else channels)
        count = 1 if axis is None else channels
        scales = SPREAD / (74 * 74 * np.sqrt(taps)) * self._rng.uniform(0.7, 1.3, count)
        weights = self._rng.integers(-127, 128, shape).astype(np.int8)
        bias = self._rng.integers(-2000, 2000, channels).astype(np.int32)
        w = self._constant("w", weights, scales, axis)
        return w, self._constant("bias", bias, SCALE * scales, None if axis is None else 0)

    def _constant(
        self,
        name: str,
        values: npt.NDArray[np.generic],
        scales: npt.NDArray[np.float64],
        axis: int | None,
    ) -> int:
        zeros = [0] * len(scales)
        return self.graph.constant(
            name, values, scale=list(scales), zero_point=zeros, axis=axis or 0
        )

    def finish(self) -> bytes:
        """The file."""
        return self._builder.finish()

"""Random models of one op whose constants are compressed by look-up table, and the same ones plain.

TFLM's scheme of metadata: a tensor's buffer holds indices, another buffer the tables.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st

from microinterp.compression import METADATA_NAME
from microinterp.model_builder import ModelBuilder, SubGraphBuilder
from tests.encoders import Entry, lut_metadata, packed
from tests.ops.movement import random_constant
from tests.ops.strategies import scales, seeds, zero_points

Array = npt.NDArray[Any]


@dataclass
class Lut:
    """A constant as indices and tables.

    Attributes:
        indices: of the constant's shape.
        tables: [channels, values].
        axis: dimension of the channels.
        bits: of an index.
    """

    indices: Array
    tables: Array
    axis: int
    bits: int
    quantization: Mapping[str, Any] = field(default_factory=dict)

    def plain(self) -> Array:
        """The constant's values."""
        sides = [-1 if i == self.axis else 1 for i in range(self.indices.ndim)]
        channels = np.arange(len(self.tables)).reshape(sides) if len(self.tables) > 1 else 0
        return self.tables[np.broadcast_to(channels, self.indices.shape), self.indices]


@dataclass
class Model:
    """A model in both forms; `count` constants of it are compressed."""

    compressed: bytes
    plain: bytes
    count: int


class Writer:
    """Draws once what is then written twice."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.rng = np.random.default_rng(draw(seeds()))

    def lut(
        self, shape: tuple[int, ...], dtype: str, scale: list[float] | None, axis: int, limit: int
    ) -> Lut:
        """Random indices and tables of `dtype`; with several scales a table for each channel."""
        bits = self.draw(st.integers(1, 7))
        used = self.draw(st.integers(1, 1 << bits))
        channels = len(scale) if scale else 1
        tables = random_constant(self.rng, (channels, used), dtype)
        if np.dtype(dtype).kind == "i" and limit:
            tables = (tables.astype(np.int64) % (2 * limit + 1) - limit).astype(dtype)
        quantization = {"scale": scale, "zero_point": 0, "axis": axis} if scale else {}
        return Lut(self.rng.integers(0, used, shape), tables, axis, bits, quantization)

    def model(self, fill: Callable[[SubGraphBuilder, Callable[[Lut, bool], int]], None]) -> Model:
        """`fill` adds the op; it makes its constants with the function that it is given."""
        plain, _ = self._write(fill, compress=False)
        compressed, count = self._write(fill, compress=True)
        return Model(compressed, plain, count)

    def _write(self, fill: Any, compress: bool) -> tuple[bytes, int]:
        b = ModelBuilder()
        g = b.subgraph("main")
        entries: list[Entry] = []

        def constant(lut: Lut, may_compress: bool) -> int:
            if not (compress and may_compress):
                return g.constant("plain", lut.plain(), **lut.quantization)
            data, dtype = packed(lut.indices, lut.bits), str(lut.tables.dtype)
            number = g.constant("lut", data, dtype, shape=lut.indices.shape, **lut.quantization)
            entries.append((number, b.buffer(lut.tables.tobytes()), lut.bits))
            return number

        fill(g, constant)
        if entries:
            b.metadata(METADATA_NAME, lut_metadata([entries]))
        return b.finish(), len(entries)


FILTERS = {
    # op, and its filter's shape for kernel [h, w], input and output channels; axis of the outputs
    "CONV_2D": (lambda h, w, c, o: (o, h, w, c), 0),
    "DEPTHWISE_CONV_2D": (lambda h, w, c, o: (1, h, w, c), 3),
    "FULLY_CONNECTED": (lambda h, w, c, o: (o, c), 0),
    "TRANSPOSE_CONV": (lambda h, w, c, o: (o, h, w, c), 0),
}


@st.composite
def layers(draw: st.DrawFn, op: str, dtype: str) -> Model:
    """A layer with a filter and perhaps a bias, each of them compressed or not."""
    w = Writer(draw)
    h, width, c, o = (draw(st.integers(1, 4)) for _ in range(4))
    o = c if op == "DEPTHWISE_CONV_2D" else o
    shape_of, axis = FILTERS[op]
    filter_shape = shape_of(h, width, c, o)
    is_float = dtype == "float32"
    per_channel = not is_float and o > 1 and draw(st.booleans())
    own_scales = [draw(scales(1e-3, 0.1)) for _ in range(o if per_channel else 1)]
    x_scale = draw(scales(0.1, 1.0))
    w_type = "float32" if is_float else "int8"
    lut = w.lut(filter_shape, w_type, None if is_float else own_scales, axis, 127)
    bias_type = {"float32": "float32", "int8": "int32", "int16": "int64"}[dtype]
    bias_scales = None if is_float else [x_scale * s for s in own_scales]
    bias = w.lut((o,), bias_type, bias_scales, 0, 9999) if draw(st.booleans()) else None
    which = draw(st.sampled_from(((True, True), (True, False), (False, True))))
    y_scale = x_scale * 5.0
    point = draw(zero_points("int8")) if dtype == "int8" else 0
    x_quant = {} if is_float else {"scale": x_scale, "zero_point": point}
    y_quant = {} if is_float else {"scale": y_scale, "zero_point": 0}
    rows = h + draw(st.integers(0, 3)), width + draw(st.integers(0, 3))

    def fill(g: SubGraphBuilder, constant: Callable[[Lut, bool], int]) -> None:
        ends = _ends(op, (h, width), rows, c, o)
        x = g.input("x", ends[0], dtype, **x_quant)
        tensors = [x, constant(lut, which[0])]
        if bias is not None:
            tensors.append(constant(bias, which[1]))
        y = g.tensor("y", ends[1], dtype, **y_quant)
        if op == "TRANSPOSE_CONV":
            shape = g.constant("shape", np.array(ends[1], np.int32))
            tensors = [shape, tensors[1], x, *tensors[2:]]
        g.op(op, tensors, [y], **_OPTIONS[op])
        g.output(y)

    return w.model(fill)


def _ends(
    op: str, kernel: tuple[int, int], rows: tuple[int, int], c: int, o: int
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Shapes of input and output, with padding VALID and stride 1."""
    if op == "FULLY_CONNECTED":
        return (rows[0], c), (rows[0], o)
    small = (1, rows[0] - kernel[0] + 1, rows[1] - kernel[1] + 1)
    if op == "TRANSPOSE_CONV":
        return (*small, c), (1, *rows, o)
    return (1, *rows, c), (*small, o)


_STRIDES = {"stride_h": 1, "stride_w": 1, "padding": "VALID"}
_OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "CONV_2D": _STRIDES,
    "DEPTHWISE_CONV_2D": {**_STRIDES, "depth_multiplier": 1},
    "FULLY_CONNECTED": {},
    "TRANSPOSE_CONV": _STRIDES,
}


@st.composite
def concatenations(draw: st.DrawFn, dtype: str) -> Model:
    """The input and one to four constants; those that several scales belong to have one table
    for each channel along the first or the last dimension."""
    w = Writer(draw)
    shape = tuple(draw(st.lists(st.integers(1, 5), min_size=1, max_size=3)))
    scale = draw(scales())
    luts = []
    for _ in range(draw(st.integers(1, 4))):
        axis = draw(st.sampled_from((0, len(shape) - 1)))
        is_quantized = dtype == "int8" or draw(st.booleans())
        count = shape[axis] if draw(st.booleans()) else 1
        luts.append(w.lut(shape, dtype, [scale] * count if is_quantized else None, axis, 0))
    which = [draw(st.integers(0, 3)) > 0 for _ in luts]
    which[0] = True
    quantization = {"scale": scale, "zero_point": 0}

    def fill(g: SubGraphBuilder, constant: Callable[[Lut, bool], int]) -> None:
        parts = [g.input("x", shape, dtype, **quantization)]
        parts += [constant(lut, flag) for lut, flag in zip(luts, which, strict=True)]
        long = (shape[0] * len(parts), *shape[1:])
        y = g.tensor("y", long, dtype, **quantization)
        g.op("CONCATENATION", parts, [y], axis=0)
        g.output(y)

    return w.model(fill)


@st.composite
def assignments(draw: st.DrawFn, dtype: str) -> Model:
    """A variable takes a compressed constant at each invoke, after it was read; then the input."""
    w = Writer(draw)
    shape = (draw(st.integers(1, 9)), draw(st.integers(1, 9)))
    lut = w.lut(shape, dtype, None, 0, 0)

    def fill(g: SubGraphBuilder, constant: Callable[[Lut, bool], int]) -> None:
        x = g.input("x", shape, dtype)
        handle = g.tensor("handle", (), "resource")
        first, second = (g.tensor(name, shape, dtype) for name in ("first", "second"))
        g.op("VAR_HANDLE", [], [handle], shared_name="v")
        g.op("READ_VARIABLE", [handle], [first])
        g.op("ASSIGN_VARIABLE", [handle, constant(lut, True)], [])
        g.op("READ_VARIABLE", [handle], [second])
        g.op("ASSIGN_VARIABLE", [handle, x], [])
        g.output(first)
        g.output(second)

    return w.model(fill)

"""Random TFLM_DECODE models: constants of every scheme, joined with the model's input."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st

from microinterp.model_builder import ModelBuilder, SubGraphBuilder
from tests.differential.case import Case
from tests.encoders import LUT, PRUNED, ancillary, huffman, packed, pruned
from tests.ops.movement import random_constant
from tests.ops.strategies import scales, seeds, shapes, zero_points

Parts = tuple[bytes, bytes]
"""Encoded data and ancillary tensor."""
TYPES = ("bool", "float32", "int8", "int16", "int32", "int64")
QUANTIZED = ("int8", "int16")


class Writer:
    """One model under construction.

    Attributes:
        dtype, shape: of the constants and of the model's input.
        scale: one, or one per channel along `axis`; None for none.
        zero_point: as many.
    """

    def __init__(self, draw: st.DrawFn, dtype: str, per_channel_zeros: bool) -> None:
        self.draw, self.dtype = draw, dtype
        self.rng = np.random.default_rng(draw(seeds()))
        long = draw(st.integers(0, 3)) == 0  # the kernels have loops for 16 and 32 at a time
        self.shape = (draw(st.integers(1, 3)), 64) if long else draw(shapes(1, 4, 5))
        self.axis = draw(st.sampled_from((0, len(self.shape) - 1)))
        self.scale: list[float] | None = None
        self.zero_point: list[int] = [0]
        if dtype in QUANTIZED or draw(st.booleans()):
            count = self.shape[self.axis] if draw(st.booleans()) else 1
            self.axis = self.axis if count > 1 else 0
            self.scale = [draw(scales())] * count
            self.zero_point = [draw(zero_points(dtype)) if dtype == "int8" else 0] * count
            if per_channel_zeros and dtype == "int8":
                self.zero_point[1:] = [draw(zero_points(dtype)) for _ in range(count - 1)]

    @property
    def count(self) -> int:
        return int(np.prod(self.shape))

    def channels(self) -> npt.NDArray[Any]:
        """Channel of each element."""
        if len(self.zero_point) == 1:
            return np.zeros(self.shape, np.int64)
        sides = [-1 if i == self.axis else 1 for i in range(len(self.shape))]
        numbers = np.arange(self.shape[self.axis]).reshape(sides)
        return np.broadcast_to(numbers, self.shape)

    def add(self, g: SubGraphBuilder, name: str) -> int:
        """A tensor of that type, shape and quantisation."""
        if self.scale is None:
            return g.tensor(name, self.shape, self.dtype)
        return g.tensor(name, self.shape, self.dtype, self.scale, self.zero_point, self.axis)

    def values(self, count: int) -> npt.NDArray[Any]:
        """Any values of that type."""
        return random_constant(self.rng, (count,), self.dtype)

    def lut(self) -> Parts:
        """Tables of any length; `stride` may be less, so that tables overlap, or more."""
        bits = self.draw(st.integers(1, 7))
        used = self.draw(st.integers(1, 1 << bits))
        stride = self.draw(st.sampled_from((used, used, 0, used // 2, 200)))
        table = self.values(stride * (len(self.zero_point) - 1) + used)
        ignored = self.rng.integers(0, 256, 9, np.uint8).tobytes()
        own = bytes([self.draw(st.integers(0, 31)) << 3 | bits, stride]) + ignored
        indices = self.rng.integers(0, used, self.shape)
        return packed(indices, bits), ancillary(LUT, own, table.tobytes())

    def pruned(self) -> Parts:
        """From nothing to everything is pruned."""
        zeros = np.array(self.zero_point)[self.channels()].astype(self.dtype)
        values = self.values(self.count).reshape(self.shape)
        share = self.draw(st.sampled_from((0.0, 0.1, 0.5, 0.9, 1.0)))
        values = np.where(self.rng.random(self.shape) < share, zeros, values)
        bits, table = pruned(values.astype(self.dtype), zeros)
        return bits, ancillary(PRUNED, b"", table)

    def huffman(self, entry_bits: int) -> Parts:
        """Symbols of falling frequency."""
        alphabet = self.values(self.draw(st.integers(1, 40)))
        chosen = self.rng.geometric(self.draw(st.floats(0.05, 0.9)), self.shape)
        initial, step = self.draw(st.integers(1, 8)), self.draw(st.integers(1, 6))
        return huffman(alphabet[(chosen - 1) % len(alphabet)], initial, step, entry_bits)


@st.composite
def decode_models(draw: st.DrawFn, scheme: str, dtype: str) -> bytes:
    """One or two constants are decoded and joined with the input, which is used once more."""
    w = Writer(draw, dtype, per_channel_zeros=scheme == "pruned")
    b = ModelBuilder()
    g = b.subgraph("main")
    x = w.add(g, "x")
    g.as_input(x)
    sources, decoded = [], []
    for i in range(draw(st.integers(1, 2))):
        parts = {
            "LUT": w.lut,
            "pruned": w.pruned,
            "Huffman-16": lambda: w.huffman(16),
            "Huffman-32": lambda: w.huffman(32),
        }[scheme]()
        for part in parts:
            values = np.frombuffer(part or b"\0", np.uint8)
            sources.append(g.constant(f"source{i}", values))
        decoded.append(w.add(g, f"decoded{i}"))
    g.custom_op("TFLM_DECODE", sources, decoded)
    quantization: dict[str, Any] = {}
    if w.scale is not None:
        quantization = {"scale": w.scale[0], "zero_point": w.zero_point[0]}
    shape = list(w.shape)
    joined = x
    for i, constant in enumerate((*decoded, x, x)):
        shape[0] += w.shape[0]
        parts_before = [joined, constant]
        joined = g.tensor(f"joined{i}", shape, dtype, **quantization)
        g.op("CONCATENATION", parts_before, [joined], axis=0)
    g.output(joined)
    return b.finish()


def _case(types: str) -> Case:
    scheme, dtype = types.split()
    return Case("TFLM_DECODE", types, decode_models(scheme, dtype))


CASES = tuple(
    _case(types)
    for types in (
        *(f"{scheme} {dtype}" for scheme in ("LUT", "pruned") for dtype in TYPES),
        "Huffman-16 int8",
        "Huffman-32 int8",
        "Huffman-32 int16",
    )
)

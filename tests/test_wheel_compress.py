"""Models that TFLM's own `compress` has rewritten with TFLM_DECODE, run by TFLM and here."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from microinterp import Interpreter
from microinterp.errors import PrepareError
from microinterp.model_builder import ModelBuilder
from microinterp.runtimes.tflm import TflmRuntime
from tests.ops.movement import EVERY_TYPE
from tests.oracle import compare_with_tflm, random_samples

compression = pytest.importorskip("tflite_micro", reason="TFLM's wheel is missing").compression
FEW = 4
"""Distinct values in each channel, so that two bits are enough for an index."""


def few_values(rng: np.random.Generator, shape: tuple[int, ...], axis: int) -> npt.NDArray[Any]:
    """int8 with FEW values in each channel along `axis`."""
    tables = rng.integers(-127, 128, (shape[axis], FEW)).astype(np.int8)
    sides = [-1 if i == axis else 1 for i in range(len(shape))]
    channels = np.broadcast_to(np.arange(shape[axis]).reshape(sides), shape)
    return tables[channels, rng.integers(0, FEW, shape)]


def network(seed: int) -> tuple[bytes, dict[str, tuple[int, int | None]]]:
    """CONV_2D, DEPTHWISE_CONV_2D, FULLY_CONNECTED in a row, and of each filter and bias the
    tensor and the axis of its channels."""
    rng = np.random.default_rng(seed)
    b = ModelBuilder()
    g = b.subgraph("main")
    x = g.input("x", (1, 6, 5, 3), "int8", scale=0.1, zero_point=-3)
    scales = [0.002 * (i + 1) for i in range(4)]
    w1 = g.constant("w1", few_values(rng, (4, 3, 3, 3), 0), scale=scales, zero_point=0, axis=0)
    bias_scales = [0.1 * s for s in scales]
    bias = rng.integers(-FEW, FEW, 4).astype(np.int32) * 200
    b1 = g.constant("b1", bias, scale=bias_scales, zero_point=0)
    w2 = g.constant("w2", few_values(rng, (1, 2, 2, 4), 3), scale=scales, zero_point=0, axis=3)
    table = rng.integers(-127, 128, 2 * FEW).astype(np.int8)
    w3 = g.constant("w3", table[rng.integers(0, 8, (5, 24))], scale=0.004, zero_point=0)
    first = g.tensor("first", (1, 4, 3, 4), "int8", scale=0.1, zero_point=5)
    second = g.tensor("second", (1, 3, 2, 4), "int8", scale=0.1, zero_point=-6)
    y = g.tensor("y", (1, 5), "int8", scale=0.1, zero_point=0)
    strides = {"stride_h": 1, "stride_w": 1}
    g.op("CONV_2D", [x, w1, b1], [first], padding="VALID", **strides)
    g.op("DEPTHWISE_CONV_2D", [first, w2], [second], padding="VALID", depth_multiplier=1, **strides)
    g.op("FULLY_CONNECTED", [second, w3], [y])
    g.output(y)
    return b.finish(), {"w1": (w1, 0), "b1": (b1, 0), "w2": (w2, 3), "w3": (w3, None)}


def compressed(data: bytes, bits: int, *tensors: tuple[int, int | None]) -> bytes:
    """`data` with tensors (number, axis of the channels or None) compressed by the wheel."""
    builder = compression.SpecBuilder()
    for number, axis in tensors:
        spec = compression.spec
        mode = spec.PerTensor() if axis is None else spec.PerChannel(axis=axis)
        builder.add_tensor(subgraph=0, tensor=number).with_lut(index_bitwidth=bits, mode=mode)
    return bytes(compression.compress(data, builder.build()))


@pytest.mark.filterwarnings("ignore:Compression of tensor")
@pytest.mark.parametrize("bits", [3, 4, 7])
@pytest.mark.parametrize("names", [("w1",), ("w2",), ("w3",), ("b1",), ("w1", "b1", "w2", "w3")])
def test_equal_tflm_and_uncompressed(tflm: TflmRuntime, names: tuple[str, ...], bits: int) -> None:
    data, tensors = network(bits)
    small = compressed(data, bits, *(tensors[name] for name in names))
    plain, ours = Interpreter.from_bytes(data), Interpreter.from_bytes(small)
    decodes = [node for node in ours.graph.main.nodes if node.name == "TFLM_DECODE"]
    assert sum(len(node.outputs) for node in decodes) == len(names)
    samples = random_samples(np.random.default_rng(bits), ours.graph, 4)
    result = compare_with_tflm(tflm, small, samples, EVERY_TYPE)
    assert result.differing_bytes == 0, result.first
    assert ours.arena.head_bytes == tflm.arena(small).head_bytes
    outputs = set()
    for (x,) in (sample for sample in samples if sample is not None):
        for interpreter in (plain, ours):
            interpreter.set_input(x, 0)
            interpreter.invoke()
        assert ours.get_output(0).tobytes() == plain.get_output(0).tobytes()
        outputs.add(ours.get_output(0).tobytes())
    assert len(outputs) == len(samples)


@pytest.mark.filterwarnings("ignore:Compression of tensor")
def test_one_table_for_a_tensor_of_several_scales_is_refused() -> None:
    """`compress` writes it, and TFLM's kernel, which counts scales, reads behind the table."""
    data, tensors = network(0)
    small = compressed(data, 7, (tensors["w1"][0], None))
    with pytest.raises(PrepareError, match="an index points at value"):
        Interpreter.from_bytes(small)

"""From ops on single bytes, SOFTMAX and DEQUANTIZE to steps: tables and limits by hand."""

from __future__ import annotations

import math
import struct
from typing import Any

import numpy as np
import pytest

from microinterp.errors import UnsupportedError
from microinterp.packed import PackedModel, load
from microinterp.packed import steps as s
from tests.ops.movement import Input, op_model
from tests.packed.compare import pack_model


def packed(op: str, x: Input, out: Input, **options: Any) -> PackedModel:
    return load(pack_model(op_model(op, [x], [out], **options)))


def only_step(model: PackedModel) -> Any:
    (step,) = model.subgraphs[0].steps
    return step


def table_of(op: str, x: Input, out: Input) -> dict[int, int]:
    """What each value of x becomes; the step's other numbers are looked at."""
    model = packed(op, x, out)
    step = only_step(model)
    assert isinstance(step, s.Lut)
    assert (step.x, step.dst) == (model.inputs[0].offset, model.outputs[0].offset)
    assert step.n == math.prod(out.shape)
    raw = bytes(model.weights)[~step.table :]
    assert len(raw) == 256
    values = np.frombuffer(raw, out.dtype).tolist()
    keys = np.arange(256, dtype=np.uint8).view(x.dtype).tolist()
    return dict(zip(keys, values, strict=True))


def clamped(value: float, low: int = -128, high: int = 127) -> int:
    return int(min(max(value, low), high))


INT8S = range(-128, 128)


def test_quantize() -> None:
    """Twice the scale, from zero point 3 to -5; halves up or down are those of the kernel."""
    shape = (2, 3, 5)
    table = table_of("QUANTIZE", Input(shape, "int8", 0.5, 3), Input(shape, "int8", 0.25, -5))
    assert table == {q: clamped(2 * (q - 3) - 5) for q in INT8S}
    table = table_of("QUANTIZE", Input(shape, "int8", 0.5, 3), Input(shape, "uint8", 0.5, 131))
    assert table == {q: q + 128 for q in INT8S}
    table = table_of("QUANTIZE", Input(shape, "uint8", 0.5, 131), Input(shape, "int8", 0.5, 3))
    assert table == {q: q - 128 for q in range(256)}


def test_relu() -> None:
    """From zero point -20 to 10, half as large."""
    shape = (7,)
    table = table_of("RELU", Input(shape, "int8", 0.5, -20), Input(shape, "int8", 0.25, 10))
    assert table == {q: clamped(2 * (max(q, -20) + 20) + 10) for q in INT8S}


def test_relu6() -> None:
    """At a scale of 0.1, 6 is 60."""
    shape = (7,)
    table = table_of("RELU6", Input(shape, "int8", 0.1, -20), Input(shape, "int8", 0.1, -20))
    assert table == {q: clamped(q, -20, 40) for q in INT8S}


def test_logistic_and_tanh() -> None:
    """Within one of the real function."""
    shape, x = (1, 4), Input((1, 4), "int8", 1 / 16, 4)
    table = table_of("LOGISTIC", x, Input(shape, "int8", 1 / 256, -128))
    for q, found in table.items():
        assert abs(found - clamped(256 / (1 + math.exp((4 - q) / 16)) - 128)) <= 1
    table = table_of("TANH", x, Input(shape, "int8", 1 / 128, 0))
    for q, found in table.items():
        assert abs(found - clamped(128 * math.tanh((q - 4) / 16))) <= 1


def softmax(shape: tuple[int, ...], beta: float = 1.0, scale: float = 0.25) -> PackedModel:
    x, out = Input(shape, "int8", scale, 3), Input(shape, "int8", 1 / 256, -128)
    return packed("SOFTMAX", x, out, beta=beta)


@pytest.mark.parametrize(
    ("shape", "rows", "depth"), [((2, 3, 5), 6, 5), ((7, 1), 7, 1), ((1, 9), 1, 9), ((4,), 1, 4)]
)
def test_softmax(shape: tuple[int, ...], rows: int, depth: int) -> None:
    model = softmax(shape)
    step = only_step(model)
    assert isinstance(step, s.Softmax)
    assert (step.x, step.dst) == (model.inputs[0].offset, model.outputs[0].offset)
    assert (step.rows, step.depth) == (rows, depth)
    table = struct.unpack("<256I", bytes(model.weights)[~step.exp :])
    assert table[0] == 0x7FFFFFFF
    for i, value in enumerate(table):
        exact = math.exp(-i / 4)
        if i <= 20:
            assert value / 2**31 == pytest.approx(exact, rel=1e-4)
        else:
            assert value / 2**31 == pytest.approx(exact, abs=1e-6)


def test_softmax_sums_2047_elements() -> None:
    assert only_step(softmax((1, 2047))).depth == 2047
    for depth in (2048, 3000):
        with pytest.raises(UnsupportedError) as caught:
            softmax((1, depth))
        text = f"the last axis has {depth} elements, boards sum up to 2047"
        assert caught.value.message == f"cannot be packed: {text}"
        assert caught.value.where.tensor_index == 0


LEAST, MOST = float(np.float32(2.0**-126)), float(np.nextafter(np.float32(2.0**104), 0))


@pytest.mark.parametrize(
    ("dtype", "scale", "zero_point", "numbers"),
    [
        ("int8", LEAST, -3, (1, 0, -3, 0x00800000)),
        ("int8", MOST, 127, (1, 0, 127, 0x737FFFFF)),
        ("uint8", 1.0, 200, (1, 1, 200, 0x3F800000)),
        ("int16", 0.5, 0, (2, 0, 0, 0x3F000000)),
    ],
)
def test_dequantize(
    dtype: str, scale: float, zero_point: int, numbers: tuple[int, int, int, int]
) -> None:
    model = packed("DEQUANTIZE", Input((3, 5), dtype, scale, zero_point), Input((3, 5), "float32"))
    place = (model.inputs[0].offset, model.outputs[0].offset)
    assert only_step(model) == s.Dequantize(*place, 15, *numbers)


@pytest.mark.parametrize(
    ("scale", "text"),
    [
        (float(np.nextafter(np.float32(LEAST), 0)), "1.17549e-38"),
        (1e-40, "9.99995e-41"),
        (2.0**104, "2.02824e+31"),
        (3e38, "3e+38"),
    ],
)
def test_scales_whose_results_are_not_normal(scale: float, text: str) -> None:
    with pytest.raises(UnsupportedError) as caught:
        packed("DEQUANTIZE", Input((4,), "int8", scale, 0), Input((4,), "float32"))
    words = f"cannot be packed: scale {text}, boards take 1.17549e-38 to 2.02824e+31"
    assert caught.value.message == words
    assert caught.value.where.tensor_index == 0


def test_floats_are_not_quantised() -> None:
    with pytest.raises(UnsupportedError) as caught:
        packed("QUANTIZE", Input((4,), "float32"), Input((4,), "int8", 0.5, 0))
    assert caught.value.message == "cannot be packed: a board does not quantise floats"
    assert caught.value.hint == (
        "convert with inference_input_type=int8 and quantise on the host; "
        "boards run int8 models: convert with full integer quantisation"
    )


@pytest.mark.parametrize(
    ("op", "scale"), [("RELU", 0.5), ("RELU6", 0.5), ("LOGISTIC", 1 / 32768), ("TANH", 1 / 32768)]
)
def test_bytes_alone_have_tables(op: str, scale: float) -> None:
    x = Input((4,), "int16", scale, 0)
    with pytest.raises(UnsupportedError, match="element types int16 x int16, packed models have"):
        packed(op, x, x)

"""TFLM_DECODE against loops over bits and numbers worked by hand; what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from microinterp import Interpreter
from microinterp.errors import UnsupportedError
from microinterp.model_builder import ModelBuilder
from microinterp.runtimes.tflm import RuntimeUnavailableError, TflmRuntime
from tests.differential.cases.decode import Writer
from tests.encoders import HUFFMAN, LUT, PRUNED, ancillary, bit_bytes
from tests.ops.movement import assert_refused
from tests.spec_ops import decode as spec

INT8 = {"scale": 1.0, "zero_point": 0}


def model(
    encoded: bytes,
    table: bytes,
    dtype: str = "int8",
    shape: tuple[int, ...] = (4,),
    *,
    sources: int = 2,
    computed: int | None = None,
    **quantization: Any,
) -> bytes:
    """TFLM_DECODE of one constant; source `computed` is an input of the model."""
    b = ModelBuilder()
    g = b.subgraph("main")
    inputs = []
    for i, part in enumerate((encoded, table)[:sources]):
        if computed == i:
            inputs.append(g.input(f"source{i}", (len(part),), "uint8"))
        else:
            inputs.append(g.constant(f"source{i}", np.frombuffer(part, np.uint8)))
    y = g.tensor("y", shape, dtype, **quantization)
    g.custom_op("TFLM_DECODE", inputs, [y])
    g.output(y)
    return b.finish()


def decoded(data: bytes) -> list[Any]:
    """The output, as its bits would be numbers."""
    interpreter = Interpreter.from_bytes(data)
    interpreter.invoke()
    values: list[Any] = interpreter.get_output(0).ravel().tolist()
    return values


def test_look_up_by_hand() -> None:
    """Indices 2, 0, 1, 3 of 3 bits each; two channels with tables of 4 at a stride of 4."""
    encoded, values = bit_bytes("010000001011"), [10, 11, 12, 13, -1, -2, -3, -4]
    table = ancillary(LUT, bytes([3, 4]), np.array(values, np.int8).tobytes())
    assert decoded(model(encoded, table, **INT8)) == [12, 10, 11, 13]
    per_row = {"scale": [1.0, 2.0], "zero_point": 0}
    assert decoded(model(encoded, table, shape=(2, 2), **per_row, axis=0)) == [12, 10, -2, -4]
    assert decoded(model(encoded, table, shape=(2, 2), **per_row, axis=1)) == [12, -1, 11, -4]


def test_pruned_by_hand() -> None:
    """Elements 0 and 3 are kept; the others are their channel's zero point."""
    table = ancillary(PRUNED, b"", bytes([5, 6]))
    assert decoded(model(b"\x90", table)) == [5, 0, 0, 6]
    quantization = {"scale": [1.0, 2.0], "zero_point": [7, -8], "axis": 0}
    assert decoded(model(b"\x90", table, shape=(2, 2), **quantization)) == [5, 7, -8, 6]
    quantization["axis"] = 1
    assert decoded(model(b"\x90", table, shape=(2, 2), **quantization)) == [5, -8, 7, 6]


def test_huffman_by_hand() -> None:
    """Codes 0 (7), 10 (8), 110 (9), 111 (-1): a table of one bit leads to one of two bits.

    Entry 1 says 2 bits, at 1 + 1: entries 2 to 5 for 00, 01 (both 8, of 1 bit), 10 (9), 11 (-1).
    """
    entries = [
        0x8000 | 1 << 11 | 7,
        1 << 11 | 1,
        0x8000 | 1 << 11 | 8,
        0x8000 | 1 << 11 | 8,
        0x8000 | 2 << 11 | 9,
        0x8000 | 2 << 11 | 0xFF,
    ]
    table = ancillary(HUFFMAN, b"\x00", np.array(entries, "<u2").tobytes())
    encoded = bit_bytes("1100101110", align=4)
    assert decoded(model(encoded, table, shape=(5,))) == [9, 7, 8, -1, 7]


@pytest.mark.parametrize("types", ["LUT int8", "LUT int16", "pruned int8", "pruned int32"])
@settings(max_examples=60)
@given(data=st.data())
def test_equals_loops_over_bits(types: str, data: st.DataObject) -> None:
    scheme, dtype = types.split()
    w = Writer(data.draw, dtype, per_channel_zeros=scheme == "pruned")
    encoded, table = w.lut() if scheme == "LUT" else w.pruned()
    bits, values = spec.bits_of(encoded), np.frombuffer(table[16:], dtype).tolist()
    channels = w.channels().ravel().tolist()
    if scheme == "LUT":
        wanted = spec.look_up(bits, table[5] & 7, channels, table[6], values)
    else:
        wanted = spec.unprune(bits, [w.zero_point[c] for c in channels], values)
    quantization = {"scale": w.scale, "zero_point": w.zero_point, "axis": w.axis}
    quantization = quantization if w.scale else {}
    assert decoded(model(encoded or b"\0", table, dtype, w.shape, **quantization)) == wanted


@pytest.mark.parametrize("types", ["int8 16", "int8 32", "int16 32"])
@settings(max_examples=60)
@given(data=st.data())
def test_huffman_equals_loops_over_bits(types: str, data: st.DataObject) -> None:
    dtype, size = types.split()
    w = Writer(data.draw, dtype, per_channel_zeros=False)
    encoded, table = w.huffman(int(size))
    entries = np.frombuffer(table[16:], f"<u{int(size) // 8}").tolist()
    initial = (table[5] >> 4) + 1
    found = spec.huffman(spec.bits_of(encoded), entries, int(size), initial, w.count)
    wanted = np.array(found).astype(dtype).tolist()
    assert decoded(model(encoded, table, dtype, w.shape)) == wanted


SMALL_TABLE = ancillary(LUT, bytes([2, 4]), b"\x01\x02\x03\x04")
ONE_CODE = ancillary(HUFFMAN, b"\x00", np.array([0x8807, 0x8808], "<u2").tobytes())
NO_BITS = ancillary(HUFFMAN, b"\x00", np.array([0x8007, 0x8008], "<u2").tobytes())
THREE_BITS = ancillary(HUFFMAN, b"\x10", np.array([0x9007] * 4, "<u2").tobytes())
AWAY = ancillary(HUFFMAN, b"\x00", np.array([0x0009, 0x8808], "<u2").tobytes())
ROUND = ancillary(HUFFMAN, b"\x00", np.array([0x0000, 0x8808], "<u2").tobytes())
THREE = {"scale": [1.0] * 3, "zero_point": 0}
SHORT = ancillary(PRUNED, b"", b"\x05")
LONG = ancillary(PRUNED, b"", bytes(8))
OLD = ancillary(LUT, b"\x02", b"", version=2)
# What is told: the model, the tensor that is named, and whether TFLM refuses it too; the others it
# runs, and reads behind the table, the codes or the tensor.
REFUSED: dict[str, tuple[bytes, int | None, bool]] = {
    "an index points at value 3, the tables have 3": (model(b"\xff", SMALL_TABLE[:-1]), 2, False),
    "1 encoded bytes, int8[5] takes 2": (model(b"\xff", SMALL_TABLE, shape=(5,)), 2, False),
    "2 values are kept, 1 are there": (model(b"\x90", SHORT), 2, False),
    "the codes end after 5 of 6 symbols": (model(b"\x00", THREE_BITS, shape=(6,)), 2, False),
    "1 encoded bytes, int8[9] takes 2": (model(b"\x00", NO_BITS, shape=(9,)), 2, False),
    "indices of 0 bits": (model(b"\x00", ancillary(LUT, b"\x00\x04", b"\x01")), 2, False),
    "a code leads to entry 9 of 2": (model(b"\x00" * 4, AWAY), 2, False),
    "the codes end after 0 of 4 symbols": (model(b"\x00" * 4, ROUND), 2, False),
    "16 elements do not divide into 3 channels": (
        model(b"\xff" * 4, SMALL_TABLE, "float32", (16,), **THREE),
        2,
        False,
    ),
    "12 bytes, metadata takes 16": (model(b"\xff", SMALL_TABLE[:12]), 1, False),
    "version 2, wanted 1": (model(b"\xff", OLD), 1, True),
    "has 1 inputs, wanted 2": (model(b"\xff", SMALL_TABLE, sources=1), None, True),
    "scales run along dimension 1": (
        model(b"\xff", SMALL_TABLE, "float32", (1, 3, 1), **THREE, axis=1),
        2,
        True,
    ),
    "zero points [4], wanted 0 for int16": (
        model(b"\x90", LONG, "int16", scale=1.0, zero_point=4),
        2,
        True,
    ),
}


@pytest.mark.parametrize("text", REFUSED)
def test_refused(tflm: TflmRuntime, text: str) -> None:
    data, tensor, tflm_refuses = REFUSED[text]
    assert_refused(data, text, tensor)
    if tflm_refuses:
        with pytest.raises(RuntimeUnavailableError):
            tflm.arena(data)


@pytest.mark.parametrize("scheme", [3, 126, 127, 128, 255])
def test_schemes_refused(tflm: TflmRuntime, scheme: int) -> None:
    data = model(b"\xff", ancillary(scheme, b"\x02\x04", b"\x01\x02\x03\x04"))
    assert_refused(data, f"scheme {scheme} is not supported", 1, UnsupportedError)
    with pytest.raises(RuntimeUnavailableError):
        tflm.arena(data)


@pytest.mark.parametrize("computed", [0, 1])
def test_computed_sources_refused(tflm: TflmRuntime, computed: int) -> None:
    data = model(b"\xff", SMALL_TABLE, computed=computed)
    assert_refused(data, "computed at run time, wanted a constant", computed)
    with pytest.raises(RuntimeUnavailableError):
        tflm.arena(data)


@pytest.mark.parametrize(
    ("table", "dtype"),
    [
        (SMALL_TABLE, "uint8"),
        (SMALL_TABLE, "float16"),
        (ancillary(PRUNED, b"", bytes(64)), "uint8"),
        (ONE_CODE, "int16"),
        (ancillary(HUFFMAN, b"\x01", bytes([0, 0, 0, 0x88] * 2)), "int32"),
    ],
)
def test_types_refused(tflm: TflmRuntime, table: bytes, dtype: str) -> None:
    """TFLM refuses most of them at invoke only."""
    data = model(b"\xff" * 4, table, dtype)
    assert_refused(data, f"type {dtype} is not supported", 2, UnsupportedError)
    with pytest.raises(RuntimeUnavailableError):
        tflm.run(data, [[]])


def test_the_operator_is_a_custom_one() -> None:
    interpreter = Interpreter.from_bytes(model(b"\xe4", SMALL_TABLE))
    assert [node.name for node in interpreter.graph.main.nodes] == ["TFLM_DECODE"]
    assert interpreter.graph.main.nodes[0].operator.custom_options == b""

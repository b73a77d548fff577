"""What ModelBuilder writes, read back with model.load; running the models is in the other file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tflite
from hypothesis import given
from hypothesis import strategies as st

from microinterp.errors import InputError
from microinterp.model import Model, load, load_file
from microinterp.model_builder import ModelBuilder, SubGraphBuilder
from microinterp.tensor_types import BY_CODE

DTYPES = sorted(e.name for e in BY_CODE.values() if e.dtype and e.name not in ("int4", "resource"))


def one_subgraph() -> tuple[ModelBuilder, SubGraphBuilder]:
    b = ModelBuilder()
    return b, b.subgraph("main")


def buffer_bytes(model: Model, number: int) -> bytes:
    view = model.buffers[number]
    return b"" if view is None else bytes(view)


def address(array: npt.NDArray[Any]) -> int:
    return int(array.__array_interface__["data"][0])


def test_activation_round_trip() -> None:
    b, g = one_subgraph()
    x = g.input("x", (1, 8, 8, 1), "int8", scale=0.5, zero_point=-3)
    h = g.tensor("state", (4,), "int16", is_variable=True)
    y = g.tensor("y", (), "float32")
    unshaped = g.tensor("unshaped", None, "resource")
    g.output(y)
    graph = load(b.finish()).subgraphs[0]
    assert (x, h, y, unshaped) == (0, 1, 2, 3)
    assert (graph.name, graph.inputs, graph.outputs) == ("main", (0,), (2,))
    assert [t.name for t in graph.tensors] == ["x", "state", "y", "unshaped"]
    assert [t.shape for t in graph.tensors] == [(1, 8, 8, 1), (4,), (), None]
    types = [BY_CODE[t.type_code].name for t in graph.tensors]
    assert types == ["int8", "int16", "float32", "resource"]
    assert [t.buffer for t in graph.tensors] == [0, 0, 0, 0]
    assert [t.is_variable for t in graph.tensors] == [False, True, False, False]
    quantization = graph.tensors[0].quantization
    assert quantization is not None
    assert (quantization.scale.tolist(), quantization.zero_point.tolist()) == ([0.5], [-3])
    assert graph.tensors[1].quantization is None


def test_model_facts() -> None:
    data = ModelBuilder(description="nothing here").finish()
    assert data[4:8] == b"TFL3"
    model = load(data)
    assert (model.version, model.description) == (3, "nothing here")
    assert model.subgraphs == ()
    assert model.buffers == (None,)


def test_an_input_can_be_a_tensor_that_is_there_already_or_not_at_all() -> None:
    b, g = one_subgraph()
    y = g.tensor("y", (1,), "int8")
    g.as_input(y)
    g.as_input(77)
    g.output(-5)
    graph = load(b.finish()).subgraphs[0]
    assert (graph.inputs, graph.outputs) == ((0, 77), (-5,))


@pytest.mark.parametrize("name", DTYPES)
def test_constant_takes_the_type_of_its_array(name: str) -> None:
    values = np.array([[0, 1, 1], [1, 0, 1]]).astype(name)  # NumPy has the schema's names
    b, g = one_subgraph()
    g.constant("c", values)
    g.constant("swapped", values.astype(values.dtype.newbyteorder(">")))
    g.constant("transposed", values.T)
    model = load(b.finish())
    tensors = model.subgraphs[0].tensors
    assert {BY_CODE[t.type_code].name for t in tensors} == {name}
    assert [t.shape for t in tensors] == [(2, 3), (2, 3), (3, 2)]
    assert buffer_bytes(model, tensors[0].buffer) == values.tobytes()
    assert buffer_bytes(model, tensors[1].buffer) == values.tobytes()
    assert buffer_bytes(model, tensors[2].buffer) == values.T.tobytes()


def test_constant_of_a_given_type() -> None:
    b, g = one_subgraph()
    axes = g.constant("axes", [1, 2], dtype="int32")
    number = g.constant("number", 7, dtype="int64")
    rounded = g.constant("rounded", np.array([0.1, 2.0]), dtype="float32")
    raw = g.constant("raw", b"\x01\x02\x03", dtype="string", shape=(1,))
    short = g.constant("short", np.zeros(3, np.int8), shape=(2, 2))
    model = load(b.finish())
    tensors = model.subgraphs[0].tensors
    assert buffer_bytes(model, tensors[axes].buffer) == np.int32([1, 2]).tobytes()
    assert (tensors[number].shape, tensors[number].type_code) == ((), tflite.TensorType.INT64)
    assert buffer_bytes(model, tensors[rounded].buffer) == np.float32([0.1, 2.0]).tobytes()
    assert buffer_bytes(model, tensors[raw].buffer) == b"\x01\x02\x03"
    assert BY_CODE[tensors[raw].type_code].name == "string"
    assert tensors[short].shape == (2, 2)
    assert len(buffer_bytes(model, tensors[short].buffer)) == 3


def test_int4_packs_the_low_nibble_first() -> None:
    b, g = one_subgraph()
    even = g.constant("even", np.int8([[1, -2], [7, -8]]), dtype="int4")
    odd = g.constant("odd", np.int8([-1, 2, 3]), dtype="INT4")
    model = load(b.finish())
    tensors = model.subgraphs[0].tensors
    assert buffer_bytes(model, tensors[even].buffer) == bytes([0xE1, 0x87])
    assert buffer_bytes(model, tensors[odd].buffer) == bytes([0x2F, 0x03])
    assert (tensors[even].shape, tensors[odd].shape) == ((2, 2), (3,))


def test_quantisation_is_written_as_given() -> None:
    b, g = one_subgraph()
    g.tensor("one zero point for all", (2,), "int8", scale=[0.5, 0.25], zero_point=3, axis=1)
    g.tensor("lists of other lengths", (2,), "int8", scale=[1, 2, 3], zero_point=[4, 5])
    g.tensor("one scale, two zero points", (2,), "int8", scale=1.0, zero_point=np.int64([6, 7]))
    g.tensor("no zero point", (2,), "int8", scale=0.5)
    g.tensor("no scale", (2,), "int8", zero_point=1)
    g.tensor("empty", (2,), "int8", scale=[], zero_point=[])
    root = tflite.Model.GetRootAs(b.finish(), 0)
    graph = root.Subgraphs(0)
    found = [graph.Tensors(i).Quantization() for i in range(6)]
    lists = [
        ([q.Scale(j) for j in range(q.ScaleLength())],
         [q.ZeroPoint(j) for j in range(q.ZeroPointLength())],
         q.ScaleIsNone(), q.ZeroPointIsNone(), q.QuantizedDimension())
        for q in found
    ]  # fmt: skip
    assert lists == [
        ([0.5, 0.25], [3, 3], False, False, 1),
        ([1, 2, 3], [4, 5], False, False, 0),
        ([1], [6, 7], False, False, 0),
        ([0.5], [], False, True, 0),
        ([], [1], True, False, 0),
        ([], [], False, False, 0),
    ]


@given(
    st.text(),
    st.lists(st.integers(-(2**31), 2**31 - 1), max_size=5),
    st.sampled_from([e.name for e in BY_CODE.values()]),
    st.lists(st.floats(width=32, allow_nan=False), min_size=1, max_size=4),
    st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=4),
    st.integers(-(2**31), 2**31 - 1),
)
def test_any_tensor_round_trips(
    name: str, shape: list[int], dtype: str, scale: list[float], zero_point: list[int], axis: int
) -> None:
    b, g = one_subgraph()
    g.tensor(name, shape, dtype, scale, zero_point, axis)
    tensor = load(b.finish()).subgraphs[0].tensors[0]
    assert (tensor.name, tensor.shape) == (name, tuple(shape))
    assert BY_CODE[tensor.type_code].name == dtype
    assert tensor.quantization is not None
    assert tensor.quantization.scale.tolist() == scale
    assert tensor.quantization.zero_point.tolist() == zero_point
    assert tensor.quantization.axis == axis


def test_a_name_can_hold_bytes_that_are_not_utf8() -> None:
    b, g = one_subgraph()
    g.tensor("a\udcff", (1,), "int8")
    root = tflite.Model.GetRootAs(b.finish(), 0)
    assert root.Subgraphs(0).Tensors(0).Name() == b"a\xff"


def test_every_buffer_is_aligned_to_16_bytes() -> None:
    for extra in range(17):
        b = ModelBuilder(description="d" * extra)
        g = b.subgraph("s")
        for size in range(50):
            g.constant(f"c{'x' * (size % 7)}", np.full(size, size, np.uint8))
        b.metadata("m", b"m" * (extra + 1))
        data = b.finish()
        model = load(data)
        start = address(np.frombuffer(data, np.uint8))
        found = {}
        for number, view in enumerate(model.buffers):
            if view is not None:
                array = np.frombuffer(view, np.uint8)
                found[len(view)] = array.tolist() == [array[0]] * len(view)
                assert (address(array) - start) % 16 == 0, (extra, number)
        assert all(found.values())
        assert set(found) == set(range(1, 50))


def test_a_large_constant_is_whole() -> None:
    values = np.random.default_rng(1).integers(-128, 128, 3_000_001).astype(np.int8)
    b, g = one_subgraph()
    g.constant("large", values)
    model = load(b.finish())
    assert buffer_bytes(model, 1) == values.tobytes()


def test_an_empty_constant_has_a_buffer_of_its_own() -> None:
    b, g = one_subgraph()
    g.constant("none", np.zeros((0,), np.int32))
    root = tflite.Model.GetRootAs(b.finish(), 0)
    assert root.Subgraphs(0).Tensors(0).Buffer() == 1
    assert (root.Buffers(1).DataLength(), root.Buffers(1).DataIsNone()) == (0, False)
    assert root.Buffers(0).DataIsNone()


@pytest.mark.parametrize(("share", "numbers"), [(False, [1, 2, 3]), (True, [1, 1, 2])])
def test_equal_constants_share_a_buffer_only_if_asked(share: bool, numbers: list[int]) -> None:
    b = ModelBuilder(share_equal_constants=share)
    g = b.subgraph()
    g.constant("a", np.int8([1, 2]))
    g.constant("b", np.uint8([1, 2]))
    g.constant("c", np.int8([2, 1]))
    b.metadata("m", bytes([2, 1]))
    model = load(b.finish())
    assert [t.buffer for t in model.subgraphs[0].tensors] == numbers
    assert model.metadata[0].buffer == (2 if share else 4)


def test_metadata_buffers_and_signatures() -> None:
    b = ModelBuilder()
    x = b.subgraph("main").input("x", (1,), "int8")
    g = b.subgraph("other")
    first, second = g.input("first", (1,), "int8"), g.input("second", (1,), "int8")
    table = b.buffer(b"table")
    b.metadata("OfflineMemoryAllocation", np.int32([1, 1, 1, -1]).tobytes())
    b.metadata("min_runtime_version", b"2.18")
    b.signature("serving_default", inputs={"x": x}, outputs={})
    b.signature("other", {"p": first, "q": second}, {"r": first}, subgraph=g.index)
    model = load(b.finish())
    assert (table, buffer_bytes(model, table)) == (1, b"table")
    plan, minimum = model.metadata
    assert (plan.name, minimum.name) == ("OfflineMemoryAllocation", "min_runtime_version")
    assert buffer_bytes(model, plan.buffer) == np.int32([1, 1, 1, -1]).tobytes()
    assert buffer_bytes(model, minimum.buffer) == b"2.18"
    default, other = model.signatures
    assert (default.key, default.inputs, default.outputs) == ("serving_default", (("x", 0),), ())
    assert (other.key, other.subgraph) == ("other", 1)
    assert (other.inputs, other.outputs) == ((("p", 0), ("q", 1)), (("r", 0),))


def test_many_subgraphs() -> None:
    b = ModelBuilder()
    indices = [b.subgraph(f"s{i}").index for i in range(300)]
    model = load(b.finish())
    assert indices == list(range(300))
    assert [(s.index, s.name) for s in model.subgraphs] == [(i, f"s{i}") for i in range(300)]


def build_something() -> ModelBuilder:
    b = ModelBuilder("same calls, same bytes")
    g = b.subgraph("main")
    x = g.input("x", (1, 4), "int8", scale=0.5, zero_point=1)
    w = g.constant("w", np.arange(8, dtype=np.int8).reshape(2, 4), scale=0.1, zero_point=0)
    y = g.tensor("y", (1, 2), "int8", scale=0.5, zero_point=1)
    g.op("FULLY_CONNECTED", [x, w, None], [y], fused_activation_function="RELU6")
    g.op("RESHAPE", [y], [g.tensor("z", (2,), "int8")], new_shape=[2])
    b.metadata("m", b"12")
    b.signature("s", {"x": x}, {"y": y})
    return b


def test_same_calls_same_bytes() -> None:
    b = build_something()
    first = b.finish()
    assert first == b.finish() == build_something().finish()
    b.subgraph("one more")
    assert b.finish() != first
    assert len(load(b.finish()).subgraphs) == 2


def test_save(tmp_path: Path) -> None:
    b = build_something()
    b.save(tmp_path / "m.tflite")
    assert load_file(tmp_path / "m.tflite").data == b.finish()
    with pytest.raises(InputError, match=r"cannot write .*: No such file or directory"):
        b.save(tmp_path / "absent" / "m.tflite")

"""Compressed constants give what plain ones give, in TFLM and here, in an arena laid out alike."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from microinterp import Interpreter, UnsupportedError
from microinterp.compression import METADATA_NAME, TYPES
from microinterp.model_builder import ModelBuilder
from microinterp.runtimes.tflm import Sample, TflmRuntime
from tests.compressed_models import FILTERS, Model, assignments, concatenations, layers
from tests.encoders import lut_metadata, packed
from tests.flow_models import compressed_model
from tests.ops.movement import EVERY_TYPE
from tests.oracle import compare_with_tflm, random_samples
from tests.packed.compare import compare

STRATEGIES = {
    **{
        f"{op} {dtype}": layers(op, dtype)
        for op in FILTERS
        for dtype in ("float32", "int8", "int16")
    },
    **{f"CONCATENATION {dtype}": concatenations(dtype) for dtype in TYPES},
    **{f"ASSIGN_VARIABLE {dtype}": assignments(dtype) for dtype in TYPES},
}


@pytest.mark.parametrize("name", STRATEGIES)
def test_equal_tflm_and_plain(tflm: TflmRuntime, name: str) -> None:
    @settings(max_examples=20)
    @given(model=STRATEGIES[name], seed=st.integers(0, 2**32 - 1))
    def check(model: Model, seed: int) -> None:
        assert_equal(tflm, model, seed)

    check()


def assert_equal(tflm: TflmRuntime, model: Model, seed: int) -> None:
    interpreter = Interpreter.from_bytes(model.compressed)
    plain = Interpreter.from_bytes(model.plain)
    samples = random_samples(np.random.default_rng(seed), interpreter.graph, 3)
    result = compare_with_tflm(tflm, model.compressed, samples, EVERY_TYPE)
    assert result.differing_bytes == 0, result.first
    compressed = [t for t in interpreter.graph.main.tensors if t.is_compressed]
    assert len(compressed) == model.count
    assert interpreter.arena.head_bytes == tflm.arena(model.compressed).head_bytes
    for sample in samples:
        for runner in (interpreter, plain):
            for i, array in enumerate(sample or ()):
                runner.set_input(array, i)
            runner.invoke()
        for i in range(len(plain.graph.main.outputs)):
            assert interpreter.get_output(i).tobytes() == plain.get_output(i).tobytes()


def one_compressed(op: str, output: bool = False) -> bytes:
    """`op` of a compressed int8 [4] constant and the input; perhaps the constant is an output."""
    b = ModelBuilder()
    g = b.subgraph("main")
    x = g.input("x", (4,), "int8", scale=1.0, zero_point=0)
    w = g.constant("w", packed([0, 1, 2, 3]), "int8", shape=(4,), scale=1.0, zero_point=0)
    shape = (8,) if op == "CONCATENATION" else (4,)
    y = g.tensor("y", shape, "int8", scale=1.0, zero_point=0)
    g.op(op, [w, x], [y])
    g.output(w if output else y)
    b.metadata(METADATA_NAME, lut_metadata([[(w, b.buffer(b"\x01\x02\x03\x04"), 2)]]))
    return b.finish()


def test_by_hand() -> None:
    interpreter = Interpreter.from_bytes(one_compressed("CONCATENATION"))
    interpreter.set_input(np.array([9, 8, 7, 6], np.int8), 0)
    interpreter.invoke()
    assert interpreter.get_output(0).tolist() == [1, 2, 3, 4, 9, 8, 7, 6]


def test_ops_that_do_not_decompress_are_refused() -> None:
    with pytest.raises(UnsupportedError, match="does not decompress this input") as caught:
        Interpreter.from_bytes(one_compressed("ADD"))
    assert (caught.value.where.op_index, caught.value.where.tensor_index) == (0, 1)


def test_a_compressed_output_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="compressed tensor cannot be an output"):
        Interpreter.from_bytes(one_compressed("CONCATENATION", output=True))


def test_the_model_owns_its_decompressed_values() -> None:
    """They cannot be written, as no constant can."""
    interpreter = Interpreter.from_bytes(one_compressed("CONCATENATION"))
    (values,) = (t.data for t in interpreter.graph.main.tensors if t.is_compressed)
    assert values is not None
    assert values.tolist() == [1, 2, 3, 4]
    assert not values.flags.writeable


def compressed_in_a_branch() -> bytes:
    """IF joins its value with one compressed constant or another one, which main also joins."""
    b = ModelBuilder()
    g, branches = b.subgraph("main"), [b.subgraph("then"), b.subgraph("else")]
    entries = []
    for graph, order in ((g, [0, 1, 2, 3]), (branches[0], [3, 3, 1, 0]), (branches[1], [1] * 4)):
        c = graph.constant("c", packed(order), "int8", shape=(4,), scale=1.0, zero_point=0)
        entries.append([(c, b.buffer(bytes(range(order[0], order[0] + 4))), 2)])
    condition = g.input("condition", (), "bool")
    x = g.input("x", (4,), "int8", scale=1.0, zero_point=0)
    y = g.tensor("y", (8,), "int8", scale=1.0, zero_point=0)
    joined = g.tensor("joined", (12,), "int8", scale=1.0, zero_point=0)
    g.op("IF", [condition, x], [y], then_subgraph_index=1, else_subgraph_index=2)
    g.op("CONCATENATION", [y, 0], [joined])
    g.output(joined)
    for graph in branches:
        value = graph.input("value", (4,), "int8", scale=1.0, zero_point=0)
        out = graph.tensor("out", (8,), "int8", scale=1.0, zero_point=0)
        graph.op("CONCATENATION", [value, 0], [out])
        graph.output(out)
    b.metadata(METADATA_NAME, lut_metadata(entries))
    return b.finish()


def test_constants_of_subgraphs_are_decompressed(tflm: TflmRuntime) -> None:
    data = compressed_in_a_branch()
    x = np.array([50, 51, 52, 53], np.int8)
    samples: list[Sample] = [[np.array(True), x], [np.array(False), x]]
    result = compare_with_tflm(tflm, data, samples, EVERY_TYPE)
    assert result.differing_bytes == 0, result.first
    interpreter = Interpreter.from_bytes(data)
    assert interpreter.arena.head_bytes == tflm.arena(data).head_bytes
    for sample, own in zip(samples, ([6, 6, 4, 3], [2, 2, 2, 2]), strict=True):
        for i, array in enumerate(sample or ()):
            interpreter.set_input(array, i)
        interpreter.invoke()
        assert interpreter.get_output(0).tolist() == [50, 51, 52, 53, *own, 0, 1, 2, 3]


def test_boards_take_the_decompressed_values() -> None:
    data = compressed_model()
    samples = random_samples(np.random.default_rng(1), Interpreter.from_bytes(data).graph, 3)
    packed_model = compare(data, samples)
    assert len(set(packed_model.answers)) == len(samples)

"""RESHAPE, SQUEEZE and EXPAND_DIMS against TFLM, against spec loops, by hand, and refusals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

from microinterp import Interpreter
from microinterp.errors import ModelError, RuntimeUnavailableError, UnsupportedError
from microinterp.model_builder import ModelBuilder
from microinterp.runtimes.tflm import TflmRuntime
from tests.differential.cases.reshape import expansions, reshapes, scalar, squeezes
from tests.ops.expected import assert_both_refuse
from tests.ops.movement import (
    Case,
    Constant,
    Input,
    assert_refused,
    bits,
    check_case,
    numbers,
    op_model,
    run_bits,
    run_one,
)
from tests.ops.strategies import seeds


@given(case=reshapes(), seed=seeds())
def test_reshape_equals_tflm_and_spec(tflm: TflmRuntime, case: Case, seed: int) -> None:
    check_case(tflm, case, seed)


@given(case=squeezes(), seed=seeds())
def test_squeeze_equals_tflm_and_spec(tflm: TflmRuntime, case: Case, seed: int) -> None:
    check_case(tflm, case, seed)


@given(case=expansions(), seed=seeds())
def test_expand_dims_equals_tflm_and_spec(tflm: TflmRuntime, case: Case, seed: int) -> None:
    check_case(tflm, case, seed)


def test_by_hand() -> None:
    x = np.array([[[1, 2]], [[3, 4]]], np.int8)
    reshape = op_model("RESHAPE", [Input((2, 1, 2))], [Input((1, 4))], new_shape=[1, 4])
    assert run_one(reshape, x).tolist() == [[1, 2, 3, 4]]
    squeeze = op_model("SQUEEZE", [Input((2, 1, 2))], [Input((2, 2))], squeeze_dims=[-2])
    assert run_one(squeeze, x).tolist() == [[1, 2], [3, 4]]
    expand = op_model("EXPAND_DIMS", [Input((2, 1, 2)), scalar(-1)], [Input((2, 1, 2, 1))])
    assert run_one(expand, x).tolist() == [[[[1], [2]]], [[[3], [4]]]]


def test_legacy_scalar(tflm: TflmRuntime) -> None:
    """Without a shape input, an output of shape [0] is a scalar to TFLM, and to the ops behind."""
    b = ModelBuilder()
    g = b.subgraph("main")
    x, y = g.input("x", (1,), "float32"), g.input("y", (3,), "float32")
    scalar_out, total = g.tensor("scalar", (0,), "float32"), g.tensor("total", (3,), "float32")
    g.op("RESHAPE", [x], [scalar_out])
    g.op("ADD", [y, scalar_out], [total])
    g.output(scalar_out)
    g.output(total)
    data = b.finish()
    interpreter = Interpreter.from_bytes(data)
    assert interpreter.get_output_details(0)["shape"].tolist() == []
    assert interpreter.arena.head_bytes == tflm.arena(data).head_bytes
    sample = [np.array([5], np.float32), np.array([1, 2, 3], np.float32)]
    ours = run_bits(interpreter, sample)
    assert ours == [bits(array) for array in tflm.run(data, [sample]).outputs[0]]
    (_, batch) = interpreter.run_batch(*(np.stack([array] * 2) for array in sample))
    assert batch.tolist() == [[6, 7, 8]] * 2


def test_legacy_scalar_needs_one_element_and_no_shape_input(tflm: TflmRuntime) -> None:
    two = op_model("RESHAPE", [Input((2,))], [Input((0,))], new_shape=[0])
    assert_both_refuse(tflm, two, "int8[] has 1 elements, wanted the input's 2", 1)
    given_shape = op_model("RESHAPE", [Input((1,)), Constant(np.zeros(0, np.int32))], [Input((0,))])
    assert_both_refuse(tflm, given_shape, "int8[0] has 0 elements, wanted the input's 1", 2)


def test_constant_input_in_a_batch() -> None:
    b = ModelBuilder()
    g = b.subgraph("main")
    x = g.input("x", (2,), "int8")
    y = g.tensor("y", (2, 1), "int8")
    g.op("RESHAPE", [g.constant("c", np.array([5, 6], np.int8))], [y], new_shape=[2, 1])
    g.output(x)
    g.output(y)
    interpreter = Interpreter.from_bytes(b.finish())
    _, reshaped = interpreter.run_batch(np.zeros((3, 2), np.int8))
    assert reshaped.tolist() == [[[5], [6]]] * 3


def test_refused() -> None:
    six = Input((2, 3))
    assert_refused(op_model("RESHAPE", [six], [Input((7,))]), "7 elements, wanted the input's 6", 1)
    assert_refused(op_model("RESHAPE", [six], [Input((6,), "uint8")]), "type uint8, wanted int8", 1)
    assert_refused(op_model("RESHAPE", [], [Input((6,))]), "has 0 inputs, wanted 1 to 2")
    packed = op_model("RESHAPE", [Constant(np.zeros(4, np.int8))], [Input((4,))])
    Interpreter.from_bytes(packed)
    b = ModelBuilder()
    g = b.subgraph("main")
    y = g.tensor("y", (4,), "int4")
    g.op("RESHAPE", [g.constant("c", np.zeros((2, 2), np.int8), dtype="int4")], [y])
    g.output(y)
    assert_refused(b.finish(), "packed int4 constant", 1, UnsupportedError)


def test_long_lists_in_options_refused(tflm: TflmRuntime) -> None:
    """TFLM looks at neither list, but has room for 8 numbers when it copies them."""
    six = Input((2, 3))
    for length in (8, 9):
        reshape = op_model("RESHAPE", [six], [Input((6,))], new_shape=[1] * length)
        ones = op_model("SQUEEZE", [Input((1, 6))], [Input((6,))], squeeze_dims=[0] * length)
        if length == 8:
            Interpreter.from_bytes(reshape)
            Interpreter.from_bytes(ones)
            continue
        assert_refused(reshape, "new_shape has 9 numbers, TFLM holds 8")
        assert_refused(ones, "squeeze_dims has 9 numbers, TFLM holds 8")
        for data, shape in ((reshape, (2, 3)), (ones, (1, 6))):
            with pytest.raises(RuntimeUnavailableError, match="failed to allocate"):
                tflm.run(data, [[np.zeros(shape, np.int8)]])


def test_open_dimension_refused() -> None:
    """A -1 in a tensor's shape, which RESHAPE would fill in, crashes the wheel before that."""
    with pytest.raises(ModelError, match="negative dimension"):
        Interpreter.from_bytes(op_model("RESHAPE", [Input((2, 3))], [Input((3, -1))]))


@pytest.mark.parametrize(
    ("shape", "dims", "output", "text", "tensor"),
    [
        ((1, 2), [1], (1, 2), "cannot squeeze dimension 1", 0),
        ((1, 2), [2], (2,), "cannot squeeze dimension 2", 0),
        ((1, 2), [-3], (2,), "cannot squeeze dimension -3", 0),
        ((), [0], (), "cannot squeeze dimension 0", 0),
        ((1, 2, 1), [0], (2,), "shape [2], wanted [2, 1]", 1),
        ((1, 2, 1), [], (2, 1), "shape [2, 1], wanted [2]", 1),
    ],
)
def test_squeeze_refused(
    shape: tuple[int, ...], dims: list[int], output: tuple[int, ...], text: str, tensor: int
) -> None:
    data = op_model("SQUEEZE", [Input(shape)], [Input(output)], squeeze_dims=dims)
    assert_refused(data, text, tensor)


@pytest.mark.parametrize(
    ("axis", "output", "text", "tensor"),
    [
        (scalar(3), (2, 3, 1), "axis 3 is outside rank 3", 1),
        (scalar(-4), (1, 2, 3), "axis -4 is outside rank 3", 1),
        (scalar(0), (2, 1, 3), "shape [2, 1, 3], wanted [1, 2, 3]", 2),
        (numbers(0, 0), (1, 2, 3), "has 2 elements, wanted 1", 1),
        (numbers((0,)), (1, 2, 3), "rank 2, wanted 0 to 1", 1),
        (Constant(np.int64(0)), (1, 2, 3), "type int64, wanted int32", 1),
        (Input((), "int32"), (1, 2, 3), "computed at run time", 1),
    ],
)
def test_expand_dims_refused(
    axis: Input | Constant, output: tuple[int, ...], text: str, tensor: int
) -> None:
    data = op_model("EXPAND_DIMS", [Input((2, 3)), axis], [Input(output)])
    assert_refused(data, text, tensor)


def test_expand_dims_types_refused() -> None:
    data = op_model("EXPAND_DIMS", [Input((2,), "int32"), scalar(0)], [Input((1, 2), "int32")])
    assert_refused(data, "element types int32 x int32", kind=UnsupportedError)

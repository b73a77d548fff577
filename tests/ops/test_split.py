"""SPLIT and SPLIT_V against TFLM, against spec loops, worked by hand, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

from microinterp import Interpreter
from microinterp.errors import UnsupportedError
from microinterp.runtimes.tflm import TflmRuntime
from tests.differential.cases.split import splits
from tests.ops.movement import (
    Case,
    Constant,
    Input,
    assert_refused,
    check_case,
    numbers,
    op_model,
)
from tests.ops.strategies import seeds


@given(case=splits("SPLIT"), seed=seeds())
def test_split_equals_tflm_and_spec(tflm: TflmRuntime, case: Case, seed: int) -> None:
    check_case(tflm, case, seed)


@given(case=splits("SPLIT_V"), seed=seeds())
def test_split_v_equals_tflm_and_spec(tflm: TflmRuntime, case: Case, seed: int) -> None:
    check_case(tflm, case, seed)


def test_by_hand() -> None:
    data = op_model(
        "SPLIT_V",
        [Input((2, 3)), numbers(1, 2), numbers(1)],
        [Input((2, 1)), Input((2, 2))],
        num_splits=2,
    )
    interpreter = Interpreter.from_bytes(data)
    interpreter.set_input(np.array([[1, 2, 3], [4, 5, 6]], np.int8), 0)
    interpreter.invoke()
    assert interpreter.get_output(0).tolist() == [[1], [4]]
    assert interpreter.get_output(1).tolist() == [[2, 3], [5, 6]]


def test_constant_input_in_a_batch() -> None:
    """The constant has no sample axis; every sample of the outputs gets its part."""
    data = op_model("SPLIT", [numbers(0), Constant(np.array([1, 2], np.int8))], [Input((1,))] * 2)
    interpreter = Interpreter.from_bytes(data)
    interpreter.invoke()
    assert interpreter.get_output(1).tolist() == [2]


X, AXIS, HALF = Input((4, 2)), numbers(0), Input((2, 2))


@pytest.mark.parametrize(
    ("inputs", "outputs", "text", "tensor"),
    [
        ([AXIS, X], [HALF, Input((1, 2))], "shape [1, 2], wanted [2, 2]", 3),
        ([AXIS, X], [HALF], "the outputs take 2 of axis 0, wanted all 4", 1),
        ([AXIS, X], [Input((2, 1))] * 2, "shape [2, 1], wanted [2, 2]", 2),
        ([AXIS, X], [Input((4,))] * 2, "rank 1, wanted 2", 2),
        ([AXIS, X], [HALF, Input((2, 2), "int16")], "type int16, wanted int8", 3),
        ([AXIS, X], [], "output 0 is missing", None),
        ([AXIS], [HALF, HALF], "has 1 inputs, wanted 2", None),
        ([numbers(2), X], [HALF, HALF], "axis 2 is outside rank 2", 0),
        ([numbers(-3), X], [HALF, HALF], "axis -3 is outside rank 2", 0),
        ([numbers(0, 1), X], [HALF, HALF], "has 2 elements, wanted 1", 0),
        ([Constant(np.int64(0)), X], [HALF, HALF], "type int64, wanted int32", 0),
        ([Input((1,), "int32"), X], [HALF, HALF], "computed at run time", 0),
        ([numbers(0), Input(())], [Input(())], "axis 0 is outside rank 0", 0),
    ],
)
def test_split_refused(
    inputs: list[Input | Constant], outputs: list[Input], text: str, tensor: int | None
) -> None:
    assert_refused(op_model("SPLIT", inputs, outputs, num_splits=2), text, tensor)


@pytest.mark.parametrize(
    ("inputs", "outputs", "text", "tensor"),
    [
        ([X, AXIS], [HALF, HALF], "has 2 inputs, wanted 3", None),
        ([X, numbers(2, 2), numbers(2)], [HALF, HALF], "axis 2 is outside rank 2", 2),
        ([X, numbers(2, 2), Input((1,), "int32")], [HALF, HALF], "computed at run time", 2),
        ([X, numbers(3, 2), AXIS], [Input((3, 2)), HALF], "take 5 of axis 0, wanted all 4", 0),
    ],
)
def test_split_v_refused(
    inputs: list[Input | Constant], outputs: list[Input], text: str, tensor: int | None
) -> None:
    assert_refused(op_model("SPLIT_V", inputs, outputs, num_splits=2), text, tensor)


def test_types_refused() -> None:
    for types in (("int64", "int64"), ("bool", "bool"), ("int8", "int16")):
        x, out = Input((2,), types[0]), Input((2,), types[1])
        data = op_model("SPLIT", [numbers(0), x], [out], num_splits=1)
        assert_refused(data, f"element types {' x '.join(types)}", kind=UnsupportedError)

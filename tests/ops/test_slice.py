"""SLICE against TFLM, against spec loops, worked by hand, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from microinterp import Interpreter
from microinterp.errors import UnsupportedError
from microinterp.runtimes.tflm import TflmRuntime
from tests.differential.cases.slice import Box, boxes, slices
from tests.ops.expected import assert_input_error
from tests.ops.movement import (
    EVERY_TYPE,
    Case,
    Constant,
    Input,
    assert_refused,
    bits,
    check_case,
    numbers,
    op_model,
    random_constant,
    run_bits,
    run_one,
)
from tests.ops.strategies import seeds
from tests.oracle import compare_with_tflm


@given(case=slices(), seed=seeds())
def test_equals_tflm_and_spec(tflm: TflmRuntime, case: Case, seed: int) -> None:
    check_case(tflm, case, seed)


@given(box=boxes(), sized=st.booleans(), seed=seeds())
def test_computed_begin(tflm: TflmRuntime, box: Box, sized: bool, seed: int) -> None:
    """begin is an input of the model; size is one too, or a constant."""
    rank = len(box.shape)
    size = np.array(box.size, box.index_type)
    data = op_model(
        "SLICE",
        [
            Input(box.shape, box.dtype),
            Input((rank,), box.index_type),
            Input((rank,), box.index_type) if sized else Constant(size),
        ],
        [Input(box.size, box.dtype)],
    )
    rng = np.random.default_rng(seed)
    room = np.subtract(box.shape, box.size)
    corners = [np.array(box.begin), rng.integers(0, room, endpoint=True), room]
    samples = [
        [
            random_constant(rng, box.shape, box.dtype),
            corner.astype(box.index_type),
            *([size] if sized else []),
        ]
        for corner in corners
    ]
    result = compare_with_tflm(tflm, data, samples, EVERY_TYPE)
    assert result.differing_bytes == 0, result.first
    interpreter = Interpreter.from_bytes(data)
    assert run_bits(interpreter, samples[0]) == [box.expected(bits(samples[0][0]))]
    singles = [run_bits(interpreter, sample) for sample in samples]
    (batch,) = interpreter.run_batch(*(np.stack(arrays) for arrays in zip(*samples, strict=True)))
    assert [[bits(array)] for array in batch] == singles


def test_by_hand() -> None:
    data = op_model("SLICE", [Input((3, 3)), numbers(1, 0), numbers(-1, 2)], [Input((2, 2))])
    x = np.arange(1, 10, dtype=np.int8).reshape(3, 3)
    assert run_one(data, x).tolist() == [[4, 5], [7, 8]]


@pytest.mark.parametrize("begin", [-1, 2, 2**31 - 1, -(2**31)])
def test_computed_begin_outside(begin: int) -> None:
    """TFLM would read outside its input."""
    data = op_model("SLICE", [Input((3,)), Input((1,), "int32"), numbers(2)], [Input((2,))])
    x, text = np.array([1, 2, 3], np.int8), f"2 elements from {begin} leave axis 0 of size 3"
    assert_input_error(data, [x, np.array([begin], np.int32)], text, 1)


@pytest.mark.parametrize(("size", "begin"), [(1, 0), (3, 0), (-1, 0), (-2, 1), (0, 1)])
def test_computed_size_that_is_not_the_outputs(size: int, begin: int) -> None:
    """TFLM would write outside its output, or leave it unwritten."""
    data = op_model("SLICE", [Input((3,)), numbers(begin), Input((1,), "int32")], [Input((2,))])
    x, text = np.array([1, 2, 3], np.int8), f"axis 0 of the output has 2 elements, not {size}"
    assert_input_error(data, [x, np.array([size], np.int32)], text, 2)
    assert run_one(data, x, np.array([2], np.int32)).tolist() == x[begin : begin + 2].tolist()


def test_scalar() -> None:
    none = Constant(np.zeros(0, np.int32))
    data = op_model("SLICE", [Input(()), none, none], [Input(())])
    assert run_one(data, np.array(7, np.int8)).tolist() == 7


X, OUT, TWO = Input((3, 3)), Input((2, 2)), numbers(2, 2)


@pytest.mark.parametrize(
    ("inputs", "output", "text", "tensor"),
    [
        ([X, numbers(0, 0)], OUT, "has 2 inputs, wanted 3", None),
        ([X, numbers(2, 0), TWO], OUT, "2 elements from 2 leave axis 0 of size 3", 1),
        ([X, numbers(0, -1), TWO], OUT, "2 elements from -1 leave axis 1", 1),
        ([X, numbers(0, 0), numbers(2, 3)], OUT, "axis 1 has 2 elements, wanted 3", 3),
        ([X, numbers(0, 0), numbers(2, -1)], OUT, "axis 1 has 2 elements, wanted 3", 3),
        ([X, numbers(0, 0), numbers(2, -2)], OUT, "axis 1 has 2 elements, wanted -2", 3),
        ([X, numbers(0, 0), numbers(4, 2)], Input((4, 2)), "int8[4, 2] does not fit", 3),
        ([X, numbers(0, 0), TWO], Input((4,)), "rank 1, wanted 2", 3),
        ([X, numbers(0), TWO], OUT, "has 1 elements, wanted 2", 1),
        ([X, numbers((0, 0)), TWO], OUT, "rank 2, wanted 1", 1),
        ([X, numbers(0, 0), Constant(np.array([2, 2]))], OUT, "int64, wanted int32", 2),
        (
            [X, Constant(np.zeros(2, np.int16)), Constant(np.full(2, 2, np.int16))],
            OUT,
            "type int16, wanted int32 or int64",
            1,
        ),
        ([X, Input((3,), "int32"), TWO], OUT, "int32[3], wanted 2 elements", 1),
        (
            [X, Input((2,), "float32"), Input((2,), "float32")],
            OUT,
            "float32[2], wanted 2 elements",
            1,
        ),
        ([Input((1,) * 6), numbers(*[0] * 6), numbers(*[1] * 6)], Input((1,) * 6), "rank 6", 0),
        ([Input(()), numbers(0), numbers(1)], Input(()), "has 1 elements, wanted 0", 1),
    ],
)
def test_refused(
    inputs: list[Input | Constant], output: Input, text: str, tensor: int | None
) -> None:
    assert_refused(op_model("SLICE", inputs, [output]), text, tensor)


def test_types_refused() -> None:
    for types in (("int64", "int64"), ("uint8", "uint8"), ("int8", "int16")):
        x, out = Input((3, 3), types[0]), Input((2, 2), types[1])
        data = op_model("SLICE", [x, numbers(0, 0), TWO], [out])
        assert_refused(data, f"element types {' x '.join(types)}", kind=UnsupportedError)

"""CONCATENATION against TFLM, against spec loops, worked by hand, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given

from microinterp import Interpreter
from microinterp.errors import UnsupportedError
from microinterp.runtimes.tflm import TflmRuntime
from tests.differential.cases.concatenation import concatenations
from tests.ops.movement import (
    Case,
    Constant,
    Input,
    assert_refused,
    check_case,
    op_model,
    run_one,
)
from tests.ops.strategies import seeds


@given(case=concatenations(), seed=seeds())
def test_equals_tflm_and_spec(tflm: TflmRuntime, case: Case, seed: int) -> None:
    check_case(tflm, case, seed)


def concatenation(inputs: list[Input | Constant], output: Input, **options: Any) -> bytes:
    return op_model("CONCATENATION", inputs, [output], **options)


def test_by_hand() -> None:
    a, b = np.array([[1, 2], [3, 4]], np.int8), np.array([[5], [6]], np.int8)
    data = concatenation([Input((2, 2)), Input((2, 1))], Input((2, 3)), axis=1)
    assert run_one(data, a, b).tolist() == [[1, 2, 5], [3, 4, 6]]


X, OUT = Input((2, 2), "int8", 0.5, 1), Input((4, 2), "int8", 0.5, 1)


@pytest.mark.parametrize(
    ("inputs", "output", "options", "text", "tensor"),
    [
        ([X] * 11, Input((22, 2), "int8", 0.5, 1), {}, "has 11 inputs, wanted 1 to 10", None),
        ([], OUT, {}, "has 0 inputs", None),
        ([X, X], OUT, {"axis": 2}, "axis 2 is outside rank 2", None),
        ([X, X], OUT, {"axis": -3}, "axis -3 is outside rank 2", None),
        ([X, X], OUT, {"fused_activation_function": "RELU"}, "fused activation 1", None),
        ([X, X], Input((5, 2), "int8", 0.5, 1), {}, "shape [5, 2], wanted [4, 2]", 2),
        ([X, Input((2, 3), "int8", 0.5, 1)], OUT, {}, "shape [2, 3], wanted [2, 2]", 1),
        ([X, Input((4,), "int8", 0.5, 1)], OUT, {}, "rank 1, wanted 2", 1),
        ([X, Input((2, 2), "int16", 0.5, 0)], OUT, {}, "type int16, wanted int8", 1),
        ([X, Input((2, 2), "int8", 0.25, 1)], OUT, {}, "scale 0.25 and zero point 1, wanted", 1),
        ([X, Input((2, 2), "int8", 0.5, 2)], OUT, {}, "scale 0.5 and zero point 2, wanted", 1),
        (
            [Input((2,), "int16", 0.5, 3)],
            Input((2,), "int16", 0.5, 0),
            {},
            "zero point 3, wanted 0",
            0,
        ),
        (
            [Input((2,), "int16", 0.5, 0)],
            Input((2,), "int16", 0.5, 3),
            {},
            "zero point 3, wanted 0",
            1,
        ),
        ([Input((1,) * 7)], Input((1,) * 7), {}, "rank 7, wanted 1 to 6", 1),
        ([Input(())], Input(()), {}, "rank 0, wanted 1 to 6", 1),
    ],
)
def test_refused(
    inputs: list[Input | Constant],
    output: Input,
    options: dict[str, Any],
    text: str,
    tensor: int | None,
) -> None:
    assert_refused(concatenation(inputs, output, **options), text, tensor)


def test_int16_scales_may_differ(tflm: TflmRuntime) -> None:
    """TFLM compares scales for int8 alone; it copies int16 whatever their scales."""
    data = concatenation(
        [Input((2,), "int16", 0.5, 0), Input((1,), "int16", 0.25, 0)], Input((3,), "int16", 1.0, 0)
    )
    sample = [np.array([1, 2], np.int16), np.array([3], np.int16)]
    (theirs,) = tflm.run(data, [sample]).outputs[0]
    assert run_one(data, *sample).tolist() == theirs.tolist() == [1, 2, 3]


def test_types_refused() -> None:
    for dtype in ("uint8", "uint32", "float64"):
        data = concatenation([Input((2,), dtype)], Input((2,), dtype))
        assert_refused(data, f"element types {dtype} x {dtype}", kind=UnsupportedError)


def test_one_input_many_times() -> None:
    data = concatenation([X], Input((2, 2), "int8", 0.5, 1))
    assert Interpreter.from_bytes(data).arena.head_bytes == 32

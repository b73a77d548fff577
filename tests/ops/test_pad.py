"""PAD and PADV2 against TFLM, against spec loops, worked by hand, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from microinterp.errors import UnsupportedError
from microinterp.runtimes.tflm import TflmRuntime
from tests.differential.cases.pad import pads, pads_with_value
from tests.ops.expected import assert_both_refuse
from tests.ops.movement import (
    Case,
    Constant,
    Input,
    assert_refused,
    check_case,
    numbers,
    op_model,
    run_one,
)
from tests.ops.strategies import seeds


@given(case=pads("PAD"), seed=seeds())
def test_pad_equals_tflm_and_spec(tflm: TflmRuntime, case: Case, seed: int) -> None:
    check_case(tflm, case, seed)


@given(case=st.sampled_from(("PAD", "PADV2")).flatmap(pads_with_value), seed=seeds())
def test_pad_value_equals_tflm_and_spec(tflm: TflmRuntime, case: Case, seed: int) -> None:
    check_case(tflm, case, seed)


def padded_row(dtype: str, zero_point: int, x: list[int]) -> list[int]:
    data = op_model(
        "PAD",
        [Input((len(x),), dtype, 0.5, zero_point), numbers((2, 1))],
        [Input((len(x) + 3,), dtype, 0.5, zero_point)],
    )
    return [int(value) for value in run_one(data, np.array(x, dtype))]


def test_by_hand() -> None:
    assert padded_row("int8", -7, [1, 2]) == [-7, -7, 1, 2, -7]
    assert padded_row("int16", 300, [1, 2]) == [0, 0, 1, 2, 0]  # TFLM: 0 whatever the zero point


X, OUT = Input((2, 2), "int8", 0.5, 1), Input((3, 2), "int8", 0.5, 1)
AMOUNTS = numbers((1, 0), (0, 0))


@pytest.mark.parametrize(
    ("inputs", "output", "text", "tensor"),
    [
        ([X], OUT, "has 1 inputs, wanted 2 to 3", None),
        ([X, Input((2, 2), "int32")], OUT, "computed at run time", 1),
        ([X, Constant(np.zeros((2, 2), np.int64))], X, "type int64, wanted int32", 1),
        ([X, numbers(0, 0)], OUT, "has 2 elements, wanted 4", 1),
        ([X, numbers((-1, 2), (0, 0))], OUT, "wanted none below 0", 1),
        ([X, AMOUNTS], Input((4, 2), "int8", 0.5, 1), "shape [4, 2], wanted [3, 2]", 2),
        ([X, AMOUNTS], Input((3, 2, 1), "int8", 0.5, 1), "wanted [3, 2]", 2),
        ([X, AMOUNTS, Constant(np.int16(1))], OUT, "type int16, wanted int8", 2),
        ([X, AMOUNTS, Constant(np.zeros(2, np.int8), 0.5, 1)], OUT, "2 elements, wanted 1", 2),
        ([X, AMOUNTS, Constant(np.int8(1), 0.5, 2)], OUT, "zero point 2, wanted", 2),
        ([X, AMOUNTS, Constant(np.int8(1), 0.25, 1)], OUT, "scale 0.25", 2),
        ([X, AMOUNTS, None], OUT, "input 2 is missing", None),
        (
            [Input((1,) * 6, "int8", 0.5, 1), numbers(*[(0, 0)] * 6)],
            Input((1,) * 6, "int8", 0.5, 1),
            "rank 6, wanted 1 to 5",
            0,
        ),
    ],
)
def test_refused(
    inputs: list[Input | Constant | None], output: Input, text: str, tensor: int | None
) -> None:
    assert_refused(op_model("PADV2", inputs, [output]), text, tensor)


def test_types_refused() -> None:
    for dtype in ("int64", "uint8", "bool"):
        data = op_model("PAD", [Input((2, 2), dtype), AMOUNTS], [Input((3, 2), dtype)])
        assert_refused(data, f"element types {dtype} x {dtype}", kind=UnsupportedError)
    data = op_model("PAD", [X, AMOUNTS], [Input((3, 2), "int16", 0.5, 0)])
    assert_refused(data, "element types int8 x int16", kind=UnsupportedError)


def test_scalars_refused_as_tflm_does(tflm: TflmRuntime) -> None:
    data = op_model("PAD", [Input(()), Constant(np.zeros((0, 2), np.int32))], [Input(())])
    assert_both_refuse(tflm, data, "rank 0, wanted 1 to 5", 0)

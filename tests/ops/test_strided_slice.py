"""STRIDED_SLICE against TFLM, against Python's own slices, worked by hand, and refusals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given

from microinterp.errors import UnsupportedError
from microinterp.runtimes.tflm import TflmRuntime
from tests.differential.cases.strided_slice import strided_slices
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


@given(case=strided_slices(), seed=seeds())
def test_equals_tflm_and_spec(tflm: TflmRuntime, case: Case, seed: int) -> None:
    check_case(tflm, case, seed)


@pytest.mark.parametrize(
    ("begin", "end", "stride", "options", "expected"),
    [
        (1, 3, 1, {}, [2, 3]),
        (-2, 100, 1, {}, [4, 5]),
        (4, -6, -2, {}, [5, 3, 1]),
        (1, 2, -1, {"begin_mask": 1, "end_mask": 1}, [5, 4, 3, 2, 1]),
        (-1, 0, 1, {"shrink_axis_mask": 1}, 5),
        (-9, 0, 1, {"shrink_axis_mask": 1}, 1),
        (1, 3, 1, {"offset": True, "ellipsis_mask": 1, "new_axis_mask": 1}, [2, 3]),
    ],
)
def test_by_hand(
    begin: int, end: int, stride: int, options: dict[str, int], expected: list[int] | int
) -> None:
    out = Input((len(expected),) if isinstance(expected, list) else ())
    tensors = [Input((5,)), numbers(begin), numbers(end), numbers(stride)]
    data = op_model("STRIDED_SLICE", tensors, [out], **options)
    assert run_one(data, np.arange(1, 6, dtype=np.int8)).tolist() == expected


X, ZERO, TWO, ONE = Input((3, 3)), numbers(0, 0), numbers(2, 2), numbers(1, 1)


@pytest.mark.parametrize(
    ("inputs", "output", "options", "text", "tensor"),
    [
        ([X, ZERO, TWO], (2, 2), {}, "has 3 inputs, wanted 4", None),
        ([X, ZERO, TWO, ONE], (2, 3), {}, "shape [2, 3], wanted [2, 2]", 4),
        ([X, ZERO, TWO, ONE], (2,), {}, "shape [2], wanted [2, 2]", 4),
        ([X, ZERO, TWO, ONE], (2, 2), {"shrink_axis_mask": 1}, "wanted [2]", 4),
        ([X, ZERO, TWO, numbers(1, 0)], (2, 2), {}, "stride of axis 1 is 0", 3),
        ([X, numbers(3, 0), TWO, ONE], (2,), {"shrink_axis_mask": 1}, "no element 3", 1),
        (
            [X, ZERO, TWO, numbers(-1, 1)],
            (2,),
            {"shrink_axis_mask": 1},
            "no element 0 with stride -1 in axis 0",
            1,
        ),
        ([X, numbers(0), numbers(2), numbers(1)], (2, 3), {}, "has 1 elements, wanted 2", 1),
        ([X, numbers(0, 0, 0), TWO, ONE], (2, 2), {}, "has 3 elements, wanted 2", 1),
        ([X, Constant(np.zeros(2, np.int64)), TWO, ONE], (2, 2), {}, "int64, wanted int32", 1),
        ([X, Input((2,), "int32"), TWO, ONE], (2, 2), {}, "computed at run time", 1),
        ([X, ZERO, Input((2,), "int32"), ONE], (2, 2), {}, "computed at run time", 2),
        ([X, ZERO, TWO, Input((2,), "int32")], (2, 2), {}, "computed at run time", 3),
        ([Input((1,) * 5), *[numbers(*[1] * 5)] * 3], (1,) * 5, {}, "rank 5, wanted 1 to 4", 0),
    ],
)
def test_refused(
    inputs: list[Input | Constant],
    output: tuple[int, ...],
    options: dict[str, Any],
    text: str,
    tensor: int | None,
) -> None:
    assert_refused(op_model("STRIDED_SLICE", inputs, [Input(output)], **options), text, tensor)


def test_types_refused() -> None:
    for types in (("int64", "int64"), ("uint8", "uint8"), ("int8", "int16")):
        x, out = Input((3, 3), types[0]), Input((2, 2), types[1])
        data = op_model("STRIDED_SLICE", [x, ZERO, TWO, ONE], [out])
        assert_refused(data, f"element types {' x '.join(types)}", kind=UnsupportedError)

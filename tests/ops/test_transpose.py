"""TRANSPOSE against TFLM, against spec loops, worked by hand, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

from microinterp.errors import UnsupportedError
from microinterp.runtimes.tflm import TflmRuntime
from tests.differential.cases.transpose import transposes
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


@given(case=transposes(), seed=seeds())
def test_equals_tflm_and_spec(tflm: TflmRuntime, case: Case, seed: int) -> None:
    check_case(tflm, case, seed)


def test_by_hand() -> None:
    data = op_model("TRANSPOSE", [Input((1, 2, 3)), numbers(2, 0, 1)], [Input((3, 1, 2))])
    x = np.array([[[1, 2, 3], [4, 5, 6]]], np.int8)
    assert run_one(data, x).tolist() == [[[1, 4]], [[2, 5]], [[3, 6]]]


@pytest.mark.parametrize(
    ("x", "order", "output", "text", "tensor"),
    [
        ((2, 3), numbers(1, 1), (3, 3), "[1, 1] is no permutation of 2 axes", 1),
        ((2, 3), numbers(2, 0), (2, 3), "[2, 0] is no permutation", 1),
        ((2, 3), numbers(-1, 0), (3, 2), "[-1, 0] is no permutation", 1),
        ((2, 3), numbers(1, 0), (2, 3), "shape [2, 3], wanted [3, 2]", 2),
        ((2, 3), numbers(1, 0, 2), (3, 2), "has 3 elements, wanted 2", 1),
        ((2, 3), numbers((1, 0)), (3, 2), "rank 2, wanted 1", 1),
        ((2, 3), Constant(np.array([1, 0])), (3, 2), "type int64, wanted int32", 1),
        ((2, 3), Input((2,), "int32"), (3, 2), "computed at run time", 1),
        ((1,) * 6, numbers(0, 1, 2, 3, 4, 5), (1,) * 6, "rank 6, wanted 1 to 5", 0),
    ],
)
def test_refused(
    x: tuple[int, ...], order: Input | Constant, output: tuple[int, ...], text: str, tensor: int
) -> None:
    assert_refused(op_model("TRANSPOSE", [Input(x), order], [Input(output)]), text, tensor)


def test_types_refused() -> None:
    for dtype in ("int32", "bool"):
        x, out = Input((2, 3), dtype), Input((3, 2), dtype)
        data = op_model("TRANSPOSE", [x, numbers(1, 0)], [out])
        assert_refused(data, f"element types {dtype} x {dtype}", kind=UnsupportedError)


def test_scalars_refused_as_tflm_does(tflm: TflmRuntime) -> None:
    data = op_model("TRANSPOSE", [Input(()), Constant(np.zeros(0, np.int32))], [Input(())])
    assert_both_refuse(tflm, data, "rank 0, wanted 1 to 5", 0)

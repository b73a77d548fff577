"""DYNAMIC_UPDATE_SLICE against spec loops, worked by hand, and what is refused.

tests/differential/cases/dynamic_update_slice.py compares it with TFLM.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

from microinterp.errors import UnsupportedError
from microinterp.kernels.dynamic_update_slice import TYPES
from microinterp.runtimes.tflm import TflmRuntime
from tests.differential.cases.dynamic_update_slice import DRAW, updates
from tests.ops.expected import assert_both_refuse, check_bits
from tests.ops.movement import Case, Constant, Input, assert_refused, numbers, op_model, run_one
from tests.ops.strategies import seeds


@pytest.mark.parametrize("dtype", TYPES)
def test_equals_spec(dtype: str) -> None:
    @given(case=updates(dtype), seed=seeds())
    def check(case: Case, seed: int) -> None:
        check_bits(case, seed, DRAW)

    check()


@pytest.mark.parametrize(
    ("start", "expected"),
    [(0, [8, 9, 3, 4]), (1, [1, 8, 9, 4]), (99, [1, 2, 8, 9]), (-99, [8, 9, 3, 4])],
)
def test_by_hand(start: int, expected: list[int]) -> None:
    x, update = np.array([1, 2, 3, 4], np.int8), np.array([8, 9], np.int8)
    operands = [Input((4,)), Input((2,))]
    data = op_model("DYNAMIC_UPDATE_SLICE", [*operands, numbers(start)], [Input((4,))])
    assert run_one(data, x, update).tolist() == expected
    data = op_model("DYNAMIC_UPDATE_SLICE", [*operands, Input((1,), "int32")], [Input((4,))])
    assert run_one(data, x, update, np.array([start], np.int32)).tolist() == expected


X, UPDATE, STARTS = Input((3, 4)), Input((2, 2)), numbers(0, 0)


@pytest.mark.parametrize(
    ("inputs", "text", "tensor"),
    [
        ([X, UPDATE], "has 2 inputs, wanted 3", None),
        ([X, Input((2, 2), "int16"), STARTS], "type int16, wanted int8", 1),
        ([X, Input((2,)), STARTS], "rank 1, wanted 2", 1),
        ([X, Input((2, 5)), STARTS], "int8[2, 5] does not fit into int8[3, 4]", 1),
        ([X, UPDATE, numbers(0)], "shape [1], wanted [2]", 2),
        ([X, UPDATE, numbers((0, 0))], "shape [1, 2], wanted [2]", 2),
        ([X, UPDATE, Constant(np.zeros(2, np.int16))], "type int16, wanted int32 or int64", 2),
    ],
)
def test_refused_as_tflm_does(
    tflm: TflmRuntime, inputs: list[Input | Constant], text: str, tensor: int | None
) -> None:
    assert_both_refuse(tflm, op_model("DYNAMIC_UPDATE_SLICE", inputs, [X]), text, tensor)


@pytest.mark.parametrize("rank", [0, 7])
def test_ranks_refused_as_tflm_does(tflm: TflmRuntime, rank: int) -> None:
    x, starts = Input((1,) * rank), Constant(np.zeros(rank, np.int32))
    data = op_model("DYNAMIC_UPDATE_SLICE", [x, x, starts], [x])
    assert_both_refuse(tflm, data, f"rank {rank}, wanted 1 to 6", 0)


def test_refused(tflm: TflmRuntime) -> None:
    data = op_model("DYNAMIC_UPDATE_SLICE", [X, UPDATE, STARTS], [Input((4, 3))])
    assert_refused(data, "shape [4, 3], wanted [3, 4]", 3)
    for dtype in ("int64", "uint8", "bool"):
        x, update = Input((3, 4), dtype), Input((2, 2), dtype)
        data = op_model("DYNAMIC_UPDATE_SLICE", [x, update, STARTS], [x])
        text = f"element types {dtype} x {dtype} are not supported"
        assert_both_refuse(tflm, data, text, kind=UnsupportedError)

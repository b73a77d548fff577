"""REVERSE_V2 against spec loops, worked by hand, and what is refused.

tests/differential/cases/reverse_v2.py compares it with TFLM.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

from microinterp.errors import UnsupportedError
from microinterp.kernels.reverse_v2 import TYPES
from microinterp.runtimes.tflm import TflmRuntime
from tests.differential.cases.reverse_v2 import DRAW, reversals
from tests.ops.expected import assert_both_refuse, assert_fails_at_invoke, check_bits
from tests.ops.movement import Case, Constant, Input, assert_refused, numbers, op_model, run_one
from tests.ops.strategies import seeds


@pytest.mark.parametrize("dtype", TYPES)
def test_equals_spec(dtype: str) -> None:
    @given(case=reversals(dtype), seed=seeds())
    def check(case: Case, seed: int) -> None:
        check_bits(case, seed, DRAW)

    check()


@pytest.mark.parametrize(
    ("axes", "expected"),
    [
        ((0,), [[4, 5, 6], [1, 2, 3]]),
        ((-1,), [[3, 2, 1], [6, 5, 4]]),
        ((1, 0), [[6, 5, 4], [3, 2, 1]]),
    ],
)
def test_by_hand(axes: tuple[int, ...], expected: list[list[int]]) -> None:
    x = np.array([[1, 2, 3], [4, 5, 6]], np.int8)
    data = op_model("REVERSE_V2", [Input((2, 3)), numbers(*axes)], [Input((2, 3))])
    assert run_one(data, x).tolist() == expected
    given_axes = Input((len(axes),), "int32")
    data = op_model("REVERSE_V2", [Input((2, 3)), given_axes], [Input((2, 3))])
    assert run_one(data, x, np.array(axes, np.int32)).tolist() == expected


X = Input((2, 3, 2))


@pytest.mark.parametrize(
    ("axes", "text"),
    [
        ((0, 2), "axes [0, 2] do not follow each other"),
        ((1, 1), "axes [1, 1] do not follow each other"),
        ((1, -2), "axes [1, -2] do not follow each other"),
        ((3,), "axes [3] are outside rank 3"),
        ((0, -4), "axes [0, -4] are outside rank 3"),
    ],
)
def test_axes_refused(tflm: TflmRuntime, axes: tuple[int, ...], text: str) -> None:
    data = op_model("REVERSE_V2", [X, numbers(*axes)], [X])
    assert_both_refuse(tflm, data, text, 1)
    data = op_model("REVERSE_V2", [X, Input((len(axes),), "int32")], [X])
    sample = [np.zeros(X.shape, np.int8), np.array(axes, np.int32)]
    assert_fails_at_invoke(tflm, data, sample, text, 1)


@pytest.mark.parametrize(
    ("inputs", "text", "tensor"),
    [
        ([X], "has 1 inputs, wanted 2", None),
        ([X, numbers((0, 1))], "rank 2, wanted 1", 1),
        ([X, numbers(0, 1, 2, 0)], "lists 4 axes, wanted 1 to 3", 1),
        ([X, Constant(np.zeros(0, np.int32))], "lists 0 axes, wanted 1 to 3", 1),
    ],
)
def test_refused_as_tflm_does(
    tflm: TflmRuntime, inputs: list[Input | Constant], text: str, tensor: int | None
) -> None:
    assert_both_refuse(tflm, op_model("REVERSE_V2", inputs, [X]), text, tensor)


@pytest.mark.parametrize("rank", [0, 7])
def test_ranks_refused(tflm: TflmRuntime, rank: int) -> None:
    x = Input((1,) * rank)
    data = op_model("REVERSE_V2", [x, numbers(*[0] * min(rank, 1))], [x])
    assert_both_refuse(tflm, data, f"rank {rank}, wanted 1 to 6", 0)


def test_shape_refused() -> None:
    data = op_model("REVERSE_V2", [X, numbers(0)], [Input((3, 2, 2))])
    assert_refused(data, "shape [3, 2, 2], wanted [2, 3, 2]", 2)


@pytest.mark.parametrize(
    ("x", "axes", "out"),
    [
        ("uint32", "int32", "uint32"),
        ("float16", "int32", "float16"),
        ("int8", "int64", "int8"),
        ("int8", "int32", "int16"),
    ],
)
def test_types_refused(tflm: TflmRuntime, x: str, axes: str, out: str) -> None:
    inputs = [Input((2, 3), x), Constant(np.array([0], axes))]
    data = op_model("REVERSE_V2", inputs, [Input((2, 3), out)])
    text = f"element types {x} x {axes} x {out} are not supported"
    assert_both_refuse(tflm, data, text, kind=UnsupportedError)

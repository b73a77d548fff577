"""ARG_MAX and ARG_MIN against spec loops, worked by hand, and what is refused.

tests/differential/cases/arg_min_max.py compares them with TFLM.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

from microinterp.errors import UnsupportedError
from microinterp.runtimes.tflm import TflmRuntime
from tests.differential.cases.arg_min_max import BETTER, searches
from tests.differential.draws import rough_samples
from tests.ops.expected import assert_both_refuse, check_numbers
from tests.ops.movement import Constant, Input, assert_refused, numbers, op_model, run_one
from tests.ops.strategies import seeds
from tests.ops.values import ValueCase

OPS = tuple(BETTER)
NAN, INF = np.nan, np.inf


@pytest.mark.parametrize("op", OPS)
@pytest.mark.parametrize("dtype", ["float32", "int8"])
def test_equals_spec(op: str, dtype: str) -> None:
    @given(case=searches(op, dtype), seed=seeds())
    def check(case: ValueCase, seed: int) -> None:
        check_numbers(case, seed, rough_samples)

    check()


def one_line(op: str, values: list[float]) -> int:
    size = len(values)
    data = op_model(op, [Input((size,), "float32"), numbers(0)], [Input((), "int32")])
    return int(run_one(data, np.array(values, np.float32)))


def test_by_hand() -> None:
    data = op_model("ARG_MAX", [Input((2, 3)), numbers(-1)], [Input((2,), "int32")])
    assert run_one(data, np.array([[1, 5, 5], [-1, -2, -128]], np.int8)).tolist() == [1, 0]
    data = op_model("ARG_MIN", [Input((2, 3)), numbers(0)], [Input((3,), "int32")])
    assert run_one(data, np.array([[1, 5, 5], [-1, 9, 5]], np.int8)).tolist() == [1, 0, 0]


def test_nan_is_found_only_where_it_stands_first() -> None:
    assert one_line("ARG_MAX", [NAN, 1.0, 2.0]) == 0
    assert one_line("ARG_MAX", [1.0, NAN, 2.0, NAN]) == 2
    assert one_line("ARG_MIN", [1.0, NAN, -2.0]) == 2
    assert one_line("ARG_MAX", [-INF, NAN, -INF]) == 0
    assert one_line("ARG_MIN", [INF, NAN, INF]) == 0
    assert one_line("ARG_MAX", [0.0, -0.0, 0.0]) == 0


@pytest.mark.parametrize("op", OPS)
def test_type_option_refused(tflm: TflmRuntime, op: str) -> None:
    data = op_model(op, [X, AXIS], [OUT], output_type=99)
    assert_both_refuse(tflm, data, "the option OutputType is 99, which is no type")


X, OUT, AXIS = Input((2, 3)), Input((2,), "int32"), numbers(1)


@pytest.mark.parametrize(
    ("inputs", "output", "text", "tensor"),
    [
        ([X], OUT, "has 1 inputs, wanted 2", None),
        ([X, numbers(2)], OUT, "axis 2 is outside rank 2", 1),
        ([X, numbers(-3)], OUT, "axis -3 is outside rank 2", 1),
        ([X, numbers(1, 1)], OUT, "has 2 elements, wanted 1", 1),
        ([X, Input((), "int32")], OUT, "is computed at run time", 1),
        ([X, AXIS], Input((3,), "int32"), "shape [3], wanted [2]", 2),
        ([X, AXIS], Input((2, 1), "int32"), "shape [2, 1], wanted [2]", 2),
        ([Input(()), numbers(0)], Input((), "int32"), "rank 0, wanted 1 to 6", 0),
        ([Input((1,) * 7), AXIS], Input((1,) * 6, "int32"), "rank 7, wanted 1 to 6", 0),
        ([Input((2, 0)), AXIS], OUT, "nothing along axis 1", 0),
    ],
)
@pytest.mark.parametrize("op", OPS)
def test_refused(
    op: str, inputs: list[Input | Constant], output: Input, text: str, tensor: int | None
) -> None:
    assert_refused(op_model(op, inputs, [output]), text, tensor)


@pytest.mark.parametrize("op", OPS)
@pytest.mark.parametrize(
    ("x", "axis", "out"),
    [
        ("int16", "int32", "int32"),
        ("uint8", "int32", "int32"),
        ("int32", "int32", "int32"),
        ("int8", "int64", "int32"),
        ("int8", "int32", "int64"),
    ],
)
def test_types_refused(tflm: TflmRuntime, op: str, x: str, axis: str, out: str) -> None:
    inputs = [Input((2, 3), x), Constant(np.array([1], axis))]
    data = op_model(op, inputs, [Input((2,), out)])
    text = f"element types {x} x {axis} x {out} are not supported"
    assert_both_refuse(tflm, data, text, kind=UnsupportedError)

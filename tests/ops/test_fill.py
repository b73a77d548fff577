"""FILL, ZEROS_LIKE and SHAPE against what they must give, and what is refused.

tests/differential/cases/fill.py compares them with TFLM.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis.strategies import SearchStrategy

from microinterp.errors import UnsupportedError
from microinterp.kernels.fill import FILL_TYPES, ZEROS_TYPES
from microinterp.runtimes.tflm import TflmRuntime
from tests.differential.cases.fill import fills, shape_ops, zeros
from tests.ops.expected import assert_both_refuse, check_bits
from tests.ops.movement import Case, Constant, Input, assert_refused, numbers, op_model, run_one
from tests.ops.strategies import seeds


@pytest.mark.parametrize(
    "cases",
    [
        *(pytest.param(fills(dtype), id=f"FILL {dtype}") for dtype in FILL_TYPES),
        *(pytest.param(zeros(dtype), id=f"ZEROS_LIKE {dtype}") for dtype in ZEROS_TYPES),
        pytest.param(shape_ops(), id="SHAPE"),
    ],
)
def test_equals_spec(cases: SearchStrategy[Case]) -> None:
    @given(case=cases, seed=seeds())
    def check(case: Case, seed: int) -> None:
        check_bits(case, seed)

    check()


def test_by_hand() -> None:
    data = op_model("FILL", [numbers(2, 1), Constant(np.int8(5))], [Input((2, 1))])
    assert run_one(data).tolist() == [[5], [5]]
    x = np.array([3, 4], np.int8)
    data = op_model("ZEROS_LIKE", [Input((2,), "int8", 0.5, 3)], [Input((2,), "int8", 0.5, 3)])
    assert run_one(data, x).tolist() == [0, 0]
    data = op_model("SHAPE", [Input((2,))], [Input((1,), "int32")])
    assert run_one(data, x).tolist() == [2]
    data = op_model("SHAPE", [Input(())], [Input((0,), "int32")])
    assert run_one(data, np.array(1, np.int8)).tolist() == []


DIMS, VALUE, OUT = numbers(2, 3), Input(()), Input((2, 3))


@pytest.mark.parametrize(
    ("inputs", "output", "text", "tensor"),
    [
        ([Input((2,), "int32"), VALUE], OUT, "is computed at run time", 0),
        ([numbers(2, 4), VALUE], OUT, "shape [2, 3], wanted [2, 4]", 2),
        ([numbers(2), VALUE], OUT, "has 1 elements, wanted 2", 0),
        ([numbers((2, 3)), VALUE], OUT, "rank 2, wanted 1", 0),
        ([Constant(np.array([2, 3], np.uint8)), VALUE], OUT, "type uint8, wanted", 0),
        ([DIMS, Input((1,))], OUT, "rank 1, wanted 0", 1),
        ([Constant(np.zeros(0, np.int32)), VALUE], Input(()), "rank 0, wanted 1", 2),
    ],
)
def test_fill_refused_as_tflm_does(
    tflm: TflmRuntime, inputs: list[Input | Constant], output: Input, text: str, tensor: int
) -> None:
    assert_both_refuse(tflm, op_model("FILL", inputs, [output]), text, tensor)


@pytest.mark.parametrize("types", [("int16", "int16"), ("bool", "bool"), ("int8", "int32")])
def test_fill_types_refused(tflm: TflmRuntime, types: tuple[str, str]) -> None:
    data = op_model("FILL", [DIMS, Input((), types[0])], [Input((2, 3), types[1])])
    text = f"element types {' x '.join(types)} are not supported"
    assert_both_refuse(tflm, data, text, kind=UnsupportedError)


def test_zeros_like_refused(tflm: TflmRuntime) -> None:
    data = op_model("ZEROS_LIKE", [Input((2,))], [Input((3,))])
    assert_refused(data, "shape [3], wanted [2]", 1)
    data = op_model("ZEROS_LIKE", [Input((1,) * 7)], [Input((1,) * 7)])
    assert_refused(data, "rank 7, wanted 0 to 6", 0)
    for dtype in ("int16", "bool", "uint8"):
        data = op_model("ZEROS_LIKE", [Input((2,), dtype)], [Input((2,), dtype)])
        text = f"element types {dtype} x {dtype} are not supported"
        assert_both_refuse(tflm, data, text, kind=UnsupportedError)


def test_shape_refused(tflm: TflmRuntime) -> None:
    data = op_model("SHAPE", [Input((2, 3))], [Input((2,), "int32")], out_type=99)
    assert_both_refuse(tflm, data, "the option OutType is 99, which is no type")
    data = op_model("SHAPE", [Input((2, 3))], [Input((3,), "int32")])
    assert_refused(data, "shape [3], wanted [2]", 1)
    for dtype in ("int64", "int16", "float32"):
        data = op_model("SHAPE", [Input((2, 3))], [Input((2,), dtype)])
        assert_both_refuse(tflm, data, f"type {dtype}, wanted int32", 1)

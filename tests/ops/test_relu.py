"""RELU and RELU6 against TFLM, against spec loops, worked by hand, and what is refused."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from microinterp.errors import UnsupportedError
from microinterp.runtimes.tflm import TflmRuntime
from tests.ops.movement import Input, assert_refused, op_model, run_one
from tests.ops.strategies import scales, seeds, shapes, zero_points
from tests.ops.values import (
    EXTREME_FLOATS,
    SPECIAL_FLOATS,
    ValueCase,
    assert_mostly_varied,
    assert_same_floats,
    check_values,
    outputs_of_both,
)
from tests.spec_ops import activations as spec

OPS = ("RELU", "RELU6")


@st.composite
def cases(draw: st.DrawFn, op: str) -> ValueCase:
    """Any type and rank; scales mostly near each other, at times far apart."""
    dtype, shape = draw(st.sampled_from(("float32", "int8", "int16"))), draw(shapes(0, 6, 5))
    if dtype == "float32":
        top = 6.0 if op == "RELU6" else np.inf
        data = op_model(op, [Input(shape, dtype)], [Input(shape, dtype)])
        return ValueCase(data, lambda inputs: [min(max(x, 0.0), top) for x in inputs[0]])
    scale = draw(scales(1e-4, 2.0))
    out_scale = float(np.float32(scale * draw(st.floats(0.3, 3.0))))
    if draw(st.integers(0, 7)) == 0:
        out_scale = draw(scales(1e-8, 100.0))
    # RELU wants zero point 0 of int16, RELU6 takes any
    zeros = zero_points(dtype) if op == "RELU" or dtype == "int8" else st.integers(-9000, 9000)
    zero, out_zero = draw(zeros), draw(zeros)
    data = op_model(
        op, [Input(shape, dtype, scale, zero)], [Input(shape, dtype, out_scale, out_zero)]
    )

    def expected(inputs: list[list[int]]) -> list[int]:
        if op == "RELU":
            return [spec.relu(x, scale, zero, out_scale, out_zero, dtype) for x in inputs[0]]
        return [spec.relu6(x, scale, zero, dtype) for x in inputs[0]]

    return ValueCase(data, expected)


@pytest.mark.parametrize("op", OPS)
def test_equals_tflm_and_spec(tflm: TflmRuntime, op: str) -> None:
    seen: Counter[str] = Counter()

    @given(case=cases(op), seed=seeds())
    def check(case: ValueCase, seed: int) -> None:
        check_values(tflm, case, seed, seen)

    check()
    assert_mostly_varied(seen)


@pytest.mark.parametrize("op", OPS)
def test_special_floats_equal_tflm(tflm: TflmRuntime, op: str) -> None:
    x = np.array(SPECIAL_FLOATS + EXTREME_FLOATS, np.float32)
    data = op_model(op, [Input(x.shape, "float32")], [Input(x.shape, "float32")])
    ours, theirs = outputs_of_both(tflm, data, [[x]])
    assert_same_floats(ours, theirs)


def test_by_hand() -> None:
    """Input steps of 0.5 from -1, output steps of 1 from 2: 1.5 rounds away from zero, to 2."""
    x = np.array([-128, -2, -1, 0, 1, 2, 127], np.int8)
    relu = op_model("RELU", [Input((7,), "int8", 0.5, -1)], [Input((7,), "int8", 1.0, 2)])
    assert run_one(relu, x).tolist() == [2, 2, 2, 3, 3, 4, 66]
    # RELU6 keeps the input's steps: 6 is 12 of them, at 11
    relu6 = op_model("RELU6", [Input((7,), "int8", 0.5, -1)], [Input((7,), "int8", 1.0, 2)])
    assert run_one(relu6, x).tolist() == [-1, -1, -1, 0, 1, 2, 11]


@pytest.mark.parametrize("op", OPS)
def test_refusals(op: str) -> None:
    x = Input((2, 3), "int8", 0.5, 0)
    assert_refused(op_model(op, [x], [Input((3, 2), "int8", 0.5, 0)]), "wanted [2, 3]", tensor=1)
    assert_refused(op_model(op, [x, x], [x]), "has 2 inputs, wanted 1")
    assert_refused(op_model(op, [Input((3,), "int8")], [Input((3,), "int8", 1.0, 0)]), "no q", 0)
    other = Input((2, 3), "int16", 0.5, 0)
    assert_refused(op_model(op, [x], [other]), "int8 x int16", kind=UnsupportedError)
    deep = Input((1,) * 7, "float32")
    assert_refused(op_model(op, [deep], [deep]), "rank 7", tensor=0)


def test_relu_refuses_what_tflm_refuses() -> None:
    for place in (0, 1):
        tensors = [Input((3,), "int16", 0.5, 9 if i == place else 0) for i in range(2)]
        data = op_model("RELU", tensors[:1], tensors[1:])
        assert_refused(data, "zero point 9, wanted 0", tensor=place)
    x, out = Input((3,), "int8", 1e6, 0), Input((3,), "int8", 1e-6, 0)
    assert_refused(op_model("RELU", [x], [out]), "2^30 or more")


def test_relu6_refuses_a_scale_whose_six_leaves_int32() -> None:
    x = Input((3,), "int8", 2e-9, 0)
    assert_refused(op_model("RELU6", [x], [x]), "activation limit 6.0", tensor=0)

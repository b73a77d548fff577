"""MUL against TFLM, against spec loops, worked by hand, and what is refused."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from microinterp.errors import UnsupportedError
from microinterp.runtimes.tflm import TflmRuntime
from tests.ops.binary import Binary, binaries
from tests.ops.movement import Constant, Input, assert_refused, op_model, run_one
from tests.ops.strategies import seeds
from tests.ops.values import (
    EXTREME_FLOATS,
    SPECIAL_FLOATS,
    Number,
    ValueCase,
    assert_mostly_varied,
    assert_same_floats,
    check_values,
    outputs_of_both,
)
from tests.spec_ops import arithmetic as spec

QUANTIZED = ("int8", "int16")


def case_of(b: Binary) -> ValueCase:
    """The model of `b` and its expectation by the specification."""

    def element(x: Number, y: Number) -> Number:
        if b.dtype in QUANTIZED:
            return spec.mul_quantized(int(x), int(y), b.quant, b.dtype, b.activation)
        if b.dtype == "int32":
            return spec.plain_int32(int(x), int(y), b.op, b.activation)
        return spec.plain_float(x, y, b.op, b.activation)

    return ValueCase(b.data, lambda inputs: b.each(inputs, element))


@pytest.mark.parametrize("dtypes", [QUANTIZED, ("float32", "int32")])
def test_equals_tflm_and_spec(tflm: TflmRuntime, dtypes: tuple[str, ...]) -> None:
    seen: Counter[str] = Counter()

    @given(b=binaries("MUL", dtypes), seed=seeds())
    def check(b: Binary, seed: int) -> None:
        check_values(tflm, case_of(b), seed, seen)

    check()
    assert_mostly_varied(seen)


@pytest.mark.parametrize("activation", ["NONE", "RELU", "RELU6", "RELU_N1_TO_1"])
def test_special_floats_equal_tflm(tflm: TflmRuntime, activation: str) -> None:
    """Signed zeros, subnormals, infinities, NaN, in all pairs."""
    x, y = np.meshgrid(np.float32(SPECIAL_FLOATS + EXTREME_FLOATS), SPECIAL_FLOATS + EXTREME_FLOATS)
    operand = Input(x.shape, "float32")
    data = op_model("MUL", [operand, operand], [operand], fused_activation_function=activation)
    ours, theirs = outputs_of_both(tflm, data, [[x, y.astype(np.float32)]])
    assert_same_floats(ours, theirs)


def test_every_pair_of_int8_equals_tflm(tflm: TflmRuntime) -> None:
    """65536 products, requantised by a factor that makes ties of them (1/256)."""
    numbers = np.arange(-128, 128, dtype=np.int8)
    operand = Input((256, 1), "int8", 0.0625, -3)
    other = Input((256,), "int8", 0.0625, 90)
    data = op_model("MUL", [operand, other], [Input((256, 256), "int8", 1.0, 5)])
    ours, theirs = outputs_of_both(tflm, data, [[numbers[:, None], numbers]])
    np.testing.assert_array_equal(ours, theirs)
    assert len(np.unique(ours)) > 200


@given(x=st.integers(-(2**31), 2**31 - 1), y=st.integers(-(2**31), 2**31 - 1))
def test_int32_wraps(x: int, y: int) -> None:
    plain = Input((1,), "int32")
    data = op_model("MUL", [plain, plain], [plain])
    result = run_one(data, np.array([x], np.int32), np.array([y], np.int32))
    assert result[0] == (x * y + 2**31) % 2**32 - 2**31


def test_by_hand() -> None:
    """(3 - 1) * (7 - 2) = 10 products of 0.125 are 1.25; in steps of 0.5 2.5, rounded to 3.

    1.25 = 10 * 0.125; 0.125 / 0.5 = 0.25 is 2^30 * 2^(-1-31): 10 * 2^30 / 2^31 = 5, then 5 / 2 is
    a tie and leaves zero: 3, and -3 for -10.
    """
    a, b = Input((1, 2), "int8", 0.5, 1), Input((1, 2), "int8", 0.25, 2)
    data = op_model("MUL", [a, b], [Input((1, 2), "int8", 0.5, 4)])
    result = run_one(data, np.array([[3, -1]], np.int8), np.array([[7, 7]], np.int8))
    assert result.tolist() == [[7, 1]]


def q(dtype: str = "int8", zero: int = 0, shape: tuple[int, ...] = (2, 3)) -> Input:
    return Input(shape, dtype, 0.5, zero)


def test_refuses_types_and_shapes() -> None:
    mixed = op_model("MUL", [q(), q("int16")], [q()])
    assert_refused(mixed, "int8 x int16 x int8", kind=UnsupportedError)
    assert_refused(op_model("MUL", [q(), q(), q()], [q()]), "has 3 inputs, wanted 2")
    assert_refused(op_model("MUL", [q(), q(shape=(2,))], [q()]), "does not broadcast", tensor=1)
    assert_refused(op_model("MUL", [q(), q()], [q(shape=(3, 2))]), "wanted [2, 3]", tensor=2)
    assert_refused(op_model("MUL", [q(), q()], [q()], with_options=False), "MulOptions")


@pytest.mark.parametrize("place", [0, 1, 2])
def test_refuses_int16_zero_points(place: int) -> None:
    tensors = [q("int16", 3 if i == place else 0) for i in range(3)]
    data = op_model("MUL", tensors[:2], tensors[2:])
    assert_refused(data, "zero point 3, wanted 0", tensor=place)


def test_refuses_quantisation() -> None:
    bare = Input((2, 3), "int8")
    assert_refused(op_model("MUL", [q(), bare], [q()]), "no quantisation", tensor=1)
    huge = Input((2, 3), "int8", 1e9, 0)
    assert_refused(op_model("MUL", [huge, huge], [q()]), "2^30 or more")


def test_scale_zero_gives_the_zero_point(tflm: TflmRuntime) -> None:
    """A constant of scale 0 stands for nothing but 0."""
    weights = Constant(np.arange(6, dtype=np.int8).reshape(2, 3), 0.0, 0)
    data = op_model("MUL", [q(), weights], [q(zero=7)])
    x = np.full((2, 3), 100, np.int8)
    ours, theirs = outputs_of_both(tflm, data, [[x]])
    assert ours.tolist() == theirs.tolist() == [[[7, 7, 7], [7, 7, 7]]]

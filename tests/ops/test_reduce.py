"""MEAN and SUM against TFLM, against spec loops, worked by hand, and what is refused."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given

from microinterp import Interpreter
from microinterp.errors import UnsupportedError
from microinterp.runtimes.tflm import TflmRuntime
from tests.differential.cases.reduce import OPS, cases
from tests.ops.movement import Constant, Input, assert_refused, numbers, op_model, run_one
from tests.ops.strategies import seeds
from tests.ops.values import (
    EXTREME_FLOATS,
    SPECIAL_FLOATS,
    ValueCase,
    assert_mostly_varied,
    assert_same_floats,
    check_values,
    outputs_of_both,
)
from tests.spec_ops import reduce as spec


@pytest.mark.parametrize("op", OPS)
@pytest.mark.parametrize("dtypes", [("int8", "int16"), ("float32",)], ids=["quantized", "float"])
def test_equals_tflm_and_spec(tflm: TflmRuntime, op: str, dtypes: tuple[str, ...]) -> None:
    seen: Counter[str] = Counter()

    @given(case=cases(op, dtypes), seed=seeds())
    def check(case: ValueCase, seed: int) -> None:
        check_values(tflm, case, seed, seen)

    check()
    assert_mostly_varied(seen)


@pytest.mark.parametrize("op", OPS)
def test_scratch_is_planned_as_in_tflm(tflm: TflmRuntime, op: str) -> None:
    """The arena's head has the bytes of TFLM's: tensors and the kernel's scratch."""

    @given(case=cases(op, ("int8", "int16", "float32")))
    def check(case: ValueCase) -> None:
        ours = Interpreter.from_bytes(case.data)
        assert ours.arena.head_bytes == tflm.arena(case.data).head_bytes

    check()


@pytest.mark.parametrize("op", OPS)
def test_float_sums_run_in_order(tflm: TflmRuntime, op: str) -> None:
    """Sums of a thousand numbers of any size, along each axis; adding in pairs would show."""
    rng = np.random.default_rng(11)
    x = (rng.standard_normal((3, 40, 25)) * 10.0 ** rng.integers(-3, 4, (3, 40, 25))).astype("f4")
    for axes in ((0,), (1,), (2,), (1, 2), (0, 1), (0, 2), (2, 1, 0)):
        out = Input(spec.reduced_shape(x.shape, axes, False), "float32")
        data = op_model(op, [Input(x.shape, "float32"), numbers(*axes)], [out], keep_dims=False)
        ours, theirs = outputs_of_both(tflm, data, [[x]])
        assert_same_floats(ours, theirs)


def test_float_mean_of_images(tflm: TflmRuntime) -> None:
    """TFLM has a kernel of its own for the mean of height and width; it gives the same."""
    x = np.random.default_rng(12).standard_normal((2, 7, 6, 5)).astype(np.float32)
    for axes in ((1, 2), (2, 1), (-3, -2)):
        for keep_dims in (True, False):
            out = Input(spec.reduced_shape(x.shape, axes, keep_dims), "float32")
            inputs = [Input(x.shape, "float32"), numbers(*axes)]
            data = op_model("MEAN", inputs, [out], keep_dims=keep_dims)
            ours, theirs = outputs_of_both(tflm, data, [[x]])
            assert_same_floats(ours, theirs)


@pytest.mark.parametrize("op", OPS)
def test_special_floats_equal_tflm(tflm: TflmRuntime, op: str) -> None:
    """A sum starts at 0.0, so that -0.0 alone gives 0.0."""
    special = np.float32(SPECIAL_FLOATS + EXTREME_FLOATS)
    x = np.stack(np.meshgrid(special, special), axis=-1).reshape(-1, 2)
    for axes, shape in (((1,), x.shape[:1]), ((), x.shape)):
        inputs = [Input(x.shape, "float32"), numbers(*axes)]
        data = op_model(op, inputs, [Input(shape, "float32")], keep_dims=False)
        ours, theirs = outputs_of_both(tflm, data, [[x]])
        assert_same_floats(ours, theirs)


def test_sum_of_int16_wraps(tflm: TflmRuntime) -> None:
    """70000 times 32767 leaves int32; so do 70000 zero points."""
    x = np.full((1, 70000), 32767, np.int16)
    for zero in (0, -32768):
        inputs = [Input(x.shape, "int16", 1.0, zero), numbers(1)]
        data = op_model("SUM", inputs, [Input((1,), "int16", 65536.0, 0)], keep_dims=False)
        ours, theirs = outputs_of_both(tflm, data, [[x]])
        assert ours.tolist() == theirs.tolist()
        exact = 70000 * (32767 - zero)
        assert ours[0, 0] == round(((exact + 2**31) % 2**32 - 2**31) / 65536)


def test_by_hand() -> None:
    """[[1, 2, 4], [5, 5, 5]] with zero point 1: sums 4 and 12, means 4/3 and 4."""
    x = np.array([[1, 2, 4], [5, 5, 5]], np.int8)
    inputs = [Input((2, 3), "int8", 0.5, 1), numbers(1)]
    sums = op_model("SUM", inputs, [Input((2,), "int8", 1.0, -3)], keep_dims=False)
    assert run_one(sums, x).tolist() == [2 - 3, 6 - 3]
    # 4/3 * 0.5 is 2.67 steps of 0.25, 4 * 0.5 is 8
    means = op_model("MEAN", inputs, [Input((2, 1), "int8", 0.25, 10)], keep_dims=True)
    assert run_one(means, x).tolist() == [[13], [18]]


def refused(op: str, axis: Input | Constant, out: Input, text: str, tensor: int | None) -> None:
    x = Input((2, 3), out.dtype, *((None, None) if out.dtype == "float32" else (0.5, 0)))
    assert_refused(op_model(op, [x, axis], [out], keep_dims=False), text, tensor=tensor)


@pytest.mark.parametrize("op", OPS)
def test_refusals(op: str) -> None:
    out = Input((2,), "int8", 0.5, 0)
    for axis in (2, -3):
        refused(op, numbers(axis), out, f"axis {axis} is outside rank 2", 1)
    refused(op, Input((1,), "int32"), out, "is computed at run time", 1)
    refused(op, Constant(np.array([1], np.int64)), out, "type int64, wanted int32", 1)
    refused(op, numbers(0), out, "wanted [3]", 2)
    refused(op, numbers(1), Input((2,), "int8"), "no quantisation", 2)
    refused(op, numbers(1), Input((2,), "int8", 1e-10, 0), "2^30 or more", None)
    x = Input((2, 3), "int8", 0.5, 0)
    assert_refused(op_model(op, [x], [out]), "has 1 inputs, wanted 2")
    assert_refused(op_model(op, [x, numbers(1)], [out], with_options=False), "ReducerOptions")
    wide = op_model(op, [x, numbers(1)], [Input((2,), "int16", 0.5, 0)])
    assert_refused(wide, "int8 x int16", kind=UnsupportedError)
    empty = op_model(op, [Input((0, 3), "int8", 0.5, 0), numbers(0)], [Input((3,), "int8", 0.5, 0)])
    assert_refused(empty, "no elements", tensor=0)


def test_float_mean_of_many_axes() -> None:
    """TFLM's float MEAN writes axis numbers into an array of four; its SUM does not."""
    out = Input((2,), "float32")
    refused("MEAN", numbers(1, 1, 1, 1, 1), out, "lists 5 axes", 1)
    inputs = [Input((2, 3), "float32"), numbers(1, 1, 1, 1, 1)]
    total = op_model("SUM", inputs, [out], keep_dims=False)
    assert run_one(total, np.ones((2, 3), np.float32)).tolist() == [3, 3]

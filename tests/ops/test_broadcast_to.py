"""BROADCAST_TO and BROADCAST_ARGS against spec loops, worked by hand, and what is refused.

tests/differential/cases/broadcast_to.py compares them with TFLM.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

from microinterp import Interpreter
from microinterp.errors import UnsupportedError
from microinterp.runtimes.tflm import TflmRuntime
from tests.differential.cases.broadcast_to import broadcasts, compatible, shape_pairs
from tests.ops.expected import (
    assert_both_refuse,
    assert_fails_at_invoke,
    check_bits,
    check_numbers,
)
from tests.ops.movement import Case, Constant, Input, assert_refused, numbers, op_model, run_one
from tests.ops.strategies import seeds
from tests.ops.values import ValueCase


@given(case=broadcasts(), seed=seeds())
def test_broadcast_to_equals_spec(case: Case, seed: int) -> None:
    check_bits(case, seed)


@pytest.mark.parametrize("dtype", ["int32", "int64"])
def test_broadcast_args_equals_spec(dtype: str) -> None:
    @given(case=shape_pairs(dtype), seed=seeds())
    def check(case: ValueCase, seed: int) -> None:
        check_numbers(case, seed, compatible)

    check()


def test_by_hand() -> None:
    data = op_model("BROADCAST_TO", [Input((2, 1)), numbers(2, 2, 3)], [Input((2, 2, 3))])
    x = np.array([[1], [2]], np.int8)
    assert run_one(data, x).tolist() == [[[1, 1, 1], [2, 2, 2]]] * 2
    args = [Input((3,), "int32"), numbers(4, 1)]
    data = op_model("BROADCAST_ARGS", args, [Input((3,), "int32")])
    assert run_one(data, np.array([2, 1, 5], np.int32)).tolist() == [2, 4, 5]


def test_int64_shapes_are_cut_to_int32(tflm: TflmRuntime) -> None:
    one = Input((1,), "int64")
    data = op_model("BROADCAST_ARGS", [one, one], [one])
    sample = [np.array([2**32 + 7]), np.array([1])]
    assert run_one(data, *sample).tolist() == [7]
    assert tflm.run(data, [sample]).outputs[0][0].tolist() == [7]


def test_shapes_that_do_not_broadcast(tflm: TflmRuntime) -> None:
    args = [Input((2,), "int32"), Input((1,), "int32")]
    data = op_model("BROADCAST_ARGS", args, [Input((2,), "int32")])
    sample = [np.array([4, 2], np.int32), np.array([3], np.int32)]
    assert_fails_at_invoke(tflm, data, sample, "the shapes do not broadcast", None)
    zero = [np.array([4, 0], np.int32), np.array([1], np.int32)]
    interpreter = Interpreter.from_bytes(data)
    (batch,) = interpreter.run_batch(*(np.stack([array] * 2) for array in zero))
    assert batch.tolist() == [[4, 0]] * 2


X, SHAPE, OUT = Input((1, 3)), numbers(2, 3), Input((2, 3))


@pytest.mark.parametrize(
    ("inputs", "output", "text", "tensor"),
    [
        ([X], OUT, "has 1 inputs, wanted 2", None),
        ([X, Input((2,), "int32")], OUT, "is computed at run time", 1),
        ([X, numbers(2, 3, 1)], OUT, "has 3 elements, wanted 2", 1),
        ([X, numbers((2, 3))], OUT, "rank 2, wanted 1", 1),
        ([X, Constant(np.array([2, 3], np.int16))], OUT, "type int16, wanted", 1),
        ([X, numbers(2, 4)], OUT, "shape [2, 3], wanted [2, 4]", 2),
        ([X, SHAPE], Input((2, 3), "int16"), "type int16, wanted int8", 2),
        ([X, numbers(2, 4)], Input((2, 4)), "shape [1, 3] does not broadcast to [2, 4]", 0),
        ([Input((1, 2, 3)), SHAPE], OUT, "rank 3, wanted 0 to 2", 0),
        ([Input((1,) * 6), numbers(*[1] * 6)], Input((1,) * 6), "rank 6, wanted 1 to 5", 2),
        ([Input(()), Constant(np.zeros(0, np.int32))], Input(()), "rank 0, wanted 1 to 5", 2),
    ],
)
def test_broadcast_to_refused_as_tflm_does(
    tflm: TflmRuntime, inputs: list[Input | Constant], output: Input, text: str, tensor: int | None
) -> None:
    assert_both_refuse(tflm, op_model("BROADCAST_TO", inputs, [output]), text, tensor)


def test_int4_refused() -> None:
    """TFLM copies bytes, of which an int4 element has none: its output stays unwritten."""
    data = op_model("BROADCAST_TO", [Input((1,), "int4"), numbers(3)], [Input((3,), "int4")])
    assert_refused(data, "int4 cannot be broadcast", 0, UnsupportedError)


def test_broadcast_args_refused(tflm: TflmRuntime) -> None:
    one, two = Input((1,), "int32"), Input((2,), "int32")
    data = op_model("BROADCAST_ARGS", [one, two], [Input((3,), "int32")])
    assert_refused(data, "shape [3], wanted [2]", 2)
    data = op_model("BROADCAST_ARGS", [one, Input((1,), "int64")], [one])
    assert_both_refuse(tflm, data, "type int64, wanted int32", 1)
    data = op_model("BROADCAST_ARGS", [one, Input((1, 1), "int32")], [one])
    assert_both_refuse(tflm, data, "rank 2, wanted 1", 1)
    for dtype in ("int16", "float32", "uint8"):
        x = Input((1,), dtype)
        text = f"element types {dtype} x {dtype} are not supported"
        data = op_model("BROADCAST_ARGS", [x, x], [x])
        assert_both_refuse(tflm, data, text, kind=UnsupportedError)

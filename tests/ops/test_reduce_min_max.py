"""REDUCE_MAX, REDUCE_MIN and REDUCE_ALL against spec loops, worked by hand, and what is refused.

tests/differential/cases/reduce_min_max.py compares them with TFLM.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

from microinterp import Interpreter
from microinterp.errors import UnsupportedError
from microinterp.runtimes.tflm import TflmRuntime
from tests.differential.cases.reduce_min_max import DRAWS, START, reductions
from tests.ops.expected import assert_both_refuse, check_numbers
from tests.ops.movement import Constant, Input, assert_refused, numbers, op_model, run_one
from tests.ops.strategies import seeds
from tests.ops.values import ValueCase

OPS = ("REDUCE_MAX", "REDUCE_MIN", "REDUCE_ALL")


@pytest.mark.parametrize(("op", "dtype"), START)
def test_equals_spec(op: str, dtype: str) -> None:
    @given(case=reductions(op, dtype), seed=seeds())
    def check(case: ValueCase, seed: int) -> None:
        check_numbers(case, seed, DRAWS[dtype])

    check()


def test_scratch_is_planned_as_in_tflm(tflm: TflmRuntime) -> None:
    """The arena's head has the bytes of TFLM's: tensors and the kernel's scratch."""

    @given(case=reductions("REDUCE_MAX", "int8"))
    def check(case: ValueCase) -> None:
        ours = Interpreter.from_bytes(case.data)
        assert ours.arena.head_bytes == tflm.arena(case.data).head_bytes

    check()


def line(op: str, values: list[float]) -> float:
    size = len(values)
    data = op_model(op, [Input((size,), "float32"), numbers(0)], [Input((), "float32")])
    return float(run_one(data, np.array(values, np.float32)))


def test_by_hand() -> None:
    x = np.array([[1, -5, 3], [4, 0, -6]], np.int8)
    for op, axis, expected in (
        ("REDUCE_MAX", 1, [3, 4]),
        ("REDUCE_MAX", 0, [4, 0, 3]),
        ("REDUCE_MIN", -1, [-5, -6]),
    ):
        data = op_model(op, [Input((2, 3)), numbers(axis)], [Input((len(expected),))])
        assert run_one(data, x).tolist() == expected
    data = op_model("REDUCE_ALL", [Input((2, 2), "bool"), numbers(1)], [Input((2,), "bool")])
    assert run_one(data, np.array([[True, True], [True, False]])).tolist() == [True, False]


def test_floats_are_found_only_past_the_start() -> None:
    """Infinity on the wrong side and NaN are never the result; of two zeros the first one is."""
    largest = float(np.finfo(np.float32).max)
    assert line("REDUCE_MAX", [-np.inf, np.nan]) == -largest
    assert line("REDUCE_MIN", [np.inf, np.nan]) == largest
    assert line("REDUCE_MAX", [np.nan, 2.0, np.nan]) == 2.0
    assert np.signbit(line("REDUCE_MAX", [-0.0, 0.0]))
    assert not np.signbit(line("REDUCE_MIN", [0.0, -0.0]))


@pytest.mark.parametrize(
    ("inputs", "output", "text", "tensor"),
    [
        ([0], Input((2,)), "has 1 inputs, wanted 2", None),
        ([0, Constant(np.array([1]))], Input((2,)), "type int64, wanted int32", 1),
        ([0, numbers(2)], Input((2,)), "axis 2 is outside rank 2", 1),
        ([0, Input((1,), "int32")], Input((2,)), "is computed at run time", 1),
        ([0, numbers(1)], Input((3,)), "shape [3], wanted [2]", 2),
        ([0, numbers(1)], Input((2, 1)), "shape [2, 1], wanted [2]", 2),
    ],
)
@pytest.mark.parametrize("op", OPS)
def test_refused(op: str, inputs: list, output: Input, text: str, tensor: int | None) -> None:
    dtype = "bool" if op == "REDUCE_ALL" else "int8"
    given_inputs = [Input((2, 3), dtype), *inputs[1:]]
    assert_refused(op_model(op, given_inputs, [Input(output.shape, dtype)]), text, tensor)


@pytest.mark.parametrize("op", OPS[:2])
def test_quantisation_must_be_equal(tflm: TflmRuntime, op: str) -> None:
    for out in (Input((2,), "int8", 0.5, 1), Input((2,), "int8", 0.25, 0)):
        data = op_model(op, [Input((2, 3), "int8", 0.5, 0), numbers(1)], [out])
        assert_both_refuse(tflm, data, "wanted the input's 0.5 and 0", 2)


@pytest.mark.parametrize(
    ("op", "types"),
    [
        ("REDUCE_MAX", ("int16", "int16")),
        ("REDUCE_MIN", ("int32", "int32")),
        ("REDUCE_MAX", ("int8", "float32")),
        ("REDUCE_MAX", ("bool", "bool")),
        ("REDUCE_ALL", ("int8", "int8")),
    ],
)
def test_types_refused(tflm: TflmRuntime, op: str, types: tuple[str, str]) -> None:
    data = op_model(op, [Input((2, 3), types[0]), numbers(1)], [Input((2,), types[1])])
    text = f"element types {' x '.join(types)} are not supported"
    assert_both_refuse(tflm, data, text, kind=UnsupportedError)

"""SPACE_TO_BATCH_ND and BATCH_TO_SPACE_ND against spec loops, worked by hand, and refusals.

tests/differential/cases/space_to_batch_nd.py compares them with TFLM.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

from microinterp.errors import UnsupportedError
from microinterp.runtimes.tflm import TflmRuntime
from tests.differential.cases.space_to_batch_nd import batches
from tests.ops.expected import assert_both_refuse, check_bits
from tests.ops.movement import Case, Constant, Input, assert_refused, numbers, op_model, run_one
from tests.ops.strategies import seeds

OPS = ("SPACE_TO_BATCH_ND", "BATCH_TO_SPACE_ND")
NO_EDGES = numbers((0, 0), (0, 0))


@pytest.mark.parametrize("op", OPS)
@pytest.mark.parametrize("dtype", ["float32", "int8"])
def test_equals_spec(op: str, dtype: str) -> None:
    @given(case=batches(op, dtype), seed=seeds())
    def check(case: Case, seed: int) -> None:
        check_bits(case, seed)

    check()


def test_by_hand() -> None:
    image = np.arange(1, 5, dtype=np.int8).reshape(1, 2, 2, 1)
    ins = [Input((1, 2, 2, 1)), numbers(2, 2), NO_EDGES]
    data = op_model("SPACE_TO_BATCH_ND", ins, [Input((4, 1, 1, 1))])
    deep = run_one(data, image)
    assert deep.ravel().tolist() == [1, 2, 3, 4]
    ins = [Input((4, 1, 1, 1)), numbers(2, 2), numbers((1, 0), (0, 1))]
    data = op_model("BATCH_TO_SPACE_ND", ins, [Input((1, 1, 1, 1))])
    assert run_one(data, deep).ravel().tolist() == [3]


def test_padding_is_the_byte_0() -> None:
    """Not the zero point, as TFLite has it."""
    ins = [Input((1, 3, 1), "int8", 0.5, -7), numbers(2), numbers((0, 1))]
    data = op_model("SPACE_TO_BATCH_ND", ins, [Input((2, 2, 1), "int8", 0.5, -7)])
    x = np.array([1, 2, 3], np.int8).reshape(1, 3, 1)
    assert run_one(data, x).ravel().tolist() == [1, 3, 2, 0]


X, BLOCK = Input((4, 2, 2, 1)), numbers(2, 2)
BATCHED, IMAGE = Input((16, 1, 1, 1)), Input((1, 4, 4, 1))


@pytest.mark.parametrize(
    ("inputs", "text", "tensor"),
    [
        ([X, BLOCK], "has 2 inputs, wanted 3", None),
        ([X, numbers(2, 0), NO_EDGES], "block [2, 0], wanted sizes of 1 or more", 1),
        ([X, numbers(2, -2), NO_EDGES], "block [2, -2], wanted", 1),
        ([X, numbers(2), NO_EDGES], "shape [1], wanted [2]", 1),
        ([X, BLOCK, numbers((0, 0))], "shape [1, 2], wanted [2, 2]", 2),
        ([X, BLOCK, numbers((0, 0), (-1, 1))], "[0, 0, -1, 1], wanted none below 0", 2),
        ([X, Input((2,), "int32"), NO_EDGES], "is computed at run time", 1),
        ([X, BLOCK, Input((2, 2), "int32")], "is computed at run time", 2),
        ([X, BLOCK, Constant(np.zeros((2, 2), np.int64))], "type int64, wanted int32", 2),
        ([X, numbers(3, 3), NO_EDGES], "do not make up blocks of 3 x 3", 0),
    ],
)
@pytest.mark.parametrize("op", OPS)
def test_refused(op: str, inputs: list[Input | Constant], text: str, tensor: int | None) -> None:
    out = BATCHED if op == "SPACE_TO_BATCH_ND" else IMAGE
    assert_refused(op_model(op, inputs, [out]), text, tensor)


@pytest.mark.parametrize("op", OPS)
def test_output_shape(op: str) -> None:
    for shape in ((16, 1, 1, 2), (8, 2, 1, 1), (1, 4, 3, 1)):
        data = op_model(op, [X, BLOCK, NO_EDGES], [Input(shape)])
        assert_refused(data, f"shape {[*shape]}, wanted", 3)


@pytest.mark.parametrize("op", OPS)
def test_refused_as_tflm_does(tflm: TflmRuntime, op: str) -> None:
    flat, deep = Input((4, 2)), Input((1,) * 5)
    data = op_model(op, [flat, numbers(2), numbers((0, 0))], [flat])
    assert_both_refuse(tflm, data, "rank 2, wanted 3 to 4", 0)
    data = op_model(op, [deep, numbers(1, 1, 1), numbers((0, 0), (0, 0), (0, 0))], [deep])
    assert_both_refuse(tflm, data, "rank 5, wanted 3 to 4", 0)
    for dtype in ("int16", "uint8", "int32"):
        x, one = Input((1, 1, 1, 1), dtype), numbers(1, 1)
        text = f"element types {dtype} x {dtype} are not supported"
        data = op_model(op, [x, one, NO_EDGES], [x])
        assert_both_refuse(tflm, data, text, kind=UnsupportedError)

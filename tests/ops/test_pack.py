"""PACK and UNPACK against spec loops, worked by hand, and what is refused.

tests/differential/cases/pack.py compares them with TFLM.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

from microinterp import Interpreter
from microinterp.errors import UnsupportedError
from microinterp.kernels.pack import PACK_TYPES, UNPACK_TYPES
from microinterp.runtimes.tflm import TflmRuntime
from tests.differential.cases.pack import packs, unpacks
from tests.ops.expected import assert_both_refuse, check_bits
from tests.ops.movement import Case, Input, assert_refused, op_model, run_bits, run_one
from tests.ops.strategies import seeds


@pytest.mark.parametrize(
    ("op", "dtype"),
    [*(("PACK", t) for t in PACK_TYPES), *(("UNPACK", t) for t in UNPACK_TYPES)],
)
def test_equals_spec(op: str, dtype: str) -> None:
    @given(case=packs(dtype) if op == "PACK" else unpacks(dtype), seed=seeds())
    def check(case: Case, seed: int) -> None:
        check_bits(case, seed)

    check()


def test_by_hand() -> None:
    parts = [Input((2,)), Input((2,))]
    a, b = np.array([1, 2], np.int8), np.array([3, 4], np.int8)
    for axis, expected in ((0, [[1, 2], [3, 4]]), (1, [[1, 3], [2, 4]]), (-1, [[1, 3], [2, 4]])):
        data = op_model("PACK", parts, [Input((2, 2))], axis=axis, values_count=2)
        assert run_one(data, a, b).tolist() == expected
        data = op_model("UNPACK", [Input((2, 2))], parts, axis=axis, num=2)
        packed = np.array(expected, np.int8)
        assert run_bits(Interpreter.from_bytes(data), [packed]) == [[1, 2], [3, 4]]


PART, WHOLE = Input((3,)), Input((2, 3))


@pytest.mark.parametrize(
    ("inputs", "output", "options", "text", "tensor"),
    [
        ([], WHOLE, {"values_count": 0}, "has 0 inputs, wanted 1", None),
        ([PART] * 2, WHOLE, {"values_count": 2, "axis": 2}, "axis 2 is outside rank 2", None),
        ([PART] * 2, WHOLE, {"values_count": 2, "axis": 1}, "axis 1 of int8[2, 3] has 3", 2),
        ([PART] * 2, WHOLE, {"values_count": 3}, "counts 3 parts, there are 2", 2),
        ([PART], WHOLE, {"values_count": 1}, "axis 0 of int8[2, 3] has 2", 1),
        ([PART, Input((2,))], WHOLE, {"values_count": 2}, "shape [2], wanted [3]", 1),
        ([PART, Input((3,), "int16")], WHOLE, {"values_count": 2}, "type int16, wanted int8", 1),
        ([PART, None], WHOLE, {"values_count": 2}, "input 1 is missing", None),
        ([PART], Input(()), {"values_count": 1}, "axis 0 is outside rank 0", None),
    ],
)
def test_pack_refused(
    inputs: list[Input | None], output: Input, options: dict[str, int], text: str, tensor: int
) -> None:
    assert_refused(op_model("PACK", inputs, [output], **options), text, tensor)


@pytest.mark.parametrize(
    ("outputs", "options", "text", "tensor"),
    [
        ([], {"num": 0}, "output 0 is missing", None),
        ([PART] * 2, {"num": 2, "axis": -3}, "axis -3 is outside rank 2", None),
        ([PART] * 2, {"num": 1}, "counts 1 parts, there are 2", 0),
        ([PART], {"num": 1}, "axis 0 of int8[2, 3] has 2", 0),
        ([PART, Input((2,))], {"num": 2}, "shape [2], wanted [3]", 2),
        ([PART, Input((3,), "int16")], {"num": 2}, "type int16, wanted int8", 2),
    ],
)
def test_unpack_refused(
    outputs: list[Input], options: dict[str, int], text: str, tensor: int | None
) -> None:
    assert_refused(op_model("UNPACK", [WHOLE], outputs, **options), text, tensor)


@pytest.mark.parametrize("dtype", ["uint8", "bool", "uint32", "int64"])
def test_types_refused(tflm: TflmRuntime, dtype: str) -> None:
    part, whole = Input((3,), dtype), Input((2, 3), dtype)
    text = f"element types {dtype} x {dtype} are not supported"
    data = op_model("UNPACK", [whole], [part] * 2, num=2)
    assert_both_refuse(tflm, data, text, kind=UnsupportedError)
    if dtype != "int64":
        data = op_model("PACK", [part] * 2, [whole], values_count=2)
        assert_both_refuse(tflm, data, text, kind=UnsupportedError)

"""MIRROR_PAD against spec loops, worked by hand, and what is refused.

tests/differential/cases/mirror_pad.py compares it with TFLM.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

from microinterp import Interpreter
from microinterp.errors import UnsupportedError
from microinterp.runtimes.tflm import TflmRuntime
from tests.differential.cases.mirror_pad import mirror_pads
from tests.ops.expected import assert_both_refuse, check_bits
from tests.ops.movement import Case, Constant, Input, assert_refused, numbers, op_model, run_one
from tests.ops.strategies import seeds


@pytest.mark.parametrize("dtype", ["float32", "int8"])
def test_equals_spec(dtype: str) -> None:
    @given(case=mirror_pads(dtype), seed=seeds())
    def check(case: Case, seed: int) -> None:
        check_bits(case, seed)

    check()


def test_scratch_is_planned_as_in_tflm(tflm: TflmRuntime) -> None:
    """The arena's head has the bytes of TFLM's: tensors and the kernel's scratch."""

    @given(case=mirror_pads("int8"))
    def check(case: Case) -> None:
        ours = Interpreter.from_bytes(case.data)
        assert ours.arena.head_bytes == tflm.arena(case.data).head_bytes

    check()


@pytest.mark.parametrize(
    ("mode", "pad", "expected"),
    [
        ("REFLECT", (2, 2), [3, 2, 1, 2, 3, 2, 1]),
        ("SYMMETRIC", (2, 2), [2, 1, 1, 2, 3, 3, 2]),
        ("SYMMETRIC", (3, 0), [3, 2, 1, 1, 2, 3]),
        ("REFLECT", (0, 4), [1, 2, 3, 2, 1, 1, 1]),
    ],
)
def test_by_hand(mode: str, pad: tuple[int, int], expected: list[int]) -> None:
    out = Input((3 + sum(pad),))
    data = op_model("MIRROR_PAD", [Input((3,)), numbers(pad)], [out], mode=mode)
    assert run_one(data, np.array([1, 2, 3], np.int8)).tolist() == expected


X, PAD, OUT = Input((2,)), numbers((1, 1)), Input((4,))


@pytest.mark.parametrize(
    ("inputs", "output", "text", "tensor"),
    [
        ([X], OUT, "has 1 inputs, wanted 2", None),
        ([X, PAD], Input((5,)), "shape [5], wanted [4]", 2),
        ([X, numbers((2, 0))], OUT, "padding [2, 0] of axis 0, wanted 0 to 1 on the left", 1),
        ([X, numbers((-1, 3))], OUT, "padding [-1, 3] of axis 0", 1),
        ([X, numbers((3, -1))], OUT, "padding [3, -1] of axis 0", 1),
        ([X, Input((1, 2), "int32")], OUT, "is computed at run time", 1),
        ([Input((0,)), numbers((1, 3))], OUT, "padding [1, 3] of axis 0", 1),
        ([Input((0,)), numbers((0, 4))], OUT, "has no elements to mirror", 0),
    ],
)
def test_refused(
    inputs: list[Input | Constant], output: Input, text: str, tensor: int | None
) -> None:
    data = op_model("MIRROR_PAD", inputs, [output], mode="REFLECT")
    assert_refused(data, text, tensor)


def test_refused_as_tflm_does(tflm: TflmRuntime) -> None:
    for paddings in (numbers(1, 1), numbers((1, 1), (1, 1))):
        data = op_model("MIRROR_PAD", [X, paddings], [OUT], mode="REFLECT")
        assert_both_refuse(tflm, data, f"shape {[*paddings.values.shape]}, wanted [1, 2]", 1)
    for dtype in ("int16", "int32", "uint8"):
        data = op_model("MIRROR_PAD", [Input((2,), dtype), PAD], [Input((4,), dtype)], mode=1)
        text = f"element types {dtype} x {dtype} are not supported"
        assert_both_refuse(tflm, data, text, kind=UnsupportedError)

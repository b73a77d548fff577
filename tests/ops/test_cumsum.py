"""CUMSUM against spec loops, worked by hand, to the last bit of its multiplier, and refusals.

tests/differential/cases/cumsum.py compares it with TFLM.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

from microinterp.errors import UnsupportedError
from microinterp.quant import fixedpoint
from microinterp.quant.params import quantize_multiplier
from microinterp.runtimes.tflm import TflmRuntime
from tests.differential.cases.cumsum import DRAW, sums
from tests.ops.expected import assert_both_refuse, assert_fails_at_invoke, check_numbers
from tests.ops.movement import Constant, Input, assert_refused, numbers, op_model, run_one
from tests.ops.strategies import seeds
from tests.ops.values import ValueCase


@pytest.mark.parametrize("dtype", ["float32", "int8"])
def test_equals_spec(dtype: str) -> None:
    @given(case=sums(dtype), seed=seeds())
    def check(case: ValueCase, seed: int) -> None:
        check_numbers(case, seed, DRAW)

    check()


@pytest.mark.parametrize(
    ("exclusive", "reverse", "expected"),
    [
        (False, False, [1, 3, 6]),
        (True, False, [0, 1, 3]),
        (False, True, [6, 5, 3]),
        (True, True, [5, 3, 0]),
    ],
)
def test_by_hand(exclusive: bool, reverse: bool, expected: list[int]) -> None:
    for dtype, quant in (("float32", (None, None)), ("int8", (0.5, 0))):
        x = Input((1, 3), dtype, *quant)
        data = op_model("CUMSUM", [x, numbers(-1)], [x], exclusive=exclusive, reverse=reverse)
        assert run_one(data, np.array([[1, 2, 3]], dtype)).tolist() == [expected]


def test_int8_sums_begin_with_minus_the_zero_point() -> None:
    """Real inputs 1, 2, 3 with zero point -4 (bytes -3, -2, -1): each sum is 4 too large."""
    x, out = Input((3,), "int8", 1.0, -4), Input((3,), "int8", 1.0, 0)
    data = op_model("CUMSUM", [x, numbers(0)], [out])
    assert run_one(data, np.array([-3, -2, -1], np.int8)).tolist() == [5, 7, 10]


def test_int8_sums_wrap() -> None:
    """Each element counts 127 * 2^19: the 33rd sum leaves int32."""
    x, out = Input((34,), "int8", 1.0, 0), Input((34,), "int8", 40.0, 0)
    data = op_model("CUMSUM", [x, numbers(0)], [out])
    sums = run_one(data, np.full(34, 127, np.int8)).tolist()
    assert sums[30:] == [98, 102, -100, -97]


def telling_scales(count: int) -> list[tuple[np.float32, np.float32]]:
    """Scales of input and output under which a multiplier folded in float32 changes some sum."""
    rng = np.random.default_rng(5)
    totals = (np.arange(1, 8192, dtype=np.int64) << 19).astype(np.int32)
    found: list[tuple[np.float32, np.float32]] = []
    while len(found) < count:
        scale = np.float32(rng.uniform(1e-3, 1e-1))
        out = np.float32(scale * rng.uniform(33, 60))
        double = 2 * float(scale) / (2**20 * float(out))
        single = float(np.float32(2) * scale / (np.float32(2**20) * out))
        results = [
            np.clip(fixedpoint.multiply_double(totals, m.multiplier, m.shift), -128, 127)
            for m in map(quantize_multiplier, (double, single))
        ]
        if (results[0] != results[1]).any():
            found.append((scale, out))
    return found


def test_multiplier_is_folded_in_double(tflm: TflmRuntime) -> None:
    """Every sum that an int8 CUMSUM can have, under scales that tell double from float32."""
    steps = np.ones(8191, np.int8)
    for scale, out_scale in telling_scales(5):
        x, out = Input((8191,), "int8", scale, 0), Input((8191,), "int8", out_scale, 0)
        data = op_model("CUMSUM", [x, numbers(0)], [out])
        ours = run_one(data, steps)
        assert ours.tobytes() == tflm.run(data, [[steps]]).outputs[0][0].tobytes()


@pytest.mark.parametrize("axis", [2, -3, 2**31 - 1])
def test_computed_axis_outside(tflm: TflmRuntime, axis: int) -> None:
    x = Input((2, 3), "float32")
    data = op_model("CUMSUM", [x, Input((1,), "int32")], [x])
    sample = [np.zeros((2, 3), np.float32), np.array([axis], np.int32)]
    assert_fails_at_invoke(tflm, data, sample, f"axis {axis} is outside rank 2", 1)


X = Input((2, 3), "int8", 0.5, 3)


@pytest.mark.parametrize(
    ("inputs", "output", "text", "tensor"),
    [
        ([X], X, "has 1 inputs, wanted 2", None),
        ([X, numbers(2)], X, "axis 2 is outside rank 2", 1),
        ([X, numbers(-3)], X, "axis -3 is outside rank 2", 1),
        ([X, numbers(0, 1)], X, "has 2 elements, wanted 1", 1),
        ([X, numbers(0)], Input((3, 2), "int8", 0.5, 3), "shape [3, 2], wanted [2, 3]", 2),
        ([Input((), "float32"), numbers(0)], Input((), "float32"), "rank 0, wanted 1", 0),
        ([X, numbers(0)], Input((2, 3)), "int8 tensor has no quantisation", 2),
        ([Input((2, 3)), numbers(0)], X, "int8 tensor has no quantisation", 0),
        ([X, numbers(0)], Input((2, 3), "int8", 1e-7, 3), "requantisation factor 9.53674", 2),
    ],
)
def test_refused_as_tflm_does(
    tflm: TflmRuntime, inputs: list[Input | Constant], output: Input, text: str, tensor: int | None
) -> None:
    assert_both_refuse(tflm, op_model("CUMSUM", inputs, [output]), text, tensor)


def test_rank_refused() -> None:
    x = Input((1,) * 7, "float32")
    assert_refused(op_model("CUMSUM", [x, numbers(0)], [x]), "rank 7, wanted 1 to 6", 0)


@pytest.mark.parametrize(
    ("x", "axis"), [("int16", "int32"), ("int32", "int32"), ("uint8", "int32"), ("int8", "int64")]
)
def test_types_refused(tflm: TflmRuntime, x: str, axis: str) -> None:
    tensor = Input((2, 3), x, 0.5, 0)
    data = op_model("CUMSUM", [tensor, Constant(np.array([1], axis))], [tensor])
    text = f"element types {x} x {axis} x {x} are not supported"
    assert_both_refuse(tflm, data, text, kind=UnsupportedError)

"""Element-wise operators: small numbers worked by hand, and values at the edges against TFLM."""

from __future__ import annotations

from itertools import product

import numpy as np
import numpy.typing as npt
import pytest

from microinterp.runtimes.tflm import TflmRuntime
from tests.ops.movement import Input, op_model, run_one
from tests.ops.values import (
    EXTREME_FLOATS,
    SPECIAL_FLOATS,
    assert_same_floats,
    outputs_of_both,
)

FLOATS = np.float32(SPECIAL_FLOATS + EXTREME_FLOATS)
EVERY_INT8 = np.arange(-128, 128).astype(np.int8)
FIRST, SECOND = (x.reshape(-1) for x in np.meshgrid(EVERY_INT8, EVERY_INT8))


def int8(scale: float, zero: int = 0, count: int = 3) -> Input:
    return Input((count,), "int8", scale, zero)


def floats(*values: float) -> npt.NDArray[np.float32]:
    return np.float32(values)


def test_abs() -> None:
    """Steps of 0.5 from 10: 7 is -1.5 and 13 is 1.5, three steps; in steps of 0.25 from -4 six."""
    x = np.array([7, 10, 13], np.int8)
    assert run_one(op_model("ABS", [int8(0.5, 10)], [int8(0.5, -4)]), x).tolist() == [-1, -4, -1]
    assert run_one(op_model("ABS", [int8(0.5, 10)], [int8(0.25, -4)]), x).tolist() == [2, -4, 2]
    plain = Input((2,), "int16")
    wrapped = run_one(op_model("ABS", [plain], [plain]), np.array([-32768, -3], np.int16))
    assert wrapped.tolist() == [-32768, 3]


def test_rsqrt() -> None:
    """1 / sqrt(4), 1 / sqrt(16) and 1 / sqrt(0), the greatest number there is."""
    data = op_model("RSQRT", [int8(1.0)], [int8(1 / 64)])
    assert run_one(data, np.array([4, 16, 0], np.int8)).tolist() == [32, 16, 127]


def test_round_takes_halves_to_even() -> None:
    x = floats(0.5, 1.5, 2.5, -0.5, -1.5, -0.25, -0.0, 2.75)
    operand = Input(x.shape, "float32")
    result = run_one(op_model("ROUND", [operand], [operand]), x)
    assert result.tolist() == [0, 2, 2, 0, -2, 0, 0, 3]
    assert np.signbit(result).tolist() == [*(False,) * 4, True, False, True, False]


def test_comparisons_lose_small_steps() -> None:
    """A step of 2^-9 times 2^8 is half a unit: 0 and 1 become 0 and 1, 1 and 2 both 1."""
    operand = int8(2.0**-9)
    x, y = np.array([0, 1, 2], np.int8), np.array([1, 2, 3], np.int8)
    result = run_one(op_model("LESS", [operand, operand], [Input((3,), "bool")]), x, y)
    assert result.tolist() == [True, False, True]


def test_maximum_takes_the_second_of_what_it_cannot_compare() -> None:
    operand = Input((2,), "float32")
    data = op_model("MAXIMUM", [operand, operand], [operand])
    result = run_one(data, floats(np.nan, 1), floats(1, np.nan))
    assert result[0] == 1
    assert np.isnan(result[1])


def test_div() -> None:
    """40 / 8 = 5, -40 / 8 = -5; 7 / 2 = 3.5 steps, rounded up to 4."""
    data = op_model("DIV", [int8(0.5, 0), int8(0.5, 0)], [int8(1.0, 0)])
    x, y = np.array([40, -40, 7], np.int8), np.array([8, 8, 2], np.int8)
    assert run_one(data, x, y).tolist() == [5, -5, 4]
    whole = Input((3,), "int32")
    data = op_model("DIV", [whole, whole], [whole])
    x, y = np.array([7, -7, 7], np.int32), np.array([2, 2, -2], np.int32)
    assert run_one(data, x, y).tolist() == [3, -3, -3]


def test_div_of_nothing_by_much_is_a_step() -> None:
    """TFLM shifts by 31 bits for 0 / 1 and by 37 for 0 / 100, which its rounding cannot."""
    data = op_model("DIV", [int8(1.0), int8(1.0)], [int8(1.0)])
    zeros = np.zeros(3, np.int8)
    assert run_one(data, zeros, np.array([1, 2, 100], np.int8)).tolist() == [0, 0, 1]


@pytest.mark.parametrize("scale", [1.0, 0.25, 0.01, 8.0, 100.0, 1e9])
def test_every_pair_of_div_equals_tflm(tflm: TflmRuntime, scale: float) -> None:
    """65536 quotients, those by 0 and those of far shifts among them."""
    operand = int8(1.0, 3, FIRST.size)
    data = op_model("DIV", [operand, operand], [int8(scale, -7, FIRST.size)])
    ours, theirs = outputs_of_both(tflm, data, [[FIRST, SECOND]])
    np.testing.assert_array_equal(ours, theirs)


def test_floor_div_and_floor_mod() -> None:
    x, y = floats(7, -7, 7, -7), floats(2, 2, -2, -2)
    operand = Input((4,), "float32")
    quotient = run_one(op_model("FLOOR_DIV", [operand, operand], [operand]), x, y)
    remainder = run_one(op_model("FLOOR_MOD", [operand, operand], [operand]), x, y)
    assert quotient.tolist() == [3, -4, -4, 3]
    assert remainder.tolist() == [1, 1, -1, -1]


def test_squared_difference() -> None:
    """(10 - 4)^2 * 0.25 = 9 and (4 - 10)^2 * 0.25 = 9; in steps of 0.5 from -10 eighteen."""
    data = op_model("SQUARED_DIFFERENCE", [int8(0.5, 0), int8(0.5, 0)], [int8(0.5, -10)])
    x, y = np.array([10, 4, 5], np.int8), np.array([4, 10, 5], np.int8)
    assert run_one(data, x, y).tolist() == [8, 8, -10]


def test_add_n_is_off_by_a_zero_point() -> None:
    """Real numbers 1, 2 and 3 from zero point 4: their sum 6, less one zero point."""
    x = int8(1.0, 4)
    data = op_model("ADD_N", [x, x, x], [int8(1.0, 0)])
    terms = [np.full(3, value, np.int8) for value in (5, 6, 7)]
    assert run_one(data, *terms).tolist() == [2, 2, 2]
    symmetric = int8(1.0)
    data = op_model("ADD_N", [symmetric, symmetric], [symmetric])
    assert run_one(data, *terms[:2]).tolist() == [11, 11, 11]


def test_select_v2() -> None:
    """A condition per row, one x for all, y per column."""
    data = op_model(
        "SELECT_V2",
        [Input((2, 1), "bool"), Input((), "int8", 0.5, 0), Input((3,), "int8", 0.25, 0)],
        [Input((2, 3), "int8", 0.5, 0)],
    )
    x, y = np.array(9, np.int8), np.array([1, 2, 3], np.int8)
    result = run_one(data, np.array([[True], [False]]), x, y)
    assert result.tolist() == [[9, 9, 9], [1, 2, 3]]


def test_select_v2_of_single_elements(tflm: TflmRuntime) -> None:
    """They may have any ranks, even more than the output has."""
    data = op_model(
        "SELECT_V2",
        [Input((1, 1, 1), "bool"), Input((1, 1), "float32"), Input((), "float32")],
        [Input((1,), "float32")],
    )
    for condition in (True, False):
        sample = [np.full((1, 1, 1), condition), np.float32([[3]]), np.array(4, np.float32)]
        ours, theirs = outputs_of_both(tflm, data, [sample])
        assert ours.tolist() == theirs.tolist() == [[3.0 if condition else 4.0]]


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("int8", [127, -128, 0, 2, -2, 127]),
        ("int16", [300, -300, 0, 2, -2, 32767]),
        ("int32", [300, -300, 0, 2, -2, 2**31 - 1]),
        ("uint32", [300, 0, 0, 2, 0, 2**32 - 1]),
        ("bool", [True, True, True, True, True, True]),
    ],
)
def test_cast_of_floats(target: str, expected: list[int]) -> None:
    x = floats(300.5, -300.5, np.nan, 2.9, -2.9, 1e20)
    data = op_model("CAST", [Input((6,), "float32")], [Input((6,), target)])
    assert run_one(data, x).tolist() == expected


def test_cast_of_integers_wraps() -> None:
    data = op_model("CAST", [Input((3,), "int32")], [Input((3,), "int8")])
    assert run_one(data, np.array([300, -129, 2**31 - 1], np.int32)).tolist() == [44, 127, -1]


def test_leaky_relu() -> None:
    """-8 leaks 0.25 * -8 = -2, or 2 with the sign turned."""
    x = np.array([-8, 0, 8], np.int8)
    for alpha, leaked in ((0.25, -2), (-0.25, 2)):
        data = op_model("LEAKY_RELU", [int8(1.0)], [int8(1.0)], alpha=alpha)
        assert run_one(data, x).tolist() == [leaked, 0, 8]


def test_prelu() -> None:
    """alpha 2 * 0.25 and -4 * 0.25, of channels that both hold -8."""
    x, alpha = Input((2, 2), "int8", 1.0, 0), Input((2,), "int8", 0.25, 0)
    data = op_model("PRELU", [x, alpha], [x])
    result = run_one(data, np.array([[-8, -8], [5, 0]], np.int8), np.array([2, -4], np.int8))
    assert result.tolist() == [[-4, 8], [5, 0]]


def test_elu() -> None:
    """exp(-2) - 1 = -0.8647, 86.47 steps of 0.01."""
    data = op_model("ELU", [int8(1.0)], [int8(0.01)])
    assert run_one(data, np.array([-2, 0, 1], np.int8)).tolist() == [-86, 0, 100]


def test_every_entry_of_elu_equals_tflm(tflm: TflmRuntime) -> None:
    """Its table comes from the C library's expf."""
    for scale, zero, out_scale in product((0.003, 0.05, 0.9), (-128, 5, 127), (0.004, 0.05, 1.0)):
        data = op_model("ELU", [int8(scale, zero, 256)], [int8(out_scale, 3, 256)])
        ours, theirs = outputs_of_both(tflm, data, [[EVERY_INT8]])
        np.testing.assert_array_equal(ours, theirs)


def test_hard_swish() -> None:
    """0 at -3 and below, x at 3 and above, x / 2 at 0; 1 * 4 / 6 = 0.67 is 10.7 steps of 1/16."""
    data = op_model("HARD_SWISH", [int8(1 / 16, 0, 5)], [int8(1 / 16, 0, 5)])
    x = np.array([-128, -48, 0, 16, 100], np.int8)
    assert run_one(data, x).tolist() == [0, 0, 0, 11, 100]


@pytest.mark.parametrize(
    ("scale", "out_scale"),
    [
        ("0x1.dba1d0p-2", "0x1.a537fcp-8"),
        ("0x1.ad6410p-6", "0x1.727eaap-10"),
        ("0x1.a18fd8p-9", "0x1.894df0p-11"),
        ("0x1.224d7ap-3", "0x1.2e71cep-9"),
    ],
)
def test_hard_swish_folds_in_double(tflm: TflmRuntime, scale: str, out_scale: str) -> None:
    """Their quotient in float32 would give another 16-bit multiplier."""
    scales = [float.fromhex(text) for text in (scale, out_scale)]
    single = np.frexp(np.float32(scales[0] / 128) / np.float32(scales[1]))[0]
    double = np.frexp(scales[0] / 128 / scales[1])[0]
    assert np.floor(single * 2**15 + 0.5) != np.floor(double * 2**15 + 0.5)
    data = op_model("HARD_SWISH", [int8(scales[0], 0, 256)], [int8(scales[1], 0, 256)])
    ours, theirs = outputs_of_both(tflm, data, [[EVERY_INT8]])
    np.testing.assert_array_equal(ours, theirs)


def test_log_softmax() -> None:
    """Four equal numbers: -log(4) = -1.386 is -22.2 steps of 1/16 from 127."""
    data = op_model("LOG_SOFTMAX", [int8(0.5, 0, 4)], [int8(1 / 16, 127, 4)])
    assert run_one(data, np.full(4, 9, np.int8)).tolist() == [105] * 4


def test_l2_normalization() -> None:
    """3 and 4 of 5: 0.6 and 0.8 in steps of 1/128, 76.8 and 102.4; all zeros stay zeros."""
    x, out = Input((2, 2), "int8", 1.0, 1), Input((2, 2), "int8", 1 / 128, 0)
    data = op_model("L2_NORMALIZATION", [x], [out])
    assert run_one(data, np.array([[4, 5], [1, 1]], np.int8)).tolist() == [[77, 102], [0, 0]]


UNARY = ("ABS", "SIN", "COS", "LOG", "EXP", "SQRT", "RSQRT", "SQUARE", "NEG", "FLOOR", "CEIL")


@pytest.mark.parametrize("op", [*UNARY, "ROUND", "ELU", "HARD_SWISH", "LEAKY_RELU"])
def test_special_floats_equal_tflm(tflm: TflmRuntime, op: str) -> None:
    """Signed zeros, subnormals, infinities, NaN."""
    operand = Input(FLOATS.shape, "float32")
    data = op_model(op, [operand], [operand])
    ours, theirs = outputs_of_both(tflm, data, [[FLOATS]])
    assert_same_floats(ours, theirs)


BINARY = ("DIV", "FLOOR_MOD", "MAXIMUM", "MINIMUM", "SQUARED_DIFFERENCE", "PRELU", "ADD_N")


@pytest.mark.parametrize("op", BINARY)
def test_pairs_of_special_floats_equal_tflm(tflm: TflmRuntime, op: str) -> None:
    x, y = (grid.reshape(-1) for grid in np.meshgrid(FLOATS, FLOATS))
    operand = Input(x.shape, "float32")
    data = op_model(op, [operand, operand], [operand])
    ours, theirs = outputs_of_both(tflm, data, [[x, y]])
    assert_same_floats(ours, theirs)

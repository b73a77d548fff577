"""Explanations of the further operators that can be checked with a pencil."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from microinterp.errors import UnsupportedError
from microinterp.explain import Explanation, explain
from tests.ops import test_svdf as svdf
from tests.ops.custom import custom_model
from tests.ops.lstm_layers import BIAS, CELL, HIDDEN, OUT, WH, WX, Layer, X
from tests.ops.movement import Constant, Input, numbers, op_model


def kinds(found: Explanation) -> list[tuple[str, Any]]:
    return [(step.kind, step.result) for step in found.steps]


def result(found: Explanation, label: str) -> Any:
    """Of the only step with a label."""
    (step,) = [step for step in found.steps if step.label == label]
    return step.result


def i8(*values: int) -> Any:
    return np.array([values], np.int8)


def quantized(shape: tuple[int, ...], scale: float, zero_point: int = 0) -> Input:
    return Input(shape, "int8", scale, zero_point)


def test_softmax_of_equals_is_their_number_below_one() -> None:
    """Four exponentials of 1 are 4 * 2^19; a quarter of 256 steps is 64, less 128."""
    data = op_model("SOFTMAX", [quantized((4,), 0.1)], [quantized((4,), 1 / 256, -128)], beta=1.0)
    found = explain(data, 0, (2,), [i8(7, 7, 7, 7)])
    assert result(found, "sum of exp(difference)") == 4 << 19
    assert (found.value, found.real, found.float_model) == (-64, 0.25, 0.25)


def test_softmax_leaves_out_what_is_too_far_below() -> None:
    data = op_model("SOFTMAX", [quantized((2,), 0.5)], [quantized((2,), 1 / 256, -128)], beta=1.0)
    found = explain(data, 0, (0,), [i8(-100, 100)])
    assert found.value == -128
    terms = next(step for step in found.steps if step.kind == "sum_of_exponentials").terms
    assert [term.numbers for term in terms] == [
        (-100, -200, 0, 0),
        (100, 0, (1 << 31) - 1, 1 << 19),
    ]


def test_mean_is_a_sum_with_a_smaller_multiplier() -> None:
    """1 + 2 + 4 + 6 = 13, less 4 * 1: 9; half of it goes up to 5, and half of that to 3; + 1.

    Rounded once, 2.25 is 2.
    """
    x, y = quantized((2, 2), 1.0, 1), quantized((), 1.0, 1)
    data = op_model("MEAN", [x, numbers(0, 1)], [y])
    image = np.array([[[1, 2], [4, 6]]], np.int8)
    found = explain(data, 0, (), [image])
    assert [n for _, n in kinds(found)] == [13, 9, 5, 3, 4, 4]
    assert (found.value, found.float_model, found.difference) == (4, 2.25, 0.75)
    assert explain(data, 0, (), [image], profile="single").value == 3
    assert found.steps[2].note == "factor 1 = 1 / 1, its multiplier divided by 4"


def test_sums_along_the_axis_asked_for() -> None:
    x = np.arange(6, dtype=np.int8).reshape(1, 2, 3)
    data = op_model(
        "SUM", [quantized((2, 3), 1.0), numbers(0)], [quantized((1, 3), 1.0)], keep_dims=True
    )
    found = explain(data, 0, (0, 1), [x])
    assert [term.at for term in found.steps[0].terms] == [(0, 1), (1, 1)]
    assert found.value == 1 + 4
    data = op_model("REDUCE_MAX", [quantized((2, 3), 1.0), numbers(1)], [quantized((2,), 1.0)])
    found = explain(data, 0, (1,), [x])
    assert [term.at for term in found.steps[0].terms] == [(1, 0), (1, 1), (1, 2)]
    assert found.value == 5


def test_the_first_of_equals_is_found() -> None:
    y = Input((), "int32")
    data = op_model("ARG_MAX", [quantized((4,), 1.0), numbers(0)], [y], output_type="INT32")
    found = explain(data, 0, (), [i8(3, 9, 9, -1)])
    assert kinds(found) == [("first_maximum", 1)]
    data = op_model("ARG_MIN", [quantized((4,), 1.0), numbers(0)], [y], output_type="INT32")
    assert explain(data, 0, (), [i8(3, 9, 9, -1)]).value == 3


def test_a_running_sum_begins_below_zero() -> None:
    """TFLM begins at -2 (zero point 2): 3 + 5 = 8 becomes 6; backwards without itself: 7 - 2."""
    x = i8(5, 7, 9)  # 3, 5, 7
    tensor, axis = quantized((3,), 1.0, 2), numbers(0)
    out = quantized((3,), 1.0, 0)
    found = explain(op_model("CUMSUM", [tensor, axis], [out]), 0, (1,), [x])
    assert kinds(found)[:2] == [("sum_of_products", 8 << 19), ("add", 6 << 19)]
    assert (found.value, found.float_model) == (6, 8.0)
    data = op_model("CUMSUM", [tensor, axis], [out], reverse=True, exclusive=True)
    found = explain(data, 0, (1,), [x])
    assert [term.at for term in found.steps[0].terms] == [(2,)]
    assert (found.value, found.float_model) == (5, 7.0)


def test_add_n_reads_each_input() -> None:
    x = quantized((2,), 1.0)
    data = op_model("ADD_N", [x, x, x], [quantized((2,), 1.0)])
    found = explain(data, 0, (1,), [i8(0, 3), i8(0, 4), i8(0, -9)])
    assert kinds(found)[:4] == [
        ("read", 3),
        ("read", 4),
        ("read", -9),
        ("sum_of_products", -(1 << 20)),
    ]
    assert (found.value, found.float_model) == (-2, -2.0)


def test_neighbours_become_equal_in_the_common_scale() -> None:
    """Steps of 1/1024 * 2^8 = 1/4: 1 and 2 are .25 and .5, half of which goes up to 1 and not 0."""
    x, y = quantized((2,), 1 / 1024), Input((2,), "bool")
    data = op_model("EQUAL", [x, x], [y])
    found = explain(data, 0, (0,), [i8(2, 0), i8(3, 0)])
    assert found.steps[-1].operands == {"x": 1, "y": 1}
    assert (found.value, found.float_model) == (1, 0.0)
    data = op_model("LESS", [Input((2,), "int32"), Input((2,), "int32")], [y])
    found = explain(data, 0, (0,), [np.array([[2, 0]], np.int32), np.array([[3, 0]], np.int32)])
    assert kinds(found) == [("read", 2), ("read", 3), ("less", 1)]


def test_three_fifths_and_four_fifths() -> None:
    """9 + 16 = 25: 3/5 and 4/5 of 128 are 76.8 and 102.4."""
    data = op_model("L2_NORMALIZATION", [quantized((2,), 0.5, 10)], [quantized((2,), 1 / 128)])
    found = explain(data, 0, (0,), [i8(13, 14)])
    assert kinds(found)[0] == ("sum_of_squares", 25)
    assert found.value == 77
    assert found.float_model == pytest.approx(0.6)
    assert explain(data, 0, (1,), [i8(13, 14)]).value == 102


def test_one_over_the_root_of_four() -> None:
    data = op_model("RSQRT", [quantized((1,), 1.0)], [quantized((1,), 1 / 64)])
    found = explain(data, 0, (0,), [i8(4)])
    assert (found.value, found.float_model) == (32, 0.5)
    zero = explain(data, 0, (0,), [i8(0)])
    assert kinds(zero) == [("read", 0), ("subtract", 0), ("lookup", 127)]
    assert zero.float_model is None


def test_a_quotient() -> None:
    """(-20 - -2) / (4 - 1) = -6; in steps of a half -12."""
    a, b = quantized((1,), 1.0, -2), quantized((1,), 1.0, 1)
    data = op_model("DIV", [a, b], [quantized((1,), 0.5)], fused_activation_function="NONE")
    found = explain(data, 0, (0,), [i8(-20), i8(4)])
    assert (found.value, found.float_model) == (-12, -6.0)
    plain = Input((1,), "int32")
    data = op_model("DIV", [plain, plain], [plain], fused_activation_function="NONE")
    found = explain(data, 0, (0,), [np.array([[-7]], np.int32), np.array([[2]], np.int32)])
    assert kinds(found)[2] == ("divide_truncated", -3)


def test_an_int8_absolute_value_of_one_scale_is_not_rescaled() -> None:
    data = op_model("ABS", [quantized((1,), 0.5, 3)], [quantized((1,), 0.5, -7)])
    found = explain(data, 0, (0,), [i8(-4)])
    assert kinds(found) == [
        ("read", -4),
        ("subtract", -7),
        ("absolute", 7),
        ("add", 0),
        ("clamp", 0),
    ]


def test_sigmoid_of_zero_is_a_half() -> None:
    data = op_model("LOGISTIC", [quantized((2,), 0.1, 5)], [quantized((2,), 1 / 256, -128)])
    found = explain(data, 0, (0,), [i8(5, 0)])
    assert (found.value, found.float_model) == (0, 0.5)
    far = op_model("TANH", [quantized((2,), 1.0)], [quantized((2,), 1 / 128)])
    assert kinds(explain(far, 0, (0,), [i8(-100, 0)]))[-1] == ("saturated", -128)


def test_between_four_pixels() -> None:
    """Rows 0 and 4 and columns 0 and 8, twice as large: a quarter of 0 + 4 + 8 + 12."""
    data = op_model("RESIZE_BILINEAR", [Input((1, 2, 2, 1)), numbers(4, 4)], [Input((1, 4, 4, 1))])
    image = np.array([0, 8, 4, 12], np.int8).reshape(1, 1, 2, 2, 1)
    found = explain(data, 0, (0, 1, 1, 0), [image])
    (total,) = [step for step in found.steps if step.kind == "sum_of_products"]
    assert {term.numbers for term in total.terms} == {(n, 1 << 18) for n in (0, 4, 8, 12)}
    assert (total.result, found.value) == (6 << 20, 6)


def test_a_product_of_matrices() -> None:
    """(1 2) times (5 7): row 0 of x, column 1 of y."""
    x, y, out = quantized((2, 2), 1.0), quantized((2, 2), 1.0, 1), quantized((2, 2), 1.0)
    data = op_model("BATCH_MATMUL", [x, y], [out])
    left, right = np.array([[[1, 2], [0, 0]]], np.int8), np.array([[[0, 6], [0, 8]]], np.int8)
    found = explain(data, 0, (0, 1), [left, right])
    assert [term.result for term in found.steps[0].terms] == [5, 14]
    assert (found.value, found.float_model) == (19, 19.0)


def test_an_svdf_remembers() -> None:
    """Responses 2 * 3 = 6, then 1 * 3 = 3; weights of time 1 (older) and 10, and a bias of 5."""
    layer = svdf.Layer(
        batches=1,
        rank=1,
        feature=np.array([[3]], np.int8),
        time=np.array([[1, 10]], np.int8),
        bias=np.array([5], np.int32),
        quantization=[(1.0, 0)] * 6,
    )
    x = np.array([[[2]], [[1]]], np.int8)
    found = explain(layer.data(), 0, (0, 0), [x])
    sums = [step for step in found.steps if step.kind == "sum_of_products"]
    assert [[term.numbers for term in step.terms] for step in sums] == [[(1, 3)], [(6, 1), (3, 10)]]
    assert (result(found, "add bias 0"), found.value, found.float_model) == (41, 41, 41.0)


def unit_lstm() -> bytes:
    """One unit, one input, weights of 1 for the input and none for the state."""
    contents = {
        **{number: np.ones((1, 1), np.int8) for number in WX},
        **{number: np.zeros((1, 1), np.int8) for number in WH},
        **{number: np.zeros(1, np.int32) for number in BIAS},
    }
    quantization = {
        **dict.fromkeys((*WX, *WH), (1.0, 0)),
        X: (1 / 16, 0),
        HIDDEN: (1 / 128, 0),
        CELL: (2.0**-12, 0),
        OUT: (1 / 128, 0),
    }
    return Layer("int8 x int8, int16 cell", (1, 2, 1, 1), contents, quantization).data()


def test_an_lstm_goes_on_from_the_step_before() -> None:
    """x = 1: gates sigmoid(1) = .7311, tanh(1) = .7616; the cell .5568, then .9639."""
    x = np.array([[[[16], [16]]]], np.int8)
    first = explain(unit_lstm(), 0, (0, 0, 0), [x])
    cell = result(first, "the new cell state")
    assert cell / 4096 == pytest.approx(0.7311 * 0.7616, abs=0.001)
    assert result(first, "cell state before") == 0
    assert first.float_model == pytest.approx(np.tanh(0.5568) * 0.7311, abs=0.0001)
    second = explain(unit_lstm(), 0, (0, 1, 0), [x])
    assert result(second, "cell state before") == cell
    assert result(second, "the new cell state") / 4096 == pytest.approx(0.9639, abs=0.001)
    state = next(step for step in second.steps if step.section == "input gate: state")
    assert [(term.at, term.numbers[0]) for term in state.terms] == [((0, 0, 0), first.value)]


def test_a_framer_says_where_a_sample_came_from() -> None:
    data = custom_model(
        "SignalFramer",
        [Input((2,), "int16")],
        [Input((1, 4), "int16"), Input((), "bool")],
        {"frame_size": 4, "frame_step": 2, "prefill": True},
    )
    x = np.array([[1, 2], [3, 4]], np.int16)
    old, new = (explain(data, 0, (0, i), [x]) for i in (1, 2))
    assert (old.steps[0].tensor, old.steps[0].at, old.value) == ("the op's state", (0, 1), 2)
    assert (new.steps[0].tensor, new.steps[0].at, new.value) == ("in0", (0,), 3)


def test_an_energy() -> None:
    data = custom_model(
        "SignalEnergy",
        [Input((4,), "int16")],
        [Input((2,), "uint32")],
        {"start_index": 0, "end_index": 2},
    )
    found = explain(data, 0, (1,), [np.array([[9, 9, 3, -4]], np.int16)])
    assert kinds(found) == [("sum_of_squares", 25)]


def test_a_window() -> None:
    """32767 * 3 = 98301; / 2 is 49150.5, cut off and limited."""
    data = custom_model(
        "SignalWindow",
        [Input((2,), "int16"), Constant(np.array([1, 3], np.int16))],
        [Input((2,), "int16")],
        {"shift": 1},
    )
    found = explain(data, 0, (1,), [np.array([[0, 32767]], np.int16)])
    assert kinds(found)[2:] == [("multiply", 98301), ("shift_right", 49150), ("clamp", 32767)]


@pytest.mark.parametrize("op", ["GREATER", "LESS_EQUAL", "EQUAL"])
def test_comparisons_of_floats_are_refused(op: str) -> None:
    x = Input((1,), "float32")
    data = op_model(op, [x, x], [Input((1,), "bool")])
    with pytest.raises(UnsupportedError, match="float32"):
        explain(data, 0, (0,), [np.zeros((1, 1), np.float32)] * 2)

"""Rules of the profile cmsis-nn in numbers small enough to work out by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from microinterp import Interpreter
from microinterp.errors import PrepareError
from microinterp.model_builder import ModelBuilder
from microinterp.quant.fixedpoint import multiply_int64, multiply_int64_short
from tests.ops.movement import Constant, Input, op_model

ONES = np.ones((1, 1, 4), np.int8)


def both(data: bytes, *samples: Any) -> list[Any]:
    """The last output in the profiles tflm and cmsis-nn."""
    found = []
    for profile in ("tflm", "cmsis-nn"):
        interpreter = Interpreter.from_bytes(data, profile=profile)
        for sample in samples:
            interpreter.set_input(sample, 0)
            interpreter.invoke()
        found.append(interpreter.get_output(0).tolist())
    return found


def dense(rank: int, depth: int) -> bytes:
    """Weights of 2 with a zero point of 1."""
    x = Input((1,) * (rank - 1) + (depth,), "int8", 1.0, 0)
    weights = Constant(np.full((1, depth), 2, np.int8), 1.0, 1)
    out = Input((1,) * rank, "int8", 1.0, 0)
    return op_model("FULLY_CONNECTED", [x, weights], [out], version=4)


def test_filter_zero_point_of_a_dense_layer() -> None:
    """Sums of 2 - 1, or of 2 where the layer runs as a 1x1 convolution."""
    assert both(dense(3, 4), ONES) == [[[[4]]], [[[8]]]]
    assert both(dense(3, 3), ONES[..., :3]) == [[[[3]]], [[[3]]]]
    assert both(dense(2, 4), ONES[0]) == [[[4]], [[4]]]


def svdf(state_zero_point: int) -> bytes:
    """One filter of one input and a memory of 1: the output is the response itself."""
    b = ModelBuilder()
    g = b.subgraph("main")
    x = g.input("x", (1, 1), "int8", 1.0, 0)
    feature = g.constant("feature", np.array([[2]], np.int8), None, 1.0, 0)
    time = g.constant("time", np.array([[1]], np.int8), None, 1.0, 0)
    bias = g.constant("bias", np.zeros(1, np.int32), None, 1.0, 0)
    state = g.tensor("state", (1, 1), "int8", 1.0, state_zero_point, is_variable=True)
    out = g.tensor("out", (1, 1), "int8", 1.0, 0)
    g.op("SVDF", [x, feature, time, bias, state], [out], rank=1)
    g.output(out)
    return b.finish()


def test_response_beyond_an_int8_state() -> None:
    """2 * 100 saturates at 127, or wraps to 200 - 256."""
    assert both(svdf(0), np.array([[100]], np.int8)) == [[[127]], [[-56]]]
    assert both(svdf(0), np.array([[60]], np.int8)) == [[[120]], [[120]]]


def test_state_zero_point() -> None:
    """100 + 50 wraps to -106 in the state, 50 below which the output saturates; or it is 100."""
    assert both(svdf(50), np.array([[50]], np.int8)) == [[[-128]], [[100]]]


def test_addition_of_int16_with_zero_points() -> None:
    operands = [Input((2,), "int16", 1.0, 10), Constant(np.array([5, 6], np.int16), 1.0, 0)]
    data = op_model("ADD", operands, [Input((2,), "int16", 1.0, 100)], pot_scale_int16=False)
    assert both(data, np.array([20, 30], np.int16)) == [[115, 126], [25, 36]]


def test_a_64_bit_sum_loses_its_32nd_bit() -> None:
    """A factor of 1: 2^31 has no room in 32 bits before its lowest bit is rounded off."""
    numbers = np.array([5, -5, (1 << 30) - 1, 1 << 30, -(1 << 30)], np.int64)
    assert multiply_int64(numbers, 1 << 30, 1).tolist() == numbers.tolist()
    short = [*numbers.tolist()[:3], -(1 << 30), -(1 << 30)]
    assert multiply_int64_short(numbers, 1 << 30, 1).tolist() == short


@pytest.mark.parametrize(
    ("rows", "out_rows", "stride", "size", "message"),
    [
        (3, 6, 2, 4, "a padding of 1 rows for a stride of 2"),
        (3, 4, 2, 3, "6 rows are written, the output has 4"),
        (2, 9, 4, 5, ""),
        (3, 9, 3, 3, ""),
    ],
)
def test_rows_of_a_transposed_convolution(
    rows: int, out_rows: int, stride: int, size: int, message: str
) -> None:
    x = Input((1, rows, 1, 1), "int8", 1.0, 0)
    shape = Constant(np.array([1, out_rows, 1, 1], np.int32))
    w = Constant(np.ones((1, size, 1, 1), np.int8), 1.0, 0)
    padding = "SAME" if size == 4 else "VALID"
    data = op_model(
        "TRANSPOSE_CONV",
        [shape, w, x],
        [Input((1, out_rows, 1, 1), "int8", 1.0, 0)],
        padding=padding,
        stride_h=stride,
        stride_w=1,
    )
    sample = np.arange(1, rows + 1, dtype=np.int8).reshape(1, rows, 1, 1)
    if message:
        Interpreter.from_bytes(data)
        with pytest.raises(PrepareError, match=message):
            Interpreter.from_bytes(data, profile="cmsis-nn")
    else:
        tflm, device = both(data, sample)
        assert tflm == device

"""What element-wise operators refuse, in prepare and at run time, and that TFLM refuses it too."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from microinterp import Interpreter
from microinterp.errors import InputError, RuntimeUnavailableError, UnsupportedError
from microinterp.runtimes.tflm import TflmRuntime
from tests.ops.elementwise_models import COMPARISONS, FLOAT_UNARY
from tests.ops.movement import Constant, Input, assert_refused, op_model

F, F3 = Input((2,), "float32"), Input((3,), "float32")
WHOLE = Input((2,), "int32")
TRUTH = Input((2,), "bool")
UNARY = (*FLOAT_UNARY, "ABS", "RSQRT", "ELU", "HARD_SWISH", "LEAKY_RELU", "LOG_SOFTMAX")
BINARY = ("DIV", "FLOOR_DIV", "FLOOR_MOD", "MAXIMUM", "MINIMUM", "SQUARED_DIFFERENCE", "PRELU")


def q(dtype: str = "int8", scale: float = 0.5, zero: int = 0) -> Input:
    return Input((2,), dtype, scale, zero)


def zeros_of(tensor: Input | Constant) -> Any:
    assert isinstance(tensor, Input)
    return np.zeros(tensor.shape, tensor.dtype)


def assert_both_refuse(
    tflm: TflmRuntime,
    text: str,
    op: str,
    inputs: list[Input],
    output: Input,
    tensor: int | None = None,
    **options: Any,
) -> None:
    """Ours with PrepareError at `tensor`; TFLM at allocation, or by crashing."""
    data = op_model(op, inputs, [output], **options)
    assert_refused(data, text, tensor=tensor)
    with pytest.raises(RuntimeUnavailableError, match=r"allocate tensors|crashed"):
        tflm.run(data, [[zeros_of(x) for x in inputs]])


@pytest.mark.parametrize("op", UNARY)
def test_unary_shapes_and_types(op: str) -> None:
    assert_refused(op_model(op, [F], [F3]), "wanted [2]", tensor=1)
    assert_refused(op_model(op, [F, F], [F]), "has 2 inputs, wanted 1")
    deep = Input((1,) * 7, "float32")
    assert_refused(op_model(op, [deep], [deep]), "rank 7", tensor=0)
    wrong = op_model(op, [WHOLE], [WHOLE])
    assert_refused(wrong, "int32 x int32 are not supported", kind=UnsupportedError)


@pytest.mark.parametrize("op", BINARY)
def test_binary_shapes_and_types(op: str) -> None:
    assert_refused(op_model(op, [F, F3], [F3]), "does not broadcast", tensor=1)
    assert_refused(op_model(op, [F, F], [F3]), "wanted [2]", tensor=2)
    assert_refused(op_model(op, [F, F, F], [F]), "has 3 inputs, wanted 2")
    mixed = op_model(op, [F, q()], [F])
    assert_refused(mixed, "float32 x int8 x float32", kind=UnsupportedError)


@pytest.mark.parametrize("op", COMPARISONS)
def test_comparisons(tflm: TflmRuntime, op: str) -> None:
    assert_refused(op_model(op, [F, F3], [TRUTH]), "does not broadcast", tensor=1)
    assert_refused(op_model(op, [F, F], [F]), "float32 x float32 x float32", kind=UnsupportedError)
    assert_refused(op_model(op, [F], [TRUTH]), "has 1 inputs, wanted 2")
    assert_refused(op_model(op, [q(), Input((2,), "int8")], [TRUTH]), "no quantisation", tensor=1)
    assert_both_refuse(tflm, "scale is 1, wanted", op, [q(), q(scale=1.0)], TRUTH, tensor=1)
    if op not in ("EQUAL", "NOT_EQUAL"):
        data = op_model(op, [TRUTH, TRUTH], [TRUTH])
        assert_refused(data, "bool x bool x bool", kind=UnsupportedError)


def test_greater_of_int16() -> None:
    """TFLM lets it pass and compares products with multipliers that it never sets."""
    data = op_model("GREATER", [q("int16"), q("int16")], [TRUTH])
    assert_refused(data, "never sets", tensor=0, kind=UnsupportedError)
    data = op_model("LESS", [q("int16"), q("int16")], [TRUTH])
    assert_refused(data, "int16 x int16 x bool", kind=UnsupportedError)


@pytest.mark.parametrize("op", ["LOGICAL_AND", "LOGICAL_OR"])
def test_logical(op: str) -> None:
    assert_refused(op_model(op, [WHOLE, WHOLE], [WHOLE]), "int32 x int32", kind=UnsupportedError)
    longer = Input((3,), "bool")
    assert_refused(op_model(op, [TRUTH, longer], [longer]), "does not broadcast", tensor=1)
    not_ = op_model("LOGICAL_NOT", [F], [F])
    assert_refused(not_, "float32 x float32", kind=UnsupportedError)


@pytest.mark.parametrize("op", ["ABS", "RSQRT"])
def test_abs_and_rsqrt(tflm: TflmRuntime, op: str) -> None:
    wide, off = q("int16"), q("int16", zero=3)
    assert_both_refuse(tflm, "zero point 3, wanted 0", op, [off], wide, tensor=0)
    assert_both_refuse(tflm, "zero point 3, wanted 0", op, [wide], off, tensor=1)
    assert_both_refuse(tflm, "no quantisation", op, [q()], Input((2,), "int8"), tensor=1)
    bare = Input((2,), "int16")
    assert_both_refuse(tflm, "no quantisation", op, [wide], bare, tensor=1)
    # TFLM runs RSQRT of such, with multipliers that it never sets
    if op == "RSQRT":
        assert_refused(op_model(op, [bare], [bare]), "no quantisation", tensor=0)
    far = op_model(op, [q(scale=1e-5 if op == "RSQRT" else 1e6)], [q(scale=1e-8)])
    assert_refused(far, "2^30 or more")
    assert_refused(op_model("RSQRT", [q(scale=1e8)], [q(scale=1.0)]), "is below 2^-11")


def test_rsqrt_below_the_zero_point(tflm: TflmRuntime) -> None:
    """Both stop the invoke, and go on with the next."""
    data = op_model("RSQRT", [q(zero=5)], [q()])
    bad, good = np.array([4, 9], np.int8), np.array([5, 9], np.int8)
    interpreter = Interpreter.from_bytes(data)
    interpreter.set_input(bad, 0)
    with pytest.raises(InputError, match="cannot work with these numbers") as caught:
        interpreter.invoke()
    assert caught.value.where.op_index == 0
    interpreter.set_input(good, 0)
    interpreter.invoke()
    with pytest.raises(RuntimeUnavailableError, match="invocation failed"):
        tflm.run(data, [[bad]])
    np.testing.assert_array_equal(interpreter.get_output(0), tflm.run(data, [[good]]).outputs[0][0])


@pytest.mark.parametrize("op", ["DIV", "FLOOR_DIV"])
def test_division_by_zero(tflm: TflmRuntime, op: str) -> None:
    operand = WHOLE if op == "DIV" else F
    x, y = np.array([1, 2], operand.dtype), np.array([3, 0], operand.dtype)
    data = op_model(op, [operand, operand], [operand])
    interpreter = Interpreter.from_bytes(data)
    interpreter.set_input(x, 0)
    interpreter.set_input(y, 1)
    with pytest.raises(InputError, match="cannot work with these numbers"):
        interpreter.invoke()
    with pytest.raises(InputError, match="cannot work with these numbers"):
        interpreter.run_batch(x[None], y[None])
    with pytest.raises(RuntimeUnavailableError, match="invocation failed"):
        tflm.run(data, [[x, y]])
    assert_refused(op_model(op, [operand, Constant(y)], [operand]), "by a constant 0", tensor=1)


def test_a_quotient_beyond_int32(tflm: TflmRuntime) -> None:
    data = op_model("DIV", [WHOLE, WHOLE], [WHOLE])
    sample = [np.array([-(2**31), 1], np.int32), np.array([-1, 1], np.int32)]
    interpreter = Interpreter.from_bytes(data)
    for i, array in enumerate(sample):
        interpreter.set_input(array, i)
    with pytest.raises(InputError, match="cannot work with these numbers"):
        interpreter.invoke()
    with pytest.raises(RuntimeUnavailableError, match="SIGFPE"):
        tflm.run(data, [sample])


def test_div(tflm: TflmRuntime) -> None:
    scaled = Input((2,), "int32", 0.5, 0)
    assert_both_refuse(tflm, "quantised int32", "DIV", [scaled, WHOLE], WHOLE, tensor=0)
    assert_both_refuse(tflm, "quantised int32", "DIV", [WHOLE, scaled], WHOLE, tensor=1)
    assert_refused(op_model("DIV", [q(), q()], [q(scale=1e-9)]), "2^22 or more")
    assert_refused(op_model("DIV", [q(), Input((2,), "int8")], [q()]), "no quantisation", tensor=1)
    nothing = Constant(np.zeros(2, np.int8), 0.0, 0)
    assert_refused(op_model("DIV", [q(), nothing], [q()]), "scale is 0", tensor=1)
    assert_refused(op_model("DIV", [F, F], [F], with_options=False), "no DivOptions")


def test_squared_difference(tflm: TflmRuntime) -> None:
    op = "SQUARED_DIFFERENCE"
    wide, off = q("int16"), q("int16", zero=1)
    assert_both_refuse(tflm, "zero point 1, wanted 0", op, [off, wide], wide, tensor=0)
    assert_both_refuse(tflm, "zero point 1, wanted 0", op, [wide, wide], off, tensor=2)
    bare = Input((2,), "int8")
    assert_both_refuse(tflm, "no quantisation", op, [bare, bare], bare, tensor=0)
    assert_refused(op_model(op, [q(scale=1e4), q()], [q(scale=1e-8)]), "2^30 or more")


def test_add_n(tflm: TflmRuntime) -> None:
    assert_both_refuse(tflm, "has 1 inputs", "ADD_N", [F], F)
    assert_both_refuse(tflm, "wanted [2]", "ADD_N", [F, F3], F, tensor=1)
    assert_both_refuse(tflm, "type int8, wanted float32", "ADD_N", [F, q()], F, tensor=1)
    other = q(scale=0.25)
    assert_both_refuse(tflm, "those of the first", "ADD_N", [q(), other], q(), tensor=1)
    assert_both_refuse(tflm, "those of the first", "ADD_N", [q(), q(zero=1)], q(), tensor=1)
    assert_both_refuse(tflm, "between 0 and 1", "ADD_N", [q(), q()], q(scale=1e-9), tensor=2)
    bare = Input((2,), "int8")
    assert_both_refuse(tflm, "no quantisation", "ADD_N", [bare, bare], bare, tensor=0)
    data = op_model("ADD_N", [WHOLE, WHOLE], [WHOLE])
    assert_refused(data, "int32 x int32", kind=UnsupportedError)


def test_select_v2(tflm: TflmRuntime) -> None:
    op = "SELECT_V2"
    assert_both_refuse(tflm, "do not broadcast", op, [TRUTH, F, F3], F3)
    one = Input((), "float32")
    assert_both_refuse(tflm, "wanted [2]", op, [TRUTH, F, one], F3, tensor=3)
    assert_refused(op_model(op, [TRUTH, F, F], [F3]), "wanted [2]", tensor=3)
    for dtype in ("int32", "bool"):
        x = Input((2,), dtype)
        data = op_model(op, [TRUTH, x, x], [x])
        assert_refused(data, f"bool x {dtype}", kind=UnsupportedError)
    assert_refused(op_model(op, [F, F, F], [F]), "float32 x float32", kind=UnsupportedError)
    deep = Input((1,) * 7, "bool")
    assert_refused(op_model(op, [deep, F, F], [F]), "rank 7", tensor=0)


def test_cast() -> None:
    for source, target in (("int64", "int8"), ("float32", "int64"), ("uint8", "float32")):
        data = op_model("CAST", [Input((2,), source)], [Input((2,), target)])
        assert_refused(data, f"{source} x {target}", kind=UnsupportedError)
    assert_refused(op_model("CAST", [F], [Input((3,), "int8")]), "wanted [2]", tensor=1)


def test_leaky_relu_and_prelu(tflm: TflmRuntime) -> None:
    assert_refused(op_model("LEAKY_RELU", [F], [F], with_options=False), "no LeakyReluOptions")
    endless = op_model("LEAKY_RELU", [q()], [q()], alpha=float("inf"))
    assert_refused(endless, "alpha is inf")
    bare = Input((2,), "int8")
    assert_refused(op_model("LEAKY_RELU", [bare], [bare]), "no quantisation", tensor=0)
    assert_refused(op_model("PRELU", [q(), q()], [bare]), "no quantisation", tensor=2)
    wide = q("int16")
    data = op_model("PRELU", [wide, wide], [wide])
    assert_refused(data, "int16 x int16 x int16", kind=UnsupportedError)
    deep = Input((1, 1, 1, 1, 2), "float32")
    assert_both_refuse(tflm, "rank 5, wanted 0 to 4", "PRELU", [deep, deep], deep, tensor=0)


def test_elu_and_hard_swish(tflm: TflmRuntime) -> None:
    bare = Input((2,), "int8")
    for op in ("ELU", "HARD_SWISH"):
        assert_refused(op_model(op, [bare], [bare]), "no quantisation", tensor=0)
        assert_refused(op_model(op, [q("int16")], [q("int16")]), "int16", kind=UnsupportedError)
    assert_refused(op_model("ELU", [q(scale=1e5)], [q(scale=1e-6)]), "leave int32", tensor=1)
    steep = [q(scale=128.0)]
    assert_both_refuse(tflm, "128 times", "HARD_SWISH", steep, q(scale=1.0), tensor=1)


def test_log_softmax(tflm: TflmRuntime) -> None:
    op, out = "LOG_SOFTMAX", q(scale=1 / 16, zero=127)
    assert_both_refuse(tflm, "zero point 126", op, [q()], q(scale=1 / 16, zero=126), tensor=1)
    assert_both_refuse(tflm, "wanted 1/16", op, [q()], q(scale=1 / 8, zero=127), tensor=1)
    assert_both_refuse(tflm, "too small", op, [q(scale=2.0**-26)], out, tensor=0)
    scalar = Input((), "float32")
    assert_refused(op_model(op, [scalar], [scalar]), "no elements along its last", tensor=0)
    long = Input((8192,), "int8", 0.5, 0)
    data = op_model(op, [long], [Input((8192,), "int8", 1 / 16, 127)])
    assert_refused(data, "TFLM sums 8191 at most", tensor=0)


def test_l2_normalization(tflm: TflmRuntime) -> None:
    op, deep = "L2_NORMALIZATION", Input((1, 1, 1, 1, 2), "float32")
    assert_both_refuse(tflm, "rank 5, wanted 1 to 4", op, [deep], deep, tensor=0)
    scalar = Input((), "float32")
    assert_refused(op_model(op, [scalar], [scalar]), "rank 0", tensor=0)
    fused = {"fused_activation_function": "RELU"}
    assert_both_refuse(tflm, "fused activation 1, TFLM has none here", op, [F], F, **fused)
    assert_refused(op_model(op, [F], [F], with_options=False), "no L2NormOptions")

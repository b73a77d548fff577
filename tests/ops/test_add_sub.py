"""ADD and SUB against TFLM, against spec loops, worked by hand, and what is refused."""

from __future__ import annotations

from collections import Counter
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from microinterp.errors import UnsupportedError
from microinterp.runtimes.tflm import TflmRuntime
from tests.ops.binary import Binary, binaries
from tests.ops.movement import Constant, Input, assert_refused, op_model, run_one
from tests.ops.strategies import seeds
from tests.ops.values import (
    EXTREME_FLOATS,
    SPECIAL_FLOATS,
    Number,
    ValueCase,
    assert_mostly_varied,
    assert_same_floats,
    check_values,
    outputs_of_both,
)
from tests.spec_ops import arithmetic as spec

QUANTIZED = ("int8", "int16")


def case_of(b: Binary) -> ValueCase:
    """The model of `b` and its expectation by the specification."""

    def element(x: Number, y: Number) -> Number:
        if b.dtype in QUANTIZED:
            return spec.add_quantized(int(x), int(y), b.quant, b.dtype, b.activation, b.op)
        if b.dtype == "int32":
            return spec.plain_int32(int(x), int(y), b.op, b.activation)
        return spec.plain_float(x, y, b.op, b.activation)

    return ValueCase(b.data, lambda inputs: b.each(inputs, element))


@pytest.mark.parametrize(("op", "kind"), [*product(("ADD", "SUB"), ("quantized", "plain"))])
def test_equals_tflm_and_spec(tflm: TflmRuntime, op: str, kind: str) -> None:
    seen: Counter[str] = Counter()
    dtypes = QUANTIZED if kind == "quantized" else ("float32", "int32")

    @given(b=binaries(op, dtypes), seed=seeds())
    def check(b: Binary, seed: int) -> None:
        check_values(tflm, case_of(b), seed, seen)

    check()
    assert_mostly_varied(seen)


@pytest.mark.parametrize("op", ["ADD", "SUB"])
@pytest.mark.parametrize("activation", ["NONE", "RELU", "RELU6", "RELU_N1_TO_1"])
def test_special_floats_equal_tflm(tflm: TflmRuntime, op: str, activation: str) -> None:
    """Signed zeros, subnormals, infinities, NaN, in all pairs."""
    x, y = np.meshgrid(np.float32(SPECIAL_FLOATS + EXTREME_FLOATS), SPECIAL_FLOATS + EXTREME_FLOATS)
    shape = x.shape
    data = op_model(
        op,
        [Input(shape, "float32"), Input(shape, "float32")],
        [Input(shape, "float32")],
        fused_activation_function=activation,
    )
    ours, theirs = outputs_of_both(tflm, data, [[x, y.astype(np.float32)]])
    assert_same_floats(ours, theirs)


@given(x=st.integers(-(2**31), 2**31 - 1), y=st.integers(-(2**31), 2**31 - 1))
def test_int32_wraps(x: int, y: int) -> None:
    pair = [Input((1,), "int32"), Input((1,), "int32")]
    for op, exact in (("ADD", x + y), ("SUB", x - y)):
        data = op_model(op, pair, [Input((1,), "int32")])
        result = run_one(data, np.array([x], np.int32), np.array([y], np.int32))
        assert result[0] == (exact + 2**31) % 2**32 - 2**31


def test_by_hand() -> None:
    """Scales 0.5 and 0.25 to 0.5: 3 * 0.5 + 5 * 0.25 = 2.75 is 5.5 steps, -2.75 is -5.5 steps.

    The last requantisation gets 5.5 * 2^20 units exactly, so only its rounding shows: first a
    product rounded half up, then a shift that rounds halves away from zero: 6 and -6.
    """
    pair = [Input((1, 2), "int8", 0.5, 1), Input((1, 2), "int8", 0.25, -2)]
    out = [Input((1, 2), "int8", 0.5, 10)]
    a, b = np.array([[4, -2]], np.int8), np.array([[3, -7]], np.int8)
    assert run_one(op_model("ADD", pair, out), a, b).tolist() == [[16, 4]]
    # 1.5 - 1.25 = 0.25 is half a step: 1 (and -1)
    assert run_one(op_model("SUB", pair, out), a, b).tolist() == [[11, 9]]


def test_broadcast_by_hand() -> None:
    column, row = Input((2, 1), "int32"), Input((3,), "int32")
    data = op_model("SUB", [column, row], [Input((2, 3), "int32")])
    result = run_one(data, np.array([[10], [20]], np.int32), np.array([1, 2, 3], np.int32))
    assert result.tolist() == [[9, 8, 7], [19, 18, 17]]


def q8(shape: tuple[int, ...] = (2, 3), scale: float | None = 0.5, zero: int | None = 0) -> Input:
    return Input(shape, "int8", scale, zero if scale is not None else None)


@pytest.mark.parametrize("op", ["ADD", "SUB"])
def test_refuses_shapes(op: str) -> None:
    assert_refused(op_model(op, [q8(), q8((2, 2))], [q8()]), "does not broadcast", tensor=1)
    assert_refused(op_model(op, [q8(), q8((3,))], [q8((3,))]), "wanted [2, 3]", tensor=2)
    deep = (1,) * 7
    assert_refused(op_model(op, [q8(deep), q8(deep)], [q8(deep)]), "rank 7", tensor=0)


@pytest.mark.parametrize("op", ["ADD", "SUB"])
def test_refuses_types_and_counts(op: str) -> None:
    mixed = op_model(op, [q8(), Input((2, 3), "int16", 0.5, 0)], [q8()])
    assert_refused(mixed, "int8 x int16 x int8", kind=UnsupportedError)
    assert_refused(op_model(op, [q8()], [q8()]), "has 1 inputs, wanted 2")
    assert_refused(op_model(op, [q8(), q8()], [q8()], with_options=False), "Options")


@pytest.mark.parametrize("op", ["ADD", "SUB"])
def test_refuses_quantisation(op: str) -> None:
    assert_refused(op_model(op, [q8(), q8(scale=None)], [q8()]), "no quantisation", tensor=1)
    # 2 * 0.5 / (2^20 * scale) reaches 1: TFLM halts
    tiny = op_model(op, [q8(), q8()], [q8(scale=2.0**-20)])
    assert_refused(tiny, "wanted one between 0 and 1", tensor=2)
    plain = Input((2, 3), "int32")
    quantized = Input((2, 3), "int32", 0.5, 0)
    for inputs in ([plain, quantized], [quantized, plain]):
        data = op_model(op, inputs, [plain])
        assert_refused(data, "quantised int32", tensor=inputs.index(quantized))
    zero = op_model(op, [q8(), Constant(np.zeros((2, 3), np.int8), 0.0, 0)], [q8()])
    assert_refused(zero, "wanted one between 0 and 1", tensor=1)
    fine = q8(scale=1e-12)
    far = op_model(op, [fine, fine], [fine], fused_activation_function="RELU6")
    assert_refused(far, "activation limit 6.0", tensor=2)


def test_add_takes_what_tflm_takes(tflm: TflmRuntime) -> None:
    """TFLM's ADD of int32 looks at its inputs alone; its activation does nothing."""
    plain, quantized = Input((3,), "int32"), Input((3,), "int32", 0.5, 0)
    x = np.array([-5, 0, 9], np.int32)
    data = op_model("ADD", [plain, plain], [quantized], fused_activation_function="RELU6")
    ours, theirs = outputs_of_both(tflm, data, [[x, x]])
    assert ours.tolist() == theirs.tolist() == [[-10, 0, 18]]
    assert_refused(op_model("SUB", [plain, plain], [quantized]), "quantised int32", tensor=2)

"""LOGISTIC and TANH against TFLM, against spec loops, worked by hand, and what is refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from microinterp.errors import UnsupportedError
from microinterp.runtimes.tflm import TflmRuntime
from tests.ops.movement import Input, assert_refused, op_model, run_one
from tests.ops.strategies import scales, seeds, shapes
from tests.ops.values import (
    EXTREME_FLOATS,
    SPECIAL_FLOATS,
    ValueCase,
    assert_mostly_varied,
    assert_same_floats,
    check_values,
    outputs_of_both,
    tanh_ulps,
    ulps_between,
)
from tests.spec_ops import activations as spec

OPS = ("LOGISTIC", "TANH")
SPEC8 = {"LOGISTIC": spec.logistic8, "TANH": spec.tanh8}
SPEC16 = {"LOGISTIC": spec.logistic16, "TANH": spec.tanh16}
OUT8 = {"LOGISTIC": (1 / 256, -128), "TANH": (1 / 128, 0)}
EVERY_INT16 = np.arange(-32768, 32768, dtype=np.int16)


def model(op: str, shape: tuple[int, ...], dtype: str, scale: float, zero_point: int = 0) -> bytes:
    out = OUT8[op] if dtype == "int8" else (1 / 32768, 0)
    return op_model(op, [Input(shape, dtype, scale, zero_point)], [Input(shape, dtype, *out)])


@st.composite
def int8_cases(draw: st.DrawFn, op: str) -> ValueCase:
    """Any scale that has a shift, most of them such that the curve is seen."""
    scale = draw(st.one_of(scales(5e-3, 0.5), scales(5e-3, 0.5), scales(2e-8, 1e9)))
    zero, shape = draw(st.integers(-128, 127)), draw(shapes(0, 6, 5))
    function: Callable[[int, float, int], int] = SPEC8[op]
    return ValueCase(
        model(op, shape, "int8", scale, zero),
        lambda inputs: [function(x, scale, zero) for x in inputs[0]],
    )


@st.composite
def int16_cases(draw: st.DrawFn, op: str) -> ValueCase:
    """Any scale with a multiplier; powers of two near 2^-12 have a way of their own."""
    powers = st.integers(-16, -9).map(lambda e: 2.0**e)
    nearly = st.tuples(powers, st.floats(0.9985, 1.0015)).map(
        lambda p: float(np.float32(p[0] * p[1]))
    )
    scale = draw(st.one_of(scales(1e-5, 1e-2), powers, nearly, scales(1e-13, 5.0)))
    shape = draw(shapes(0, 6, 5))
    function: Callable[[int, float], int] = SPEC16[op]
    return ValueCase(
        model(op, shape, "int16", scale), lambda inputs: [function(x, scale) for x in inputs[0]]
    )


@pytest.mark.parametrize("op", OPS)
@pytest.mark.parametrize("cases", [int8_cases, int16_cases])
def test_equals_tflm_and_spec(
    tflm: TflmRuntime, op: str, cases: Callable[[str], st.SearchStrategy[ValueCase]]
) -> None:
    seen: Counter[str] = Counter()

    @given(case=cases(op), seed=seeds())
    def check(case: ValueCase, seed: int) -> None:
        check_values(tflm, case, seed, seen)

    check()
    assert_mostly_varied(seen)


@pytest.mark.parametrize("op", OPS)
@pytest.mark.parametrize("scale", [2.0**-13, 2.0**-12, 2.0**-11, 1 / 4096.5, 3e-4, 1e-3, 4.0])
def test_every_int16_equals_tflm(tflm: TflmRuntime, op: str, scale: float) -> None:
    """All inputs at steps that visit every entry of the table."""
    ours, theirs = outputs_of_both(tflm, model(op, (65536,), "int16", scale), [[EVERY_INT16]])
    np.testing.assert_array_equal(ours, theirs)
    assert len(np.unique(ours)) > 2


def test_int16_scale_at_the_edge_of_a_power_of_two(tflm: TflmRuntime) -> None:
    """log2 within 0.001 of a whole number counts as a power of two."""
    for op in OPS:
        for nudge in (0.9993, 0.99931, 0.99932, 1.00068, 1.00069, 1.0007):
            data = model(op, (65536,), "int16", float(np.float32(nudge * 2.0**-12)))
            ours, theirs = outputs_of_both(tflm, data, [[EVERY_INT16]])
            np.testing.assert_array_equal(ours, theirs)


def float_model(op: str, count: int) -> bytes:
    return op_model(op, [Input((count,), "float32")], [Input((count,), "float32")])


def many_floats(count: int) -> np.ndarray:
    rng = np.random.default_rng(7)
    wide, middle = rng.uniform(-110, 110, count // 2), rng.standard_normal(count // 2) * 4
    return np.concatenate([wide, middle]).astype(np.float32)


def test_float_logistic_equals_tflm(tflm: TflmRuntime) -> None:
    """200,000 arguments, no bit differs: exp is computed as glibc does."""
    x = many_floats(200_000)
    ours, theirs = outputs_of_both(tflm, float_model("LOGISTIC", len(x)), [[x]])
    assert_same_floats(ours, theirs)
    exact = np.array([spec.logistic_float(float(value)) for value in x[:2000]])
    assert ulps_between(ours[0, :2000], exact).max() <= 2


def test_float_tanh_equals_tflm(tflm: TflmRuntime) -> None:
    """200,000 arguments, no bit differs where the C library has fdlibm's tanhf."""
    x = many_floats(200_000)
    ours, theirs = outputs_of_both(tflm, float_model("TANH", len(x)), [[x]])
    assert ulps_between(ours, theirs).max() <= tanh_ulps()


@pytest.mark.parametrize("op", OPS)
def test_special_floats_equal_tflm(tflm: TflmRuntime, op: str) -> None:
    x = np.array(SPECIAL_FLOATS + EXTREME_FLOATS, np.float32)
    ours, theirs = outputs_of_both(tflm, float_model(op, len(x)), [[x]])
    if op == "TANH":
        finite = np.isfinite(ours)
        assert ulps_between(ours[finite], theirs[finite]).max() <= tanh_ulps()
        assert np.isnan(ours[0, -1])
        assert np.isnan(theirs[0, -1])
    else:
        assert_same_floats(ours, theirs)


def test_by_hand() -> None:
    """sigmoid(0) = 1/2 is 128 steps of 1/256, sigmoid(2) = 0.880797 is 225.48 of them."""
    x = np.array([3, 11, -5, 127], np.int8)
    logistic = model("LOGISTIC", (4,), "int8", 0.25, 3)
    assert run_one(logistic, x).tolist() == [0, 225 - 128, 31 - 128, 127]
    # tanh(2) = 0.964028 is 123.4 steps of 1/128
    assert run_one(model("TANH", (4,), "int8", 0.25, 3), x).tolist() == [0, 123, -123, 127]
    # 2^-12 * 8192 = 2: 0.880797 * 32768 = 28862.0, 0.964028 * 32768 = 31589.3
    wide = np.array([0, 8192, -8192, 32767], np.int16)
    assert run_one(model("LOGISTIC", (4,), "int16", 2.0**-12), wide).tolist() == [
        16384,
        28862,
        3906,
        32757,
    ]
    assert run_one(model("TANH", (4,), "int16", 2.0**-12), wide).tolist() == [
        0,
        31589,
        -31589,
        32767,
    ]


@pytest.mark.parametrize("op", OPS)
def test_refuses_types_and_shapes(op: str) -> None:
    x, out = Input((3,), "int8", 0.1, 0), Input((3,), "int8", *OUT8[op])
    assert_refused(op_model(op, [x], [Input((2,), "int8", *OUT8[op])]), "wanted [3]", tensor=1)
    assert_refused(op_model(op, [x, x], [out]), "has 2 inputs, wanted 1")
    assert_refused(op_model(op, [Input((3,), "int8")], [out]), "no quantisation", tensor=0)
    wide = Input((3,), "int16", 2.0**-15, 0)
    assert_refused(op_model(op, [x], [wide]), "int8 x int16", kind=UnsupportedError)


@pytest.mark.parametrize("op", OPS)
def test_refuses_quantisation(op: str) -> None:
    x = Input((3,), "int16", 0.001, 0)
    for out_scale, out_zero, text in ((2.0**-14, 0, "wanted 2^-15"), (2.0**-15, 1, "wanted 0")):
        data = op_model(op, [x], [Input((3,), "int16", out_scale, out_zero)])
        assert_refused(data, text, tensor=1)
    offset = op_model(op, [Input((3,), "int16", 0.001, 4)], [Input((3,), "int16", 2.0**-15, 0)])
    assert_refused(offset, "zero point 4, wanted 0", tensor=0)
    for scale in (1e-14, 6.0):
        assert_refused(model(op, (3,), "int16", scale), "out of the range", tensor=0)
    for scale in (1e-9, 1e12):
        assert_refused(model(op, (3,), "int8", scale), "out of TFLM's range", tensor=0)


def test_logistic_wants_its_output_zero_point() -> None:
    data = op_model("LOGISTIC", [Input((3,), "int8", 0.1, 0)], [Input((3,), "int8", 1 / 256, 0)])
    assert_refused(data, "zero point 0, wanted -128", tensor=1)

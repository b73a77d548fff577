"""QUANTIZE and DEQUANTIZE against TFLM, spec loops, worked by hand, and what is refused."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from microinterp.errors import UnsupportedError
from microinterp.runtimes.tflm import TflmRuntime
from tests.ops.movement import Constant, Input, assert_refused, op_model, run_one
from tests.ops.strategies import scales, seeds, shapes
from tests.ops.values import (
    ValueCase,
    assert_mostly_varied,
    assert_same_floats,
    check_values,
    outputs_of_both,
)
from tests.spec_ops import quantize as spec

PAIRS = (
    *(("int32", "int8"), ("int32", "int16"), ("int16", "int8"), ("int16", "int16")),
    *(("int16", "int32"), ("int8", "int8"), ("int8", "uint8"), ("int8", "int16")),
    *(("int8", "int32"), ("uint8", "int8")),
)


@st.composite
def zeros(draw: st.DrawFn, dtype: str) -> int:
    """Any zero point of the type; mostly 0 for the wide ones."""
    low, high = spec.LIMITS[dtype]
    if dtype in ("int16", "int32") and draw(st.booleans()):
        return 0
    return draw(st.integers(low, high))


@st.composite
def float_cases(draw: st.DrawFn) -> ValueCase:
    """float32 to int8 or int16."""
    dtype, shape = draw(st.sampled_from(("int8", "int16"))), draw(shapes(0, 6, 5))
    scale, zero = draw(scales(1e-6, 10.0)), draw(zeros(dtype))
    data = op_model("QUANTIZE", [Input(shape, "float32")], [Input(shape, dtype, scale, zero)])
    return ValueCase(
        data, lambda inputs: [spec.quantize_float(x, scale, zero, dtype) for x in inputs[0]]
    )


@st.composite
def integer_cases(draw: st.DrawFn) -> ValueCase:
    """Every pair of integer types; scales mostly such that ranges match, at times equal."""
    source, target = draw(st.sampled_from(PAIRS))
    shape, scale = draw(shapes(0, 6, 5)), draw(scales(1e-4, 1.0))
    ranges = [np.ptp(spec.LIMITS[dtype]) for dtype in (source, target)]
    out_scale = scale * ranges[0] / ranges[1] * draw(st.floats(0.3, 3.0))
    out_scale = draw(st.sampled_from((out_scale, out_scale, out_scale, scale, draw(scales()))))
    out_scale = float(np.float32(out_scale))
    zero, out_zero = draw(zeros(source)), draw(zeros(target))
    data = op_model(
        "QUANTIZE",
        [Input(shape, source, scale, zero)],
        [Input(shape, target, out_scale, out_zero)],
    )
    return ValueCase(
        data,
        lambda inputs: [
            spec.requantize(x, scale, zero, out_scale, out_zero, target) for x in inputs[0]
        ],
    )


@st.composite
def dequantize_cases(draw: st.DrawFn) -> ValueCase:
    """int8, uint8 and int16 to float32; scales down to where results are subnormal."""
    dtype, shape = draw(st.sampled_from(("int8", "uint8", "int16"))), draw(shapes(0, 6, 5))
    scale = draw(st.one_of(scales(), scales(1e-44, 1e36)))
    zero = draw(zeros(dtype))
    data = op_model("DEQUANTIZE", [Input(shape, dtype, scale, zero)], [Input(shape, "float32")])
    return ValueCase(data, lambda inputs: [spec.dequantize(x, scale, zero) for x in inputs[0]])


@pytest.mark.parametrize(
    "cases",
    [float_cases(), integer_cases(), dequantize_cases()],
    ids=["float", "integer", "dequantize"],
)
def test_equals_tflm_and_spec(tflm: TflmRuntime, cases: st.SearchStrategy[ValueCase]) -> None:
    seen: Counter[str] = Counter()

    @given(case=cases, seed=seeds())
    def check(case: ValueCase, seed: int) -> None:
        check_values(tflm, case, seed, seen)

    check()
    assert_mostly_varied(seen)


def test_float_ties_equal_tflm(tflm: TflmRuntime) -> None:
    """Halves, their neighbours in float32, and quotients near 2^23 where float32 has none."""
    halves = np.arange(-300, 300, dtype=np.float32) / 2
    near = np.concatenate([np.nextafter(halves, np.float32(side)) for side in (-np.inf, np.inf)])
    large = np.float32([2**22 + 0.5, 2**23 - 0.5, 2**23 + 1, 2**24 + 2, 2**30, 2**31 - 128])
    x = np.concatenate([halves, near, large, -large, [-0.0, 1e-45, -1e-45]]).astype(np.float32)
    for dtype in ("int8", "int16"):
        for scale, zero in ((1.0, 0), (1.0, 3), (0.5, -7), (float(np.float32(0.1)), 0)):
            limited = x[np.abs(x / np.float32(scale)) < 2**31]
            operand = Input(limited.shape, "float32")
            data = op_model("QUANTIZE", [operand], [Input(limited.shape, dtype, scale, zero)])
            ours, theirs = outputs_of_both(tflm, data, [[limited]])
            np.testing.assert_array_equal(ours, theirs)


def test_floats_that_c_leaves_undefined() -> None:
    """Beyond int32 quotients saturate and NaN is the zero point, as on Arm."""
    x = np.float32([np.inf, -np.inf, np.nan, 3e38, -3e38, 2**31, -(2**31) - 256])
    for dtype, low, high in (("int8", -128, 127), ("int16", -32768, 32767)):
        out = Input((7,), dtype, 1.0, 5)
        result = run_one(op_model("QUANTIZE", [Input((7,), "float32")], [out]), x)
        assert result.tolist() == [high, low, 5, high, low, high, low]


def test_special_scales_of_dequantize(tflm: TflmRuntime) -> None:
    """Results that are subnormal, and such that leave float32."""
    x = np.arange(-128, 128, dtype=np.int8)
    for scale in (1e-45, 1.1754944e-38, 3e38, 0.1):
        operand = Input((256,), "int8", float(np.float32(scale)), -3)
        data = op_model("DEQUANTIZE", [operand], [Input((256,), "float32")])
        ours, theirs = outputs_of_both(tflm, data, [[x]])
        assert_same_floats(ours, theirs)


def test_by_hand() -> None:
    """2.5 steps round to 3, -2.5 to -3; zero point 10."""
    x = np.float32([1.25, -1.25, 1.2, 100.0, -100.0])
    floats = op_model("QUANTIZE", [Input((5,), "float32")], [Input((5,), "int8", 0.5, 10)])
    assert run_one(floats, x).tolist() == [13, 7, 12, 127, -128]
    # (x - 2) / 2: the factor is 2^30 / 2^31 with no shift after it, so that halves round up
    wide = op_model("QUANTIZE", [Input((4,), "int32", 0.25, 2)], [Input((4,), "int16", 0.5, 0)])
    assert run_one(wide, np.array([5, -1, 2**30, 3], np.int32)).tolist() == [2, -1, 32767, 1]
    back = op_model("DEQUANTIZE", [Input((3,), "uint8", 0.5, 128)], [Input((3,), "float32")])
    assert run_one(back, np.array([0, 128, 255], np.uint8)).tolist() == [-64.0, 0.0, 63.5]


def test_int8_to_uint8_is_a_shift(tflm: TflmRuntime) -> None:
    """Equal scales, zero points 128 apart: TFLM flips the sign bit."""
    x = np.arange(-128, 128, dtype=np.int8)
    data = op_model(
        "QUANTIZE", [Input((256,), "int8", 0.3, -4)], [Input((256,), "uint8", 0.3, 124)]
    )
    ours, theirs = outputs_of_both(tflm, data, [[x]])
    np.testing.assert_array_equal(ours, theirs)
    assert ours[0].tolist() == list(range(256))


QUANTIZED = Input((3,), "int8", 0.5, 0)
FLOAT = Input((3,), "float32")


def test_quantize_refusals() -> None:
    assert_refused(op_model("QUANTIZE", [FLOAT, FLOAT], [QUANTIZED]), "has 2 inputs, wanted 1")
    assert_refused(op_model("QUANTIZE", [FLOAT], [Input((3,), "int8")]), "no quantisation", 1)
    assert_refused(op_model("QUANTIZE", [Input((3,), "int8")], [QUANTIZED]), "no quantisation", 0)
    longer = Input((4,), "int8", 0.5, 0)
    assert_refused(op_model("QUANTIZE", [FLOAT], [longer]), "wanted [3]", tensor=1)
    for source, target in (("float32", "uint8"), ("float32", "int32"), ("uint8", "int16")):
        scale = (None, None) if source == "float32" else (0.5, 0)
        data = op_model("QUANTIZE", [Input((3,), source, *scale)], [Input((3,), target, 0.5, 0)])
        assert_refused(data, f"{source} x {target}", kind=UnsupportedError)
    zero = op_model("QUANTIZE", [QUANTIZED], [Input((3,), "int32", 0.0, 0)])
    assert_refused(zero, "scale is 0", tensor=1)
    tiny = op_model("QUANTIZE", [QUANTIZED], [Input((3,), "int32", 1e-10, 0)])
    assert_refused(tiny, "2^30 or more")


def test_quantize_refuses_a_scale_per_channel() -> None:
    out = Input((3,), "int8", [0.5, 0.25, 0.125], 0)  # type: ignore[arg-type]
    assert_refused(op_model("QUANTIZE", [FLOAT], [out]), "has 3 scales", tensor=1)


def test_dequantize_refusals() -> None:
    assert_refused(op_model("DEQUANTIZE", [QUANTIZED, QUANTIZED], [FLOAT]), "has 2 inputs")
    assert_refused(op_model("DEQUANTIZE", [Input((3,), "int8")], [FLOAT]), "no quantisation", 0)
    longer = Input((4,), "float32")
    assert_refused(op_model("DEQUANTIZE", [QUANTIZED], [longer]), "wanted [3]", tensor=1)
    wide = op_model("DEQUANTIZE", [Input((3,), "int32", 0.5, 0)], [FLOAT])
    assert_refused(wide, "int32 x float32", kind=UnsupportedError)


def test_dequantize_of_a_constant(tflm: TflmRuntime) -> None:
    """Converters leave such ops behind float biases."""
    data = op_model(
        "DEQUANTIZE", [Constant(np.array([-3, 9], np.int8), 0.1, 1)], [Input((2,), "float32")]
    )
    ours, theirs = outputs_of_both(tflm, data, [[]])
    assert_same_floats(ours, theirs)

"""CONV_2D against TFLM, against spec loops, worked by hand, and what is refused."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from microinterp.errors import UnsupportedError
from microinterp.kernels.filters import FILTER_TYPES
from microinterp.runtimes.tflm import TflmRuntime
from tests.ops.layers import (
    KINDS,
    VARIED_SHARE,
    Layer,
    activations,
    axes,
    check_layer,
    operands,
    options_of,
    output_scales,
    with_options,
)
from tests.ops.movement import Constant, Input, assert_refused, op_model, run_one
from tests.ops.strategies import ACTIVATIONS, seeds
from tests.oracle import check_model
from tests.spec_ops import conv as spec
from tests.spec_ops.conv import Axis, Number


@st.composite
def layers(draw: st.DrawFn, types: str) -> Layer:
    """Any geometry, groups, per-tensor or per-channel weights, constant or computed."""
    kind = KINDS[types]
    dtype, rng = kind.dtype, np.random.default_rng(draw(seeds()))
    groups, depth, per_group = (draw(st.integers(1, n)) for n in (3, 3, 3))
    rows, columns = draw(axes())
    height = draw(st.integers(rows.reach if rows.padding == "VALID" else 1, 8))
    width = draw(st.integers(columns.reach if columns.padding == "VALID" else 1, 8))
    x = Input(
        (draw(st.integers(1, 2)), height, width, groups * depth), dtype, *draw(activations(dtype))
    )
    filters = groups * per_group
    parts = draw(operands(rng, kind, (filters, rows.size, columns.size, depth), axis=0))
    y_scale, y_zero = draw(activations(dtype))
    if x.scale is not None:
        terms = rows.size * columns.size * depth
        y_scale = draw(output_scales(x.scale * parts["w_scales"][0], terms, kind.w_type))
    return Layer(
        "CONV_2D",
        x,
        y=Input(spec.output_shape(x.shape, filters, (rows, columns)), dtype, y_scale, y_zero),
        options={
            **options_of((rows, columns)),
            "fused_activation_function": draw(st.sampled_from(ACTIVATIONS)),
            "quantized_bias_type": draw(st.sampled_from(kind.bias_types_if_none)),
        },
        **parts,
    )


def spec_sums(layer: Layer, x: list[Number], w: list[Number]) -> list[Number]:
    return spec.convolve(x, layer.x.shape, w, layer.w.shape, layer.axes(), layer.term())


@pytest.mark.parametrize("types", FILTER_TYPES)
def test_equals_tflm_and_spec(tflm: TflmRuntime, types: str) -> None:
    seen: Counter[str] = Counter()

    @given(layer=layers(types), seed=seeds())
    def check(layer: Layer, seed: int) -> None:
        check_layer(tflm, layer, spec_sums, seed, seen)

    check()
    assert seen["varied"] >= VARIED_SHARE * seen["models"]


PIXELS = np.array([[1, 2], [3, 4]], np.int8).reshape(1, 2, 2, 1)
BASE = Layer(
    "CONV_2D",
    Input((1, 2, 2, 1), "int8", 0.5, 1),
    np.array([[1, -1], [2, 3]], np.int8).reshape(1, 2, 2, 1),
    Input((1, 2, 2, 1), "int8", 1.0, -2),
    bias=np.array([8], np.int32),
    w_scales=[0.5],
    options=options_of((Axis(2, 1, 1, "SAME"), Axis(2, 1, 1, "SAME"))),
)


def test_int8_worked_by_hand() -> None:
    # Without the zero point the image is 0 1 / 2 3. SAME pads below and to the right.
    # 0*1 - 1 + 2*2 + 3*3 = 12   1*1 + 3*2 = 7   2*1 - 3*1 = -1   3*1 = 3
    # plus 8: 20 15 7 11; times 0.5 * 0.5 / 1: 5 3.75 1.75 2.75; rounded, minus 2: 3 2 0 1
    assert run_one(BASE.data(), PIXELS).reshape(-1).tolist() == [3, 2, 0, 1]


def test_int16_worked_by_hand() -> None:
    # The int16 kernel knows no zero points: the image is 1 2 / 3 4, and nothing is taken off.
    # 1 - 2 + 6 + 12 = 17   2 + 8 = 10   3 - 4 = -1   4;  plus 8: 25 18 7 12
    # times 0.25: 6.25 4.5 1.75 3. A 64-bit sum rounds once, a 32-bit one twice: 12.5 13 6.5 7.
    for bias, want in ((np.int64, [6, 5, 2, 3]), (np.int32, [7, 5, 2, 3])):
        layer = replace(
            BASE,
            x=Input((1, 2, 2, 1), "int16", 0.5, 1),
            y=Input((1, 2, 2, 1), "int16", 1.0, -2),
            bias=np.array([8], bias),
        )
        assert run_one(layer.data(), PIXELS.astype(np.int16)).reshape(-1).tolist() == want


def test_sums_of_int8_wrap_as_in_tflm(tflm: TflmRuntime) -> None:
    # 2^31 - 9 plus 12 7 -1 3: the first one wraps
    layer = replace(BASE, bias=np.array([2**31 - 9], np.int32))
    (want,) = tflm.run(layer.data(), [[PIXELS]]).outputs[0]
    assert run_one(layer.data(), PIXELS).reshape(-1).tolist() == [-128, 127, 127, 127]
    assert want.reshape(-1).tolist() == [-128, 127, 127, 127]


def test_bias_type_decides_the_rounding_of_int16() -> None:
    # -2 * 0.25 = -0.5: 64-bit sums round halves up, 32-bit ones away from zero.
    for bias, want in ((np.int64, 0), (np.int32, -1)):
        layer = replace(
            BASE,
            x=Input((1, 2, 2, 1), "int16", 0.5, 0),
            y=Input((1, 1, 1, 1), "int16", 1.0, 0),
            bias=np.array([-2], bias),
            options=options_of((Axis(2, 1, 1, "VALID"), Axis(2, 1, 1, "VALID"))),
        )
        assert run_one(layer.data(), np.zeros((1, 2, 2, 1), np.int16)).item() == want


def test_float_worked_by_hand() -> None:
    # 2^24 + 1 is no float32: added one by one the ones are lost, added first they would count.
    layer = Layer(
        "CONV_2D",
        Input((1, 1, 1, 3), "float32"),
        np.array([2.0**24, 1, 1], np.float32).reshape(1, 1, 1, 3),
        Input((1, 1, 1, 1), "float32"),
        options=BASE.options,
    )
    assert run_one(layer.data(), np.ones((1, 1, 1, 3), np.float32)).item() == 2.0**24
    flipped = replace(layer, w=layer.w[..., ::-1].copy())
    assert run_one(flipped.data(), np.ones((1, 1, 1, 3), np.float32)).item() == 2.0**24 + 2


def test_padding_skips_even_an_infinite_weight() -> None:
    layer = Layer(
        "CONV_2D",
        Input((1, 1, 1, 1), "float32"),
        np.array([np.inf, 2, np.inf], np.float32).reshape(1, 1, 3, 1),
        Input((1, 1, 1, 1), "float32"),
        options=BASE.options,
    )
    assert run_one(layer.data(), np.full((1, 1, 1, 1), 3, np.float32)).item() == 6


@pytest.mark.parametrize("exponent", [7, 13, 14])
def test_largest_factors_equal_tflm(tflm: TflmRuntime, exponent: int) -> None:
    """Beyond TFLM's own contract (2^7 for 64-bit sums), as long as C defines the shift."""
    layer = scaled_int16(2.0**-exponent * 1.5)
    result = check_model(tflm, layer.data(), np.random.default_rng(1))
    assert result.tensors == 1


def scaled_int16(y_scale: float) -> Layer:
    return replace(
        BASE,
        x=Input((1, 2, 2, 1), "int16", 1.0, 0),
        y=Input((1, 2, 2, 1), "int16", y_scale, 0),
        bias=np.array([8], np.int64),
        w_scales=[1.0],
    )


def far_apart(taps: int) -> Layer:
    """Taps as far apart as TFLM can count, most of them in the padding."""
    return replace(
        with_options(BASE, dilation_h_factor=32767),
        x=Input((1, 1, 2, 1), "int8", 0.5, 1),
        w=np.ones((1, taps, 2, 1), np.int8),
        y=Input((1, 1, 2, 1), "int8", 1.0, -2),
    )


def test_largest_padding_equals_tflm(tflm: TflmRuntime) -> None:
    result = check_model(tflm, far_apart(3).data(), np.random.default_rng(1))
    assert result.varied


WIDE = replace(BASE, x=Input((1, 2, 2, 3), "int8", 0.5, 1))
STILL = Input((1, 2, 2, 1), "int8", 2.0**-32, -2)
X, W, BIAS, Y = range(4)
REFUSED: dict[str, tuple[Layer, int | None]] = {
    "quantized_bias_type is 127": (with_options(BASE, quantized_bias_type=127), None),
    "type int64, wanted int32": (replace(BASE, bias=np.array([8], np.int64)), BIAS),
    "int32[2] has 2 elements, wanted 1": (replace(BASE, bias=np.array([8, 8], np.int32)), BIAS),
    "rank 3, wanted 4": (replace(BASE, x=Input((2, 2, 1), "int8", 0.5, 1)), X),
    "3 input channels do not divide into the filter's 2": (
        replace(WIDE, w=np.ones((1, 2, 2, 2), np.int8)),
        W,
    ),
    "1 filters do not divide into 3 groups": (WIDE, W),
    "shape [1, 2, 2, 2], wanted [1, 2, 2, 1]": (
        replace(BASE, y=Input((1, 2, 2, 2), "int8", 1.0, -2)),
        Y,
    ),
    "2 scales along dimension 1, wanted one, or 1 along dimension 0": (
        replace(BASE, w_scales=[0.5, 0.5], axis=1),
        W,
    ),
    "int8 tensor has no quantisation": (replace(BASE, w_scales=[]), W),
    "stride is 0": (with_options(BASE, stride_h=0), None),
    "dilation is 0": (with_options(BASE, dilation_w_factor=0), None),
    "neither SAME (0) nor VALID (1)": (with_options(BASE, padding=2), None),
    "filter of 3 pixels does not fit the 2": (
        with_options(BASE, padding="VALID", dilation_h_factor=2),
        None,
    ),
    "padding of 49150 pixels overflows": (far_apart(4), None),
    "dilation 32768 overflows": (with_options(BASE, dilation_h_factor=32768), None),
    "stride or dilation 65536 overflows": (with_options(BASE, stride_w=65536), None),
    "factor 1.07374e+09 is 2^30 or more": (
        replace(BASE, y=replace(STILL, scale=2.0**-32)),
        None,
    ),
    "factor 16384 is 2^14 or more": (scaled_int16(2.0**-14), None),
    "activation limit 6.0 is out of range": (
        with_options(replace(BASE, y=replace(STILL, scale=2.0**-31)), fused_activation_function=3),
        Y,
    ),
}


@pytest.mark.parametrize("text", REFUSED)
def test_refuses(text: str) -> None:
    layer, tensor = REFUSED[text]
    assert_refused(layer.data(), text, tensor)


@pytest.mark.parametrize(
    ("x_type", "w_type"), [("int8", "float32"), ("int16", "int16"), ("uint8", "uint8")]
)
def test_refuses_types(x_type: str, w_type: str) -> None:
    layer = replace(
        BASE,
        x=Input((1, 2, 2, 1), x_type, 0.5, 1),
        w=np.ones((1, 2, 2, 1), w_type),
        y=Input((1, 2, 2, 1), x_type, 1.0, 1),
    )
    assert_refused(layer.data(), f"{x_type} x {w_type}", kind=UnsupportedError)


def test_refuses_numbers_of_tensors_and_no_options() -> None:
    x, y = BASE.x, BASE.y
    assert_refused(op_model("CONV_2D", [x], [y]), "has 1 inputs, wanted 2 to 3")
    w = Constant(BASE.w, 0.5, 0)
    assert_refused(op_model("CONV_2D", [x, w], [y, y]), "has 2 outputs, wanted 1")
    assert_refused(op_model("CONV_2D", [x, None], [y]), "input 1 is missing")
    no_options = op_model("CONV_2D", [x, w], [y], with_options=False)
    assert_refused(no_options, "the op has no Conv2DOptions")

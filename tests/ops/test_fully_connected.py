"""FULLY_CONNECTED against TFLM, against spec loops, worked by hand, and what is refused."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from microinterp.errors import RuntimeUnavailableError, UnsupportedError
from microinterp.kernels.filters import FILTER_TYPES
from microinterp.runtimes.tflm import TflmRuntime
from tests.ops.layers import (
    KINDS,
    VARIED_SHARE,
    Layer,
    activations,
    check_layer,
    operands,
    output_scales,
    with_options,
)
from tests.ops.movement import Constant, Input, assert_refused, op_model, run_one
from tests.ops.strategies import ACTIVATIONS, seeds, shapes
from tests.oracle import check_model
from tests.spec_ops import fully_connected as spec
from tests.spec_ops.conv import Number


@st.composite
def layers(draw: st.DrawFn, types: str) -> Layer:
    """Any ranks, with the filter's depth spread over the input's last axes or part of one."""
    kind = KINDS[types]
    dtype, rng = kind.dtype, np.random.default_rng(draw(seeds()))
    rows, depth = draw(shapes(0, 3, 4)), draw(shapes(1, 2, 8))
    channels = draw(st.integers(1, 6))
    x = Input(rows + depth, dtype, *draw(activations(dtype)))
    parts = draw(operands(rng, kind, (channels, math.prod(depth)), 0, types != "int8 x int4"))
    y_scale, y_zero = draw(activations(dtype))
    if x.scale is not None:
        y_scale = draw(output_scales(x.scale * parts["w_scales"][0], math.prod(depth), kind.w_type))
    # TFLM does not look at keep_num_dims: the rows may be laid out in any way
    y_rows = draw(st.sampled_from((rows, (math.prod(rows),), (1, *rows))))
    return Layer(
        "FULLY_CONNECTED",
        x,
        y=Input((*y_rows, channels), dtype, y_scale, y_zero),
        options={
            "fused_activation_function": draw(st.sampled_from(ACTIVATIONS)),
            "quantized_bias_type": draw(st.sampled_from(kind.bias_types_if_none)),
            "keep_num_dims": draw(st.booleans()),
        },
        **parts,
    )


def spec_sums(layer: Layer, x: list[Number], w: list[Number]) -> list[Number]:
    return spec.products(x, w, layer.w.shape[1], layer.term())


@pytest.mark.parametrize("types", FILTER_TYPES)
def test_equals_tflm_and_spec(tflm: TflmRuntime, types: str) -> None:
    seen: Counter[str] = Counter()

    @given(layer=layers(types), seed=seeds())
    def check(layer: Layer, seed: int) -> None:
        check_layer(tflm, layer, spec_sums, seed, seen)

    check()
    assert seen["varied"] >= VARIED_SHARE * seen["models"]


BASE = Layer(
    "FULLY_CONNECTED",
    Input((1, 3), "int8", 0.5, 1),
    np.array([[1, 2, 3], [-1, 0, 4]], np.int8),
    Input((1, 2), "int8", 1.0, -1),
    bias=np.array([10, -20], np.int32),
    w_scales=[0.5],
)


def test_int8_worked_by_hand() -> None:
    # Without the zero point the input is 4 5 6: 4 + 10 + 18 = 32   -4 + 24 = 20
    # plus bias: 42 0; times 0.25: 10.5 0; rounded, minus 1: 10 -1
    x = np.array([[5, 6, 7]], np.int8)
    assert run_one(BASE.data(), x).tolist() == [[10, -1]]
    # A factor for each channel, 0.25 and 0.125: 10.5, and (20 + 4) / 8 = 3
    layer = replace(BASE, w_scales=[0.5, 0.25], bias=np.array([10, 4], np.int32))
    assert run_one(layer.data(), x).tolist() == [[10, 2]]


def test_zero_point_of_the_filter_worked_by_hand() -> None:
    # With one scale: (1-1)*4 + (2-1)*5 + (3-1)*6 = 17   -2*4 - 1*5 + 3*6 = 5; plus bias 27 -15
    # times 0.25: 6.75 -3.75; minus 1: 6 -5. The kernel for channels does not know it.
    x = np.array([[5, 6, 7]], np.int8)
    assert run_one(replace(BASE, w_zero_point=1).data(), x).tolist() == [[6, -5]]
    per_channel = replace(BASE, w_scales=[0.5, 0.5])
    assert run_one(replace(per_channel, w_zero_point=1).data(), x).tolist() == [[10, -1]]


def test_float_worked_by_hand() -> None:
    # 2^24 + 1 is no float32: ones added by themselves to 2^24 are lost.
    layer = Layer(
        "FULLY_CONNECTED",
        Input((1, 3), "float32"),
        np.array([[2.0**24, 1, 1], [1, 1, 2.0**24]], np.float32),
        Input((1, 2), "float32"),
    )
    assert run_one(layer.data(), np.ones((1, 3), np.float32)).tolist() == [[2.0**24, 2.0**24 + 2]]


@pytest.mark.parametrize(("bias", "wraps"), [(np.int32, True), (np.int64, False)])
def test_sums_of_int16_wrap_only_in_32_bits(
    tflm: TflmRuntime, bias: type[np.signedinteger], wraps: bool
) -> None:
    """1024 times -32768 * -128 is 2^32; in 32 bits only the bias is left of it."""
    layer = Layer(
        "FULLY_CONNECTED",
        Input((1, 1024), "int16", 1.0, 0),
        np.full((1, 1024), -128, np.int8),
        Input((1, 1), "int16", 4.0, 0),
        bias=np.array([400], bias),
        w_scales=[1.0],
    )
    x = np.full((1, 1024), -32768, np.int16)
    (want,) = tflm.run(layer.data(), [[x]]).outputs[0]
    assert run_one(layer.data(), x).item() == want.item() == (100 if wraps else 32767)


@pytest.mark.parametrize("bias_scale", [0.2501, 0.2699, 0.2301])
def test_bias_scale_may_be_off_by_a_little(tflm: TflmRuntime, bias_scale: float) -> None:
    data = bias_model(bias_scale)
    assert check_model(tflm, data, np.random.default_rng(1)).tensors == 1


@pytest.mark.parametrize("bias_scale", [0.2701, 0.2299, None])
def test_refuses_a_bias_scale_that_is_far_off(tflm: TflmRuntime, bias_scale: float | None) -> None:
    data = bias_model(bias_scale)
    assert_refused(data, "wanted input scale * filter scale = 0.25", BIAS)
    with pytest.raises(RuntimeUnavailableError, match="failed to allocate"):
        tflm.run(data, [], [])


def bias_model(bias_scale: float | None) -> bytes:
    """BASE, whose input scale times filter scale is 0.25 and output scale 1."""
    inputs = [BASE.x, Constant(BASE.w, 0.5, 0), Constant(BASE.bias, bias_scale, 0)]
    return op_model("FULLY_CONNECTED", inputs, [BASE.y])


def int16(y_scale: float) -> Layer:
    return replace(
        BASE,
        x=Input((1, 3), "int16", 1.0, 0),
        y=Input((1, 2), "int16", y_scale, 0),
        bias=None,
        w_scales=[1.0],
    )


@pytest.mark.parametrize("exponent", [7, 13, 14])
def test_largest_factors_equal_tflm(tflm: TflmRuntime, exponent: int) -> None:
    data = int16(2.0**-exponent * 1.5).data()
    assert check_model(tflm, data, np.random.default_rng(1)).tensors == 1


X, W, BIAS, Y = range(4)
REFUSED: dict[str, tuple[Layer, int | None]] = {
    "quantized_bias_type is 127": (with_options(BASE, quantized_bias_type=127), None),
    "type int64, wanted int32": (replace(BASE, bias=np.zeros(2, np.int64)), BIAS),
    "type int8, wanted int32 or int64": (
        replace(int16(1.0), bias=np.zeros(2, np.int8)),
        BIAS,
    ),
    "int32[3] has 3 elements, wanted 2": (replace(BASE, bias=np.zeros(3, np.int32)), BIAS),
    "rank 1, wanted 2": (replace(BASE, w=np.ones(3, np.int8)), W),
    "wanted a last dimension of 2": (replace(BASE, y=Input((2, 1), "int8", 1.0, 0)), Y),
    "3 elements for 2 rows of 3": (replace(BASE, y=Input((2, 2), "int8", 1.0, 0)), X),
    "5 elements for 1 rows of 3": (replace(BASE, x=Input((1, 5), "int8", 0.5, 0)), X),
    "3 scales along dimension 1, wanted one, or 2 along dimension 0": (
        replace(BASE, w_scales=[0.5] * 3, axis=1),
        W,
    ),
    "int8 tensor has no quantisation": (replace(BASE, w_scales=[]), W),
    "weights are shuffled": (with_options(BASE, weights_format=1), W),
    "factor 16384 is 2^14 or more": (int16(2.0**-14), None),
    "activation limit 6.0 is out of range": (
        with_options(
            replace(BASE, bias=None, y=replace(BASE.y, scale=2.0**-30)),
            fused_activation_function="RELU6",
        ),
        Y - 1,
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
        x=Input((1, 3), x_type, 0.5, 1),
        w=np.ones((2, 3), w_type),
        y=Input((1, 2), x_type, 1.0, 1),
    )
    assert_refused(layer.data(), f"{x_type} x {w_type}", kind=UnsupportedError)


def test_refuses_int4_per_channel_as_tflm_does(tflm: TflmRuntime) -> None:
    layer = replace(BASE, w_type="int4", w_scales=[0.5, 0.25])
    assert_refused(layer.data(), "2 scales, wanted one for an int4 filter", W)
    with pytest.raises(RuntimeUnavailableError, match="failed to allocate"):
        tflm.run(layer.data(), [])


def test_refuses_a_computed_int4_filter() -> None:
    x, w = Input((1, 3), "int8", 0.5, 1), Input((2, 3), "int4", 0.5, 0)
    data = op_model("FULLY_CONNECTED", [x, w], [BASE.y])
    assert_refused(data, "a filter of int4 must be constant", W, UnsupportedError)


def test_int4_worked_by_hand() -> None:
    # Low nibble first; the filter's 3 elements a row do not end on a byte's end. 4 5 6 less the
    # zero point: 4*-8 + 5*7 - 6 = -3, 4*1 + 5*2 + 6*-3 = -4; plus bias: 7 -24; times 0.25.
    w = np.array([[-8, 7, -1], [1, 2, -3]], np.int8)
    data = replace(BASE, w=w, w_type="int4").data()
    assert bytes((0x78, 0x1F, 0xD2)) in data
    assert run_one(data, np.array([[5, 6, 7]], np.int8)).tolist() == [[2 - 1, -6 - 1]]


def test_refuses_numbers_of_tensors_and_no_options() -> None:
    x, y = BASE.x, BASE.y
    assert_refused(op_model("FULLY_CONNECTED", [x], [y]), "has 1 inputs, wanted 2 to 3")
    w = Constant(BASE.w, 0.5, 0)
    no_options = op_model("FULLY_CONNECTED", [x, w], [y], with_options=False)
    assert_refused(no_options, "the op has no FullyConnectedOptions")

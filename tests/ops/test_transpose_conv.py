"""TRANSPOSE_CONV against TFLM, against spec loops, worked by hand, and what is refused."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from microinterp.errors import RuntimeUnavailableError, UnsupportedError
from microinterp.kernels.transpose_conv import OPS
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
from tests.ops.movement import Constant, Input, assert_refused, numbers, op_model, run_one
from tests.ops.strategies import ACTIVATIONS, seeds
from tests.oracle import check_model
from tests.spec_ops.conv import Axis, Number
from tests.spec_ops.transpose_conv import scatter


@st.composite
def sides(draw: st.DrawFn, padding: str) -> tuple[Axis, int, int]:
    """Movement, pixels and outputs along one axis: mostly as a converter writes them."""
    axis = Axis(draw(st.integers(1, 4)), draw(st.integers(1, 4)), 1, padding)
    pixels = draw(st.integers(1, 5))
    if padding == "SAME":
        outputs = draw(st.integers((pixels - 1) * axis.stride + 1, pixels * axis.stride))
    else:
        spare = draw(st.integers(0, axis.stride - 1))
        outputs = (pixels - 1) * axis.stride + axis.size + spare
    if draw(st.integers(0, 5)) == 0:  # TFLM takes any other length as well
        outputs = draw(st.integers(1, 2 * outputs))
    return axis, pixels, outputs


@st.composite
def layers(draw: st.DrawFn, types: str) -> Layer:
    """Any geometry and shape of the output, per-tensor or per-channel weights."""
    kind = KINDS[types]
    dtype, rng = kind.dtype, np.random.default_rng(draw(seeds()))
    padding = draw(st.sampled_from(("SAME", "VALID")))
    (rows, height, out_height), (columns, width, out_width) = (
        draw(sides(padding)),
        draw(sides(padding)),
    )
    batches, depth, filters = (draw(st.integers(1, n)) for n in (2, 4, 4))
    x = Input((batches, height, width, depth), dtype, *draw(activations(dtype)))
    parts = draw(operands(rng, kind, (filters, rows.size, columns.size, depth), axis=0))
    y_scale, y_zero = draw(activations(dtype))
    if x.scale is not None:
        taps = max(1, rows.size // rows.stride) * max(1, columns.size // columns.stride)
        y_scale = draw(output_scales(x.scale * parts["w_scales"][0], taps * depth))
    return Layer(
        "TRANSPOSE_CONV",
        x,
        y=Input((batches, out_height, out_width, filters), dtype, y_scale, y_zero),
        options={
            "padding": padding,
            "stride_h": rows.stride,
            "stride_w": columns.stride,
            "fused_activation_function": draw(st.sampled_from(ACTIVATIONS)),
            "quantized_bias_type": draw(st.sampled_from(kind.bias_types_if_none)),
        },
        **parts,
    )


def spec_sums(layer: Layer, x: list[Number], w: list[Number]) -> list[Number]:
    return scatter(x, layer.x.shape, w, layer.w.shape, layer.y.shape, layer.axes(), layer.term())


def as_a_converter_writes(layer: Layer) -> bool:
    """The output's length gives back the input's."""
    lengths = zip(layer.axes(), layer.y.shape[1:3], layer.x.shape[1:3], strict=True)
    return all(axis.outputs(out) == pixels for axis, out, pixels in lengths)


@pytest.mark.parametrize("types", OPS[0].types)
def test_equals_tflm_and_spec(tflm: TflmRuntime, types: str) -> None:
    seen: Counter[str] = Counter()

    @given(layer=layers(types), seed=seeds())
    def check(layer: Layer, seed: int) -> None:
        if as_a_converter_writes(layer):
            check_layer(tflm, layer, spec_sums, seed, seen)
        else:
            check_model(tflm, layer.data(), np.random.default_rng(seed))
            seen["odd"] += 1

    check()
    assert seen["varied"] >= VARIED_SHARE * seen["models"]
    assert seen["models"] > seen["odd"] > 0


BASE = Layer(
    "TRANSPOSE_CONV",
    Input((1, 1, 2, 1), "int8", 0.5, 1),
    np.array([1, 2, 3], np.int8).reshape(1, 1, 3, 1),
    Input((1, 1, 5, 1), "int8", 1.0, -2),
    bias=np.array([8], np.int32),
    w_scales=[0.5],
    options={"padding": "VALID", "stride_h": 1, "stride_w": 2},
)
PIXELS = np.array([5, -3], np.int8).reshape(1, 1, 2, 1)


def test_int8_worked_by_hand() -> None:
    # Without the zero point the pixels are 4 and -4. The first one gives 4 8 12 . . and the second
    # one . . -4 -8 -12: sums 4 8 8 -8 -12; plus 8: 12 16 16 0 -4; times 0.25: 3 4 4 0 -1; minus 2.
    assert run_one(BASE.data(), PIXELS).reshape(-1).tolist() == [1, 2, 2, -2, -3]


def test_padding_worked_by_hand() -> None:
    # SAME, 4 outputs for 2 pixels: a filter of 3 with stride 2 takes 1 pixel of padding, 0 before.
    same = with_options(replace(BASE, y=Input((1, 1, 4, 1), "int8", 1.0, -2)), padding="SAME")
    assert run_one(same.data(), PIXELS).reshape(-1).tolist() == [1, 2, 2, -2]
    # 3 outputs need 2 pixels of padding, 1 before: 8 8 -8 -> 16 16 0 -> 4 4 0
    odd = replace(same, y=Input((1, 1, 3, 1), "int8", 1.0, -2))
    assert run_one(odd.data(), PIXELS).reshape(-1).tolist() == [2, 2, -2]


def test_outputs_between_the_pixels_get_the_bias() -> None:
    # A filter of 1 with stride 3: 4 . . -4, plus 8, times 0.25: 3 2 2 1, minus 2
    layer = replace(BASE, w=np.ones((1, 1, 1, 1), np.int8), y=Input((1, 1, 4, 1), "int8", 1.0, -2))
    data = with_options(layer, stride_w=3).data()
    assert run_one(data, PIXELS).reshape(-1).tolist() == [1, 0, 0, -1]


@pytest.mark.parametrize("bias", [np.int16, np.int64])
def test_int16_worked_by_hand(bias: type[np.signedinteger]) -> None:
    # No zero points: 5 10 15-3 -6 -9, plus 8: 13 18 20 2 -1; times 0.25, halves up: 3 5 5 1 0
    layer = replace(
        BASE,
        x=Input((1, 1, 2, 1), "int16", 0.5, 1),
        y=Input((1, 1, 5, 1), "int16", 1.0, -2),
        bias=np.array([8], bias),
    )
    have = run_one(layer.data(), PIXELS.astype(np.int16))
    assert have.reshape(-1).tolist() == [3, 5, 5, 1, 0]


def test_float_adds_pixel_after_pixel() -> None:
    # Middle output: the first pixel's share comes first, 2^24 + 1 is lost, then -2^24 leaves 0.
    layer = Layer(
        "TRANSPOSE_CONV",
        Input((1, 1, 3, 1), "float32"),
        np.array([-(2.0**24), 1, 2.0**24], np.float32).reshape(1, 1, 3, 1),
        Input((1, 1, 5, 1), "float32"),
        options={"padding": "VALID", "stride_h": 1, "stride_w": 1},
    )
    assert run_one(layer.data(), np.ones((1, 1, 3, 1), np.float32)).reshape(-1)[2] == 0
    flipped = replace(layer, w=np.array([1, -(2.0**24), 2.0**24], np.float32).reshape(1, 1, 3, 1))
    assert run_one(flipped.data(), np.ones((1, 1, 3, 1), np.float32)).reshape(-1)[2] == 1


def test_takes_a_computed_shape(tflm: TflmRuntime) -> None:
    """TFLM never looks at it."""
    w = Constant(BASE.w, 0.5, 0)
    inputs = [Input((4,), "int32"), w, BASE.x]
    data = op_model("TRANSPOSE_CONV", inputs, [BASE.y], **BASE.options)
    assert check_model(tflm, data, np.random.default_rng(1)).varied


X_SHAPE = BASE.x.shape
INT16 = replace(
    BASE,
    x=Input(X_SHAPE, "int16", 1.0, 0),
    y=Input((1, 1, 5, 1), "int16", 1.0, 0),
    bias=None,
    w_scales=[1.0],
)
X, FILTER, BIAS, Y, SHAPE = range(5)
REFUSED: dict[str, tuple[Layer, int | None]] = {
    "rank 3, wanted 4": (replace(BASE, x=Input((1, 2, 1), "int8", 0.5, 1)), X),
    "wanted 1 channels": (replace(BASE, x=Input((1, 1, 2, 2), "int8", 0.5, 1)), X),
    "wanted 1 images of 1 channels": (replace(BASE, y=Input((2, 1, 5, 1), "int8", 1.0, 0)), Y),
    "images of 1 channels": (replace(BASE, y=Input((1, 1, 5, 2), "int8", 1.0, 0)), Y),
    "type int64, wanted int32": (replace(BASE, bias=np.zeros(1, np.int64)), BIAS),
    "type int32, wanted int16 or int64": (replace(INT16, bias=np.zeros(1, np.int32)), BIAS),
    "int32[2] has 2 elements, wanted 1": (replace(BASE, bias=np.zeros(2, np.int32)), BIAS),
    "stride is 0": (with_options(BASE, stride_w=0), None),
    "stride is -1": (with_options(BASE, stride_h=-1), None),
    "stride is 32768": (with_options(BASE, stride_h=32768), None),
    "neither SAME (0) nor VALID (1)": (with_options(BASE, padding=2), None),
    "quantized_bias_type is 127": (with_options(BASE, quantized_bias_type=127), None),
    "3 scales along dimension 2": (replace(BASE, w_scales=[0.5] * 3, axis=2), FILTER),
    "int8 tensor has no quantisation": (replace(BASE, w_scales=[]), FILTER),
    "factor 16384 is 2^14 or more": (
        replace(INT16, y=Input((1, 1, 5, 1), "int16", 2.0**-14, 0)),
        None,
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
        x=replace(BASE.x, dtype=x_type),
        w=BASE.w.astype(w_type),
        y=replace(BASE.y, dtype=x_type, zero_point=0),
    )
    assert_refused(layer.data(), f"{x_type} x {w_type}", kind=UnsupportedError)


def test_refuses_int4_as_tflm_does(tflm: TflmRuntime) -> None:
    data = replace(BASE, w_type="int4").data()
    assert_refused(data, "int8 x int4", kind=UnsupportedError)
    with pytest.raises(RuntimeUnavailableError, match="failed to allocate"):
        tflm.run(data, [])


def test_refuses_a_shape_that_is_not_the_outputs() -> None:
    w = Constant(BASE.w, 0.5, 0)
    inputs = [numbers(1, 1, 4, 1), w, BASE.x]
    data = op_model("TRANSPOSE_CONV", inputs, [BASE.y], **BASE.options)
    assert_refused(data, "says [1 1 4 1], the output has [1, 1, 5, 1]", 0)
    short = op_model("TRANSPOSE_CONV", [numbers(5), w, BASE.x], [BASE.y], **BASE.options)
    assert_refused(short, "has 1 elements, wanted 4", 0)


def test_refuses_numbers_of_tensors_and_no_options() -> None:
    shape, w = numbers(1, 1, 5, 1), Constant(BASE.w, 0.5, 0)
    assert_refused(op_model("TRANSPOSE_CONV", [shape, w], [BASE.y]), "has 2 inputs, wanted 3 to 4")
    no_options = op_model("TRANSPOSE_CONV", [shape, w, BASE.x], [BASE.y], with_options=False)
    assert_refused(no_options, "the op has no TransposeConvOptions")

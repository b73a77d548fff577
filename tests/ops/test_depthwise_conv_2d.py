"""DEPTHWISE_CONV_2D against TFLM, against spec loops, worked by hand, and what is refused."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from microinterp.errors import RuntimeUnavailableError, UnsupportedError
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
from tests.spec_ops import conv as spec
from tests.spec_ops.conv import Axis, Number

TYPES = ("float32 x float32", "int8 x int8", "int8 x int4", "int16 x int8")


@st.composite
def layers(draw: st.DrawFn, types: str) -> Layer:
    """Any geometry and depth multiplier, per-tensor or per-channel weights."""
    kind = KINDS[types]
    dtype, rng = kind.dtype, np.random.default_rng(draw(seeds()))
    depth, multiplier = draw(st.integers(1, 4)), draw(st.integers(1, 3))
    rows, columns = draw(axes())
    height = draw(st.integers(rows.reach if rows.padding == "VALID" else 1, 9))
    width = draw(st.integers(columns.reach if columns.padding == "VALID" else 1, 9))
    shape = (draw(st.integers(1, 2)), height, width, depth)
    x = Input(shape, dtype, *draw(activations(dtype)))
    filters = depth * multiplier
    parts = draw(operands(rng, kind, (1, rows.size, columns.size, filters), axis=3))
    y_scale, y_zero = draw(activations(dtype))
    if x.scale is not None:
        terms = rows.size * columns.size
        y_scale = draw(output_scales(x.scale * parts["w_scales"][0], terms, kind.w_type))
    return Layer(
        "DEPTHWISE_CONV_2D",
        x,
        y=Input(spec.output_shape(shape, filters, (rows, columns)), dtype, y_scale, y_zero),
        axis=3,
        options={
            **options_of((rows, columns)),
            "depth_multiplier": multiplier,
            "fused_activation_function": draw(st.sampled_from(ACTIVATIONS)),
        },
        **parts,
    )


def spec_sums(layer: Layer, x: list[Number], w: list[Number]) -> list[Number]:
    shapes = layer.x.shape, layer.w.shape
    return spec.convolve_depthwise(x, shapes[0], w, shapes[1], layer.axes(), layer.term())


@pytest.mark.parametrize("types", TYPES)
def test_equals_tflm_and_spec(tflm: TflmRuntime, types: str) -> None:
    seen: Counter[str] = Counter()

    @given(layer=layers(types), seed=seeds())
    def check(layer: Layer, seed: int) -> None:
        check_layer(tflm, layer, spec_sums, seed, seen)

    check()
    assert seen["varied"] >= VARIED_SHARE * seen["models"]


PIXELS = np.array([[1, 10], [2, 20]], np.int8).reshape(1, 1, 2, 2)
BASE = Layer(
    "DEPTHWISE_CONV_2D",
    Input((1, 1, 2, 2), "int8", 0.5, 0),
    np.array([[1, 2, 3, 4], [5, 6, 7, 8]], np.int8).reshape(1, 1, 2, 4),
    Input((1, 1, 1, 4), "int8", 1.0, 1),
    bias=np.array([1, 2, 3, 4], np.int32),
    w_scales=[0.5, 1.0, 0.125, 0.0625],
    axis=3,
    options={
        **options_of((Axis(1, 1, 1, "VALID"), Axis(2, 1, 1, "VALID"))),
        "depth_multiplier": 2,
    },
)


def test_int8_worked_by_hand() -> None:
    # Filters 0 and 1 look at channel 0 (1, then 2), filters 2 and 3 at channel 1 (10, then 20).
    # 1 + 10 = 11   2 + 12 = 14   30 + 140 = 170   40 + 160 = 200;  with bias 12 16 173 204
    # times 0.25 0.5 0.0625 0.03125: 3 8 10.8125 6.375;  plus 1
    assert run_one(BASE.data(), PIXELS).reshape(-1).tolist() == [4, 9, 12, 7]


def test_sums_of_int8_wrap_as_in_tflm(tflm: TflmRuntime) -> None:
    # 2^31 - 12 plus 11 14 170 200: all but the first one wrap
    layer = replace(BASE, bias=np.full(4, 2**31 - 12, np.int32))
    (want,) = tflm.run(layer.data(), [[PIXELS]]).outputs[0]
    assert run_one(layer.data(), PIXELS).reshape(-1).tolist() == [127, -128, -128, -128]
    assert want.reshape(-1).tolist() == [127, -128, -128, -128]


def test_float_worked_by_hand() -> None:
    # 2^24 + 1 is no float32: each one added by itself is lost, first the tap's, then the bias.
    layer = Layer(
        "DEPTHWISE_CONV_2D",
        Input((1, 1, 2, 1), "float32"),
        np.array([1, 2.0**24], np.float32).reshape(1, 1, 2, 1),
        Input((1, 1, 1, 1), "float32"),
        bias=np.array([1], np.float32),
        options={**BASE.options, "depth_multiplier": 1},
    )
    assert run_one(layer.data(), np.ones((1, 1, 2, 1), np.float32)).item() == 2.0**24
    first = replace(layer, w=np.array([1, 1], np.float32).reshape(layer.w.shape))
    assert run_one(first.data(), np.ones((1, 1, 2, 1), np.float32)).item() == 3


def test_int16_always_has_64_bit_sums() -> None:
    # -2 * 0.25 = -0.5 rounds up to 0; CONV_2D without a bias would do the same only if its
    # quantized_bias_type were not INT32, an option that this op does not have.
    layer = replace(
        BASE,
        x=Input((1, 1, 2, 2), "int16", 0.5, 0),
        y=Input((1, 1, 1, 4), "int16", 1.0, 0),
        bias=None,
        w=np.array([[-2, 2, 0, 0], [0, 0, 0, 0]], np.int8).reshape(1, 1, 2, 4),
        w_scales=[0.5],
    )
    ones = np.ones((1, 1, 2, 2), np.int16)
    assert run_one(layer.data(), ones).reshape(-1).tolist() == [0, 1, 0, 0]


X, W, BIAS, Y = range(4)
INT16 = replace(
    BASE, x=Input((1, 1, 2, 2), "int16", 0.5, 0), y=Input((1, 1, 1, 4), "int16", 1.0, 0)
)
REFUSED: dict[str, tuple[Layer, int | None]] = {
    "type int32, wanted int64": (INT16, BIAS),
    "type int64, wanted int32": (replace(BASE, bias=np.zeros(4, np.int64)), BIAS),
    "int32[2] has 2 elements, wanted 4": (replace(BASE, bias=np.zeros(2, np.int32)), BIAS),
    "rank 3, wanted 4": (replace(BASE, y=Input((1, 1, 4), "int8", 1.0, 1)), Y),
    "shape [1, 1, 2, 4], wanted [1, 1, 2, 6]": (with_options(BASE, depth_multiplier=3), W),
    "depth multiplier 65538 overflows": (with_options(BASE, depth_multiplier=65538), None),
    "shape [1, 1, 2, 4], wanted [1, 1, 2, 0]": (with_options(BASE, depth_multiplier=0), W),
    "shape [2, 1, 2, 4], wanted [1, 1, 2, 4]": (
        replace(BASE, w=np.ones((2, 1, 2, 4), np.int8)),
        W,
    ),
    "shape [1, 1, 2, 4], wanted [1, 1, 1, 4]": (
        replace(BASE, y=Input((1, 1, 2, 4), "int8", 1.0, 1)),
        Y,
    ),
    "2 scales along dimension 2, wanted one, or 4 along dimension 3": (
        replace(BASE, w_scales=[0.5, 0.5], axis=2),
        W,
    ),
    "int8 tensor has no quantisation": (replace(BASE, w_scales=[]), W),
    "stride is -1": (with_options(BASE, stride_w=-1), None),
    "filter of 3 pixels does not fit the 2": (with_options(BASE, dilation_w_factor=2), None),
    "factor 16384 is 2^14 or more": (
        replace(INT16, bias=None, w_scales=[0.5], y=replace(INT16.y, scale=2.0**-16)),
        None,
    ),
}


@pytest.mark.parametrize("text", REFUSED)
def test_refuses(text: str) -> None:
    layer, tensor = REFUSED[text]
    assert_refused(layer.data(), text, tensor)


def test_refuses_a_bias_left_out_by_minus_one(tflm: TflmRuntime) -> None:
    """Two inputs are fine; a third one of -1 crashes TFLM, where CONV_2D takes it."""
    x, y = Input((1, 2, 2, 1), "int8", 0.5, 0), Input((1, 2, 2, 1), "int8", 0.25, 0)
    w = Constant(np.ones((1, 1, 1, 1), np.int8), 0.5, 0)
    options = dict.fromkeys(("stride_h", "stride_w", "depth_multiplier"), 1)
    two, three = (
        op_model("DEPTHWISE_CONV_2D", inputs, [y], **options) for inputs in ([x, w], [x, w, None])
    )
    ones = np.ones(x.shape, np.int8)
    assert run_one(two, ones).tolist() == tflm.run(two, [[ones]]).outputs[0][0].tolist()
    assert_refused(three, "left out by -1, which crashes TFLM")
    with pytest.raises(RuntimeUnavailableError, match="SIGSEGV"):
        tflm.run(three, [[ones]])


@pytest.mark.parametrize(
    ("x_type", "w_type"), [("int8", "float32"), ("int16", "int16"), ("uint8", "uint8")]
)
def test_refuses_types(x_type: str, w_type: str) -> None:
    layer = replace(
        BASE,
        x=Input((1, 1, 2, 2), x_type, 0.5, 1),
        w=np.ones((1, 1, 2, 4), w_type),
        y=Input((1, 1, 1, 4), x_type, 1.0, 1),
    )
    assert_refused(layer.data(), f"{x_type} x {w_type}", kind=UnsupportedError)


def test_refuses_numbers_of_tensors_and_no_options() -> None:
    x, y = BASE.x, BASE.y
    assert_refused(op_model("DEPTHWISE_CONV_2D", [x], [y]), "has 1 inputs, wanted 2 to 3")
    w = Constant(BASE.w, 0.5, 0)
    no_options = op_model("DEPTHWISE_CONV_2D", [x, w], [y], with_options=False)
    assert_refused(no_options, "the op has no DepthwiseConv2DOptions")

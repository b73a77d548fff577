"""From layers with filters to steps: each argument by hand, and the sums that are still taken."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from microinterp import Interpreter
from microinterp.errors import UnsupportedError
from microinterp.model_builder import ModelBuilder
from microinterp.packed import PackedInterpreter, load
from microinterp.packed import steps as s
from microinterp.packed.tiers import TIERS, Tier
from tests.ops.movement import Constant, Input, op_model
from tests.packed.compare import pack_model

THUMB = TIERS[1:]
RNG_SEED = 5
WINDOW = {
    "padding": "SAME",
    "stride_h": 2,
    "stride_w": 3,
    "dilation_h_factor": 2,
    "dilation_w_factor": 3,
}
"""On 5 x 7 pixels, filters of 3 x 2 reach over 5 x 4: 3 x 3 outputs, padding of 2 above, 1 left."""
GEOMETRY = {
    **{"ih": 5, "iw": 7, "oh": 3, "ow": 3, "kh": 3, "kw": 2},
    **{"sh": 2, "sw": 3, "dh": 2, "dw": 3, "pt": 2, "pl": 1},
}
NUMBERS = {"zx": -7, "zo": 9, "lo": 9, "hi": 69}
"""RELU6 at a scale of 0.1."""


def values(*shape: int) -> np.ndarray:
    return np.random.default_rng(RNG_SEED).integers(-127, 128, shape).astype(np.int8)


def biases(*numbers: int) -> Constant:
    return Constant(np.array(numbers, np.int32), 0.25, 0)


def layer(
    op: str, x: tuple[int, ...], w: tuple[int, ...], out: tuple[int, ...], **options: Any
) -> bytes:
    """A layer with random filters, without a bias."""
    filters = Constant(values(*w), 0.002, 0)
    if op != "FULLY_CONNECTED":
        options = {**WINDOW, **options}
    options["fused_activation_function"] = "RELU6"
    tensors = Input(x, "int8", 0.3, -7), Input(out, "int8", 0.1, 9)
    return op_model(op, [tensors[0], filters], [tensors[1]], **options)


def only_step(data: bytes, tier: Tier = "portable", passes: Sequence[str] = ()) -> Any:
    (step,) = load(pack_model(data, passes, tier)).subgraphs[0].steps
    return step


def check_step(step: Any, **wanted: int) -> None:
    """These are its numbers; the places are refs into what they should be."""
    places = ("x", "w", "channels", "dst", "patch", "scratch")
    told = {name: value for name, value in step._asdict().items() if name not in places}
    assert told == wanted


def check_same(data: bytes) -> None:
    """Each tier gives what the interpreter gives."""
    plain = Interpreter.from_bytes(data)
    x = np.random.default_rng(1).integers(-128, 128, plain.graph.main.inputs[0].shape)
    plain.set_input(x.astype(np.int8), 0)
    plain.invoke()
    wanted = plain.get_output(0)
    assert len(set(wanted.reshape(-1).tolist())) > 3
    for tier in TIERS:
        packed = PackedInterpreter(pack_model(data, (), tier))
        packed.set_input(x.astype(np.int8), 0)
        packed.invoke()
        assert packed.get_output(0).tolist() == wanted.tolist()


def scratch_of(data: bytes, tier: Tier, passes: Sequence[str] = ()) -> tuple[int, int]:
    """Where the scratch of a model's only step begins, and where the arena ends."""
    model = load(pack_model(data, passes, tier))
    return -(-model.head_bytes // 16) * 16, model.arena_bytes


def test_conv() -> None:
    data = layer("CONV_2D", (2, 5, 7, 6), (10, 3, 2, 3), (2, 3, 3, 10))
    step = only_step(data)
    assert isinstance(step, s.Conv)
    more = {"batches": 2, "ic": 6, "oc": 10, "groups": 2, "order": 0, "wide": 0}
    check_step(step, **GEOMETRY, **NUMBERS, **more)
    check_same(data)
    for tier, patch in zip(TIERS, (24, 96, 40, 80), strict=True):
        start, end = scratch_of(data, tier)
        assert only_step(data, tier).patch == start
        assert end == start + -(-patch // 16) * 16


def test_fully_connected() -> None:
    """Rows are those of an image that is one pixel wide."""
    data = layer("FULLY_CONNECTED", (3, 4), (5, 4), (3, 5))
    step = only_step(data)
    assert isinstance(step, s.Conv)
    ones = dict.fromkeys(("iw", "ow", "kh", "kw", "sh", "sw", "dh", "dw", "groups"), 1)
    more = {"batches": 1, "ih": 3, "oh": 3, "ic": 4, "oc": 5, "pt": 0, "pl": 0}
    check_step(step, **ones, **more, **NUMBERS, order=0, wide=0)
    check_same(data)


@pytest.mark.parametrize(
    ("weight", "zero", "byte"), [(126, -1, 255), (-127, 1, 0), (127, 0, 255), (50, 20, 158)]
)
def test_weights_less_their_zero_point(weight: int, zero: int, byte: int) -> None:
    model = load(pack_model(with_zero(weight, zero)))
    (step,) = model.subgraphs[0].steps
    assert isinstance(step, s.Conv)
    assert bytes(model.weights)[~step.w] == byte


def with_zero(weight: int, zero: int) -> bytes:
    w = Constant(np.array([[weight, zero]], np.int8), 0.5, zero)
    return op_model(
        "FULLY_CONNECTED", [Input((1, 2), "int8", 0.5, 0), w], [Input((1, 1), "int8", 99.0, 0)]
    )


@pytest.mark.parametrize(("weight", "zero"), [(127, -1), (-128, 1)])
def test_weights_less_their_zero_point_are_int8(weight: int, zero: int) -> None:
    text = f"cannot be packed: weights less their zero point {zero} leave int8"
    assert refusal(with_zero(weight, zero)) == (text, "quantise weights symmetrically")


def refusal(data: bytes, passes: Sequence[str] = ()) -> tuple[str, str]:
    """What is said of a layer, and what to do about it."""
    with pytest.raises(UnsupportedError) as caught:
        pack_model(data, passes)
    return caught.value.message, caught.value.hint


def test_depthwise() -> None:
    """6 taps, 4 bytes for each, and 16 for 13 input channels."""
    x, w = (2, 5, 7, 13), (1, 3, 2, 26)
    data = layer("DEPTHWISE_CONV_2D", x, w, (2, 3, 3, 26), depth_multiplier=2)
    step = only_step(data)
    assert isinstance(step, s.Depthwise)
    more = {"batches": 2, "ic": 13, "oc": 26, "multiplier": 2, "order": 0, "wide": 0}
    check_step(step, **GEOMETRY, **NUMBERS, **more)
    check_same(data)
    assert step.patch == 0
    for tier in THUMB:
        start, end = scratch_of(data, tier)
        assert only_step(data, tier).patch == start
        assert end == start + 48
    start, end = scratch_of(data, "portable")
    assert start == end


def test_depthwise_of_one_channel() -> None:
    """It is a convolution, whose filters lie the other way around."""
    data = layer("DEPTHWISE_CONV_2D", (1, 5, 7, 1), (1, 3, 2, 4), (1, 3, 3, 4), depth_multiplier=4)
    step = only_step(data)
    assert isinstance(step, s.Conv)
    more = {"batches": 1, "ic": 1, "oc": 4, "groups": 1, "order": 0, "wide": 0}
    check_step(step, **GEOMETRY, **NUMBERS, **more)
    check_same(data)


IN_PLACE = ["in-place-depthwise"]


def in_place() -> bytes:
    """Its input is computed, so that it can be written over; 5 x 3 taps on 7 x 6 pixels."""
    b = ModelBuilder()
    g = b.subgraph("main")
    x = g.input("x", (1, 7, 6, 40), "int8", 0.3, -7)
    y = g.tensor("y", (1, 7, 6, 40), "int8", 0.3, -7)
    g.op("RELU", [x], [y])
    w = g.constant("w", values(1, 5, 3, 40), scale=0.002, zero_point=0)
    out = g.tensor("out", (1, 4, 3, 40), "int8", 0.1, 9)
    window: dict[str, Any] = {"padding": "SAME", "stride_h": 2, "stride_w": 2}
    window |= {"depth_multiplier": 1, "fused_activation_function": "RELU6"}
    g.op("DEPTHWISE_CONV_2D", [y, w], [out], **window)
    g.output(out)
    return b.finish()


def test_depthwise_in_place() -> None:
    data = in_place()
    for tier in TIERS:
        model = load(pack_model(data, IN_PLACE, tier))
        step = model.subgraphs[0].steps[-1]
        assert isinstance(step, s.DepthwiseInPlace)
        geometry = {"ih": 7, "iw": 6, "oh": 4, "ow": 3, "kh": 5, "kw": 3, "sh": 2, "sw": 2}
        more = {"dh": 1, "dw": 1, "pt": 2, "pl": 0, "batches": 1, "multiplier": 1, "wide": 0}
        check_step(step, **geometry, **more, **NUMBERS, ic=40, oc=40)
        assert step.x == model.outputs[0].offset
        head, image = model.head_bytes, 7 * 6 * 40
        assert 0 <= step.scratch <= head - 42
        assert step.scratch >= step.x + image or step.scratch + 42 <= step.x
        start = -(-head // 16) * 16
        # 15 taps of 4 bytes, and one channel rounded up to 4
        assert model.arena_bytes == start + (0 if tier == "portable" else 64)
        assert step.patch == (0 if tier == "portable" else start)


def test_depthwise_in_place_gives_the_same() -> None:
    data = in_place()
    plain = Interpreter.from_bytes(data)
    x = np.random.default_rng(1).integers(-128, 128, (1, 7, 6, 40)).astype(np.int8)
    plain.set_input(x, 0)
    plain.invoke()
    for tier in TIERS:
        packed = PackedInterpreter(pack_model(data, IN_PLACE, tier))
        packed.set_input(x, 0)
        packed.invoke()
        assert packed.get_output(0).tolist() == plain.get_output(0).tolist()


END = (1 << 31) - 1


def two_channels(
    op: str, rows: list[list[int]], bias: list[int], zx: int = 0, scale: float = 99.0
) -> bytes:
    """Two outputs, each of two taps; DEPTHWISE has a channel for each output."""
    w, numbers = np.array(rows, np.int8), biases(*bias)
    if op == "FULLY_CONNECTED":
        x, out = Input((1, 2), "int8", 0.5, zx), Input((1, 2), "int8", scale, 0)
        return op_model(op, [x, Constant(w, 0.5, 0), numbers], [out])
    x, out = Input((1, 2, 1, 2), "int8", 0.5, zx), Input((1, 1, 1, 2), "int8", scale, 0)
    filters = Constant(w.T.reshape(1, 2, 1, 2), 0.5, 0)
    options = {"padding": "VALID", "stride_h": 1, "stride_w": 1, "depth_multiplier": 1}
    return op_model(op, [x, filters, numbers], [out], **options)


def sums(op: str, zx: int, bias: int, at: int) -> bytes:
    """Weights 3 and -4; one of the channels has the bias."""
    return two_channels(op, [[3, -4], [3, -4]], [100, bias] if at else [bias, 100], zx)


@pytest.mark.parametrize("at", [0, 1])
@pytest.mark.parametrize("zx", [-128, -5, 0, 5, 127])
def test_sums_of_depthwise_are_inside_int32(zx: int, at: int) -> None:
    """Each tap leads as far as an input is from its zero point, the same up and down."""
    reach = 7 * max(127 - zx, zx + 128)
    for bias in (END - reach, -END - 1 + reach):
        only_step(sums("DEPTHWISE_CONV_2D", zx, bias, at))
    hint = "the layer is too wide for a board, or a bias is near the end of its range"
    for bias, most in ((END - reach + 1, END + 1), (-END - 2 + reach, END + 2)):
        text = f"cannot be packed: sums of up to {most} leave int32"
        assert refusal(sums("DEPTHWISE_CONV_2D", zx, bias, at)) == (text, hint)


@pytest.mark.parametrize("at", [0, 1])
@pytest.mark.parametrize("zx", [-128, -5, 0, 5, 127])
def test_sums_of_conv_are_inside_int32(zx: int, at: int) -> None:
    """Unsigned products lead up, 255 * (131 + 124), and 128 times the inputs down, 255 * 2.

    The bias is less (128 + zx) times the sum of the weights, -1.
    """
    moved = 128 + zx
    for bias in (END - 255 * 255 - moved, -END - 1 + 128 * 255 * 2 - moved):
        only_step(sums("FULLY_CONNECTED", zx, bias, at))
    high, low = END - 255 * 255 - moved + 1, -END - 2 + 128 * 255 * 2 - moved
    for bias, most in ((high, END + 1), (low, END + 2)):
        text = f"cannot be packed: sums of up to {most} leave int32"
        assert refusal(sums("FULLY_CONNECTED", zx, bias, at))[0] == text


@pytest.mark.parametrize("op", ["FULLY_CONNECTED", "DEPTHWISE_CONV_2D"])
@pytest.mark.parametrize(
    ("scale", "bias", "is_wide"),
    [
        (0.9, 5, 0),  # a factor of 0.28, one shift to the right
        (0.4, 5, 1),  # 0.63: no shift
        (2.0**21, 1 << 22, 0),  # 2^-23: 22 shifts; the bias is half a step, so that outputs vary
        (2.0**22, 1 << 23, 1),
        (2.0**22, 5, 0),  # it never varies, and is written another way
    ],
)
def test_wide(op: str, scale: float, bias: int, is_wide: int) -> None:
    data = two_channels(op, [[3, -4], [3, -4]], [5 if scale < 1 else 0, bias], 0, scale)
    assert [only_step(data, tier).wide for tier in TIERS] == [0, 0, is_wide, is_wide]


def test_uint8_is_not_read() -> None:
    b = ModelBuilder()
    g = b.subgraph("main")
    x = g.input("x", (1, 2, 2, 2), "uint8", 0.1, 123)
    y = g.tensor("y", (1, 2, 2, 2), "int8", 0.1, -5)
    g.op("QUANTIZE", [x], [y])
    w = g.constant("w", values(3, 1, 1, 2), scale=0.1, zero_point=0)
    out = g.tensor("out", (1, 2, 2, 3), "int8", 0.1, 0)
    g.op("CONV_2D", [y, w], [out], padding="VALID", stride_h=1, stride_w=1)
    g.output(out)
    assert refusal(b.finish(), ["fold-quantize"]) == (
        "cannot be packed: a memory pass lets it read uint8, boards read int8",
        "leave the pass fold-quantize out",
    )

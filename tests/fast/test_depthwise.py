"""DEPTHWISE_CONV_2D by sums over rows: every geometry, and the edges of the sums."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from microinterp import Interpreter
from microinterp.runtimes.tflm import TflmRuntime
from tests.fast.comparison import assert_same, check_layers, node_of, tiles_of
from tests.fast.layers import depthwise_at_the_edge, geometry, inputs_for, with_usual_numbers
from tests.fast.test_convolution import GEOMETRIES
from tests.ops.layers import Layer, options_of
from tests.ops.movement import Input, run_one
from tests.spec_ops.conv import Axis


@pytest.mark.parametrize("multiplier", [1, 3])
@pytest.mark.parametrize("floats", [None, 1, 97, 1500])
@pytest.mark.parametrize("name", GEOMETRIES)
def test_every_geometry_in_tiles_of_every_size(
    name: str, floats: int | None, multiplier: int
) -> None:
    rng = np.random.default_rng(len(name))
    shape, axes, _ = GEOMETRIES[name]
    layer = with_usual_numbers(rng, geometry("DEPTHWISE_CONV_2D", shape, axes, multiplier))
    with tiles_of(floats):
        node, outputs = assert_same(layer.data(), inputs_for(rng, layer), rng)
    assert node.fast is not None, node.why
    assert len(np.unique(outputs)) > 4


@pytest.mark.parametrize("dilation", [1, 2, 3, 4, 6])
@pytest.mark.parametrize("stride", [1, 2, 3, 4, 6])
def test_every_phase(stride: int, dilation: int) -> None:
    """Taps share the pixels of a phase, or skip some of them, as the two numbers divide."""
    rng = np.random.default_rng(10 * stride + dilation)
    axes = Axis(3, 2, 1, "SAME"), Axis(5, stride, dilation, "SAME")
    layer = with_usual_numbers(rng, geometry("DEPTHWISE_CONV_2D", (2, 5, 17, 3), axes, 1))
    with tiles_of(64):
        node, outputs = assert_same(layer.data(), inputs_for(rng, layer), rng)
    assert node.fast is not None, node.why
    assert len(np.unique(outputs)) > 4


def test_random_layers() -> None:
    tally = check_layers("DEPTHWISE_CONV_2D", 100, 1)
    assert tally.why["twin"] >= 70
    assert tally.varied >= 50


@pytest.mark.thorough
def test_many_random_layers() -> None:
    tally = check_layers("DEPTHWISE_CONV_2D", 2000, 2)
    assert tally.layers == 2000
    assert tally.why["twin"] >= 1400
    assert tally.varied >= 1000
    for form in ("one rounding", "two roundings", "may overflow int32"):
        assert tally.why[form] >= 15, form
    assert tally.why["float32 holds"] >= 3


def test_random_layers_equal_tflm(tflm: TflmRuntime) -> None:
    assert check_layers("DEPTHWISE_CONV_2D", 40, 3, tflm).why["twin"] >= 25


@pytest.mark.slow
def test_many_random_layers_equal_tflm(tflm: TflmRuntime) -> None:
    assert check_layers("DEPTHWISE_CONV_2D", 200, 4, tflm).why["twin"] >= 140


def test_sums_up_to_2_to_the_24() -> None:
    """32 x 32 taps of -128 times -128 are the greatest sum that is taken; a row more is refused."""
    for taps_down, is_fast in ((32, True), (33, False)):
        rng = np.random.default_rng(taps_down)
        layer = depthwise_at_the_edge(taps_down)
        batch = np.concatenate([inputs_for(rng, layer, 0) for _ in range(4)])
        node, outputs = assert_same(layer.data(), batch, rng)
        assert (node.fast is not None) == is_fast
        assert is_fast or "float32 holds integers up to 2^24" in node.why
        assert {-50, 50} <= set(outputs.ravel().tolist())  # the ends of the sums, less the bias


def test_one_channel_is_a_product_and_may_take_doubles() -> None:
    rng = np.random.default_rng(1)
    axes = Axis(33, 1, 1, "VALID"), Axis(32, 1, 1, "VALID")
    shape = 1, 34, 35, 1
    layer = with_usual_numbers(rng, geometry("DEPTHWISE_CONV_2D", shape, axes, 2))
    layer = replace(layer, w=np.full(layer.w.shape, -128, np.int8), w_type=None, bias=None)
    node, _ = assert_same(layer.data(), inputs_for(rng, layer), rng)
    assert "float64 product" in node.why


def test_worked_by_hand() -> None:
    # Less the zero point 1 the columns hold 0 4, 2 1, 3 -2; stride 2 keeps the first and the last.
    # Two filters a channel: weights 1 and 2 on the first one, -1 and 3 on the second one.
    axes = Axis(1, 1, 1, "VALID"), Axis(1, 2, 1, "VALID")
    layer = Layer(
        "DEPTHWISE_CONV_2D",
        Input((1, 1, 3, 2), "int8", 0.5, 1),
        np.array([1, 2, -1, 3], np.int8).reshape(1, 1, 1, 4),
        Input((1, 1, 2, 4), "int8", 1.0, -2),
        bias=np.array([0, 4, 2, 0], np.int32),
        w_scales=[0.5],
        axis=3,
        options={**options_of(axes), "depth_multiplier": 2},
    )
    x = np.array([1, 5, 3, 2, 4, -1], np.int8).reshape(1, 1, 3, 2)
    # 0 0+4 -4+2 12 | 3 6+4 2+2 -6; times 0.25: 0 1 -0.5 3 | 0.75 2.5 1 -1.5; rounded, minus 2
    assert node_of(Interpreter.from_bytes(layer.data())).fast is not None
    assert run_one(layer.data(), x).ravel().tolist() == [-2, -1, -3, 1, -1, 1, -1, -4]

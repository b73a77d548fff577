"""Quantisation health of layers: each rule broken once, in a model where no other is."""

from __future__ import annotations

import numpy as np
import pytest

from microinterp.graph import build
from microinterp.health import RULES
from microinterp.health.layers import (
    BIAS_SCALE_ERROR,
    LARGE_BIAS,
    OUTLIER,
    SATURATED,
    SATURATED_COUNT,
    layer_of,
)
from microinterp.model import load
from tests.health_models import (
    CHANNELS,
    conversions,
    dense,
    depthwise,
    only,
    rules_of,
    sound_weights,
    unchecked,
)
from tests.models import conv_model


@pytest.mark.parametrize(
    "data",
    [dense(), dense(w_scale=[0.01] * CHANNELS), depthwise([0.01] * 4), dense(activation="RELU",
     out_zero_point=-128), conv_model()],
)  # fmt: skip
def test_sound_layers(data: bytes) -> None:
    assert rules_of(data) == []


def test_a_factor_that_tflm_refuses() -> None:
    """0.05 * 0.01 / 4e-13 is 1.25e9, above 2^30: the op does not run, and that is said once."""
    found = only(dense(out_scale=4e-13), "multiplier-too-large")
    assert found.severity == "error"
    assert found.figures["factor"] == pytest.approx(1.25e9, rel=1e-6)
    assert (found.where.op_index, found.where.op_name) == (0, "FULLY_CONNECTED")
    assert found.remedy == RULES["multiplier-too-large"].remedy


def test_64_bit_sums_take_smaller_factors() -> None:
    """1e5 is below 2^30, and above 2^14, from where on TFLM's 64-bit rounding does not work."""
    for bias_dtype, rule in (("int32", "above-one"), ("int64", "too-large")):
        data = dense(dtype="int16", bias_dtype=bias_dtype, x_scale=1.0, w_scale=1.0, out_scale=1e-5)
        assert only(data, f"multiplier-{rule}").figures["factor"] == pytest.approx(1e5)


def test_a_factor_above_one() -> None:
    found = only(dense(out_scale=0.0002), "multiplier-above-one")
    assert found.figures == {"factor": pytest.approx(2.5, rel=1e-6), "channels": CHANNELS}


def test_a_factor_of_which_nothing_is_left() -> None:
    """Channel 2 has weights, but a scale of 2^-33 of an output's step."""
    scales = [0.01] * CHANNELS
    scales[2] = 0.02 / 0.05 * 2.0**-33
    data = dense(w_scale=scales)
    found = {each.rule: each for each in unchecked(data)}
    assert found.keys() == {"multiplier-vanishes", "channel-scale-outlier"}
    assert found["multiplier-vanishes"].figures["first"] == (2,)


@pytest.mark.parametrize("factor", [1.01 * OUTLIER, 1 / (1.01 * OUTLIER)])
def test_a_scale_far_from_the_others(factor: float) -> None:
    scales = [0.0001] * CHANNELS
    scales[5] *= factor
    found = only(dense(w_scale=scales), "channel-scale-outlier")
    assert found.figures["first"] == (5,)
    assert found.figures["ratio"] == pytest.approx(factor, rel=1e-5)
    scales[5] = 0.0001 * factor**0.99
    assert rules_of(dense(w_scale=scales)) == []


def test_channels_without_weights() -> None:
    """Their scale, which may be anything, is no outlier; their bias needs no scale."""
    weights = sound_weights()
    weights[[1, 6]] = 0
    scales = [0.01] * CHANNELS
    scales[1] = 1e-30
    bias_scales = [0.05 * scale for scale in scales]
    bias_scales[6] = 1.0
    found = only(dense(weights, w_scale=scales, bias_scale=bias_scales), "dead-channels")
    assert found.figures == {"channels": 2, "of": CHANNELS, "first": (1, 6)}
    assert "2 of 8 channels have only weights of 0" in found.message


def test_channels_that_use_few_codes() -> None:
    weights = sound_weights()
    weights[:3] = np.array([3, -3] * 8, np.int8)
    assert only(dense(weights), "coarse-channels").figures["first"] == (0, 1, 2)
    weights[0, 0] = 4
    assert rules_of(dense(weights)) == []  # two of eight are not more than a quarter


def test_one_scale_for_a_depthwise_filter() -> None:
    weights = sound_weights(4, 9)
    weights[3] //= 4
    found = only(depthwise(0.01, weights.T.reshape(1, 3, 3, 4)), "per-tensor-depthwise")
    assert (found.figures["narrowest"], found.figures["widest"]) == (31, 127)


@pytest.mark.parametrize("end", [-128, -127, 127])
def test_weights_at_the_ends(end: int) -> None:
    """One of each channel's is there anyway; 8 more of 128 are more than SATURATED of them."""
    weights = sound_weights()
    assert SATURATED * weights.size < SATURATED_COUNT
    weights[:, 2] = end
    found = only(dense(weights), "saturated-weights")
    at_lowest = 0 if end == 127 else CHANNELS
    assert found.figures == {
        "lowest": at_lowest,
        "highest": 2 * CHANNELS - at_lowest,
        "weights": weights.size,
    }
    weights[0, 2] = 0
    assert rules_of(dense(weights)) == []


def test_weights_that_reach_the_end_once_a_channel_are_sound() -> None:
    weights = sound_weights()
    weights[:, 0] = -127
    assert rules_of(dense(weights)) == []


def test_a_bias_near_the_end_of_int32() -> None:
    bias = [100] * CHANNELS
    bias[4] = -LARGE_BIAS
    found = only(dense(bias=bias), "bias-near-limit")
    assert found.figures == {"largest": -LARGE_BIAS, "channels": 1, "first": (4,)}
    bias[4] += 1
    assert rules_of(dense(bias=bias)) == []


def test_a_bias_of_another_scale() -> None:
    """The kernel takes it in steps of 0.05 * 0.01."""
    assert rules_of(dense(bias_scale=0.0005 * (1 + BIAS_SCALE_ERROR / 2))) == []
    found = only(dense(bias_scale=0.00052), "bias-scale")
    assert found.figures["scale"] == pytest.approx(0.00052)
    assert found.figures["wanted"] == pytest.approx(0.0005)
    assert found.where.tensor_name == "bias"


def test_sums_that_leave_int32() -> None:
    """One channel: a bias just below the rule for biases, and weights that add 2^29 to it."""
    taps = 2**29 // (127 * 128) + 1
    weights = np.full((1, taps), 127, np.int8)
    weights[0, 1::2] = -100
    weights[0, ::2] = 100
    weights[0, 0] = 127
    high = int((weights.clip(0).astype(np.int64) * 127).sum())
    high += int((weights.clip(None, 0).astype(np.int64) * -128).sum())
    enough = 2**31 - high
    found = [each for each in unchecked(dense(weights, bias=[enough])) if
             each.rule == "accumulator-overflow"]  # fmt: skip
    assert [each.figures["reach"] for each in found] == [2**31]
    short = unchecked(dense(weights, bias=[enough - 1]))
    assert "accumulator-overflow" not in [each.rule for each in short]


def test_sums_that_leave_int32_below() -> None:
    """The same, all the other way round: int32 reaches one further there."""
    taps = 2**29 // (127 * 128) + 1
    weights = np.full((1, taps), -127, np.int8)
    low = int((weights.astype(np.int64) * 127).sum())
    least = -(2**31) - low
    for bias, rules in ((least, []), (least - 1, ["accumulator-overflow"])):
        found = unchecked(dense(weights, bias=[bias]))
        assert [e.rule for e in found if e.rule == "accumulator-overflow"] == rules


def test_other_ops_are_no_layers() -> None:
    graph = build(load(conversions(0.1, 0.2)))
    assert layer_of(graph.main.nodes[0]) is None


@pytest.mark.parametrize(
    "data",
    [
        dense(dtype="uint8"),
        dense(w_scale=[0.01] * (CHANNELS - 1), bias_scale=0.0005),
        dense(sound_weights().astype(np.int16)),
        dense(x_scale=0.0, bias_scale=0.0005),
    ],
    ids=["activations of uint8", "too few scales", "filters of int16", "no scale"],
)
def test_layers_that_no_rule_is_about(data: bytes) -> None:
    assert layer_of(build(load(data)).main.nodes[0]) is None
    assert layer_of(build(load(dense())).main.nodes[0]) is not None


def test_a_layer_without_weights_has_no_factor_to_judge() -> None:
    """Each of its factors would be too large."""
    none = np.zeros((CHANNELS, 16), np.int8)
    rules = {each.rule for each in unchecked(dense(none, out_scale=4e-13))}
    assert not any(rule.startswith("multiplier") for rule in rules)


@pytest.mark.parametrize("bias_scale", [0.0, [0.9] * (CHANNELS - 1)])
def test_a_bias_without_a_sound_scale_is_not_measured_by_it(
    bias_scale: float | list[float],
) -> None:
    wrong = {each.rule for each in unchecked(dense(bias_scale=0.9))}
    assert "bias-scale" in wrong
    assert "bias-scale" not in {each.rule for each in unchecked(dense(bias_scale=bias_scale))}

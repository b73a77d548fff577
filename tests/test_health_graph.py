"""Quantisation health of graphs: each rule broken once, and what every shared model gives."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from microinterp.health import RULES
from microinterp.inspect_model import inspect_model
from microinterp.model_builder import ModelBuilder
from tests.cli import broken_models
from tests.conftest import shared_model
from tests.health_models import conversions, dense, found_in, only, rules_of, unary, unchecked
from tests.models import conv_model

SHARED: dict[str, dict[str, int]] = {
    "ad01_int8": {},
    "audio_preprocessor_int8": {},
    "dtln": {},
    "hello_world_int8": {},
    "ic_resnet8_float": {},
    "ic_resnet8_int8": {},
    "keyword_scrambled_8bit": {"bias-near-limit": 4},
    "kws_int8": {},
    "micro_speech_int8": {},
    "person_detect": {},
    "vww_96_float": {},
    "vww_96_int8": {"dead-channels": 9, "channel-scale-outlier": 3},
}
"""What is known of them: the scrambled model's biases are random numbers, and most channels of the
last layers of vww_96 have died in training, with those that read them."""


@pytest.mark.parametrize("name", SHARED)
def test_shared_models(name: str) -> None:
    found = inspect_model(shared_model(f"{name}.tflite")).health
    assert Counter(each.rule for each in found) == SHARED[name]
    assert {each.severity for each in found} <= {"note", "warning"}


def test_ops_that_do_not_run() -> None:
    """With the reason and the hint that verify gives."""
    data, _ = broken_models()["operators"]
    found = found_in(data)
    assert [(each.rule, each.where.op_name) for each in found] == [
        ("refused-op", "TILE"),
        ("refused-op", "Flying[bold]"),
    ]
    assert all(each.severity == "error" and each.remedy for each in found)


def test_damaged_models_have_no_other_findings() -> None:
    data, _ = broken_models()["rules"]
    facts = inspect_model(data)
    assert not facts.runs
    assert {each.rule for each in facts.health} <= {"refused-op"}


FIXED = [
    ("SOFTMAX", 1 / 256, -128, "int8"),
    ("LOGISTIC", 1 / 256, -128, "int8"),
    ("TANH", 1 / 128, 0, "int8"),
    ("LOGISTIC", 1 / 32768, 0, "int16"),
    ("TANH", 1 / 32768, 0, "int16"),
    ("SOFTMAX", 1 / 32768, 0, "int16"),
]


@pytest.mark.parametrize(("name", "scale", "zero_point", "dtype"), FIXED)
def test_scales_that_kernels_have_built_in(
    name: str, scale: float, zero_point: int, dtype: str
) -> None:
    x_scale = 2.0**-12 if dtype == "int16" else 0.1
    assert unchecked(unary(name, scale, zero_point, dtype, x_scale)) == ()
    for wrong in (unary(name, 1.01 * scale, zero_point, dtype, x_scale),
                  unary(name, scale, zero_point + 1, dtype, x_scale)):  # fmt: skip
        (found,) = unchecked(wrong)
        assert (found.rule, found.severity) == ("fixed-output-scale", "error")
        assert (found.figures["wanted_scale"], found.figures["wanted_zero_point"]) == (
            scale,
            zero_point,
        )
        told = found_in(wrong)
        assert [each.rule for each in told] == ["fixed-output-scale"]  # not refused-op as well


@pytest.mark.parametrize("activation", ["RELU", "RELU6"])
def test_zero_point_of_a_fused_relu(activation: str) -> None:
    data = dense(activation=activation, out_zero_point=-100)
    found = only(data, "relu-zero-point")
    assert found.figures == {"zero_point": -100, "lost_codes": 28}
    assert rules_of(dense(activation=activation, out_zero_point=-112)) == []


def test_zero_point_of_a_relu() -> None:
    assert only(unary("RELU", 0.1, 0), "relu-zero-point").figures["lost_codes"] == 128
    assert rules_of(unary("RELU", 0.1, -128)) == []


def test_float_ops_among_integers() -> None:
    b = ModelBuilder()
    g = b.subgraph("main")
    x = g.input("x", (1, 4), "int8", scale=0.5, zero_point=0)
    w = g.constant("w", np.array([[127, 3, 2, 1]], np.int8), scale=0.01, zero_point=0)
    y = g.tensor("y", (1, 1), "int8", scale=0.5, zero_point=0)
    f = g.tensor("f", (1, 1), "float32")
    r = g.tensor("r", (1, 1), "float32")
    g.op("FULLY_CONNECTED", [x, w], [y])
    g.op("DEQUANTIZE", [y], [f])
    g.op("ABS", [f], [r])
    g.output(r)
    found = only(b.finish(), "float-op")
    assert (found.where.op_index, found.where.op_name) == (2, "ABS")


def test_a_float_model_has_no_float_findings() -> None:
    b = ModelBuilder()
    g = b.subgraph("main")
    x, y = g.input("x", (1, 4), "float32"), g.tensor("y", (1, 4), "float32")
    g.op("ABS", [x], [y])
    g.output(y)
    assert rules_of(b.finish()) == []


@pytest.mark.parametrize(
    "scales", [(0.1, None, 0.1), (None, 0.1, None), (0.1, 0.2, 0.3), (0.1, 0.2, None)]
)
def test_chains_of_conversions(scales: tuple[float | None, ...]) -> None:
    found = only(conversions(*scales), "requantise-chain")
    assert (found.where.op_index, found.figures) == (1, {"before": 0})


@pytest.mark.parametrize("scales", [(0.1, None), (None, 0.1), (0.1, 0.2)])
def test_one_conversion_is_usual(scales: tuple[float | None, ...]) -> None:
    assert rules_of(conversions(*scales)) == []


def test_the_gravest_come_first() -> None:
    data = dense(out_scale=4e-13, bias=[3 * 2**29] + [0] * 7)
    assert rules_of(data) == ["multiplier-too-large", "bias-near-limit"]


def test_every_rule_has_a_remedy_that_is_a_sentence() -> None:
    for rule in RULES.values():
        assert rule.remedy[0].isupper()
        assert rule.remedy.endswith(".")


def test_one_convolution_is_sound() -> None:
    assert rules_of(conv_model()) == []

"""Explanations that can be checked with a pencil, and rounding word by word."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from microinterp.explain import Explanation, explain
from microinterp.explain.rounding import Rounding
from microinterp.explain.steps import Step
from microinterp.explain.words import cut_of, formula, parts
from microinterp.model_builder import ModelBuilder


def pointwise(bias: int = 10) -> bytes:
    """A 1x1 convolution of three channels: in scale 0.5, weights 0.25, out 1; zeros -1 and 2."""
    b = ModelBuilder()
    g = b.subgraph("main")
    x = g.input("x", (1, 1, 2, 3), "int8", scale=0.5, zero_point=-1)
    w = g.constant(
        "w", np.array([[[[1, 2, 3]]], [[[-4, 5, -6]]]], np.int8), scale=0.25, zero_point=0
    )
    offset = g.constant("b", np.array([0, bias], np.int32), scale=0.125, zero_point=0)
    y = g.tensor("y", (1, 1, 2, 2), "int8", scale=1.0, zero_point=2)
    g.op(
        "CONV_2D",
        [x, w, offset],
        [y],
        padding="VALID",
        stride_h=1,
        stride_w=1,
        fused_activation_function="RELU",
    )
    g.output(y)
    return b.finish()


X = np.array([[[[[3, 5, 7], [9, -11, 13]]]]], np.int8)


def kinds(found: Explanation) -> list[tuple[str, Any]]:
    return [(step.kind, step.result) for step in found.steps]


def test_a_convolution_worked_with_a_pencil() -> None:
    """(9+1)*-4 + (-11+1)*5 + (13+1)*-6 = -40 - 50 - 84 = -174, + 10 = -164; / 8 = -20.5.

    The factor 1/8 is 2^30 * 2^-33: the product -164 * 2^30 / 2^31 = -82, then / 4 = -20.5, which
    goes away from zero: -21. With the zero point -19; the activation ends at 2.
    """
    found = explain(pointwise(), 0, (0, 0, 1, 1), [X])
    assert kinds(found) == [
        ("sum_of_products", -174),
        ("add", -164),
        ("doubling_high_mul", -82),
        ("rounding_divide", -21),
        ("add", -19),
        ("clamp", 2),
    ]
    taps = [(term.at, term.numbers, term.result) for term in found.steps[0].terms]
    assert taps == [
        ((0, 0, 1, 0), (9, -4), -40),
        ((0, 0, 1, 1), (-11, 5), -50),
        ((0, 0, 1, 2), (13, -6), -84),
    ]
    assert found.steps[0].operands == {"input zero point": -1, "weight zero point": 0}
    assert found.steps[1].operands == {"x": -174, "y": 10}
    assert found.steps[2].factor == (1 << 30, -2)
    assert found.steps[5].operands == {"x": -19, "low": 2, "high": 127}
    assert (found.value, found.real, found.float_model) == (2, 0.0, 0.0)


def test_the_float_model_is_not_rounded() -> None:
    """Channel 0 of pixel 0: 4*1 + 6*2 + 8*3 = 40, / 8 = 5 exactly; with a bias of 13, 6.625."""
    found = explain(pointwise(), 0, (0, 0, 0, 0), [X])
    assert (found.value, found.real, found.float_model) == (7, 5.0, 5.0)
    assert found.difference_steps == 0
    other = explain(pointwise(bias=200), 0, (0, 0, 1, 1), [X])  # -174 + 200 = 26, / 8 = 3.25
    assert (other.value, other.real, other.float_model) == (5, 3.0, 3.25)
    assert other.difference_steps == -0.25


def test_single_rounding_has_one_step_less() -> None:
    found = explain(pointwise(), 0, (0, 0, 1, 1), [X], profile="single")
    assert ("multiply_rounded", -20) in kinds(found)  # halves go up


def test_the_last_sample_is_taken_unless_one_is_named() -> None:
    both = np.concatenate([X, X + np.int8(1)])
    assert explain(pointwise(), 0, (0, 0, 0, 0), [both]).steps[0].result == 46
    assert explain(pointwise(), 0, (0, 0, 0, 0), [both], sample=0).steps[0].result == 40


def test_padding_is_counted_and_adds_nothing() -> None:
    b = ModelBuilder()
    g = b.subgraph("main")
    x = g.input("x", (1, 2, 2, 1), "int8", scale=1.0, zero_point=0)
    w = g.constant("w", np.ones((1, 3, 3, 1), np.int8), scale=1.0, zero_point=0)
    y = g.tensor("y", (1, 2, 2, 1), "int8", scale=1.0, zero_point=0)
    g.op("CONV_2D", [x, w], [y], padding="SAME", stride_h=1, stride_w=1)
    g.output(y)
    image = np.array([[[[[1], [2]], [[3], [4]]]]], np.int8)
    found = explain(b.finish(), 0, (0, 0, 0, 0), [image])
    assert len(found.steps[0].terms) == 4
    assert found.steps[0].note == "5 more taps lie in the padding, adding nothing"
    assert found.value == 10


def test_a_pool_worked_with_a_pencil() -> None:
    """-3 + -4 + 1 + 0 = -6 over 4: half the count away from zero makes -8, and -2."""
    b = ModelBuilder()
    g = b.subgraph("main")
    x = g.input("x", (1, 2, 2, 1), "int8", scale=0.5, zero_point=1)
    y = g.tensor("y", (1, 1, 1, 1), "int8", scale=0.5, zero_point=1)
    g.op(
        "AVERAGE_POOL_2D",
        [x],
        [y],
        padding="VALID",
        stride_h=2,
        stride_w=2,
        filter_height=2,
        filter_width=2,
    )
    g.output(y)
    image = np.array([-3, -4, 1, 0], np.int8).reshape(1, 1, 2, 2, 1)
    found = explain(b.finish(), 0, (0, 0, 0, 0), [image])
    assert kinds(found) == [("sum", -6), ("add", -8), ("divide_truncated", -2), ("clamp", -2)]
    assert (found.real, found.float_model) == (-1.5, -1.25)


@pytest.mark.parametrize(
    ("rounding", "result", "kept", "cut", "words"),
    [
        (Rounding(0b1011010, 3, "up"), 11, "1011", "010", ".250 + ½ < 1: down"),
        (Rounding(0b1011100, 3, "up"), 12, "1011", "100", "½ + ½ = 1: up"),
        (Rounding(0b1011110, 3, "away"), 12, "1011", "110", ".750 + ½ ≥ 1: up"),
        (Rounding(0b1011000, 3, "away"), 11, "1011", "000", "+ ½, nothing is lost"),
        (Rounding(0b1011110, 3, "floor"), 11, "1011", "110", ".750 is dropped: down"),
        # -20.5: by its magnitude it goes away from zero; in two's complement a half goes up
        (Rounding(-41, 1, "away"), -21, "-10100", "1", "½ + ½ = 1: away from zero"),
        (Rounding(-41, 1, "up"), -20, "…101011", "1", "½ + ½ = 1: up"),
        (Rounding(-43, 2, "up"), -11, "…10101", "01", ".250 + ½ < 1: down"),
        (Rounding(-43, 2, "away"), -11, "-1010", "11", ".750 + ½ ≥ 1: down"),
    ],
)
def test_roundings(rounding: Rounding, result: int, kept: str, cut: str, words: str) -> None:
    assert rounding.result == result
    shown = cut_of(rounding)
    assert (shown.kept, shown.cut, shown.words) == (kept, cut, words)


def test_formulas_of_all_the_steps() -> None:
    found = explain(pointwise(), 0, (0, 0, 1, 1), [X])
    assert [formula(step) for step in found.steps] == [
        "3 products",
        "-174 + 10",
        "-164 \u00d7 1,073,741,824 ÷ 2^31",
        "-82 ÷ 2^2",
        "-21 + 2",
        "-19 within 2 … 127",
    ]


def test_long_explanations_are_folded_by_part() -> None:
    def step(number: int, section: str) -> Step:
        return Step(number, "take", "kept", {"x": 1}, {}, 1, section=section)

    sections = [*["gate"] * 30, *["two"] * 2, *["output"] * 12]
    steps = [step(number, section) for number, section in enumerate(sections)]
    shown = [(title, len(own), hidden) for title, own, hidden in parts(steps, everything=False)]
    assert shown == [("gate", 1, 29), ("two", 2, 0), ("output", 12, 0)]
    assert [hidden for _, _, hidden in parts(steps, everything=True)] == [0, 0, 0]
    assert [hidden for _, _, hidden in parts(steps[:35], everything=False)] == [0, 0, 0]

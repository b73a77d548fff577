"""Rules about quantisation: each bound from both sides, and every finding word for word."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tflite import TensorType

from microinterp.model import Model, load
from microinterp.model_builder import ModelBuilder
from microinterp.rules import quantization as rules
from tests.verify_cases import quantization, sound_model, told, with_tensor

BIG = 2**31 - 1


def w(scale: Any, zero_point: Any = 0, axis: int = 0, **fields: Any) -> Model:
    """The sound model with another quantisation of w: tensor 1, int8 [2, 3], a constant."""
    return with_tensor(1, quantization=quantization(scale, zero_point, axis), **fields)(
        sound_model()
    )


def y(scale: Any, zero_point: Any = 0, axis: int = 0, **fields: Any) -> Model:
    """The sound model with another quantisation of y: tensor 3, int8 [1, 2], no constant."""
    return with_tensor(3, quantization=quantization(scale, zero_point, axis), **fields)(
        sound_model()
    )


RULES = [
    rules.zero_points_match_scales,
    rules.channels_match_shape,
    rules.scales_usable,
    rules.zero_points_in_range,
]


@pytest.mark.parametrize("rule", RULES)
def test_a_tensor_without_quantisation_does_not_hide_the_next(rule: Any) -> None:
    """Nor does a float tensor, nor one with a single scale; w and y break every rule."""
    odd = quantization([-1, 1, 1, 1], [200, 0], axis=5)
    model = with_tensor(0, quantization=None)(sound_model())
    model = with_tensor(1, quantization=odd)(model)
    model = with_tensor(2, type_code=TensorType.FLOAT32)(model)
    model = with_tensor(3, quantization=odd)(model)
    assert [found.where.tensor_index for found in rule(model)] == [1, 3]


@pytest.mark.parametrize("rule", RULES)
def test_a_sound_tensor_has_no_findings(rule: Any) -> None:
    assert told(rule, sound_model()) == []


@pytest.mark.parametrize(
    ("scales", "zeros", "is_sound"),
    [
        (1, 1, True),
        (2, 1, True),
        (2, 2, True),
        (3, 1, True),
        (3, 3, True),
        (300, 300, True),
        (1, 2, False),
        (3, 2, False),
        (2, 3, False),
        (3, 4, False),
        (2, 0, False),
    ],
)
def test_as_many_zero_points_as_scales_or_one(scales: int, zeros: int, is_sound: bool) -> None:
    wanted = f"error: tensor 1 'w': has {zeros} zero points for {scales} scales"
    found = told(rules.zero_points_match_scales, w([1.0] * scales, [0] * zeros))
    assert found == ([] if is_sound else [wanted])


@pytest.mark.parametrize(
    ("count", "axis", "shape", "wanted"),
    [
        (1, 0, (2, 3), ""),
        (1, 9, (2, 3), ""),
        (2, 0, (2, 3), ""),
        (3, 1, (2, 3), ""),
        (3, 2, (2, 3, 3), ""),
        (300, 1, (2, 300), ""),
        (2, 7, (2,), ""),
        (3, -1, (3,), ""),
        (2, 1, (2, 3), "dimension 1, whose size is 3"),
        (4, 1, (2, 3), "dimension 1, whose size is 3"),
        (3, 0, (2, 3), "dimension 0, whose size is 2"),
        (3, 0, (2,), "dimension 0, whose size is 2"),
        (3, 7, (2,), "dimension 0, whose size is 2"),
        (2, 2, (2, 2), "dimension 2, the tensor has 2"),
        (2, 5, (2, 2), "dimension 5, the tensor has 2"),
        (2, -1, (2, 2), "dimension -1, the tensor has 2"),
        (2, -2, (2, 2), "dimension -2, the tensor has 2"),
        (2, 3, (), "dimension 3, the tensor has 0"),
        (2, 0, None, "dimension 0, the tensor has 0"),
    ],
)
def test_a_scale_for_each_channel(
    count: int, axis: int, shape: tuple[int, ...] | None, wanted: str
) -> None:
    found = told(rules.channels_match_shape, w([1.0] * count, 0, axis, shape=shape))
    text = f"error: tensor 1 'w': has {count} scales along {wanted}"
    assert found == ([text] if wanted else [])


@pytest.mark.parametrize(
    ("scale", "text"),
    [
        ([np.nan, 1.0], "scale 0 is nan"),
        ([1.0, -np.nan], "scale 1 is nan"),
        ([1.0, np.inf], "scale 1 is inf"),
        ([1.0, -np.inf], "scale 1 is -inf"),
        ([1.0, -0.0], "scale 1 is -0.0"),
        ([-2.0, -3.0], "scale 0 is -2.0"),
        ([0.0, -3.0], "scale 1 is -3.0"),
    ],
)
def test_scales_that_are_no_positive_numbers(scale: list[float], text: str) -> None:
    wanted = f"error: tensor 1 'w': {text}, wanted a positive number"
    assert told(rules.scales_usable, w(scale)) == [wanted]


@pytest.mark.parametrize("scale", [1.0, 0.5, 1e-45, 3e38, 2.0])
def test_scales_that_are_usable(scale: float) -> None:
    assert told(rules.scales_usable, y(scale)) == []


@pytest.mark.parametrize(
    ("kind", "is_told"),
    [
        ("INT4", True),
        ("INT8", True),
        ("UINT8", True),
        ("INT16", True),
        ("UINT16", True),
        ("INT32", False),
        ("UINT32", False),
        ("INT64", False),
        ("FLOAT32", False),
        ("BOOL", False),
    ],
)
def test_a_scale_of_zero_stores_nothing(kind: str, is_told: bool) -> None:
    """An error where data is computed, a warning for weights, nothing for wide integers."""
    code, text = getattr(TensorType, kind), "is 0, so nothing but zero can be stored"
    computed = told(rules.scales_usable, y(0.0, type_code=code))
    assert computed == ([f"error: tensor 3 'y': scale 0 {text}"] if is_told else [])
    constant = told(rules.scales_usable, w([1.0, 0.0], type_code=code))
    assert constant == ([f"warning: tensor 1 'w': scale 1 {text}"] if is_told else [])


RANGES = {
    "INT4": (-8, 7),
    "INT8": (-128, 127),
    "UINT8": (0, 255),
    "INT16": (-32768, 32767),
    "UINT16": (0, 65535),
    "INT32": (-BIG - 1, BIG),
    "UINT32": (0, BIG),
    "INT64": (-BIG - 1, BIG),
    "UINT64": (0, BIG),
}


@pytest.mark.parametrize("kind", RANGES)
def test_zero_points_lie_in_the_range_of_the_type_and_of_int32(kind: str) -> None:
    code, (low, high) = getattr(TensorType, kind), RANGES[kind]
    rule, holds = rules.zero_points_in_range, f"{kind.lower()} holds {low} to {high}"
    for zero in (low, low + 1, 1, high - 1, high):
        assert told(rule, y(1.0, zero, type_code=code)) == []
    for zero in (low - 1, high + 1, -(2**40), 2**40):
        assert told(rule, y(1.0, zero, type_code=code)) == [
            f"error: tensor 3 'y': zero point 0 is {zero}, {holds}"
        ]


@pytest.mark.parametrize(
    "code",
    [
        *(getattr(TensorType, kind) for kind in ("FLOAT16", "FLOAT32", "FLOAT64", "BOOL")),
        *(getattr(TensorType, kind) for kind in ("STRING", "RESOURCE", "VARIANT", "BFLOAT16")),
        *(getattr(TensorType, kind) for kind in ("COMPLEX64", "COMPLEX128")),
        *(-1, 19, 99),
    ],
)
def test_what_is_not_quantised_may_carry_anything(code: int) -> None:
    model = y([np.nan, -1.0], [2**40, -999], axis=7, type_code=code)
    for rule in RULES:
        assert told(rule, model) == []


def test_the_first_zero_point_outside_is_told() -> None:
    zeros = [0, 127, 128, -129]
    assert told(rules.zero_points_in_range, w([1.0] * 4, zeros)) == [
        "error: tensor 1 'w': zero point 2 is 128, int8 holds -128 to 127"
    ]


def decoding(*ops: tuple[str, list[int]], outputs: tuple[int, ...] = ()) -> list[int]:
    """Tensors with findings, when custom ops read some of 0 to 3 (all broken; 3 no constant)."""
    b = ModelBuilder()
    g = b.subgraph()
    for name in "abc":
        g.constant(name, b"\x00", "int8", shape=(1,), scale=1.0, zero_point=200)
    g.tensor("d", (1,), "int8", scale=1.0, zero_point=200)
    for name, inputs in ops:
        g.custom_op(name, inputs, [])
    model = load(b.finish())
    graph = replace(model.subgraphs[0], outputs=outputs)
    found = rules.zero_points_in_range(replace(model, subgraphs=(graph,)))
    return [each.where.tensor_index or 0 for each in found]


def test_what_decode_unpacks_is_exempt() -> None:
    """The bytes that TFLM_DECODE reads keep the quantisation of what they were before."""
    decode = "TFLM_DECODE"
    assert decoding() == [0, 1, 2, 3]
    assert decoding((decode, [0, 1])) == [2, 3]
    assert decoding((decode, [0]), (decode, [2])) == [1, 3]
    assert decoding((decode, [0, 1, 2, 3])) == [3]


@pytest.mark.parametrize("other", ["ADD", "TFLM_DECODE2", "zzz"])
def test_what_others_read_too_is_not_exempt(other: str) -> None:
    decode = "TFLM_DECODE"
    assert decoding((other, [0, 1])) == [0, 1, 2, 3]
    assert decoding((decode, [0, 1]), (other, [1, 2])) == [1, 2, 3]
    assert decoding((other, [1, 2]), (decode, [0, 1])) == [1, 2, 3]
    assert decoding((decode, [0, 1]), outputs=(0,)) == [0, 2, 3]


def test_decode_in_another_subgraph_exempts_nothing_here() -> None:
    b = ModelBuilder()
    for _ in range(2):
        b.subgraph().constant("a", b"\x00", "int8", shape=(1,), scale=1.0, zero_point=200)
    g = b.subgraph()
    g.constant("a", b"\x00", "int8", shape=(1,), scale=1.0, zero_point=200)
    g.custom_op("TFLM_DECODE", [0], [])
    places = [each.where.subgraph for each in rules.zero_points_in_range(load(b.finish()))]
    assert places == [0, 1]

"""The rules of a sound model, each broken on purpose: what verify says, and where."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import flatbuffers
import numpy as np
import pytest
import tflite

from microinterp.errors import Problem
from microinterp.model import FileTensor, Model, load
from microinterp.model_builder import ModelBuilder, SubGraphBuilder
from microinterp.verify import MAX_PER_RULE, RULES, rule_texts, verify
from tests import flat
from tests.conftest import SHARED_MODELS, shared_model
from tests.flat import model_with, put, subgraph
from tests.fuzz_models import WAKE_WORDS, model_bytes
from tests.test_structure import moved_to_odd_place
from tests.verify_cases import (
    FILE_CASES,
    OPERATOR_CASES,
    TENSOR_CASES,
    broken_model,
    quantization,
    sound,
    with_op,
    with_tensor,
)


def one_op(**tensors: Any) -> tuple[ModelBuilder, SubGraphBuilder, int, int]:
    """A builder with an input x and a tensor y, without any op."""
    b = ModelBuilder()
    g = b.subgraph()
    return b, g, g.input("x", (4,), "int8", **tensors), g.tensor("y", (4,), "int8", **tensors)


CASES = FILE_CASES + TENSOR_CASES + OPERATOR_CASES


@pytest.mark.parametrize(("rule", "change", "severity", "where", "message"), CASES)
def test_a_broken_rule_is_told(
    rule: str, change: Callable[[Model], Model], severity: str, where: str, message: str
) -> None:
    found = [p for p in verify(broken_model(change)) if p.rule == rule]
    assert len(found) == 1
    assert found[0].severity == severity
    assert str(found[0].where).startswith(where)
    assert message in found[0].message


def test_a_sound_model_breaks_no_rule() -> None:
    assert verify(load(sound().finish())) == []


def test_all_findings_come_at_once_and_in_the_order_of_the_rules() -> None:
    model = broken_model(with_tensor(3, shape=(1, -1), buffer=99, type_code=5))
    found = verify(replace(model, version=1))
    names = [p.rule for p in found]
    assert names == ["schema_version", "tensor_types_supported", "shapes_fit", "buffers_exist"]


def test_a_rule_tells_a_bounded_number_of_findings() -> None:
    many = tuple(range(1000, 1000 + 2 * MAX_PER_RULE))
    found = verify(broken_model(with_op(intermediates=many)))
    assert len(found) == MAX_PER_RULE + 1
    assert "only the first 100" in found[-1].message


def test_misalignment_is_a_warning() -> None:
    data = moved_to_odd_place(sound().finish(), 2, flat.MODEL_BUFFERS, [1], flat.BUFFER_DATA)
    (warning,) = verify(load(data))
    assert (warning.rule, warning.severity) == ("aligned", "warning")


def tensor(**fields: Any) -> list[Problem]:
    """Findings about tensor 1 (the constant w) with some fields changed."""
    return verify(broken_model(with_tensor(1, **fields)))


def test_quantisation_that_converters_write_is_accepted() -> None:
    one_zero_point = quantization([1, 2], 0)
    assert tensor(quantization=one_zero_point) == []
    # A bias of rank 1 that names the weights' dimension, as in person_detect.
    bias = quantization([0.1, 0.2], [0, 0], axis=3)
    assert verify(broken_model(with_tensor(2, quantization=bias))) == []
    # Integers that are not quantised at all, but carry a scale of 0.
    assert verify(broken_model(with_tensor(2, quantization=quantization(0, 0)))) == []
    # Float tensors with left-over quantisation: TFLM does not look at it.
    for odd in (quantization(np.nan, 999), quantization([1] * 5, 0, axis=7)):
        change = with_tensor(3, type_code=0, quantization=odd)
        assert verify(broken_model(change)) == []


def test_limits_of_shapes_are_exact() -> None:
    """int32 bytes: 2^31 - 1 fit, 2^31 do not."""
    fits, does_not = (2**31 - 1,), (2**31,)
    assert verify(broken_model(with_tensor(3, shape=fits))) == []
    (problem,) = verify(broken_model(with_tensor(3, shape=does_not)))
    assert problem.rule == "shapes_fit"
    floats = with_tensor(3, shape=(2**29,), type_code=0)
    assert [p.rule for p in verify(broken_model(floats))] == ["shapes_fit"]
    assert verify(broken_model(with_tensor(3, shape=(2**29 - 1,), type_code=0))) == []


def test_zero_points_at_the_limits_are_accepted() -> None:
    for zero_point in (-128, 127):
        assert tensor(quantization=quantization(1, zero_point)) == []


def test_odd_int4_constants_are_packed_two_in_a_byte() -> None:
    packed = with_tensor(1, shape=(11,), type_code=17, quantization=None)
    assert verify(broken_model(packed)) == []


def test_rule_texts_are_the_docstrings() -> None:
    texts = rule_texts()
    assert len({rule.__name__ for rule in RULES}) == len(RULES)
    assert texts["schema_version"] == "The schema version is 3, the only one in use."
    assert all(text and text.splitlines()[0].endswith(".") for text in texts.values())


def test_every_rule_has_a_case() -> None:
    elsewhere = {
        "aligned",
        "compression_sound",  # test_compression_rules.py
        "called_subgraphs_exist",  # test_verify_calls.py
        "no_recursion",
        "calls_bounded",
    }
    assert {rule for rule, *_ in CASES} | elsewhere == {rule.__name__ for rule in RULES}


def test_sparsity_is_seen_in_the_file() -> None:
    builder = flatbuffers.Builder(64)
    tflite.SparsityParametersStart(builder)
    sparsity = tflite.SparsityParametersEnd(builder)
    tflite.TensorStart(builder)
    tflite.TensorAddSparsity(builder, sparsity)
    graph = subgraph(builder, [tflite.TensorEnd(builder)])
    model = load(model_with(builder, subgraphs=[graph], buffers=[]))
    assert "no_sparse_tensors" in [problem.rule for problem in verify(model)]


@pytest.mark.parametrize("name", WAKE_WORDS)
def test_wake_word_models_have_no_problems(name: str) -> None:
    assert verify(load(model_bytes(name))) == []


def test_shared_models_have_no_problems() -> None:
    names = sorted(path.name for path in SHARED_MODELS.glob("*.tflite"))
    problems = {name: verify(load(shared_model(name))) for name in names or ["any"]}
    assert len(problems) == 12
    assert not any(problems.values()), problems


def test_tensor_places_name_the_subgraph() -> None:
    b = sound()
    second = b.subgraph("second")
    second.output(second.tensor("t", (-1,), "int8"))
    found = verify(load(b.finish()))
    assert [str(p.where) for p in found] == [
        "subgraph 1, tensor 0 't'",
        "subgraph 1, subgraph output 0, tensor 0 't'",
    ]


def test_names_with_escapes_stay_printable() -> None:
    b, g, _x, _y = one_op()
    evil = g.tensor("\x1b[31m\n" + "long" * 100, (-1,), "int8")
    assert evil == 2
    (problem,) = [p for p in verify(load(b.finish())) if p.rule == "shapes_fit"]
    assert "\x1b" not in str(problem)
    assert "\n" not in str(problem.where)


def test_a_dimension_in_the_file_is_read_as_signed() -> None:
    data = sound().finish()
    shape = flat.target(data, flat.MODEL_SUBGRAPHS, [0], flat.SUBGRAPH_TENSORS, [3], 0)
    model = load(put(data, shape + 4, 2**32 - 1))
    changed: FileTensor = model.subgraphs[0].tensors[3]
    assert changed.shape == (-1, 2)
    assert [p.rule for p in verify(model)] == ["shapes_fit"]

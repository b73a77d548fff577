"""The profile cmsis-nn meets what CMSIS-NN itself computed, and needs each of its rules for it."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from microinterp import Interpreter
from microinterp.errors import PrepareError
from microinterp.quant.rules import RULES
from tests.cmsis_nn import vectors
from tests.cmsis_nn.cases import OPS, cases
from tests.cmsis_nn.library import PINNED, build
from tests.cmsis_nn.record import vectors as recorded
from tests.cmsis_nn.vectors import Vector, outputs_of

HEAD, ALL = vectors.load()
RUN = [vector for vector in ALL if vector.outputs]
REFUSED = [vector for vector in ALL if not vector.outputs]


def test_provenance() -> None:
    assert HEAD["runtime"] == f"CMSIS-NN {PINNED}"
    assert "gcc" in HEAD["compiler"]
    assert vectors.FILE.stat().st_size < 120_000
    assert {vector.case for vector in ALL} == {f"{case.op}[{case.types}]" for case in cases()}
    assert {vector.case.split("[")[0] for vector in RUN} == set(OPS)


def test_every_layer_equals_cmsis_nn() -> None:
    for vector in RUN:
        _assert_equal(vector)


def test_every_rule_is_needed() -> None:
    """Without the rule a layer that it was recorded for comes out differently, or was refused."""
    needed = Counter(rule for vector in ALL for rule in vector.rules)
    assert set(needed) == set(RULES)
    for vector in RUN:
        for rule in vector.rules:
            ours = outputs_of(vector.model, vector.samples, but=rule)
            pairs = zip(ours, vector.outputs, strict=True)
            assert any((have != want).any() for have, want in pairs), (vector.case, rule)


def test_some_layers_are_the_same_in_both_profiles() -> None:
    same = 0
    for vector in RUN:
        if not vector.rules:
            interpreter = Interpreter.from_bytes(vector.model)
            for i, array in enumerate(vector.samples[0]):
                interpreter.set_input(array, i)
            interpreter.invoke()
            same += np.array_equal(interpreter.get_output(0), vector.outputs[0])
    assert same == sum(not vector.rules for vector in RUN) > 10


@pytest.mark.parametrize("vector", REFUSED, ids=lambda v: f"{v.case} {v.rules[0]}")
def test_refusals(vector: Vector) -> None:
    """The reference kernels take the layer; the profile says which rule it breaks."""
    Interpreter.from_bytes(vector.model)
    with pytest.raises(PrepareError) as caught:
        Interpreter.from_bytes(vector.model, profile="cmsis-nn")
    assert f"(rule {vector.rules[0]} of the profile cmsis-nn)" in str(caught.value)
    assert caught.value.where.op_index == 0
    assert "docs/profiles.md" in caught.value.hint


@pytest.mark.slow
def test_live_library(tmp_path: Path) -> None:
    """New random layers, where CMSIS_NN_SOURCE names a checkout of CMSIS-NN."""
    source = os.environ.get("CMSIS_NN_SOURCE")
    if source is None:
        pytest.skip("CMSIS_NN_SOURCE names no checkout of CMSIS-NN")
    library = build(Path(source), tmp_path / "cmsis_nn.so")
    made = [vector for case in cases() for vector in recorded(library, case, 100)]
    assert sum(bool(vector.outputs) for vector in made) > 100
    for vector in made:
        if vector.outputs:
            _assert_equal(vector)


def _assert_equal(vector: Vector) -> None:
    ours = outputs_of(vector.model, vector.samples)
    for have, want in zip(ours, vector.outputs, strict=True):
        np.testing.assert_array_equal(have, want, err_msg=vector.case)

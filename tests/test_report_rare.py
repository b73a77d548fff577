"""Pieces of a report that few models have: findings without an op, graphs too wide, notes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from microinterp import Interpreter
from microinterp.errors import InputError
from microinterp.graph import build
from microinterp.health.activations import cut_on_purpose
from microinterp.health.recording import record_uses
from microinterp.inputs import random_samples
from microinterp.model import load
from microinterp.model_builder import ModelBuilder
from microinterp.report import layering
from microinterp.report.figures import Measured, ReportSamples, measure
from microinterp.report.health_section import health_section
from microinterp.report.ops_section import graph_section
from microinterp.report.summary_section import summary_section
from tests.cli import sums_model
from tests.health_models import unary
from tests.models import conv_model
from tests.report_pages import measured_of
from tests.test_report_more import text_of


def found(where: dict[str, Any], severity: str = "warning", rule: str = "odd") -> dict[str, Any]:
    """A finding of quantisation health as figures have it."""
    full = {"subgraph": None, "op_index": None, "op_name": None, "role": None} | where
    return {
        "severity": severity,
        "rule": rule,
        "remedy": "Do <i>.",
        "message": "is <b>.",
        "where": full,
    }


def test_findings_of_ends_and_of_the_whole_model() -> None:
    figures = {
        "samples": None,
        "health": [
            found({"role": "input <0>"}),
            found({}),
            found({"subgraph": 2, "op_index": 3, "op_name": "ADD"}, "note", "other"),
        ],
    }
    made = health_section(figures)
    told = " ".join(text_of(made).split())
    assert "input <0>: is <b>." in told
    assert "<b>." not in made
    assert told.count("is <b>.") == 3
    assert "op 2:3 ADD: is <b>." in told


def test_a_graph_that_is_too_wide_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """An edge that skips an op needs a lane beside it."""
    b = ModelBuilder()
    g = b.subgraph("main")
    x = g.input("x", (4,), "float32")
    a, c, d = (g.tensor(name, (4,), "float32") for name in "acd")
    g.op("NEG", [x], [a])
    g.op("ABS", [a], [c])
    g.op("ADD", [a, c], [d])
    g.output(d)
    data = b.finish()
    figures, graph = measured_of(data).figures, build(load(data))
    assert "<svg" in graph_section(figures, graph)
    monkeypatch.setattr(layering, "MOST_LANES", 0)
    assert graph_section(figures, graph) == ""


def test_a_finding_of_no_op_marks_none_in_the_graph() -> None:
    data = conv_model()
    figures, graph = measured_of(data).figures, build(load(data))
    plain = graph_section(figures | {"health": []}, graph)
    assert graph_section(figures | {"health": [found({})]}, graph) == plain
    marked = graph_section(figures | {"health": [found({"op_index": 0})]}, graph)
    assert marked != plain


def with_notes(*notes: str) -> Measured:
    def given(interpreter: Interpreter) -> ReportSamples:
        arrays = random_samples(interpreter.graph.main.inputs, 2, 0)
        return ReportSamples(arrays, None, notes=notes)

    return measure(sums_model(), "m.tflite", given)


def test_notes_on_samples_are_shown() -> None:
    made = summary_section(with_notes("cut <short>", "twice").figures)
    assert "cut &lt;short&gt;" in made
    told = " ".join(text_of(made).split())
    assert "from the files given" in told
    assert "cut <short>" in told
    assert "twice" in told


def test_random_numbers_that_do_not_suit_a_model_are_said_to_be_random(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def failing(*_: object) -> None:
        raise InputError("op 1 cannot work with these numbers")

    monkeypatch.setattr("microinterp.report.figures.record_uses", failing)
    with pytest.raises(InputError, match=r"op 1 cannot") as told:
        measured_of(sums_model())
    assert told.value.hint.startswith("random numbers do not suit this model")
    with pytest.raises(InputError) as told:
        with_notes()
    assert told.value.hint == ""


@pytest.mark.parametrize(("name", "scale", "zero"), [("SOFTMAX", 1 / 256, -128), ("ABS", 0.1, 0)])
def test_a_range_that_the_op_dictates_cuts_nothing(name: str, scale: float, zero: int) -> None:
    it = Interpreter.from_bytes(unary(name, scale, zero))
    uses = record_uses(it, [np.zeros((1, 1, 8), np.int8)])
    (use,) = (each for each in uses if each.node is not None)
    assert use.node is not None
    assert cut_on_purpose(use.node, use) == ((True, True) if name == "SOFTMAX" else (False, False))

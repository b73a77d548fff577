"""docs/explain.md tells every kind of step."""

from __future__ import annotations

import re
from pathlib import Path

from microinterp.explain.arithmetic import ARITHMETIC
from microinterp.explain.kinds import FURTHER, ROWS
from tests.explain.evaluator import FORMULAS, WITH_TERMS

ROOT = Path(__file__).resolve().parents[2]
DOC = (ROOT / "docs" / "explain.md").read_text()
OWN = {"read", "take", "lookup", "sum", "sum_of_products", "maximum", "minimum"}
"""Kinds of the recorder's own methods."""


def test_every_kind_is_told() -> None:
    told = set(re.findall(r"`(\w+)`", DOC.split("| kind | result |")[1]))
    assert {*ARITHMETIC, *OWN} - {*FURTHER} <= told
    assert told & {*ARITHMETIC} <= {*ARITHMETIC}


def test_the_evaluator_has_every_kind() -> None:
    assert {*ARITHMETIC, *ROWS, *OWN} - {"read"} == {*FORMULAS, *WITH_TERMS}

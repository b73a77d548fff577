"""docs/explain.md shows what the command prints, and tells every kind of step."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from microinterp.explain.arithmetic import ARITHMETIC
from microinterp.explain.kinds import FURTHER, ROWS
from tests.cli import good
from tests.explain.evaluator import FORMULAS, WITH_TERMS

ROOT = Path(__file__).resolve().parents[2]
DOC = (ROOT / "docs" / "explain.md").read_text()
OWN = {"read", "take", "lookup", "sum", "sum_of_products", "maximum", "minimum"}
"""Kinds of the recorder's own methods."""


def test_the_example_is_what_the_command_prints(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("COLUMNS", "80")
    block = re.search(r"```console\n\$ microinterp (.*?[^\\])\n(.*?)```", DOC, re.DOTALL)
    assert block
    text = good(*block[1].replace("\\\n", " ").split())
    assert [line.rstrip() for line in text.splitlines()] == block[2].splitlines()


def test_the_python_block_runs() -> None:
    block = re.search(r"```python\n(.*?)```", DOC, re.DOTALL)
    assert block
    done = subprocess.run(
        [sys.executable, "-c", block[1]], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_every_kind_is_told() -> None:
    told = set(re.findall(r"`(\w+)`", DOC.split("| kind | result |")[1]))
    assert {*ARITHMETIC, *OWN} - {*FURTHER} <= told
    assert told & {*ARITHMETIC} <= {*ARITHMETIC}


def test_the_evaluator_has_every_kind() -> None:
    assert {*ARITHMETIC, *ROWS, *OWN} - {"read"} == {*FORMULAS, *WITH_TERMS}

"""docs/eval.md: its command prints what it shows, its Python block runs as it stands."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from tests.cli import good

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "eval.md").read_text()


def test_the_command_prints_what_the_page_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    (block,) = re.findall(r"```console\n\$ (.*?)```", PAGE, re.DOTALL)
    command, _, shown = block.replace("\\\n", "").partition("\n")
    lines = [line for line in shown.splitlines() if line != "..."]
    assert good(*shlex.split(command)[1:]).splitlines()[: len(lines)] == lines


def test_the_python_block_runs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    (block,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    exec(block, {})
    assert capsys.readouterr().out.startswith("0.986")

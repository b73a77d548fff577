"""docs/boards.md tells all faults, and its example runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from microinterp_boards.faults import parse_faults, read_log
from microinterp_boards.faults.options import _FORMS
from tests.boards.unix_port import ROOT

SECTION = (ROOT / "docs" / "boards.md").read_text().split("## Faults on the line\n")[1]
SECTION = SECTION.split("\n## ")[0]


def test_the_table_has_them_all() -> None:
    assert re.findall(r"^\| ([a-z][^ ]*) \|", SECTION, re.MULTILINE)[1:] == list(_FORMS.values())


def test_the_commands_are_understood() -> None:
    asked = re.findall(r"--faults ([a-z]\S+)$", SECTION, re.MULTILINE)
    assert len(asked) == 2
    for text in asked:
        parse_faults(text)


@pytest.mark.usefixtures("interpreter")
def test_the_example(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"```python\n(.*?)```", SECTION, re.DOTALL)
    exec(code, {})
    events = read_log("faults.jsonl")
    assert {event.fault for event in events} == {"flip"}
    assert f"\n{len(events)} b'" in capsys.readouterr().out

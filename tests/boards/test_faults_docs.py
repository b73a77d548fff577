"""docs/faults.md tells all faults."""

from __future__ import annotations

import re

from microinterp_boards.faults import parse_faults
from microinterp_boards.faults.options import _FORMS
from tests.boards.unix_port import ROOT

PAGE = (ROOT / "docs" / "faults.md").read_text()


def test_the_table_has_them_all() -> None:
    assert re.findall(r"^\| ([a-z][^ ]*) \|", PAGE, re.MULTILINE)[1:] == list(_FORMS.values())


def test_the_commands_are_understood() -> None:
    asked = re.findall(r"--faults ([a-z]\S+)$", PAGE, re.MULTILINE)
    assert len(asked) == 2
    for text in asked:
        parse_faults(text)

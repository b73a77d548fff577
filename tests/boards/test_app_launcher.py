"""The launcher on the board: when it starts a program, when no more, and what it notes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.boards.unix_port import run_script

SCRIPT = Path(__file__).with_name("app_starts.py")
HELPERS = {"deploy", "boot", "noted", "ran", "cut"}
CHECKS = sorted({*re.findall(r"^def (\w+)\(", SCRIPT.read_text(), re.MULTILINE)} - HELPERS)


@pytest.mark.parametrize("check", CHECKS)
def test_starts(check: str, tmp_path: Path) -> None:
    printed = run_script(SCRIPT, [check], "bytecode", tmp_path)
    assert printed.splitlines()[-1] == "well"

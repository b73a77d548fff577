"""docs/mlperf.md: its kinds, commands and program are those that there are."""

from __future__ import annotations

import re

from microinterp_boards.mlperf import KINDS, PROTOCOL
from microinterp_boards.mlperf.client import PIECE
from tests.boards.unix_port import ROOT

TEXT = (ROOT / "docs" / "mlperf.md").read_text()
BOARD = (ROOT / "firmware" / "microinterp" / "mlperf.py").read_text()


def test_every_kind_has_its_row() -> None:
    rows = dict(re.findall(r"^\| ([a-z, ]+) \| ([a-z0-9, ]+) \| ", TEXT, re.MULTILINE))
    told = {
        kind: model
        for kinds, models in rows.items()
        for kind, model in zip(kinds.split(", "), models.split(", "), strict=False)
    }
    for kind in KINDS.values():
        assert told[kind.name] == kind.model
        assert f'"{kind.name}": ("{kind.model}", ' in BOARD


def test_every_command_has_its_row() -> None:
    (names,) = re.findall(r"if name not in \(([^)]+)\)", BOARD)
    rows = re.findall(r"^\| `([a-z]+)", TEXT, re.MULTILINE)
    assert set(re.findall(r'"([a-z]+)"', names)) == set(rows)
    assert f"up to {PIECE} bytes" in TEXT


def test_it_says_what_it_is_not() -> None:
    assert TEXT.startswith(f"# {PROTOCOL}\n")
    assert "not MLPerf results" in TEXT
    for name in ("README.md", "CHANGELOG.md", "docs/boards.md"):
        lines = [
            line
            for line in (ROOT / name).read_text().splitlines()
            if "MLPerf Tiny protocol" in line
        ]
        assert lines
        assert all("unofficial" in line for line in lines)


def test_its_program_is_sound() -> None:
    (program,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    compile(program, "shown.py", "exec")

"""docs/results.md: its commands exist, its SQL and its Python run as they stand."""

from __future__ import annotations

import re
import shlex
import sqlite3
from pathlib import Path

import pytest

from microinterp_boards.results.store import DEFAULT, Store
from tests.boards.bench_results import result
from tests.boards.unix_port import ROOT
from tests.cli import good

PAGE = (ROOT / "docs" / "results.md").read_text()


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


def test_every_command_and_option_is_one() -> None:
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    commands = [
        shlex.split(line, comments=True) for line in lines if line.startswith("microinterp ")
    ]
    assert len(commands) == 8
    for words in commands:
        path = words[1:4] if words[2] == "results" else words[1:3]
        text = good(*path, "--help")
        for option in (word for word in words if word.startswith("--")):
            assert f"{option} " in text, words


def test_what_is_named_is_named_so() -> None:
    assert f"`{DEFAULT}`" in PAGE
    text = good("board", "results", "--help")
    for name in ("list", "show", "compare", "export", "add", "label", "remove"):
        assert f" {name} " in text


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    with Store(DEFAULT, write=True) as store:
        store.save(result(1000, model__name="kws"), "baseline")
        store.save(result(1060, model__name="kws"))
        store.save(result(700))
    return tmp_path / DEFAULT


def test_the_sql_block_runs(kept: Path) -> None:
    (block,) = blocks("sql")
    with sqlite3.connect(kept) as database:
        rows = database.execute(block).fetchall()
    database.close()
    assert [(row[0], row[1], row[3]) for row in rows] == [(1, "baseline", 1000), (2, None, 1060)]


def test_the_python_block_runs(kept: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (block,) = blocks("python")
    exec(block, {})
    percent, regression = capsys.readouterr().out.split()
    assert float(percent) == pytest.approx(6)
    assert regression == "True"

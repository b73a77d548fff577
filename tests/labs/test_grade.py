"""Grading notebooks that students hand in: only their task cells count."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest

from tests.labs.labs import CHECK, SOLUTION, TASK, execute_here, module, small_lab

grade = module("grade")
ANSWER = "# task: double\n" + SOLUTION.split("# %% task: double\n")[1]


def handed_in(folder: Path, *cells: str) -> Path:
    notebook = nbformat.v4.new_notebook()
    notebook.cells = [nbformat.v4.new_code_cell(cell) for cell in cells]
    path = folder / "anna.ipynb"
    nbformat.write(notebook, path)
    return path


def test_a_solved_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = small_lab(tmp_path)
    monkeypatch.setattr(grade, "execute", execute_here)
    assert grade.grade(source, handed_in(tmp_path, "1 / 0", ANSWER)) == {"double": True}


def test_checks_of_the_students_own_do_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = small_lab(tmp_path)
    wrong = ANSWER.replace("2 * x", "x")
    path = handed_in(tmp_path, wrong, 'print("double: solved")', CHECK.replace("8", "4"))
    monkeypatch.setattr(grade, "execute", execute_here)
    assert grade.grade(source, path) == {"double": False}


def test_cells_are_known_by_their_first_line() -> None:
    notebook = nbformat.v4.new_notebook()
    notebook.cells = [
        nbformat.v4.new_code_cell("# task: a\n1"),
        nbformat.v4.new_markdown_cell("# task: b\n2"),
        nbformat.v4.new_code_cell("x = 1\n# task: c\n3"),
        nbformat.v4.new_code_cell("\n# task: d\n4"),
        nbformat.v4.new_code_cell("# task: a\n5"),
        nbformat.v4.new_code_cell("# task: e"),
    ]
    assert grade.tasks_in(notebook) == {"a": "5", "d": "4", "e": ""}


def test_files_that_cannot_be_graded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    source = small_lab(tmp_path)
    monkeypatch.setattr(grade, "sources", lambda: [source])
    (tmp_path / "text.ipynb").write_text("not JSON")
    (tmp_path / "list.ipynb").write_text("[1, 2]")
    (tmp_path / "empty.ipynb").write_text("{}")
    other = handed_in(tmp_path, TASK.split("\n", 1)[1].replace("double", "half"))
    names = [*map(str, tmp_path.glob("*t*.ipynb")), str(tmp_path / "no.ipynb"), str(other)]
    assert grade.main(["01", *names]) == 2
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(names) == 5
    assert sum(": no notebook: " in line for line in lines) == 4
    assert "it has no task of 01_small" in lines[-1]
    assert grade.main([]) == grade.main(["01"]) == grade.main(["77", "x"]) == 2

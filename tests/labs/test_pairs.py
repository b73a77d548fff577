"""Each notebook is what its source says, and each task has a check and a solution."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import nbformat
import pytest

from tests.labs.labs import SOLUTION, module, small_lab

pairs = module("pairs")
SOURCES = pairs.sources()
NAMES = [source.stem for source in SOURCES]


def cells(notebook: nbformat.NotebookNode) -> list[tuple[object, ...]]:
    return [
        (cell.cell_type, cell.id, cell.source, tuple(cell.metadata.get("tags", ())))
        for cell in notebook.cells
    ]


@pytest.mark.parametrize("source", SOURCES, ids=NAMES)
def test_pair(source: Path) -> None:
    wanted = pairs.notebook_of(source)
    notebook = nbformat.read(source.with_suffix(".ipynb"), as_version=4)
    assert cells(notebook) == cells(wanted), "make labs-sync writes the notebooks again"
    assert notebook.metadata == wanted.metadata
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert not cell.outputs
            assert cell.execution_count is None


@pytest.mark.parametrize("source", SOURCES, ids=NAMES)
def test_tasks(source: Path) -> None:
    cells = [cell for cell in pairs.notebook_of(source).cells if cell.cell_type == "code"]
    tasks = [task for cell in cells if (task := pairs.task_of(cell))]
    checks = [check for cell in cells if (check := pairs.check_of(cell))]
    assert 4 <= len(tasks) <= 8
    assert checks == tasks, "each task is followed by its check"
    assert len(set(tasks)) == len(tasks)
    assert [*pairs.solutions_of(source)] == tasks
    for before, cell in pairwise(cells):
        if pairs.check_of(cell):
            assert pairs.task_of(before) == pairs.check_of(cell)


def test_no_notebook_without_a_source() -> None:
    folder = pairs.HERE
    assert {path.stem for path in folder.glob("*.ipynb")} == set(NAMES)
    assert {path.stem for path in (folder / "solutions").glob("*.py")} == set(NAMES)


def test_a_cell_that_does_not_name_its_task() -> None:
    cell = nbformat.v4.new_code_cell("x = 1", metadata={"tags": ["task"]})
    with pytest.raises(ValueError, match="does not name its task"):
        pairs.task_of(cell)


def test_two_solutions_of_one_task(tmp_path: Path) -> None:
    source = small_lab(tmp_path, solution=SOLUTION + SOLUTION)
    with pytest.raises(ValueError, match="two solutions"):
        pairs.solutions_of(source)


def test_a_changed_source_differs_from_its_notebook(tmp_path: Path) -> None:
    source = small_lab(tmp_path)
    before = nbformat.read(source.with_suffix(".ipynb"), as_version=4)
    assert cells(before) == cells(pairs.notebook_of(source))
    source.write_text(source.read_text().replace("2 *", "3 *").replace("A lab", "Another"))
    assert cells(before) != cells(pairs.notebook_of(source))

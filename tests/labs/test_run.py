"""The runner of the labs notices each way in which a lab can be wrong."""

from __future__ import annotations

import copy
from pathlib import Path

import nbformat
import pytest

from tests.labs.labs import CHECK, SOLUTION, TASK, execute_here, module, small_lab

run, pairs = module("run"), module("pairs")


def test_a_sound_lab_passes_both_ways(tmp_path: Path) -> None:
    source = small_lab(tmp_path)
    for solved in (True, False):
        found, seconds = run.run(source, solved)
        assert not found
        assert 0 < seconds < 60


def executed(folder: Path, **parts: str) -> tuple[list[str], list[str]]:
    """Complaints, solved and as handed out; cells run in this process, not in a kernel."""
    source = small_lab(folder, **parts)
    results = []
    for solved in (True, False):
        notebook = nbformat.read(source.with_suffix(".ipynb"), as_version=4)
        if solved:
            run.solve(notebook, pairs.solutions_of(source))
        execute_here(notebook)
        results.append(run.complaints(notebook, solved))
    return results[0], results[1]


def test_the_stand_in_for_a_kernel_gives_what_the_kernel_gives(tmp_path: Path) -> None:
    assert executed(tmp_path) == ([], [])


def test_a_check_that_passes_without_a_solution(tmp_path: Path) -> None:
    solved, handed_out = executed(tmp_path, check=CHECK.replace("double(4), 8", "8, 8"))
    assert not solved
    assert "double passes without a solution" in handed_out[0]


def test_a_check_that_fails_with_the_solution(tmp_path: Path) -> None:
    solved, handed_out = executed(tmp_path, solution=SOLUTION.replace("2 * x", "x"))
    assert "NotYet: double: the result is 4, wanted is 8" in solved[0]
    assert not handed_out


def test_a_check_that_grades_nothing(tmp_path: Path) -> None:
    check = '# %% tags=["check"]\nif False:\n    lab.check("double", True)\n'
    solved, handed_out = executed(tmp_path, check=check)
    assert "does not say" in solved[0]
    assert "passes without" in handed_out[0]


def test_a_check_that_raises_something_else(tmp_path: Path) -> None:
    check = '# %% tags=["check"]\nlab.check("double", double(4) == 8)\n'
    solved, handed_out = executed(tmp_path, check=check)
    assert not solved
    assert "raises NotImplementedError" in handed_out[0]


def test_a_task_whose_stub_raises(tmp_path: Path) -> None:
    _, handed_out = executed(tmp_path, task=TASK + "double(1)\n\n")
    assert any("NotImplementedError" in each and "# task: double" in each for each in handed_out)


def test_a_later_cell_may_rest_on_a_task_but_not_fail_when_it_is_solved(tmp_path: Path) -> None:
    assert executed(tmp_path, more="# %%\ndouble(1)\n") == ([], [])
    solved, _ = executed(tmp_path, more="# %%\ndouble(1) / 0\n")
    assert "ZeroDivisionError" in solved[0]


def test_each_check_is_looked_at_not_only_the_first(tmp_path: Path) -> None:
    task = TASK + TASK.replace("double", "triple")
    check = CHECK + CHECK.replace('"double"', '"triple"').replace("double(4), 8", "12, 12")
    solution = SOLUTION + "\n# %% task: triple\ntriple = 3\n"
    _, handed_out = executed(tmp_path, task=task, check=check, solution=solution)
    assert len(handed_out) == 1
    assert "triple passes" in handed_out[0]


def test_a_kernel_that_dies_is_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def die(notebook: object, folder: Path) -> None:
        raise RuntimeError("Kernel died")

    source = small_lab(tmp_path)
    monkeypatch.setattr(run, "execute", die)
    monkeypatch.setattr(run, "sources", lambda: [source])
    with monkeypatch.context() as context:
        context.setattr(run.os, "environ", copy.copy(dict(run.os.environ)))
        assert run.main([]) == 1
    assert "RuntimeError: Kernel died" in capsys.readouterr().out


def test_a_notebook_that_was_not_made_again(tmp_path: Path) -> None:
    """Else a new task would not run, and the lab would be called good."""
    source = small_lab(tmp_path)
    source.write_text(source.read_text().replace("double(4), 8", "double(3), 6"))
    found, _ = run.run(source, False)
    assert found == ["the notebook differs from 01_small.py: `make labs-sync` makes it again"]


def test_outputs_in_a_notebook_are_no_difference(tmp_path: Path) -> None:
    source = small_lab(tmp_path)
    notebook = nbformat.read(source.with_suffix(".ipynb"), as_version=4)
    execute_here(notebook)
    assert any(cell.get("outputs") for cell in notebook.cells)
    assert pairs.is_in_step(source, notebook)


def test_a_task_without_a_solution(tmp_path: Path) -> None:
    source = small_lab(tmp_path, solution="# Solutions\n")
    found, _ = run.run(source, True)
    assert found == ["solutions/01_small.py has no cell `# %% task: double`"]


def test_a_number_that_no_lab_has(capsys: pytest.CaptureFixture[str]) -> None:
    assert run.main(["77"]) == 1
    assert "no such lab" in capsys.readouterr().out

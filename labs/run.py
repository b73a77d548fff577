"""Run the labs as a student would, and hold their checks to what they promise.

    python labs/run.py [NN ...]

Every notebook is run twice from top to bottom: with the solutions in place of the tasks, when every
cell must pass and every check must say so; and as handed out, when every check must fail with
NotYet. Exit status: 0 all good, 1 not.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pairs import HERE, check_of, is_in_step, solutions_of, sources, task_of

CELL_SECONDS = 120
SIDE_BY_SIDE = 2


def solve(notebook: Any, solutions: dict[str, str]) -> None:
    """Put the solutions in place of the task cells."""
    for cell in notebook.cells:
        task = task_of(cell)
        if task is not None:
            cell.source = f"# task: {task}\n{solutions[task]}"


def execute(notebook: Any, folder: Path) -> None:
    """Run all cells, those after an error too; outputs stay in the notebook."""
    from nbclient import NotebookClient

    NotebookClient(
        notebook,
        timeout=CELL_SECONDS,
        kernel_name="python3",
        allow_errors=True,
        resources={"metadata": {"path": str(folder)}},
        extra_arguments=["--IPKernelApp.log_level=ERROR"],
    ).execute()


def complaints(notebook: Any, solved: bool) -> list[str]:
    """What is wrong with a notebook that was run, in words; empty is good."""
    found = []
    seen_task = False
    for number, cell in enumerate(notebook.cells, 1):
        if cell.cell_type != "code":
            continue
        error = _error(cell)
        what = _complaint(cell, error, solved, seen_task)
        seen_task = seen_task or task_of(cell) is not None
        if what:
            found.append(f"cell {number}: {what}\n    {_first_line(cell)}")
    return found


def _complaint(cell: Any, error: str | None, solved: bool, seen_task: bool) -> str | None:
    task = check_of(cell)
    if solved:
        if error is not None:
            return error
        if task is not None and f"{task}: solved" not in printed(cell):
            return f"the check of {task} does not say that it is solved"
        return None
    if task is not None:
        if error is None:
            return f"the check of {task} passes without a solution"
        return None if error.startswith("NotYet:") else f"the check of {task} raises {error}"
    # What follows a task may rest on it; the task itself and what stands before it must run.
    is_dependent = seen_task and task_of(cell) is None
    return None if error is None or is_dependent else error


def _error(cell: Any) -> str | None:
    errors = [each for each in cell.outputs if each.output_type == "error"]
    return f"{errors[0].ename}: {errors[0].evalue}" if errors else None


def printed(cell: Any) -> str:
    """What a cell that has run has printed."""
    return "".join(each.text for each in cell.outputs if each.output_type == "stream")


def _first_line(cell: Any) -> str:
    return str(cell.source).strip().split("\n", 1)[0][:80]


def run(source: Path, solved: bool) -> tuple[list[str], float]:
    """Run one lab; gives complaints and seconds."""
    import nbformat

    notebook = nbformat.read(source.with_suffix(".ipynb"), as_version=4)
    if not is_in_step(source, notebook):
        return [f"the notebook differs from {source.name}: `make labs-sync` makes it again"], 0.0
    if solved:
        solutions = solutions_of(source)
        missing = {task for cell in notebook.cells if (task := task_of(cell))} - solutions.keys()
        if missing:
            return [f"solutions/{source.name} has no cell `# %% task: {min(missing)}`"], 0.0
        solve(notebook, solutions)
    start = time.monotonic()
    try:
        execute(notebook, source.parent)
        found = complaints(notebook, solved)
    except Exception as error:  # the kernel died, or a cell took too long
        found = [f"{type(error).__name__}: {str(error)[:400]}"]
    return found, time.monotonic() - start


@contextmanager
def quiet_jupyter() -> Iterator[None]:
    """Kernels take nothing from the user's own set-up, and leave nothing in it."""
    with tempfile.TemporaryDirectory() as scratch:
        for name in (
            "IPYTHONDIR",
            *(f"JUPYTER_{what}_DIR" for what in ("RUNTIME", "CONFIG", "DATA")),
        ):
            os.environ[name] = scratch
        yield


def main(wanted: list[str]) -> int:
    """Run the labs whose numbers are given, or all."""
    labs = [lab for lab in sources() if not wanted or lab.name[:2] in wanted]
    if not labs:
        print(f"no such lab; there are {', '.join(lab.name[:2] for lab in sources())}")
        return 1
    jobs = [(lab, solved) for lab in labs for solved in (True, False)]
    failed = 0
    start = time.monotonic()
    with quiet_jupyter(), ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        for (lab, solved), (found, seconds) in zip(
            jobs, pool.map(lambda job: run(*job), jobs), strict=True
        ):
            what = "with solutions" if solved else "as handed out"
            print(f"{lab.stem:<22} {what:<14} {seconds:5.1f} s  {'FAILED' if found else 'good'}")
            for complaint in found:
                print(f"  {complaint}")
            sys.stdout.flush()
            failed += bool(found)
    print(f"{len(labs)} labs in {time.monotonic() - start:.0f} s: {failed or 'none'} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    os.chdir(HERE)
    sys.exit(main(sys.argv[1:]))

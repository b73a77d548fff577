"""Grade notebooks that students hand in.

    python labs/grade.py NN FILE.ipynb ...

Of each file only the task cells count: they are put into the lab's own notebook, which then runs
with its own checks. A cell is known by its first line, `# task: ...`. The code of students runs on
your machine: do it where that does no harm.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

from pairs import HERE, check_of, sources, task_of
from run import execute, printed, quiet_jupyter

_TASK = re.compile(r"\s*# task: (\S+)[ \t]*(?:\n|$)")


def tasks_in(notebook: Any) -> dict[str, str]:
    """A student's task cells by id, without their first line; of two with one id the last one."""
    found = {}
    for cell in notebook.cells:
        match = _TASK.match(cell.source) if cell.cell_type == "code" else None
        if match is not None:
            found[match.group(1)] = cell.source[match.end() :]
    return found


def grade(source: Path, path: Path) -> dict[str, bool]:
    """For each task of a lab whether the notebook at `path` solves it.

    Raises ValueError: it is no notebook, or it has none of the tasks.
    """
    import nbformat

    notebook = nbformat.read(source.with_suffix(".ipynb"), as_version=4)
    try:
        given = tasks_in(nbformat.read(path, as_version=4))
    except Exception as error:  # whatever nbformat makes of such a file
        raise ValueError(f"no notebook: {str(error)[:200]}") from None
    tasks = [task for cell in notebook.cells if (task := task_of(cell))]
    if not given.keys() & set(tasks):
        raise ValueError(f"it has no task of {source.stem}")
    for cell in notebook.cells:
        task = task_of(cell)
        if task in given:
            cell.source = f"# task: {task}\n{given[task]}"
    execute(notebook, source.parent)
    return {
        task: f"{task}: solved" in printed(cell)
        for cell in notebook.cells
        if (task := check_of(cell))
    }


def main(arguments: list[str]) -> int:
    """Print a line for each file; exit status 2 if one could not be graded."""
    labs = {lab.name[:2]: lab for lab in sources()}
    number, *files = arguments or ["?"]
    if number not in labs or not files:
        print("usage: python labs/grade.py NN FILE.ipynb ...   NN is one of", ", ".join(labs))
        return 2
    status = 0
    with quiet_jupyter():
        for path in files:
            try:
                found = grade(labs[number], Path(path).resolve())
            except (ValueError, RuntimeError) as error:
                print(f"{path}: {error}")
                status = 2
                continue
            missing = [task for task, is_solved in found.items() if not is_solved]
            told = f"not yet: {', '.join(missing)}" if missing else "all solved"
            print(f"{path}: {len(found) - len(missing)} of {len(found)}  {told}", flush=True)
    return status


if __name__ == "__main__":
    sys.path.insert(0, str(HERE))
    sys.exit(main(sys.argv[1:]))

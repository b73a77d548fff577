"""Notebooks and their sources: NN_name.py is written by people, NN_name.ipynb is made from it.

    python labs/pairs.py

makes every notebook again, without outputs.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
_SOLUTION = re.compile(r"^# %% task: (\S+)\n", re.MULTILINE)
_TASK = re.compile(r"# task: (\S+)\n")
_CHECK = re.compile(r'lab\.check\(\s*"([^"]+)"')


def sources(folder: Path = HERE) -> list[Path]:
    """The labs' sources in their order."""
    return sorted(folder.glob("[0-9][0-9]_*.py"))


def notebook_of(source: Path) -> Any:
    """The notebook that a source stands for; ids of cells count from 1, so that diffs are short."""
    import jupytext
    import nbformat

    notebook = jupytext.read(source)
    notebook.metadata = {"kernelspec": dict(notebook.metadata["kernelspec"])}
    notebook.metadata["jupytext"] = {"formats": "ipynb,py:percent"}
    for number, cell in enumerate(notebook.cells, 1):
        cell["id"] = f"cell-{number:02d}"
        cell["metadata"] = {key: cell.metadata[key] for key in ("tags",) if key in cell.metadata}
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    nbformat.validate(notebook)
    return notebook


def is_in_step(source: Path, notebook: Any) -> bool:
    """Whether a notebook has the cells of its source; outputs and ids of cells do not count."""
    wanted, found = (
        [(cell.cell_type, cell.source.strip(), cell.metadata.get("tags", [])) for cell in cells]
        for cells in (notebook_of(source).cells, notebook.cells)
    )
    return wanted == found


def task_of(cell: Any) -> str | None:
    """The id of a task cell; None for other cells."""
    return _found(cell, "task", _TASK.match)


def check_of(cell: Any) -> str | None:
    """The id of the task that a check cell grades; None for other cells."""
    return _found(cell, "check", _CHECK.search)


def _found(cell: Any, tag: str, find: Any) -> str | None:
    if tag not in cell.metadata.get("tags", []):
        return None
    match = find(cell.source + "\n")
    if match is None:
        raise ValueError(f"a cell with the tag {tag} does not name its task:\n{cell.source}")
    return str(match.group(1))


def solutions_of(source: Path) -> dict[str, str]:
    """The solution of each task of a lab: what takes the place of the task's cell, by id."""
    path = source.parent / "solutions" / source.name
    _, *parts = _SOLUTION.split(path.read_text()) if path.exists() else ("",)
    names, cells = parts[::2], parts[1::2]
    if len(set(names)) != len(names):
        raise ValueError(f"{path.name} has two solutions of one task")
    return {name: cell.strip() + "\n" for name, cell in zip(names, cells, strict=True)}


def main() -> None:
    """Write every notebook."""
    import nbformat

    for source in sources():
        path = source.with_suffix(".ipynb")
        text = nbformat.writes(notebook_of(source)) + "\n"
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
            print(f"{path.name}: written")


if __name__ == "__main__":
    main()

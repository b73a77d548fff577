"""The labs' own modules, which lie outside of any package, and a small lab to try them on."""

from __future__ import annotations

import contextlib
import importlib
import io
import sys
from pathlib import Path
from types import ModuleType

import nbformat

LABS = Path(__file__).resolve().parents[2] / "labs"

HEADER = """\
# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

"""
TASK = """\
# %% tags=["task"]
# task: double
def double(x):
    raise NotImplementedError

"""
CHECK = """\
# %% tags=["check"]
@lab.check("double")
def _():
    lab.equal(double(4), 8, "Twice the number.")

"""
SOLUTION = """\
# Solutions

# %% task: double
def double(x):
    return 2 * x
"""


def module(name: str) -> ModuleType:
    """lab, run or pairs; they import each other by their bare names."""
    if str(LABS) not in sys.path:
        sys.path.insert(0, str(LABS))
    return importlib.import_module(name)


def small_lab(
    folder: Path, task: str = TASK, check: str = CHECK, solution: str = SOLUTION, more: str = ""
) -> Path:
    """Write a lab of one task with its notebook and its solution; returns the source."""
    (folder / "solutions").mkdir(exist_ok=True)
    (folder / "solutions" / "01_small.py").write_text(solution)
    source = folder / "01_small.py"
    source.write_text(
        f"{HEADER}# %% [markdown]\n# # A lab\n\n# %%\nimport lab\n\n{task}{check}{more}"
    )
    (folder / "lab.py").write_text((LABS / "lab.py").read_text())
    nbformat.write(module("pairs").notebook_of(source), source.with_suffix(".ipynb"))
    return source


def execute_here(notebook: nbformat.NotebookNode, folder: Path | None = None) -> None:
    """Run a notebook's cells in this process: quicker than a kernel, the same for small ones."""
    names: dict[str, object] = {}
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            try:
                exec(cell.source, names)
            except Exception as error:
                name = type(error).__name__
                output = nbformat.v4.new_output("error", ename=name, evalue=str(error))
                cell.outputs.append(output)
        cell.outputs.append(nbformat.v4.new_output("stream", text=printed.getvalue()))

"""`microinterp verify`: everything that is wrong with a .tflite file, not only the first thing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from microinterp.cli import options, output
from microinterp.errors import MicrointerpError, Problem
from microinterp.inspect_model import all_problems
from microinterp.model import contents_of
from microinterp.operators_file import registry_with

_UNREADABLE = "unreadable"
_STYLES = {"error": "bold red", "warning": "yellow"}


def command(
    models: Annotated[list[str], typer.Argument(metavar="MODEL", help=".tflite files.")],
    operators: options.Operators = None,
    json: options.Json = False,
) -> None:
    """Check models: the file's structure, the rules of a sound model, and every operator.

    Exit status: 0 without errors (warnings may be there), 1 with errors, 2 if a file cannot be
    read; the others are still checked.

    JSON: models, a list with path, ok, and problems (rule, severity, message, hint, where with
    subgraph, op_index, op_name, role, tensor_index, tensor_name, byte_offset). A file that cannot
    be read has the rule "unreadable".
    """
    registry = registry_with(operators)
    found: dict[str, Sequence[Problem]] = {}
    unreadable = False
    for path in output.with_progress(models, "verifying"):
        try:
            found[path] = all_problems(contents_of(path), registry)
        except MicrointerpError as error:
            found[path] = [Problem(_UNREADABLE, error.message, error.where, error.hint)]
            output.show_error(error)
            unreadable = True
    if json:
        rows = [
            {"path": path, "ok": _is_good(problems), "problems": [asdict(p) for p in problems]}
            for path, problems in found.items()
        ]
        output.print_json({"models": rows})
    else:
        screen = output.console()
        for path, problems in found.items():
            if not any(problem.rule == _UNREADABLE for problem in problems):
                _show(screen, path, problems)
    if unreadable:
        raise typer.Exit(output.BAD_USE)
    if not all(map(_is_good, found.values())):
        raise typer.Exit(output.NO)


def _is_good(problems: Sequence[Problem]) -> bool:
    return all(problem.severity != "error" for problem in problems)


def _show(screen: Console, path: str, problems: Sequence[Problem]) -> None:
    errors = sum(problem.severity == "error" for problem in problems)
    warnings = len(problems) - errors
    verdict = (
        Text(f"{errors} error{'s' if errors != 1 else ''}", style="bold red")
        if errors
        else Text("good", style="bold green")
    )
    if warnings:
        verdict += Text(f", {warnings} warning{'s' if warnings != 1 else ''}", style="yellow")
    screen.print(output.safe(path, "bold", 4200) + Text(": ") + verdict, soft_wrap=True)
    for problem in problems:
        head, _, hint = str(problem).partition("\n")
        line = Text(f"  {problem.severity} ", style=_STYLES[problem.severity])
        line += Text(f"[{problem.rule}] ", style="dim") + output.safe(head, limit=2000)
        screen.print(line, soft_wrap=True)
        if hint:
            screen.print(output.safe(f"  {hint}", "dim", 2000), soft_wrap=True)

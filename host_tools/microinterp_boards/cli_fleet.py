"""Options --all, --boards, --fleet and --wait of `microinterp board`: several boards at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from microinterp.cli import output
from microinterp.errors import DeviceError
from microinterp_boards.fleet import inventory
from microinterp_boards.fleet.inventory import Entry
from microinterp_boards.fleet.work import Outcome, Watch

All = Annotated[
    bool, typer.Option("--all", help="All boards of fleet.toml, side by side: docs/fleet.md.")
]
Boards = Annotated[
    str | None,
    typer.Option("--boards", metavar="A,B", help="These boards of fleet.toml, by name or tag."),
]
FleetFile = Annotated[
    Path | None,
    typer.Option(
        "--fleet", metavar="FILE", help="Another fleet.toml than ./ or the user's: docs/fleet.md."
    ),
]
Wait = Annotated[
    float,
    typer.Option(
        "--wait", min=0.0, metavar="SECONDS", help="Wait so long for a port that is in use."
    ),
]
DIFFERENT, FAILED = "different", "failed"
_STYLES = {DIFFERENT: "bold red", FAILED: "red"}
_STAGES = {"open": "opens its port", "work": "works", "done": "done", "failed": "failed"}
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Asked:
    """The boards that were asked for, of which file, and seconds to wait for each port."""

    file: Path
    entries: Sequence[Entry]
    wait: float


@dataclass(frozen=True, slots=True)
class Form:
    """How the outcomes of a command are told.

    Attributes:
        word: what is said of a result.
        facts: its JSON, by port and result.
        columns: of the table, between outcome and seconds; all hold numbers but `texts`.
        cells: a result's.
        texts: columns that hold words.
    """

    word: Callable[[Any], str]
    facts: Callable[[str, Any], dict[str, Any]]
    columns: tuple[str, ...]
    cells: Callable[[Any], tuple[str, ...]]
    texts: tuple[str, ...] = ("kernels",)


def asked(
    all_boards: bool,
    boards: str | None,
    fleet: Path | None,
    port: str | None,
    baud: int | None,
    wait: float,
) -> Asked | None:
    """The boards of --all or --boards; None if neither was given.

    Raises DeviceError for options that do not go together, and names that there are not.
    """
    if not all_boards and boards is None:
        return None
    if all_boards and boards is not None:
        raise DeviceError("--all and --boards do not go together", hint="leave one of them away")
    if port is not None:
        raise DeviceError(
            f"--port and {'--all' if all_boards else '--boards'} do not go together",
            hint="--port is one board, by port or name",
        )
    there = inventory.load(fleet)
    names = [name for name in (boards or "").split(",") if name]
    entries = list(there.entries.values()) if all_boards else there.pick(names)
    if not entries:
        raise DeviceError("--boards names no boards", hint=f"there are: {', '.join(there.entries)}")
    if baud is not None:
        entries = [replace(entry, baud=baud) for entry in entries]
    return Asked(there.path, entries, wait)


def run(
    some: Asked,
    action: Callable[[Watch], list[Outcome[T]]],
    form: Form,
    json: bool,
    keep: Callable[[T], None] | None = None,
) -> None:
    """Run an action of fleet.actions, a line for each board telling how it goes; print outcomes.

    `keep` takes each result. Raises typer.Exit: 1 if a board differs, else 2 if one has failed.
    """
    with _lines(some.entries) as watch:
        outcomes = action(watch)
    try:
        for each in outcomes:
            if keep is not None and each.result is not None:
                keep(each.result)
    finally:  # what was done is shown even if it cannot be kept
        _tell(some, outcomes, form, json)


def _tell(some: Asked, outcomes: Sequence[Outcome[T]], form: Form, json: bool) -> None:
    words = [FAILED if each.error else form.word(each.result) for each in outcomes]
    if json:
        told = [_json(each, word, form) for each, word in zip(outcomes, words, strict=True)]
        output.print_json({"fleet": str(some.file), "boards": told})
    else:
        _show(outcomes, words, form)
    if DIFFERENT in words:
        raise typer.Exit(output.NO)
    if FAILED in words:
        raise typer.Exit(output.BAD_USE)


def _json(each: Outcome[Any], word: str, form: Form) -> dict[str, Any]:
    error = each.error
    return {
        "name": each.name,
        "port": each.port,
        "outcome": word,
        "seconds": round(each.seconds, 3),
        "error": None if error is None else {"message": error.message, "hint": error.hint},
        "result": None if error is not None else form.facts(each.port, each.result),
    }


def _show(outcomes: Sequence[Outcome[T]], words: Sequence[str], form: Form) -> None:
    numbers = [name for name in form.columns if name not in form.texts]
    table = output.table(
        "board",
        "outcome",
        *form.columns,
        "seconds",
        right=(*numbers, "seconds"),
        firm=("board", "outcome"),
    )
    for each, word in zip(outcomes, words, strict=True):
        cells = ("-",) * len(form.columns) if each.error else form.cells(each.result)
        shown = Text(word, style=_STYLES.get(word, "green"))
        safe = (output.safe(cell, limit=120) for cell in cells)
        table.add_row(output.safe(each.name), shown, *safe, f"{each.seconds:.1f}")
    output.console().print(table)
    for each in outcomes:
        if each.error is not None:
            error = each.error
            output.show_error(DeviceError(f"{each.name}: {error.message}", error.where, error.hint))


@contextmanager
def _lines(entries: Sequence[Entry]) -> Iterator[Watch]:
    """A line for each board, where somebody sees it."""
    screen = output.console(stderr=True)
    if not screen.is_terminal:
        yield lambda name, stage, done, of: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[stage]}"))
    with Progress(*columns, TimeElapsedColumn(), console=screen, transient=True) as lines:
        tasks = {entry.name: lines.add_task(entry.name, total=1, stage="") for entry in entries}

        def watch(name: str, stage: str, done: int, of: int) -> None:
            shown = _STAGES[stage]
            lines.update(tasks[name], completed=done, total=max(of, 1), stage=shown)

        yield watch

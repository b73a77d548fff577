"""Options --all, --boards, --fleet and --wait of `microinterp board`: several boards at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from microinterp.cli import output
from microinterp.errors import DeviceError
from microinterp_boards.deploy import Deployment
from microinterp_boards.fleet import actions, inventory
from microinterp_boards.fleet.inventory import Entry
from microinterp_boards.fleet.work import Outcome, Watch
from microinterp_boards.packing import MemoryPasses
from microinterp_boards.validate import Validation

All = Annotated[
    bool, typer.Option("--all", help="All boards of fleet.toml, side by side: docs/fleet.md.")
]
Boards = Annotated[
    str | None,
    typer.Option("--boards", metavar="A,B", help="These boards of it, by name or tag."),
]
FleetFile = Annotated[
    Path | None,
    typer.Option("--fleet", metavar="FILE", help="Boards by name; else ./fleet.toml, or yours."),
]
Wait = Annotated[
    float, typer.Option("--wait", min=0.0, help="Seconds to wait for a port that is in use.")
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


def deployment_json(port: str, done: Deployment) -> dict[str, Any]:
    """A deployment as --json tells it."""
    return {"port": port, **asdict(done)}


def validation_json(port: str, done: Validation) -> dict[str, Any]:
    """A validation as --json tells it."""
    first = done.first_difference
    place = None if first is None else first._asdict()
    return {"port": port, "equal": done.equal, **asdict(done), "first_difference": place}


def deploy_all(
    some: Asked,
    model: str,
    name: str | None,
    mpy_set: str | None,
    passes: MemoryPasses,
    json: bool,
) -> None:
    """`board deploy` for several boards."""
    with _lines(some.entries) as watch:
        done = actions.deploy_all(
            some.entries,
            model,
            name,
            mpy_set=mpy_set,
            passes=passes,
            watch=watch,
            patience=some.wait,
        )
    form = Form(
        lambda done: "deployed",
        deployment_json,
        ("kernels", "sent", "model", "arena", "heap left"),
        lambda done: (
            done.kernels,
            f"{done.sent_bytes:,}",
            f"{done.model_bytes:,}",
            f"{done.arena_bytes:,}",
            f"{done.heap_loaded:,}",
        ),
    )
    _tell(some, done, form, json)


def validate_all(
    some: Asked,
    model: str,
    samples: int | None,
    per_op: bool,
    golden: str | None,
    seed: int,
    name: str | None,
    passes: MemoryPasses,
    json: bool,
) -> None:
    """`board validate` for several boards."""
    with _lines(some.entries) as watch:
        done = actions.validate_all(
            some.entries,
            model,
            samples,
            per_op,
            golden,
            seed,
            name,
            passes=passes,
            watch=watch,
            patience=some.wait,
        )
    form = Form(
        lambda done: "equal" if done.equal else DIFFERENT,
        validation_json,
        ("kernels", "samples", "bytes", "CRC32s", "first difference"),
        lambda done: (
            done.kernels,
            f"{done.samples:,}",
            f"{done.compared_bytes:,}",
            f"{done.compared_crcs:,}" if done.per_op else "-",
            _place(done),
        ),
        ("kernels", "first difference"),
    )
    _tell(some, done, form, json)


def bench_all(
    some: Asked,
    model: str,
    runs: int,
    name: str | None,
    seed: int,
    passes: MemoryPasses,
    keep: Callable[[dict[str, Any]], None] | None,
    json: bool,
) -> None:
    """`board bench` for several boards; `keep` is given the result of each that was timed."""
    with _lines(some.entries) as watch:
        done = actions.bench_all(
            some.entries,
            model,
            runs,
            name,
            seed=seed,
            passes=passes,
            watch=watch,
            patience=some.wait,
        )
    form = Form(
        lambda done: "timed",
        lambda port, done: done,
        ("kernels", "invoke", "p10", "p90", "clock", "heap free"),
        lambda done: (
            done["runtime"]["kernels"],
            f"{done['median']:,.0f}",
            f"{done['p10']:,}",
            f"{done['p90']:,}",
            done["clock_unit"],
            f"{done['heap_free']['after_invoke']:,}",
        ),
        ("kernels", "clock"),
    )
    try:
        for each in done:
            if keep is not None and each.result is not None:
                keep(each.result)
    finally:  # what was measured is shown even if it cannot be kept
        _tell(some, done, form, json)


def _tell(some: Asked, outcomes: Sequence[Outcome[T]], form: Form, json: bool) -> None:
    """Print all outcomes. Raises typer.Exit: 1 if a board differs, else 2 if one has failed."""
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
        "board", "outcome", *form.columns, "seconds", right=(*numbers, "seconds"), firm=("board",)
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


def _place(done: Validation) -> str:
    first = done.first_difference
    if first is None:
        return "-"
    return f"sample {first.sample}, op {first.op_index} {first.name}"


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

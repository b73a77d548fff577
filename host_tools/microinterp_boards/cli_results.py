"""The commands `microinterp board results ...`: benchmarks that were kept."""

from __future__ import annotations

import io
import math
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from microinterp.cli import output
from microinterp.errors import InputError, printable
from microinterp.files import write_bytes
from microinterp_boards.cli_bench import ResultsFile
from microinterp_boards.cli_bench_text import show_bench
from microinterp_boards.cli_options import Json
from microinterp_boards.cli_results_text import compared_json, named, show_comparison, when
from microinterp_boards.results import plots
from microinterp_boards.results.choose import pick, pick_two, read_json
from microinterp_boards.results.comparison import compare
from microinterp_boards.results.csv_files import write_csv
from microinterp_boards.results.store import DEFAULT, Kept, Store, check_label

app = typer.Typer(
    name="results",
    help="Benchmarks that `board bench --save` has kept: list, compare, export, draw them.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",  # joins the lines of a paragraph
)

_FILE = Path(DEFAULT)
_RUN = "its number, a label, `latest`, or a .json file of `board bench --json`"
_Model = Annotated[
    str | None, typer.Option("--model", metavar="NAME", help="Only of this model's name.")
]
_Board = Annotated[
    str | None,
    typer.Option("--board", metavar="TEXT", help="Only of boards with this in their name."),
]
_Label = Annotated[
    str | None, typer.Option("--label", metavar="LABEL", help="Only with this label.")
]


@app.command("list")
def list_command(
    model: _Model = None,
    board: _Board = None,
    label: _Label = None,
    last: Annotated[int, typer.Option("--last", "-n", min=1, help="How many at most.")] = 20,
    results: ResultsFile = _FILE,
    json: Json = False,
) -> None:
    """List runs, the newest first.

    JSON: runs, a list with run (its number), label, timestamp, model, tflite_sha256, board,
    kernels, clock_unit, median, commit.
    """
    with Store(results) as store:
        found = store.runs(model, label=label, part_of_board=board, limit=last + 1)
    if json:
        output.print_json({"runs": [_listed(kept) for kept in found[:last]]})
        return
    if not found:
        output.note("no such runs; `microinterp board bench MODEL --save` keeps one")
        return
    columns = ("run", "label", "UTC", "model", "board, kernels", "invoke", "commit")
    table = output.table(*columns, right=("run", "invoke"), firm=("UTC", "model", "commit"))
    for kept in found[:last]:
        run = kept.run
        invoke = f"{run.invoke.median:,.0f} {run.unit}"
        where = output.safe(f"{printable(run.machine)}, {run.kernels}", limit=120)
        names = (output.safe(kept.label or "-"), when(run), run.name, where)
        table.add_row(str(kept.id), *names, invoke, run.commit or "-")
    output.console().print(table)
    if len(found) > last:
        output.note(f"these are the last {last}; -n shows more")


@app.command("show")
def show_command(
    run: Annotated[str, typer.Argument(metavar="RUN", help=f"{_RUN}.")] = "latest",
    results: ResultsFile = _FILE,
    json: Json = False,
) -> None:
    """Show a run as `board bench` does, and where it was made.

    JSON: the run as it was kept; follows schemas/bench_result.schema.json.
    """
    with ExitStack() as stack:
        kept = pick(_opener(stack, results), run)
    if json:
        output.print_json(kept.run.raw)
        return
    host = f"{kept.run.host_cpu or 'unknown processor'}, microinterp {kept.run.microinterp}"
    for key, value in (("run", named(kept)), ("host", host)):
        line = Text(f"{key:10} ", style="bold") + output.safe(value, limit=300)
        output.console().print(line, soft_wrap=True)
    show_bench(kept.run.raw)


@app.command("compare")
def compare_command(
    before: Annotated[str, typer.Argument(metavar="BEFORE", help=f"{_RUN}.")],
    after: Annotated[
        str, typer.Argument(metavar="AFTER", help="The same; `latest` if left out.")
    ] = "latest",
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Also runs of different models or boards.")
    ] = False,
    fail_above: Annotated[
        float | None,
        typer.Option(
            "--fail-above",
            metavar="PERCENT",
            min=0.0,
            help="Exit status 1 if the median of an invoke has grown by more than this.",
        ),
    ] = None,
    plot: Annotated[
        Path | None, typer.Option("--plot", metavar="FILE", help="Draw the ops: .png or .svg.")
    ] = None,
    results: ResultsFile = _FILE,
    json: Json = False,
) -> None:
    """Compare two runs: an invoke, each op, memory, and what else is different.

    A label, and `latest`, mean the newest such run of the same model and board as the other run:
    `compare baseline` holds the last run to the one with the label baseline, `compare latest` to
    the one before it. Microseconds have a spread (p10 to p90, of an op its shortest to its longest
    run), and ~ marks a change within it; --fail-above goes by medians alone.

    Exit status: 0 good, 1 a regression (with --fail-above), 2 bad use.

    JSON: before, after (run, label, timestamp, model, board, commit), clock_unit, invoke and each
    of ops (before, after: median, low, high, or null; percent, within_spread), memory, differences,
    fail_above, regression (null without --fail-above).
    """
    if fail_above is not None and not math.isfinite(fail_above):
        raise InputError("--fail-above wants a number")
    if plot is not None:
        plots.check_path(plot)
    with ExitStack() as stack:
        two = pick_two(_opener(stack, results), before, after)
    found = compare(two[0].run, two[1].run, anyway)
    regression = None if fail_above is None else found.is_regression(fail_above)
    if plot is not None:
        plots.plot_comparison(
            found, (f"before: {_short(two[0])}", f"after: {_short(two[1])}"), two[1].run, plot
        )
    if json:
        limit = {"fail_above": fail_above, "regression": regression}
        output.print_json(compared_json(two, found) | limit)
    else:
        show_comparison(two, found, fail_above)
    if regression:
        raise typer.Exit(output.NO)


@app.command("export")
def export_command(
    csv: Annotated[
        str | None, typer.Option("--csv", metavar="FILE", help="Write CSV; - is the terminal.")
    ] = None,
    ops: Annotated[
        bool, typer.Option("--ops", help="A line of CSV for each op, not for each run.")
    ] = False,
    plot: Annotated[
        Path | None,
        typer.Option("--plot", metavar="FILE", help="Draw medians over runs: .png or .svg."),
    ] = None,
    model: _Model = None,
    board: _Board = None,
    label: _Label = None,
    results: ResultsFile = _FILE,
) -> None:
    """Write runs as CSV, or draw how they went."""
    if csv is None and plot is None:
        raise InputError("nothing to write", hint="--csv FILE, --plot FILE, or both")
    if plot is not None:
        plots.check_path(plot)
    with Store(results) as store:
        found = store.runs(model, label=label, part_of_board=board)
    if not found:
        raise InputError("there are no such runs", hint="`board results list` shows what there is")
    if csv is not None:
        _write_csv(csv, found, ops)
    if plot is not None and (left_out := plots.plot_history(found, plot)):
        output.note(f"{left_out} more models and boards are left out: --model, --board choose")


@app.command("add")
def add_command(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="Files of `board bench --json`.")
    ],
    label: Annotated[
        str | None, typer.Option("--label", metavar="LABEL", help="A label for each of them.")
    ] = None,
    results: ResultsFile = _FILE,
) -> None:
    """Keep results that were written as JSON: all of them, or on an error none.

    One that is there already is not kept twice.
    """
    if label is not None:
        check_label(label)
    found = [read_json(path) for path in files]
    with Store(results, write=True) as store:
        numbers = store.save_all([kept.run.raw for kept in found], label)
    for path, number in zip(files, numbers, strict=True):
        output.console().print(Text(f"run {number}: ") + output.safe(path, limit=4096))


@app.command("label")
def label_command(
    run: Annotated[int, typer.Argument(metavar="RUN", help="Its number.", min=1)],
    label: Annotated[
        str | None, typer.Argument(metavar="LABEL", help="If left out, it has none any more.")
    ] = None,
    results: ResultsFile = _FILE,
) -> None:
    """Give a run a label, such as baseline. Of several with the same, the newest counts."""
    with _existing(results) as store:
        store.set_label(run, label)


@app.command("remove")
def remove_command(
    runs: Annotated[list[int], typer.Argument(metavar="RUN...", help="Their numbers.", min=1)],
    results: ResultsFile = _FILE,
) -> None:
    """Forget runs, all of them or on an error none. Their numbers are not used again."""
    with _existing(results) as store:
        store.remove_all(runs)


def _existing(path: Path) -> Store:
    """A file of runs to change, which is not made where there is none."""
    Store(path).close()
    return Store(path, write=True)


def _opener(stack: ExitStack, path: Path) -> Any:
    """What opens the file of runs once, when a run is in it and not in a .json file."""
    opened: list[Store] = []

    def store() -> Store:
        if not opened:
            opened.append(stack.enter_context(Store(path)))
        return opened[0]

    return store


def _write_csv(path: str, found: list[Kept], ops: bool) -> None:
    text = io.StringIO()
    write_csv(text, found, ops)
    if path == "-":
        typer.echo(text.getvalue(), nl=False)
        return
    write_bytes(path, text.getvalue().encode())


def _listed(kept: Kept) -> dict[str, Any]:
    run = kept.run
    return {
        "run": kept.id,
        "label": kept.label,
        "timestamp": run.timestamp,
        "model": run.name,
        "tflite_sha256": run.tflite_sha256,
        "board": run.machine,
        "kernels": run.kernels,
        "clock_unit": run.unit,
        "median": run.invoke.median,
        "commit": run.commit or None,
    }


def _short(kept: Kept) -> str:
    number = "a .json file" if kept.id is None else f"run {kept.id}"
    return f"{number}, {kept.label}" if kept.label else number

"""What `board results compare` and `show` print, and the JSON of a comparison."""

from __future__ import annotations

from typing import Any

from rich.text import Text

from microinterp.cli import output
from microinterp_boards.results.comparison import Change, Comparison
from microinterp_boards.results.plots import change_text
from microinterp_boards.results.record import Figure, Run
from microinterp_boards.results.store import Kept


def when(run: Run) -> str:
    """Day and minute of a run, UTC."""
    return run.timestamp[:16].replace("T", " ")


def named(kept: Kept) -> str:
    """A run in one line: number, label, time, commit."""
    number = "from a .json file" if kept.id is None else str(kept.id)
    label = f" '{kept.label}'" if kept.label else ""
    commit = f", commit {kept.run.commit}" if kept.run.commit else ""
    return f"{number}{label}, {when(kept.run)} UTC{commit}"


def show_comparison(
    two: tuple[Kept, Kept], found: Comparison, fail_above: float | None = None
) -> None:
    """Print a comparison: the runs, what is different, an invoke and the ops, and the verdict."""
    model = f"{two[1].run.name} on {two[1].run.machine}, {two[1].run.kernels} kernels"
    for key, value in (("model", model), ("before", named(two[0])), ("after", named(two[1]))):
        _line(key, value)
    for name, before, after in found.differences:
        _line("different", f"{name}: {before} -> {after}", "yellow")
    for name, size, size_after in found.memory:
        change = "" if size == size_after else f" -> {size_after:,} ({size_after - size:+,})"
        _line(name, f"{size:,}{change} bytes")
    screen = output.console()
    screen.print()
    screen.print(_table(found))
    if any(_within(each) for each in (found.invoke, *found.ops)):
        screen.print("~ within the spread of the runs")
    if fail_above is not None:
        screen.print()
        screen.print(_verdict(found, fail_above), soft_wrap=True)


def compared_json(two: tuple[Kept, Kept], found: Comparison) -> dict[str, Any]:
    """A comparison as JSON: see `board results compare --help`."""
    before, after = (_run_json(kept) for kept in two)
    return {
        "before": before,
        "after": after,
        "clock_unit": found.unit,
        "invoke": _change_json(found.invoke),
        "ops": [_op_json(op) for op in found.ops],
        "memory": [
            {"what": name, "before": one, "after": other} for name, one, other in found.memory
        ],
        "differences": [
            {"what": name, "before": one, "after": other} for name, one, other in found.differences
        ],
    }


def _table(found: Comparison) -> Any:
    """Rows of an invoke and its ops; the spread has columns only where there is one."""
    spread = found.unit == "us"
    first, second = f"before {found.unit}", "after"
    columns = (first, "spread", second, "spread ") if spread else (first, second)
    table = output.table("op", "name", *columns, "change", right=("op", *columns, "change"))
    for row in (found.invoke, *found.ops):
        cells = []
        for figure in (row.before, row.after):
            cells += [_number(figure), _spread(figure)] if spread else [_number(figure)]
        place = row.place or (0, "")
        name = output.safe(row.name, "bold" if row.place is None else "")
        table.add_row(_place(place), name, *cells, _change(row))
    return table


def _place(place: tuple[int, int | str]) -> str:
    return f"{place[0]}:{place[1]}" if place[0] else str(place[1])


def _number(figure: Figure | None) -> str:
    if figure is None:
        return "-"
    return f"{figure.median:,.0f}" if figure.median == int(figure.median) else f"{figure.median:,}"


def _spread(figure: Figure | None) -> str:
    return "" if figure is None else f"{figure.low:,.0f}..{figure.high:,.0f}"


def _change(row: Change) -> Text:
    if _within(row):
        return Text(f"~ {change_text(row)}", style="dim")
    style = "" if not row.percent else "red" if row.percent > 0 else "green"
    return Text(change_text(row), style=style)


def _within(row: Change) -> bool:
    """Whether a row is marked: a change that may be none."""
    return row.within_spread and bool(row.percent)


def _verdict(found: Comparison, limit: float) -> Text:
    change = change_text(found.invoke)
    if found.is_regression(limit):
        return Text(f"regression: {change} is more than {limit:g} %", style="bold red")
    return Text(f"no regression: {change}, allowed are {limit:g} %", style="green")


def _line(key: str, value: str, style: str = "") -> None:
    text = Text(f"{key:13} ", style="bold") + output.safe(value, style, limit=300)
    output.console().print(text, soft_wrap=True)


def _run_json(kept: Kept) -> dict[str, Any]:
    run = kept.run
    return {
        "run": kept.id,
        "label": kept.label,
        "timestamp": run.timestamp,
        "model": run.name,
        "board": run.machine,
        "commit": run.commit or None,
    }


def _op_json(op: Change) -> dict[str, Any]:
    subgraph, index = op.place or (0, 0)
    return {"subgraph": subgraph, "index": index, "name": op.name, **_change_json(op)}


def _change_json(change: Change) -> dict[str, Any]:
    return {
        "before": _figure_json(change.before),
        "after": _figure_json(change.after),
        "percent": change.percent,
        "within_spread": change.within_spread,
    }


def _figure_json(figure: Figure | None) -> dict[str, float] | None:
    if figure is None:
        return None
    return {"median": figure.median, "low": figure.low, "high": figure.high}

"""Pictures of runs, drawn by matplotlib where it is installed: a history, and two runs compared."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from microinterp.errors import InputError, printable, printable_path
from microinterp_boards.results.comparison import Change, Comparison
from microinterp_boards.results.record import Figure, Run
from microinterp_boards.results.store import Kept

SUFFIXES = (".png", ".svg")
_BEFORE, _AFTER, _WORSE, _BETTER = "#bbbbbb", "#4477aa", "#aa3377", "#228833"
_COMMAS = "{x:,.0f}"
_MOST_OPS, _MOST_PANELS = 40, 12
_WIDTH, _PANEL, _BAR, _EDGES = 9.0, 2.6, 0.34, 1.6  # inches


def check_path(path: Path) -> None:
    """Raise InputError unless a picture can be written to a file of that name.

    It is asked before anything else is done: matplotlib may be missing.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(f"'{printable_path(str(path))}': a plot is a .png or .svg file")
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise InputError(
            "a plot needs matplotlib, which is not installed",
            hint="pip install matplotlib; --csv needs nothing",
        ) from None


def plot_history(runs: Sequence[Kept], path: Path) -> int:
    """Draw medians over runs, oldest first, a panel for each model on each board and its kernels.

    The band is from p10 to p90. Returns how many panels are left out: those whose last run is
    oldest, beyond twelve.
    """
    panels: dict[str, list[Kept]] = {}
    for kept in runs:  # the newest first
        panels.setdefault(_panel_name(kept.run), []).insert(0, kept)
    shown = list(panels.items())[:_MOST_PANELS]
    figure = _figure(_PANEL * len(shown) + 0.4)
    all_axes = figure.subplots(len(shown), 1, squeeze=False)[:, 0]
    for axes, (name, some) in zip(all_axes, shown, strict=True):
        _panel(axes, some)
        axes.set_title(_text(name, 200), fontsize=10, loc="left")
    all_axes[-1].set_xlabel("runs, oldest first, by number")
    _save(figure, path)
    return len(panels) - len(shown)


def plot_comparison(found: Comparison, names: tuple[str, str], after: Run, path: Path) -> None:
    """Draw the ops of two runs as bars, with the change of each.

    `names` are those of the runs, `after` is the second. Of more than forty ops the slowest are
    drawn. Lines over bars are the spread of microseconds.
    """
    ops = sorted(found.ops, key=_weight, reverse=True)[:_MOST_OPS]
    ops.sort(key=lambda op: (op.place or (0, 0), op.name))
    figure = _figure(_EDGES + _BAR * max(len(ops), 3))
    axes = figure.subplots()
    for side, (label, colour) in enumerate(zip(names, (_BEFORE, _AFTER), strict=True)):
        figures = [(op.before, op.after)[side] for op in ops]
        _bars(axes, figures, side, colour, _text(label), found.unit == "us")
    axes.set_yticks(range(len(ops)), [_text(op_name(op)) for op in ops], fontsize=8)
    axes.set_ylim(len(ops) - 0.4, -0.6)
    for place, op in enumerate(ops):
        _change(axes, place, op)
    axes.set_xlim(0, 1.15 * max(map(_end, ops), default=0) or 1)
    axes.set_xlabel(found.unit)
    axes.xaxis.set_major_formatter(_COMMAS)
    axes.grid(axis="x", alpha=0.3)
    axes.set_axisbelow(True)
    axes.legend(fontsize=8, loc="upper left", bbox_to_anchor=(0, -0.5 / figure.get_figheight()))
    left_out = f", the {len(ops)} slowest of {len(found.ops)} ops" if ops != [*found.ops] else ""
    axes.set_title(_text(_headline(found, after) + left_out), fontsize=10, loc="left")
    _save(figure, path)


def op_name(op: Change) -> str:
    """An op's place and name: "3 CONV_2D", in another subgraph than the main one "1:0 ADD"."""
    subgraph, index = op.place or (0, 0)
    return f"{f'{subgraph}:{index}' if subgraph else index} {op.name}"


def change_text(op: Change) -> str:
    """The change in percent, or why there is none."""
    if op.percent is not None:
        return f"{op.percent:+.1f} %"
    if op.before is None:
        return "new"
    if op.after is None:
        return "gone"
    return "+0.0 %" if op.after.median == op.before.median else "from 0"


def _headline(found: Comparison, after: Run) -> str:
    times = [figure.median for figure in (found.invoke.before, found.invoke.after) if figure]
    took = " to ".join(f"{time:,.0f}" for time in times)
    board = printable(after.machine, 60)
    return f"{after.name} on {board}: {took} {found.unit}, {change_text(found.invoke)}"


def _weight(op: Change) -> float:
    return max(each.median for each in (op.before, op.after) if each is not None)


def _end(op: Change) -> float:
    """Where the longer of an op's bars ends, with its spread where there is one."""
    figures = [each for each in (op.before, op.after) if each is not None]
    return max(each.median if op.counted else each.high for each in figures)


def _bars(
    axes: Any,
    figures: Sequence[Figure | None],
    side: int,
    colour: str,
    label: str,
    spread: bool,
) -> None:
    rows = [(place, each) for place, each in enumerate(figures) if each is not None]
    lines = [
        [each.median - each.low for _, each in rows],
        [each.high - each.median for _, each in rows],
    ]
    axes.barh(
        [place + (side - 0.5) * 0.4 for place, _ in rows],
        [each.median for _, each in rows],
        0.38,
        color=colour,
        label=label,
        xerr=lines if spread and rows else None,
        error_kw={"elinewidth": 0.8, "ecolor": "#222222"},
    )


def _change(axes: Any, place: int, op: Change) -> None:
    """The change in percent behind the longer of an op's bars."""
    colour = "#555555"
    if op.percent and not op.within_spread:
        colour = _WORSE if op.percent > 0 else _BETTER
    axes.annotate(
        change_text(op),
        (_end(op), place),
        (4, 0),
        textcoords="offset points",
        va="center",
        fontsize=7,
        color=colour,
    )


def _panel_name(run: Run) -> str:
    passes = "".join(f" + {name}" for name in run.passes)
    return f"{run.name} on {run.machine}, {run.kernels} kernels{passes}, {run.unit}"


def _panel(axes: Any, runs: Sequence[Kept]) -> None:
    places = range(len(runs))
    times = [kept.run.invoke for kept in runs]
    axes.plot(places, [time.median for time in times], "o-", color=_AFTER, markersize=4)
    lows, highs = [time.low for time in times], [time.high for time in times]
    axes.fill_between(places, lows, highs, color=_AFTER, alpha=0.18, linewidth=0)
    for place, kept in enumerate(runs):
        if kept.label is not None:
            axes.annotate(
                _text(kept.label),
                (place, kept.run.invoke.median),
                (0, 9),
                textcoords="offset points",
                fontsize=7,
                ha="center",
                bbox={"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 1},
            )
    step = max(1, len(runs) // 20)
    numbers = [str(kept.id) for kept in runs]
    axes.set_xticks(range(0, len(runs), step), numbers[::step], fontsize=8)
    axes.yaxis.set_major_formatter(_COMMAS)
    axes.margins(y=0.25)
    axes.set_ylabel(runs[0].run.unit)
    axes.grid(alpha=0.3)


def _figure(height: float) -> Any:
    from matplotlib.figure import Figure as Picture

    return Picture(figsize=(_WIDTH, height), layout="constrained")


def _save(figure: Any, path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a name may have characters that the font lacks
        figure.savefig(path, dpi=120)


def _text(name: str, limit: int = 80) -> str:
    """A name as it is: matplotlib would read what stands between dollars as mathematics."""
    return printable(name, limit).replace("$", r"\$")

"""How far another runtime is from ours: op by op, and element by element."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from microinterp.compare.comparison import Comparison, Row
from microinterp.errors import InputError
from microinterp.report.plots.drawing import (
    BLUE,
    FAINT,
    LEGEND,
    MOST_OPS,
    ORANGE,
    RED,
    SMALL,
    axes_for,
    head,
    legend_row,
    plain_frame,
    words,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_BAR = 0.38
_MOST_STEPS = 40


def error_against(found: Comparison, *, title: str | None = None, ax: Axes | None = None) -> Axes:
    """Draw op by op how far the other side is from ours, in steps of the op's output.

    Two bars for each op: on what each side's own ops before have written, and, where that was told,
    with our op given what the other side's op was given. The share of elements that differ stands
    beside them. The first op that differs is marked.

    Args:
        found: what `microinterp.compare.compare` gives.
        title: in place of the other side's name.
        ax: where to draw; None makes a figure.

    Raises:
        InputError: matplotlib is not installed, or the other side told no op's values.
    """
    told = [row for row in found.rows if row.max_difference is not None]
    if not told:
        raise InputError("the other side tells no values of ops, so there is nothing to draw")
    shown = told[:MOST_OPS]
    ax = axes_for(ax, 8, 1.4 + 0.42 * max(3, len(shown)))
    ours = [row.max_difference or 0 for row in shown]
    alone = [row.isolated_max_difference or 0 for row in shown]
    places = range(len(shown))
    ax.barh([p - _BAR / 2 for p in places], ours, _BAR, color=BLUE, label="each on its own ops")
    ax.barh([p + _BAR / 2 for p in places], alone, _BAR, color=ORANGE, label="on the same inputs")
    for place, row in enumerate(shown):
        _share(ax, place - _BAR / 2, ours[place], row.differing, row)
        if row.isolated_differing is not None:
            _share(ax, place + _BAR / 2, alone[place], row.isolated_differing, row)
    ax.set_yticks(places, [words(_name(row), 32) for row in shown], fontsize=SMALL)
    _mark_first(ax, shown)
    ax.set_ylim(len(shown) - 0.4, -0.6)
    ax.set_xlim(0, 1.25 * max([*ours, *alone, 1]))
    ax.set_xlabel("largest difference, output steps (real numbers in float ops)")
    legend_row(ax)
    plain_frame(ax, "x")
    few = f"; the first {len(shown)} of {len(told)} ops" if len(shown) < len(told) else ""
    what = f"{found.differing_elements:,} of {found.compared_elements:,} elements differ in "
    below = f"{what}{found.samples:,} samples{few}"
    head(ax, words(title or f"{found.other} against {found.ours}", 120), below, LEGEND)
    return ax


def error_elements(
    ours: npt.ArrayLike,
    theirs: npt.ArrayLike,
    *,
    title: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw how many elements differ by how much: a bar for each step of difference.

    Args:
        ours, theirs: integers (codes) or real numbers of one shape.
        title: a heading.
        ax: where to draw; None makes a figure.

    Raises:
        InputError: matplotlib is not installed, or the shapes differ or are empty.
    """
    a, b = np.asarray(ours), np.asarray(theirs)
    if a.shape != b.shape or not a.size:
        raise InputError(f"arrays of one shape are wanted, not {list(a.shape)} and {list(b.shape)}")
    is_codes = a.dtype.kind in "iu" and b.dtype.kind in "iu"
    kind = np.int64 if is_codes else np.float64
    difference = (b.astype(kind) - a.astype(kind)).reshape(-1)
    ax = axes_for(ax, 7, 3.2)
    far = np.abs(difference).max()
    if is_codes and far <= _MOST_STEPS:
        reach = int(far)
        steps = np.arange(-reach, reach + 1)
        counts = np.bincount(difference + reach, minlength=2 * reach + 1)
        colours = np.where(steps == 0, FAINT, RED)
        drawn = ax.bar(steps, counts, 0.85, color=colours)
        ax.bar_label(drawn, [f"{c:,}" if c else "" for c in counts], fontsize=7, color=FAINT)
        ax.set_xticks(steps if len(steps) <= 21 else steps[:: -(-len(steps) // 21)])
        ax.set_xlim(-reach - 1, reach + 1)
    else:
        end = float(far) or 1.0
        ax.hist(difference, bins=2 * _MOST_STEPS + 1, range=(-end, end), color=RED)
    ax.set_yscale("symlog", linthresh=1)
    ax.set_ylim(bottom=0, top=3 * a.size)
    ax.set_xlabel(f"theirs - ours, {'steps' if is_codes else 'real numbers'}")
    ax.set_ylabel("elements, logarithmic")
    plain_frame(ax, "y")
    count = int(np.count_nonzero(difference))
    most = f"{far:,}" if is_codes else f"{far:.3g}"
    below = f"{count:,} of {a.size:,} elements differ, by at most {most}"
    head(ax, words(title or "Theirs against ours", 120), below)
    return ax


def _share(ax: Axes, place: float, end: float, differing: int | None, row: Row) -> None:
    steps = "" if row.type.startswith("float") else " step" + "s" * (end != 1)
    share = 100 * (differing or 0) / max(1, row.elements)
    text = f"{end:,.3g}{steps}, {share:.3g} % differ" if differing else "equal"
    ax.annotate(
        text, (end, place), (3, 0), textcoords="offset points", va="center", fontsize=7, color=FAINT
    )


def _name(row: Row) -> str:
    place = f"{row.subgraph}:{row.index}" if row.subgraph else f"{row.index}"
    return f"{place} {row.name}"


def _mark_first(ax: Axes, rows: list[Row]) -> None:
    for label, row in zip(ax.get_yticklabels(), rows, strict=True):
        if row.differs:
            label.set_color(RED)
            label.set_fontweight("bold")
            return

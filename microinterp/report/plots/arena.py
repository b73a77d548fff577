"""The arena as a picture: ops to the right, bytes upwards, a bar for each buffer."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING

from microinterp.arena.report import Moment, peak_bytes, peak_text, timeline
from microinterp.interpreter import Interpreter
from microinterp.report.arena_svg import Mark
from microinterp.report.bars import ROLES, Bar, bars
from microinterp.report.plots.drawing import (
    FAINT,
    INK,
    LEGEND,
    MOST_OPS,
    PALE,
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

COLOURS = {
    "input": "#f0e06a",
    "tensor": "#8cbde6",
    "output": "#4fc3a1",
    "scratch": "#eba23c",
    "variable": "#d98fb8",
}
"""By role, as in the SVG picture."""
_OFF_SCALE = 2.5
"""A mark so many times higher than the head is told above the picture: the bars keep their size."""
_CHARACTER, _LINE = 0.068, 0.13  # inches, at 8 points


def arena_map(
    model: Interpreter,
    *,
    marks: Sequence[Mark] = (),
    title: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw which buffer lies where in the arena's head, and at which ops it is alive.

    Buffers that are alive at the op with the most live bytes are outlined, and the op is banded:
    to need a smaller arena is to make one of these smaller, or to let it live at another time.

    Args:
        model: whose arena; planners and passes as it was made with.
        marks: sizes to compare with, as dashed lines; far above the head they are only told.
        title: in place of head bytes and planner.
        ax: where to draw; None makes a figure.

    Raises:
        InputError: matplotlib is not installed.
    """
    plan, prepared = model.arena.plan, model.arena.prepared
    moments = timeline(prepared, plan)
    drawn = [bar for bar in bars(prepared, plan, moments) if bar.is_used and bar.placed.size]
    ax = axes_for(ax, min(16, max(8, 0.5 * len(moments))), 4.8)
    near = [m.nbytes for m in marks if m.nbytes <= _OFF_SCALE * plan.head_bytes]
    top = 1.08 * max(1, plan.head_bytes, *near)
    ax.set_xlim(0, len(moments))
    ax.set_ylim(0, top)
    _peak_band(ax, moments)
    for bar in drawn:
        _buffer(ax, bar, moments)
    _lines(ax, plan.head_bytes, marks)
    _op_labels(ax, moments)
    _legend(ax, {bar.role for bar in drawn})
    ax.set_ylabel("address in the arena, bytes")
    ax.yaxis.set_major_formatter("{x:,.0f}")
    plain_frame(ax, "y")
    told = title or f"head {plan.head_bytes:,} bytes, planner {plan.planner}"
    head(ax, words(told, 200), words(f"outlined: {peak_text(moments, 3)}", 200), LEGEND)
    return ax


def _buffer(ax: Axes, bar: Bar, moments: Sequence[Moment]) -> None:
    columns = [*range(bar.first, bar.last + 2)]
    spans = [m.spans[m.alive.index(bar.placed)] for m in moments[bar.first : bar.last + 1]]
    low, high = ([span[end] for span in [*spans, spans[-1]]] for end in (0, 1))
    colour = COLOURS[bar.role]
    whole = bar.placed.offset, bar.placed.end
    if any(span != whole for span in spans):  # passes: bytes come and go row by row
        edges = columns[0], columns[-1]
        ax.fill_between(edges, *whole, color=colour, alpha=0.25, linewidth=0)
    is_thin = bar.placed.size < 0.012 * ax.get_ylim()[1]  # its edge is all that is seen of it
    edge = INK if bar.at_peak else colour if is_thin else "white"
    ax.fill_between(
        columns, low, high, step="post", facecolor=colour, edgecolor=edge,
        linewidth=1.2 if bar.at_peak else 0.8,
    )  # fmt: skip
    _label(ax, bar, spans)


def _label(ax: Axes, bar: Bar, spans: Sequence[tuple[int, int]]) -> None:
    """Number, name and bytes, as far as there is room in the bytes in use."""
    box, inch = ax.get_window_extent(), ax.figure.dpi
    column, byte = box.width / inch / ax.get_xlim()[1], box.height / inch / ax.get_ylim()[1]
    at = max(range(len(spans)), key=lambda i: spans[i][1] - spans[i][0])
    middle = sum(spans[at]) / 2
    for lines in (2, 1):
        half = lines * _LINE / byte / 2
        holds = [low <= middle - half and middle + half <= high for low, high in spans]
        if holds[at]:
            break
    else:
        return
    first = at - next((i for i in range(at + 1) if not holds[at - i]), at + 1) + 1
    last = next((i for i in range(at, len(spans)) if not holds[i]), len(spans))
    room = int(column * (last - first) / _CHARACTER)
    if room < len(bar.number):
        return
    name, size = f"{bar.number} {bar.name}".strip(), f"{bar.placed.size:,} B"
    told = words(name if len(name) <= room else bar.number)
    if lines == 2 and len(size) <= room:
        told += f"\n{size}"
    ax.text(
        bar.first + (first + last) / 2, middle, told, ha="center", va="center", fontsize=SMALL,
        color=INK, clip_on=True,
    )  # fmt: skip


def _peak_band(ax: Axes, moments: Sequence[Moment]) -> None:
    peak = peak_bytes(moments)
    for column, moment in enumerate(moments):
        if moment.live_bytes == peak:
            ax.axvspan(column, column + 1, color=RED, alpha=0.12, linewidth=0)


def _lines(ax: Axes, head_bytes: int, marks: Sequence[Mark]) -> None:
    ax.axhline(head_bytes, color=INK, linewidth=1.2)
    top = ax.get_ylim()[1]
    for mark in marks:
        told, height = f"{mark.label} {mark.nbytes:,}", float(mark.nbytes)
        if mark.nbytes > top:
            told, height = f"{told} (off scale) \u2191", top
        else:
            ax.axhline(height, color=FAINT, linewidth=1.2, linestyle="--")
        ax.annotate(
            words(told, 120), (1, height), (-2, 2), xycoords=("axes fraction", "data"),
            textcoords="offset points", ha="right", fontsize=SMALL, color=FAINT,
            bbox={"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 0.5},
        )  # fmt: skip


def _op_labels(ax: Axes, moments: Sequence[Moment]) -> None:
    """A name under each op, one for all pieces of it; of many ops every second, third, ..."""
    groups = [
        (label, [column for column, _ in group])
        for label, group in itertools.groupby(
            enumerate(moments), key=lambda pair: " ".join(pair[1].label.split())
        )
    ]
    groups = groups[:: -(-len(groups) // MOST_OPS)]
    places = [(columns[0] + columns[-1] + 1) / 2 for _, columns in groups]
    names = [words(label, 24) for label, _ in groups]
    ax.set_xticks(places, names, rotation=55, ha="right", rotation_mode="anchor", fontsize=SMALL)
    ax.tick_params(axis="x", length=0)
    ax.set_xlabel("ops in the order in which they run")
    for column in range(1, len(moments) if len(moments) <= MOST_OPS else 0):
        ax.axvline(column, color=PALE, linewidth=0.5, zorder=0)


def _legend(ax: Axes, roles: set[str]) -> None:
    from matplotlib.patches import Patch

    handles = [
        Patch(color=COLOURS[role], label=told) for role, told in ROLES.items() if role in roles
    ]
    legend_row(ax, handles)

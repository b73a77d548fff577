"""What all pictures share: where they are drawn, colours, and words that are safe to draw."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from microinterp.errors import InputError, printable

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

# Okabe and Ito's colours, which colour-blind people can tell apart, and greys.
BLUE, SKY, ORANGE, RED = "#0072b2", "#8cbde6", "#e69f00", "#d55e00"
INK, FAINT, PALE = "#1f2328", "#59636e", "#d9dee4"
SMALL = 8  # points
LEGEND = 16  # points of a row for it
MOST_OPS = 40
"""Ops that a picture names at most."""


def axes_for(ax: Axes | None, width: float, height: float) -> Axes:
    """`ax`, or the axes of a new figure of so many inches.

    Raises InputError where matplotlib is not installed.
    """
    if ax is not None:
        return ax
    try:
        import matplotlib.pyplot as plt
    except ImportError:
        raise InputError(
            "a picture needs matplotlib, which is not installed",
            hint="pip install 'microinterp[plots]'",
        ) from None
    _, made = plt.subplots(figsize=(width, height), layout="constrained")
    return made


def words(name: str, limit: int = 80) -> str:
    """A name as it is: matplotlib would read what stands between dollars as mathematics."""
    return printable(name, limit).replace("$", r"\$")


def head(ax: Axes, title: str, below: str, row: float = 0) -> None:
    """The picture's title, a fainter line under it, and `row` points of room under that."""
    ax.set_title(title, loc="left", fontsize=11, pad=row + 20)
    told = ax.annotate(
        below, (0, 1), (0, row + 6), xycoords="axes fraction", textcoords="offset points",
        fontsize=SMALL, color=FAINT,
    )  # fmt: skip
    told.set_in_layout(False)  # a long line must not make the picture narrow


def legend_row(ax: Axes, handles: Sequence[Artist] | None = None) -> None:
    """The legend in the row that `head` leaves, where it hides nothing."""
    given = {} if handles is None else {"handles": handles}
    ax.legend(
        loc="lower left", bbox_to_anchor=(0, 1), ncols=8, frameon=False, fontsize=SMALL,
        borderaxespad=0.2, borderpad=0, handlelength=1.2, columnspacing=1.2, **given,
    )  # fmt: skip


def plain_frame(ax: Axes, grid: str) -> None:
    """No frame but two edges; faint lines along an axis, behind everything."""
    ax.spines[["top", "right"]].set_visible(False)
    if grid == "x":
        ax.grid(axis="x", color=PALE, linewidth=0.8)
    else:
        ax.grid(axis="y", color=PALE, linewidth=0.8)
    ax.set_axisbelow(True)

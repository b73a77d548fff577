"""How values fill a quantised range, and what of them the ends cut off."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from microinterp.errors import InputError, printable
from microinterp.health.activations import cut_on_purpose
from microinterp.health.recording import BINS, Use
from microinterp.report.plots.drawing import (
    BLUE,
    FAINT,
    INK,
    RED,
    SKY,
    SMALL,
    axes_for,
    head,
    plain_frame,
    words,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes


_REAL_AXIS = 30  # points above the picture
_INSIDE, _MOST_BINS = 48, 160
_ROOM = 0.12  # of the width: enough for words beside the range


@dataclass(frozen=True)
class _Counted:
    """A histogram, in codes or in real numbers.

    `low`, `high` are the ends of the range in the same unit. `cut` are how many codes lie at the
    ends, or how many real numbers beyond them; `on_purpose` is True where nothing is lost by that.
    """

    counts: npt.NDArray[np.int64]
    edges: npt.NDArray[np.float64]
    low: float
    high: float
    values: int
    cut: tuple[int, int]
    on_purpose: tuple[bool, bool]
    is_codes: bool
    name: str = "values in their range"


def histogram(
    values: npt.NDArray[Any] | Use,
    scale: float | None = None,
    zero_point: int = 0,
    dtype: str = "int8",
    *,
    title: str | None = None,
    log: bool = False,
    ax: Axes | None = None,
) -> Axes:
    """Draw how numbers fill a quantised range, and mark the share that saturates.

    Args:
        values: integers, which are codes of their own type; real numbers, to be quantised to
            `dtype` by `scale` and `zero_point`; or a Use of `record_uses`.
        scale, zero_point: real = scale * (code - zero_point); of codes they may be left out.
        dtype: "int8", "uint8", "int16": of real numbers.
        title: a heading.
        log: counts by logarithm.
        ax: where to draw; None makes a figure.

    Raises:
        InputError: matplotlib is not installed, real numbers without a scale, no values, or numbers
            that are not finite.
    """
    if isinstance(values, Use):
        found = _of_use(values)
        if values.is_quantised:
            scale, zero_point = float(values.tensor.scale), values.tensor.zero_point
    else:
        found = _of_array(np.asarray(values), scale, zero_point, dtype)
    ax = axes_for(ax, 7, 3.4)
    _bars(ax, found, log)
    _ends(ax, found)
    ax.set_ylabel("values" + (", logarithmic" if log else ""))
    ax.set_xlabel("code" if found.is_codes else "real number")
    plain_frame(ax, "y")
    row = 0.0
    used = "" if scale is None else f", scale {scale:.5g}, zero point {zero_point}"
    if found.is_codes and scale is not None:
        _real_axis(ax, scale, zero_point)
        row = _REAL_AXIS
    head(ax, words(title or found.name, 120), f"{found.values:,} values{used}", row)
    return ax


def _of_use(use: Use) -> _Counted:
    low, high = use.edges
    edges = np.linspace(low, high, BINS + 1)
    meant = (True, True)  # an input comes as it is; other types have no ends
    if use.is_quantised and use.node is not None:
        meant = cut_on_purpose(use.node, use)
    label = f"input {use.position}"
    if use.node is not None:
        label = f"op {use.node.file_index} {use.node.name}"
    return _Counted(
        np.array(use.bins), edges, low, high, use.values, (use.at_lowest, use.at_highest), meant,
        use.tensor.dtype.kind in "iu", f"{label} '{printable(use.tensor.name)}'",
    )  # fmt: skip


def _of_array(
    values: npt.NDArray[Any], scale: float | None, zero_point: int, dtype: str
) -> _Counted:
    if not values.size:
        raise InputError("there are no values to draw")
    if values.dtype.kind in "iu":
        return _of_codes(values, scale, zero_point)
    if scale is None or not scale > 0:
        raise InputError("real numbers need the scale that they are to be quantised by")
    if not np.isfinite(values).all():
        raise InputError("there are numbers that are not finite")
    limits = np.iinfo(dtype)
    first, last = (scale * (code - zero_point) for code in (int(limits.min), int(limits.max)))
    # What rounds to the last code is inside: half a step beyond it.
    low, high = first - scale / 2, last + scale / 2
    cut = int((values < low).sum()), int((values > high).sum())
    edges = _edges(low, high, float(values.min()), float(values.max()))
    counts, _ = np.histogram(np.clip(values, edges[0], edges[-1]), edges)
    return _Counted(counts, edges, low, high, values.size, cut, (False, False), False)


def _of_codes(values: npt.NDArray[Any], scale: float | None, zero_point: int) -> _Counted:
    info = np.iinfo(values.dtype)
    low, high = (info.min, info.max) if info.bits <= 16 else (values.min(), values.max())
    low, high = int(low), int(high)
    cut = int((values == low).sum()), int((values == high).sum())
    is_zero = scale is not None and zero_point == low  # all below 0 is meant to be 0
    bins = min(256, high - low + 1)
    counts, edges = np.histogram(values, bins, (low, high + 1))
    return _Counted(counts, edges, low, high + 1, values.size, cut, (is_zero, False), True)


def _edges(low: float, high: float, least: float, most: float) -> npt.NDArray[np.float64]:
    """Edges of bars, the range's ends among them, until all values have a bar."""
    least, most = min(low, least), max(high, most)
    wide = max((high - low) / _INSIDE, (most - least) / _MOST_BINS)
    if wide > high - low:  # the range is a thin line
        return np.linspace(least, most, _MOST_BINS + 1)
    wide = (high - low) / round((high - low) / wide)
    before, behind = np.ceil((low - least) / wide), np.ceil((most - low) / wide)
    return low + wide * np.arange(-before, behind + 1, dtype=np.float64)


def _bars(ax: Axes, found: _Counted, log: bool) -> None:
    from matplotlib.ticker import NullFormatter

    middle = (found.edges[:-1] + found.edges[1:]) / 2
    outside = (middle < found.low) | (middle > found.high)
    if found.is_codes:  # the ends themselves are what may be cut off
        outside = np.zeros(len(middle), bool)
        outside[[0, -1]] = [
            bool(cut) and not meant for cut, meant in zip(found.cut, found.on_purpose, strict=True)
        ]
    colours = np.where(outside, RED, BLUE)
    ax.bar(found.edges[:-1], found.counts, np.diff(found.edges), align="edge", color=colours)
    most = max(1, int(found.counts.max()))
    if log:
        ax.set_yscale("log")
        ax.set_ylim(0.7, most * most**0.3 * 1.5)
        ax.yaxis.set_minor_formatter(NullFormatter())
    else:
        ax.set_ylim(0, 1.3 * most)
    ax.yaxis.set_major_formatter("{x:,.0f}")
    margin = 0.02 * (found.edges[-1] - found.edges[0])
    ax.set_xlim(found.edges[0] - margin, found.edges[-1] + margin)


def _ends(ax: Axes, found: _Counted) -> None:
    """The range as a shade, its ends as lines, and how much lies there."""
    ax.axvspan(found.low, found.high, color=SKY, alpha=0.15, linewidth=0, zorder=0)
    left, right = ax.get_xlim()
    unit = "at this end" if found.is_codes else "beyond"
    for number, end in enumerate((found.low, found.high)):
        ax.axvline(end, color=INK, linewidth=1)
        cut, meant = found.cut[number], found.on_purpose[number]
        if not cut:
            continue
        room = (found.low - left, right - found.high)[number] / (right - left)
        is_outside = room > _ROOM
        goes_right = (number == 0) != is_outside
        ax.annotate(
            f"{100 * cut / found.values:.3g} %\n{unit}", (end, 0.97),
            (4 if goes_right else -4, 0), xycoords=("data", "axes fraction"),
            textcoords="offset points", va="top", ha="left" if goes_right else "right",
            fontsize=SMALL, color=FAINT if meant else RED,
            fontweight="normal" if meant else "bold",
        )  # fmt: skip


def _real_axis(ax: Axes, scale: float, zero_point: int) -> None:
    def real(code: Any) -> Any:
        return (code - zero_point) * scale

    def code(number: Any) -> Any:
        return number / scale + zero_point

    top = ax.secondary_xaxis("top", functions=(real, code))
    top.set_xlabel("real number", color=FAINT, fontsize=SMALL, labelpad=2)
    top.tick_params(colors=FAINT, labelsize=SMALL)

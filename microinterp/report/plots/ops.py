"""What each op costs: its share of the time beside its share of the multiply-accumulates."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy.typing as npt

from microinterp.errors import InputError
from microinterp.inputs import random_samples
from microinterp.interpreter import Interpreter
from microinterp.model import contents_of
from microinterp.report.figures import Measured, ReportSamples, measure
from microinterp.report.plots.drawing import (
    BLUE,
    FAINT,
    LEGEND,
    MOST_OPS,
    ORANGE,
    SMALL,
    axes_for,
    head,
    legend_row,
    plain_frame,
    words,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Source: TypeAlias = "Measured | Mapping[str, Any] | bytes | str | os.PathLike[str]"
_BAR = 0.38  # height, of a row of 1


@dataclass(frozen=True)
class _Op:
    name: str
    macs: int
    time: float


def op_times(
    model: Source,
    inputs: Sequence[npt.NDArray[Any]] | None = None,
    *,
    title: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw each op's share of the time and of the MACs, with the figures beside the bars.

    Args:
        model: a model's file or its bytes, which is timed here; what `measure` found; or the dict
            of a benchmark on a board (`Board.bench`), whose clock may count instructions.
        inputs: one array [n, *shape] per input, for a model that is timed here; None is one sample
            of random numbers.
        title: in place of what was timed.
        ax: where to draw; None makes a figure.

    Raises:
        InputError: matplotlib is not installed, or nothing was timed.
        MicrointerpError: the model does not run.
    """
    ops, unit, told = _timed(model, inputs)
    total = sum(op.time for op in ops)
    macs = sum(op.macs for op in ops)
    shown = sorted(ops, key=lambda op: op.time, reverse=True)[:MOST_OPS]
    shown = [op for op in ops if any(op is each for each in shown)]
    ax = axes_for(ax, 8, 1.2 + 0.42 * max(3, len(shown)))
    rows = range(len(shown))
    times = [100 * op.time / total if total else 0 for op in shown]
    work = [100 * op.macs / macs if macs else 0 for op in shown]
    ax.barh([row - _BAR / 2 for row in rows], times, _BAR, color=BLUE, label="time")
    ax.barh([row + _BAR / 2 for row in rows], work, _BAR, color=ORANGE, label="MACs")
    for row, op in enumerate(shown):
        _figure(ax, row - _BAR / 2, times[row], f"{op.time:,.{0 if total >= 1000 else 1}f} {unit}")
        if op.macs:
            _figure(ax, row + _BAR / 2, work[row], f"{op.macs:,} MACs")
    ax.set_yticks(rows, [words(op.name, 32) for op in shown], fontsize=SMALL)
    ax.set_ylim(len(shown) - 0.4, -0.6)
    ax.set_xlim(0, 1.25 * max([*times, *work, 1]))
    ax.set_xlabel("share of the model's time, and of its MACs, %")
    legend_row(ax)
    plain_frame(ax, "x")
    few = f"; the {len(shown)} slowest of {len(ops)} ops" if len(shown) < len(ops) else ""
    below = f"together {total:,.0f} {unit}, {macs:,} MACs{few}"
    head(ax, words(title or told, 120), below, LEGEND)
    return ax


def _figure(ax: Axes, row: float, end: float, text: str) -> None:
    ax.annotate(
        text, (end, row), (3, 0), textcoords="offset points", va="center", fontsize=7, color=FAINT
    )


def _timed(model: Source, inputs: Sequence[npt.NDArray[Any]] | None) -> tuple[list[_Op], str, str]:
    """Ops, the unit of their times, and what was timed."""
    if isinstance(model, Measured):
        model = model.figures
    if not isinstance(model, Mapping):
        model = _measured(model, inputs)
    is_bench = "clock_unit" in model
    unit = model["clock_unit"] if is_bench else "us"
    key = "time" if is_bench else "time_us"
    ops = [_Op(_name(op), op["macs"] or 0, op[key]) for op in model["ops"] if op[key] is not None]
    if not ops:
        raise InputError("no op was timed", hint="the model does not run: `microinterp verify`")
    if is_bench:
        board = f"{model['board']['machine']}, {model['runtime']['kernels']} kernels"
        return ops, unit, f"{model['model']['name']} on {board}"
    return ops, unit, f"{model['file']['name']} on this machine"


def _name(op: Mapping[str, Any]) -> str:
    place = f"{op['subgraph']}:{op['index']}" if op["subgraph"] else f"{op['index']}"
    return f"{place} {op['name']}"


def _measured(
    model: bytes | str | os.PathLike[str], inputs: Sequence[npt.NDArray[Any]] | None
) -> Mapping[str, Any]:
    if isinstance(model, bytes):
        data, name = model, "the model"
    else:
        data, name = contents_of(model), Path(model).name

    def chosen(interpreter: Interpreter) -> ReportSamples:
        if inputs is not None:
            return ReportSamples(tuple(inputs), None)
        return ReportSamples(random_samples(interpreter.graph.main.inputs, 1, 0), 0)

    return measure(data, name, chosen).figures

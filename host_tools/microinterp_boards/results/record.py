"""One benchmark's result, checked: what `board bench --json` has written, with typed fields.

The format is schemas/bench_result.schema.json. Checked is all that is shown, compared or exported;
what else there is goes through as it is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from microinterp.errors import InputError, printable
from microinterp_boards.results.fields import Fields, parse_json

FORMAT = "microinterp bench 2"
UNITS = ("us", "instructions")
"""What clocks of boards count."""
_NAME = re.compile(r"[A-Za-z0-9._-]{1,27}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00")
_SHOWN_COMMIT = 7  # hex digits, as git shows them


@dataclass(frozen=True, slots=True)
class Figure:
    """A median over runs in the unit of the clock, and how far the runs lie apart."""

    median: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Op:
    """An op's time; low and high are its shortest and its longest run."""

    subgraph: int
    index: int
    name: str
    runs: int
    macs: int
    time: Figure


@dataclass(frozen=True, slots=True)
class Run:
    """A result of `board bench`.

    invoke: of the whole model; low and high are the 10th and the 90th percentile.
    heap_taken: bytes of the board's heap that the loaded model takes, with its arena.
    commit: of the user's repository, shortened, "+" behind it where files were changed; or "".
    host_cpu: the host's processor, "" where it is not told.
    raw: the JSON object.
    """

    name: str
    tflite_sha256: str
    model_bytes: int
    arena_bytes: int
    passes: tuple[str, ...]
    macs: int
    machine: str
    platform: str
    firmware: str
    frequency: float | None
    kernels: str
    mpy_set: str
    runtime: str
    unit: str
    seed: int
    runs: int
    op_runs: int
    invoke: Figure
    ops: tuple[Op, ...]
    heap_taken: int
    commit: str
    microinterp: str
    host_cpu: str
    timestamp: str
    raw: dict[str, Any]


def parse(text: str | bytes) -> Run:
    """A run from JSON text. Raises InputError; the message's subject is "it"."""
    return checked(parse_json(text))


def checked(result: Any) -> Run:
    """A run from an object of JSON. Raises InputError; the message's subject is "it"."""
    fields = Fields(result)
    _check_format(fields)
    model, board, runtime = fields.part("model"), fields.part("board"), fields.part("runtime")
    tools, host = fields.part("tools"), fields.part("host")
    unit = fields.text("clock_unit")
    if unit not in UNITS:
        raise fields.wrong("clock_unit", "is no unit of a board's clock")
    _check_instructions(fields)
    return Run(
        name=_matching(model, "name", _NAME),
        tflite_sha256=_matching(model, "tflite_sha256", _SHA256),
        model_bytes=model.whole("model_bytes"),
        arena_bytes=model.whole("arena_bytes"),
        passes=model.texts("passes"),
        macs=model.whole("macs"),
        machine=board.text("machine"),
        platform=board.text("platform"),
        firmware=f"{board.text('implementation')} {board.text('version')}",
        frequency=board.number_or_none("frequency"),
        kernels=runtime.text("kernels"),
        mpy_set=runtime.text("mpy_set"),
        runtime=runtime.text("version"),
        unit=unit,
        seed=fields.whole("seed"),
        runs=fields.whole("runs"),
        op_runs=fields.whole("op_runs"),
        invoke=_figure(fields, "median", "p10", "p90"),
        ops=_ops(fields),
        heap_taken=_heap_taken(fields.part("heap_free")),
        commit=_commit(fields.part_or_none("git")),
        microinterp=tools.text("microinterp"),
        host_cpu=host.text_or_none("cpu") or "",
        timestamp=_timestamp(fields),
        raw=result,
    )


def _check_format(fields: Fields) -> None:
    try:
        found = fields.text("format")
    except InputError:
        found = ""
    if found == FORMAT:
        return
    start, _, number = found.rpartition(" ")
    if f"{start} " != FORMAT[:-1] or not number.isdecimal():
        raise InputError(
            "it is no result of a benchmark",
            hint="`microinterp board bench MODEL --json > FILE` writes one",
        )
    raise InputError(
        f"it is of format '{printable(found)}', and this microinterp reads '{FORMAT}'",
        hint="run the benchmark again, or use the microinterp that wrote it",
    )


def _check_instructions(fields: Fields) -> None:
    """What is told only where instructions are counted."""
    counts = fields.part_or_none("instructions")
    if counts is None:
        return
    if counts.number("whole") < 1:
        raise counts.wrong("whole", "is out of range")
    counts.number_or_none("per_mac")
    for name in ("in_kernels", "outside", "outside_share"):
        counts.number(name)
    for op in fields.parts("ops"):
        op.number("in_kernels")
        if op.whole("macs"):
            op.number("per_mac")


def _ops(fields: Fields) -> tuple[Op, ...]:
    ops = tuple(
        Op(
            subgraph=op.whole("subgraph"),
            index=op.whole("index"),
            name=op.text("name"),
            runs=op.whole("runs"),
            macs=op.whole("macs"),
            time=_figure(op, "time", "least", "most"),
        )
        for op in fields.parts("ops")
    )
    if len({(op.subgraph, op.index) for op in ops}) < len(ops):
        raise fields.wrong("ops", "has an op twice")
    return ops


def _figure(fields: Fields, median: str, low: str, high: str) -> Figure:
    figure = Figure(fields.number(median), fields.number(low), fields.number(high))
    if not figure.low <= figure.median <= figure.high:
        raise fields.wrong(median, f"does not lie between {low} and {high}")
    return figure


def _heap_taken(heap: Fields) -> int:
    heap.whole("start")
    heap.whole("after_invoke")
    return max(0, heap.whole("runtime_imported") - heap.whole("model_loaded"))


def _commit(git: Fields | None) -> str:
    if git is None:
        return ""
    git.text_or_none("branch")
    commit = _matching(git, "commit", _COMMIT)[:_SHOWN_COMMIT]
    return commit + "+" if git.truth("changed") else commit


def _timestamp(fields: Fields) -> str:
    text = _matching(fields, "timestamp", _TIME)
    try:
        sound = datetime.fromisoformat(text).utcoffset() == timedelta(0)
    except ValueError:
        sound = False
    if not sound:
        raise fields.wrong("timestamp", "is no time")
    return text


def _matching(fields: Fields, name: str, pattern: re.Pattern[str]) -> str:
    text = fields.text(name)
    if not pattern.fullmatch(text):
        raise fields.wrong(name, f"is not of the form {pattern.pattern}")
    return text

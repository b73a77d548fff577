"""Runs as CSV, for spreadsheets and data frames: a line for each run, or for each op of a run."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from typing import TextIO

from microinterp.errors import printable
from microinterp_boards.results.store import Kept

RUNS = (
    "run", "label", "timestamp", "model", "tflite_sha256", "board", "firmware", "kernels",
    "mpy_set", "runtime", "passes", "clock_unit", "runs", "median", "p10", "p90", "op_runs", "macs",
    "model_bytes", "arena_bytes", "heap_taken", "seed", "commit", "microinterp", "host_cpu",
)  # fmt: skip
OPS = (
    "run", "label", "timestamp", "model", "board", "kernels", "clock_unit", "subgraph", "op",
    "name", "runs", "time", "least", "most", "macs",
)  # fmt: skip
_TEXT = 1000
_Cell = str | int | float | None


def write_csv(file: TextIO, runs: Iterable[Kept], ops: bool = False) -> None:
    """Write runs, or with `ops` their ops, under a line of names.

    Unprintable characters of names are escaped; numbers are as in the JSON of the run.
    """
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(OPS if ops else RUNS)
    for kept in runs:
        for row in _op_rows(kept) if ops else [_run_row(kept)]:
            writer.writerow(
                printable(cell, _TEXT) if isinstance(cell, str) else cell for cell in row
            )


def _run_row(kept: Kept) -> Sequence[_Cell]:
    run, time = kept.run, kept.run.invoke
    return (
        kept.id, kept.label, run.timestamp, run.name, run.tflite_sha256, run.machine, run.firmware,
        run.kernels, run.mpy_set, run.runtime, " ".join(run.passes), run.unit, run.runs,
        time.median, time.low, time.high, run.op_runs, run.macs, run.model_bytes, run.arena_bytes,
        run.heap_taken, run.seed, run.commit, run.microinterp, run.host_cpu,
    )  # fmt: skip


def _op_rows(kept: Kept) -> Iterator[Sequence[_Cell]]:
    run = kept.run
    for op in run.ops:
        yield (
            kept.id, kept.label, run.timestamp, run.name, run.machine, run.kernels, run.unit,
            op.subgraph, op.index, op.name, op.runs, op.time.median, op.time.low, op.time.high,
            op.macs,
        )  # fmt: skip

"""How fast a model runs on a board, and in how much memory: only what was measured in this run.

The board says what its clock counts: microseconds, or instructions where it can.
"""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timezone
from typing import Any

from microinterp.errors import InputError
from microinterp.inputs import random_samples
from microinterp.inspect_model import inspect_model
from microinterp_boards import forms
from microinterp_boards.counting import UNIT, Counts, count
from microinterp_boards.deploy import Progress, require_same
from microinterp_boards.link import Link
from microinterp_boards.packing import (
    NO_PASSES,
    BoardModel,
    MemoryPasses,
    Packable,
    pack_for_board,
)
from microinterp_boards.probe import probe
from microinterp_boards.results import environment
from microinterp_boards.results.record import FORMAT
from microinterp_boards.session import Session
from microinterp_boards.session_facts import Loaded, OpCount, OpRun
from microinterp_boards.source_form.session import SourceSession

RUNS = 20
_MOST_OP_RUNS = 5
Sample = tuple[bytes, ...]
"""The bytes of every input."""
_Place = tuple[int, int]
"""Subgraph, and op in it."""


def bench(
    link: Link,
    source: Packable,
    runs: int = RUNS,
    name: str | None = None,
    seed: int = 0,
    progress: Progress = lambda done, of: None,
    passes: MemoryPasses = NO_PASSES,
) -> dict[str, Any]:
    """See Board.bench."""
    if not 1 <= runs <= 100_000:
        raise InputError(f"wanted 1 to 100000 runs, got {runs}")
    git = environment.git_state()  # before the runs: files may change while they last
    model = pack_for_board(source, name, passes)
    there = forms.find(link, model)
    link.soft_reset()
    board = probe(link)
    samples = _samples(model, runs, seed)
    few = samples[:_MOST_OP_RUNS]
    times: list[int] = []
    ops: list[Sequence[OpRun | OpCount]] = []
    counted: list[Counts] = []
    with there.open() as session:
        loaded = session.loaded
        require_same(link, loaded, there.model, there.folder)
        for sample in samples:
            _set_inputs(session, sample)
            times.append(session.invoke())
            progress(len(times), runs + len(few))
        heap_after = session.heap_free()
        for sample in few if loaded.clock != UNIT else ():
            _set_inputs(session, sample)
            ops.append(session.invoke_ops())
            progress(runs + len(ops), runs + len(few))
    if loaded.clock == UNIT:
        for each in count(link, there.path, few):
            counted.append(each)
            ops.append(each.ops)
            progress(runs + len(ops), runs + len(few))
    rows = _rows(model, ops, counted)
    macs = sum(row["macs"] for row in rows)
    return {
        "format": FORMAT,
        "model": {
            "name": model.name,
            "tflite_sha256": model.sha256,
            "model_bytes": loaded.model_bytes,
            "arena_bytes": loaded.arena_bytes,
            "head_bytes": model.plan.head_bytes,
            "passes": list(model.passes),
            "macs": macs,
        },
        "board": asdict(board),
        "runtime": {"version": loaded.version, "mpy_set": there.mpy_set, "kernels": loaded.tier},
        "clock_unit": loaded.clock,
        "seed": seed,
        "runs": runs,
        "median": statistics.median(times),
        "p10": percentile(times, 10),
        "p90": percentile(times, 90),
        "op_runs": len(few),
        "ops": rows,
        "instructions": _instructions(counted, macs),
        "heap_free": _heap(loaded, heap_after),
        "tools": environment.tools(),
        "host": environment.host(),
        "git": git,
        "timestamp": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }


def _samples(model: BoardModel, runs: int, seed: int) -> list[Sample]:
    inputs = random_samples(model.prepared.graph.main.inputs, runs, seed)
    if not inputs:
        return [()] * runs
    return [tuple(array.tobytes() for array in sample) for sample in zip(*inputs, strict=True)]


def _set_inputs(session: Session | SourceSession, sample: Sample) -> None:
    for index, data in enumerate(sample):
        session.set_input(index, data)


def percentile(times: list[int], percent: int) -> int:
    """The smallest time that at least `percent` of a hundred runs do not exceed."""
    return sorted(times)[max(0, math.ceil(len(times) * percent / 100) - 1)]


def _heap(loaded: Loaded, after: int) -> dict[str, int]:
    return {
        "start": loaded.heap_start,
        "runtime_imported": loaded.heap_imported,
        "model_loaded": loaded.heap_loaded,
        "after_invoke": after,
    }


def _rows(
    model: BoardModel, runs: Sequence[Sequence[OpRun | OpCount]], counted: Sequence[Counts]
) -> list[dict[str, Any]]:
    """Each op's medians, in the order of the model's ops.

    An op that memory passes have cut has the time of all its pieces, and its multiplications once.
    An op of a subgraph that runs once has fewer times than the others, and some have none.
    """
    times = _by_op([[(op.subgraph, op.op_index, op.time) for op in run] for run in runs])
    inside = _by_op(
        [[(op.subgraph, op.op_index, op.in_kernels) for op in each.ops] for each in counted]
    )
    subgraphs = inspect_model(model.tflite).subgraphs
    macs = {(op.subgraph, op.index): op.macs for each in subgraphs for op in each.ops}
    names = {
        (node.subgraph, node.file_index): node.name
        for subgraph in model.prepared.graph.subgraphs
        for node in subgraph.nodes
    }
    return [
        {
            "subgraph": place[0],
            "index": place[1],
            "name": name,
            "runs": len(times[place]),
            "time": (median := statistics.median(times[place])),
            "least": min(times[place]),
            "most": max(times[place]),
            "macs": macs[place],
            "in_kernels": statistics.median(inside[place]) if counted else None,
            "per_mac": median / macs[place] if counted and macs[place] else None,
        }
        for place, name in names.items()
        if place in times
    ]


def _by_op(runs: Sequence[Sequence[tuple[int, int, int]]]) -> dict[_Place, list[int]]:
    """The sum over an op's pieces, for each run that it was part of."""
    found: dict[_Place, list[int]] = {}
    for run in runs:
        spent: Counter[_Place] = Counter()
        for subgraph, index, amount in run:
            spent[subgraph, index] += amount
        for place, amount in spent.items():
            found.setdefault(place, []).append(amount)
    return found


def _instructions(counted: Sequence[Counts], macs: int) -> dict[str, Any] | None:
    """Where a whole invoke's instructions are: medians over the runs that were counted."""
    if not counted:
        return None
    whole, inside, outside = (
        statistics.median(getattr(each, name) for each in counted)
        for name in ("whole", "in_kernels", "outside")
    )
    return {
        "whole": whole,
        "per_mac": whole / macs if macs else None,
        "in_kernels": inside,
        "outside": outside,
        "outside_share": statistics.median(each.outside / each.whole for each in counted),
    }

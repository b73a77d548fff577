"""How fast a model runs on a board, and in how much memory: only what was measured in this run.

The board says what its clock counts: microseconds, or instructions where it can.
"""

from __future__ import annotations

import math
import platform
import statistics
from collections import Counter
from dataclasses import asdict
from datetime import datetime, timezone
from typing import Any

import microinterp
from microinterp.errors import InputError
from microinterp.inputs import random_samples
from microinterp_boards import forms
from microinterp_boards.deploy import Progress, require_same
from microinterp_boards.link import Link
from microinterp_boards.packing import (
    NO_PASSES,
    BoardModel,
    MemoryPasses,
    ModelSource,
    pack_for_board,
)
from microinterp_boards.probe import probe
from microinterp_boards.session import OpRun, Session
from microinterp_boards.source_form.session import SourceSession

FORMAT = "microinterp bench 1"
RUNS = 20
_MOST_OP_RUNS = 5


def bench(
    link: Link,
    source: ModelSource,
    runs: int = RUNS,
    name: str | None = None,
    seed: int = 0,
    progress: Progress = lambda done, of: None,
    passes: MemoryPasses = NO_PASSES,
) -> dict[str, Any]:
    """See Board.bench."""
    if not 1 <= runs <= 100_000:
        raise InputError(f"wanted 1 to 100000 runs, got {runs}")
    model = pack_for_board(source, name, passes)
    there = forms.find(link, model)
    link.soft_reset()
    board = probe(link)
    op_runs = min(runs, _MOST_OP_RUNS)
    inputs = random_samples(model.prepared.graph.main.inputs, runs, seed)
    with there.open() as session:
        loaded = session.loaded
        require_same(link, loaded, model, there.folder)
        samples = list(zip(*inputs, strict=True)) if inputs else [()] * runs
        times: list[int] = []
        for sample in samples:
            _set_inputs(session, sample)
            times.append(session.invoke())
            progress(len(times), runs + op_runs)
        heap_after = session.heap_free()
        ops: list[list[OpRun]] = []
        for sample in samples[:op_runs]:
            _set_inputs(session, sample)
            ops.append(session.invoke_ops())
            progress(runs + len(ops), runs + op_runs)
    return {
        "format": FORMAT,
        "model": {
            "name": model.name,
            "tflite_sha256": model.sha256,
            "model_bytes": loaded.model_bytes,
            "arena_bytes": loaded.arena_bytes,
            "head_bytes": model.plan.head_bytes,
            "passes": list(model.passes),
        },
        "board": asdict(board),
        "runtime": {"version": loaded.version, "mpy_set": there.mpy_set, "kernels": loaded.tier},
        "clock_unit": loaded.clock,
        "runs": runs,
        "median": statistics.median(times),
        "p10": percentile(times, 10),
        "p90": percentile(times, 90),
        "op_runs": op_runs,
        "ops": _op_times(model, ops),
        "heap_free": {
            "start": loaded.heap_start,
            "runtime_imported": loaded.heap_imported,
            "model_loaded": loaded.heap_loaded,
            "after_invoke": heap_after,
        },
        "tools": {"microinterp": microinterp.__version__, "python": platform.python_version()},
        "host": {"system": platform.system(), "machine": platform.machine()},
        "timestamp": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }


def _set_inputs(session: Session | SourceSession, sample: tuple[Any, ...]) -> None:
    for index, array in enumerate(sample):
        session.set_input(index, array.tobytes())


def percentile(times: list[int], percent: int) -> int:
    """The smallest time that at least `percent` of a hundred runs do not exceed."""
    return sorted(times)[max(0, math.ceil(len(times) * percent / 100) - 1)]


def _op_times(model: BoardModel, runs: list[list[OpRun]]) -> list[dict[str, Any]]:
    """Each op's median, in the order of the model's ops.

    An op that memory passes have cut has the time of all its pieces. An op of a subgraph that runs
    once has fewer times than the others, and some have none.
    """
    times: dict[tuple[int, int], list[int]] = {}
    for run in runs:
        spent: Counter[tuple[int, int]] = Counter()
        for op in run:
            spent[op.subgraph, op.op_index] += op.time
        for place, time in spent.items():
            times.setdefault(place, []).append(time)
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
            "time": statistics.median(times[place]),
        }
        for place, name in names.items()
        if place in times
    ]

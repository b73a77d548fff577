"""Two runs side by side: the whole invoke, each op, memory, and what else is different.

Runs of different models or boards are no comparison, and are refused unless that is asked for.
Microseconds vary from run to run: a change is within the spread if the runs of both sides overlap.
Instructions are counted, and have no spread.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import isfinite

from microinterp.errors import InputError, printable
from microinterp_boards.results.record import Figure, Op, Run

_HOSTED = ("linux", "darwin", "win32")
"""Platforms whose clock is the host's: their times are those of the host's processor."""


@dataclass(frozen=True, slots=True)
class Change:
    """One figure of both runs; None on the side that has no such op.

    place: subgraph and index of an op; None for a whole invoke.
    counted: whether it was counted and not timed, so that it varies with the inputs alone.
    """

    name: str
    place: tuple[int, int] | None
    before: Figure | None
    after: Figure | None
    counted: bool

    @property
    def percent(self) -> float | None:
        """The change of the median; None where a side is missing or was zero before."""
        if self.before is None or self.after is None or not self.before.median:
            return None
        percent = 100 * (self.after.median / self.before.median - 1)
        return percent if isfinite(percent) else None

    @property
    def within_spread(self) -> bool:
        """Whether both sides have times in the same range; never for what was counted."""
        if self.before is None or self.after is None or self.counted:
            return False
        return self.before.low <= self.after.high and self.after.low <= self.before.high


@dataclass(frozen=True, slots=True)
class Comparison:
    """What has changed between two runs.

    unit: of the clock, "us" or "instructions".
    memory: name, bytes before, bytes after: packed model, arena, heap of the loaded model.
    differences: what else is different: name, before, after.
    """

    unit: str
    invoke: Change
    ops: tuple[Change, ...]
    memory: tuple[tuple[str, int, int], ...]
    differences: tuple[tuple[str, str, str], ...]

    def is_regression(self, percent: float) -> bool:
        """Whether the median of an invoke has grown by more than so many percent."""
        before, after = self.invoke.before, self.invoke.after
        if before is None or after is None:
            return False
        limit = Fraction(before.median) * (100 + Fraction(str(percent)))
        return 100 * Fraction(after.median) > limit


def compare(before: Run, after: Run, anyway: bool = False) -> Comparison:
    """Compare two runs; raises InputError for other models or boards unless `anyway`.

    Different units of the clock are refused in any case.
    """
    if before.unit != after.unit:
        raise InputError(
            f"one run has {before.unit}, the other {after.unit}: there is nothing to compare"
        )
    found = obstacles(before, after)
    if found and not anyway:
        raise InputError("; ".join(found), hint="--anyway compares them all the same")
    return Comparison(
        unit=before.unit,
        invoke=Change("invoke", None, before.invoke, after.invoke, before.unit != "us"),
        ops=_ops(before, after),
        memory=(
            ("packed model", before.model_bytes, after.model_bytes),
            ("arena", before.arena_bytes, after.arena_bytes),
            ("heap, loaded", before.heap_taken, after.heap_taken),
        ),
        differences=_differences(before, after),
    )


def obstacles(before: Run, after: Run) -> list[str]:
    """Why two runs are no comparison; nothing if they are of one model and one board."""
    found = []
    if before.tflite_sha256 != after.tflite_sha256:
        found.append(f"the runs are of different models: {_model(before)} and {_model(after)}")
    if (before.machine, before.platform) != (after.machine, after.platform):
        names = f"'{printable(before.machine)}' and '{printable(after.machine)}'"
        found.append(f"the runs are of different boards: {names}")
    elif before.platform in _HOSTED and before.host_cpu != after.host_cpu:
        names = f"'{printable(before.host_cpu)}' and '{printable(after.host_cpu)}'"
        found.append(f"the board's times are the host's, and the hosts are different: {names}")
    return found


def _model(run: Run) -> str:
    return f"{run.name} (sha256 {run.tflite_sha256[:12]})"


def _ops(before: Run, after: Run) -> tuple[Change, ...]:
    """Ops of either run in order; one at the same place with another name is another op."""
    sides = [{(op.subgraph, op.index, op.name): op for op in run.ops} for run in (before, after)]
    return tuple(
        Change(
            key[2],
            key[:2],
            _time(sides[0].get(key)),
            _time(sides[1].get(key)),
            before.unit != "us",
        )
        for key in sorted(sides[0].keys() | sides[1].keys())
    )


def _time(op: Op | None) -> Figure | None:
    return None if op is None else op.time


def _differences(before: Run, after: Run) -> tuple[tuple[str, str, str], ...]:
    facts = [_facts(run) for run in (before, after)]
    return tuple(
        (name, one, facts[1][name]) for name, one in facts[0].items() if one != facts[1][name]
    )


def _facts(run: Run) -> dict[str, str]:
    return {
        "name": run.name,
        "model": f"sha256 {run.tflite_sha256[:12]}",
        "MACs": f"{run.macs:,}",
        "passes": ", ".join(run.passes) or "none",
        "board": run.machine,
        "firmware": run.firmware,
        "frequency": "unknown" if run.frequency is None else f"{run.frequency / 1e6:g} MHz",
        "kernels": f"{run.kernels} ({run.mpy_set})",
        "runtime": run.runtime,
        "runs": f"{run.runs} and {run.op_runs} op by op",
        "seed": str(run.seed),
        "commit": run.commit or "none",
        "microinterp": run.microinterp,
        "host": run.host_cpu or "unknown",
    }

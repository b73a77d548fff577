"""What it costs to begin: a new process, loading, the first output, and memory."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from benchmarks.child import Child
from benchmarks.models import BenchModel
from microinterp.errors import RuntimeUnavailableError

RUNTIMES = ("plain", "fast", "TFLM")
WARM_REPEATS = 5
STEP_PROCESSES = 3


@dataclass(frozen=True)
class Start:
    """Medians for one runtime, in seconds.

    Attributes:
        process: wall time from starting Python to the first output's arrival, all included.
        imports: wall time of the runtime's modules alone.
        first: from bytes to the first output in a new process, imports done, processor time.
        warm: the same again in that process.
        peak_bytes: the most memory the process held.
    """

    process: float
    imports: float
    first: float
    warm: float
    peak_bytes: float


@dataclass
class Startup:
    """One model's start on each runtime; `stages` are our steps, `batch_peak` is run_batch's."""

    model: str
    starts: dict[str, Start] = field(default_factory=dict)
    stages: dict[str, float] = field(default_factory=dict)
    batch: int = 0
    batch_peak: int = 0
    base_peak: int = 0
    failures: dict[str, str] = field(default_factory=dict)

    def ratio(self, what: str, name: str = "fast") -> float | None:
        """Our time over TFLM's, `what` being a field of Start; None where one is missing."""
        if name not in self.starts or "TFLM" not in self.starts:
            return None
        return float(getattr(self.starts[name], what) / getattr(self.starts["TFLM"], what))


def measure_startup(
    model: BenchModel,
    rounds: int,
    batch: int,
    progress: Callable[[str], None] = lambda text: None,
) -> Startup:
    """New processes in turns, then one for the steps and one for a batch's memory."""
    result = Startup(model.name, batch=batch)
    rows: dict[str, list[dict[str, float]]] = {name: [] for name in RUNTIMES}
    for number in range(1, rounds + 1):
        progress(f"{model.name}: start {number} of {rounds}")
        for name in RUNTIMES:
            try:
                rows[name].append(_one_start(name, model))
            except RuntimeUnavailableError as error:
                result.failures[name] = str(error)
    for name, found in rows.items():
        if found:
            medians = {key: statistics.median(row[key] for row in found) for key in found[0]}
            result.starts[name] = Start(**medians)
    try:
        steps = [_steps(model) for _ in range(STEP_PROCESSES)]
        result.stages = {name: statistics.median(s[name] for s in steps) for name in steps[0]}
        with Child("batched") as child:
            result.base_peak = child.ask("peak")
            child.ask("load", model.data, model.outputs, batch)
            child.ask("outputs", model.samples(batch))
            result.batch_peak = child.ask("peak")
    except RuntimeUnavailableError as error:
        result.failures["batched"] = str(error)
    return result


def _steps(model: BenchModel) -> dict[str, float]:
    """In a new process: what one model's tables leave for the next does not count."""
    with Child("fast") as child:
        steps: dict[str, float] = child.ask("stages", model.data)
        return steps


def _one_start(name: str, model: BenchModel) -> dict[str, float]:
    sample = [array[0] for array in model.samples(1)]
    with Child(name) as child:
        begun = time.perf_counter()
        first = child.ask("first", model.data, model.outputs, sample)
        process = time.perf_counter() - begun
        warm = [child.ask("first", model.data, model.outputs, sample) for _ in range(WARM_REPEATS)]
    return {
        "process": process,
        "imports": first["import"],
        "first": first["load"] + first["invoke"],
        "warm": statistics.median(row["load"] + row["invoke"] for row in warm),
        "peak_bytes": first["peak_bytes"],
    }


def import_seconds(rounds: int) -> dict[str, float]:
    """Wall time of a Python that imports microinterp, and of one that imports what it stands on."""
    commands = {"microinterp": "import microinterp", "base": "import numpy, flatbuffers, tflite"}
    times: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            start = time.perf_counter()
            subprocess.run([sys.executable, "-c", command], check=True)
            times[name].append(time.perf_counter() - start)
    return {name: statistics.median(found) for name, found in times.items()}

"""The child process of one runtime: answers pickled requests on its pipes."""

from __future__ import annotations

import contextlib
import gc
import glob
import os
import pickle
import resource
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, BinaryIO

from benchmarks.runtimes import MAKERS, Array, Outputs, Runtime, Sample

Clock = Callable[[], float]

BLOCK_SECONDS = 0.0005
"""Very short invokes are timed in blocks of about this length, so that the clock does not count."""


class Worker:
    """Requests are methods; the runtime is imported at the first one that needs it."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._runtime: Runtime | None = None
        self._clock = clock_of(name)
        self.import_seconds = 0.0

    @property
    def runtime(self) -> Runtime:
        if self._runtime is None:
            start = time.perf_counter()
            self._runtime = MAKERS[self._name]()
            self.import_seconds = time.perf_counter() - start
        return self._runtime

    def load(self, model: bytes, outputs: int, samples: int = 1) -> None:
        self.runtime.load(model, outputs, samples)

    def outputs(self, arrays: Sequence[Array]) -> Outputs:
        """Outputs [N, ...] of all samples, from the state that loading left."""
        return self.runtime.many(arrays)

    def seconds(self, arrays: Sequence[Array], budget: float) -> tuple[list[float], float]:
        """Seconds per sample by the runtime's clock, over and over for `budget` seconds of wall.

        One untimed run comes before.

        Returns:
            The times, and which share of all that the process waited for a processor.
        """
        runtime = self.runtime
        timed = _batch_seconds if runtime.batched else _single_seconds
        gc.disable()
        try:
            waited, start = waiting_seconds(), time.perf_counter()
            times = timed(runtime, arrays, budget, self._clock)
            took = time.perf_counter() - start
            return times, max(0.0, waiting_seconds() - waited) / took
        finally:
            gc.enable()

    def first(self, model: bytes, outputs: int, sample: Sample) -> dict[str, float]:
        """Seconds of the import, of loading, and from there to the first output; peak memory."""
        runtime = self.runtime
        start = self._clock()
        runtime.load(model, outputs)
        loaded = self._clock()
        runtime.one(sample)
        done = self._clock()
        return {
            "import": self.import_seconds,
            "load": loaded - start,
            "invoke": done - loaded,
            "peak_bytes": peak_bytes(),
        }

    def peak(self) -> int:
        return peak_bytes()

    def op_seconds(self, arrays: Sequence[Array], budget: float) -> dict[int, float]:
        """Median seconds of each op of the main subgraph (ours only)."""
        from benchmarks.layers import op_seconds

        return op_seconds(self.runtime, _samples(arrays), budget)

    def stages(self, model: bytes) -> dict[str, float]:
        """Seconds of each step from bytes to an interpreter, then its first invoke (ours only)."""
        from benchmarks.layers import stage_seconds

        return stage_seconds(model)


def _samples(arrays: Sequence[Array]) -> list[Sample]:
    return [[array[i] for array in arrays] for i in range(len(arrays[0]))]


def clock_of(name: str) -> Clock:
    """The clock of a runtime.

    One that runs in one thread is timed by its process' processor time: on a quiet machine that is
    wall time, and on a busy one other programs do not lengthen it. More threads need wall time.
    """
    is_parallel = "2 threads" in name or name == "batched"
    return time.perf_counter if is_parallel else time.process_time


def _single_seconds(
    runtime: Runtime, arrays: Sequence[Array], budget: float, clock: Clock
) -> list[float]:
    samples = _samples(arrays)
    runtime.one(samples[0])
    start = time.perf_counter()
    runtime.one(samples[0])
    took = time.perf_counter() - start
    per_block = min(1 + int(BLOCK_SECONDS / took), 1000)
    block = (samples * (1 + per_block // len(samples)))[:per_block]
    times: list[float] = []
    end = time.perf_counter() + budget
    while not times or time.perf_counter() < end:
        start = clock()
        for sample in block:
            runtime.one(sample)
        times.append((clock() - start) / per_block)
        if per_block == 1:  # long ones go through the samples too
            samples.append(samples.pop(0))
            block = samples[:1]
    return times


def _batch_seconds(
    runtime: Runtime, arrays: Sequence[Array], budget: float, clock: Clock
) -> list[float]:
    count = len(arrays[0])
    start = time.perf_counter()
    runtime.many(arrays)
    warm = time.perf_counter() - start
    times: list[float] = []
    end = start + max(budget, warm)
    while not times or time.perf_counter() < end:
        start = clock()
        runtime.many(arrays)
        times.append((clock() - start) / count)
    return times


def waiting_seconds() -> float:
    """How long the threads that live now were ready to run and did not.

    0 where there is no Linux to count it. Threads that have ended are left out, among them
    run_batch's.
    """
    total = 0
    for path in glob.glob("/proc/self/task/*/schedstat"):
        with contextlib.suppress(OSError), open(path) as file:
            total += int(file.read().split()[1])
    return total * 1e-9


def peak_bytes() -> int:
    """The most memory that this process has held.

    getrusage counts what the parent held when it started this process; Linux' VmHWM does not.
    """
    try:
        with open("/proc/self/status") as status:
            fields = dict(line.split(":", 1) for line in status)
        return int(fields["VmHWM"].split()[0]) << 10
    except (OSError, KeyError):
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak << 10


# As microinterp.runtimes.child.serve: importing that would count as the runtime's own start.
def serve(worker: Any, requests: BinaryIO, answers: BinaryIO) -> None:
    while True:
        try:
            command, arguments = pickle.load(requests)
        except EOFError:
            return
        try:
            answer = ("ok", getattr(worker, command)(*arguments))
        except Exception as error:  # whatever it is, the parent must hear of it
            answer = ("error", f"{type(error).__name__}: {error}")
        pickle.dump(answer, answers)
        answers.flush()


def main() -> None:
    """Serve on the pipes; what the runtimes print to stdout goes nowhere."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    serve(Worker(sys.argv[1]), sys.stdin.buffer, answers)


if __name__ == "__main__":
    main()

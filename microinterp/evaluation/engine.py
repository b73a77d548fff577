"""Computes pieces: a model that was loaded once, and what reads, runs and measures its samples."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

import microinterp
from microinterp.errors import WorkerError
from microinterp.evaluation import measures
from microinterp.evaluation.data import Piece
from microinterp.evaluation.job import Job, Result
from microinterp.evaluation.runners import Ours, other
from microinterp.frontend import Frontend
from microinterp.inputs import convert, read_samples
from microinterp.interpreter import Interpreter
from microinterp.operators_file import registry_with

Array = npt.NDArray[Any]

NOTES_KEPT = 5
"""Notes on samples that are kept; of the others only the number."""

_SPAN_ENTRIES = 256  # files read, or rows converted, before they are run


@dataclass
class _Notes:
    kept: list[str] = field(default_factory=list)
    count: int = 0

    def add(self, texts: Sequence[str]) -> None:
        self.count += len(texts)
        self.kept += texts[: NOTES_KEPT - len(self.kept)]


class Engine:
    """A job's model, ready to run."""

    def __init__(self, job: Job) -> None:
        """Load the model, and what it is compared with.

        Raises:
            WorkerError: another version of this package made the job.
            MicrointerpError: as Interpreter, Frontend and `runners.other`.
        """
        if job.version != microinterp.__version__:
            raise WorkerError(
                f"the job comes from microinterp {job.version}, a worker has "
                f"{microinterp.__version__}",
                hint="install the same version everywhere",
            )
        self._job = job
        registry = registry_with(job.operators)
        in_order, threads = job.in_order, job.threads
        self._ours = Ours(job.model, job.profile, job.kernels, in_order, threads, registry)
        self._main = self._ours.interpreter.graph.main
        self._frontend = None
        if job.frontend is not None:
            front = Interpreter.from_bytes(job.frontend, profile=job.profile, registry=registry)
            self._frontend = Frontend(front, job.stride)
        self._other = None
        if job.against is not None:
            profiles = job.profile, job.other_profile
            self._other = other(job.against, job.model, profiles, in_order, threads, registry)

    def run(self, piece: Piece) -> Result:
        """Compute a piece.

        Raises:
            InputError: a sample cannot be read or does not fit; names it.
        """
        notes = _Notes()
        columns: list[dict[str, Array]] = []
        answers = np.zeros(len(piece), np.int64)
        invokes, seconds = 0, 0.0
        for low, high in self._spans(piece):
            arrays, counts = self._read(piece, low, high, notes)
            entries = np.repeat(np.arange(low, high), counts)
            starts = _first_of_each(entries, piece.starts)
            began = time.perf_counter()
            outputs, answered = self._ours.run(arrays, starts)
            seconds += time.perf_counter() - began
            invokes += len(entries)
            kept = self._measure(arrays, outputs, piece, entries)
            kept |= self._compare(arrays, outputs, starts)
            columns.append({name: column[answered] for name, column in kept.items()})
            answers[low:high] = np.bincount(entries[answered] - low, minlength=high - low)
        joined = {name: np.concatenate([c[name] for c in columns]) for name in columns[0]}
        return Result(joined, answers, invokes, tuple(notes.kept), notes.count, seconds)

    def _spans(self, piece: Piece) -> Iterator[tuple[int, int]]:
        """Entries at once; TFLM's wheel, which runs a sequence in one call, takes all."""
        whole = self._job.against == "tflm" and self._job.in_order
        step = len(piece) if whole else _SPAN_ENTRIES
        for low in range(0, len(piece), step):
            yield low, min(low + step, len(piece))

    def _read(
        self, piece: Piece, low: int, high: int, notes: _Notes
    ) -> tuple[list[Array], npt.NDArray[np.int64]]:
        """Inputs [samples, *shape], and the number of samples of each entry."""
        if piece.arrays is not None:
            return self._rows(piece, low, high, notes), np.ones(high - low, np.int64)
        found = []
        for path in piece.paths[low:high]:
            if self._frontend is not None:
                samples = self._frontend.read([path], self._main.inputs)
            else:
                samples = read_samples([path], self._main.inputs, self._job.reading)
            notes.add(samples.notes)
            found.append(samples.arrays[0])
        return [np.concatenate(found)], np.array([len(array) for array in found], np.int64)

    def _rows(self, piece: Piece, low: int, high: int, notes: _Notes) -> list[Array]:
        found = []
        assert piece.arrays is not None
        for array, tensor in zip(piece.arrays, self._main.inputs, strict=True):
            rows = array[low:high]
            converted, said = convert(rows, tensor, piece.name, self._job.reading)
            found.append(converted)
            if said:  # which rows are meant does not hang on how they were cut
                for i in range(len(rows)):
                    name = f"{piece.name}[{piece.first + low + i}]"
                    row = rows[i : i + 1]
                    notes.add(convert(row, tensor, name, self._job.reading)[1])
        return found

    def _measure(
        self,
        arrays: Sequence[Array],
        outputs: Sequence[Array],
        piece: Piece,
        entries: npt.NDArray[np.int64],
    ) -> dict[str, Array]:
        job, tensor = self._job, self._main.outputs[self._job.output]
        output = outputs[job.output]
        if job.task == "classes":
            return measures.scores(output)
        if job.task == "values":
            assert piece.targets is not None
            return measures.errors(output, tensor, piece.targets[entries])
        if job.task == "anomaly":
            return measures.reconstruction(output, tensor, arrays[0], self._main.inputs[0])
        return {}

    def _compare(
        self, arrays: Sequence[Array], outputs: Sequence[Array], starts: npt.NDArray[np.bool_]
    ) -> dict[str, Array]:
        if self._other is None:
            return {}
        theirs, _ = self._other.run(arrays, starts)
        return measures.agreement(outputs, theirs, self._job.output)


def _first_of_each(
    entries: npt.NDArray[np.int64], starts: npt.NDArray[np.bool_]
) -> npt.NDArray[np.bool_]:
    """Of samples, which belong to `entries`: True where one is the first of its sequence."""
    first = np.ones(len(entries), bool)
    first[1:] = entries[1:] != entries[:-1]
    begins: npt.NDArray[np.bool_] = first & starts[entries]
    return begins

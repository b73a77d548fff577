"""An evaluation: a data set cut into pieces, computed here or elsewhere, gathered into figures."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from microinterp.errors import InputError, printable
from microinterp.evaluation.data import Data, Pieces, entries_per_piece
from microinterp.evaluation.engine import NOTES_KEPT
from microinterp.evaluation.figures import (
    Agreeing,
    Agreement,
    Anomalies,
    AnomalyFigures,
    Classes,
    ClassFigures,
    ValueFigures,
    Values,
)
from microinterp.evaluation.job import Job, Result
from microinterp.evaluation.runners import version
from microinterp.evaluation.truth import Truth, class_count, understand
from microinterp.evaluation.workers import Answers, LostWorkers, run_here, run_locally
from microinterp.graph import Tensor
from microinterp.inputs import Reading
from microinterp.interpreter import prepare_model
from microinterp.operators_file import registry_with
from microinterp.prepare import Prepared
from microinterp.sides.choice import LITERT

Array = npt.NDArray[Any]
Progress = Callable[[int], None]
"""Called with the number of entries done so far."""

_MANY_CLASSES = 5


@dataclass(frozen=True)
class Settings:
    """How a model is evaluated.

    Attributes:
        profile, kernels: of the interpreter.
        reading: how files become numbers.
        frontend, stride: contents of the model that makes features of sound, and its stride.
        task: "auto", "classes", "values" or "anomaly", see `truth.understand`.
        names: of the classes, in the output's order.
        output: index of the output that answers.
        k: for the share of samples with the true class among the k highest scores; None: 5, or
            fewer where there are no more than 5 classes.
        threshold: real value from which an output of one element says yes.
        against: one of `runners.AGAINST`, or None.
        other_profile: numeric profile of "host" in `against`.
        workers: processes on this machine; 1 computes in this one.
        cluster: address of a Dask scheduler, instead of workers.
        piece: entries that a worker computes at once; None chooses. No figure depends on it.
        operators: Python file with operators of your own (`operators_file`), which each worker
            runs; on a cluster it must be there at the same path, as files of data must.
    """

    profile: str = "tflm"
    kernels: str = "auto"
    reading: Reading = field(default_factory=Reading)
    frontend: bytes | None = None
    stride: int | None = None
    task: str = "auto"
    names: Sequence[str] = ()
    output: int = 0
    k: int | None = None
    threshold: float = 0.5
    against: str | None = None
    other_profile: str = "single"
    workers: int = 1
    cluster: str | None = None
    piece: int | None = None
    operators: str | None = None


@dataclass(frozen=True)
class Timing:
    """What an evaluation cost; the one part that differs from run to run.

    Attributes:
        seconds: wall time, with loading the model and starting workers.
        run_seconds: in the interpreter, summed over workers.
        workers: processes; None on a cluster.
        lost_workers: how many have ended before their time and were replaced; None on a cluster.
    """

    seconds: float
    run_seconds: float
    workers: int | None
    lost_workers: int | None


@dataclass(frozen=True)
class Evaluation:
    """The figures of a model over a data set; those of other tasks are None.

    Attributes:
        task: "classes", "values", "anomaly" or "none".
        samples: that were run.
        answers: samples that the model answered; a streaming one is silent on some.
        sequences: how many, None where every sample stands alone.
        names: of the classes, () where they have none.
        notes, note_count: what to know of how the data was read: the first ones, and how many.
    """

    task: str
    samples: int
    answers: int
    sequences: int | None
    names: tuple[str, ...]
    notes: tuple[str, ...]
    note_count: int
    timing: Timing
    classes: ClassFigures | None = None
    values: ValueFigures | None = None
    anomaly: AnomalyFigures | None = None
    agreement: Agreement | None = None


def evaluate(
    model: bytes,
    data: Data,
    settings: Settings | None = None,
    progress: Progress = lambda _: None,
) -> Evaluation:
    """Run a model over a data set.

    All figures are the same, bit for bit, whatever the workers, the pieces and the deaths of
    workers; only `timing` differs.

    Args:
        model: contents of a .tflite file.
        data: from `open_data`.
        settings: None takes the usual ones.
        progress: told how far it is.

    Raises:
        InputError: data or settings do not fit the model, or a sample cannot be read.
        WorkerError: workers cannot be had, or a piece ends every one.
        RuntimeUnavailableError: what is compared with is not installed, or refuses the model.
        ModelError, UnsupportedError, PrepareError, ArenaError: see Interpreter.
    """
    chosen = settings or Settings()
    prepared = prepare_model(
        model, chosen.profile, registry_with(chosen.operators), "plain"
    )  # only looked at
    output = _output(prepared, chosen.output)
    truth = understand(data, output, chosen.names, chosen.task)
    _check(prepared, data, truth, chosen, output)
    in_order = prepared.is_stateful
    sequences = data.sequences
    if in_order and sequences is None:
        sequences = np.zeros(len(data), np.int64)
    gatherer = _Gatherer(truth, data, sequences, output, prepared, chosen)
    pieces = Pieces(
        data if chosen.cluster is None else _absolute(data),
        truth.labels if truth.task == "values" else None,
        sequences if in_order else None,
        chosen.piece or entries_per_piece(data, chosen.workers, not _alone(chosen)),
    )
    lost = LostWorkers()
    began = time.perf_counter()
    done = 0
    with closing(_computed(_job(model, chosen, truth, in_order), pieces, chosen, lost)) as results:
        for number, result in results:
            gatherer.add(number, pieces.entries_of(number), result)
            done += len(result.answers)
            progress(done)
    seconds = time.perf_counter() - began
    here = chosen.cluster is None
    timing = Timing(
        seconds,
        gatherer.run_seconds,
        workers=chosen.workers if here else None,
        lost_workers=lost.count if here else None,
    )
    return gatherer.evaluation(timing)


def _job(model: bytes, settings: Settings, truth: Truth, in_order: bool) -> Job:
    return Job(
        model=model,
        profile=settings.profile,
        kernels=settings.kernels,
        task=truth.task,
        output=settings.output,
        reading=settings.reading,
        frontend=settings.frontend,
        stride=settings.stride,
        against=settings.against,
        other_profile=settings.other_profile,
        in_order=in_order,
        threads=None if _alone(settings) else 1,
        operators=None if settings.operators is None else os.path.abspath(settings.operators),
    )


def _alone(settings: Settings) -> bool:
    """True if this process computes, with all its cores."""
    return settings.workers == 1 and settings.cluster is None


def _computed(job: Job, pieces: Pieces, settings: Settings, lost: LostWorkers) -> Answers:
    if settings.cluster is not None:
        from microinterp.evaluation.cluster import run_on_cluster

        return run_on_cluster(job, pieces, settings.cluster)
    if settings.workers > 1 or settings.against in LITERT:  # LiteRT may crash its process
        return run_locally(job, pieces, settings.workers, lost)
    return run_here(job, pieces)


def _output(prepared: Prepared, index: int) -> Tensor:
    outputs = prepared.graph.main.outputs
    if not 0 <= index < len(outputs):
        raise InputError(
            f"no output {index}: the model has {len(outputs)}",
            hint=f"outputs are numbered 0 to {len(outputs) - 1}" if outputs else "",
        )
    return outputs[index]


def _check(
    prepared: Prepared, data: Data, truth: Truth, settings: Settings, output: Tensor
) -> None:
    """Refuse what cannot work before anything is computed."""
    if settings.workers < 1 or (settings.piece is not None and settings.piece < 1):
        piece = "" if settings.piece is None else f", entries of a piece are {settings.piece}"
        raise InputError(f"workers are {settings.workers}{piece}, wanted 1 or more")
    if settings.cluster is not None and settings.workers > 1:
        raise InputError("workers are either processes here or a cluster: drop one of the two")
    if truth.task == "none" and settings.against is None:
        raise InputError(
            f"{data.name} has no labels, and there is nothing to compare with",
            hint="say where labels are (--truth), or give --against",
        )
    if output.elements == 0 or output.dtype.kind not in "biuf":
        raise InputError(f"output '{printable(output.name)}' is {output}, which holds no answer")
    given = prepared.graph.main.inputs[0]
    if truth.task == "anomaly" and given.elements != output.elements:
        raise InputError(
            f"the output is {output}, the input {given}: an anomaly is told by how well the output "
            "repeats the input",
            hint="--task classes or values",
        )
    if settings.frontend is not None and data.arrays is not None:
        raise InputError("a front end takes sound: a folder of .wav files")
    if settings.stride is not None and settings.frontend is None:
        raise InputError("a stride is of no use without a front end")
    several = settings.workers > 1 or settings.cluster is not None
    if several and prepared.is_stateful and data.sequences is None:
        raise InputError(
            "the model keeps state from sample to sample, so all samples are one sequence, which "
            "cannot be shared out",
            hint="run it with one worker, or say which samples belong together: --sequences",
        )
    _check_sequences(data, truth)


def _check_sequences(data: Data, truth: Truth) -> None:
    """A sequence is normal or anomalous as a whole."""
    if truth.task != "anomaly" or data.sequences is None:
        return
    inside = data.sequences[1:] == data.sequences[:-1]
    mixed = inside & (truth.labels[1:] != truth.labels[:-1])
    if mixed.any():
        entry = int(mixed.argmax()) + 1
        raise InputError(f"{data.name_of(entry)} has another label than its sequence so far")


def _absolute(data: Data) -> Data:
    """Paths that mean the same file in a worker elsewhere."""
    return replace(data, paths=tuple(map(os.path.abspath, data.paths)))


class _Gatherer:
    """Results as they come, to figures."""

    def __init__(
        self,
        truth: Truth,
        data: Data,
        sequences: npt.NDArray[np.int64] | None,
        output: Tensor,
        prepared: Prepared,
        settings: Settings,
    ) -> None:
        self._truth, self._data, self._sequences = truth, data, sequences
        count = class_count(output)
        k = settings.k or min(_MANY_CLASSES, count - 1)
        self._classes = Classes(output, k, settings.threshold) if truth.task == "classes" else None
        self._values = Values(output.elements) if truth.task == "values" else None
        self._anomalies = Anomalies() if truth.task == "anomaly" else None
        size = sum(tensor.nbytes for tensor in prepared.graph.main.outputs)
        against = settings.against
        self._agreeing = (
            None if against is None else Agreeing(version(against, settings.other_profile), size)
        )
        self._samples = self._answers = 0
        self._notes: dict[int, tuple[str, ...]] = {}
        self._note_count = 0
        self.run_seconds = 0.0

    def add(self, number: int, entries: slice, result: Result) -> None:
        """Count the result of piece `number`."""
        self._samples += result.invokes
        self._answers += int(result.answers.sum())
        self.run_seconds += result.seconds
        self._note_count += result.note_count
        if result.notes:
            self._notes[number] = result.notes
        if self._agreeing is not None:
            self._agreeing.add(result.columns)
        if self._values is not None:
            self._values.add(result.columns)
        if self._classes is None and self._anomalies is None:
            return
        truth = np.repeat(self._truth.labels[entries], result.answers)
        if self._classes is not None:
            self._classes.add(number, result.columns, truth)
        if self._anomalies is not None:
            groups = None
            if self._data.sequences is not None:
                groups = np.repeat(self._data.sequences[entries], result.answers)
            self._anomalies.add(number, result.columns, truth, groups)

    def evaluation(self, timing: Timing) -> Evaluation:
        """All figures."""
        opened = (*self._data.notes, *self._truth.notes)
        notes = [note for number in sorted(self._notes) for note in self._notes[number]]
        return Evaluation(
            task=self._truth.task,
            samples=self._samples,
            answers=self._answers,
            sequences=None if self._sequences is None else int(self._sequences[-1]) + 1,
            names=self._truth.names,
            notes=(*opened, *notes[:NOTES_KEPT]),
            note_count=len(opened) + self._note_count,
            timing=timing,
            classes=None if self._classes is None else self._classes.figures(),
            values=None if self._values is None else self._values.figures(),
            anomaly=None if self._anomalies is None else self._anomalies.figures(),
            agreement=None if self._agreeing is None else self._agreeing.figures(),
        )

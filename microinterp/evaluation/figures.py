"""From the numbers of every answer to the figures of the whole data set.

Counts are integers and float sums are rounded once, so no split of the data shows in them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from microinterp.evaluation.measures import best, ordered
from microinterp.evaluation.ranking import Scores, area_of
from microinterp.graph import Tensor
from microinterp.inputs import dequantise

Array = npt.NDArray[Any]
Columns = Mapping[str, Array]


@dataclass(frozen=True)
class ClassFigures:
    """How well a classifier does. Of equal scores the first is the higher one.

    Attributes:
        correct: answers whose highest score is the true class.
        accuracy: their share; None where there are no answers.
        k, top_k: share of answers with the true class among the k highest scores.
        auc: area under the ROC curve, for two classes of the second one's score; for more, the
            mean over classes, each against the others. None where it is not defined.
        confusion: [true class, answer], int64.
        class_auc: of each class against the others, None where a class or its opposite is absent.
    """

    correct: int
    accuracy: float | None
    k: int
    top_k: float | None
    auc: float | None
    confusion: npt.NDArray[np.int64]
    class_auc: tuple[float | None, ...]


@dataclass(frozen=True)
class ValueFigures:
    """How far a regressor is off, in real values, over all elements of all answers."""

    mean_absolute_error: float | None
    root_mean_squared_error: float | None
    largest_error: float | None


@dataclass(frozen=True)
class AnomalyFigures:
    """How well the reconstruction error tells anomalous from normal samples, or sequences.

    Attributes:
        auc: area under the ROC curve; None where one kind is absent.
        by_sequence: sequences were scored, not samples.
        normal, anomalous: how many of each.
        normal_error, anomalous_error: their mean squared errors on average.
    """

    auc: float | None
    by_sequence: bool
    normal: int
    anomalous: int
    normal_error: float | None
    anomalous_error: float | None


@dataclass(frozen=True)
class Agreement:
    """How the answers differ from another runtime's.

    Attributes:
        against: what was compared with.
        compared_bytes, differing_bytes: over all outputs of all answers.
        differing_samples: answers with any differing byte.
        largest_difference: of two raw numbers.
        same_top: answers whose highest element is the same.
    """

    against: str
    compared_bytes: int
    differing_bytes: int
    differing_samples: int
    largest_difference: float
    same_top: int


class Classes:
    """Gathers ClassFigures."""

    def __init__(self, output: Tensor, k: int, threshold: float) -> None:
        """`threshold` is the real value from which an output of one element says yes."""
        self._single = output.elements == 1
        self._count = max(2, output.elements)
        self._k, self._output, self._threshold = k, output, threshold
        self._confusion = np.zeros((self._count, self._count), np.int64)
        self._within = 0
        self._scores = Scores(output.elements, output.dtype)

    def add(self, number: int, columns: Columns, truth: npt.NDArray[np.int64]) -> None:
        """Add piece `number` with the true class of each answer."""
        scores = columns["scores"]
        if self._single:
            answers = (dequantise(scores[:, 0], self._output) >= self._threshold).astype(np.int64)
            ranks = (answers != truth).astype(np.int64)
            self._scores.add(number, scores, truth[:, None] == 1)
        else:
            answers = best(scores)
            ranks = _ranks(scores, truth)
            classes = np.arange(self._count)
            self._scores.add(number, scores, truth[:, None] == classes[None, :])
        self._within += int(np.count_nonzero(ranks < self._k))
        pairs = np.bincount(truth * self._count + answers, minlength=self._count**2)
        self._confusion += pairs.reshape(self._confusion.shape)

    def figures(self) -> ClassFigures:
        """Of all pieces added."""
        total, correct = int(self._confusion.sum()), int(np.trace(self._confusion))
        if self._single:
            areas: tuple[float | None, ...] = (None, self._scores.area(0))
        else:
            areas = tuple(self._scores.area(column) for column in range(self._count))
        known = [value for value in areas if value is not None]
        overall = areas[1] if self._count == 2 else _quotient(math.fsum(known), len(known))
        return ClassFigures(
            correct=correct,
            accuracy=_quotient(correct, total),
            k=self._k,
            top_k=_quotient(self._within, total),
            auc=overall,
            confusion=self._confusion,
            class_auc=areas,
        )


class Values:
    """Gathers ValueFigures."""

    def __init__(self, elements: int) -> None:
        """`elements` of the output."""
        self._elements = elements
        self._columns: dict[str, list[Array]] = {"absolute": [], "squared": [], "largest": []}

    def add(self, columns: Columns) -> None:
        """Add a piece."""
        for name, found in self._columns.items():
            found.append(columns[name])

    def figures(self) -> ValueFigures:
        """Of all pieces added."""
        joined = {n: np.concatenate([*c, np.zeros(0)]) for n, c in self._columns.items()}
        count = len(joined["absolute"]) * self._elements
        if not count:
            return ValueFigures(None, None, None)
        return ValueFigures(
            mean_absolute_error=_total(joined["absolute"]) / count,
            root_mean_squared_error=math.sqrt(_total(joined["squared"]) / count),
            largest_error=float(joined["largest"].max()),
        )


class Anomalies:
    """Gathers AnomalyFigures: the error of a sequence is the mean over its answers."""

    def __init__(self) -> None:
        self._pieces: dict[int, tuple[Array, Array, Array | None]] = {}

    def add(self, number: int, columns: Columns, truth: Array, sequences: Array | None) -> None:
        """Add piece `number`: of each answer the truth (0 or 1) and its sequence.

        Without sequences each answer stands alone.
        """
        self._pieces[number] = (columns["error"], truth, sequences)

    def figures(self) -> AnomalyFigures:
        """Of all pieces added."""
        parts = [self._pieces[number] for number in sorted(self._pieces)]
        errors = np.concatenate([np.zeros(0), *(part[0] for part in parts)])
        truth = np.concatenate([np.zeros(0), *(part[1] for part in parts)])
        known = [part[2] for part in parts if part[2] is not None]
        sequences = np.concatenate(known) if known else np.arange(len(errors))
        if not len(errors):
            return AnomalyFigures(None, bool(known), 0, 0, None, None)
        _, begins = np.unique(sequences, return_index=True)
        means = np.array([_total(part) / len(part) for part in np.split(errors, begins[1:])])
        anomalous = truth[begins] == 1
        return AnomalyFigures(
            auc=area_of(means, anomalous),
            by_sequence=bool(known),
            normal=int(np.count_nonzero(~anomalous)),
            anomalous=int(np.count_nonzero(anomalous)),
            normal_error=_quotient(_total(means[~anomalous]), int((~anomalous).sum())),
            anomalous_error=_quotient(_total(means[anomalous]), int(anomalous.sum())),
        )


class Agreeing:
    """Gathers Agreement."""

    def __init__(self, against: str, bytes_per_answer: int) -> None:
        self._against, self._bytes = against, bytes_per_answer
        self._answers = self._differing = self._samples = self._same = 0
        self._largest = 0.0

    def add(self, columns: Columns) -> None:
        """Add a piece."""
        self._answers += len(columns["differing"])
        self._differing += int(columns["differing"].sum())
        self._samples += int(np.count_nonzero(columns["differing"]))
        self._same += int(np.count_nonzero(columns["same_top"]))
        self._largest = max(self._largest, float(columns["apart"].max(initial=0.0)))

    def figures(self) -> Agreement:
        """Of all pieces added."""
        return Agreement(
            against=self._against,
            compared_bytes=self._answers * self._bytes,
            differing_bytes=self._differing,
            differing_samples=self._samples,
            largest_difference=self._largest,
            same_top=self._same,
        )


def _ranks(scores: Array, truth: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """How many classes stand before the true one: higher ones, and equal ones of lower index."""
    values = ordered(scores)
    true = np.take_along_axis(values, truth[:, None], axis=1)
    before = np.arange(values.shape[1])[None, :] < truth[:, None]
    ranks: npt.NDArray[np.int64] = ((values > true) | ((values == true) & before)).sum(axis=1)
    return ranks


def _total(values: Array) -> float:
    try:
        return math.fsum(values.tolist())
    except (OverflowError, ValueError):  # infinities, or sums beyond a double
        return math.nan


def _quotient(part: float, whole: int) -> float | None:
    return part / whole if whole else None

"""Top-1 and AUC of stimuli that go through the protocol, by the public runner's rules."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from microinterp.errors import DeviceError
from microinterp.evaluation.ranking import area_of
from microinterp_boards.mlperf.client import Client
from microinterp_boards.mlperf.stimuli import Stimulus

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Accuracy:
    """What came out.

    Attributes:
        files, inferences: how many; a file of ad has an inference for each of its windows.
        correct: files whose largest result is the true class; None where there is one result.
        top1: the same as a share of the files.
        auc: area under the ROC curve: of the one result, of class 1 of two, else the mean over the
            classes against all others; None where one of the classes has no file.
    """

    files: int
    inferences: int
    correct: int | None
    top1: float | None
    auc: float | None


def check(
    client: Client, stimuli: Sequence[Stimulus], progress: Callable[[int, int], object]
) -> Accuracy:
    """Send every stimulus, infer once for each, and compare with the labels."""
    means: list[Array] = []
    count = 0
    for number, stimulus in enumerate(stimuli):
        found = []
        for window in stimulus.windows():
            client.load(window)
            results = client.infer(1, 0).results
            if len(results) not in (1, stimulus.classes):
                raise DeviceError(
                    f"the board gives {len(results)} results, {stimulus.path.name} is of"
                    f" {stimulus.classes} classes"
                )
            found.append(results)
        count += len(found)
        means.append(_mean(found))
        progress(number + 1, len(stimuli))
    labels = np.array([stimulus.label for stimulus in stimuli])
    return score(np.array(means), labels, count)


def score(means: Array, labels: Array, inferences: int) -> Accuracy:
    """`means`: [files, results] of each file; `labels`: [files], the true classes."""
    files, columns = means.shape
    if columns == 1:
        return Accuracy(files, inferences, None, None, area_of(means[:, 0], labels == 1))
    correct = int((means.argmax(axis=1) == labels).sum())
    if columns == 2:
        auc = area_of(means[:, 1], labels == 1)
    else:
        areas = [area_of(means[:, each], labels == each) for each in range(columns)]
        known = [area for area in areas if area is not None]
        auc = statistics.fmean(known) if len(known) == columns else None
    return Accuracy(files, inferences, correct, correct / files, auc)


def _mean(found: Sequence[Sequence[float]]) -> Array:
    """Of a file's inferences; several results are first made shares of their sum, as there."""
    rows = np.array(found, np.float64)
    if rows.shape[1] > 1:
        sums = rows.sum(axis=1, keepdims=True)
        rows = rows / np.where(sums == 0, 1, sums)
    return np.asarray(rows.mean(axis=0))

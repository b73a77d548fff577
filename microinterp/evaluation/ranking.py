"""Area under the ROC curve from counts: exact, however many samples and in whatever order."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from microinterp.evaluation.measures import ordered

Array = npt.NDArray[Any]
Counts = npt.NDArray[np.int64]


def area(positive: Counts, negative: Counts) -> float | None:
    """Probability that a positive sample scores higher than a negative one, ties counting half.

    Args:
        positive, negative: samples at each score, scores ascending.

    Returns:
        The quotient of two integers, rounded once; None where one kind is missing.
    """
    positives, negatives = int(positive.sum()), int(negative.sum())
    if not positives or not negatives:
        return None
    below = np.cumsum(negative) - negative
    twice = int((positive * (2 * below + negative)).sum())
    return twice / (2 * positives * negatives)


def area_of(scores: Array, positive: npt.NDArray[np.bool_]) -> float | None:
    """`area` of scores [n], of which some belong to positive samples; NaN is the lowest score."""
    values, places = np.unique(ordered(scores), return_inverse=True)
    counts = [
        np.bincount(places[chosen], minlength=len(values)).astype(np.int64)
        for chosen in (positive, ~positive)
    ]
    return area(counts[0], counts[1])


class Scores:
    """Scores of classes against the true class, gathered piece by piece.

    Bytes are counted, so that memory does not grow with the samples; wider scores are kept.
    """

    def __init__(self, columns: int, dtype: npt.DTypeLike) -> None:
        """`columns` scores of type `dtype` for each sample."""
        self._dtype = np.dtype(dtype)
        self._counted = self._dtype.itemsize == 1
        self._counts = np.zeros((columns, 2, 256) if self._counted else (0, 2, 0), np.int64)
        self._pieces: dict[int, tuple[Array, Array]] = {}

    def add(self, number: int, scores: Array, truth: Array) -> None:
        """Add piece `number`: scores [n, columns] and the columns that are true, bool alike."""
        if not self._counted:
            self._pieces[number] = (scores, truth)
            return
        low = int(np.iinfo(self._dtype).min) if self._dtype.kind in "iu" else 0
        places = scores.astype(np.int64) - low
        for column in range(scores.shape[1]):
            for which, chosen in enumerate((truth[:, column], ~truth[:, column])):
                self._counts[column, which] += np.bincount(places[chosen, column], minlength=256)

    def area(self, column: int) -> float | None:
        """`area` of one column."""
        if self._counted:
            return area(self._counts[column, 0], self._counts[column, 1])
        parts = [self._pieces[number] for number in sorted(self._pieces)]
        if not parts:
            return None
        scores = np.concatenate([scores[:, column] for scores, _ in parts])
        return area_of(scores, np.concatenate([truth[:, column] for _, truth in parts]))

"""Which pieces are still to be computed, which are done, and which of several failures is told.

Pieces are handed out in order. When one fails, those before it are still waited for, so that the
failure told is the first of the data set, whoever computed what.
"""

from __future__ import annotations

import heapq
import threading
from collections import Counter

from microinterp.errors import WorkerError
from microinterp.evaluation.data import Pieces

ATTEMPTS = 3
"""Workers that a piece may cost before it is given up."""

OUT_OF_MEMORY = "if memory ran out: fewer workers, or fewer samples at once with --piece N"


class Gathering:
    """The state of an evaluation; for use from several threads."""

    def __init__(self, pieces: Pieces) -> None:
        self.pieces = pieces
        self._lock = threading.Lock()
        self._waiting = list(range(len(pieces)))
        self._missing = set(self._waiting)
        self._limit = len(pieces)
        self._error: BaseException | None = None
        self._deaths: Counter[int] = Counter()

    def take(self) -> int | None:
        """The number of the next piece; None: there is none for now."""
        with self._lock:
            if not self._waiting or self._waiting[0] >= self._limit:
                return None
            return heapq.heappop(self._waiting)

    def done(self, number: int) -> bool:
        """Count a piece as computed; False if it was counted before."""
        with self._lock:
            if number not in self._missing:
                return False
            self._missing.remove(number)
            return True

    def failed(self, number: int, error: BaseException) -> None:
        """Count a piece as impossible; nothing after it is handed out any more."""
        with self._lock:
            self._missing.discard(number)
            if number < self._limit:
                self._limit, self._error = number, error

    def lost(self, number: int, reason: str) -> None:
        """A worker has ended with a piece: hand it out again, ATTEMPTS times in all."""
        with self._lock:
            self._deaths[number] += 1
            if self._deaths[number] < ATTEMPTS:
                heapq.heappush(self._waiting, number)
                return
        self.failed(number, gone(self.pieces[number].where(), reason))

    def stop(self) -> None:
        """Hand out nothing more."""
        with self._lock:
            self._limit = 0

    def finished(self) -> bool:
        """True if nothing is left to wait for.

        Raises:
            MicrointerpError: the first failure, when all pieces before it are computed.
        """
        with self._lock:
            if any(number < self._limit for number in self._missing):
                return False
            if self._error is not None:
                raise self._error
            return True


def gone(where: str, reason: str) -> WorkerError:
    """The error, to raise, for a piece that ends every worker."""
    return WorkerError(
        f"{where}: {ATTEMPTS} workers have ended while they computed this, the last one {reason}",
        hint=OUT_OF_MEMORY,
    )

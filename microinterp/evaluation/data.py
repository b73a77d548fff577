"""A data set as entries in a fixed order, and the pieces of it that are computed one by one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from microinterp.errors import printable_path

Array = npt.NDArray[Any]

_PIECES_PER_WORKER = 8
_PIECE_ENTRIES = 256
_PIECE_BYTES = 16 << 20
_SENT_BYTES = 1 << 20  # what travels to a worker, or to a cluster's scheduler


@dataclass(frozen=True)
class Data:
    """A data set, opened: numbers lie in memory, files are read when their piece is computed.

    An entry is a row of the arrays or a file; a file may hold several samples.

    Attributes:
        name: where it comes from, for messages.
        arrays: one per input, [entries, *shape], of any type of numbers; None for files.
        paths: one per entry; empty for arrays.
        labels: one per entry: numbers [entries, ...], or names; None where there are none.
        sequences: number of the sequence that each entry belongs to, int64 [entries], entries of
            one lying side by side; None where nothing says so.
        notes: what a user should know of how it was opened.
    """

    name: str
    arrays: tuple[Array, ...] | None
    paths: tuple[str, ...] = ()
    labels: Array | tuple[str, ...] | None = None
    sequences: npt.NDArray[np.int64] | None = None
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.paths) if self.arrays is None else len(self.arrays[0])

    def name_of(self, entry: int) -> str:
        """A short text that says where an entry comes from."""
        return printable_path(self.paths[entry]) if self.paths else f"{self.name}[{entry}]"


@dataclass(frozen=True)
class Piece:
    """Entries that one worker computes at once.

    Attributes:
        number: its place among the pieces.
        first: number of its first entry.
        starts: True where an entry is the first of a sequence, bool [entries].
        arrays, paths: as in Data, of these entries.
        targets: true values [entries, ...] that a regressor is held to; None for other tasks.
        name: of the data set.
    """

    number: int
    first: int
    starts: npt.NDArray[np.bool_]
    arrays: tuple[Array, ...] | None
    paths: tuple[str, ...]
    targets: Array | None
    name: str

    def __len__(self) -> int:
        return len(self.starts)

    def where(self) -> str:
        """The entries, for messages."""
        if len(self) == 1:
            return self.paths[0] if self.paths else f"{self.name}[{self.first}]"
        return f"entries {self.first} to {self.first + len(self) - 1} of {self.name}"


class Pieces(Sequence[Piece]):
    """The pieces of a data set, made when they are asked for; a sequence is never cut."""

    def __init__(
        self,
        data: Data,
        targets: Array | None,
        sequences: npt.NDArray[np.int64] | None,
        entries: int,
    ) -> None:
        """Cut `data`.

        Args:
            data: what to cut.
            targets: as in Piece, for all entries.
            sequences: as in Data; None where every entry stands alone.
            entries: so many to a piece, more where a sequence is longer.
        """
        self._data, self._targets = data, targets
        count = len(data)
        self._starts = np.ones(count, bool)
        if sequences is not None and count:
            self._starts[1:] = sequences[1:] != sequences[:-1]
        self._bounds = _bounds(np.flatnonzero(self._starts), count, entries)

    def __len__(self) -> int:
        return len(self._bounds) - 1

    def __getitem__(self, number: Any) -> Any:
        low, high = self._bounds[number], self._bounds[number + 1]
        data = self._data
        return Piece(
            number=number,
            first=low,
            starts=self._starts[low:high],
            arrays=None if data.arrays is None else tuple(a[low:high] for a in data.arrays),
            paths=data.paths[low:high],
            targets=None if self._targets is None else self._targets[low:high],
            name=data.name,
        )

    def __iter__(self) -> Iterator[Piece]:
        return (self[number] for number in range(len(self)))

    def entries_of(self, number: int) -> slice:
        """The entries of a piece."""
        return slice(self._bounds[number], self._bounds[number + 1])


def entries_per_piece(data: Data, workers: int, sent: bool) -> int:
    """So many that every worker gets several pieces, and none is large to hold, or to be sent."""
    limit = _SENT_BYTES if sent else _PIECE_BYTES
    size = 1 if data.arrays is None else sum(a[:1].nbytes for a in data.arrays)
    share = -(-len(data) // (workers * _PIECES_PER_WORKER))
    return max(1, min(share, _PIECE_ENTRIES, limit // max(1, size)))


def _bounds(starts: npt.NDArray[np.intp], count: int, entries: int) -> list[int]:
    """Where pieces begin, and the end: at starts of sequences, `entries` apart or more."""
    bounds = [0]
    while bounds[-1] < count:
        following = np.searchsorted(starts, bounds[-1] + entries)
        bounds.append(int(starts[following]) if following < len(starts) else count)
    return bounds

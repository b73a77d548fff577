"""One iterator for several threads: what it gives is computed once, and read by each of them."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class _Source(Generic[T]):
    """The iterator, and who reads it."""

    def __init__(self, items: Iterator[T]) -> None:
        self.items = items
        self.lock = threading.Lock()
        self.readers: list[Reader[T]] = []
        self.error: Exception | None = None


class Reader(Iterator[T]):
    """Gives all items, in order. One that is closed keeps none, and ends."""

    def __init__(self, source: _Source[T]) -> None:
        self._source = source
        self._waiting: deque[T] = deque()

    def __next__(self) -> T:
        source = self._source
        with source.lock:  # whoever comes first computes; the others wait for that
            if not self._waiting and self in source.readers:
                item = self._computed()
                for reader in source.readers:
                    reader._waiting.append(item)
            if not self._waiting:
                raise StopIteration
            return self._waiting.popleft()

    def _computed(self) -> T:
        source = self._source
        if source.error is not None:  # an iterator that has raised would look like one at its end
            raise source.error
        try:
            return next(source.items)
        except Exception as error:
            source.error = error
            raise

    def close(self) -> None:
        """Take no more, so that nothing is kept for this reader."""
        with self._source.lock:
            if self in self._source.readers:
                self._source.readers.remove(self)
            self._waiting.clear()


def shared(items: Iterator[T], count: int) -> list[Reader[T]]:
    """So many readers of `items`. An item is kept until the slowest of them has it.

    What `items` raises is raised to each of them when it has come that far.
    """
    source = _Source(items)
    source.readers += [Reader(source) for _ in range(count)]
    return list(source.readers)

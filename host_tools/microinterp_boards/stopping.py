"""Ctrl-C for work in other threads: it ends when it next looks at a board's line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar


class Stop:
    """What one thread asks of another."""

    def __init__(self) -> None:
        self._is_asked = False

    def ask(self) -> None:
        """Interrupt what is done in `obeying(self)`, now or when it begins."""
        self._is_asked = True

    def take(self) -> bool:
        """Whether it was asked; True once only, so that what cleans up is not interrupted."""
        was, self._is_asked = self._is_asked, False
        return was


_current: ContextVar[Stop | None] = ContextVar("stop", default=None)


@contextmanager
def obeying(stop: Stop) -> Iterator[None]:
    """In the block, and in this thread, `check` raises KeyboardInterrupt once `stop` is asked."""
    token = _current.set(stop)
    try:
        yield
    finally:
        _current.reset(token)


def check() -> None:
    """Raise KeyboardInterrupt if somebody has asked this thread to stop."""
    stop = _current.get()
    if stop is not None and stop.take():
        raise KeyboardInterrupt

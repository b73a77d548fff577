"""A worker's `main` in the process of the test: pickled requests in, its answers out."""

from __future__ import annotations

import io
import os
import pickle
import signal
import sys
import tempfile
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, BinaryIO
from unittest import mock


def requests(*asked: Any) -> BinaryIO:
    """What a parent writes into a worker's pipe, up to its end."""
    return io.BytesIO(b"".join(map(pickle.dumps, asked)))


def answers(told: BinaryIO) -> list[Any]:
    """Everything that a worker has written."""
    found = []
    told.seek(0)
    while True:
        try:
            found.append(pickle.load(told))
        except EOFError:
            return found


def served(main: Callable[[], None], *asked: Any) -> list[Any]:
    """What `main` answers on descriptor 1; it and Ctrl-C's handler are put back after that."""
    ours, handler = os.dup(1), signal.getsignal(signal.SIGINT)
    with tempfile.TemporaryFile() as told:
        os.dup2(told.fileno(), 1)
        try:
            with mock.patch.object(sys, "stdin", SimpleNamespace(buffer=requests(*asked))):
                main()
        finally:
            os.dup2(ours, 1)
            os.close(ours)
            signal.signal(signal.SIGINT, handler)
        return answers(told)

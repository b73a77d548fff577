"""A deployment without a board: committing.py on a FakeStore, a line that breaks, a host's test."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from microinterp.errors import DeviceError
from microinterp_boards import runtime
from microinterp_boards.files import FileState
from microinterp_boards.framed.exchange import Counters
from microinterp_boards.runtime import Installed
from microinterp_boards.store import committing
from microinterp_boards.store.committing import Committed, Wanted
from microinterp_boards.store.requests import Place
from microinterp_boards.store.selftest import SelfTestSamples
from tests.boards.fake_store import FakeStore

PACKED = bytes(n * 7 & 255 for n in range(900))
BUNDLE = b"bundle" * 10
SHIPPED = {"_a.mpy": b"a" * 300, "_b.mpy": b"b" * 40, "_c.mpy": b"c" * 600}


class FakeLink:
    """The raw REPL's side: counts soft resets."""

    def __init__(self) -> None:
        self.port = "fake"
        self.transport = SimpleNamespace(gone=False)
        self.resets = 0

    def soft_reset(self) -> None:
        self.resets += 1


class FakeSession:
    """A model that a host tests; `differing` bytes of its outputs are wrong.

    `error`: raised where it should be loaded.
    """

    opened: list[str]
    differing: int
    error: DeviceError | None

    def __init__(self, link: FakeLink, path: str) -> None:
        self.opened.append(path)
        if self.error is not None:
            raise self.error

    def __enter__(self) -> FakeSession:
        return self

    def __exit__(self, *about: object) -> None:
        pass

    def set_input(self, index: int, data: bytes) -> None:
        pass

    def invoke(self) -> None:
        pass

    def output(self, index: int) -> bytes:
        return b"\1" * self.differing + b"\0" * (4 - self.differing)


class Bench:
    """All that a deployment of `kws` needs.

    Attributes:
        store: what the board keeps.
        on_board: the runtime's files there; all are, at first.
        clients: counters of each session with the service, in order; the last one stays.
        breaks: called at each session's start with its number, from 1; it may raise.
        told: what progress was told.
    """

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.store = FakeStore()
        self.link = FakeLink()
        self.on_board = dict(SHIPPED)
        self.clients = [Counters()]
        self.breaks: Callable[[int], object] = lambda number: None
        self.sessions = 0
        self.told: list[int] = []
        self.tests = FakeSession
        FakeSession.opened, FakeSession.differing, FakeSession.error = [], 0, None
        samples = SelfTestSamples(BUNDLE, ((b"in",),), ((bytes(4),),))
        patch.setattr(runtime, "shipped", lambda mpy_set: SHIPPED)
        patch.setattr(committing, "Requests", lambda client: self.store)
        patch.setattr(committing, "start_service", self.start_service)
        patch.setattr(committing, "samples_for", lambda model: samples)
        patch.setattr(committing, "Session", self.tests)

    @contextmanager
    def start_service(self, link: FakeLink) -> Iterator[Any]:
        assert link is self.link
        self.sessions += 1
        self.breaks(self.sessions)
        counters = self.clients.pop(0) if len(self.clients) > 1 else self.clients[0]
        yield SimpleNamespace(counters=counters)

    def installed(self) -> Installed:
        return Installed(
            "lib/microinterp",
            {name: FileState(len(data), zlib.crc32(data)) for name, data in self.on_board.items()},
        )

    def wanted(self, **changes: Any) -> Wanted:
        model: Any = SimpleNamespace(name="kws", packed=PACKED)
        fields = {"version": None, "key": None, "is_there": False} | changes
        return Wanted(model, "any", **fields)

    def commit(self, **changes: Any) -> Committed:
        """Deploy; `changes` are of Wanted."""
        link: Any = self.link
        for name, data in self.on_board.items():
            self.store.kept.setdefault((Place.RUNTIME, name), data)
        return committing.commit(link, self.wanted(**changes), self.installed(), self.told.append)

    def fails(self, **changes: Any) -> DeviceError:
        """The error of a deployment."""
        with pytest.raises(DeviceError) as caught:
            self.commit(**changes)
        return caught.value

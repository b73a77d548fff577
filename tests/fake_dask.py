"""A Dask client that computes in this process, and whose pieces go wrong as a test asks for."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from microinterp.evaluation import cluster


class KilledWorker(Exception):  # noqa: N818 - Dask's name
    """What Dask raises for work that has ended worker after worker."""


class Future:
    """Work that is done."""

    def __init__(self, key: str, outcome: Callable[[], Any]) -> None:
        self.key, self._outcome = key, outcome

    def result(self, timeout: float) -> Any:
        """What was computed, or the exception."""
        assert timeout > 0
        return self._outcome()

    def add_done_callback(self, call: Callable[[Any], None]) -> None:
        """Call at once: it is done."""
        call(self)


class SilentFuture(Future):
    """Work that nobody hears of any more."""

    def add_done_callback(self, call: Callable[[Any], None]) -> None:
        """Never call."""


class RepeatedFuture(Future):
    """Work that is said to be done twice."""

    def add_done_callback(self, call: Callable[[Any], None]) -> None:
        """Call twice."""
        call(self)
        call(self)


class Client:
    """Attributes: submitted: numbers of pieces, in order; scattered: how often the job travelled;
    troubles: by a piece's number the exceptions of its attempts; threads: of each worker;
    empty_for: how often no worker takes the job; kind: of the futures; ready: an exception where
    no worker comes.
    """

    def __init__(self) -> None:
        self.status = "running"
        self.submitted: list[int] = []
        self.scattered = 0
        self.troubles: dict[int, list[Exception]] = {}
        self.threads: dict[str, int] = {"one": 1}
        self.kind: type[Future] = Future
        self.ready: Exception | None = None
        self.empty_for = 0
        self.is_closed = False

    def wait_for_workers(self, count: int, timeout: float) -> None:
        """Raise what `ready` says."""
        assert count == 1
        assert timeout > 0
        if self.ready is not None:
            raise self.ready

    def nthreads(self) -> dict[str, int]:
        """Threads by worker."""
        return self.threads

    def scatter(self, job: Any, broadcast: bool, hash: bool) -> Any:
        """The job as workers hold it."""
        assert (broadcast, hash) == (True, False)
        if self.empty_for:
            self.empty_for -= 1
            raise TimeoutError("No valid workers found")
        self.scattered += 1
        return job

    def submit(
        self, call: Callable[..., Any], job: Any, piece: Any, pure: bool, priority: int
    ) -> Future:
        """Compute a piece, or raise its next trouble."""
        assert (pure, priority) == (False, -piece.number)
        self.submitted.append(piece.number)

        def outcome() -> Any:
            if self.troubles.get(piece.number):
                raise self.troubles[piece.number].pop(0)
            return call(job, piece)

        return self.kind(f"key {len(self.submitted)}", outcome)

    def close(self) -> None:
        """Note it."""
        self.is_closed = True


def installed(monkeypatch: pytest.MonkeyPatch, client: Client | Exception) -> None:
    """Let `cluster` find a Dask whose clients are this one, or that raises this."""

    def made(address: str, timeout: float, set_as_default: bool) -> Client:
        assert timeout > 0
        assert not set_as_default
        if isinstance(client, Exception):
            raise client
        return client

    dask = SimpleNamespace(Client=made, KilledWorker=KilledWorker)
    monkeypatch.setattr(cluster, "import_module", lambda name: {"distributed": dask}[name])

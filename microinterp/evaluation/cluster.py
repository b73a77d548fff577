"""Pieces computed by a Dask cluster that exists already; dask is imported only here."""

from __future__ import annotations

import queue
import threading
import time
from contextlib import suppress
from importlib import import_module
from typing import Any

from microinterp.errors import MicrointerpError, WorkerError, printable
from microinterp.evaluation.data import Piece, Pieces
from microinterp.evaluation.engine import Engine
from microinterp.evaluation.gathering import OUT_OF_MEMORY, Gathering
from microinterp.evaluation.job import Job, Result
from microinterp.evaluation.workers import Answers

_CONNECT_SECONDS = 10
_NO_WORKER_SECONDS = 60.0  # without any worker before the cluster counts as dead
_LOOK_SECONDS = 2.0
_REFUSALS = 5  # of the job by workers that are there, or were there again a moment later
_AHEAD = 2  # pieces per thread of the cluster that are handed over at once

_local = threading.local()


def compute(job: Job, piece: Piece) -> Result | MicrointerpError:
    """Run in a worker's thread: the model is loaded once in each; errors of ours are answers."""
    try:
        if getattr(_local, "job", None) is not job:
            _local.engine, _local.job = Engine(job), job
        result: Result = _local.engine.run(piece)
        return result
    except MicrointerpError as error:
        return error


def run_on_cluster(job: Job, pieces: Pieces, address: str) -> Answers:
    """Compute all pieces on the cluster whose scheduler is at `address`.

    The model travels once. Folders of files must have the same path on every worker.

    Raises:
        WorkerError: dask is not installed, the scheduler does not answer, has no workers, or a
            piece ends every worker.
        MicrointerpError: the first piece that cannot be computed, as Engine.
    """
    client = _connect(address)
    try:
        yield from _Cluster(client, job, pieces).answers()
    finally:
        client.close()


def _connect(address: str) -> Any:
    try:
        distributed: Any = import_module("distributed")
    except ImportError:
        raise WorkerError(
            "--cluster needs Dask, which is not installed",
            hint="pip install 'microinterp[cluster]', here and on the workers",
        ) from None
    try:
        client = distributed.Client(address, timeout=_CONNECT_SECONDS, set_as_default=False)
    except Exception as error:  # OSError, ValueError for bad addresses, TimeoutError, ...
        raise WorkerError(
            f"no scheduler answers at '{printable(address)}': {printable(str(error), 200)}",
            hint="start one with `dask scheduler`, and workers with `dask worker ADDRESS`",
        ) from None
    try:
        client.wait_for_workers(1, timeout=_CONNECT_SECONDS)
    except Exception:
        client.close()
        raise WorkerError(
            f"the scheduler at '{printable(address)}' has no workers",
            hint=f"start some: dask worker {printable(address)}",
        ) from None
    return client


class _Cluster:
    """An evaluation on a cluster, seen from here."""

    def __init__(self, client: Any, job: Job, pieces: Pieces) -> None:
        self._client, self._job = client, job
        self._gathering = Gathering(pieces)
        self._futures: dict[str, tuple[int, Any]] = {}
        self._ready: queue.Queue[Any] = queue.Queue()
        self._scattered: Any = None
        self._refusals = 0
        self._alone_since: float | None = None
        self._suspects: set[int] = set()  # one of these may have ended the workers

    def answers(self) -> Answers:
        """Numbers of pieces and their results, as they are ready."""
        self._hand_over()
        while not self._gathering.finished():
            try:
                future = self._ready.get(timeout=_LOOK_SECONDS)
            except queue.Empty:
                self._require_workers()
                self._hand_over()
                continue
            self._alone_since = None
            number, _ = self._futures.pop(future.key, (None, None))
            if number is not None and (result := self._result(number, future)) is not None:
                self._gathering.done(number)
                self._suspects.discard(number)
                yield number, result
            self._hand_over()

    def _hand_over(self) -> None:
        """Keep the cluster busy, and little in its scheduler's memory.

        Suspects go one by one, so that the guilty one shows.
        """
        threads = sum(self._client.nthreads().values())
        wanted = 1 if self._suspects else max(2, _AHEAD * threads)
        while len(self._futures) < wanted and self._has_job():
            number = self._gathering.take()
            if number is None:
                return
            future = self._client.submit(
                compute,
                self._scattered,
                self._gathering.pieces[number],
                pure=False,
                priority=-number,
            )
            self._futures[future.key] = (number, future)
            future.add_done_callback(self._ready.put)

    def _has_job(self) -> bool:
        """Whether the workers have been given the job; False while there are none.

        Raises:
            WorkerError: there are some, and they do not take it.
        """
        if self._scattered is None:
            try:
                self._scattered = self._client.scatter(self._job, broadcast=True, hash=False)
            except _of_lost_workers() as error:
                self._refusals += bool(self._client.nthreads())
                if self._refusals < _REFUSALS:
                    return False
                text = printable(f"{type(error).__name__}: {error}", 300)
                raise WorkerError(f"the cluster's workers do not take the model: {text}") from None
            self._refusals = 0  # those of an earlier restart say nothing of the next
        return True

    def _result(self, number: int, future: Any) -> Result | None:
        """The result of a piece; None if it is to be computed again, or cannot be."""
        try:
            result = future.result(timeout=_NO_WORKER_SECONDS)
        except Exception as error:  # of dask, or of what a worker could not do
            self._failed(number, error)
            return None
        if isinstance(result, MicrointerpError):
            if self._gathering.pieces[number].paths and not result.hint:
                result.hint = "every worker of a cluster reads the files itself, by the same path"
            self._gathering.failed(number, result)
            return None
        assert isinstance(result, Result)
        return result

    def _failed(self, number: int, error: Exception) -> None:
        killed: Any = import_module("distributed").KilledWorker

        where = self._gathering.pieces[number].where()
        if isinstance(error, killed):
            text = f"{where}: worker after worker has ended while it computed this, says Dask"
            self._gathering.failed(number, WorkerError(text, hint=OUT_OF_MEMORY))
        elif isinstance(error, _of_lost_workers()):
            # The only worker that held the model, or the result, has died: hand both over again.
            self._scattered = None
            self._suspects.add(number)
            self._gathering.lost(number, "lost by Dask")
        elif isinstance(error, ImportError):
            self._gathering.failed(
                number,
                WorkerError(
                    f"a worker of the cluster lacks a package: {printable(str(error), 200)}",
                    hint="install the same microinterp on every worker",
                ),
            )
        else:
            text = printable(f"{type(error).__name__}: {error}", 300)
            self._gathering.failed(number, WorkerError(f"{where}: a worker failed: {text}"))

    def _require_workers(self) -> None:
        """Raise WorkerError when nobody has been there for long."""
        if self._client.status != "running":
            raise WorkerError(
                "the connection to the cluster's scheduler is lost",
                hint="look at the scheduler's own output, start it again, and then this evaluation",
            )
        with suppress(OSError):
            if self._client.nthreads():
                self._alone_since = None
                return
        now = time.monotonic()
        if self._alone_since is None:
            self._alone_since = now
        elif now - self._alone_since > _NO_WORKER_SECONDS:
            raise WorkerError(
                f"the cluster has had no worker for {_NO_WORKER_SECONDS:.0f} s",
                hint="start some: dask worker ADDRESS",
            )


def _of_lost_workers() -> tuple[type[Exception], ...]:
    """What Dask raises where workers have gone that held something."""
    from asyncio import TimeoutError
    from concurrent.futures import CancelledError

    return CancelledError, TimeoutError, OSError

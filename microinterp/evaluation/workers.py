"""Pieces computed by processes of this machine; one that dies is replaced, its piece run again."""

from __future__ import annotations

import os
import pickle
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Generator
from typing import Any

from microinterp.errors import MicrointerpError, WorkerError, printable
from microinterp.evaluation.data import Pieces
from microinterp.evaluation.engine import Engine
from microinterp.evaluation.gathering import Gathering
from microinterp.evaluation.job import Job, Result

Answers = Generator[tuple[int, Result], None, None]
"""Numbers of pieces and their results, in any order."""

# One thread each: the processes share the cores already.
_ONE_THREAD = {
    f"{library}_NUM_THREADS": "1"
    for library in ("OMP", "OPENBLAS", "MKL", "BLIS", "VECLIB", "NUMEXPR")
} | {"VECLIB_MAXIMUM_THREADS": "1"}


class LostWorkers:
    """How many workers have ended before their time."""

    def __init__(self) -> None:
        self.count = 0


def run_here(job: Job, pieces: Pieces) -> Answers:
    """Compute all pieces in this process, in order. Raises MicrointerpError as Engine."""
    engine = Engine(job)
    for piece in pieces:
        yield piece.number, engine.run(piece)


def run_locally(job: Job, pieces: Pieces, workers: int, lost: LostWorkers) -> Answers:
    """Compute all pieces in `workers` processes; results come as they are ready.

    Raises:
        MicrointerpError: the first piece that cannot be computed, as Engine; WorkerError where a
            piece ends every process.
    """
    gathering = Gathering(pieces)
    answers: queue.Queue[tuple[int, Result] | None] = queue.Queue()
    servants = [_Servant(job, gathering, answers, lost) for _ in range(min(workers, len(pieces)))]
    for servant in servants:
        servant.start()
    try:
        while not gathering.finished():
            answer = answers.get()
            if answer is not None and gathering.done(answer[0]):
                yield answer
    finally:
        gathering.stop()
        for servant in servants:
            servant.end()


class _DiedError(Exception):
    """A process has ended instead of answering."""


class _Servant(threading.Thread):
    """Hands pieces to one process after the other."""

    def __init__(
        self,
        job: Job,
        gathering: Gathering,
        answers: queue.Queue[tuple[int, Result] | None],
        lost: LostWorkers,
    ) -> None:
        super().__init__(daemon=True)
        self._job, self._gathering, self._answers, self._lost = job, gathering, answers, lost
        self._child: _Child | None = None
        self._ended = False

    def run(self) -> None:
        """Until no piece is left."""
        while (number := self._gathering.take()) is not None:
            try:
                if self._child is None:
                    self._child = _Child(self._job)
                if self._ended:
                    break
                result = self._child.ask(self._gathering.pieces[number])
                self._answers.put((number, result))
                continue
            except _DiedError as death:
                if self._ended:
                    return
                self._child = None
                self._lost.count += 1
                self._gathering.lost(number, str(death))
            except BaseException as error:  # whatever it is, the one who waits must hear of it
                self._gathering.failed(number, error)
            self._answers.put(None)  # look again
        if self._child is not None:
            self._child.end()

    def end(self) -> None:
        """End the process, whatever it is doing, and the thread."""
        self._ended = True
        if (child := self._child) is not None:
            child.kill()
        self.join()


class _Child:
    """A process that computes pieces (worker_process.py)."""

    def __init__(self, job: Job) -> None:
        self._said = tempfile.TemporaryFile()  # noqa: SIM115
        self._process = subprocess.Popen(
            [sys.executable, "-m", "microinterp.evaluation.worker_process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            env={**os.environ, **_ONE_THREAD},
        )
        try:
            self.ask(job)
        except MicrointerpError:
            self.end()
            raise

    def ask(self, what: object) -> Any:
        """Send a job or a piece and wait for the answer.

        Raises:
            _DiedError: the process has ended.
            MicrointerpError: what went wrong over there.
        """
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        message = pickle.dumps(what, pickle.HIGHEST_PROTOCOL)
        try:
            stdin.write(message)
            stdin.flush()
            error, value = pickle.load(stdout)
        except (EOFError, OSError, ValueError, pickle.UnpicklingError):
            raise _DiedError(self._death()) from None
        if error is None:
            return value
        if isinstance(error, MicrointerpError):
            raise error
        raise WorkerError(f"a worker failed: {error}", hint="this is a bug: please report it")

    def kill(self) -> None:
        """End it now."""
        self._process.kill()

    def end(self) -> None:
        """End it, and free what it holds here."""
        self.kill()
        self._process.communicate()
        self._said.close()

    def _death(self) -> str:
        self.kill()  # a broken answer is an end too
        self._process.communicate()
        code = self._process.returncode
        self._said.seek(0)
        lines = self._said.read().decode(errors="replace").strip().splitlines()
        self._said.close()
        last = f": {printable(lines[-1], 200)}" if lines else ""
        if code < 0:
            return f"killed by {signal.Signals(-code).name}{last}"
        return f"with status {code}{last}"

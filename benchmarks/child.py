"""The parent's side of a runtime's process: a crash or a hang there is a message here."""

from __future__ import annotations

import pickle
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
TIMEOUT = 120.0


class RuntimeFailedError(Exception):
    """A runtime refused a model, crashed, or gave no answer; the text says which."""


class Child:
    """One runtime in a process of its own, started at the first request, again after a crash."""

    def __init__(self, name: str, timeout: float = TIMEOUT) -> None:
        self.name = name
        self.started = 0.0
        self._timeout = timeout
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Child:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def ask(self, command: str, *arguments: Any) -> Any:
        """The answer of the worker's method `command`.

        Raises:
            RuntimeFailedError: the runtime says no, died, or was killed after the timeout.
        """
        process = self._running()
        assert process.stdin is not None
        assert process.stdout is not None
        watchdog = threading.Timer(self._timeout, process.kill)
        watchdog.start()
        try:
            pickle.dump((command, arguments), process.stdin)
            process.stdin.flush()
            status, value = pickle.load(process.stdout)
        except (EOFError, OSError, pickle.UnpicklingError):
            raise RuntimeFailedError(self._death(watchdog)) from None
        finally:
            watchdog.cancel()
        if status == "error":
            raise RuntimeFailedError(" ".join(str(value).split()))
        return value

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            self.started = time.perf_counter()
            self._process = subprocess.Popen(
                [sys.executable, "-m", "benchmarks.worker", self.name],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                cwd=ROOT,
            )
        return self._process

    def _death(self, watchdog: threading.Timer) -> str:
        timed_out = watchdog.finished.is_set()
        process, self._process = self._process, None
        assert process is not None
        try:
            process.communicate(timeout=5)
        except subprocess.TimeoutExpired:  # it closed its pipe, and lives on
            process.kill()
            process.communicate()
        if timed_out:
            return f"no answer within {self._timeout:g} s"
        if process.returncode < 0:
            return f"crashed with {signal.Signals(-process.returncode).name}"
        return f"ended with status {process.returncode}"

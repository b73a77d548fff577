"""A runtime in a process of its own, and that process' side: a crash or a hang is a message."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from microinterp.closing import Closing
from microinterp.errors import RuntimeUnavailableError, printable

_LAST_SECONDS = 5.0  # for a process that has closed its pipe to end by itself
_MOST_SAID = 400  # letters of a message: LiteRT's have a line for each tensor


class Child(Closing):
    """One runtime, started at the first request, and again after a crash.

    Use as a context manager, or call close().

    Attributes:
        name: of the runtime, for messages.
        patience: seconds after which a request is given up and the process killed.
        started: when the process was started (time.perf_counter).
    """

    def __init__(
        self,
        name: str,
        module: str,
        *arguments: str,
        timeout: float,
        environment: Mapping[str, str] | None = None,
        folder: str | os.PathLike[str] | None = None,
        hints: Mapping[str, str] | None = None,
    ) -> None:
        """Nothing is started yet.

        Args:
            name: of the runtime, for messages.
            module: run as `python -m module arguments`; it calls `serve`.
            timeout: seconds after which a request is given up and the process killed.
            environment: variables besides this process' own.
            folder: to run in.
            hints: for errors, by a piece of what the runtime says.
        """
        self.name = name
        self.started = 0.0
        self._command = [sys.executable, "-m", module, *arguments]
        self._environment = {**os.environ, **(environment or {})}
        self._folder = folder
        self._hints = dict(hints or {})
        self.patience = timeout
        self._process: subprocess.Popen[bytes] | None = None

    def ask(self, command: str, *arguments: Any) -> Any:
        """What the process' function `command` returns.

        Raises:
            RuntimeUnavailableError: the function raises, or the process crashed, ended, or was
                killed after the timeout; the next request starts another one then.
        """
        process = self._running()
        assert process.stdin is not None
        assert process.stdout is not None
        watchdog = threading.Timer(self.patience, process.kill)
        watchdog.start()
        try:
            pickle.dump((command, arguments), process.stdin)
            process.stdin.flush()
            status, value = pickle.load(process.stdout)
        except (EOFError, OSError, pickle.UnpicklingError):
            raise RuntimeUnavailableError(self._death(watchdog)) from None
        finally:
            watchdog.cancel()
        if status == "error":
            said = printable(" ".join(str(value).split()), _MOST_SAID)
            hint = next((text for piece, text in self._hints.items() if piece in said), "")
            raise RuntimeUnavailableError(f"{self.name} says: {said}", hint=hint)
        return value

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            self.started = time.perf_counter()
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=self._environment,
                cwd=self._folder,
            )
        return self._process

    def _death(self, watchdog: threading.Timer) -> str:
        timed_out = watchdog.finished.is_set()
        process, self._process = self._process, None
        assert process is not None
        try:
            process.communicate(timeout=_LAST_SECONDS)
        except subprocess.TimeoutExpired:  # it closed its pipe, and lives on
            process.kill()
            process.communicate()
        if timed_out:
            return f"{self.name} gave no answer within {self.patience:g} s"
        if process.returncode < 0:
            return f"{self.name} crashed with {signal.Signals(-process.returncode).name}"
        return f"{self.name}'s process ended with status {process.returncode}"


def serve(function_of: Callable[[str], Callable[..., Any]]) -> None:
    """Answer a parent's requests on the standard pipes; what the runtime prints goes nowhere.

    Args:
        function_of: gives the function for a request's command.
    """
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    while True:
        try:
            command, arguments = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        try:
            answer = ("ok", function_of(command)(*arguments))
        except Exception as error:  # whatever it is, the parent must hear of it
            answer = ("error", f"{type(error).__name__}: {error}")
        pickle.dump(answer, answers)
        answers.flush()

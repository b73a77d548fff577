"""Python code, and the command line, in processes of their own, as users start them."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
_COMMAND = (sys.executable, "-m", "microinterp")


def python(code: str, *arguments: object, cwd: Path = ROOT, timeout: float = 600.0) -> str:
    """What this code prints; it must end well."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=timeout)
    assert done.returncode == 0, done.stderr
    return done.stdout


def command(
    *arguments: object, timeout: float = 60.0, **options: Any
) -> subprocess.CompletedProcess[str]:
    """How a command of `microinterp` ends, and what it prints."""
    words = [*_COMMAND, *map(str, arguments)]
    return subprocess.run(words, capture_output=True, text=True, timeout=timeout, **options)


def started(*arguments: object, **options: Any) -> subprocess.Popen[str]:
    """A command of `microinterp` that runs; its stdout, and what `options` name, can be read."""
    words = [*_COMMAND, *map(str, arguments)]
    return subprocess.Popen(words, text=True, **{"stdout": subprocess.PIPE, **options})


class Person:
    """Somebody at a terminal in which a command runs."""

    def __init__(self, *arguments: str) -> None:
        self._screen, terminal = os.openpty()
        self.process = started(*arguments, stdin=terminal, stdout=terminal, stderr=terminal)
        os.close(terminal)
        self.seen = b""

    def types(self, keys: bytes) -> None:
        os.write(self._screen, keys)

    def sees(self, text: bytes) -> bool:
        deadline = time.monotonic() + 10
        while text not in self.seen and time.monotonic() < deadline:
            if select.select([self._screen], [], [], 0.1)[0]:
                try:
                    self.seen += os.read(self._screen, 4096)
                except OSError:
                    break
        found = text in self.seen
        self.seen = self.seen.partition(text)[2]
        return found

    def leaves(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._screen)

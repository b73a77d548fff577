"""One life of a virtual board: a program behind a terminal of its own, from its start to its end.

Standard library only: the relay, which is run by its path, imports this by its bare name.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import termios
import tty
from abc import ABC, abstractmethod
from typing import IO

BUFFER = 4096
"""Bytes kept for a side that does not read."""
PROMPT = b">>> "
TAKE_TERMINAL = """
import fcntl, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)  # so that it gets a hang-up should the relay be killed

def told(*error):  # Python 3.13 itself would colour it, since this is a terminal
    import traceback
    traceback.print_exception(*error)

sys.excepthook = told
"""
_EXECUTE = """
import os, resource
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
os.execvp(sys.argv[1], sys.argv[1:])
"""
_KEPT = ("PATH", "LANG", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
_SAID = 4096  # bytes of standard error that are worth reading
_OUTPUT_MODES = 1  # in the list of tcgetattr


class Life(ABC):
    """A program whose standard input and output are a terminal, and the master of that.

    `starts_again`: it ends when the board is reset, which is no end of the board. `guess`: see
    Interpreter. `in_raw`: it was last seen in the raw REPL.
    """

    starts_again = False
    guess = False
    in_raw = False

    def __init__(
        self,
        code: str,
        arguments: list[str],
        folder: str,
        environment: dict[str, str],
        errors: IO[bytes] | None = None,
    ) -> None:
        """Start Python with `code`; its standard error goes to the terminal, or to `errors`."""
        self.master, slave = os.openpty()
        self._terminal = os.ttyname(slave)
        tty.setraw(slave)
        modes = termios.tcgetattr(slave)
        modes[_OUTPUT_MODES] = 0  # QEMU switches output processing on again
        termios.tcsetattr(slave, termios.TCSANOW, modes)
        os.set_blocking(self.master, False)
        self.process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", TAKE_TERMINAL + code, *arguments],
            stdin=slave,
            stdout=slave,
            stderr=slave if errors is None else errors,
            start_new_session=True,
            cwd=folder,
            env={key: os.environ[key] for key in _KEPT if key in os.environ} | environment,
        )
        os.close(slave)

    @property
    @abstractmethod
    def is_up(self) -> bool:
        """Whether it has come up."""

    @property
    def may_type(self) -> bool:
        """Whether what a host types may go to it now."""
        return True

    def read(self) -> bytes | None:
        """What it has written, for the host; None when it has ended."""
        try:
            return os.read(self.master, BUFFER)
        except BlockingIOError:
            return None if self.process.poll() is not None else b""
        except OSError:  # EIO: nobody has the other end open
            return None

    def write(self, data: bytes) -> int:
        """Type into its terminal; returns how many bytes went."""
        try:
            return os.write(self.master, data)
        except OSError:
            return 0

    def take_unread(self) -> bytes:
        """Take away what was typed and not yet read (Linux)."""
        terminal = os.open(self._terminal, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        try:
            taken = b""
            with contextlib.suppress(BlockingIOError):
                while data := os.read(terminal, BUFFER):
                    taken += data
            return taken
        finally:
            os.close(terminal)

    @property
    def catches_interrupts(self) -> bool:
        """Whether 0x03 would be acted on by `take_interrupt`."""
        return False

    def take_interrupt(self) -> bool:
        """Act on one 0x03 where the program itself would not; False if it is a byte like others."""
        return False

    def last_words(self) -> str:
        """What it said where the host cannot see it."""
        return ""

    def kill(self) -> None:
        """Kill it and whatever it started."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def end(self) -> None:
        """Kill it and give its terminal up; nothing happens the second time."""
        master, self.master = self.master, -1
        if master >= 0:
            self.kill()
            os.close(master)


class Machine(Life):
    """A machine that QEMU imitates. Its serial line is the terminal; it ends when QEMU does."""

    def __init__(self, command: list[str]) -> None:
        """Start QEMU with its serial line on standard input and output."""
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as the machine
        self._said = b""
        self._is_up = False
        super().__init__(_EXECUTE, command, "/", {}, self._errors)

    @property
    def is_up(self) -> bool:
        """Whether a prompt has come."""
        return self._is_up

    def read(self) -> bytes | None:
        """As Life.read; looks for the first prompt."""
        data = super().read()
        if data and not self._is_up:
            self._said = self._said[-len(PROMPT) :] + data
            self._is_up = PROMPT in self._said
        return data

    def last_words(self) -> str:
        """What QEMU said on standard error, without warnings."""
        self._errors.seek(0)
        lines = self._errors.read(_SAID).decode(errors="replace").splitlines()
        return "\n".join(line for line in lines if ": warning: " not in line).strip()

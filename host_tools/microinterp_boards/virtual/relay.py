"""The process of a virtual board: it stands between the port and what answers there.

    host <-> slave B | master B <-> this relay <-> master A | slave A <-> MicroPython or QEMU

Run as a program by its path, with the standard library only. It holds slave B open, so that hosts
come and go; it drops output that no host reads; it starts the unix port again when that ends (its
soft reset), and turns 0x03 into an interrupt exactly when a board would; and it ends, with
everything it started, when its standard input does, which is a pipe from the process that wanted
the board.

argv[1] is JSON: registry (file to announce the board in), entry (what to announce), temporary
(folder to delete in the end, or nothing), and either command (of QEMU), or for the unix port:
library (of the interpreter), boot (its source text), heap, folder, flash (0 for none), guess (find
out as on systems without /proc whether a program can be interrupted). On stdout it writes lines of
JSON: {"port": ...}, or {"error": ...} and ends; and {"ended": ...} if the board ends by itself.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import shutil
import signal
import sys
import time
import tty
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING or __package__:
    from microinterp_boards.virtual.life import BUFFER, PROMPT, Life, Machine
    from microinterp_boards.virtual.unix_life import Interpreter
else:
    sys.path.append(os.path.dirname(__file__))
    from life import BUFFER, PROMPT, Life, Machine
    from unix_life import Interpreter

_PATIENCE = 0.5  # seconds without a reader after which output is dropped, as TinyUSB does
_GLANCE = 0.05  # seconds in which a prompt would have come
_LOOK = 0.25  # seconds between looks at what no file descriptor tells
_BACKLOG = 1 << 18  # bytes that a terminal can hold, and more
_START_LIMIT = 10.0  # seconds to come up
_BACKOFF = 0.05  # seconds between restarts, so that a main.py that resets does not eat the machine
_INTERRUPT = b"\x03"
_CONTROLS = b"\r\n\x01\x02\x03\x04"


class Relay:
    """The board: its port, and one life after the other behind it."""

    def __init__(self, config: dict[str, Any]) -> None:
        """Open the port and start what answers there."""
        self.config = config
        self.parent = os.getppid()
        self.port, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self.port, False)
        self.name = os.ttyname(self._slave)
        self.to_board, self.to_host = b"", b""
        self.stalled: float | None = None  # since when no host reads
        self.started = time.monotonic()
        self.is_over = False
        self.life = self._life(raw=False)

    def _life(self, raw: bool) -> Life:
        if "command" in self.config:
            return Machine(self.config["command"])
        return Interpreter(self.config, raw)

    def start_up(self) -> str:
        """Wait until it has come up; returns what is wrong, or nothing."""
        said = b""
        while not self.life.is_up:
            left = self.started + _START_LIMIT - time.monotonic()
            if left <= 0 or said.endswith(PROMPT):
                return self._said(said) or "it does not answer"
            select.select([self.life.master], [], [], left)
            data = self.life.read()
            if data is None:
                return self._said(said) or "it ended at once"
            said += data
        self._say(said)
        return ""

    def _said(self, said: bytes) -> str:
        return self.life.last_words() or said.decode(errors="replace").strip()

    def last_words(self) -> str:
        """Why it has ended, as far as is known."""
        return self.life.last_words()

    def run(self) -> None:
        """Carry bytes until the parent goes."""
        lifeline = sys.stdin.fileno()
        while os.getppid() == self.parent and not self.is_over:
            read, _, _ = select.select(*self._interest(lifeline), self._patience())
            if lifeline in read and not os.read(lifeline, 1):
                return
            if self.port in read:
                self._from_host(os.read(self.port, BUFFER))
            if self.life.master in read or self.life.process.poll() is not None:
                self._from_board()
            self._flush()

    def _interest(self, lifeline: int) -> tuple[list[int], list[int], list[int]]:
        master = self.life.master
        read = [lifeline]
        if len(self.to_board) < BUFFER:
            read.append(self.port)
        if len(self.to_host) < BUFFER:
            read.append(master)
        write = [master] if self._may_type() else []
        return read, write + ([self.port] if self.to_host else []), []

    def _patience(self) -> float:
        """Seconds to wait for whatever comes."""
        return _LOOK

    def _may_type(self) -> bool:
        """Whether there is something to type, and it may be typed."""
        return bool(self.to_board) and self.life.may_type

    def _from_host(self, data: bytes) -> None:
        """Hand on what the host typed; an interrupt overtakes and drops what was not yet read."""
        if self.life.guess and _INTERRUPT in data:
            if data.strip(_CONTROLS):  # where interrupts are guessed, only those typed alone count
                self.to_board += data
                return
            time.sleep(_GLANCE)  # a prompt that is on its way shows that nothing runs
            while self._from_board() and len(self.to_host) < _BACKLOG:
                pass
        while _INTERRUPT in data and self.life.take_interrupt():
            self.to_board, data = b"", data.partition(_INTERRUPT)[2]
        self.to_board += data

    def _from_board(self) -> bool:
        """Take what the board has printed; False if that was nothing, or it has ended."""
        data = self.life.read()
        if data is None:
            self._reset()
            return False
        self._say(data)
        return bool(data)

    def _say(self, data: bytes) -> None:
        """Send the host what the board has printed."""
        self.to_host += data

    def _reset(self) -> None:
        """A life has ended: sys.exit, machine.reset, ^D at a prompt, or a crash."""
        if not self.life.starts_again:
            self.is_over = True
            return
        self._start_again(self.life.in_raw, b"MPY: soft reboot\r\n")

    def _start_again(self, raw: bool, words: bytes) -> None:
        """Begin a new life with these words; in the raw REPL if `raw`."""
        self.life.end()
        self.to_board = b""
        self._say(words)
        time.sleep(max(0.0, self.started + _BACKOFF - time.monotonic()))
        self.started = time.monotonic()
        self.life = self._life(raw)

    def _flush(self) -> None:
        """Write as much as either side takes; what no host reads is dropped in the end."""
        if self._may_type():
            self.to_board = self.to_board[self.life.write(self.to_board) :]
        if not self.to_host:
            return
        try:
            sent = os.write(self.port, self.to_host)
        except BlockingIOError:
            sent = 0
        now = time.monotonic()
        if sent:
            self.to_host, self.stalled = self.to_host[sent:], None
        elif self.stalled is None:
            self.stalled = now
        elif now - self.stalled > _PATIENCE:
            self.to_host = b""

    def announce(self) -> None:
        """Write the file of the registry, locked for as long as this process lives."""
        path = Path(self.config["registry"])
        hidden = path.with_suffix(".new")
        descriptor = os.open(hidden, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        entry = self.config["entry"] | {"port": self.name, "pid": os.getpid()}
        os.write(descriptor, json.dumps(entry).encode())
        hidden.rename(path)


def main(kind: type[Relay] = Relay) -> None:
    """Be a board until standard input ends."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(0))
    config = json.loads(sys.argv[1])
    relay = None
    try:
        relay = kind(config)
        error = relay.start_up()
        if not error:
            relay.announce()
        _tell({"error": error} if error else {"port": relay.name})
        if not error:
            relay.run()
            if relay.is_over:
                _tell({"ended": relay.last_words()})
    except OSError as problem:
        _tell({"error": str(problem)})
    finally:
        if relay is not None:
            relay.life.end()
        Path(config["registry"]).unlink(missing_ok=True)
        if config["temporary"]:
            shutil.rmtree(config["temporary"], ignore_errors=True)


def _tell(message: dict[str, str]) -> None:
    """One line for whoever started this board, if it still listens."""
    with contextlib.suppress(OSError):
        os.write(1, json.dumps(message).encode() + b"\n")


if __name__ == "__main__":
    main()

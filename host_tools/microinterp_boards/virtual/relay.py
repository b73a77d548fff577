"""The process of a virtual board: MicroPython's unix port between two pseudo-terminals.

    host <-> slave B | master B <-> this relay <-> master A | slave A <-> MicroPython

Run as a program by its path, with the standard library only. It holds slave B open, so that hosts
come and go; it starts the interpreter again when that ends (the unix port's soft reset); it turns
0x03 into an interrupt exactly when a board would; and it ends, with everything it started, when
its standard input does, which is a pipe from the process that wanted the board.

argv[1] is JSON: library (of the interpreter), boot (its source text), heap, folder, flash (0 for
none), temporary (delete the folder in the end), registry (file to announce the board in), guess
(find out as on systems without /proc whether a program can be interrupted). On stdout it writes
one line of JSON: {"port": ...}, or {"error": ...} and ends.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import select
import shutil
import signal
import subprocess
import sys
import time
import tty
from pathlib import Path
from typing import Any

_LOADER = """
import fcntl, sys, termios
from importlib.util import module_from_spec, spec_from_file_location
fcntl.ioctl(0, termios.TIOCSCTTY, 0)  # so that it gets a hang-up should the relay be killed
spec = spec_from_file_location("micropython_run", sys.argv[1])
module = module_from_spec(spec)
spec.loader.exec_module(module)
module.run_main(["micropython", *sys.argv[2:]])
"""
_BUFFER = 4096  # bytes kept for a side that does not read
_PATIENCE = 0.5  # seconds without a reader after which output is dropped, as TinyUSB does
_SETTLE = 1.0  # seconds in which an interrupt must have been seen; a second one could kill
_GLANCE = 0.05  # seconds in which a prompt would have come
_BACKLOG = 1 << 18  # bytes that a terminal can hold, and more
_START_LIMIT = 10.0  # seconds for the interpreter to come up
_BACKOFF = 0.05  # seconds between restarts, so that a main.py that resets does not eat the machine
_RAW = b"raw REPL; CTRL-B to exit\r\n>"
_FRIENDLY = b'Type "help()" for more information.\r\n>>> '
_PROMPT = b">>> "
_PROMPTS = (_PROMPT, b"... ", b"=== ", b"\r\n>", b"\x04>")
_INTERRUPT, _ENTER_RAW = b"\x03", b"\x01"
_CONTROLS = b"\r\n\x01\x02\x03\x04"

# Phases of a life: until the filesystem is there, until boot files have ended, a banner that the
# host must not see (after a soft reset from the raw REPL only), and then whatever it prints.
_BOOTING, _BOOT_FILES, _BANNER, _OPEN = range(4)


class Interpreter:
    """One life of MicroPython, from a reset to the next, and the master of its terminal.

    `in_raw` says whether the REPL that it announced last is the raw one.
    """

    def __init__(self, config: dict[str, Any], raw: bool) -> None:
        """Start it; in the raw REPL if `raw`, as after a soft reset from there."""
        self.in_raw = self.started_raw = raw
        self.guess = config["guess"] or not os.path.exists("/proc/self/status")
        self.phase = _BOOTING
        self._token = b"\0%s\0" % secrets.token_hex(8).encode()
        self._held = b""
        self._tail = b""
        self._interrupted = -_SETTLE
        self.master, slave = os.openpty()
        tty.setraw(slave)
        os.set_blocking(self.master, False)
        self.process = self._start(config, slave)
        os.close(slave)

    def _start(self, config: dict[str, Any], slave: int) -> subprocess.Popen[bytes]:
        arguments = (config["folder"].encode(), self._token, config["flash"], int(self.in_raw))
        boot = f"{config['boot']}\n_boot{arguments!r}\ndel _boot\n"
        python = [sys.executable, "-I", "-S", "-c", _LOADER, config["library"]]
        keep = ("PATH", "LANG", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
        environment = {key: os.environ[key] for key in keep if key in os.environ}
        return subprocess.Popen(
            [*python, "-X", f"heapsize={config['heap']}", "-i", "-c", boot],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            cwd=config["folder"],
            env=environment | {"MICROPYPATH": ".frozen:/lib"},
        )

    def read(self) -> bytes | None:
        """What it has written, for the host; None when it has ended."""
        try:
            data = os.read(self.master, _BUFFER)
        except BlockingIOError:
            return None if self.process.poll() is not None else b""
        except OSError:  # EIO: nobody has the other end open
            return None
        data = self._filtered(data)
        seen = self._tail + data
        raw, friendly = seen.rfind(_RAW), seen.rfind(_FRIENDLY)
        if raw != friendly:
            self.in_raw = raw > friendly
        self._tail = seen[-64:]
        if not self._catches_interrupts():
            self._interrupted = -_SETTLE
        return data

    def _filtered(self, data: bytes) -> bytes:
        """Without the tokens that end a phase, and without a banner that a board would not show."""
        data, self._held, out = self._held + data, b"", b""
        while self.phase != _OPEN:
            end = _PROMPT if self.phase == _BANNER else self._token
            before, found, rest = data.partition(end)
            if not found:
                keep = len(before) if self.phase == _BANNER else _overlap(before, end)
                self._held = before[len(before) - keep :]
                return out + before[: len(before) - keep]
            data = rest
            if self.phase == _BANNER:
                self.write(_ENTER_RAW)
            else:
                out += before
            skip_banner = self.phase == _BOOT_FILES and not self.started_raw
            self.phase += 2 if skip_banner else 1
        return out + data

    def write(self, data: bytes) -> int:
        """Type into its terminal; returns how many bytes went."""
        try:
            return os.write(self.master, data)
        except OSError:
            return 0

    def take_interrupt(self) -> bool:
        """Act on one 0x03 as a board does; False if it is data, at a prompt or by kbd_intr(-1)."""
        if not self._catches_interrupts():
            return False
        now = time.monotonic()
        if now - self._interrupted > _SETTLE:
            self._interrupted = now
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.process.pid, signal.SIGINT)
        return True

    def _catches_interrupts(self) -> bool:
        """Whether it has a handler for SIGINT, which is so while code runs with kbd_intr(3)."""
        if self.phase == _BOOTING:
            return False
        if self.guess:
            return not self._tail.endswith(_PROMPTS)
        try:
            status = Path(f"/proc/{self.process.pid}/status").read_text()
        except OSError:
            return False
        caught = int(status.partition("SigCgt:")[2].split()[0], 16)
        return bool(caught >> (signal.SIGINT - 1) & 1)

    def end(self) -> None:
        """Kill it and whatever it started."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        os.close(self.master)


def _overlap(data: bytes, pattern: bytes) -> int:
    """Length of the longest end of `data` that is a beginning of `pattern`."""
    sizes = range(min(len(data), len(pattern) - 1), 0, -1)
    return next((size for size in sizes if pattern.startswith(data[-size:])), 0)


class Relay:
    """The board: its port, and one interpreter after the other behind it."""

    def __init__(self, config: dict[str, Any]) -> None:
        """Open the port and start the interpreter."""
        self.config = config
        self.parent = os.getppid()
        self.port, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self.port, False)
        self.name = os.ttyname(self._slave)
        self.to_board, self.to_host = b"", b""
        self.stalled: float | None = None  # since when no host reads
        self.started = time.monotonic()
        self.interpreter = Interpreter(config, False)

    def start_up(self) -> str:
        """Wait until the interpreter has its filesystem; returns what is wrong, or nothing."""
        said = b""
        while self.interpreter.phase == _BOOTING:
            left = self.started + _START_LIMIT - time.monotonic()
            if left <= 0 or said.endswith(_PROMPT):
                return said.decode(errors="replace").strip() or "the interpreter does not answer"
            select.select([self.interpreter.master], [], [], left)
            data = self.interpreter.read()
            if data is None:
                return said.decode(errors="replace").strip() or "the interpreter ended"
            said += data
        self.to_host = said
        return ""

    def run(self) -> None:
        """Carry bytes until the parent goes."""
        lifeline = sys.stdin.fileno()
        while os.getppid() == self.parent:
            read, _, _ = select.select(*self._interest(lifeline), 0.25)
            if lifeline in read and not os.read(lifeline, 1):
                return
            if self.port in read:
                self._from_host(os.read(self.port, _BUFFER))
            if self.interpreter.master in read or self.interpreter.process.poll() is not None:
                self._from_board()
            self._flush()

    def _interest(self, lifeline: int) -> tuple[list[int], list[int], list[int]]:
        master = self.interpreter.master
        read = [lifeline]
        if len(self.to_board) < _BUFFER:
            read.append(self.port)
        if len(self.to_host) < _BUFFER:
            read.append(master)
        write = [master] if self._may_type() else []
        return read, write + ([self.port] if self.to_host else []), []

    def _may_type(self) -> bool:
        """Whether there is something to type, and it would not go to a REPL about to be left."""
        life = self.interpreter
        return bool(self.to_board) and (life.phase == _OPEN or not life.started_raw)

    def _from_host(self, data: bytes) -> None:
        """Hand on what the host typed; an interrupt overtakes and drops what was not yet read."""
        if self.interpreter.guess and _INTERRUPT in data:
            if data.strip(_CONTROLS):  # where interrupts are guessed, only those typed alone count
                self.to_board += data
                return
            time.sleep(_GLANCE)  # a prompt that is on its way shows that nothing runs
            while self._from_board() and len(self.to_host) < _BACKLOG:
                pass
        while _INTERRUPT in data and self.interpreter.take_interrupt():
            self.to_board, data = b"", data.partition(_INTERRUPT)[2]
        self.to_board += data

    def _from_board(self) -> bool:
        """Take what the board has printed; False if that was nothing, or it has ended."""
        data = self.interpreter.read()
        if data is None:
            self._reset()
            return False
        self.to_host += data
        return bool(data)

    def _reset(self) -> None:
        """The interpreter has ended: sys.exit, machine.reset, ^D at a prompt, or a crash."""
        raw = self.interpreter.in_raw
        self.interpreter.end()
        self.to_board = b""
        self.to_host += b"MPY: soft reboot\r\n"
        time.sleep(max(0.0, self.started + _BACKOFF - time.monotonic()))
        self.started = time.monotonic()
        self.interpreter = Interpreter(self.config, raw)

    def _flush(self) -> None:
        """Write as much as either side takes; what no host reads is dropped in the end."""
        if self._may_type():
            self.to_board = self.to_board[self.interpreter.write(self.to_board) :]
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
        entry = {"kind": "unix", "port": self.name, "pid": os.getpid()}
        entry |= {key: self.config[key] for key in ("heap", "folder")}
        os.write(descriptor, json.dumps(entry).encode())
        hidden.rename(path)


def main() -> None:
    """Be a board until standard input ends."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(0))
    config = json.loads(sys.argv[1])
    relay = None
    try:
        relay = Relay(config)
        error = relay.start_up()
        if not error:
            relay.announce()
        _tell({"error": error} if error else {"port": relay.name})
        if not error:
            relay.run()
    except OSError as problem:
        _tell({"error": str(problem)})
    finally:
        if relay is not None:
            relay.interpreter.end()
        Path(config["registry"]).unlink(missing_ok=True)
        if config["temporary"]:
            shutil.rmtree(config["folder"], ignore_errors=True)


def _tell(message: dict[str, str]) -> None:
    """One line for whoever started this board, if it still listens."""
    with contextlib.suppress(OSError):
        os.write(1, json.dumps(message).encode() + b"\n")


if __name__ == "__main__":
    main()

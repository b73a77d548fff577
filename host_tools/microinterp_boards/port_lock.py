"""One process at a time on a port, also where the operating system does not see to it.

A file for each port in the folder of running boards (see virtual/registry.py), held by a lock of
the operating system, so that a process that dies has given it back. It serves the programs of one
user that use this package: others are kept away by the exclusive opening of local ports only.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

from microinterp.errors import DeviceError, printable, printable_path
from microinterp_boards.virtual.registry import directory

NETWORK = ("socket", "rfc2217")
"""Schemes of ports behind a network."""
_LOOPBACK = ("localhost", "::1")
_MOST = 1000  # bytes that are read of a lock file
_SHOWN = 100  # characters of the program that has the port


class PortBusyError(DeviceError):
    """Another process, or another Board of this one, has the port open."""


def identity(port: str, platform: str = sys.platform) -> str:
    """One text for all names of a port; "" for one that each program has for itself.

    Links such as those in /dev/serial/by-id are followed. Names of hosts are not looked up.
    """
    scheme, is_url, _ = port.partition("://")
    if scheme.lower() in NETWORK and is_url:
        parts = urlsplit(port)
        host = parts.hostname or ""
        return f"tcp {'127.0.0.1' if host in _LOOPBACK else host} {parts.port}"
    if is_url:
        return "" if scheme.lower() == "loop" else port
    if platform == "win32":
        return port.upper().removeprefix("\\\\.\\")
    path = os.path.realpath(port)
    call_in, call_out = "/dev/tty.", "/dev/cu."  # two names of macOS for one port
    if platform == "darwin" and path.startswith(call_in):
        path = call_out + path.removeprefix(call_in)
    return path


class PortLock:
    """Holds a port from the start until `release`, or the end of the process."""

    def __init__(self, port: str) -> None:
        """Take the lock of `port`, without waiting.

        Raises PortBusyError that names the process that has it; DeviceError if there is no folder
        for the lock.
        """
        self._file: BinaryIO | None = None
        name = identity(port)
        if not name:
            return
        digest = hashlib.sha256(name.encode(errors="surrogateescape")).hexdigest()[:16]
        self._path = directory() / f"port-{digest}.lock"
        try:
            self._file = _taken(self._path, port)
            self._file.truncate(0)
            self._file.write(json.dumps({"pid": os.getpid(), "program": _program()}).encode())
        except OSError as error:
            shown = printable_path(str(self._path))
            reason = error.strerror or error
            raise DeviceError(f"cannot lock the port by the file '{shown}': {reason}") from None

    def release(self) -> None:
        """Give the port to others; nothing happens the second time."""
        file, self._file = self._file, None
        if file is None:
            return
        if sys.platform != "win32":  # whoever opens it meanwhile sees that it is not that file now
            with contextlib.suppress(OSError):
                self._path.unlink()
        file.close()


def _taken(path: Path, port: str) -> BinaryIO:
    """The file, locked. One that its last holder has removed meanwhile does not count."""
    while True:
        file = path.open("a+b", buffering=0)
        if not _lock(file.fileno()):
            with file:
                file.seek(0)
                raise _busy(port, file.read(_MOST))
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return file
        file.close()


if sys.platform == "win32":
    import msvcrt

    _FAR = 1 << 30  # the byte that is locked: nobody else can read it, and what is told lies before

    def _lock(descriptor: int) -> bool:
        """Lock an open file; False if somebody else has it."""
        os.lseek(descriptor, _FAR, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except PermissionError:
            return False
        return True

else:
    import fcntl

    def _lock(descriptor: int) -> bool:
        """Lock an open file; False if somebody else has it."""
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def _program() -> str:
    words = [Path(sys.orig_argv[0]).name, *sys.orig_argv[1:]] if sys.orig_argv else []
    return printable(" ".join(words), _SHOWN)


def _busy(port: str, told: bytes) -> PortBusyError:
    name = printable(port)
    try:
        holder = json.loads(told)
        pid, program = int(holder["pid"]), printable(str(holder["program"]), _SHOWN)
    except (ValueError, TypeError, KeyError):  # it has not written yet
        pid, program = 0, ""
    if pid == os.getpid():
        return PortBusyError(
            f"{name}: the port is busy, this process has it open already",
            hint="close the other program, here another Board of the same one, and try again",
        )
    who = f"process {pid} ({program})" if pid else "another process"
    return PortBusyError(
        f"{name}: the port is busy, {who} has it open",
        hint="close the other program and try again",
    )

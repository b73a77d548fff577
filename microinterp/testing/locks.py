"""Locks between processes: two workers of xdist must not open one port, or write one bundle."""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from microinterp.errors import InputError, printable_path

if sys.platform == "win32":
    import contextlib
    import msvcrt

    _LOCKED_BYTE = 1 << 20  # far behind the notes, which stay readable

    def _lock(file: IO[str]) -> None:
        os.lseek(file.fileno(), _LOCKED_BYTE, os.SEEK_SET)
        while True:
            with contextlib.suppress(OSError):  # after ten tries, a second each
                return msvcrt.locking(file.fileno(), msvcrt.LK_LOCK, 1)

else:
    import fcntl

    def _lock(file: IO[str]) -> None:
        fcntl.flock(file, fcntl.LOCK_EX)


@contextmanager
def alone(name: str) -> Iterator[IO[str]]:
    """Wait until no other process is inside with this name, and keep them out.

    The lock is on a file in the folder of temporary files, and ends with the process that holds it.
    Gives that file, for notes to whoever comes next.

    Raises:
        InputError: the file cannot be made or locked.
    """
    digest = hashlib.sha256(os.fsencode(name)).hexdigest()
    path = _folder() / f"{digest[:32]}.lock"
    try:
        file = open(path, "a+", encoding="utf-8")  # noqa: SIM115
    except OSError as error:
        raise _unusable(path, error) from None
    with file:
        try:
            _lock(file)
        except OSError as error:
            raise _unusable(path, error) from None
        yield file


def _folder() -> Path:
    user = os.getuid() if sys.platform != "win32" else 0
    path = Path(tempfile.gettempdir()) / f"microinterp-locks-{user}"
    try:
        path.mkdir(mode=0o700, exist_ok=True)
        status = path.lstat()
    except OSError as error:
        raise _unusable(path, error) from None
    if sys.platform != "win32" and (status.st_uid != user or status.st_mode & 0o22):
        raise _unusable(path, PermissionError(0, "somebody else can write to it"))
    return path


def _unusable(path: Path, error: OSError) -> InputError:
    return InputError(
        f"cannot use '{printable_path(str(path))}' for locks: {error.strerror or error}",
        hint="set TMPDIR to a folder of your own",
    )

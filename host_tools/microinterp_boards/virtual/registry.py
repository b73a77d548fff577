"""The virtual boards that run now: one JSON file each in a folder of this user.

A board's process holds a lock on its file for as long as it lives, so that a file nobody holds is
what a killed board left behind, and is removed by whoever looks next.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path

from microinterp.errors import DeviceError, printable_path


@dataclass(frozen=True, slots=True)
class RunningBoard:
    """A virtual board that runs now: its kind, port and process.

    heap: bytes, 0 where the firmware decides; folder: of its files, or empty; cpu: "m4", "m3" or
    "m7" of a qemu board, else empty.
    """

    kind: str
    port: str
    pid: int
    heap: int
    folder: str
    cpu: str

    @property
    def description(self) -> str:
        """One line for lists of ports."""
        about = [f"{self.kind} {self.cpu}".strip()]
        about += [f"heap {self.heap}"] if self.heap else []
        return ", ".join(about + ([f"in {self.folder}"] if self.folder else []))


def directory() -> Path:
    """The folder of the registry, made if need be. Raises DeviceError if others can write to it."""
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    user = os.getuid() if sys.platform != "win32" else 0
    if os.path.isdir(runtime):
        path = Path(runtime) / "microinterp"
    else:
        path = Path(tempfile.gettempdir()) / f"microinterp-{user}"
    try:
        path.mkdir(mode=0o700, exist_ok=True)
        status = path.lstat()
    except OSError as error:
        raise DeviceError(f"cannot use the folder '{printable_path(str(path))}': {error}") from None
    if sys.platform != "win32" and (status.st_uid != user or status.st_mode & 0o22):
        raise DeviceError(
            f"the folder '{printable_path(str(path))}' can be written by somebody else",
            hint="remove it, or set XDG_RUNTIME_DIR to a folder of your own",
        )
    return path


def running_boards() -> list[RunningBoard]:
    """The virtual boards of this user that run now, oldest process first."""
    if sys.platform == "win32":
        return []
    found = [board for path in sorted(directory().glob("*.json")) for board in _read(path)]
    return sorted(found, key=lambda board: board.pid)


if sys.platform != "win32":
    import fcntl

    def _read(path: Path) -> Iterator[RunningBoard]:
        """The board of a file; nothing if it is no board's any more."""
        try:
            with path.open("rb") as file:
                if _is_held(file.fileno()):
                    yield from _parse(file.read(10_000))
                else:
                    path.unlink(missing_ok=True)
        except OSError:
            return

    def _is_held(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


def _parse(data: bytes) -> Iterator[RunningBoard]:
    try:
        values = json.loads(data)
        if all(type(values[each.name]).__name__ == each.type for each in fields(RunningBoard)):
            yield RunningBoard(**{each.name: values[each.name] for each in fields(RunningBoard)})
    except (ValueError, TypeError, KeyError):
        return

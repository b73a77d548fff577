"""A firmware file onto a bootloader's volume: written piece by piece, and what became of it.

Each piece is on the device before the next is handed over, so that a volume that goes away tells
how far it got. A UF2 bootloader goes away when it has all blocks; DAPLink mounts itself anew, with
a FAIL.TXT if it has refused the file.
"""

from __future__ import annotations

import contextlib
import errno
import os
import time
from dataclasses import dataclass
from pathlib import Path

from microinterp.errors import DeviceError, printable, printable_path
from microinterp_boards.deploy import Progress
from microinterp_boards.flash.volumes import Volume, describe, text_of

_PIECE = 32 * 1024
_POLL = 0.1  # seconds
_LEAVING = 3.0  # seconds that a bootloader may take to go, however impatient the user is
_NAMES = {"uf2": "FIRMWARE.UF2", "hex": "FIRMWARE.HEX"}
_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0)
_AGAIN = "put the board into its bootloader again, and try again; its boot ROM cannot be lost"


@dataclass(frozen=True, slots=True)
class Copied:
    """What became of a copy.

    Attributes:
        was_taken: the bootloader has gone, or DAPLink has mounted itself anew without a complaint;
            False if the volume is as it was.
        is_read_back: the file was read from the device again and is the same; None if that was not
            possible.
    """

    was_taken: bool
    is_read_back: bool | None = None


def copy(volume: Volume, data: bytes, patience: float, progress: Progress) -> Copied:
    """Write `data` to a volume and wait `patience` seconds, or a few, for the board to take it.

    Raises DeviceError if it was not written whole, or was refused.
    """
    target = volume.path / _NAMES[volume.kind]
    has_left = _write(volume, target, data, progress)
    if volume.kind == "hex":
        return Copied(_wait_for_daplink(volume, patience))
    deadline = time.monotonic() + max(patience, _LEAVING)
    while not has_left and time.monotonic() < deadline:
        has_left = not _is_there(volume)
        time.sleep(_POLL)
    found = None if has_left else _read_back(target)
    if has_left or not _is_there(volume):
        return Copied(was_taken=True)
    if found is not None and found != data:
        raise DeviceError(
            f"{volume}: the bootloader did not take the file: it is still there, and what it gives"
            " back is not what was written",
            hint=_AGAIN,
        )
    return Copied(False, None if found is None else True)


def _write(volume: Volume, target: Path, data: bytes, progress: Progress) -> bool:
    """Write all of it; returns whether the volume went with the last piece, as it should."""
    done = size = 0
    try:
        descriptor = os.open(target, _FLAGS)
        try:
            while done < len(data):
                size = min(_PIECE, len(data) - done)
                _write_piece(descriptor, data[done : done + size])
                done += size
                progress(done, len(data))
                if done < len(data) and not _is_there(volume):
                    raise OSError(errno.ENODEV, "the volume is gone")
        finally:
            with contextlib.suppress(OSError):  # everything was flushed: nothing can be lost here
                os.close(descriptor)
    except OSError as error:
        if not _is_there(volume) and done + size >= len(data) and size:
            return True
        raise _not_written(volume, target, error, done, len(data)) from None
    return False


def _write_piece(descriptor: int, piece: bytes) -> None:
    while piece:
        piece = piece[os.write(descriptor, piece) :]
    os.fsync(descriptor)


def _not_written(volume: Volume, target: Path, error: OSError, done: int, of: int) -> DeviceError:
    reached = f"{done:,} of {of:,} bytes were written"
    if volume.kind == "hex" and (complaint := _complaint(volume, 3.0)):
        return _refused(volume, complaint)
    if not _is_there(volume):
        return DeviceError(
            f"{volume}: the volume went away while it was written to; {reached}", hint=_AGAIN
        )
    with contextlib.suppress(OSError):
        target.unlink()
    if error.errno == errno.ENOSPC:
        return DeviceError(
            f"{volume}: the volume is full; {reached}, and removed again",
            hint="a bootloader's volume takes any firmware for its chip: is this one, and empty?",
        )
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return DeviceError(
            f"{volume}: no permission to write: {error.strerror}",
            hint=f"mount it so that you may write to {printable_path(str(volume.path))}",
        )
    return DeviceError(f"{volume}: cannot write: {error.strerror}; {reached}", hint=_AGAIN)


def _is_there(volume: Volume) -> bool:
    now = describe(volume.path)
    return now is not None and now.board_id == volume.board_id


def _read_back(target: Path) -> bytes | None:
    """The file as the device has it, not as this host remembers it; None if that cannot be had."""
    advise = getattr(os, "posix_fadvise", None)
    if advise is None:
        return None
    try:
        with target.open("rb") as file:
            advise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            return file.read()
    except OSError:
        return b""


def _wait_for_daplink(volume: Volume, patience: float) -> bool:
    """Whether DAPLink has mounted itself anew. Raises DeviceError with what it complains about."""
    deadline = time.monotonic() + patience
    was_away = False
    while time.monotonic() < deadline:
        now = describe(volume.path)
        was_away = was_away or now is None
        if now is not None and (was_away or now.remounts != volume.remounts):
            if complaint := text_of(volume.path, "fail.txt"):
                raise _refused(volume, complaint)
            return True
        time.sleep(_POLL)
    return False


def _complaint(volume: Volume, patience: float) -> str:
    """What DAPLink says after it has broken off a transfer; "" if nothing within `patience`."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        if complaint := text_of(volume.path, "fail.txt"):
            return complaint
        time.sleep(_POLL)
    return ""


def _refused(volume: Volume, complaint: str) -> DeviceError:
    words = "; ".join(printable(line, 200) for line in complaint.splitlines()[:6] if line.strip())
    return DeviceError(
        f"{volume}: the micro:bit refused the file: {words}",
        hint="is it the firmware for this micro:bit? Plug it in again and try again",
    )

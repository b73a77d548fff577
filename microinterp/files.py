"""Files as bytes: read and written whole, within bounds, and the errors that say why not."""

from __future__ import annotations

import os
import secrets

from microinterp.errors import InputError, MicrointerpError, printable, printable_path

FilePath = str | os.PathLike[str]
Kind = type[MicrointerpError]
"""Which error says that a file is of no use: ModelError for models, DeviceError for firmware."""

MAX_BYTES = 1 << 30
"""Most bytes that one file may have, unpacked: nobody feeds more to a microcontroller at once."""


def read_bytes(
    path: FilePath, limit: int = MAX_BYTES, *, kind: Kind = InputError, hint: str = ""
) -> bytes:
    """Contents of a file. Raises `kind` if it cannot be read or is larger than `limit`."""
    try:
        with open(path, "rb") as file:
            data = file.read(limit + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise unreadable(path, error, hint, kind=kind) from None
    if len(data) > limit:
        raise unreadable(path, f"it has more than {limit:,} bytes", hint, kind=kind)
    return data


def write_bytes(path: FilePath, data: bytes, *, kind: Kind = InputError, hint: str = "") -> None:
    """Write a file. Raises `kind` if it cannot be written."""
    try:
        with open(path, "wb") as file:
            file.write(data)
    except (OSError, ValueError) as error:
        raise unwritable(path, error, hint, kind=kind) from None


def unreadable(
    path: FilePath, reason: object, hint: str = "", *, kind: Kind = InputError
) -> MicrointerpError:
    """The error, to raise, that says why `path` cannot be read; `reason` may be an OSError."""
    return kind(f"cannot read {_told(path, reason)}", hint=hint)


def unwritable(
    path: FilePath, reason: object, hint: str = "", *, kind: Kind = InputError
) -> MicrointerpError:
    """The error, to raise, that says why `path` cannot be written; as `unreadable`."""
    return kind(f"cannot write {_told(path, reason)}", hint=hint)


def _told(path: FilePath, reason: object) -> str:
    why = getattr(reason, "strerror", None) or reason
    return f"'{printable_path(os.fspath(path))}': {printable(str(why), 400)}"


def replaced_by(path: FilePath) -> tuple[str, str]:
    """The file to replace and the name of a new one beside it, to be renamed when it is whole.

    A link stays: what it points to is replaced. Two writers at a time have names of their own.

    Raises:
        InputError: something is there that is no file: a folder, a device, a pipe.
    """
    target = os.path.realpath(path) if os.path.islink(path) else os.fspath(path)
    if os.path.exists(target) and not os.path.isfile(target):
        what = "a folder" if os.path.isdir(target) else "a device or pipe"
        raise unwritable(path, f"it is {what}", "give the name of a file")
    return target, f"{target}.{secrets.token_hex(4)}.part"

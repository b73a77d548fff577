"""Files that lie in a board's memory before it starts: the image that QEMU's loader puts there.

The board shows each as a read-only file whose bytes stay where they are. Little-endian: 8 bytes of
magic, number of files, 0; for each 64 bytes of name, offset in the image, size; then the contents,
each at a multiple of 16.
"""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Iterable
from pathlib import Path

from microinterp.errors import DeviceError, printable
from microinterp.files import read_bytes

MAGIC = b"MIPRELOD"
NAME_BYTES = 64
_HEAD = struct.Struct("<8sII")
_ENTRY = struct.Struct(f"<{NAME_BYTES}sII")
_ALIGNMENT = 16
_NAME = re.compile(rb"[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*")

Preload = str | os.PathLike[str] | tuple[str, bytes]
"""FILE or FILE=NAME, or the name on the board and the contents."""


def image(preload: Iterable[Preload], limit: int) -> bytes:
    """The image; empty if there is nothing to preload.

    Raises DeviceError if a file cannot be read, has no possible name, or all need over `limit`
    bytes.
    """
    found = [each if isinstance(each, tuple) else _read(os.fspath(each)) for each in preload]
    if not found:
        return b""
    names = [name for name, _ in found]
    for name in names:
        if _NAME.fullmatch(name.encode()) is None or len(name) >= NAME_BYTES:
            raise DeviceError(
                f"'{printable(name)}' cannot be the name of a preloaded file",
                hint=f"at most {NAME_BYTES - 1} of A-Z a-z 0-9 . _ - and / between; FILE=NAME gives"
                " another name than the file's own",
            )
        if names.count(name) > 1:
            raise DeviceError(f"'{name}' is preloaded twice", hint="FILE=NAME gives another name")
    at = _aligned(_HEAD.size + _ENTRY.size * len(found))
    head, body = _HEAD.pack(MAGIC, len(found), 0), b""
    for name, data in found:
        head += _ENTRY.pack(name.encode(), at + len(body), len(data))
        body += data + bytes(_aligned(len(data)) - len(data))
    whole = head.ljust(at, b"\0") + body
    if len(whole) > limit:
        raise DeviceError(
            f"the preloaded files need {len(whole)} bytes, {len(whole) - limit} more than the"
            f" {limit} that there are",
            hint="preload less",
        )
    return whole


def _aligned(size: int) -> int:
    return -(-size // _ALIGNMENT) * _ALIGNMENT


def _read(text: str) -> tuple[str, bytes]:
    path, given, name = text, "", ""
    if not Path(text).exists():
        path, given, name = text.rpartition("=")
    hint = "preload takes FILE or FILE=NAME"
    data = read_bytes(path or text, kind=DeviceError, hint=hint)
    return name if given else Path(path).name, data

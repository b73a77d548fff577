"""The signature that a board with a key asks for; schemas/link.md tells what it is for."""

from __future__ import annotations

import hmac
import os
from pathlib import Path

from microinterp.errors import InputError, printable
from microinterp_boards.store.requests import Place

KEY_FILE = ".key"
"""In the folder of models of a board that takes only what is signed."""
MIN_KEY_BYTES = 16
MAX_KEY_BYTES = 256


def signature(
    key: bytes, place: Place, slot: str, name: str, version: int, content: bytes
) -> bytes:
    """HMAC-SHA256 of a file for one place of one board's folders; 32 bytes."""
    head = bytes([place, ord(slot) if slot else 0, len(name)]) + name.encode()
    head += len(content).to_bytes(4, "little") + version.to_bytes(4, "little")
    return hmac.new(key, head + content, "sha256").digest()


def read_key(path: str | os.PathLike[str]) -> bytes:
    """The bytes of a key's file. Raises InputError if they cannot be a key."""
    shown = printable(os.fspath(path))
    try:
        key = Path(path).read_bytes()
    except OSError as error:
        raise InputError(
            f"cannot read the key {shown}: {error.strerror}",
            hint="make one: head -c 32 /dev/urandom > board.key",
        ) from None
    require_key(key, f"the key {shown}")
    return key


def require_key(key: bytes, what: str) -> None:
    """Raise InputError unless it is long enough, and short enough for a board."""
    if not MIN_KEY_BYTES <= len(key) <= MAX_KEY_BYTES:
        raise InputError(
            f"{what} has {len(key)} bytes, wanted {MIN_KEY_BYTES} to {MAX_KEY_BYTES}",
            hint="make one: head -c 32 /dev/urandom > board.key",
        )

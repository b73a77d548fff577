"""Signatures of files for a board, and the keys they are made with."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from microinterp.errors import InputError
from microinterp_boards.store.requests import Place
from microinterp_boards.store.sign import read_key, signature


def test_what_is_signed() -> None:
    """HMAC by hand: RFC 2104 on the fields of schemas/link.md."""
    key, content = b"k" * 32, b"model"
    text = b"\x00b\x03kws" + (5).to_bytes(4, "little") + (7).to_bytes(4, "little") + content
    inner = hashlib.sha256(bytes(c ^ 0x36 for c in key.ljust(64, b"\0")) + text).digest()
    outer = hashlib.sha256(bytes(c ^ 0x5C for c in key.ljust(64, b"\0")) + inner).digest()
    assert signature(key, Place.MODELS, "b", "kws", 7, content) == outer


def test_everything_counts() -> None:
    known = {
        signature(b"k" * 32, Place.MODELS, "a", "kws", 7, b"model"),
        signature(b"l" * 32, Place.MODELS, "a", "kws", 7, b"model"),
        signature(b"k" * 32, Place.RUNTIME, "a", "kws", 7, b"model"),
        signature(b"k" * 32, Place.MODELS, "b", "kws", 7, b"model"),
        signature(b"k" * 32, Place.MODELS, "", "kws", 7, b"model"),
        signature(b"k" * 32, Place.MODELS, "a", "kwt", 7, b"model"),
        signature(b"k" * 32, Place.MODELS, "a", "kws", 8, b"model"),
        signature(b"k" * 32, Place.MODELS, "a", "kws", 7, b"models"),
    }
    assert len(known) == 8


def test_keys(tmp_path: Path) -> None:
    path = tmp_path / "board.key"
    with pytest.raises(InputError, match=r"cannot read the key .*board\.key: No such file"):
        read_key(path)
    for size in (0, 15, 257):
        path.write_bytes(bytes(size))
        with pytest.raises(InputError, match=f"has {size} bytes, wanted 16 to 256"):
            read_key(path)
    path.write_bytes(b"k" * 16)
    assert read_key(path) == b"k" * 16

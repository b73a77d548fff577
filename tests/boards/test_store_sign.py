"""Signatures of files for a board, and the keys they are made with."""

from __future__ import annotations

import hashlib
import hmac
from pathlib import Path

import pytest

from microinterp.errors import InputError
from microinterp_boards.store.requests import Place
from microinterp_boards.store.sign import read_key, require_key, signature


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


@pytest.mark.parametrize(
    ("place", "slot", "name", "version", "size", "head"),
    [
        (Place.MODELS, "a", "kws", 0, 5, "00 61 03 6b7773 05000000 00000000"),
        (Place.RUNTIME, "", "_load.mpy", 0, 0, "01 00 09 5f6c6f61642e6d7079 00000000 00000000"),
        (Place.MODELS, "b", "k", 0xFFFFFFFF, 0x010203, "00 62 01 6b 03020100 ffffffff"),
    ],
)
def test_the_message_byte_by_byte(
    place: Place, slot: str, name: str, version: int, size: int, head: str
) -> None:
    """Place, slot, length of the name, name, size, version, content."""
    key, content = bytes(range(20)), b"\x07" * size
    wanted = hmac.new(key, bytes.fromhex(head) + content, hashlib.sha256).digest()
    assert signature(key, place, slot, name, version, content) == wanted
    assert len(wanted) == 32


def test_bounds_of_keys(tmp_path: Path) -> None:
    """16 to 256 bytes; what is wrong with others, and how to make one."""
    for size in (16, 17, 255, 256):
        require_key(bytes(size), "the key")
        (tmp_path / "key").write_bytes(bytes(size))
        assert read_key(str(tmp_path / "key")) == bytes(size)
    for size in (0, 15, 257, 1000):
        with pytest.raises(InputError) as caught:
            require_key(bytes(size), "the key of a board")
        assert caught.value.message == (f"the key of a board has {size} bytes, wanted 16 to 256")
        assert caught.value.hint == "make one: head -c 32 /dev/urandom > board.key"


def test_a_key_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        read_key(tmp_path)
    assert caught.value.message.startswith("cannot read the key /")
    assert caught.value.message.endswith(": Is a directory")
    assert caught.value.hint == "make one: head -c 32 /dev/urandom > board.key"

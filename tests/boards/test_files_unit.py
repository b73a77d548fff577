"""Files without a board: what it says of its room, a name that is taken, blocks in hex."""

from __future__ import annotations

import zlib
from typing import Any

import pytest

from microinterp.errors import DeviceError
from microinterp_boards.files import Files, Room
from tests.boards.spoken_line import SpokenTransport

ROOM = b"4096 100 200 0\n"


class SpokenLink:
    """Says the bytes of `says` to all that reads; `error` is raised where code is to be run.

    Attributes:
        ran: code that was run.
        answers: what the board's functions print, by name.
        asked: names of these functions and their first argument.
    """

    port = "fake"

    def __init__(self, says: bytes = b"", error: DeviceError | None = None) -> None:
        self.transport = SpokenTransport(says)
        self.error = error
        self.ran: list[bytes] = []
        self.answers = {"room": ROOM, "remove": b"1\n"}
        self.asked: list[tuple[object, ...]] = []

    def run(self, link: object, name: str, *arguments: object, timeout: float = 0) -> bytes:
        self.asked.append((name, *arguments[:1]))
        return self.answers[name]

    def start(self, code: bytes) -> None:
        self.ran.append(code)

    def exec(self, code: bytes, timeout: float) -> bytes:
        self.ran.append(code)
        if self.error is not None:
            raise self.error
        return b""

    def reply(self, tags: bytes, timeout: float, wanted: str) -> bytes:
        tag = self.transport.read(1, timeout, wanted)
        assert tag in tags
        return tag

    def read(self, count: int, timeout: float, wanted: str) -> bytes:
        return self.transport.read(count, timeout, wanted)

    def read_line(self, timeout: float, wanted: str) -> str:
        return self.transport.read_until(b"\n", timeout, wanted).decode().rstrip()

    def write(self, data: bytes) -> None:
        self.transport.write(data)

    def finish(self, timeout: float = 0) -> bytes:
        return b""


def files_on(link: SpokenLink, monkeypatch: pytest.MonkeyPatch) -> Files:
    monkeypatch.setattr("microinterp_boards.checked.run", link.run)
    board: Any = link
    return Files(board)


@pytest.mark.parametrize(
    ("text", "room"),
    [
        (b"4096 100 200 1\n", Room(409_600, 819_200, 4096)),
        (b"4096 0 200 1\n", Room(0, 819_200, 4096)),
        (b"4096 201 200 1\n", Room(None, 819_200, 4096)),  # a count that has wrapped round
        (b"0 0 0 1\n", Room(None, None, 1)),
        (b"-1 -1 -1 0\n", Room(None, None, 1)),
    ],
)
def test_room(text: bytes, room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    link = SpokenLink()
    link.answers["room"] = text
    assert files_on(link, monkeypatch).room() == room


def sent(data: bytes) -> bytes:
    """What a board says that takes a file of one block."""
    assert len(data) < 100
    return b"RKD"


@pytest.mark.parametrize(
    ("raised", "told", "is_removed"),
    [
        (
            "fake: the board raised OSError: [Errno 17] EEXIST\n  more",
            "fake: file 'a' is there and cannot be replaced: ",
            True,
        ),
        ("fake: the board raised OSError: 30\n  x", "cannot be replaced: the filesystem is", True),
        ("fake: the board raised MemoryError: 99\n  x", "raised MemoryError: 99", False),
        ("fake: the port is gone", "the port is gone", False),
    ],
)
def test_a_name_that_cannot_be_given(
    raised: str, told: str, is_removed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the board says that it may not be, the new file goes and the old one stays."""
    data = b"some bytes"
    link = SpokenLink(sent(data), DeviceError(raised))
    link.answers["stat"] = b"%d %d\n" % (len(data), zlib.crc32(data))
    with pytest.raises(DeviceError) as caught:
        files_on(link, monkeypatch).put("a", data)
    assert told in caught.value.message
    removed = [arguments for name, *arguments in link.asked if name == "remove"]
    assert removed == ([[b"a.part"]] if is_removed else [])
    assert b"_rename(b'a.part', b'a')" in link.ran[-1]


def test_a_file_that_reads_back_otherwise_is_not_given_its_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = b"some bytes"
    link = SpokenLink(sent(data))
    link.answers["stat"] = b"%d %d\n" % (len(data), zlib.crc32(data) ^ 1)
    with pytest.raises(DeviceError, match="reads other bytes from 'a' than it was sent"):
        files_on(link, monkeypatch).put("a", data)
    assert ("remove", b"a.part") in link.asked
    assert not any(b"_rename" in code for code in link.ran)


def block(data: bytes) -> bytes:
    return (data + zlib.crc32(data).to_bytes(4, "little")).hex().encode()


def test_a_block_in_hex(monkeypatch: pytest.MonkeyPatch) -> None:
    link, told = SpokenLink(b"S3\nB" + block(b"abc")), []
    assert files_on(link, monkeypatch).get("a", told.append) == b"abc"
    assert told == [3]


@pytest.mark.parametrize("digit", [b"g", b" ", b"\xff", b"0"])
def test_a_damaged_block_in_hex(digit: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    good = block(b"abc")
    for at in range(len(good)):
        if good[at : at + 1] == digit:
            continue
        link = SpokenLink(b"S3\nB" + good[:at] + digit + good[at + 1 :])
        with pytest.raises(DeviceError, match="bytes of 'a' were damaged or lost on the line"):
            files_on(link, monkeypatch).get("a")

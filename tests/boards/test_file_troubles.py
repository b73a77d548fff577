"""Transfers that go wrong: full or damaged filesystems, lost bytes, a board or a host that dies."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

import pytest

from microinterp.errors import DeviceError
from microinterp_boards import Board, virtual_board
from microinterp_boards.files import Entry
from microinterp_boards.virtual.registry import running_boards
from tests.boards.conftest import Terminal

EVERY_BYTE = bytes(range(256))
LARGE = EVERY_BYTE * 700 + random.Random(1).randbytes(25_000)  # 204,200 bytes


def test_a_file_that_cannot_fit_is_refused_before_it_is_sent() -> None:
    with virtual_board(flash=65536) as port, Board(port) as board:
        room = board.files.room()
        assert (room.total, room.block) == (65536, 4096)
        assert room.free is not None
        with pytest.raises(DeviceError, match=f"needs 69632 bytes.* {room.free} are free") as it:
            board.files.put("a.bin", bytes(65537))
        assert "remove files" in it.value.hint
        assert board.files.list() == []


def test_a_file_that_fills_the_filesystem_half_way() -> None:
    """littlefs needs more than the data: exactly the free bytes do not fit."""
    with virtual_board(flash=65536) as port, Board(port) as board:
        board.files.put("kept", b"1" * 5000)
        free = board.files.room().free
        assert free is not None
        done: list[int] = []
        with pytest.raises(DeviceError, match=f"needs {free} bytes.* {free} are free"):
            board.files.put("kept", bytes(free), done.append)
        assert done[-1] > 4096  # it was on the way
        assert [entry.name for entry in board.files.list()] == ["kept"]
        assert board.files.get("kept") == b"1" * 5000
        assert board.files.room().free == free
        board.files.put("small", b"2")


def test_a_read_only_filesystem(board: Board) -> None:
    board.exec("import builtins\ndef open(*a): raise OSError(30)\nbuiltins.open = open\n")
    with pytest.raises(DeviceError, match="file 'a': the filesystem is read-only"):
        board.files.put("a", b"1")


@pytest.mark.slow
def test_a_heap_that_is_too_small_for_a_transfer() -> None:
    with virtual_board(heap=16384) as port, Board(port) as board:
        board.exec("keep = bytearray(9000)\nimport gc; gc.collect()")
        with pytest.raises(DeviceError, match="MemoryError") as caught:
            board.files.put("a", bytes(1000))
        assert "heap is full" in caught.value.hint
        board.soft_reset()
        board.files.put("a", bytes(1000))


class Spoiler:
    """A hook that changes one byte of a long enough piece, once armed."""

    def __init__(self) -> None:
        self.armed = False
        self.drop = False

    def __call__(self, data: bytes) -> bytes:
        if not self.armed or len(data) < 100:
            return data
        self.armed = False
        middle = len(data) // 2
        return (
            data[:middle] + (b"" if self.drop else bytes([data[middle] ^ 64])) + data[middle + 1 :]
        )


def test_a_damaged_byte_to_the_board(port: str, terminal: Terminal) -> None:
    spoiler = Spoiler()
    terminal.relay(port, to_board=spoiler)
    with Board(terminal.port) as board:
        board.files.put("a", b"old")

        def arm(done: int) -> None:
            spoiler.armed = done == 10 * 236

        with pytest.raises(DeviceError, match=r"bytes of 'a' were damaged or lost"):
            board.files.put("a", EVERY_BYTE * 40, arm)
        assert board.files.list() == [Entry("a", 3, False)]
        board.files.put("a", EVERY_BYTE * 40)
        assert board.files.get("a") == EVERY_BYTE * 40


def test_a_damaged_byte_from_the_board(port: str, terminal: Terminal) -> None:
    spoiler = Spoiler()
    terminal.relay(port, to_host=spoiler)
    with Board(terminal.port) as board:
        board.files.put("a", EVERY_BYTE * 40)

        def arm(done: int) -> None:
            spoiler.armed = done == 5 * 1024

        with pytest.raises(DeviceError, match=r"bytes of 'a' were damaged or lost"):
            board.files.get("a", arm)
        assert board.files.get("a") == EVERY_BYTE * 40


@pytest.mark.parametrize("way", ["to_board", "to_host"])
def test_a_lost_byte(
    port: str, terminal: Terminal, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("microinterp_boards.files._PATIENCE", 0.5)
    spoiler = Spoiler()
    spoiler.drop = True
    terminal.relay(port, **{way: spoiler})
    with Board(terminal.port) as board:
        board.files.put("a", EVERY_BYTE * 40)

        def arm(done: int) -> None:
            spoiler.armed = done in (10 * 236, 5 * 1024)

        def transfer() -> object:
            if way == "to_board":
                return board.files.put("a", LARGE, arm)
            return board.files.get("a", arm)

        with pytest.raises(DeviceError, match=r"no .* within 0\.5 s; last bytes seen: b'"):
            transfer()
        assert board.files.get("a") == EVERY_BYTE * 40  # the board came back by itself


def test_a_file_that_reads_back_differently(board: Board) -> None:
    """Worn-out flash: what the board reads is not what it wrote; its answers, texts, are sound."""
    board.exec(
        "import binascii, sys\n"
        "class Worn:\n"
        " hexlify, unhexlify = binascii.hexlify, binascii.unhexlify\n"
        " def crc32(self, data, start=None):\n"
        "  if start is None: return binascii.crc32(data)\n"
        "  return binascii.crc32(data, start) ^ int(not isinstance(data, str))\n"
        "sys.modules['binascii'] = Worn()\n"
    )
    with pytest.raises(DeviceError, match="the board reads other bytes from 'a' than it was sent"):
        board.files.put("a", b"1" * 500)
    assert board.files.list() == []


def test_a_board_killed_in_the_middle(port: str, tmp_path: Path) -> None:
    (pid,) = (board.pid for board in running_boards() if board.port == port)

    def unplug(done: int) -> None:
        if done > 50_000:
            os.kill(pid, 9)

    started = time.monotonic()
    with Board(port) as board, pytest.raises(DeviceError, match="the port is gone"):
        board.files.put("a", LARGE, unplug)
    assert time.monotonic() - started < 5


def test_a_board_killed_while_it_sends() -> None:
    with virtual_board() as port, Board(port) as board:
        (pid,) = (each.pid for each in running_boards() if each.port == port)
        board.files.put("a", LARGE)
        with pytest.raises(DeviceError, match="the port is gone"):
            board.files.get("a", lambda done: os.kill(pid, 9) if done > 50_000 else None)


def test_a_power_cut_in_the_middle_leaves_the_older_file(tmp_path: Path) -> None:
    with virtual_board(folder=tmp_path) as port, Board(port) as board:
        board.files.put("model", b"old")
        (pid,) = (each.pid for each in running_boards() if each.port == port)
        with pytest.raises(DeviceError):
            board.files.put("model", LARGE, lambda done: os.kill(pid, 9) if done > 9999 else None)
    with virtual_board(folder=tmp_path) as port, Board(port) as board:
        assert board.files.get("model") == b"old"
        board.files.put("model", b"new")
        assert board.files.list() == [Entry("model", 3, False)]


class DiedError(Exception):
    """The host program ends here."""


@pytest.mark.parametrize("block", [0, 100])
def test_a_host_that_died_in_the_middle(port: str, block: int) -> None:
    """Its board waits for a block, or for the rest of one, and takes 0x03 for data."""

    def die(done: int) -> None:
        if done > 2000:
            raise DiedError

    board = Board(port)
    with pytest.raises(DiedError):
        board.files.put("a", LARGE, die)
    board.link.transport.write(bytes(block))
    board.link.transport.close()  # without the goodbye of Board.close
    started = time.monotonic()
    with Board(port) as board:
        assert board.exec("print(1)") == "1\n"
        board.files.put("a", b"2")
    assert time.monotonic() - started < 4


def test_a_board_gives_up_on_a_dead_host_by_itself(
    board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that a terminal, which sends no burst, finds a prompt."""
    monkeypatch.setattr("microinterp_boards.files._BOARD_PATIENCE", 300)
    link = board.link
    with pytest.raises(DiedError):
        board.files.put("a", LARGE, lambda done: (_ for _ in ()).throw(DiedError))
    link.transport.forget()
    deadline = time.monotonic() + 3
    while b"E110\n\x04\x04>" not in link.transport.seen and time.monotonic() < deadline:
        link.transport.some()
    assert b"E110\n\x04\x04>" in link.transport.seen


def test_answers_that_make_no_sense(board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    files = board.files
    for text, use in (
        (b"1 2 three 1\n", files.room),
        (b"__import__('os')\n", files.room),
        (b"6g f 1\nend 1\n", files.list),
        (b"61 f 1\n", files.list),
        (b"61 f 1\nend 2\n", files.list),
        (b"61 x 1\nend 1\n", files.list),
        (b"", files.list),
        (b"12\n", lambda: files.stat("a")),
        (b"[1, 2]\n", lambda: files.stat("a")),
        (b"2\n", lambda: files.remove("a")),
    ):
        monkeypatch.setattr("microinterp_boards.checked.run", lambda *_, text=text, **__: text)
        with pytest.raises(DeviceError, match="came instead of"):
            use()


def test_a_board_that_answers_nonsense_to_get(
    board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = board.link.start
    for said, message in (
        ("S12x\\n", "'12x' came instead of a number"),
        ("S99999999999\\n", "came instead of a number"),
        ("S999999999\\n", "'999999999' came instead of the size of a file"),
        ("S-1\\n", "'-1' came instead of a number"),
        ("Z", "b'Z' came instead of the size of 'a'"),
        ("Enone\\n", "'none' came instead of a number"),
        ("E77\\n", "file 'a': error 77"),
    ):
        lie = f"import sys; sys.stdout.write('{said}')"
        monkeypatch.setattr(
            board.link, "start", lambda code, lie=lie: start(lie if b"_get" in code else code)
        )
        with pytest.raises(DeviceError, match=message):
            board.files.get("a")
    monkeypatch.undo()
    assert board.exec("print(1)") == "1\n"

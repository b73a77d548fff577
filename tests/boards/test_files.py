"""Files to and from a board: every byte, every trouble."""

from __future__ import annotations

import random
import threading
import zlib
from pathlib import Path

import pytest

from microinterp.errors import DeviceError
from microinterp_boards import Board, virtual_board
from microinterp_boards.files import Entry, Files, FileState

EVERY_BYTE = bytes(range(256))
LARGE = EVERY_BYTE * 700 + random.Random(1).randbytes(25_000)  # 204,200 bytes


@pytest.fixture(params=["binary", "hex"])
def either(board: Board, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Board:
    """A board whose standard input has binary streams, and one that says it has none."""
    if request.param == "hex":
        facts = Files._facts
        monkeypatch.setattr(Files, "_facts", lambda files: (*facts(files)[:3], 0))
        assert board.files._facts()[3] == 0
    return board


def test_200_kb_both_ways(either: Board) -> None:
    done: list[int] = []
    either.files.put("large.bin", LARGE, done.append)
    assert done[-1] == len(LARGE)
    assert done == sorted(done)
    assert either.files.stat("large.bin") == FileState(len(LARGE), zlib.crc32(LARGE))
    assert either.files.get("large.bin", done.append) == LARGE
    assert done[-1] == len(LARGE)


def test_sizes_around_a_block(either: Board) -> None:
    for size in (0, 1, 111, 112, 113, 235, 236, 237, 472, 1023, 1024, 1025, 2048):
        data = random.Random(size).randbytes(size)
        either.files.put("a", data)
        assert either.files.get("a") == data
        assert either.files.list() == [Entry("a", size, False)]


def test_bytes_that_mean_something_on_the_way(board: Board) -> None:
    for byte in (0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x0A, 0x0D, 0x11, 0x13, 0xFF):
        data = bytes([byte]) * 1000
        board.files.put("a", data)
        assert board.files.get("a") == data
    assert board.exec("print(1)") == "1\n"  # and Ctrl-C means an interrupt again:
    with pytest.raises(DeviceError, match=r"within 0\.1 s"):
        board.exec("while True: pass", timeout=0.1)
    assert board.exec("print(2)") == "2\n"


def test_a_file_is_replaced(board: Board) -> None:
    board.files.put("a", b"old and longer")
    board.files.put("a", b"new")
    assert board.files.get("a") == b"new"
    assert board.files.list() == [Entry("a", 3, False)]


def test_a_filesystem_that_does_not_rename_over_files(board: Board) -> None:
    """FAT: the older file has to go first. The board's os.rename is made to behave so."""
    board.exec(
        "import os, sys\n"
        "class Fat:\n"
        " def __getattr__(self, name): return getattr(os, name)\n"
        " def rename(self, old, new):\n"
        "  if new in os.listdir(): raise OSError(17)\n"
        "  os.rename(old, new)\n"
        "sys.modules['os'] = Fat()\n"
    )
    board.files.put("a", b"old")
    board.files.put("a", b"new")
    assert board.files.get("a") == b"new"


def test_looking_removing_and_folders(board: Board) -> None:
    files = board.files
    assert files.list() == []
    assert files.stat("a") is None
    assert files.remove("a") is False
    lib = files.folder("lib", create=True)
    deep = lib.folder("microinterp", create=True)
    lib.folder("microinterp", create=True)  # it is there: nothing happens
    deep.put("conv.mpy", b"123")
    files.put("Z", b"")
    files.put("a", b"1234")
    assert files.list() == [Entry("Z", 0, False), Entry("a", 4, False), Entry("lib", 0, True)]
    assert files.folder("lib").list() == [Entry("microinterp", 0, True)]
    assert deep.get("conv.mpy") == b"123"
    assert deep.stat("conv.mpy") == FileState(3, zlib.crc32(b"123"))
    assert board.exec("import os; print(os.listdir('/lib/microinterp'))") == "['conv.mpy']\n"
    with pytest.raises(DeviceError, match="OSError"):
        lib.remove_folder("microinterp")
    assert deep.remove("conv.mpy") is True
    assert lib.remove_folder("microinterp") is True
    assert lib.remove_folder("microinterp") is False
    assert files.remove("a") is True


def test_what_is_not_there_or_not_a_file(board: Board) -> None:
    board.files.folder("lib", create=True)
    with pytest.raises(DeviceError, match="file 'a': no such file or folder"):
        board.files.get("a")
    with pytest.raises(DeviceError, match="file 'lib': it is a folder"):
        board.files.get("lib")
    with pytest.raises(DeviceError, match=r"OSError.*EISDIR"):
        board.files.stat("lib")
    with pytest.raises(DeviceError, match="file 'a': no such file or folder"):
        board.files.folder("none").put("a", b"1")
    with pytest.raises(DeviceError, match=r"OSError.*ENOENT"):
        board.files.folder("none").list()
    board.files.put("a", b"1")
    with pytest.raises(DeviceError, match=r"OSError.*EEXIST"):
        board.files.folder("a", create=True)
    assert board.exec("print(1)") == "1\n"


def test_names_that_are_refused(board: Board) -> None:
    files = board.files
    calls = (files.get, files.stat, files.remove, files.remove_folder, files.folder)
    names = [
        *("", ".", "..", "...", "/etc/passwd", "../a", "a/b", "a\\b", "a b", "a'b", 'a"b', "a\n")
    ]
    names += ["a\x00", "é", "a" * 33, "a;b", "${x}", "b'", "a\r"]
    for name in names:
        for use in (*calls, lambda name: files.put(name, b"")):
            with pytest.raises(DeviceError, match="cannot be the name of a file on a board"):
                use(name)
    assert files.list() == []


def test_names_that_are_taken(board: Board) -> None:
    names = ["-", ".a", "a.", "_", "A" * 32, "0-.Z_z", "--help"]
    for name in names:
        board.files.put(name, name.encode())
    assert [entry.name for entry in board.files.list()] == sorted(names)
    assert [board.files.get(name) for name in names] == [name.encode() for name in names]


def test_any_name_that_is_there_is_listed(tmp_path: Path) -> None:
    (tmp_path / "a b\x1b\n'é").write_text("x")
    with virtual_board(folder=tmp_path) as port, Board(port) as board:
        assert board.files.list() == [Entry("a b\x1b\n'é", 1, False)]


def test_threads_of_other_boards_do_not_disturb() -> None:
    boards = virtual_board(), virtual_board()
    with boards[0] as one, boards[1] as two, Board(one) as first, Board(two) as second:
        other = threading.Thread(target=first.files.put, args=("a", LARGE))
        other.start()
        second.files.put("b", LARGE[::-1])
        other.join()
        assert (first.files.get("a"), second.files.get("b")) == (LARGE, LARGE[::-1])

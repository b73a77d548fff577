"""A virtual board on a bad line: what arrives is what the log says, both ways, to the byte."""

from __future__ import annotations

import random
import sys
import time
from collections import Counter
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
import serial

from microinterp.errors import DeviceError
from microinterp_boards import Board, virtual_board
from microinterp_boards.faults import FaultEvent, after_faults, read_log
from microinterp_boards.virtual.process import wait_for_end
from tests.boards.conftest import wait_for

pytestmark = pytest.mark.usefixtures("interpreter")
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells of openings")

ECHO = """
import micropython, sys
micropython.kbd_intr(-1)
got = open("got", "wb")
open("boots", "ab").write(b".")
while True:
    byte = sys.stdin.buffer.read(1)
    got.write(byte)
    sys.stdout.buffer.write(byte)
"""
BOOT_ROM = b"\r\nrst:0x1 (POWERON_RESET),boot:0x13 (SPI_FAST_FLASH_BOOT)\r\n"
DAMAGE = "drop=0.02,flip=0.02:2,dup=0.01:5,noise=0.01:3,stall=0.002:0.01,seed=4"
SENT = random.Random(8).randbytes(6000)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A board's files: from its start on it sends back each byte, and writes it to `got`."""
    path = tmp_path / "board"
    path.mkdir()
    (path / "main.py").write_text(ECHO)
    return path


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "faults.jsonl"


def has_booted(folder: Path, count: int = 1) -> bool:
    """Whether the program that sends bytes back has started so often."""
    return wait_for(lambda: (folder / "boots").exists() and len(boots(folder)) == count)


def boots(folder: Path) -> bytes:
    return (folder / "boots").read_bytes()


def exchange(port: str, folder: Path, log: Path, sent: bytes, step: int = 500) -> bytes:
    """What comes back of bytes that are sent `step` at a time, once all of it has come.

    What the board got and what the host did is compared by the log, which is written first.
    """
    seen = bytearray()
    with serial.Serial(port, timeout=0.01) as line:
        for at in range(0, len(sent), step):
            line.write(sent[at : at + step])
            seen += line.read(line.in_waiting)

        def is_whole() -> bool:
            seen.extend(line.read(4096))
            events = read_log(log)
            got = after_faults(sent, events, "to-board")
            back = after_faults(got, events, "to-host") if len(got) == size(folder) else None
            return back is not None and len(seen) == len(back)

        assert wait_for(is_whole, 20)
    return bytes(seen)


def size(folder: Path) -> int:
    return (folder / "got").stat().st_size


def kinds(events: list[FaultEvent], way: str) -> set[str]:
    return {event.fault for event in events if event.way == way}


def test_both_ways_are_damaged_as_the_log_says(folder: Path, log: Path) -> None:
    with virtual_board(folder=folder, faults=f"{DAMAGE},log={log}") as port:
        assert has_booted(folder)
        seen = exchange(port, folder, log, SENT)
    events = read_log(log)
    for way in ("to-board", "to-host"):
        assert kinds(events, way) == {"drop", "flip", "dup", "noise", "stall"}
    got = (folder / "got").read_bytes()
    assert got == after_faults(SENT, events, "to-board") != SENT
    assert seen == after_faults(got, events, "to-host") != got


def test_the_same_seed_and_bytes_give_the_same_faults(folder: Path, log: Path) -> None:
    logs = []
    for count, step in enumerate((500, 77), 1):
        with virtual_board(folder=folder, faults=f"{DAMAGE},log={log}") as port:
            assert has_booted(folder, count)
            exchange(port, folder, log, SENT, step)
        events = read_log(log)
        logs.append([[e for e in events if e.way == way] for way in ("to-board", "to-host")])
    assert logs[0] == logs[1]
    assert all(len(events) > 100 for events in logs[0])


def test_one_way_leaves_the_other_alone(folder: Path, log: Path) -> None:
    with virtual_board(folder=folder, faults=f"to-host.drop=0.1,log={log}") as port:
        assert has_booted(folder)
        seen = exchange(port, folder, log, SENT)
    assert (folder / "got").read_bytes() == SENT
    assert seen == after_faults(SENT, read_log(log), "to-host")
    assert 450 < Counter(event.fault for event in read_log(log))["drop"] < 760


def test_a_stall_takes_its_time(folder: Path, log: Path) -> None:
    with (
        virtual_board(folder=folder, faults=f"to-board.stall=1:0.4,log={log}") as port,
        serial.Serial(port, timeout=5) as line,
    ):
        assert has_booted(folder)
        start = time.monotonic()
        line.write(b"abc")
        assert line.read(1) == b"a"
        assert size(folder) == 1
        assert line.read(2) == b"bc"
        assert time.monotonic() - start > 0.799
    assert [(e.at, e.seconds) for e in read_log(log)] == [(0, 0.4), (1, 0.4), (2, 0.4)]


def test_more_than_a_receive_buffer_without_an_answer_is_lost(folder: Path, log: Path) -> None:
    """A board that speaks after each fourth byte, for a host that sends four, and then ten."""
    (folder / "main.py").write_text(ECHO.replace("read(1)", "read(4)"))
    sent = bytes(range(32, 32 + 20))
    with (
        virtual_board(folder=folder, faults=f"overflow=4,log={log}") as port,
        serial.Serial(port, timeout=5) as line,
    ):
        assert has_booted(folder)
        for at in range(0, 20, 4):
            line.write(sent[at : at + 4])
            assert line.read(4) == sent[at : at + 4]
        assert read_log(log) == []
        line.write(sent[:3])
        assert line.in_waiting == 0  # the board waits for a fourth
        line.write(sent[3:4])
        assert line.read(4) == sent[:4]
        line.write(sent[:10])
        assert line.read(4) == sent[:4]
        assert wait_for(lambda: len(read_log(log)) == 6)
        line.write(sent[10:14])
        assert line.read(4) == sent[10:14]
    assert read_log(log) == [
        FaultEvent("to-board", 24 + at, "overflow", sent[at : at + 1], b"") for at in range(4, 10)
    ]


def test_blocks_that_are_answered_never_overflow_the_smallest_buffer(log: Path) -> None:
    data = SENT * 2
    with virtual_board(faults=f"overflow=260,log={log}") as port, Board(port) as board:
        board.files.put("a", data)
        assert board.files.get("a") == data
    assert read_log(log) == []


def test_killed_after_so_many_bytes_and_started_again(folder: Path, log: Path) -> None:
    with (
        virtual_board(folder=folder, faults=f"die-at=1000,log={log}") as port,
        serial.Serial(port, timeout=5) as line,
    ):
        assert has_booted(folder)
        line.write(SENT[:990])
        assert line.read(990) == SENT[:990]
        line.write(SENT[990:2000])
        assert wait_for_end(port) == "die-at: killed after 1000 bytes from the host"
        with pytest.raises((serial.SerialException, OSError)):
            line.read(1000)
    assert read_log(log) == [FaultEvent("to-board", 999, "die-at", b"", b"")]
    got = (folder / "got").read_bytes()
    assert 990 <= len(got) <= 1000
    assert SENT.startswith(got)
    log.write_text("")
    with virtual_board(folder=folder) as port:
        assert has_booted(folder, 2)
        assert exchange(port, folder, log, b"again") == b"again"


def test_killed_after_so_many_bytes_of_its_own(folder: Path, log: Path) -> None:
    with (
        virtual_board(folder=folder, faults=f"to-host.die-at=300,log={log}") as port,
        serial.Serial(port, timeout=5) as line,
    ):
        assert has_booted(folder)
        line.write(SENT[:299])
        assert line.read(299) == SENT[:299]
        line.write(SENT[299:400])
        assert wait_for_end(port) == "die-at: killed after 300 bytes to the host"
    assert read_log(log) == [FaultEvent("to-host", 299, "die-at", b"", b"")]
    assert 300 <= size(folder) <= 400


def test_a_reset_after_so_many_bytes_of_its_own(folder: Path, log: Path) -> None:
    with (
        virtual_board(folder=folder, faults=f"to-host.reset-at=3,log={log}") as port,
        serial.Serial(port, timeout=5) as line,
    ):
        assert has_booted(folder)
        line.write(b"abc")
        assert has_booted(folder, 2)
        line.write(b"def")
        assert line.read_until(b"def") == b"abc" + BOOT_ROM + b"def"
    assert read_log(log) == [FaultEvent("to-host", 2, "reset-at", b"", b"")]


def test_a_board_that_dies_in_a_transfer_keeps_the_old_file(tmp_path: Path) -> None:
    def board(faults: str | None) -> AbstractContextManager[str]:
        return virtual_board(folder=tmp_path, flash=1 << 17, faults=faults)

    with board(None) as port, Board(port) as device:
        device.files.put("a", b"old")
    for count in (2500, 5000, 7000):
        with board(f"die-at={count}") as port, pytest.raises(DeviceError, match="port is gone"):
            _put(port, SENT)
        with board(None) as port, Board(port) as device:
            assert device.files.get("a") == b"old"
    with board(None) as port:
        _put(port, SENT)
        with Board(port) as device:
            assert device.files.get("a") == SENT


def _put(port: str, data: bytes) -> None:
    with Board(port) as board:
        board.files.put("a", data)


def test_a_reset_after_so_many_bytes_keeps_the_port(folder: Path, log: Path) -> None:
    with (
        virtual_board(folder=folder, faults=f"reset-at=10,log={log}") as port,
        serial.Serial(port, timeout=5) as line,
    ):
        assert has_booted(folder)
        line.write(b"0123456")
        assert line.read(7) == b"0123456"
        line.write(b"789lost")  # what follows the tenth byte comes while it boots
        assert has_booted(folder, 2)
        line.write(b"after")
        assert line.read_until(b"after").endswith(BOOT_ROM + b"after")
    events = read_log(log)
    assert (events[0].fault, events[0].at) == ("reset-at", 9)
    assert [(e.fault, e.at, e.was) for e in events[1:]] == [
        ("boot", 10 + n, b"lost"[n : n + 1]) for n in range(4)
    ]


@on_linux
def test_each_opening_resets(folder: Path, log: Path) -> None:
    with virtual_board(folder=folder, faults=f"reset-on-open,log={log}") as port:
        assert has_booted(folder)
        told = 0
        for count in range(1, 4):
            with serial.Serial(port, timeout=5) as line:
                line.write(b"too early")
                assert has_booted(folder, 1 + count)
                line.write(b"!")
                came = line.read_until(b"!")
            events = read_log(log)
            assert sum(event.fault == "reset-on-open" for event in events) == count
            lost = b"".join(event.was for event in events if event.fault == "boot")[told:]
            told += len(lost)
            # A busy machine may write it when the board is up again: what is not lost comes.
            assert came == BOOT_ROM + b"too early!".removeprefix(lost)
            assert lost in (b"", b"too early")


@on_linux
def test_tools_get_through_to_a_board_that_resets_when_its_port_is_opened() -> None:
    with virtual_board(faults="reset-on-open") as port:
        for count in range(2):
            with Board(port) as board:
                assert board.exec("print('value' in globals())") == "False\n"
                assert bool(board.files.stat("a")) == bool(count)
                board.exec("value = 1")
                board.files.put("a", SENT)
                assert board.files.get("a") == SENT


def test_a_link_on_a_very_bad_line_ends_with_an_error() -> None:
    with virtual_board(faults="drop=0.5") as port:
        start = time.monotonic()
        with pytest.raises(DeviceError):
            Board(port, patience=1)
        assert time.monotonic() - start < 10


@pytest.mark.parametrize("kind", ["qemu", "microbit"])
def test_boards_under_qemu(kind: str, log: Path, request: pytest.FixtureRequest) -> None:
    """What the friendly prompt echoes of a line is damaged; then the board is killed."""
    request.getfixturevalue(kind)
    faults = f"to-host.flip=0.05,die-at=200,log={log}"
    typed = b"#" * 150
    with virtual_board(kind, faults=faults) as port, serial.Serial(port, timeout=1) as line:
        while line.read(1000):
            pass  # its banner
        seen = bytearray()
        for byte in typed:  # the micro:bit takes one at a time
            line.write(bytes([byte]))
            seen += line.read(1)
        flips = [event for event in read_log(log) if event.fault == "flip" and event.was == b"#"]
        assert len(flips) > 2
        assert sorted(seen) == sorted(
            [*b"#" * (len(seen) - len(flips)), *(e.now[0] for e in flips)]
        )
        line.write(bytes(60))
        assert wait_for_end(port) == "die-at: killed after 200 bytes from the host"

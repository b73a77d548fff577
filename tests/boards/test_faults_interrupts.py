"""0x03 on the line of a virtual board as on a real port, which throws away what was not read."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import serial

from microinterp.errors import DeviceError
from microinterp_boards import Board, virtual_board
from microinterp_boards.faults import after_faults, read_log
from tests.boards.conftest import wait_for

pytestmark = [
    pytest.mark.usefixtures("interpreter"),
    pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc"),
]

RECORD = """
import sys

def record():
    with open("got", "ab") as got:
        sys.stdout.write("R")
        while True:
            byte = sys.stdin.buffer.read(1)
            got.write(byte)
            if byte == b"!":
                return

while True:
    try:
        record()
        break
    except KeyboardInterrupt:
        sys.stdout.write("I")
"""
BUSY = """
import sys, time
try:
    sys.stdout.write("R")
    time.sleep(30)
except KeyboardInterrupt:
    sys.stdout.write("I")
print(sys.stdin.buffer.read(3))
"""
AS_DATA = """
import micropython, sys
micropython.kbd_intr(-1)
sys.stdout.write("R")
try:
    print(sys.stdin.buffer.read(9))
finally:
    micropython.kbd_intr(3)
"""


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "faults.jsonl"


@pytest.fixture
def board(tmp_path: Path, log: Path) -> Iterator[Board]:
    faults = f"ctrl-c,log={log}"
    with virtual_board(folder=tmp_path / "b", faults=faults) as port, Board(port) as board:
        yield board


def test_what_was_received_and_not_read_goes_with_it(board: Board, log: Path) -> None:
    """A busy board; without the fault `abcde` would still be there for it to read."""
    board.link.start(BUSY)
    board.link.reply(b"R", 5, "a start")
    board.link.write(b"ab")
    time.sleep(0.2)  # so that it is in the board's terminal
    board.link.write(b"cde\x03xyz")
    board.link.reply(b"I", 5, "an interrupt")
    assert board.link.finish(5) == b"b'xyz'\n"
    (event,) = read_log(log)
    assert (event.way, event.fault, event.was, event.now) == (
        "to-board",
        "ctrl-c",
        b"abcde\x03",
        b"",
    )


def test_more_than_the_terminal_holds_goes_too(board: Board, log: Path) -> None:
    board.link.start(BUSY)
    board.link.reply(b"R", 5, "a start")
    board.link.write(b"x" * 3000 + b"\x03end")
    board.link.reply(b"I", 5, "an interrupt")
    assert board.link.finish(5) == b"b'end'\n"
    assert [event.was for event in read_log(log)] == [b"x" * 3000 + b"\x03"]


def test_without_the_fault_what_the_terminal_holds_stays() -> None:
    with virtual_board() as port, Board(port) as board:
        board.link.start(BUSY)
        board.link.reply(b"R", 5, "a start")
        board.link.write(b"abc")
        time.sleep(0.2)  # so that it is not on its way any more
        board.link.write(b"\x03")
        board.link.reply(b"I", 5, "an interrupt")
        assert board.link.finish(5) == b"b'abc'\n"


def test_data_that_a_program_reads_while_it_can_be_interrupted(
    board: Board, log: Path, tmp_path: Path
) -> None:
    """Whatever the board had read by then, the log says what it did not get."""
    board.link.start(RECORD)
    board.link.reply(b"R", 5, "a start")
    sent = b"abcdefgh\x03"
    board.link.write(sent)
    board.link.reply(b"I", 5, "an interrupt")
    board.link.write(b"ijklm!")
    board.link.finish(5)
    (event,) = read_log(log)
    assert (event.fault, event.was[-1:]) == ("ctrl-c", b"\x03")
    whole = bytes(event.at - 8) + sent  # the stream began with the program's text
    got = after_faults(whole, [event], "to-board")[event.at - 8 :]
    assert (tmp_path / "b" / "got").read_bytes() == got + b"ijklm!"


def test_it_is_data_where_interrupts_are_off(board: Board, log: Path) -> None:
    board.link.start(AS_DATA)
    board.link.reply(b"R", 5, "a start")
    board.link.write(b"ab\x03\x03cde\x03\x00")
    assert board.link.finish(5) == b"b'ab\\x03\\x03cde\\x03\\x00'\n"
    board.files.put("a", b"\x03" * 3000)  # switches them off
    assert board.files.get("a") == b"\x03" * 3000
    assert read_log(log) == []


def test_a_copy_of_interrupts_that_are_data_is_one_fault(tmp_path: Path, log: Path) -> None:
    main = tmp_path / "b" / "main.py"
    main.parent.mkdir()
    main.write_text("import micropython\nmicropython.kbd_intr(-1)\n" + RECORD)
    faults = f"ctrl-c,to-board.dup=1:10,log={log}"
    with virtual_board(folder=main.parent, faults=faults) as port:
        assert wait_for(lambda: (main.parent / "got").exists())
        with serial.Serial(port, timeout=5) as line:
            line.write(b"\x03" * 99 + b"!")
            assert wait_for(lambda: (main.parent / "got").read_bytes().endswith(b"!"))
    assert [event.now for event in read_log(log)] == [b"\x03" * 10] * 9 + [b"\x03" * 9 + b"!"]
    assert (main.parent / "got").read_bytes() == b"\x03" * 189 + b"!"


def test_it_is_data_at_a_prompt(board: Board, log: Path) -> None:
    board.exec("value = 1")
    board.link.write(b"garbage\x03\x03")  # the raw REPL clears its line
    assert board.exec("print(value)") == "1\n"
    assert read_log(log) == []


def test_a_program_that_is_interrupted_ends(board: Board) -> None:
    for code in ("import sys; sys.stdin.read(1)", "while 1: pass"):
        board.link.start(f"import sys; sys.stdout.write('R')\n{code}")
        board.link.reply(b"R", 5, "a start")
        board.link.write(b"\x03\x03")
        with pytest.raises(DeviceError, match="KeyboardInterrupt"):
            board.link.finish(5)
    assert board.exec("print(1)") == "1\n"


def test_a_byte_that_a_fault_makes_0x03_is_one(tmp_path: Path, log: Path) -> None:
    """Noise has one in 256: with a few bytes of noise after each byte there soon is one."""
    main = tmp_path / "b" / "main.py"
    main.parent.mkdir()
    main.write_text(RECORD)
    faults = f"ctrl-c,to-board.noise=0.5:40,seed=3,log={log}"
    with virtual_board(folder=main.parent, faults=faults) as port:
        assert wait_for(lambda: (main.parent / "got").exists())
        with serial.Serial(port, timeout=5) as line:
            line.write(bytes(100))
            assert line.read_until(b"I").endswith(b"I")
    fault = {event.fault for event in read_log(log)}
    assert fault == {"noise", "ctrl-c"}

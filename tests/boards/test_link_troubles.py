"""Ports that are not what they should be: each trouble has its own DeviceError, in good time."""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import serial

from microinterp.errors import DeviceError
from microinterp_boards import Board, virtual_board
from microinterp_boards.virtual.registry import running_boards
from tests.boards.conftest import Terminal, wait_for
from tests.clock import quickest

pytestmark = pytest.mark.usefixtures("interpreter")


@pytest.mark.parametrize(
    ("port", "message"),
    [
        ("/dev/nowhere", "/dev/nowhere: there is no such port"),
        ("/dev/no\x1b[7m", r"/dev/no\\x1b\[7m: there is no such port"),
        ("/dev/null", "/dev/null: cannot open the port"),
        ("/tmp", "/tmp: cannot open the port"),
        ("nonsense://x", "nonsense://x: cannot open the port"),
        ("", "cannot open the port|there is no such port"),
    ],
)
def test_ports_that_cannot_be_opened(port: str, message: str) -> None:
    with pytest.raises(DeviceError, match=message) as caught:
        Board(port)
    assert "microinterp board list" in caught.value.hint


def test_a_port_that_the_user_may_not_open(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: serial.Serial) -> None:
        raise serial.SerialException(13, "could not open port x: [Errno 13] Permission denied: 'x'")

    monkeypatch.setattr(serial.Serial, "open", refuse)
    with pytest.raises(DeviceError, match="x: no permission to use the port") as caught:
        Board("x")
    assert "dialout" in caught.value.hint


def test_a_port_that_windows_reports_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: serial.Serial) -> None:
        raise serial.SerialException(
            "could not open port 'COM3': PermissionError(13, 'Access is denied.', None, 5)"
        )

    monkeypatch.setattr(serial.Serial, "open", refuse)
    with pytest.raises(DeviceError, match="COM3: the port is busy"):
        Board("COM3")


def test_a_port_that_is_busy_is_named(board: Board) -> None:
    with pytest.raises(DeviceError, match=f"{board.port}: the port is busy") as caught:
        Board(board.port)
    assert "close the other program" in caught.value.hint
    assert board.exec("print(1)") == "1\n"
    board.close()
    with Board(board.port) as again:
        assert again.exec("print(1)") == "1\n"


def test_a_port_where_nothing_answers(terminal: Terminal) -> None:
    def ask() -> None:
        match = "nothing answers within 1 s; no bytes were seen"
        with pytest.raises(DeviceError, match=match) as caught:
            Board(terminal.port, patience=1)
        assert "right port" in caught.value.hint

    assert quickest(ask, 4) < 4
    with serial.Serial(terminal.port, exclusive=True):  # it was given back
        pass


def test_a_port_that_takes_nothing(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("microinterp_boards.transport._WRITE_LIMIT", 0.2)
    with serial.Serial(terminal.port, write_timeout=0.1) as line:
        with pytest.raises(serial.SerialTimeoutException):
            line.write(bytes(100_000))
        with pytest.raises(DeviceError, match="nothing answers"):
            Board(terminal.port, patience=1)


@pytest.mark.parametrize(
    "answer",
    [b"NMEA,1,2,3\r\n", b"\xff\x00\x80", b"login: "],
)
def test_a_port_where_something_else_answers(terminal: Terminal, answer: bytes) -> None:
    terminal.serve(lambda data: answer if data else b"")
    with pytest.raises(DeviceError, match="not with MicroPython's raw REPL") as caught:
        Board(terminal.port, patience=1)
    assert repr(answer)[2:-1] in str(caught.value)  # the last bytes seen are shown, escaped


def test_an_echo_is_not_a_board(terminal: Terminal) -> None:
    terminal.serve(lambda data: data)
    with pytest.raises(DeviceError, match="not with MicroPython's raw REPL"):
        Board(terminal.port, patience=1)


def refused(port: str, message: str) -> DeviceError:
    """What is told of a port without a REPL, in the first of some tries that tell `message`.

    Where this machine stands still, a port that prints without end does fall silent.
    """
    for _ in range(5):
        with pytest.raises(DeviceError) as caught:
            Board(port, patience=1)
        if re.search(message, str(caught.value)):
            break
    assert re.search(message, str(caught.value))
    return caught.value


def test_a_port_that_never_falls_silent(terminal: Terminal) -> None:
    terminal.serve(lambda data: b"21.5 C\r\n")
    error = refused(terminal.port, "busy: it prints without end")
    assert "21.5 C" in str(error)


@contextmanager
def running(folder: Path, main: str) -> Iterator[str]:
    """A board whose main.py has come past its first line: before, an interrupt ends any of them."""
    (folder / "main.py").write_text(f"open('running', 'w').close()\n{main}")
    with virtual_board(folder=folder) as port:
        assert wait_for((folder / "running").exists)
        time.sleep(0.05)
        yield port


@pytest.mark.parametrize(
    "main",
    ["while True: pass", "while True: print('on and on')", "import time\nwhile 1: time.sleep(100)"],
)
def test_a_main_that_runs_for_ever_is_interrupted(tmp_path: Path, main: str) -> None:
    with running(tmp_path, main) as port, Board(port, patience=5) as board:
        assert board.exec("print(1)") == "1\n"
        board.files.put("a", b"1")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("pass", "nothing answers within 1 s"),
        ("print('on and on')", "busy: it prints without end and ignores Ctrl-C.*on and on"),
    ],
)
def test_a_main_that_ignores_interrupts(tmp_path: Path, body: str, message: str) -> None:
    main = f"while True:\n try:\n  while True: {body}\n except KeyboardInterrupt: pass\n"
    with running(tmp_path, main) as port:
        assert "main.py" in refused(port, message).hint


def test_a_main_that_gives_in_late(tmp_path: Path) -> None:
    main = "import time\ntry:\n while True: pass\nfinally:\n time.sleep(1)\n"
    started = time.monotonic()
    with running(tmp_path, main) as port, Board(port, patience=5) as board:
        assert time.monotonic() - started > 1
        assert board.exec("print(1)") == "1\n"


def test_a_boot_log_before_the_prompt(port: str, terminal: Terminal) -> None:
    """ESP32 boards reset when the port is opened, and print at another baud rate first."""
    log = b"ets Jun  8 2016 00:22:57\r\n\r\nrst:0x1 (POWERON)\xfe\x00\x80\x1b raw REPL >>> >\r\n"
    left = [log] * 20
    quiet = time.monotonic() + 0.8

    def to_board(data: bytes) -> bytes:
        return data if time.monotonic() > quiet else b""

    def chatter() -> None:
        while left:
            terminal.answer(left.pop())
            time.sleep(0.03)

    terminal.relay(port, to_board=to_board)
    thread = threading.Thread(target=chatter)
    thread.start()
    with Board(terminal.port, patience=5) as board:
        assert board.exec("print(1)") == "1\n"
    thread.join()


def kill(port: str) -> None:
    (pid,) = (board.pid for board in running_boards() if board.port == port)
    os.kill(pid, 9)


def test_a_board_that_is_unplugged(port: str) -> None:
    with Board(port) as board:
        board.link.start("import time; print('x' * 9); time.sleep(99)")
        threading.Timer(0.2, kill, [port]).start()
        started = time.monotonic()
        with pytest.raises(DeviceError, match=r"the port is gone.*xxxxxxxxx") as caught:
            board.link.finish(60)
        assert time.monotonic() - started < 20
        assert "unplugged" in caught.value.hint
        for use in (board.probe, board.soft_reset, board.files.list, lambda: board.exec("")):
            with pytest.raises(DeviceError, match="the port is gone"):
                use()


def test_a_board_that_falls_silent(port: str, terminal: Terminal) -> None:
    deaf: list[bool] = []
    terminal.relay(port, to_host=lambda data: b"" if deaf else data)
    with Board(terminal.port, patience=1) as board:
        deaf.append(True)
        with pytest.raises(DeviceError, match="no answer to raw paste within 1 s"):
            board.exec("print(1)")
        with pytest.raises(DeviceError, match="nothing answers"):
            board.exec("print(1)")
        deaf.clear()
        assert board.exec("print(1)") == "1\n"


def test_a_boot_file_that_does_not_end(board: Board) -> None:
    board.files.put("boot.py", b"while True: pass")
    with pytest.raises(DeviceError, match=r"no raw REPL after a soft reset.*within 0.5 s"):
        board.link.soft_reset(timeout=0.5)
    assert board.exec("print(1)") == "1\n"


def test_a_banner_that_comes_damaged(port: str, terminal: Terminal) -> None:
    """The board was reset: once more, and it is told."""
    faults: list[bytes] = []

    def damage(data: bytes) -> bytes:
        if faults and faults[0] in data:
            return data.replace(faults.pop(), b"")
        return data

    terminal.relay(port, to_host=damage)
    with Board(terminal.port) as board:
        for lost in (b"RL-B", b">"):
            board.exec("x = 1")
            faults.append(lost)
            board.link.soft_reset(timeout=1)
            assert faults == []
            assert board.exec("print('x' in globals())") == "False\n"

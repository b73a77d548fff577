"""Code on a board through the raw REPL: output, errors, time limits, both ways of sending."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import serial

from microinterp.errors import DeviceError
from microinterp_boards import Board, virtual_board
from microinterp_boards.link import Link
from tests.boards.conftest import Terminal
from tests.clock import quickest


def test_output_comes_as_it_was_printed(board: Board) -> None:
    assert board.exec("print('a\\r\\nb'); print('é')") == "a\nb\né\n"
    assert board.link.exec(b"import sys; sys.stdout.buffer.write(bytes(range(5, 256)))") == bytes(
        range(5, 256)
    )
    assert board.exec("") == ""
    assert board.exec("print('x' * 100000)", 20) == "x" * 100000 + "\n"


def test_code_of_any_length_arrives_whole(board: Board) -> None:
    for size in (0, 1, *range(100, 140), 255, 256, 257, 1000, 20000):
        text = "".join(chr(48 + i % 43) for i in range(size))  # 0 to Z
        assert board.exec(f"t = '{text}'\nprint(len(t), t == '{text}')", 20) == f"{size} True\n"


def test_an_exception_comes_with_the_boards_traceback(board: Board) -> None:
    with pytest.raises(DeviceError) as caught:
        board.exec("def f():\n return 1 // 0\nprint('before')\nf()")
    lines = str(caught.value).split("\n")
    assert lines[0] == f"{board.port}: the board raised ZeroDivisionError: divide by zero"
    assert lines[1] == "  Traceback (most recent call last):"
    assert '    File "<stdin>", line 2, in f' in lines
    assert board.exec("print(1)") == "1\n"


def test_a_syntax_error_in_the_middle_of_sending(board: Board) -> None:
    for code in ("def f(:\n", "def f(:\n" + "#" * 5000, "x = = 1\n" * 300):
        with pytest.raises(DeviceError, match="the board raised SyntaxError"):
            board.exec(code)
        assert board.exec("print(1)") == "1\n"


def test_what_a_board_prints_acts_on_no_terminal(board: Board) -> None:
    with pytest.raises(DeviceError) as caught:
        board.exec("raise ValueError('\\x1b[31mred\\x07')")
    assert "\\x1b[31mred\\x07" in str(caught.value)
    assert "\x1b" not in str(caught.value)


def test_control_characters_in_code_are_refused(board: Board) -> None:
    for byte in (1, 2, 3, 4, 5):
        with pytest.raises(DeviceError, match="control characters 1 to 5"):
            board.exec(f"print('{chr(byte)}')")
    assert board.exec("print(1)") == "1\n"


def test_code_that_does_not_end_is_stopped(board: Board) -> None:
    board.exec("value = 1")
    endless = "import time\nprint('tick')\nwhile True: time.sleep(0.01)"

    def stopped() -> None:
        match = r"no end of the program within 0.5 s.*b'.*tick"
        with pytest.raises(DeviceError, match=match) as caught:
            board.exec(endless, timeout=0.5)
        assert "more time" in caught.value.hint
        assert board.exec("print(value)") == "1\n"

    assert quickest(stopped, 2) < 2


def test_code_that_runs_out_of_time_is_stopped_at_once(tmp_path: Path) -> None:
    ticks = tmp_path / "ticks"
    with virtual_board(folder=tmp_path) as port, Link(port) as link:
        with pytest.raises(DeviceError, match="no end of the program"):
            link.exec("while True:\n with open('ticks', 'a') as f: f.write('.')", timeout=0.1)
        time.sleep(0.1)
        size = ticks.stat().st_size
        time.sleep(0.2)
        assert ticks.stat().st_size == size > 0


def test_code_that_prints_without_end_is_stopped(
    board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("microinterp_boards.link._OUTPUT_LIMIT", 100_000)
    with pytest.raises(DeviceError, match="more than 100000 bytes came"):
        board.exec("while True: print('on and on')")
    with pytest.raises(DeviceError, match=r"within 0.2 s|more than 100000"):
        board.exec("while True: print('on and on')", timeout=0.2)
    assert board.exec("print(1)") == "1\n"


def test_an_interrupted_host_leaves_a_board_that_answers(
    board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(count: int) -> bool:
        raise KeyboardInterrupt

    board.link.start("while True: pass")
    with monkeypatch.context() as patch:
        patch.setattr(board.link.transport, "_fill", interrupt)
        with pytest.raises(KeyboardInterrupt):
            board.link.finish()
    assert board.exec("print(1)") == "1\n"


def test_talk_with_running_code(board: Board) -> None:
    link = board.link
    link.start("import sys\nfor _ in range(3): sys.stdout.write('A' + sys.stdin.read(1))\n1 // 0")
    for byte in (b"x", b"y", b"z"):
        link.write(byte)
        link.reply(b"A", 2, "an answer")
        assert link.read(1, 2, "an echo") == byte
    with pytest.raises(DeviceError, match="ZeroDivisionError"):
        link.reply(b"A", 2, "an answer")
    link.start(
        "import sys\nprint('S12')\nsys.stdout.write('B123')\nsys.stdin.read(1)\nprint('end')"
    )
    link.reply(b"S", 2, "a number")
    assert link.read_line(2, "a number") == "12"
    link.reply(b"ABC", 2, "a block")
    assert link.read(3, 2, "a block") == b"123"
    link.write(b".")
    assert link.finish() == b"end\n"


def test_code_that_says_something_else(board: Board) -> None:
    link = board.link
    link.start("print('hello')")
    with pytest.raises(DeviceError, match=r"b'h' came instead of an answer.*b'.*hello"):
        link.reply(b"A", 2, "an answer")
    link.start("pass")
    with pytest.raises(DeviceError, match="ended instead of an answer"):
        link.reply(b"A", 2, "an answer")
    link.start("print('x' * 200)")
    link.reply(b"x", 2, "an x")
    with pytest.raises(DeviceError, match="more than 80 bytes came while waiting for a line"):
        link.read_line(1, "a line")
    assert board.exec("print(1)") == "1\n"


def test_starting_while_code_runs_stops_that_code(board: Board) -> None:
    board.link.start("while True: pass")
    assert board.exec("print(1)") == "1\n"


@pytest.mark.parametrize("code", ["pass", "while True: pass"])
def test_closing_leaves_a_prompt(port: str, code: str) -> None:
    link = Link(port)
    link.start(code)
    link.close()
    link.close()
    with serial.Serial(port, timeout=2) as line:
        line.write(b"40 + 2\r")
        assert line.read_until(b"42\n>>> ").endswith(b"40 + 2\r\n42\n>>> ")


def test_firmware_that_does_not_know_raw_paste(port: str, terminal: Terminal) -> None:
    typed: list[bytes] = []

    def to_board(data: bytes) -> bytes:
        typed.append(data)
        return data.replace(b"\x05A\x01", b"\x01")  # it starts the raw REPL again

    terminal.relay(port, to_board=to_board)
    with Board(terminal.port, patience=3) as board:
        assert board.exec(f"x = '{'y' * 1000}'\nprint(len(x))") == "1000\n"
        assert board.exec("print(2)") == "2\n"
        with pytest.raises(DeviceError, match="ZeroDivisionError"):
            board.exec("1 // 0")
        board.files.put("a.bin", bytes(range(256)) * 4)
        assert board.files.get("a.bin") == bytes(range(256)) * 4
        board.soft_reset()
    assert b"".join(typed).count(b"\x05A\x01") == 1  # asked once


def test_firmware_that_refuses_raw_paste(port: str, terminal: Terminal) -> None:
    asked: list[bytes] = []

    def to_board(data: bytes) -> bytes:
        if b"\x05A\x01" in data:
            asked.append(data)
            terminal.answer(b"R\0")
        return data.replace(b"\x05A\x01", b"")

    terminal.relay(port, to_board=to_board)
    with Board(terminal.port, patience=3) as board:
        assert board.exec("print(1)") == "1\n"
        assert board.exec("print(2)") == "2\n"
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (b"R\2", "does not know raw paste"),
        (b"R\1\0\0", "a window of no bytes"),
        (b"R\1\x04", "no size of the window"),
        (b"R\1\x04\0x", "b'x' came instead of room for code"),
    ],
)
def test_nonsense_instead_of_raw_paste(
    port: str, terminal: Terminal, answer: bytes, message: str
) -> None:
    def to_board(data: bytes) -> bytes:
        if b"\x05A\x01" in data:
            terminal.answer(answer)
        return data.replace(b"\x05A\x01", b"")

    terminal.relay(port, to_board=to_board)
    with Board(terminal.port, patience=3) as board, pytest.raises(DeviceError, match=message):
        board.exec("print(12345)")


class Paster:
    """A board that takes code by raw paste in windows of 4 bytes, and gives them slowly."""

    def __init__(self) -> None:
        self.code: bytes | None = None
        self.granted = self.most_ahead = 0

    def __call__(self, data: bytes) -> bytes:
        if self.code is None:
            if data == b"\x05A\x01":
                self.code, self.granted = b"", 8
                return b"R\x01\x04\x00\x01"
            return b"raw REPL; CTRL-B to exit\r\n>" if data == b"\r\x01" else b""
        self.code += data
        self.most_ahead = max(self.most_ahead, len(self.code.rstrip(b"\x04")) - self.granted)
        if self.code.endswith(b"\x04"):
            self.code, code = None, self.code
            return b"\x04" + code + b"\x04>"
        if not data and len(self.code) > self.granted - 8:
            self.granted += 4
            return b"\x01"
        return b""


def test_no_more_is_sent_than_the_board_asked_for(terminal: Terminal) -> None:
    paster = Paster()
    terminal.serve(paster)
    with Link(terminal.port, patience=2) as link:
        assert link.exec("0123456789" * 4 + "#") == b"0123456789" * 4 + b"#"
    assert paster.most_ahead == 0


def test_two_links_to_two_boards_share_nothing() -> None:
    with virtual_board() as one, virtual_board() as two, Link(one) as first, Link(two) as second:
        first.start("import sys; print('one', sys.stdin.read(1))")
        assert second.exec("print('two')") == b"two\n"
        first.write(b"!")
        assert first.finish() == b"one !\n"

"""Our Cortex-M board under QEMU: console. Raw REPL, pasting, binary data, interrupts, resets."""

from __future__ import annotations

import random
import time
import zlib
from collections.abc import Iterator

import pytest

from microinterp.errors import DeviceError
from microinterp_boards import Board
from tests.boards.qemu_port import ALL_CPUS, qemu_board
from tests.marks import slow_but

ALL_BYTES = bytes(range(256))
RAW = b"raw REPL; CTRL-B to exit\r\n>"


@pytest.fixture(scope="module", params=slow_but(ALL_CPUS, "m4"))
def board(request: pytest.FixtureRequest, qemu: None) -> Iterator[Board]:
    with qemu_board(request.param) as board:
        yield board


def send(board: Board, data: bytes) -> None:
    board.link.transport.write(data)


def start(board: Board, code: str) -> None:
    """Start code and wait until it runs: an interrupt before that would be a byte like others."""
    board.link.start("import sys\nsys.stdout.write('R')\n" + code)
    assert board.link.read(1, 5.0, "R") == b"R"


def until(board: Board, end: bytes, timeout: float = 5.0) -> bytes:
    return board.link.transport.read_until(end, timeout, repr(end))


def test_raw_repl(board: Board) -> None:
    send(board, b"print(6 * 7)\x04")
    assert until(board, b"\x04>") == b"OK42\r\n\x04\x04>"
    send(board, b"1/0\x04")
    said = until(board, b"\x04>")
    assert said.startswith(b"OK\x04Traceback")
    assert b"ZeroDivisionError" in said


def test_friendly_repl(board: Board) -> None:
    send(board, b"\x02")
    assert b"QEMU mps2-an" in until(board, b">>> ")
    send(board, b"1 + 1\r")
    assert b"\r\n2\r\n" in until(board, b">>> ")
    send(board, b"\x01")
    until(board, RAW)


def test_a_paste_of_100_kilobytes(board: Board) -> None:
    lines = ["x = 0", *(f"# {'y' * 96}" for _ in range(1000)), *["x += 1"] * 300, "print(x)"]
    source = "\n".join(lines)
    assert len(source) > 100_000
    assert board.link.exec(source, 30.0) == b"300\r\n"


def test_a_paste_that_does_not_compile_ends_early(board: Board) -> None:
    with pytest.raises(DeviceError, match="SyntaxError"):
        board.link.exec("x = (\n)) \n" + "# filler\n" * 5000)
    assert board.link.exec("print(1)") == b"1\r\n"


@pytest.mark.parametrize("size", [256, 20_000])
def test_binary_input_and_output(board: Board, size: int) -> None:
    data = ALL_BYTES + random.Random(size).randbytes(size - 256)
    board.link.start(
        "import sys, micropython, binascii\n"
        "micropython.kbd_intr(-1)\n"
        f"data = bytearray({size})\n"
        "sys.stdout.write('R')\n"
        "count = sys.stdin.buffer.readinto(data)\n"
        "micropython.kbd_intr(3)\n"
        "sys.stdout.buffer.write(data)\n"
        "print(count, binascii.crc32(data))"
    )
    assert board.link.read(1, 5.0, "R") == b"R"
    for at in range(0, size, 2000):  # no handshake: what the board's ring has no room for waits
        board.link.write(data[at : at + 2000])
    assert board.link.read(size, 20.0, "the bytes back") == data
    assert board.link.finish() == b"%d %d\r\n" % (size, zlib.crc32(data))


@pytest.mark.parametrize(
    "code",
    [
        "while True: pass",
        "import time\ntime.sleep(1000)",
        "import time\nwhile True: time.sleep_us(50)",
        "import sys\nsys.stdin.read(1)",
        "import sys, select\np = select.poll()\np.register(sys.stdin, 1)\np.poll()",
        "import select\nselect.poll().poll(1000000)",
        "while True: 3 ** 2000",
        "while True: print('x' * 1000)",
    ],
    ids=["computing", "sleeping", "napping", "reading", "polling", "waiting", "longints", "output"],
)
def test_ctrl_c(board: Board, code: str) -> None:
    start(board, code)
    time.sleep(0.05)
    send(board, b"\x03")
    with pytest.raises(DeviceError, match="KeyboardInterrupt"):
        board.link.finish(5.0)
    assert board.link.exec("print(1)") == b"1\r\n"


def test_ctrl_c_drops_what_was_not_read(board: Board) -> None:
    start(board, "while True: pass")
    send(board, b"never read" * 100 + b"\x03")
    with pytest.raises(DeviceError, match="KeyboardInterrupt"):
        board.link.finish()
    assert board.link.exec("print(2)") == b"2\r\n"


def test_kbd_intr_off_makes_it_a_byte(board: Board) -> None:
    board.link.start(
        "import sys, micropython\n"
        "micropython.kbd_intr(-1)\n"
        "sys.stdout.write('R')\n"
        "got = sys.stdin.buffer.read(3)\n"
        "micropython.kbd_intr(3)\n"
        "print(got)"
    )
    board.link.read(1, 5.0, "R")
    send(board, b"\x03\x03\x04")
    assert board.link.finish() == b"b'\\x03\\x03\\x04'\r\n"
    start(board, "while True: pass")
    send(board, b"\x03")
    with pytest.raises(DeviceError, match="KeyboardInterrupt"):
        board.link.finish()


def test_poll_has_a_time_limit(board: Board) -> None:
    source = "import sys, select\np = select.poll()\np.register(sys.stdin, select.POLLIN)\n"
    assert board.link.exec(source + "print(p.poll(0), p.poll(50))") == b"[] []\r\n"
    board.link.start(source + "print(len(p.poll(20000)), sys.stdin.read(1))")
    send(board, b"k")
    assert board.link.finish(5.0) == b"1 k\r\n"


def test_soft_reset(board: Board) -> None:
    board.link.exec("value = 1\nimport sys\nsys.path.append('/other')")
    send(board, b"\x04")
    assert b"MPY: soft reboot\r\n" in until(board, RAW)
    said = board.link.exec("import sys\nprint('value' in globals(), sys.path)")
    assert said == b"False ['', '/lib']\r\n"


def test_boot_files(board: Board) -> None:
    write = "for n in ('boot', 'main'):\n with open(n + '.py', 'w') as f: f.write('print(%r)' % n)"
    board.link.exec(write)
    try:
        send(board, b"\x04")
        said = until(board, RAW)
        assert b"boot" in said
        assert b"main" not in said  # a host in the raw REPL has asked
        send(board, b"\x02")
        until(board, b">>> ")
        send(board, b"\x04")
        said = until(board, b">>> ")
        assert said.index(b"boot\r\n") < said.index(b"main\r\n")
    finally:
        board.link.enter()
        board.link.exec("import os\nos.remove('boot.py')\nos.remove('main.py')")


def test_hosts_that_come_and_go_in_the_middle(board: Board) -> None:
    for code in ("while True: pass", "import sys\nsys.stdin.buffer.read(500)"):
        board.link.start(code)
        board.link.enter()
        assert board.link.exec("print(3)") == b"3\r\n"

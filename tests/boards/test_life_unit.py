"""One life of a virtual board, started by the test: its terminal, its words and its interrupts."""

from __future__ import annotations

import os
import select
import signal
import sys
import termios
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from microinterp_boards.virtual import unix_life
from microinterp_boards.virtual.life import Life, Machine
from microinterp_boards.virtual.unix_life import Interpreter
from tests.boards.conftest import is_running, wait_for

Start = Callable[..., "Program"]
linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux gives back what was typed")
SLEEP = "\nimport time\ntime.sleep(60)"


class Program(Life):
    """Any code of Python."""

    is_up = True


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    lives: list[Program] = []

    def start(code: str, *arguments: str) -> Program:
        lives.append(Program(code, list(arguments), str(tmp_path), {"OWN": "1"}))
        return lives[-1]

    yield start
    for life in lives:
        life.end()


def words(life: Life, end: bytes = b"\n") -> bytes:
    """What it says up to `end`."""
    said = b""
    while not said.endswith(end):
        assert select.select([life.master], [], [], 5)[0]
        data = life.read()
        assert data is not None
        said += data
    return said


def test_a_program_has_a_terminal_and_little_else(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET", "not for boards")
    monkeypatch.setenv("LANG", "C.UTF-8")
    code = (
        "import os\n"
        "print(os.getcwd(), sys.argv[1:], [os.isatty(each) for each in (0, 1, 2)],\n"
        " os.getsid(0) == os.getpid() == os.tcgetpgrp(0),\n"
        " {each: os.environ.get(each) for each in ('OWN', 'LANG', 'SECRET')})"
    )
    life = start(code + SLEEP, "a", "b c")
    told = f"{tmp_path} ['a', 'b c'] [True, True, True] True"
    assert words(life).decode() == f"{told} {{'OWN': '1', 'LANG': 'C.UTF-8', 'SECRET': None}}\n"
    assert life.read() == b""  # it runs, and says nothing


def test_no_byte_is_changed_on_its_way(start: Start) -> None:
    life = start("import os\nos.write(1, b'go\\n')\nwhile True: os.write(1, os.read(0, 999))")
    assert words(life) == b"go\n"
    every = bytes(range(256))
    assert life.write(every) == 256
    assert words(life, b"\xff") == every


def test_a_program_switches_output_processing_off_for_good(start: Start) -> None:
    life = start("print('here')" + SLEEP)
    words(life)
    assert termios.tcgetattr(life.master)[1] == 0


@linux
def test_what_it_does_not_read_can_be_taken_away(start: Start) -> None:
    life = start("print('here')" + SLEEP)
    words(life)
    assert life.take_unread() == b""
    assert life.write(b"ab\x03") == 3
    assert life.take_unread() == b"ab\x03"
    assert life.take_unread() == b""


@linux
def test_a_terminal_that_is_full_takes_no_more(start: Start) -> None:
    life = start("print('here')" + SLEEP)
    words(life)
    taken = 0
    while went := life.write(bytes(4096)):
        taken += went
    assert 0 < taken < 1 << 17
    assert life.take_unread() == bytes(taken)


def test_an_end_is_seen_after_the_last_words(start: Start) -> None:
    life = start("print('last')")
    assert words(life) == b"last\n"
    assert wait_for(lambda: life.read() is None)


def test_an_end_is_seen_where_something_holds_the_terminal_open(start: Start) -> None:
    life = start("print('last')" + SLEEP)
    words(life)
    held = os.open(life._terminal, os.O_RDWR | os.O_NOCTTY)
    os.kill(life.process.pid, signal.SIGKILL)
    assert wait_for(lambda: life.read() is None)
    os.close(held)


def test_what_it_started_ends_with_it(start: Start) -> None:
    life = start("import os\nif child := os.fork(): print(child, flush=True)" + SLEEP)
    child = int(words(life))
    life.end()
    assert wait_for(lambda: not is_running(child))
    assert life.process.returncode == -signal.SIGKILL
    assert life.last_words() == ""  # the host has seen all that it said


def test_0x03_is_a_byte_like_others_where_the_program_acts_on_it() -> None:
    life = Machine(["sleep", "60"])
    assert life.may_type
    assert not life.catches_interrupts
    assert not life.take_interrupt()
    life.end()


def test_a_machine_is_up_when_a_prompt_has_come_in_pieces() -> None:
    code = "printf 'Banner\\r\\n>>'; read x; printf '> '; read x"
    machine = Machine(["sh", "-c", code])
    assert words(machine, b">>") == b"Banner\r\n>>"
    assert not machine.is_up
    machine.write(b"\n")
    assert words(machine, b"> ") == b"> "
    assert machine.is_up
    machine.end()


def test_the_last_words_of_a_machine_are_no_warnings() -> None:
    said = "qemu: warning: old\nqemu: no such\nqemu: machine\n"
    machine = Machine(["sh", "-c", f"printf '{said}' >&2"])
    assert machine.process.wait(5) == 0
    assert machine.last_words() == "qemu: no such\nqemu: machine"
    assert machine.read() is None
    machine.end()


LIBRARY = """
import os, sys
def run_main(arguments):
    print(arguments, os.getcwd(), os.environ["MICROPYPATH"], flush=True)
    input()
"""


@pytest.fixture(autouse=True)
def library(monkeypatch: pytest.MonkeyPatch) -> None:
    """The stand-in for MicroPython's library has no function that notes interrupts."""
    monkeypatch.setattr(unix_life, "_NOTE_INTERRUPTS", "")


def config(folder: Path, **changes: Any) -> dict[str, Any]:
    """A board whose interpreter is a stand-in that tells how it was started."""
    (folder / "library.py").write_text(LIBRARY)
    return {
        "library": str(folder / "library.py"),
        "boot": "def _boot(*about): pass",
        "heap": 65536,
        "folder": str(folder),
        "flash": 0,
        "guess": False,
    } | changes


@pytest.mark.parametrize("raw", [False, True])
def test_how_the_unix_port_is_started(tmp_path: Path, raw: bool) -> None:
    life = Interpreter(config(tmp_path, flash=4096), raw)
    boot = (
        f"def _boot(*about): pass\n_boot{(str(tmp_path).encode(), life._token, 4096, int(raw))!r}"
    )
    arguments = ["micropython", "-X", "heapsize=65536", "-i", "-c", f"{boot}\ndel _boot\n"]
    assert words(life).decode() == f"{arguments!r} {tmp_path} .frozen:/lib\n"
    assert (life.in_raw, life.started_raw, life.is_up) == (raw, raw, False)
    assert life.may_type is not raw
    life.end()


def test_the_tokens_of_two_lives_differ(tmp_path: Path) -> None:
    """A program that prints one it has seen does not end a phase of another life."""
    lives = [Interpreter(config(tmp_path), False) for _ in range(2)]
    assert lives[0]._token != lives[1]._token
    for life in lives:
        life.end()


@pytest.mark.parametrize(("asked", "has_proc"), [(False, False), (True, True), (True, False)])
def test_interrupts_are_guessed_where_the_system_does_not_tell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: bool, has_proc: bool
) -> None:
    monkeypatch.setattr(unix_life.os.path, "exists", lambda path: has_proc)
    life = Interpreter(config(tmp_path, guess=asked), False)
    assert life.guess
    life.end()


class Saying(Interpreter):
    """An interpreter that is up, never started, and says what the test writes to `mouth`."""

    def __init__(self, guess: bool) -> None:
        self.master, self.mouth = os.pipe()
        self.guess, self.in_raw, self.started_raw = guess, False, False
        self.phase = unix_life._OPEN
        self._token, self._held, self._tail = b"\0token\0", b"", b""
        self._interrupted = -unix_life._SETTLE
        self.signals: list[int] = []

    def says(self, data: bytes) -> bytes | None:
        os.write(self.mouth, data)
        return self.read()


@pytest.fixture
def guessing() -> Iterator[Saying]:
    life = Saying(guess=True)
    yield life
    os.close(life.master)
    os.close(life.mouth)


RAW, FRIENDLY = unix_life._RAW, unix_life._FRIENDLY


def test_which_repl_it_was_last_seen_in(guessing: Saying) -> None:
    seen = []
    for said in (RAW, b"output", RAW[:9], RAW[9:] + FRIENDLY, b"1\r\n>>> ", FRIENDLY + RAW):
        assert guessing.says(said) == said
        seen.append(guessing.in_raw)
    assert seen == [True, True, True, False, False, True]


@pytest.mark.parametrize(
    ("said", "runs"),
    [
        (b"1\r\n>>> ", False),
        (b"def f():\r\n... ", False),
        (b"paste mode\r\n=== ", False),
        (b"\x04\x04>", False),
        (RAW, False),
        (b"on and on", True),
        (b">>> while True: pass\r\n", True),
        (b"a>", True),
    ],
)
def test_code_runs_unless_a_prompt_came_last(guessing: Saying, said: bytes, runs: bool) -> None:
    guessing.says(said)
    assert guessing.catches_interrupts is runs


def test_a_prompt_ends_the_wait_for_an_interrupt_to_be_seen(
    guessing: Saying, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next program can be interrupted at once, and a second signal kills no other."""
    signals: list[int] = []

    class Process:
        pid = 4711

    guessing.process = Process()  # type: ignore[assignment]
    monkeypatch.setattr(unix_life.os, "kill", lambda pid, number: signals.append(number))
    guessing.says(b"runs")
    assert guessing.take_interrupt()
    guessing.says(b"still")
    assert guessing.take_interrupt()
    assert signals == [unix_life._INTERRUPT]
    guessing.says(b"KeyboardInterrupt: \r\n>>> ")
    assert not guessing.take_interrupt()
    guessing.says(b"next\r\n")
    assert guessing.take_interrupt()
    assert len(signals) == 2


def test_a_process_that_is_gone_catches_nothing() -> None:
    life = Saying(guess=False)

    class Process:
        pid = 1 << 30

    life.process = Process()  # type: ignore[assignment]
    assert not life.catches_interrupts
    assert not life.take_interrupt()
    os.set_blocking(life.master, False)
    life.process.poll = lambda: None  # type: ignore[method-assign]
    assert life.read() == b""
    os.close(life.master)
    os.close(life.mouth)

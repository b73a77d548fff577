"""Parts of the virtual board's process that depend on the moment, each at its moment."""

from __future__ import annotations

import pytest

from microinterp_boards.virtual import unix_life
from microinterp_boards.virtual.life import Machine
from microinterp_boards.virtual.unix_life import Interpreter

TOKEN = b"\0token\0"


class Process:
    pid = 4711

    def poll(self) -> None:
        return None


@pytest.fixture
def life(monkeypatch: pytest.MonkeyPatch) -> Interpreter:
    """An interpreter that was never started."""
    life = Interpreter.__new__(Interpreter)
    life.in_raw = life.started_raw = life.guess = False
    life.phase = unix_life._OPEN
    life._token, life._held, life._tail = TOKEN, b"", b""
    life._interrupted = -unix_life._SETTLE
    life.process = Process()  # type: ignore[assignment]
    return life


def status(monkeypatch: pytest.MonkeyPatch, caught: int) -> None:
    """What /proc tells of the signals it catches."""
    text = f"Name:\tx\nSigIgn:\tffffffffffffffff\nSigCgt:\t{caught:016x}\nCapInh:\t0\n"
    monkeypatch.setattr(unix_life.Path, "read_text", lambda path: text)


def test_a_life_that_has_ended_can_be_ended_again() -> None:
    """The relay does so when it is told to go between two lives."""
    life = Machine(["sleep", "9"])
    life.end()
    assert life.process.returncode is not None
    following = Machine(["sleep", "9"])  # it has the number of the terminal that was given up
    life.end()
    assert following.read() == b""
    following.end()


def test_one_signal_for_a_burst_of_interrupts(
    life: Interpreter, monkeypatch: pytest.MonkeyPatch
) -> None:
    signals: list[tuple[int, int]] = []
    now = 100.0
    monkeypatch.setattr(unix_life.os, "kill", lambda pid, number: signals.append((pid, number)))
    monkeypatch.setattr(unix_life.time, "monotonic", lambda: now)
    status(monkeypatch, 0x1007A7F6)  # SIGINT among others
    for moment in (100.0, 100.1, 100.9):
        now = moment
        assert life.take_interrupt()
    assert signals == [(4711, unix_life._INTERRUPT)]
    now = 101.1
    assert life.take_interrupt()
    assert len(signals) == 2


def test_interrupts_are_data_where_nothing_catches_them(
    life: Interpreter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unix_life.os, "kill", lambda *_: pytest.fail("a signal"))
    status(monkeypatch, 0x1007A7F4)  # all of those but SIGINT
    assert not life.take_interrupt()
    status(monkeypatch, 0xFFFFFFFF)
    life.phase = unix_life._BOOTING  # our own boot code must not be interrupted
    assert not life.take_interrupt()


@pytest.mark.parametrize("size", [1, 2, 3, 5, 1000])
@pytest.mark.parametrize(
    ("raw", "said", "seen", "typed"),
    [
        (
            False,
            b"log %bboot\nmain\n%bBanner\r\n>>> 1\r\n",
            b"log boot\nmain\nBanner\r\n>>> 1\r\n",
            b"",
        ),
        (True, b"log %bboot\n%bBanner\r\n>>> \r\nraw>", b"log boot\n\r\nraw>", b"\x01"),
        (False, b"%b\0to\0tok%bx", b"\0to\0tokx", b""),
    ],
)
def test_tokens_and_hidden_banners_in_pieces_of_any_size(
    life: Interpreter,
    monkeypatch: pytest.MonkeyPatch,
    size: int,
    raw: bool,
    said: bytes,
    seen: bytes,
    typed: bytes,
) -> None:
    keys: list[bytes] = []
    monkeypatch.setattr(life, "write", lambda data: keys.append(data) or len(data))
    life.started_raw, life.phase = raw, unix_life._BOOTING
    text = said.replace(b"%b", TOKEN)
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    assert b"".join(map(life._filtered, pieces)) == seen
    assert b"".join(keys) == typed
    assert life.phase == unix_life._OPEN

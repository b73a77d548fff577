"""The process of a board on a bad line, each part at its moment; the board is only noted."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from microinterp_boards.faults import FaultEvent, parse_faults, read_log
from microinterp_boards.virtual.faulty_relay import FaultyRelay

Make = Callable[[str], "Bench"]


class Noted:
    """A board that reads `room` bytes and does nothing; what is done to it goes into `calls`."""

    def __init__(self, calls: list[str], raw: bool) -> None:
        self.calls = calls
        self.calls.append(f"start raw={raw}")
        self.master = -1
        self.is_up = self.may_type = True
        self.guess = self.catches_interrupts = self.in_raw = False
        self.starts_again = True
        self.unread = b""
        self.room = 1 << 20

    def write(self, data: bytes) -> int:
        taken = data[: self.room]
        self.unread += taken
        self.calls.append(f"type {taken!r}")
        return len(taken)

    def take_unread(self) -> bytes:
        taken, self.unread = self.unread, b""
        return taken

    def take_interrupt(self) -> bool:
        if self.catches_interrupts:
            self.calls.append("interrupt")
        return self.catches_interrupts

    def kill(self) -> None:
        self.calls.append("kill")

    def end(self) -> None:
        self.calls.append("end")


class Bench(FaultyRelay):
    """A relay in front of such boards."""

    life: Noted  # type: ignore[assignment]

    def __init__(self, faults: str) -> None:
        self.calls: list[str] = []
        super().__init__({"faults": parse_faults(faults).config()})
        self.calls.clear()

    def _life(self, raw: bool) -> Noted:  # type: ignore[override]
        return Noted(self.calls, raw)

    def host(self, data: bytes) -> list[str]:
        """What is done to the board when the host sends this, joined where it is only typing."""
        self.calls.clear()
        self._from_host(data)
        self._flush()
        return self.calls

    def board(self, data: bytes) -> bytes:
        """What the host gets when the board says this."""
        self._say(data)
        self._flush()
        os.set_blocking(self._slave, False)
        try:
            return os.read(self._slave, 4096)
        except BlockingIOError:
            return b""

    def close(self) -> None:
        """Give up all that is open."""
        watched = self.openings.descriptor if self.openings is not None else None
        for descriptor in (self.port, self._slave, self.log, watched):
            if descriptor is not None and descriptor >= 0:
                os.close(descriptor)


class Opened:
    """Somebody opens the port `times` times."""

    descriptor = -1

    def __init__(self, times: int) -> None:
        self.times = times

    def seen(self) -> bool:
        self.times -= 1
        return self.times >= 0


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    made: list[Bench] = []

    def make(faults: str) -> Bench:
        made.append(Bench(f"{faults},log={tmp_path / 'log'}"))
        return made[-1]

    yield make
    for bench in made:
        bench.close()


@pytest.fixture
def log(tmp_path: Path) -> Callable[[], list[FaultEvent]]:
    return lambda: read_log(tmp_path / "log")


def test_an_opening_comes_before_what_was_written_after_it(
    make: Make, log: Callable[[], list[FaultEvent]]
) -> None:
    bench = make("seed=1")
    assert bench.host(b"ab") == ["type b'ab'"]
    bench.openings = Opened(1)  # type: ignore[assignment]
    assert bench.host(b"cd") == ["end", "start raw=False", "type b'cd'"]
    assert log() == [FaultEvent("to-board", 1, "reset-on-open", b"", b"")]


def test_what_comes_before_a_board_is_up_again_is_lost(
    make: Make, log: Callable[[], list[FaultEvent]]
) -> None:
    bench = make("reset-at=2")
    assert bench.host(b"ab") == ["type b'ab'", "end", "start raw=False"]
    bench.life.is_up = False
    assert bench.host(b"cd") == []
    bench.life.is_up = True
    assert bench.host(b"e") == ["type b'e'"]
    assert [(e.at, e.fault, e.was) for e in log()] == [
        (1, "reset-at", b""),
        (2, "boot", b"c"),
        (3, "boot", b"d"),
    ]


def test_a_soft_reset_loses_nothing(make: Make, log: Callable[[], list[FaultEvent]]) -> None:
    bench = make("seed=1")
    bench._start_again(True, b"MPY: soft reboot")
    bench.life.is_up = False
    assert bench.host(b"cd") == ["type b'cd'"]
    assert log() == []


def test_a_board_has_all_bytes_when_it_is_killed(make: Make) -> None:
    bench = make("die-at=3")
    assert bench.host(b"ab") == ["type b'ab'"]
    assert bench.host(b"cdef") == ["type b'c'", "kill"]
    assert bench.is_over
    assert bench.last_words() == "die-at: killed after 3 bytes from the host"


def test_a_board_is_killed_when_it_has_said_so_much(make: Make) -> None:
    bench = make("to-host.die-at=3")
    assert bench.board(b"ab") == b"ab"
    assert bench.calls == []
    assert bench.board(b"cd") == b"cd"
    assert bench.calls == ["kill"]
    assert bench.last_words() == "die-at: killed after 3 bytes to the host"


def test_interrupts_in_a_run_each_at_its_place(
    make: Make, log: Callable[[], list[FaultEvent]]
) -> None:
    bench = make("ctrl-c")
    bench.life.catches_interrupts = True
    bench.life.room = 4
    assert bench.host(b"abcdef") == ["type b'abcd'"]
    assert (bench.life.unread, bench.to_board) == (b"abcd", b"ef")
    assert bench.host(b"gh\x03ij\x03k") == ["interrupt", "interrupt", "type b'k'"]
    assert log() == [
        FaultEvent("to-board", 8, "ctrl-c", b"abcdefgh\x03", b""),
        FaultEvent("to-board", 11, "ctrl-c", b"ij\x03", b""),
    ]


def test_interrupts_in_a_copy(make: Make, log: Callable[[], list[FaultEvent]]) -> None:
    bench = make("ctrl-c,to-board.dup=1:3")
    bench.life.catches_interrupts = True
    assert bench.host(b"a\x03b") == ["interrupt", "interrupt", "type b'b'"]
    assert log() == [
        FaultEvent("to-board", 1, "ctrl-c", b"a\x03", b""),
        FaultEvent("to-board", 2, "dup", b"", b"a\x03"),
        FaultEvent("to-board", 2, "ctrl-c", b"ba\x03", b""),
        FaultEvent("to-board", 2, "dup", b"", b"b"),
    ]


def test_an_interrupt_that_finds_no_room_is_none(
    make: Make, log: Callable[[], list[FaultEvent]]
) -> None:
    bench = make("ctrl-c,overflow=2")
    bench.life.catches_interrupts = True
    assert bench.host(b"ab\x03") == ["type b'ab'"]
    assert log() == [FaultEvent("to-board", 2, "overflow", b"\x03", b"")]
    bench.board(b"!")
    assert bench.host(b"\x03") == ["interrupt"]


def test_a_copy_that_overflows(make: Make, log: Callable[[], list[FaultEvent]]) -> None:
    bench = make("overflow=5,to-board.dup=1:4")
    assert bench.host(b"abcd") == ["type b'abcda'"]
    assert log() == [
        FaultEvent("to-board", 3, "dup", b"", b"abcd"),
        FaultEvent("to-board", 3, "overflow", b"bcd", b""),
    ]


def test_it_waits_no_longer_than_a_stall(make: Make) -> None:
    bench = make("to-host.stall=1:0.05")
    assert bench._patience() == 0.25
    assert bench.board(b"ab") == b"a"
    assert 0 < bench._patience() <= 0.05


def test_the_ways_have_places_of_their_own(make: Make, log: Callable[[], list[FaultEvent]]) -> None:
    bench = make("drop=0.5")
    bench.host(bytes(100))
    bench.board(bytes(100))
    places = [[e.at for e in log() if e.way == way] for way in ("to-board", "to-host")]
    assert places[0] != places[1]
    assert all(30 < len(each) < 70 for each in places)


def test_nobody_is_read_who_would_fill_the_line(make: Make) -> None:
    bench = make("stall=1:60")
    bench.life.master = 4000
    assert bench._interest(5000)[0] == [5000, bench.port, 4000]
    bench._from_host(bytes(4096))
    assert bench._interest(5000)[0] == [5000, 4000]
    bench._say(bytes(4096))
    assert bench._interest(5000)[0] == [5000]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells of openings")
def test_a_program_that_opens_the_port_boots_the_board(make: Make) -> None:
    bench = make("reset-on-open")
    assert bench.openings is not None
    assert bench.openings.descriptor in bench._interest(5000)[0]
    assert bench.board(b"before") == b"before"
    os.close(os.open(bench.name, os.O_RDWR | os.O_NOCTTY))
    assert b"POWERON_RESET" in bench.board(b"")
    assert bench.calls == ["end", "start raw=False"]


def test_a_board_that_says_nothing_has_not_read(
    make: Make, log: Callable[[], list[FaultEvent]]
) -> None:
    bench = make("overflow=2")
    assert bench.host(b"ab") == ["type b'ab'"]
    assert bench.board(b"") == b""
    assert bench.host(b"c") == []
    assert log() == [FaultEvent("to-board", 2, "overflow", b"c", b"")]


def test_without_a_log_the_faults_are_the_same(make: Make, tmp_path: Path) -> None:
    plain = Bench("drop=0.5,seed=3")
    sent = bytes(range(100))
    assert plain.host(sent) == make("drop=0.5,seed=3").host(sent) != [f"type {sent!r}"]
    assert [each.name for each in tmp_path.iterdir()] == ["log"]
    plain.close()

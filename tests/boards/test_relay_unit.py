"""The process of a virtual board, run inside the test: it carries bytes, starts again and ends."""

from __future__ import annotations

import fcntl
import json
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from microinterp_boards.virtual import relay
from microinterp_boards.virtual.life import BUFFER
from microinterp_boards.virtual.relay import Relay
from tests.boards.fake_life import RelayBench


class Clock:
    """Time that passes only in `sleep`, or as the test wants."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(relay, "time", clock)
    return clock


@pytest.fixture
def bench() -> Iterator[RelayBench]:
    bench = RelayBench()
    yield bench
    bench.close()


class Turns:
    """Does the next of `steps` before each turn of a relay; closes its standard input after all."""

    def __init__(self, patch: pytest.MonkeyPatch, bench: RelayBench) -> None:
        self.bench = bench
        self.lifeline, self.host = os.pipe()
        self.steps: Iterator[Callable[[], object]] = iter(())
        patch.setattr(relay.sys, "stdin", SimpleNamespace(fileno=lambda: self.lifeline))
        patch.setattr(relay, "_LOOK", 0.02)
        self.interest = bench._interest
        patch.setattr(bench, "_interest", self.turn)

    def turn(self, lifeline: int) -> tuple[list[int], list[int], list[int]]:
        step = next(self.steps, None)
        if step is not None:
            step()
        elif self.host >= 0:
            os.close(self.host)
            self.host = -1
        return self.interest(lifeline)

    def run(self, *steps: Callable[[], object]) -> None:
        self.steps = iter(steps)
        self.bench.run()

    def close(self) -> None:
        for descriptor in (self.lifeline, self.host):
            if descriptor >= 0:
                os.close(descriptor)


@pytest.fixture
def turns(monkeypatch: pytest.MonkeyPatch, bench: RelayBench) -> Iterator[Turns]:
    turns = Turns(monkeypatch, bench)
    yield turns
    turns.close()


def nothing() -> None:
    pass


def test_a_board_that_comes_up_has_said_so_to_the_host(bench: RelayBench) -> None:
    bench.life.up_with = b">>> "
    bench.life.say(b"Banner\r\n")
    bench.life.say(b">>> ")
    assert bench.start_up() == ""
    assert bench.to_host == b"Banner\r\n>>> "


@pytest.mark.parametrize(
    ("said", "words", "error"),
    [
        (b"", "", "it ended at once"),
        (b" no such library\r\n", "", "no such library"),
        (b"\xff", "", "\ufffd"),
        (b"noise", "qemu: no such machine", "qemu: no such machine"),
    ],
)
def test_why_a_board_that_has_ended_did_not_come_up(
    bench: RelayBench, said: bytes, words: str, error: str
) -> None:
    bench.life.up_with, bench.life.words = b"never", words
    bench.life.say(said)
    bench.life.stop()
    assert bench.start_up() == error


def test_a_prompt_before_it_is_up_is_the_end_of_waiting(bench: RelayBench) -> None:
    """The boot code has failed: its traceback is told at once, not after the limit."""
    bench.life.up_with = b"token"
    bench.life.say(b"MemoryError:\r\n>>> ")
    assert bench.start_up() == "MemoryError:\r\n>>>"


def test_a_board_may_come_up_at_the_last_moment(
    bench: RelayBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.life.up_with = b">>> "
    bench.life.say(b">>> ")
    monkeypatch.setattr(relay, "_START_LIMIT", 0.9)
    assert bench.start_up() == ""


def test_a_board_that_says_nothing(bench: RelayBench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.life.up_with = b">>> "
    monkeypatch.setattr(relay, "_START_LIMIT", 0.01)
    assert bench.start_up() == "it does not answer"


def test_bytes_go_both_ways_until_standard_input_ends(bench: RelayBench, turns: Turns) -> None:
    turns.run(
        lambda: bench.host_types(b"print(1)\r"),
        lambda: bench.life.say(b"1\r\n>>> "),
        nothing,
    )
    assert bench.life.typed() == b"print(1)\r"
    assert bench.host_reads() == b"1\r\n>>> "
    assert not bench.is_over


def test_bytes_on_standard_input_do_not_end_it(bench: RelayBench, turns: Turns) -> None:
    turns.run(lambda: os.write(turns.host, b"x"), lambda: bench.life.say(b"later"))
    assert bench.host_reads() == b"later"


def test_it_ends_when_its_parent_does(
    bench: RelayBench, turns: Turns, monkeypatch: pytest.MonkeyPatch
) -> None:
    parents = iter([bench.parent, bench.parent, 1])
    monkeypatch.setattr(relay.os, "getppid", lambda: next(parents))
    turns.run(nothing, nothing, lambda: pytest.fail("a turn without a parent"))


def test_a_process_that_has_ended_is_seen_without_a_word(bench: RelayBench, turns: Turns) -> None:
    """As where something else holds its terminal open."""
    bench.life.starts_again = False
    turns.run(lambda: setattr(bench.life, "exit_code", 1), nothing, nothing)
    assert bench.is_over
    assert bench.lives[0].ends == 0  # main ends it, after its last words


def test_nobody_is_asked_for_more_than_can_be_kept(bench: RelayBench) -> None:
    lifeline, master = 5000, bench.life.master
    assert bench._interest(lifeline) == ([lifeline, bench.port, master], [], [])
    bench.to_board = bytes(BUFFER - 1)
    assert bench._interest(lifeline) == ([lifeline, bench.port, master], [master], [])
    bench.to_board = bytes(BUFFER)
    assert bench._interest(lifeline) == ([lifeline, master], [master], [])
    bench.to_host = bytes(BUFFER)
    assert bench._interest(lifeline) == ([lifeline], [master, bench.port], [])


def test_nothing_is_typed_to_a_prompt_that_is_about_to_be_left(bench: RelayBench) -> None:
    bench.life.may_type = False
    bench._from_host(b"a")
    bench._flush()
    assert bench.life.typed() == b""
    assert bench._interest(5000)[1] == []
    bench.life.may_type = True
    bench._flush()
    assert (bench.life.typed(), bench.to_board) == (b"a", b"")


def test_an_interrupt_overtakes_what_was_not_read(bench: RelayBench) -> None:
    bench._from_host(b"long")
    bench.life.interrupts = 2
    bench._from_host(b"ab\x03cd\x03ef\x03g")
    assert bench.life.taken == 2
    assert bench.to_board == b"ef\x03g"  # the third is data, as at a prompt


def test_a_guess_counts_only_interrupts_that_are_typed_alone(
    bench: RelayBench, clock: Clock
) -> None:
    bench.life.guess, bench.life.interrupts = True, 5
    bench._from_host(b"x\x03y")
    assert (bench.to_board, bench.life.taken, clock.slept) == (b"x\x03y", 0, [])
    bench._from_host(b"\r\x03\x03")
    assert (bench.to_board, bench.life.taken) == (b"", 2)


def test_a_guess_waits_for_a_prompt_that_is_on_its_way(bench: RelayBench, clock: Clock) -> None:
    bench.life.guess = True
    bench.life.say(b">>> ")
    bench._from_host(b"\x03")
    assert clock.slept == [relay._GLANCE]
    assert bench.to_host == b">>> "


def test_a_guess_does_not_wait_for_the_end_of_what_never_ends(
    bench: RelayBench, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench.life, "read", lambda: b"on and on")
    monkeypatch.setattr(relay, "_BACKLOG", 40)
    bench.life.guess, bench.life.interrupts = True, 1
    bench._from_host(b"\x03")
    assert len(bench.to_host) == 45
    assert bench.life.taken == 1


@pytest.mark.parametrize("raw", [False, True])
def test_a_soft_reset(bench: RelayBench, clock: Clock, raw: bool) -> None:
    clock.now = bench.started + 3
    old = bench.life
    old.in_raw, bench.to_board = raw, b"not for the next life"
    old.say(b"out\r\n")
    assert bench._from_board()
    old.stop()
    assert not bench._from_board()
    assert bench.to_host == b"out\r\nMPY: soft reboot\r\n"
    assert (old.ends, bench.to_board) == (1, b"")
    assert bench.life is not old
    assert bench.life.raw is raw
    assert bench.started == clock.now
    assert clock.slept == [0.0]


def test_a_main_that_resets_at_once_does_not_eat_the_machine(
    bench: RelayBench, clock: Clock
) -> None:
    bench.started = clock.now
    for _ in range(3):
        bench.life.stop()
        bench._from_board()
    assert clock.slept == pytest.approx([relay._BACKOFF] * 3)
    assert len(bench.lives) == 4


def test_what_no_host_reads_is_dropped_after_a_while(bench: RelayBench, clock: Clock) -> None:
    bench._say(bytes(1 << 17))  # more than a terminal holds
    while bench.stalled is None:
        bench._flush()
    taken, waiting = (1 << 17) - len(bench.to_host), len(bench.to_host)
    assert waiting
    clock.now += relay._PATIENCE
    bench._flush()
    assert len(bench.to_host) == waiting
    clock.now += 0.01
    bench._flush()
    assert bench.to_host == b""
    got = 0
    while data := bench.host_reads():
        got += len(data)
    assert got == taken
    bench._say(b"again")
    bench._flush()
    assert (bench.host_reads(), bench.stalled) == (b"again", None)


def test_the_announcement_is_locked_and_for_this_user_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "board.json"
    opened: list[int] = []
    really = os.open
    monkeypatch.setattr(os, "open", lambda *how: opened.append(really(*how)) or opened[-1])
    bench = RelayBench({"registry": str(path), "entry": {"kind": "unix"}})
    bench.announce()
    (descriptor,) = opened
    assert json.loads(path.read_text()) == {"kind": "unix", "port": bench.name, "pid": os.getpid()}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["board.json"]
    with path.open() as file, pytest.raises(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(descriptor)
    bench.close()


def test_what_answers_behind_the_port(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[tuple[object, ...]] = []
    monkeypatch.setattr(relay, "Machine", lambda *about: made.append(("machine", *about)))
    monkeypatch.setattr(relay, "Interpreter", lambda *about: made.append(("unix", *about)))
    for config in ({"command": ["qemu"]}, {"library": "x"}):
        board = Relay(config)
        board._life(raw=True)
        os.close(board.port)
        os.close(board._slave)
    unix = {"library": "x"}
    assert made == [("machine", ["qemu"])] * 2 + [("unix", unix, False), ("unix", unix, True)]

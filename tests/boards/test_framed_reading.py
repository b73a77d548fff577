"""The thread that reads a port: nothing that a board says is dropped, and it ends with the port."""

from __future__ import annotations

import os
import random
import threading
import time
import tty
from functools import partial

import pytest

from microinterp.errors import DeviceError
from microinterp_boards.transport import Transport
from tests.boards.conftest import Terminal, wait_for
from tests.clock import quickest

DATA = random.Random(1).randbytes(300_000)


def readers() -> int:
    return sum(thread.name == "serial port" for thread in threading.enumerate())


def said_by(terminal: Terminal, data: bytes) -> threading.Thread:
    """Let a board say something as fast as it is taken."""
    thread = threading.Thread(target=terminal.answer, args=(data,), daemon=True)
    thread.start()
    return thread


def test_what_nobody_asks_for_is_taken_all_the_same(terminal: Terminal) -> None:
    transport = Transport(terminal.port)
    said_by(terminal, DATA).join(5)  # a terminal holds some 4 kB: the board is not held up
    assert transport.read(len(DATA), 2, "all of it") == DATA
    assert transport.seen == DATA[-120:]
    transport.close()


def test_no_more_is_held_than_a_bound(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("microinterp_boards.reading._HELD", 20_000)
    transport = Transport(terminal.port)
    thread = said_by(terminal, DATA)
    time.sleep(0.2)
    assert thread.is_alive()
    assert transport.peek() <= 20_000 + 8192
    assert transport.read(len(DATA), 5, "all of it") == DATA
    thread.join(5)
    assert not thread.is_alive()
    transport.close()


@pytest.mark.parametrize("data", [b"", b"x", DATA[:9000]], ids=["nothing", "a byte", "much"])
def test_the_thread_ends_with_the_port(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, data: bytes
) -> None:
    before = readers()
    monkeypatch.setattr("microinterp_boards.reading._HELD", 5000)

    def closed() -> float:
        """Seconds that it takes to close a port at which a board speaks."""
        transport = Transport(terminal.port)
        thread = said_by(terminal, data)
        assert wait_for(lambda: not data or transport.peek() > 0)
        assert readers() == before + 1
        started = time.monotonic()
        transport.close()
        transport.close()
        took = time.monotonic() - started
        assert readers() == before
        os.read(terminal.master, 0)
        thread.join(1)
        return took

    assert min(closed() for _ in range(3)) < 0.5  # a machine that stands still makes one longer


def test_a_port_that_is_none_starts_no_thread() -> None:
    before = readers()
    with pytest.raises(DeviceError):
        Transport("/dev/nowhere")
    assert readers() == before


def test_what_came_before_a_port_went_is_read_first() -> None:
    master, slave = os.openpty()
    tty.setraw(slave)
    transport = Transport(os.ttyname(slave))
    os.close(slave)
    os.write(master, b"last words")
    assert wait_for(lambda: transport.peek() == 10)
    os.close(master)
    started = time.monotonic()
    assert transport.read(4, 60, "words") == b"last"
    with pytest.raises(DeviceError, match=r"the port is gone.*last words"):
        transport.read(20, 60, "more words")
    assert transport.gone
    assert transport.some() == b" words"
    for use in (transport.peek, transport.some, lambda: transport.read_until(b"x", 60, "an x")):
        with pytest.raises(DeviceError, match="the port is gone"):
            use()
    assert time.monotonic() - started < 10
    transport.close()


def test_waiting_is_not_longer_than_asked(terminal: Terminal) -> None:
    transport = Transport(terminal.port)
    for timeout in (0.0, 0.1, 0.3):
        took = quickest(partial(transport.some, timeout), timeout + 0.2)
        assert timeout - 0.01 <= took < timeout + 0.2
    assert transport.seen == b""
    threading.Timer(0.1, terminal.answer, [b"x"]).start()
    started = time.monotonic()
    assert transport.some(60) == b"x"
    assert time.monotonic() - started < 10
    transport.close()

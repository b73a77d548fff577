"""The thread that reads a port: nothing that a board says is dropped, and it ends with the port."""

from __future__ import annotations

import os
import random
import threading
import time
import tty

import pytest

from microinterp.errors import DeviceError
from microinterp_boards.transport import Transport
from tests.boards.conftest import Terminal, wait_for

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


def test_the_thread_ends_with_the_port(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    before = readers()
    monkeypatch.setattr("microinterp_boards.reading._HELD", 5000)
    for data in (b"", b"x", DATA[:9000]):
        transport = Transport(terminal.port)
        thread = said_by(terminal, data)
        time.sleep(0.05)
        assert readers() == before + 1
        started = time.monotonic()
        transport.close()
        transport.close()
        assert time.monotonic() - started < 0.5
        assert readers() == before
        os.read(terminal.master, 0)
        thread.join(1)
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
    assert transport.read(4, 5, "words") == b"last"
    with pytest.raises(DeviceError, match=r"the port is gone.*last words"):
        transport.read(20, 5, "more words")
    assert transport.gone
    assert transport.some() == b" words"
    for use in (transport.peek, transport.some, lambda: transport.read_until(b"x", 5, "an x")):
        with pytest.raises(DeviceError, match="the port is gone"):
            use()
    assert time.monotonic() - started < 1
    transport.close()


def test_waiting_is_not_longer_than_asked(terminal: Terminal) -> None:
    transport = Transport(terminal.port)
    for timeout in (0.0, 0.1, 0.3):
        started = time.monotonic()
        assert transport.some(timeout) == b""
        assert timeout - 0.01 <= time.monotonic() - started < timeout + 0.2
    threading.Timer(0.1, terminal.answer, [b"x"]).start()
    started = time.monotonic()
    assert transport.some(5) == b"x"
    assert time.monotonic() - started < 1
    transport.close()

"""The raw REPL without a port: firmware that answers oddly, interrupts, and a boot."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
import serial

from microinterp.errors import DeviceError
from microinterp_boards import link as linking
from microinterp_boards import opening
from microinterp_boards.link import Link
from microinterp_boards.port_lock import PortLock
from microinterp_boards.reading import Reader
from tests.boards.spoken_line import SpokenTransport

BANNER = b"raw REPL; CTRL-B to exit\r\n>"


def enters(data: bytes) -> bytes:
    """A board that has a raw REPL, and no more."""
    return BANNER if data.endswith(b"\x01") else b""


@pytest.fixture
def line(monkeypatch: pytest.MonkeyPatch) -> SpokenTransport:
    made = SpokenTransport(on_write=enters)
    monkeypatch.setattr(linking, "Transport", lambda port, baud: made)
    return made


Answer = Callable[[bytes], bytes]


def pasting(says: bytes) -> Answer:
    """What a board says to a raw paste, and to the code's end if it takes code as it is."""
    return lambda data: says if data == b"\x05A\x01" else enters(data)


def test_code_goes_as_far_as_the_board_asks(line: SpokenTransport) -> None:
    link = Link("fake")
    line.on_write = pasting(b"R\x01\x04\x00\x01")
    line.written.clear()
    with pytest.raises(DeviceError, match="no room for code"):
        link.exec("1234567890")
    assert line.written == [b"\x05A\x01", b"12345678", b"\x03\x03"]  # two windows, then stopped


def test_a_banner_that_comes_late_is_not_that_of_a_soft_reset(line: SpokenTransport) -> None:
    """The board has answered one ^A of two when the port fell silent."""
    link = Link("fake")
    line.on_write = lambda data: BANNER + b"OK\r\nMPY: soft reboot\r\n" + BANNER
    line.written.clear()
    link.soft_reset()
    assert (line.written, line.peek()) == ([b"\x04"], 0)


def slow_to_enter(line: SpokenTransport, misses: int) -> Link:
    """A board whose banners come after the host has lost patience, so many times."""
    left = [b""] * misses

    def late(data: bytes) -> bytes:
        return left.pop() if left and data == b"\r\x01" else enters(data)

    line.on_write = late
    return Link("fake")


@pytest.mark.parametrize("misses", [1, 2, 3])
def test_a_banner_that_comes_late_is_not_the_answer_to_a_raw_paste(
    line: SpokenTransport, misses: int
) -> None:
    """The board is asked as often as it was not heard, and takes the code all the same."""
    link = slow_to_enter(line, misses)
    taken = iter([BANNER * misses + b"R\x01\x80\x00\x01", b"", b"\x041\r\n\x04\x04>"])
    line.on_write = lambda data: next(taken)
    assert link.exec("print(1)") == b"1\r\n"
    assert line.written[-3:] == [b"\x05A\x01", b"print(1)", b"\x04"]


@pytest.mark.parametrize("misses", [0, 1, 3])
def test_firmware_without_raw_paste_that_was_slow(line: SpokenTransport, misses: int) -> None:
    link = slow_to_enter(line, misses)
    line.on_write = lambda data: b"OK1\r\n\x04\x04>" if data == b"1\x04" else enters(data)
    assert link.exec("1") == b"1\r\n"
    line.written.clear()
    assert link.exec("1") == b"1\r\n"
    assert line.written == [b"1\x04"]


@pytest.mark.parametrize(
    ("pauses", "said"),
    [([1, 0, 0, 1], "busy: it prints"), ([1], "not with"), ([0], "busy"), ([0, 1, 1], "not with")],
)
def test_a_pause_is_no_silence(
    line: SpokenTransport, monkeypatch: pytest.MonkeyPatch, pauses: list[int], said: str
) -> None:
    """A board that prints and ignores Ctrl-C pauses now and then; one without a REPL prints too."""
    link = Link("fake")
    line.on_write, line.seen = (lambda data: b""), b"21.5 C"
    left = iter(pauses)
    clock = iter([0.0, *([1.0] * (len(pauses) - 1)), 99.0])
    monkeypatch.setattr(line, "forget", lambda: None)
    monkeypatch.setattr(line, "drain", lambda quiet, limit: bool(next(left)))
    monkeypatch.setattr(linking.time, "monotonic", lambda: next(clock))
    with pytest.raises(DeviceError, match=said):
        link.enter()


def test_a_window_of_nothing(line: SpokenTransport) -> None:
    link = Link("fake")
    line.on_write = pasting(b"R\x01\x00\x00\x01")
    with pytest.raises(DeviceError, match="offers a window of no bytes for code"):
        link.exec("1")
    assert line.written[-1] == b"\x03\x03"


def test_flow_control_that_is_none(line: SpokenTransport) -> None:
    link = Link("fake")
    line.on_write = pasting(b"R\x01\x02\x00?")
    with pytest.raises(DeviceError, match=r"b'\?' came instead of room for code"):
        link.exec("1")
    line.on_write = pasting(b"XY")
    with pytest.raises(DeviceError, match="does not know raw paste, nor refuses it"):
        link.exec("1")


def test_firmware_that_does_not_take_the_code(line: SpokenTransport) -> None:
    """Before raw paste there is an OK; once it has none, it is not asked for it again."""
    link = Link("fake")

    def answer(data: bytes) -> bytes:
        if data == b"1\x04":
            return b"KO"
        return b"R\x00" if data == b"\x05A\x01" else enters(data)

    line.on_write = answer
    with pytest.raises(DeviceError, match="b'KO' came instead of OK for the code"):
        link.exec("1")
    line.written.clear()
    line.on_write = lambda data: b"OK1\r\n\x04\x04>" if data == b"1\x04" else enters(data)
    assert link.exec("1") == b"1\r\n"
    assert b"\x05A\x01" not in line.written


def test_a_boot_starts_from_a_prompt_that_is_known(line: SpokenTransport) -> None:
    """After anything that went wrong, the raw REPL is entered first."""
    link = Link("fake")
    line.written.clear()
    link.boot()
    assert line.written == [b"\r\x02\x04"]
    link.boot()
    assert line.written[1:] == [b"\r\x03\x03", b"\r\x01", b"\r\x02\x04"]


def test_an_interrupt_while_a_board_is_entered_leaves_a_prompt(
    line: SpokenTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(data: bytes) -> bytes:
        line.on_write = enters
        raise KeyboardInterrupt

    line.on_write = interrupted
    with pytest.raises(KeyboardInterrupt):
        Link("fake")
    assert line.written[-1] == b"\r\x02"  # out of the raw REPL
    assert line.closed == 1


def test_a_board_that_cannot_be_entered_is_closed(line: SpokenTransport) -> None:
    line.on_write = lambda data: b""
    line.seen = b"x"
    with pytest.raises(DeviceError, match="nothing answers within 0 s"):
        Link("fake", patience=0)
    assert line.closed == 1


class Port:
    """A port of pyserial whose opening ends in an error."""

    def __init__(self, port: str, error: BaseException) -> None:
        self.port, self.error = port, error

    def open(self) -> None:
        raise self.error


@pytest.mark.parametrize(
    ("error", "message", "hint"),
    [
        (
            "Remote does not seem to support RFC2217 or BINARY mode",
            "what listens there does not speak RFC 2217",
            "a plain TCP bridge is socket://127.0.0.1:7",
        ),
        (
            "Remote does not accept parameter change (RFC2217): baudrate",
            "the RFC 2217 server does not accept the settings of the port",
            "does that take this baud rate",
        ),
        ("timeout while waiting for option 'ctl'", "does not accept the settings", "baud rate"),
        (
            "Could not open port rfc2217://127.0.0.1:7: timed out",
            "no answer within 5 s",
            "is the host up",
        ),
        (
            "Could not open port rfc2217://127.0.0.1:7: [Errno 111] Connection refused",
            r"cannot open the port: \[Errno 111\] Connection refused",
            "docs/fleet.md",
        ),
    ],
)
def test_what_pyserial_says_of_a_network(
    error: str, message: str, hint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = "rfc2217://127.0.0.1:7"
    made = Port(url, serial.SerialException(error))
    monkeypatch.setattr(serial, "serial_for_url", lambda *given, **more: made)
    with pytest.raises(DeviceError, match=message) as caught:
        opening.open_port(url, 9600, 0.1, 1.0)
    assert hint in caught.value.hint
    PortLock(url).release()  # nobody has it


def test_an_interrupt_while_a_port_is_opened_gives_it_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = Port("/dev/fake", KeyboardInterrupt())
    monkeypatch.setattr(serial, "serial_for_url", lambda *given, **more: made)
    with pytest.raises(KeyboardInterrupt):
        opening.open_port("/dev/fake", 9600, 0.1, 1.0)
    PortLock("/dev/fake").release()


def test_a_reader_may_be_ended_by_its_own_thread() -> None:
    """As where an error that it has met closes the port: it does not wait for itself."""
    ended: list[float] = []

    class Closing:
        in_waiting = 0

        def read(self, count: int) -> bytes:
            while not made:
                time.sleep(0.001)
            start = time.monotonic()
            made[0].end()
            ended.append(time.monotonic() - start)
            return b"x"

    made: list[Reader] = []
    made.append(Reader(Closing()))
    made[0]._thread.join(5)
    assert len(ended) == 1
    assert ended[0] < 0.5
    assert made[0].take(0) == (b"x", None)  # an error would stand there

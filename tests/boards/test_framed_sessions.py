"""Sessions of the client: how they begin, what a new one remembers, and how long the end takes."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable

import pytest

from microinterp.errors import DeviceError
from microinterp_boards.framed import client as framed_client
from microinterp_boards.framed.client import Client
from microinterp_boards.framed.codec import BYE, HELLO, KEEP, Decoder, Frame, encode
from microinterp_boards.framed.exchange import Counters
from tests.boards.framed_board import FakeBoard, FakePort, client_of


def frames_of(port: FakePort) -> list[Frame]:
    """What was written, all of it in the client's last session."""
    session = 0
    for _, data in port.written:
        if data[2] == HELLO:
            session = int.from_bytes(data[8:12], "little")
    return Decoder(session).feed(b"".join(data for _, data in port.written))


def quiet_client(port: FakePort) -> Client:
    """With all defaults but the clock."""
    return Client(port, 4e4, keep=None, clock=lambda: port.now)


def deaf(data: bytes) -> bytes:
    return b""


def same(data: bytes) -> bytes:
    return data


def hello_of(port: FakePort, answer: bytes) -> Callable[[bytes], bytes]:
    """A board whose HELLO is answered so."""

    def told(data: bytes) -> bytes:
        session = int.from_bytes(port.written[-1][1][8:12], "little")
        return encode(0x80, 0, answer, session)

    return told


def test_a_session_begins_with_hello_and_request_1() -> None:
    port = FakePort(FakeBoard(3, 1000))
    client = quiet_client(port)
    assert (client.window, client.payload) == (3, 1000)
    assert client._piece == 1000 - 4
    assert client.ask(0x11, b"abc") == b"cba"
    hello, request = frames_of(port)
    assert (hello.kind, hello.number, len(hello.payload)) == (0x01, 0, 4)
    assert request == Frame(0x11, 1, b"abc")
    assert not client.has_ended
    client.close()
    assert frames_of(port)[-1] == Frame(BYE, 2, b"")
    assert client.has_ended
    count = len(port.written)
    client.close()
    assert len(port.written) == count


@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        (b"", "nothing"),
        (b"\1\4\xf4", "0104f4"),
        (b"\1\4\xf4\3\0", "0104f40300"),
        (b"\0\4\xf4\3", "0004f403"),
        (b"\2\4\xf4\3", "0204f403"),
        (b"\1\0\xf4\3", "0100f403"),
    ],
)
def test_other_versions(answer: bytes, shown: str) -> None:
    port = FakePort(FakeBoard())
    port.to_host = hello_of(port, answer)
    with pytest.raises(DeviceError) as caught:
        quiet_client(port)
    assert caught.value.message == (
        f"fake: the service on the board is of another version ({shown})"
    )


@pytest.mark.parametrize("window", [1, 2, 255])
def test_windows_are_as_the_board_says(window: int) -> None:
    port = FakePort(FakeBoard(window, 0x1234))
    client = quiet_client(port)
    assert (client.window, client.payload) == (window, 0x1234)
    assert client._exchange.window == window


def test_what_was_learnt_of_a_line_lasts() -> None:
    """A new session has no larger frames than the one before, and no larger window."""
    board = FakeBoard(4, 1012)
    port = FakePort(board, overflow=260)
    client = client_of(port)
    data = bytes(3000)
    client.send(data)
    assert (client.window, client._piece) == (1, 224)
    port.to_board = deaf
    with pytest.raises(DeviceError):
        client.ask(0x10, b"x", 1)
    port.to_board = same
    board.file.clear()
    board.done.clear()
    client.send(data)
    assert board.sessions == 2
    assert (client.window, client.payload) == (1, 1012)
    assert max(len(payload) for _, payload in board.done) == 228


def test_a_new_session_may_be_narrower() -> None:
    board = FakeBoard(4, 1012)
    port = FakePort(board)
    client = quiet_client(port)
    port.to_board = deaf
    with pytest.raises(DeviceError):
        client.ask(0x10, b"x", 1)
    port.to_board = same
    board.window, board.payload = 2, 100
    client.send(bytes(300))
    assert (client.window, client.payload, client._piece) == (2, 100, 96)


def test_how_long_an_answer_is_waited_for() -> None:
    """4 s for HELLO, 15 s for a request; both as defaults."""
    port = FakePort(FakeBoard())
    port.to_board = deaf
    with pytest.raises(DeviceError, match="fake: no answer of the service within 4 s"):
        quiet_client(port)
    assert port.now == pytest.approx(4)
    port.to_board = same
    client = quiet_client(port)
    port.to_board = deaf
    started = port.now
    with pytest.raises(DeviceError, match="no answer to request 0A within 15 s"):
        client.ask(0x0A)
    assert port.now - started == pytest.approx(15)
    with pytest.raises(DeviceError, match="no answer of the service within 4 s"):
        client.ask(0x0A)
    assert port.now - started == pytest.approx(15 + 4)
    port.to_board = same
    assert client.ask(0x0A, b"ab") == b"ba"
    port.to_board = deaf
    started = port.now
    with pytest.raises(DeviceError, match="no answer to data within 15 s"):
        client.send(b"abc")
    assert port.now - started == pytest.approx(15)


@pytest.mark.parametrize("is_sound", [True, False])
def test_a_goodbye_takes_no_longer_than_2_s(is_sound: bool) -> None:
    port = FakePort(FakeBoard())
    client = quiet_client(port)
    port.to_board = deaf
    if not is_sound:
        with pytest.raises(DeviceError):
            client.ask(0x10, b"x", 1)
    started, count = port.now, len(port.written)
    client.close()
    assert port.now - started == pytest.approx(2)
    assert {data[2] for _, data in port.written[count:]} == {BYE if is_sound else HELLO}
    assert not client.has_ended


def test_a_goodbye_after_an_error_is_one_of_a_new_session() -> None:
    board = FakeBoard()
    port = FakePort(board)
    client = quiet_client(port)
    port.to_board = deaf
    with pytest.raises(DeviceError):
        client.ask(0x10, b"x", 1)
    port.to_board = same
    client.close()
    assert client.has_ended
    assert (board.sessions, board.done) == (2, [(BYE, b"")])


def interrupted(port: FakePort, client: Client, act: Callable[[], object]) -> None:
    """Do something that is interrupted while it waits for an answer."""
    some = port.some

    def interrupt(timeout: float = 0.02) -> bytes:
        port.some = some  # type: ignore[method-assign]
        raise KeyboardInterrupt

    port.some = interrupt  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        act()


def test_after_an_interrupt_a_new_session_begins() -> None:
    board = FakeBoard()
    port = FakePort(board)
    client = quiet_client(port)
    interrupted(port, client, lambda: client.ask(0x10, b"one"))
    assert client.ask(0x10, b"two") == b"owt"
    assert board.sessions == 2
    interrupted(port, client, lambda: client.send(bytes(5000)))
    assert client.ask(0x10, b"two") == b"owt"
    assert board.sessions == 3


def test_a_file_that_went_well_leaves_the_session() -> None:
    board = FakeBoard()
    client = quiet_client(FakePort(board))
    assert client.send(bytes(5000)) == 5000
    assert client.ask(0x10, b"ab") == b"ba"
    assert board.sessions == 1


def test_counters_are_those_of_all_sessions() -> None:
    port = FakePort(FakeBoard())
    client = quiet_client(port)
    client._counters.append(Counters(10, 200, 3, 4, 5, 6))
    client.ask(0x10, b"ab")
    assert client.counters == Counters(12, 200 + 16 + 14, 3, 4, 5, 6)


def test_text_and_what_came_last() -> None:
    port = FakePort(FakeBoard())
    client = quiet_client(port)
    port.to_host = lambda data: data + b"behind\xa5"
    client.ask(0x10, b"ab")
    assert client.heard == b"behind"
    assert client.rest() == b"behind\xa5"


def test_sessions_are_random_and_interrupt_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """A HELLO with the byte 0x03, in its number or in its CRC32, is not used."""
    drawn = [0x00000300, 0x03000000, 0x12345678]
    asked: list[int] = []

    def draw(bits: int) -> int:
        asked.append(bits)
        return drawn[len(asked) - 1]

    monkeypatch.setattr("secrets.randbits", draw)
    assert framed_client._session() == 0x12345678
    assert asked == [32, 32, 32]
    assert b"\x03" not in encode(HELLO, 0, bytes.fromhex("78563412"), 0)
    monkeypatch.undo()
    found = {framed_client._session() for _ in range(200)}
    assert len(found) == 200
    assert max(found) > 1 << 31
    for session in found:
        assert 3 not in encode(HELLO, 0, session.to_bytes(4, "little"), session)


def test_a_sign_of_life_comes_about_once_a_second() -> None:
    defaults = inspect.signature(Client).parameters
    assert defaults["keep"].default == 1.0
    assert defaults["limit"].default == 4.0
    assert defaults["clock"].default is time.monotonic


class Ticks:
    """Time for the thread that keeps a session: so many ticks, and then the end."""

    def __init__(self, count: int) -> None:
        self.left = count
        self.waited: list[float] = []

    def wait(self, seconds: float) -> bool:
        self.waited.append(seconds)
        self.left -= 1
        return self.left < 0


def test_what_keeps_a_session_waits_for_its_turn() -> None:
    board = FakeBoard()
    port = FakePort(board)
    client = quiet_client(port)
    ticks = Ticks(3)
    client._over = ticks  # type: ignore[assignment]
    client._keep(1.5)
    assert board.kept == 3
    assert ticks.waited == [1.5] * 4
    assert frames_of(port)[-1] == Frame(KEEP, 0, b"")
    ticks.left = 2
    with client._lock:  # a request is under way
        client._keep(1.5)
    assert board.kept == 3
    assert not client._lock.locked()
    client._is_sound = False  # nobody knows what the board does
    ticks.left = 2
    client._keep(1.5)
    assert board.kept == 3


def test_a_port_that_is_gone_does_not_end_the_thread() -> None:
    port = FakePort(FakeBoard())
    client = quiet_client(port)

    def gone(data: bytes) -> None:
        raise port.error("the port is gone")

    port.write = gone  # type: ignore[method-assign]
    ticks = Ticks(2)
    client._over = ticks  # type: ignore[assignment]
    client._keep(1.5)
    assert ticks.left == -1
    assert not client._lock.locked()

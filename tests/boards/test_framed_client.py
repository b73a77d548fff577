"""The client against a board in process, over lines that lose, damage and repeat bytes."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable

import pytest

from microinterp.errors import DeviceError
from microinterp_boards.framed.client import Client
from microinterp_boards.framed.codec import (
    ANSWER,
    BYE,
    KEEP,
    OVERHEAD,
    REPEAT,
    Decoder,
    encode,
)
from microinterp_boards.framed.exchange import RefusedError
from tests.boards.framed_board import DATA, FakeBoard, FakePort, client_of

FILE = random.Random(1).randbytes(40_000)
LINES = {
    "clean": {},
    "bad": {"flip": (1e-4, 1), "drop": (5e-5, 1), "dup": (5e-5, 20)},
    "worse": {"flip": (1e-3, 1), "drop": (5e-4, 2), "dup": (2e-4, 40), "noise": (2e-4, 9)},
}


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize(("window", "payload"), [(4, 1012), (1, 228), (3, 64)])
def test_requests_are_done_once(line: str, window: int, payload: int) -> None:
    for seed in range(3):
        board = FakeBoard(window, payload)
        port = FakePort(board, LINES[line], str(seed))
        client = client_of(port)
        asked = [(0x10 + n % 5, b"request %d" % n) for n in range(300)]
        for kind, text in asked:
            assert client.ask(kind, text, 60) == text[::-1]
        assert board.done == asked  # each of them, once, in order
        assert board.sessions == 1
        client.close()
        assert board.done[-1] == (BYE, b"")
        assert (client.counters.repeated > 0) == (line != "clean")


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize(("window", "payload"), [(4, 1012), (1, 228), (3, 64)])
def test_files_arrive_whole(line: str, window: int, payload: int) -> None:
    board = FakeBoard(window, payload)
    client = client_of(FakePort(board, LINES[line]))
    told: list[int] = []
    assert client.send(FILE, 0, told.append, 60) == len(FILE)
    assert board.file == FILE
    assert told == sorted(told)
    assert told[-1] == len(FILE)
    if line == "clean":
        most = -(-len(FILE) // (payload - 4))
        assert len(board.done) == most
        assert client.counters.sent == most + 1
        assert client.counters.sent_bytes == len(FILE) + most * (4 + OVERHEAD) + OVERHEAD + 4


def test_a_file_that_is_there_in_part() -> None:
    board = FakeBoard()
    board.file[:] = FILE[:7777]
    client = client_of(FakePort(board))
    assert client.send(FILE, 7777) == len(FILE)
    assert board.file == FILE
    assert sum(len(payload) - 4 for _, payload in board.done) == len(FILE) - 7777
    assert client.send(FILE, len(FILE)) == len(FILE)  # nothing to do


def test_what_the_board_says_is_there_counts() -> None:
    """A board that keeps only what its flash took, in blocks of 700 bytes."""
    board = FakeBoard()

    def slowly(kind: int, payload: bytes) -> bytes:
        at = int.from_bytes(payload[:4], "little")
        if at > len(board.file):
            raise RefusedError(1, "beyond the end", "")
        board.file[at:] = payload[4:704]
        return len(board.file).to_bytes(4, "little")

    board.handle = slowly
    assert client_of(FakePort(board)).send(FILE) == len(FILE)
    assert board.file == FILE


def test_a_board_that_takes_nothing_more() -> None:
    board = FakeBoard()
    board.handle = lambda kind, payload: (100).to_bytes(4, "little")
    with pytest.raises(DeviceError, match="has 100 bytes of 40000, and will not go on"):
        client_of(FakePort(board)).send(FILE)


@pytest.mark.parametrize("line", LINES)
def test_a_refusal_is_told_as_the_board_tells_it(line: str) -> None:
    board = FakeBoard()
    client = client_of(FakePort(board, LINES[line]))

    def full(kind: int, payload: bytes) -> bytes:
        if kind == DATA and int.from_bytes(payload[:4], "little") + len(payload) > 20_000:
            raise RefusedError(3, "28", "")
        return board.write(kind, payload)

    board.handle = full
    with pytest.raises(RefusedError, match="the board refuses: 28") as caught:
        client.send(FILE, limit=60)
    assert (caught.value.code, caught.value.text) == (3, "28")
    assert 18_000 < len(board.file) <= 20_000
    assert client.ask(0x15, b"abc", 60) == b"cba"
    assert board.sessions == 1  # a refusal is an answer: the session goes on


def test_large_frames_that_never_get_through() -> None:
    """A line without flow control, which drops what a buffer of 260 bytes does not take."""
    board = FakeBoard(4, 1012)
    client = client_of(FakePort(board, overflow=260))
    assert client.send(FILE) == len(FILE)
    assert board.file == FILE
    assert client.window == 1
    sizes = Counter(len(payload) for _, payload in board.done)
    assert max(sizes) == 228
    sent = client.counters.sent
    board.file.clear()
    assert client.send(FILE) == len(FILE)  # it has learnt
    assert client.counters.sent - sent == -(-len(FILE) // 224)


def test_a_board_that_computes_for_long_is_left_alone() -> None:
    """A dozen short frames in five minutes: an input buffer of 260 bytes must hold them."""
    board = FakeBoard(1, 228)
    port = FakePort(board)
    client = client_of(port)
    for _ in range(20):
        client.ask(0x10, b"quick")
    board.busy = 290.0
    before = len(port.written)
    assert client.ask(0x10, b"", 300) == b""
    assert board.done.count((0x10, b"")) == 1
    assert sum(len(data) for _, data in port.written[before:]) <= 260
    board.busy = 0.0
    port.now += 600
    before = port.now
    assert client.ask(0x10, b"quick") == b"kciuq"
    assert port.now - before < 1


@pytest.mark.parametrize("limit", [0.5, 20.0])
def test_time_limits(limit: float) -> None:
    board = FakeBoard()
    port = FakePort(board)
    client = client_of(port)
    port.to_board = lambda data: b""
    started = port.now
    with pytest.raises(DeviceError, match="fake: no answer to request 10 within"):
        client.ask(0x10, b"x", limit)
    assert limit <= port.now - started <= limit + 0.1


def test_after_an_error_a_new_session_begins() -> None:
    board = FakeBoard()
    port = FakePort(board)
    client = client_of(port)
    client.ask(0x10, b"one")
    port.to_board = lambda data: b""
    with pytest.raises(DeviceError, match="no answer to request 11 within 1 s"):
        client.ask(0x11, b"lost", 1)
    port.to_board = lambda data: data
    assert client.ask(0x12, b"two") == b"owt"
    assert [payload for _, payload in board.done] == [b"one", b"two"]
    assert board.sessions == 2


def test_what_a_board_prints_is_told() -> None:
    board = FakeBoard()
    port = FakePort(board)
    client = client_of(port)
    port.to_host = lambda data: b"tick\r\n" * 900 + b"low \x1b battery\r\n" + data
    assert client.ask(0x10, b"x") == b"x"
    assert client.heard.endswith(b"battery\r\n")
    assert len(client.heard) <= 2048
    port.to_host = lambda data: b"Traceback: no\r\n\x04\x04>"
    with pytest.raises(DeviceError, match=r"the service on the board has ended.*Traceback") as it:
        client.ask(0x10, b"x", 60)
    assert "\x1b" not in str(it.value)


def test_another_version() -> None:
    port = FakePort(FakeBoard(window=0))
    with pytest.raises(DeviceError, match="of another version"):
        client_of(port)


def test_no_service() -> None:
    port = FakePort(FakeBoard())
    port.to_board = lambda data: b""
    with pytest.raises(DeviceError, match="no answer of the service within 4 s"):
        client_of(port, 4)


def test_an_echo_of_what_is_sent() -> None:
    """A line that gives back each byte, as some adapters do."""
    board = FakeBoard()
    port = FakePort(board)
    write = board.feed
    board.feed = lambda data: data + write(data)  # type: ignore[method-assign]
    client = client_of(port)
    assert client.send(FILE) == len(FILE)
    assert board.file == FILE
    assert client.ask(0x10, b"x") == b"x"


def test_requests_that_are_too_long() -> None:
    client = client_of(FakePort(FakeBoard(1, 228)))
    assert len(client.ask(0x10, bytes(228))) == 228
    with pytest.raises(DeviceError, match="229 bytes do not fit into a request of 228"):
        client.ask(0x10, bytes(229))


def test_answers_to_others_are_none_of_ours() -> None:
    """Late answers and REPEATs of earlier requests, and frames of other sessions."""
    board = FakeBoard()
    port = FakePort(board)
    client = client_of(port)
    old: list[bytes] = []

    def late(data: bytes) -> bytes:
        session = client._exchange._decoder.session
        noise = [
            *old,
            encode(REPEAT, client._exchange._requests[0].number - 1 & 255, b"", session),
            encode(ANSWER, 200, b"nobody", session),
            encode(ANSWER, client._exchange._requests[0].number, b"other", session ^ 1),
        ]
        old[:] = [data]
        return b"".join(noise) + data

    port.to_host = late
    for n in range(50):
        text = b"%d" % n
        assert client.ask(0x10, text) == text[::-1]
    assert len(board.done) == 50


def test_signs_of_life() -> None:
    """They come while nothing is asked, and never while a request is under way."""
    board = FakeBoard()
    port = FakePort(board)
    with Client(port, 4e4, keep=0.01) as client:
        time.sleep(0.2)
        assert board.kept >= 3

        def busy(kind: int, payload: bytes) -> bytes:
            before = board.kept
            time.sleep(0.1)
            assert board.kept == before
            return payload

        board.handle = busy
        client.ask(0x10, b"x")
    kept = board.kept
    time.sleep(0.05)
    assert board.kept == kept
    assert client._thread is not None
    assert not client._thread.is_alive()


def mutations(board: FakeBoard, count: int) -> Callable[[bytes], bytes]:
    """Random and mutated frames before what a board says, `count` in all."""
    draw = random.Random(7)
    left = [count]

    def mutate(data: bytes) -> bytes:
        found = []
        for _ in range(min(left[0], 40)):
            left[0] -= 1
            frame = bytearray(
                encode(
                    draw.choice([ANSWER, 0x81, REPEAT, KEEP, draw.randrange(256)]),
                    draw.randrange(256),
                    draw.randbytes(draw.choice([0, 2, 4, 40, 300])),
                    draw.choice([0, 1, draw.getrandbits(32)]),
                )
            )
            for _ in range(draw.randrange(4)):
                frame[draw.randrange(len(frame))] = draw.randrange(256)
            found.append(bytes(frame[: draw.choice([len(frame), draw.randrange(len(frame))])]))
        return b"".join(found) + data

    return mutate


def throw_at_the_client(count: int) -> None:
    board = FakeBoard()
    port = FakePort(board)
    client = client_of(port)
    port.to_host = mutations(board, count)
    asked = 0
    while asked < count / 40 + 5:
        asked += 1
        text = b"%d" % asked
        assert client.ask(0x10, text, 600) == text[::-1]
    assert len(client.heard) <= 2048
    assert len(client._exchange._decoder._pending) < 4096


def test_frames_thrown_at_the_client() -> None:
    throw_at_the_client(400)


def test_a_decoder_holds_no_more_than_a_frame() -> None:
    draw = random.Random(9)
    decoder = Decoder(1)
    for _ in range(300):
        decoder.feed(draw.randbytes(500) + b"\xa5\x5a" * 9)
        decoder.take_text()
        assert len(decoder._pending) < 2100

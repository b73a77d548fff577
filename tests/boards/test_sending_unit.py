"""A file's way: where pieces begin and end, what a board says of them, when it is enough."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from microinterp.errors import DeviceError
from microinterp_boards.framed.codec import REFUSAL, REPEAT
from microinterp_boards.framed.exchange import Exchange, RefusedError
from microinterp_boards.framed.sending import DATA, Sending
from tests.boards.fake_link import ScriptedPort, exchange_on, said
from tests.boards.framed_board import FakeBoard, FakePort, client_of

FILE = random.Random(4).randbytes(5000)


def placed(data: bytes, *cuts: int) -> list[tuple[int, bytes]]:
    """DATA requests of a file that is cut there: kind, and offset and bytes."""
    return [(DATA, at.to_bytes(4, "little") + data[at:end]) for at, end in pairwise(cuts)]


def waiting(exchange: Exchange) -> list[tuple[int, bytes]]:
    return [(each.kind, each.payload) for each in exchange.waiting]


def there(count: int) -> bytes:
    return count.to_bytes(4, "little")


def begun(
    port: ScriptedPort, data: bytes, *, start: int = 0, piece: int = 100, window: int = 4
) -> tuple[Sending, Exchange]:
    """A file whose first requests are on the line."""
    exchange = exchange_on(port, window)
    sending = Sending(exchange, port, data, start, piece, 5)
    sending._fill()
    exchange._launch()
    return sending, exchange


def test_pieces_follow_each_other() -> None:
    board = FakeBoard(4, 1012)
    told: list[int] = []
    assert client_of(FakePort(board)).send(FILE, 0, told.append) == 5000
    assert board.done == placed(FILE, 0, 1008, 2016, 3024, 4032, 5000)
    assert told == [1008, 2016, 3024, 4032, 5000]


@pytest.mark.parametrize("start", [0, 1, 2999])
def test_they_begin_where_the_board_is(start: int) -> None:
    board = FakeBoard(2, 1504)
    board.file[:] = FILE[:start]
    assert client_of(FakePort(board)).send(FILE[:3000], start) == 3000
    assert board.done == placed(FILE, *sorted({start, min(start + 1500, 3000), 3000}))


@pytest.mark.parametrize(("window", "count"), [(1, 1), (3, 3), (4, 4), (9, 6)])
def test_the_window_is_filled(window: int, count: int) -> None:
    port = ScriptedPort()
    begun(port, FILE[:550], window=window)
    found = [(each.kind, each.payload) for each in port.frames()]
    assert found == placed(FILE[:550], 0, 100, 200, 300, 400, 500, 550)[:count]


def test_an_answer_makes_room_for_one() -> None:
    port = ScriptedPort()
    sending, exchange = begun(port, FILE[:600], window=2)
    port.say(said(0, there(100)))
    sending._take(exchange.collect(1, "answer"))
    sending._fill()
    assert waiting(exchange) == placed(FILE, 100, 200, 300)
    assert sending.done == 100


def test_a_board_that_kept_less_is_sent_the_rest_from_there() -> None:
    """Those under way are waited for first: they say more."""
    port = ScriptedPort()
    sending, exchange = begun(port, FILE[:300], window=3)
    port.numbers()
    port.say(said(0, there(60)), 0.1)
    port.say(said(1, b"\x01\x00beyond the end", REFUSAL), 0.2)
    port.say(said(2, there(70)), 0.3)
    sending._take(exchange.collect(1, "answer"))
    assert not exchange.waiting
    assert sending.done == 70
    assert port.now == pytest.approx(0.3)
    sending._fill()
    assert waiting(exchange) == placed(FILE, 70, 170, 270, 300)


def test_a_board_that_has_more_is_not_sent_it_again() -> None:
    port = ScriptedPort()
    sending, exchange = begun(port, FILE[:300], window=1)
    port.say(said(0, there(150)))
    sending._take(exchange.collect(1, "answer"))
    sending._fill()
    assert waiting(exchange) == placed(FILE, 150, 250)


def test_a_lost_answer_stops_nothing() -> None:
    port = ScriptedPort()
    sending, exchange = begun(port, FILE[:400], window=2)
    port.say(said(2, b"", REPEAT))  # both were done: the second says its answer again
    sending._take(exchange.collect(1, "answer"))
    assert sending.done == 0
    assert [each.number for each in exchange.waiting] == [1]
    port.say(said(1, there(200)))
    sending._take(exchange.collect(1, "answer"))
    assert sending.done == 200


def test_why_a_board_refuses_is_heard_one_by_one() -> None:
    """The refusal that tells is lost, and the one behind it says only that something is missing."""
    board = FakeBoard(4, 104)
    port = FakePort(board)
    client = client_of(port)

    def full(kind: int, payload: bytes) -> bytes:
        if int.from_bytes(payload[:4], "little") == 300:
            raise RefusedError(3, "28", "")
        return board.write(kind, payload)

    board.handle = full
    refused: list[bytes] = []

    def lossy(data: bytes) -> bytes:
        if data[2:3] == bytes([REFUSAL]):
            refused.append(data)
            return b"" if len(refused) == 1 else data
        return data

    port.to_host = lossy
    with pytest.raises(RefusedError) as caught:
        client.send(FILE)
    assert (caught.value.code, caught.value.text) == (3, "28")
    assert board.done.count(placed(FILE, 300, 400)[0]) == 2
    assert board.file == FILE[:300]
    last = len(board.done)
    assert client.ask(0x10, b"ab") == b"ba"
    assert len(board.done) == last + 1  # nothing was left under way
    assert board.sessions == 1


def test_a_refusal_of_what_comes_next_is_told_at_once() -> None:
    port = ScriptedPort()
    sending, exchange = begun(port, FILE[:300], window=3)
    port.say(said(0, b"\x03\x0028", REFUSAL) + said(1, b"\x01\x00no", REFUSAL))
    port.say(said(2, b"\x01\x00no", REFUSAL), 0.2)
    with pytest.raises(RefusedError) as caught:
        sending._take(exchange.collect(1, "answer"))
    assert caught.value.code == 3  # the first one
    assert not exchange.waiting
    assert port.now == pytest.approx(0.2)


def test_a_refusal_further_on_is_not() -> None:
    port = ScriptedPort()
    sending, exchange = begun(port, FILE[:300], window=3)
    port.say(said(1, b"\x01\x00no", REFUSAL))
    port.say(said(2, b"\x01\x00no", REFUSAL))
    sending._take(exchange.collect(1, "answer"))
    sending._fill()
    assert waiting(exchange) == placed(FILE, 0, 100)


@pytest.mark.parametrize("answer", [b"", b"\1\0\0", b"\1\0\0\0\0"])
def test_an_answer_that_is_no_length(answer: bytes) -> None:
    board = FakeBoard()
    board.handle = lambda kind, payload: answer
    with pytest.raises(DeviceError) as caught:
        client_of(FakePort(board)).send(FILE)
    assert caught.value.message == f"fake: {len(answer)} bytes came instead of a file's length"


def test_a_board_that_stands_still() -> None:
    """21 answers, running, that bring nothing are enough."""
    board = FakeBoard(1, 104)
    board.handle = lambda kind, payload: there(0)
    with pytest.raises(DeviceError) as caught:
        client_of(FakePort(board)).send(FILE)
    assert caught.value.message == (
        "fake: the board has 0 bytes of 5000, and will not go on from there"
    )
    assert len(board.done) == 21


def test_a_board_that_is_slow_to_believe() -> None:
    """It stands 20 times, and takes a piece the 21st time: that is no standstill."""
    board = FakeBoard(1, 104)

    def slowly(kind: int, payload: bytes) -> bytes:
        return board.write(kind, payload) if len(board.done) % 21 == 0 else there(len(board.file))

    board.handle = slowly
    told: list[int] = []
    assert client_of(FakePort(board)).send(FILE[:400], 0, told.append) == 400
    assert told == [100, 200, 300, 400]
    assert board.file == FILE[:400]


def test_a_board_that_loses_what_it_had() -> None:
    board = FakeBoard(1, 104)

    def forget(kind: int, payload: bytes) -> bytes:
        if len(board.done) == 3:
            del board.file[50:]
            return there(50)
        return board.write(kind, payload)

    board.handle = forget
    told: list[int] = []
    assert client_of(FakePort(board)).send(FILE[:250], 0, told.append) == 250
    assert told == [100, 200, 150, 250]
    assert board.file == FILE[:250]


def test_a_board_that_has_more_than_there_is() -> None:
    board = FakeBoard()
    board.handle = lambda kind, payload: there(5001)
    with pytest.raises(DeviceError, match="has 5001 bytes of 5000, and will not go on"):
        client_of(FakePort(board)).send(FILE)


def sizes_on_a_narrow_line(window: int, payload: int, size: int) -> tuple[int, list[int]]:
    """The window at the end, and the bytes of each DATA, where frames above 240 are cut."""
    board = FakeBoard(window, payload)
    port = FakePort(board)
    client = client_of(port)
    port.to_board = lambda data: data[:240]
    assert client.send(FILE[:size], 0, limit=60) == size
    assert board.file == FILE[:size]
    return client.window, [len(payload) - 4 for kind, payload in board.done if kind == DATA]


def test_large_pieces_become_pieces_of_224() -> None:
    window, sizes = sizes_on_a_narrow_line(4, 1012, 2300)
    assert window == 1
    assert sizes == [224] * 10 + [60]


@pytest.mark.parametrize(("payload", "small"), [(229, [224, 224, 224, 4]), (228, [224] * 3 + [4])])
def test_a_byte_too_large_is_too_large(payload: int, small: list[int]) -> None:
    window, sizes = sizes_on_a_narrow_line(4, payload, 676)
    assert sizes == small
    assert window == (1 if payload == 229 else 4)


@pytest.mark.parametrize(("size", "window"), [(224, 4), (225, 1)])
def test_a_short_file_is_no_large_frame(size: int, window: int) -> None:
    """A line that is silent three times: only a frame above 240 bytes is made smaller for it."""
    board = FakeBoard(4, 1012)
    port = FakePort(board)
    client = client_of(port)
    first = len(port.written)
    port.to_board = lambda data: data if len(port.written) - first > 3 else b""
    assert client.send(FILE[:size]) == size
    assert client.window == window
    assert board.file == FILE[:size]
    assert [len(payload) - 4 for _, payload in board.done] == ([224] if window == 4 else [224, 1])


def test_small_pieces_that_fail_stay_as_they_are() -> None:
    board = FakeBoard(4, 228)
    port = FakePort(board)
    client = client_of(port)
    first = len(port.written)
    port.to_board = lambda data: data if len(port.written) - first > 9 else b""
    assert client.send(FILE) == 5000
    assert client.window == 4
    assert board.file == FILE


def test_what_becomes_smaller_begins_at_the_first_that_waits() -> None:
    port = ScriptedPort()
    sending, exchange = begun(port, FILE, start=1000, piece=500, window=3)
    sending._shrink()
    assert (sending.piece, exchange.window) == (224, 1)
    assert waiting(exchange) == placed(FILE, 1000, 1224, 1448, 1672)
    port.numbers()
    exchange._launch()
    assert port.numbers() == [0]
    for number, end in enumerate((1224, 1448, 1672)):
        port.say(said(number, there(end)))
        sending._take(exchange.collect(1, "answer"))
    sending._fill()
    assert waiting(exchange) == placed(FILE, 1672, 1896)


def test_only_while_a_file_is_on_its_way() -> None:
    board = FakeBoard(4, 1012)
    port = FakePort(board)
    client = client_of(port)
    client.send(FILE)
    first = len(port.written)
    port.to_board = lambda data: data if len(port.written) - first > 3 else b""
    assert len(client.ask(0x10, bytes(500))) == 500  # its payload is its own
    assert client.window == 4


def test_the_limit_is_for_each_answer() -> None:
    board = FakeBoard(1, 1012)
    port = FakePort(board)
    client = client_of(port)
    board.busy = 3.0
    assert client.send(FILE, 0, limit=4) == 5000  # 15 s in all
    port.to_board = lambda data: b""
    before = port.now
    with pytest.raises(DeviceError, match="fake: no answer to data within 4 s"):
        client.send(FILE + b"more", 5000, limit=4)
    assert port.now - before == pytest.approx(4)

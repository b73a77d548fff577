"""Time in an exchange, worked by hand: estimates as TCP has them, patience, and its end."""

from __future__ import annotations

import pytest

from microinterp.errors import DeviceError
from microinterp_boards.framed.codec import ANSWER
from microinterp_boards.framed.exchange import Exchange
from tests.boards.fake_link import ScriptedPort, exchange_on, said

HINT = "the line is cut, or the board was reset, or it hangs: try again"


def ask(exchange: Exchange, port: ScriptedPort, seconds: float, payload: bytes = b"") -> None:
    """A request that is answered after so many seconds."""
    number = exchange._next
    port.on_write = lambda data: port.say(said(number), seconds)
    exchange.post(0x10, payload)
    (outcome,) = exchange.collect(60, "answer")
    assert (outcome.request.number, outcome.answer) == (number, b"")
    port.on_write = lambda data: None


def wait_of(exchange: Exchange, port: ScriptedPort) -> float:
    """How long the next request would be waited for before it is sent again."""
    exchange.post(0x10, b"")
    start = port.now
    port.written.clear()
    with pytest.raises(DeviceError):
        exchange.collect(60, "answer")
    exchange._requests.clear()
    assert port.times[0] == start
    return port.times[1] - start


def test_before_anything_was_measured() -> None:
    """0.4 s and the time of the payload on the line; twice as long after each silence."""
    port = ScriptedPort()
    exchange = exchange_on(port)
    exchange.post(0x10, bytes(100))  # 0.1 s at 1000 bytes a second
    with pytest.raises(DeviceError) as caught:
        exchange.collect(16, "answer to it")
    assert caught.value.message == "fake: no answer to it within 16 s"
    assert caught.value.hint == HINT
    assert port.times == pytest.approx([0, 0.5, 1.5, 3.5, 7.5, 15.5])
    assert port.now == pytest.approx(16)
    assert exchange.counters.timeouts == 5
    assert exchange.counters.repeated == 5
    assert exchange.counters.sent == 6
    assert exchange.counters.sent_bytes == 6 * (100 + 12)
    assert max(port.waited) == 0.5  # an interrupt need not wait longer


def test_all_that_a_window_holds_takes_its_time() -> None:
    port = ScriptedPort()
    exchange = exchange_on(port, window=2)
    for size in (100, 200, 400):
        exchange.post(0x21, bytes(size))
    with pytest.raises(DeviceError):
        exchange.collect(0.8, "answer")
    assert port.times == pytest.approx([0, 0, 0.7])


def test_the_first_round_trip_is_the_estimate() -> None:
    """0.08 s, and half of it as the spread."""
    port = ScriptedPort()
    exchange = exchange_on(port)
    ask(exchange, port, 0.08)
    assert (exchange._round, exchange._spread) == pytest.approx((0.08, 0.04))
    assert wait_of(exchange, port) == pytest.approx(0.08 + 4 * 0.04)


def test_later_ones_move_it_by_an_eighth_and_the_spread_by_a_quarter() -> None:
    port = ScriptedPort()
    exchange = exchange_on(port)
    ask(exchange, port, 0.08)
    ask(exchange, port, 0.16)  # 0.08 longer: spread 0.04 + 0.04 / 4, estimate 0.08 + 0.08 / 8
    assert (exchange._round, exchange._spread) == pytest.approx((0.09, 0.05))
    ask(exchange, port, 0.05)  # 0.04 shorter: 0.05 - 0.01 / 4, 0.09 - 0.04 / 8
    assert (exchange._round, exchange._spread) == pytest.approx((0.085, 0.0475))
    assert wait_of(exchange, port) == pytest.approx(0.085 + 4 * 0.0475)


def test_one_long_answer_counts_as_three_round_trips_and_a_little() -> None:
    port = ScriptedPort()
    exchange = exchange_on(port)
    ask(exchange, port, 0.08)
    ask(exchange, port, 2.0, bytes(3000))  # 3 s on the line: patience enough; counts as 0.3
    assert (exchange._round, exchange._spread) == pytest.approx(
        (0.08 + 0.22 / 8, 0.04 + (0.22 - 0.04) / 4)
    )


def test_no_line_is_waited_for_less_than_60_ms() -> None:
    port = ScriptedPort()
    exchange = exchange_on(port)
    ask(exchange, port, 0.001)
    assert wait_of(exchange, port) == pytest.approx(0.06)


def test_what_was_sent_twice_measures_nothing() -> None:
    """Nobody knows which of the two was answered."""
    port = ScriptedPort()
    exchange = exchange_on(port)
    ask(exchange, port, 0.45)  # it went again at 0.4
    assert exchange.counters.repeated == 1
    assert wait_of(exchange, port) == pytest.approx(0.4)


def test_an_answer_behind_a_lost_one_measures_nothing() -> None:
    port = ScriptedPort()
    exchange = exchange_on(port, window=2)
    exchange.post(0x21, b"")
    exchange.post(0x21, b"")
    port.say(said(1, b"two"), 0.02)
    assert [each.answer for each in exchange.collect(1, "answer")] == [None, b"two"]
    assert wait_of(exchange, port) == pytest.approx(0.4)


def test_what_a_write_takes_is_part_of_the_round_trip() -> None:
    port = ScriptedPort()
    exchange = exchange_on(port)

    def slowly(data: bytes) -> None:
        port.now += 0.05
        port.say(said(0), 0.03)

    port.on_write = slowly
    exchange.post(0x10, b"")
    exchange.collect(1, "answer")
    assert exchange._round == pytest.approx(0.08)


def test_patience_begins_when_a_write_has_ended() -> None:
    port = ScriptedPort()
    exchange = exchange_on(port)

    def slowly(data: bytes) -> None:
        port.now += 3

    port.on_write = slowly
    exchange.post(0x10, b"")
    with pytest.raises(DeviceError, match="no answer within 5 s"):
        exchange.collect(5, "answer")
    assert port.times == pytest.approx([0, 3.4])
    assert port.now == pytest.approx(6.4)
    assert min(port.waited) == 0.0  # the time was over: what is there is taken, and no more


def test_each_answer_begins_the_wait_anew() -> None:
    port = ScriptedPort()
    exchange = exchange_on(port, window=2)
    exchange.post(0x21, b"")
    exchange.post(0x21, b"")
    port.say(said(0), 0.3)
    exchange.collect(9, "answer")
    exchange._round, exchange._spread = 0.2, 0.05
    port.written.clear()
    with pytest.raises(DeviceError):
        exchange.collect(0.5, "answer")
    assert port.times == pytest.approx([0.3 + 0.4])


def test_patience_is_forgotten_with_the_next_answer() -> None:
    port = ScriptedPort()
    exchange = exchange_on(port)
    ask(exchange, port, 3.5)  # again at 0.4, 1.2 and 2.8
    assert exchange.counters.timeouts == 3
    assert wait_of(exchange, port) == pytest.approx(0.4)


@pytest.mark.parametrize("text", [b"\x04\x04>", b"OK\x04Traceback\r\n\x04>"])
def test_a_prompt_and_three_silences_are_the_services_end(text: bytes) -> None:
    port = ScriptedPort()
    exchange = exchange_on(port)
    exchange.post(0x10, b"")
    port.say(text, 0.1)
    with pytest.raises(DeviceError) as caught:
        exchange.collect(60, "answer")
    assert caught.value.message.startswith("fake: the service on the board has ended")
    assert caught.value.hint == HINT
    assert port.now == pytest.approx(0.4 + 0.8 + 1.6)
    assert len(port.written) == 3


@pytest.mark.parametrize("text", [b"\x04>", b"\x04\x04\x04", b"\x04\x04 >", b">>> "])
def test_other_text_is_no_prompt(text: bytes) -> None:
    port = ScriptedPort()
    exchange = exchange_on(port)
    exchange.post(0x10, b"")
    port.say(text, 0.1)
    with pytest.raises(DeviceError, match="no answer within 4 s"):
        exchange.collect(4, "answer")


def test_silences_are_counted_for_each_answer() -> None:
    """Two, an answer, and two more are not three."""
    port = ScriptedPort()
    exchange = exchange_on(port)
    port.say(b"\x04\x04>")
    ask(exchange, port, 1.5)
    assert exchange.counters.timeouts == 2
    ask(exchange, port, 1.5)
    assert exchange.counters.timeouts == 4


def test_what_a_cut_frame_has_swallowed_is_looked_for_before_time_is_up() -> None:
    """The start of a frame, whose rest never comes, with an answer behind it."""
    port = ScriptedPort()
    exchange = exchange_on(port)
    exchange.post(0x10, b"")
    port.say(said(0, bytes(100))[:8] + said(0, b"here", ANSWER), 0.1)
    (outcome,) = exchange.collect(60, "answer")
    assert outcome.answer == b"here"
    assert port.now == pytest.approx(0.4)
    assert exchange.counters.timeouts == 0
    assert exchange.counters.damaged == 1
    assert len(port.written) == 1


def test_the_same_when_the_limit_is_reached() -> None:
    port = ScriptedPort()
    exchange = exchange_on(port)
    exchange.post(0x10, b"")
    port.say(said(0, bytes(100))[:8] + said(0, b"here", ANSWER), 0.1)
    (outcome,) = exchange.collect(0.2, "answer")
    assert outcome.answer == b"here"
    assert port.now == pytest.approx(0.2)

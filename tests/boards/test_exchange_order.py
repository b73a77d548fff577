"""What an exchange sends, and sends again, and what it makes of each frame; no time in it."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest

from microinterp.errors import DeviceError
from microinterp_boards.framed.codec import KEEP, REFUSAL, REPEAT, Frame, encode
from microinterp_boards.framed.exchange import Counters, Exchange, Outcome, RefusedError, Request
from tests.boards.fake_link import SESSION, ScriptedPort, exchange_on, said


def posted(port: ScriptedPort, count: int, window: int) -> Exchange:
    """An exchange with so many DATA that wait, and as many of them under way as it may have."""
    exchange = exchange_on(port, window)
    for number in range(count):
        exchange.post(0x21, b"%d" % number)
    exchange._launch()
    return exchange


def hear(exchange: Exchange, port: ScriptedPort, *frames: bytes) -> list[tuple[int, bytes | None]]:
    """Numbers and answers of the outcomes of frames that come together."""
    port.say(b"".join(frames))
    found = exchange._hear(exchange._decoder.feed(port.some(0)))
    exchange._launch()
    return [(each.request.number, each.answer) for each in found]


def repeat(number: int) -> bytes:
    return said(number, b"", REPEAT)


def test_numbers_go_round_behind_255() -> None:
    exchange = exchange_on(ScriptedPort())
    for _ in range(258):
        exchange.post(0x10, b"")
    assert [each.number for each in exchange.waiting] == [*range(256), 0, 1]


def test_a_request_is_a_frame_with_its_number() -> None:
    port = ScriptedPort()
    posted(port, 3, 4)
    assert port.frames() == [Frame(0x21, number, b"%d" % number) for number in range(3)]


@pytest.mark.parametrize("window", [1, 2, 4])
def test_no_more_is_under_way_than_the_window(window: int) -> None:
    port = ScriptedPort()
    exchange = posted(port, 6, window)
    assert port.numbers() == list(range(window))
    assert hear(exchange, port, said(0, b"a")) == [(0, b"a")]
    assert port.numbers() == [window]
    assert exchange.counters == Counters(window + 1, (window + 1) * 13)


def test_answers_are_told_once_and_in_order() -> None:
    port = ScriptedPort()
    exchange = posted(port, 4, 4)
    assert hear(exchange, port, said(0, b"a"), said(0, b"a"), said(1, b"b")) == [
        (0, b"a"),
        (1, b"b"),
    ]
    assert hear(exchange, port, said(1, b"b"), said(200, b"?")) == []
    assert hear(exchange, port, said(3, b"d")) == [(2, None), (3, b"d")]  # 2's was lost
    assert not exchange.waiting


def test_an_answer_to_what_was_not_sent_yet_is_none() -> None:
    port = ScriptedPort()
    exchange = posted(port, 3, 2)
    assert hear(exchange, port, said(2, b"late")) == []
    assert len(exchange.waiting) == 3


def test_frames_of_other_kinds_say_nothing() -> None:
    port = ScriptedPort()
    exchange = posted(port, 1, 1)
    for kind in (0x21, 0x7F, 0x83, 0xFF):
        assert hear(exchange, port, said(0, b"", kind)) == []
    assert exchange.counters.asked == 0


def test_after_a_silence_one_frame_asks_what_is_there() -> None:
    port = ScriptedPort()
    exchange = posted(port, 5, 4)
    assert port.numbers() == [0, 1, 2, 3]
    exchange._late()
    exchange._launch()
    assert port.numbers() == [0]
    assert hear(exchange, port, said(0, b"a")) == [(0, b"a")]
    assert port.numbers() == [1, 2, 3, 4]  # what went lost, and what is new
    assert exchange.counters.repeated == 4


def test_a_repetition_that_is_asked_for() -> None:
    """Those before it were done; those behind it will ask for the same, each once."""
    port = ScriptedPort()
    exchange = posted(port, 5, 4)
    assert port.numbers() == [0, 1, 2, 3]
    assert hear(exchange, port, repeat(2)) == [(0, None), (1, None)]
    assert port.numbers() == [2, 3, 4]
    assert hear(exchange, port, repeat(2)) == []  # of 3
    assert port.numbers() == []
    assert hear(exchange, port, repeat(2)) == []  # 2 was lost again
    assert port.numbers() == [2, 3, 4]
    assert exchange.counters.asked == 3


def test_each_frame_behind_a_lost_one_asks_for_the_same() -> None:
    port = ScriptedPort()
    exchange = posted(port, 4, 4)
    port.numbers()
    assert hear(exchange, port, repeat(0)) == []
    assert port.numbers() == [0, 1, 2, 3]
    for _ in range(3):
        hear(exchange, port, repeat(0))
        assert port.numbers() == []
    hear(exchange, port, repeat(0))
    assert port.numbers() == [0, 1, 2, 3]


def test_another_number_is_always_news() -> None:
    port = ScriptedPort()
    exchange = posted(port, 4, 4)
    port.numbers()
    hear(exchange, port, repeat(0))
    assert port.numbers() == [0, 1, 2, 3]
    assert hear(exchange, port, repeat(1)) == [(0, None)]
    assert port.numbers() == [1, 2, 3]


def test_one_by_one_each_repetition_is_given() -> None:
    port = ScriptedPort()
    exchange = posted(port, 2, 1)
    for _ in range(3):
        assert port.numbers() == [0]
        assert hear(exchange, port, repeat(0)) == []
    port.numbers()
    assert hear(exchange, port, repeat(1)) == [(0, None)]
    for _ in range(3):
        assert port.numbers() == [1]
        assert hear(exchange, port, repeat(1)) == []


def test_a_repetition_and_the_answer_in_one_breath() -> None:
    """What was to be sent again is over before it was: the next ones are sent, in order."""
    port = ScriptedPort()
    exchange = posted(port, 4, 2)
    assert port.numbers() == [0, 1]
    assert hear(exchange, port, repeat(0), said(0, b"a")) == [(0, b"a")]
    assert port.numbers() == [1, 2]


def test_the_number_behind_the_last_says_that_its_answer_was_lost() -> None:
    port = ScriptedPort()
    exchange = posted(port, 3, 4)
    port.numbers()
    assert hear(exchange, port, repeat(3)) == [(0, None), (1, None)]
    assert port.numbers() == [2]  # the board says its answer again
    assert hear(exchange, port, said(2, b"c")) == [(2, b"c")]


@pytest.mark.parametrize("first", [0, 100, 254, 255])
def test_the_same_wherever_numbers_are(first: int) -> None:
    port = ScriptedPort()
    exchange = exchange_on(port)
    exchange._next = first
    exchange.post(0x21, b"")
    exchange._launch()
    assert port.numbers() == [first]
    for wrong in (first + 2 & 255, first - 1 & 255, first + 128 & 255):
        assert hear(exchange, port, repeat(wrong)) == []
        assert port.numbers() == []
    assert hear(exchange, port, repeat(first + 1 & 255)) == []
    assert port.numbers() == [first]
    assert exchange.counters.asked == 4


def test_a_repetition_with_nothing_under_way_is_late() -> None:
    port = ScriptedPort()
    exchange = posted(port, 1, 1)
    hear(exchange, port, said(0))
    port.numbers()
    for number in (0, 1, 2):
        assert hear(exchange, port, repeat(number)) == []
    assert port.numbers() == []


def test_what_was_not_sent_cannot_have_been_done() -> None:
    """A REPEAT that says so was damaged beyond its CRC32, or is none of this session's."""
    port = ScriptedPort()
    exchange = posted(port, 5, 2)
    port.numbers()
    for number in (3, 4, 5):
        assert hear(exchange, port, repeat(number)) == []
    assert port.numbers() == []
    assert hear(exchange, port, repeat(2)) == [(0, None), (1, None)]
    assert port.numbers() == [2, 3]


def test_what_fails_three_times_is_told() -> None:
    port = ScriptedPort()
    exchange = posted(port, 1, 1)
    told: list[int] = []
    exchange.failed = lambda: told.append(len(port.written))
    for _ in range(7):
        exchange._late()
        exchange._launch()
    assert told == [3, 6]  # before the fourth and the seventh time
    assert len(port.written) == 8


def test_a_repetition_that_was_asked_for_is_a_failure() -> None:
    port = ScriptedPort()
    exchange = posted(port, 4, 4)
    told: list[int] = []
    exchange.failed = lambda: told.append(1)
    for _ in range(2):
        for _ in range(4):  # one that counts, and those of the three frames behind it
            hear(exchange, port, repeat(0))
    assert not told
    hear(exchange, port, repeat(0))
    assert told


def test_large_requests_become_small_ones() -> None:
    port = ScriptedPort()
    exchange = posted(port, 3, 4)
    assert port.numbers() == [0, 1, 2]
    exchange.failed = lambda: exchange.shrink([b"x", b"y"])
    exchange.waiting[0].fails = 2
    exchange.waiting[1].fails = 2
    hear(exchange, port, repeat(0))
    assert exchange.window == 1
    assert port.frames() == [Frame(0x21, 0, b"x")]  # alone, though four had room before
    assert [each.payload for each in exchange.waiting] == [b"x", b"y", b"2"]
    assert [each.tries for each in exchange.waiting] == [1, 0, 1]
    assert [each.fails for each in exchange.waiting] == [0, 0, 0]
    port.numbers()
    hear(exchange, port, said(0))
    assert port.frames() == [Frame(0x21, 1, b"y")]
    assert exchange.counters.repeated == 2


def test_signs_of_life() -> None:
    port = ScriptedPort()
    exchange = exchange_on(port)
    port.say(b"tick")
    exchange.keep()
    assert port.written == [(0.0, encode(KEEP, 0, b"", SESSION))]
    assert exchange.counters == Counters(sent=1, sent_bytes=12)
    assert exchange.heard == b"tick"
    assert port.waited == [0]


def test_the_last_2048_bytes_of_text_are_kept() -> None:
    port = ScriptedPort()
    exchange = posted(port, 2, 2)
    text = bytes(range(32, 127)) * 30
    hear(exchange, port, text[:1000], said(0), text[1000:1010])
    hear(exchange, port, text[1010:])
    assert exchange.heard == text[-2048:]


def test_what_came_behind_the_last_frame() -> None:
    port = ScriptedPort()
    exchange = posted(port, 2, 2)
    hear(exchange, port, b"before", said(0))
    hear(exchange, port, b"one ")
    hear(exchange, port, b"two\xa5")
    assert exchange.rest() == b"beforeone two\xa5"
    hear(exchange, port, said(1), b"three", bytes(2048))
    assert exchange.rest() == b"three" + bytes(2048)
    hear(exchange, port, b"four")
    assert exchange.rest() == bytes(2044) + b"four"


def test_damage_is_counted() -> None:
    port = ScriptedPort()
    exchange = posted(port, 1, 1)
    bad = bytearray(said(0, b"abc"))
    bad[-1] ^= 1
    hear(exchange, port, bytes(bad), bytes(bad))
    assert exchange.counters.damaged == 2


def refusal_of(payload: bytes, text: bytes = b"") -> RefusedError:
    port = ScriptedPort()
    exchange = posted(port, 1, 1)
    port.say(text + said(0, payload, REFUSAL))
    (outcome,) = exchange.collect(1, "answer")
    assert outcome.answer is None
    assert outcome.refusal is not None
    return outcome.refusal


def test_refusals() -> None:
    error = refusal_of(b"\x03\x0128")
    assert (error.code, error.text) == (0x0103, "28")
    assert (error.message, error.hint) == ("fake: the board refuses: 28", "")
    error = refusal_of(b"\x07\x00")
    assert (error.code, error.text) == (7, "")
    assert error.message == "fake: the board refuses: code 7"
    error = refusal_of(b"\x01\x00\x1b\xff" + b"x" * 400)
    assert error.text == "\\x1b\\xff" + "x" * 292 + "..."  # 300 characters


def test_a_refusal_tells_what_was_printed() -> None:
    error = refusal_of(b"\x01\x00no", b"\x04\r\nlow \x00\r\nbattery\r\n\x04>")
    assert error.message == "fake: the board refuses: no; it printed: low \\x00\\nbattery"
    assert refusal_of(b"\x01\x00no", b"\x04\r\n\x00 >").message == "fake: the board refuses: no"


def test_the_last_300_bytes_that_were_printed_are_told() -> None:
    error = refusal_of(b"\x01\x00no", b"abc" + b"x" * 299 + b"y")
    assert error.message == f"fake: the board refuses: no; it printed: {'x' * 299}y"
    error = refusal_of(b"\x01\x00no", b"\xff" * 300)  # four characters each, 600 are shown
    assert error.message.endswith(f"; it printed: {chr(92)}xff" + "\\xff" * 149 + "...")


@pytest.mark.parametrize("name", ["repeated", "damaged", "timeouts", "asked"])
def test_a_clean_line(name: str) -> None:
    assert Counters(sent=5, sent_bytes=100).is_clean
    assert not Counters(**{name: 1}).is_clean


def test_an_outcome_is_not_changed() -> None:
    outcome = Outcome(Request(0x10, 0, b""))
    with pytest.raises(FrozenInstanceError):
        outcome.answer = b"x"  # type: ignore[misc]
    assert not hasattr(outcome, "__dict__")
    assert not hasattr(outcome.request, "__dict__")


def test_errors_name_what_was_wanted() -> None:
    port = ScriptedPort()
    exchange = posted(port, 1, 1)
    port.say(b"low battery\r\n")
    with pytest.raises(DeviceError) as caught:
        exchange.collect(0.25, "answer to request 21")
    assert caught.value.message == (
        "fake: no answer to request 21 within 0.25 s; it printed: low battery"
    )

"""Frames made by hand from schemas/link.md, and a decoder at the byte where it must decide."""

from __future__ import annotations

import zlib

import pytest

from microinterp_boards.framed.codec import (
    ANSWER,
    BYE,
    HELLO,
    KEEP,
    MARK,
    OVERHEAD,
    REFUSAL,
    REPEAT,
    Decoder,
    Frame,
    encode,
)

SESSION = 0x89ABCDEF


def by_hand(kind: int, number: int, payload: bytes, session: int) -> bytes:
    """Mark, kind, number, length, the low half of their CRC32, payload, CRC32 from the session."""
    head = bytes([kind, number, len(payload) & 255, len(payload) >> 8])
    check = zlib.crc32(head)
    whole = zlib.crc32(head + payload, session)
    return (
        b"\xa5\x5a"
        + head
        + bytes([check & 255, check >> 8 & 255])
        + payload
        + bytes([whole & 255, whole >> 8 & 255, whole >> 16 & 255, whole >> 24])
    )


def header(kind: int, number: int, length: int) -> bytes:
    return by_hand(kind, number, bytes(length), 0)[:8]


def test_numbers_of_the_specification() -> None:
    assert (KEEP, HELLO, BYE, ANSWER, REFUSAL, REPEAT) == (0, 1, 2, 0x80, 0x81, 0x82)
    assert (MARK, OVERHEAD) == (b"\xa5\x5a", 12)


@pytest.mark.parametrize("kind", [0, 2, 3, 0x10, 0x21, 0x80, 0x81, 0x82, 0xFF])
def test_frames_by_hand(kind: int) -> None:
    for size in (0, 1, 255, 256, 1012):
        payload = bytes(n * 7 & 255 for n in range(size))
        made = by_hand(kind, 200, payload, SESSION)
        assert encode(kind, 200, payload, SESSION) == made
        assert Decoder(SESSION).feed(made) == [Frame(kind, 200, payload)]
        assert len(made) == size + 12
        other = Decoder(SESSION ^ 1)
        assert other.feed(made) == []
        assert other.damaged == 1


def test_hello_starts_from_0() -> None:
    made = by_hand(1, 0, b"\xef\xcd\xab\x89", 0)
    assert encode(HELLO, 0, b"\xef\xcd\xab\x89", SESSION) == made
    assert Decoder(77).feed(made) == [Frame(1, 0, b"\xef\xcd\xab\x89")]
    assert Decoder(0).feed(by_hand(1, 0, b"abcd", SESSION)) == []


def test_a_decoder_begins_in_session_0() -> None:
    assert Decoder().feed(by_hand(0x80, 1, b"ab", 0)) == [Frame(0x80, 1, b"ab")]


def test_every_bit_counts() -> None:
    """Of the mark, the header, the payload and the CRC32."""
    made = by_hand(0x80, 1, b"ab", SESSION)
    for at in range(len(made)):
        for bit in range(8):
            bad = bytearray(made)
            bad[at] ^= 1 << bit
            decoder = Decoder(SESSION)
            assert decoder.feed(bytes(bad)) + decoder.give_up() == []
            assert decoder.take_text() == bytes(bad)


@pytest.mark.parametrize("longest", [0, 100, 2048])
def test_the_largest_payload(longest: int) -> None:
    limit = {} if longest == 2048 else {"longest": longest}
    payload = bytes(longest)
    assert Decoder(SESSION, **limit).feed(by_hand(0x80, 1, payload, SESSION)) == [
        Frame(0x80, 1, payload)
    ]
    decoder = Decoder(SESSION, **limit)
    assert decoder.feed(header(0x80, 1, longest + 1)) == []
    assert not decoder.in_frame  # it does not wait for the rest of that
    assert decoder.damaged == 0


def test_a_frame_comes_with_its_last_byte() -> None:
    made = by_hand(0x80, 1, b"ab", SESSION)
    decoder = Decoder(SESSION)
    for at in range(len(made) - 1):
        assert decoder.feed(made[at : at + 1]) == []
        assert decoder.in_frame
    assert decoder.feed(made[-1:]) == [Frame(0x80, 1, b"ab")]
    assert not decoder.in_frame
    assert decoder.take_text() == b""
    assert decoder.damaged == 0


def test_a_header_is_judged_with_its_eighth_byte() -> None:
    bad = bytearray(header(0x80, 1, 9))
    bad[-1] ^= 1
    decoder = Decoder(SESSION)
    decoder.feed(bytes(bad[:-1]))
    assert decoder.in_frame
    assert decoder.take_text() == b""
    decoder.feed(bytes(bad[-1:]))
    assert not decoder.in_frame
    assert decoder.take_text() == bytes(bad)
    assert decoder.damaged == 0


def test_the_search_goes_on_at_the_byte_behind_a_marks_first() -> None:
    """In a header that is none, and in a frame that is damaged."""
    good = by_hand(0x80, 1, b"ab", SESSION)
    for junk in (b"\xa5", b"\xa5\x5a", b"\xa5\x5a\xa5", b"\xa5\x5a\x80\x01\x00"):
        decoder = Decoder(SESSION)
        assert decoder.feed(junk + good) == [Frame(0x80, 1, b"ab")]
        assert decoder.take_text() == junk
    damaged = header(0x81, 3, len(good)) + good + b"\0\0\0\0"
    decoder = Decoder(SESSION)
    assert decoder.feed(damaged) == [Frame(0x80, 1, b"ab")]
    assert decoder.damaged == 1
    assert decoder.take_text() == damaged[:8] + b"\0\0\0\0"


def test_an_a5_may_be_the_start_of_a_mark() -> None:
    decoder = Decoder(SESSION)
    decoder.feed(b"text\xa5")
    assert decoder.take_text() == b"text"
    assert decoder.in_frame
    decoder.feed(b"more")
    assert decoder.take_text() == b"\xa5more"
    assert not decoder.in_frame
    decoder.feed(b"\xa5\xa5")
    assert decoder.take_text() == b"\xa5"
    decoder.feed(by_hand(0x80, 1, b"", SESSION)[1:])
    assert decoder.take_text() == b""


@pytest.mark.parametrize(("size", "damaged"), [(1, 0), (7, 0), (8, 1), (12, 1), (20, 1)])
def test_giving_up(size: int, damaged: int) -> None:
    """A good header without its rest is damage; less than a header is text."""
    decoder = Decoder(SESSION)
    assert decoder.feed(by_hand(0x80, 1, bytes(9), SESSION)[:size]) == []
    assert decoder.give_up() == []
    assert decoder.damaged == damaged
    assert not decoder.in_frame
    assert decoder.take_text() == by_hand(0x80, 1, bytes(9), SESSION)[:size]


def test_giving_up_finds_all_that_was_swallowed() -> None:
    """Two cut frames, one in the other, and two whole ones behind them."""
    wanted = [Frame(0x80, 1, b"ab"), Frame(0x81, 2, b"cd")]
    good = [by_hand(*frame, session=SESSION) for frame in wanted]
    decoder = Decoder(SESSION)
    assert decoder.feed(header(0x80, 7, 900) + header(0x80, 8, 800) + good[0] + good[1]) == []
    assert decoder.give_up() == wanted
    assert decoder.damaged == 2
    assert decoder.give_up() == []


def test_what_is_taken_is_taken() -> None:
    decoder = Decoder(SESSION)
    decoder.feed(b"text" + header(0x80, 7, 900))
    assert decoder.take_text() == b"text"
    assert decoder.take_text() == b""
    assert decoder.rest() == header(0x80, 7, 900)
    assert decoder.rest() == b""
    assert decoder.feed(by_hand(0x80, 1, b"", SESSION)) == [Frame(0x80, 1, b"")]


def test_the_session_may_be_changed() -> None:
    decoder = Decoder(1)
    decoder.session = SESSION
    assert decoder.feed(by_hand(0x80, 1, b"", SESSION)) == [Frame(0x80, 1, b"")]

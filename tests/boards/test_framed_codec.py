"""Frames: hand-made ones, damage of any kind, and streams in any pieces."""

from __future__ import annotations

import random
import re
import zlib
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from microinterp_boards.framed.codec import ANSWER, HELLO, LONGEST, Decoder, Frame, encode

ROOT = Path(__file__).resolve().parents[2]
SESSION = 0x12345678
frames = st.builds(
    Frame,
    st.integers(0, 255),
    st.integers(0, 255),
    st.binary(max_size=40) | st.binary(max_size=300),
)


def bytes_of(frame: Frame) -> bytes:
    return encode(*frame, session=SESSION)


def decoded(data: bytes) -> list[Frame]:
    decoder = Decoder(SESSION)
    return decoder.feed(data) + decoder.give_up()


def test_the_example_of_the_specification() -> None:
    text = (ROOT / "schemas" / "link.md").read_text()
    (example,) = re.findall(r"^    ((?:[0-9a-f]{2} ?)+)$", text, re.MULTILINE)
    made = bytes.fromhex(example)
    # by hand: mark, STAT, 5, 5 bytes, check, place 0, 3 characters, CRC32
    head, payload = bytes.fromhex("11050500"), b"\x00\x03kws"
    assert made[:6] == b"\xa5\x5a" + head
    assert made[6:8] == zlib.crc32(head).to_bytes(4, "little")[:2]
    assert made[8:13] == payload
    assert made[13:] == zlib.crc32(head + payload, SESSION).to_bytes(4, "little")
    assert encode(0x11, 5, payload, SESSION) == made
    assert Decoder(SESSION).feed(made) == [Frame(0x11, 5, payload)]


def test_only_hello_is_good_in_any_session() -> None:
    decoder = Decoder(1)
    assert decoder.feed(encode(HELLO, 0, b"abcd", 77)) == [Frame(HELLO, 0, b"abcd")]
    assert decoder.feed(encode(ANSWER, 0, b"abcd", 77)) == []
    assert decoder.damaged == 1


def test_text_between_frames() -> None:
    one, two = Frame(0x80, 1, b"one"), Frame(0x80, 2, b"")
    decoder = Decoder(SESSION)
    stream = b"print\r\n" + bytes_of(one) + b"more \xa5\x5a\xa5" + bytes_of(two) + b"end\xa5"
    assert decoder.feed(stream) == [one, two]
    assert decoder.take_text() == b"print\r\nmore \xa5\x5a\xa5end"
    assert decoder.in_frame
    assert decoder.give_up() == []
    assert not decoder.in_frame
    assert decoder.take_text() == b"\xa5"


def test_a_length_that_is_not_believed() -> None:
    good = bytes_of(Frame(3, 3, b"x" * 9))
    for length in (LONGEST + 1, 0xFFFF):
        head = bytes([0x21, 7]) + length.to_bytes(2, "little")
        check = (zlib.crc32(head) & 0xFFFF).to_bytes(2, "little")
        assert Decoder(SESSION).feed(b"\xa5\x5a" + head + check + good) == [Frame(3, 3, b"x" * 9)]
    long = Frame(0x21, 7, bytes(LONGEST))
    assert Decoder(SESSION).feed(bytes_of(long)) == [long]


def test_a_frame_in_the_payload_of_another_is_its_own_business() -> None:
    inner = bytes_of(Frame(0x21, 9, b"inner"))
    outer = Frame(0x80, 1, b"a" + inner + b"b")
    data = bytes_of(outer)
    assert decoded(data) == [outer]
    decoder = Decoder(SESSION)
    assert decoder.feed(data[:-1]) == []  # it waits for the end of the outer one
    assert decoder.feed(data[-1:]) == [outer]
    damaged = data[:8] + b"A" + data[9:]
    assert decoded(damaged) == [Frame(0x21, 9, b"inner")]  # the price: kinds and sessions tell


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.binary(max_size=30), frames), max_size=6), st.data())
def test_damage_between_frames_loses_none(
    stream: list[tuple[bytes, Frame]], data: st.DataObject
) -> None:
    whole = b"".join(damage + bytes_of(frame) for damage, frame in stream)
    wanted = [frame for _, frame in stream]
    assert decoded(whole) == wanted
    decoder, found = Decoder(SESSION), []
    at = 0
    while at < len(whole):
        size = data.draw(st.integers(1, 60))
        found += decoder.feed(whole[at : at + size])
        at += size
    assert found + decoder.give_up() == wanted


def test_starts_of_frames_lose_none_behind_them() -> None:
    """Cut frames, which announce more than comes, before whole ones."""
    draw = random.Random(3)
    for _ in range(200):
        cut = bytes_of(Frame(draw.randrange(256), 1, draw.randbytes(draw.randrange(200))))
        cut = cut[: draw.randrange(1, len(cut))]
        wanted = [Frame(draw.randrange(256), n, draw.randbytes(9)) for n in range(3)]
        assert decoded(cut + b"".join(map(bytes_of, wanted))) == wanted


@settings(max_examples=150, deadline=None)
@given(st.lists(frames, min_size=1, max_size=5), st.data())
def test_what_is_damaged_is_not_believed(sent: list[Frame], data: st.DataObject) -> None:
    stream = bytearray(b"".join(map(bytes_of, sent)))
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(0, max(0, len(stream) - 1)))
        how = data.draw(st.sampled_from(["flip", "drop", "dup"]))
        if not stream:
            break
        if how == "flip":
            stream[at] ^= 1 << data.draw(st.integers(0, 7))
        elif how == "drop":
            del stream[at : at + data.draw(st.integers(1, 9))]
        else:
            stream[at:at] = stream[at : at + data.draw(st.integers(1, 400))]
    for frame in decoded(bytes(stream)):
        assert frame in sent


def test_pieces_make_no_difference_to_text() -> None:
    draw = random.Random(5)
    stream = b"".join(
        draw.choice([b"\xa5", b"\xa5\x5a", draw.randbytes(5), bytes_of(Frame(1, 2, b"abc"))])
        for _ in range(400)
    )
    whole = Decoder(SESSION)
    wanted = whole.feed(stream), whole.take_text()
    for size in (1, 2, 3, 7, 64):
        decoder = Decoder(SESSION)
        found = [f for at in range(0, len(stream), size) for f in decoder.feed(stream[at:][:size])]
        assert (found, decoder.take_text()) == wanted
    assert len(wanted[0]) > 50

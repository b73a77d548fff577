"""Each request's bytes and the sense of each answer, taken from the tables of schemas/link.md."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from dataclasses import FrozenInstanceError

import pytest

from microinterp.errors import DeviceError
from microinterp_boards.framed.exchange import Refusal
from microinterp_boards.store.requests import Kept, Place, Requests, SelfTest, Slot
from tests.boards.fake_link import FakeClient
from tests.boards.unix_port import ROOT

KWS = b"\x03kws"
PART = b"\x08kws.part"
DIGEST = bytes(range(32))
NOBODY = b"\0" + bytes(4) + bytes(4) + bytes(32)
QUICK, READING, TESTING = 15.0, 120.0, 600.0  # seconds


def asked(
    act: Callable[[Requests], object], *answers: bytes, payload: int = 1012
) -> tuple[object, list[tuple[int, bytes, float]]]:
    """What a function makes of answers, and what it asked for."""
    client = FakeClient(*answers)
    client.payload = payload
    found = act(Requests(client))  # type: ignore[arg-type]
    assert not client.answers
    return found, client.asked


CASES = {
    "size": (
        lambda board: board.size(Place.MODELS, "kws.part"),
        *(0x11, b"\0" + PART, QUICK, b"\1\x04\x03\x02\x01", 0x01020304),
    ),
    "size of nothing": (
        lambda board: board.size(Place.RUNTIME, "kws"),
        *(0x11, b"\1" + KWS, QUICK, b"\0\x04\x03\x02\x01", None),
    ),
    "size of an empty file": (
        lambda board: board.size(Place.TESTS, "kws"),
        *(0x11, b"\2" + KWS, QUICK, b"\1\0\0\0\0", 0),
    ),
    "sum": (
        lambda board: board.sum(Place.RUNTIME, "kws.part", 0x01020304),
        *(0x12, b"\1" + PART + b"\0\0\0\0\4\3\2\1", READING, b"\1\2\3\4", 0x04030201),
    ),
    "sum from an offset": (
        lambda board: board.sum(Place.MODELS, "kws", 7, 0x0A0B),
        *(0x12, b"\0" + KWS + b"\x0b\x0a\0\0\7\0\0\0", READING, b"\1\2\3\4", 0x04030201),
    ),
    "remove": (
        lambda board: board.remove(Place.MODELS, "kws"),
        *(0x15, b"\0" + KWS, QUICK, b"\1", True),
    ),
    "remove nothing": (
        lambda board: board.remove(Place.RUNTIME, "kws"),
        *(0x15, b"\1" + KWS, QUICK, b"\0", False),
    ),
    "room": (
        lambda board: board.room(),
        *(0x16, b"\0", QUICK, b"\0\2\0\0\5\0\0\0\6\0\0\0", (512, 5, 6)),
    ),
    "open": (
        lambda board: board.open(Place.TESTS, "kws", 0x0102, DIGEST),
        *(0x20, b"\2" + KWS + b"\2\1\0\0" + DIGEST, READING, b"\7\1\0\0", 0x0107),
    ),
    "copy": (
        lambda board: board.copy(0x01, 0x0200, 0x030000),
        *(0x22, b"\1\0\0\0\0\2\0\0\0\0\3\0", READING, b"\7\1\0\0", 0x0107),
    ),
    "verify": (lambda board: board.verify(), *(0x23, b"\0\0\0\0", READING, b"", None)),
    "verify signed": (
        lambda board: board.verify(0x0201, DIGEST),
        *(0x23, b"\1\2\0\0" + DIGEST, READING, b"", None),
    ),
    "test": (
        lambda board: board.test("kws"),
        *(0x25, KWS, TESTING, b"\1" + b"".join(bytes([n, 1, 0, 0]) for n in range(2, 7)) + b"ok"),
        SelfTest(True, 0x102, 0x103, 0x104, 0x105, 0x106, "ok"),
    ),
    "test that differs": (
        lambda board: board.test("kws"),
        *(0x25, KWS, TESTING, bytes(21), SelfTest(False, 0, 0, 0, 0, 0, "")),
    ),
    "switch": (
        lambda board: board.switch("kws"),
        *(0x26, KWS, READING, b"\5\1\0\0", 0x0105),
    ),
    "switch by a host": (
        lambda board: board.switch("kws", by_host=True),
        *(0x26, KWS + b"\1", READING, b"\5\1\0\0", 0x0105),
    ),
    "back": (lambda board: board.back("kws"), *(0x27, KWS, READING, b"\5\1\0\0", 0x0105)),
    "forget": (lambda board: board.forget("kws"), *(0x28, KWS, QUICK, b"\1", True)),
    "forget nothing": (lambda board: board.forget("kws"), *(0x28, KWS, QUICK, b"\0", False)),
    "model": (
        lambda board: board.model("kws"),
        *(0x24, KWS, READING, bytes(4) + b"\0" + NOBODY * 2 + b"\xff" * 4),
        Kept("kws", 0, "", dict.fromkeys("ab", Slot(False, 0, 0, "00" * 32)), None),
    ),
}
"""Of each: what is done; kind, payload and limit of its request; the answer; what that means."""


@pytest.mark.parametrize("case", CASES)
def test_requests_and_answers(case: str) -> None:
    act, kind, payload, limit, answer, meaning = CASES[case]
    found, requests = asked(act, answer)
    assert requests == [(kind, payload, limit)]
    assert found == meaning
    assert type(found) is type(meaning)


NONSENSE = {
    "size": "the size of a file",
    "sum": "a CRC32",
    "remove": "whether there was a file",
    "room": "the size of the filesystem",
    "open": "the length of a part",
    "copy": "the length of a part",
    "switch": "a generation",
    "back": "a generation",
    "forget": "whether there was a model",
    "model": "what is known of a model",
}


def refuse(act: Callable[[Requests], object], wanted: str, *answers: bytes) -> None:
    """A request whose last answer makes no sense."""
    with pytest.raises(DeviceError) as caught:
        asked(act, *answers)
    assert caught.value.message == (f"the board's service answered something else than {wanted}")
    assert caught.value.hint == "its files may be of another version: deploy again"


@pytest.mark.parametrize("case", NONSENSE)
def test_answers_of_another_length(case: str) -> None:
    act, _, _, _, answer, _ = CASES[case]
    for wrong in (answer[:-1], answer + b"\0", b""):
        refuse(act, NONSENSE[case], wrong)


def test_a_test_has_21_bytes_and_a_text() -> None:
    act = CASES["test"][0]
    for size in (0, 20):
        refuse(act, "the outcome of a test", bytes(size))
    found, _ = asked(act, bytes(21) + b"op 3\x1b\xff" + b"x" * 400)
    assert isinstance(found, SelfTest)
    assert found.text == "op 3\\x1b\\xff" + "x" * 288 + "..."  # 300 characters


def test_what_is_known_of_a_model() -> None:
    """MODEL's answer: generation, slot, then for a and b: there, size, version, SHA-256; part."""
    first = b"\1" + b"\2\1\0\0" + b"\3\1\0\0" + DIGEST
    second = b"\0" + b"\4\1\0\0" + b"\5\1\0\0" + DIGEST[::-1]
    for letter, part, left in ((b"a", b"\xff\xff\xff\xff", None), (b"b", b"\6\1\0\0", 0x106)):
        answer = b"\7\1\0\0" + letter + first + second + part
        found, _ = asked(lambda board: board.model("kws"), answer)
        slots = {
            "a": Slot(True, 0x102, 0x103, DIGEST.hex()),
            "b": Slot(False, 0x104, 0x105, DIGEST[::-1].hex()),
        }
        assert found == Kept("kws", 0x107, letter.decode(), slots, left)
    for letter in (b"c", b"A", b"0", b"\1"):
        refuse(
            lambda board: board.model("kws"),
            "what is known of a model",
            b"\7\1\0\0" + letter + first + second + b"\xff" * 4,
        )
    found, _ = asked(lambda board: board.model("kws"), bytes(5) + first + second + bytes(4))
    assert isinstance(found, Kept)
    assert found.part_bytes == 0  # an empty part is one


def test_what_follows_of_it() -> None:
    slots = {"a": Slot(True, 1, 2, "aa"), "b": Slot(True, 3, 4, "bb")}
    none, first, second = (Kept("kws", 1, slot, slots, None) for slot in ("", "a", "b"))
    assert (none.in_use, first.in_use, second.in_use) == (None, slots["a"], slots["b"])
    assert (none.path, first.path, second.path) == ("", "models/kws.a", "models/kws.b")
    assert (none.next_slot, first.next_slot, second.next_slot) == ("a", "b", "a")


@pytest.mark.parametrize(
    ("numbers", "found"),
    [
        ((512, 0, 6), (512, 0, 6)),
        ((512, 6, 6), (512, 6, 6)),
        ((512, 7, 6), None),  # more is free than there is
        ((0, 0, 0), None),
        ((0, 0, 6), None),
        ((1, 1, 1), (1, 1, 1)),
    ],
)
def test_room(numbers: tuple[int, int, int], found: tuple[int, int, int] | None) -> None:
    answer = b"".join(number.to_bytes(4, "little") for number in numbers)
    assert asked(lambda board: board.room(), answer)[0] == found


def listed(**files: int) -> bytes:
    return b"".join(
        bytes([len(name)]) + name.encode() + size.to_bytes(4, "little")
        for name, size in files.items()
    )


def test_a_list_is_asked_for_until_it_ends() -> None:
    found, requests = asked(
        lambda board: board.files(Place.RUNTIME),
        listed(a=0, abc=0x01020304, x=5),
        listed(**{"y" * 255: 6}),
        b"",
    )
    assert found == {"a": 0, "abc": 0x01020304, "x": 5, "y" * 255: 6}
    assert requests == [
        (0x10, b"\1\0\0", QUICK),
        (0x10, b"\1\3\0", QUICK),
        (0x10, b"\1\4\0", QUICK),
    ]
    assert asked(lambda board: board.files(Place.MODELS), b"") == ({}, [(0x10, b"\0\0\0", QUICK)])


def test_names_that_no_board_has() -> None:
    """What is not ASCII is shown, and does no harm."""
    found, _ = asked(lambda board: board.files(Place.MODELS), b"\2\xff\0\1\0\0\0", b"")
    assert found == {"\ufffd\0": 1}


@pytest.mark.parametrize(
    "last",
    [
        b"\1",
        b"\1a",
        b"\1a\1\0\0",
        b"\5a\1\0\0\0",
        b"\1b\1\0\0\0\1",
        b"\1b\1\0\0\0\1c\0",
        b"\0\0\0\0",
        b"\1a\1\0\0\0",  # what was there before: it would go on for ever
    ],
)
def test_lists_that_are_none(last: bytes) -> None:
    refuse(lambda board: board.files(Place.MODELS), "a list of files", listed(a=1), last)


def sums_of(size: int, payload: int, *answers: bytes) -> tuple[object, list[tuple[int, bytes]]]:
    found, requests = asked(
        lambda board: board.sums(Place.MODELS, "kws.a", 512, size), *answers, payload=payload
    )
    assert {limit for _, _, limit in requests} <= {READING}
    return found, [(kind, payload) for kind, payload, _ in requests]


def crcs(*numbers: int) -> bytes:
    return b"".join(number.to_bytes(4, "little") for number in numbers)


def test_sums_of_whole_blocks() -> None:
    name = b"\0\x05kws.a"
    for size in (0, 1, 511):
        assert sums_of(size, 100) == ([], [])
    for size in (1024, 1535):
        found, requests = sums_of(size, 100, crcs(1, 0xFFFFFFFF))
        assert found == [1, 0xFFFFFFFF]
        assert requests == [(0x13, name + b"\0\0\0\0\0\2\0\0\2\0")]


@pytest.mark.parametrize("payload", [12, 13, 15])
def test_sums_come_as_many_as_an_answer_has_room_for(payload: int) -> None:
    """Three to an answer: seven blocks of 512 bytes are three requests."""
    name = b"\0\x05kws.a"
    found, requests = sums_of(7 * 512, payload, crcs(1, 2, 3), crcs(4, 5, 6), crcs(7))
    assert found == [1, 2, 3, 4, 5, 6, 7]
    assert requests == [
        (0x13, name + b"\0\0\0\0\0\2\0\0\3\0"),
        (0x13, name + b"\0\6\0\0\0\2\0\0\3\0"),
        (0x13, name + b"\0\x0c\0\0\0\2\0\0\1\0"),
    ]


def test_many_sums_in_one_answer() -> None:
    numbers = range(3, 103)
    found, (request,) = sums_of(100 * 512, 1012, crcs(*numbers))
    assert found == list(numbers)
    assert request[1].endswith(b"\0\0\0\0\0\2\0\0\x64\0")


def test_sums_that_are_none() -> None:
    for answer in (b"", crcs(1), crcs(1, 2, 3), crcs(1, 2)[:-1], crcs(1, 2) + b"\0"):
        refuse(
            lambda board: board.sums(Place.MODELS, "kws.a", 512, 1024), "CRC32s of a file", answer
        )


def test_sending_is_the_clients() -> None:
    class Client:
        def send(self, *arguments: object) -> int:
            self.arguments = arguments
            return 77

    client = Client()
    board = Requests(client)  # type: ignore[arg-type]
    assert board.send(b"abc", 1, print) == 77
    assert client.arguments == (b"abc", 1, print)


def test_places() -> None:
    assert (Place.MODELS, Place.RUNTIME, Place.TESTS) == (0, 1, 2)


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (Slot(True, 1, 2, "aa"), "size"),
        (Kept("kws", 1, "", {}, None), "slot"),
        (SelfTest(True, 0, 0, 0, 0, 0, ""), "text"),
    ],
)
def test_what_was_answered_is_not_changed(value: object, name: str) -> None:
    with pytest.raises(FrozenInstanceError):
        setattr(value, name, 1)
    assert not hasattr(value, "__dict__")


def test_codes_of_refusals_are_the_boards() -> None:
    board = runpy.run_path(str(ROOT / "firmware" / "link" / "refused.py"))
    assert {each.name: each.value for each in Refusal} == {
        name: value for name, value in board.items() if isinstance(value, int)
    }
    assert Refusal.BAD_REQUEST == 1

"""Faults of a line: where they fall, what they do, and that neither hangs on the moment."""

from __future__ import annotations

import random
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from microinterp_boards.faults import FaultEvent, FaultyLine, Piece, after_faults

TEXT = random.Random(5).randbytes(1_000_000)
ALL = {
    "drop": (0.01, 1),
    "flip": (0.005, 3),
    "dup": (0.002, 20),
    "noise": (0.001, 4),
    "stall": (0.0005, 0.5),
}


def through(line: FaultyLine, *chunks: bytes) -> list[Piece]:
    """All that comes out, each stall waited for."""
    pieces: list[Piece] = []
    for chunk in chunks:
        line.feed(chunk)
        now = 0.0
        while (wait := line.wait(now)) is not None:
            now += wait
            pieces += line.due(now)
    assert line.held == 0
    return pieces


def data(pieces: list[Piece]) -> bytes:
    return b"".join(piece.data for piece in pieces)


def faults(pieces: list[Piece]) -> list[Piece]:
    return [piece for piece in pieces if piece.fault]


def events(pieces: list[Piece], way: str = "to-host") -> list[FaultEvent]:
    return [FaultEvent(way, p.at, p.fault, p.was, p.data, p.seconds) for p in faults(pieces)]


def places(kind: str, pieces: list[Piece]) -> list[int]:
    return [piece.at for piece in pieces if piece.fault == kind]


def test_a_good_line_passes_everything_on_in_one_piece() -> None:
    line = FaultyLine({}, "1")
    line.feed(b"abc")
    line.feed(b"def")
    assert line.held == line.taken == 6
    assert list(line.due(0.0)) == [Piece(0, b"abcdef")]
    line.feed(b"g")
    assert list(line.due(0.0)) == [Piece(6, b"g")]
    assert line.wait(0.0) is None


@pytest.mark.parametrize(
    ("chances", "sent", "out"),
    [
        ({"drop": (1, 1)}, b"abc", b""),
        ({"dup": (1, 1)}, b"abc", b"aabbcc"),
        ({"dup": (1, 2)}, b"abcde", b"ababcdcde"),  # the copy of e comes with its second byte
        ({"dup": (1, 2), "drop": (1, 1)}, b"abcd", b""),
        ({"stall": (1, 1.0)}, b"abc", b"abc"),
    ],
)
def test_certain_faults_by_hand(
    chances: dict[str, tuple[float, float]], sent: bytes, out: bytes
) -> None:
    assert data(through(FaultyLine(chances, "1"), sent)) == out


def test_a_flip_turns_one_bit() -> None:
    pieces = through(FaultyLine({"flip": (1, 1)}, "1"), TEXT[:80_000])
    assert [piece.was for piece in pieces] == [bytes([byte]) for byte in TEXT[:80_000]]
    turned = Counter(piece.was[0] ^ piece.data[0] for piece in pieces)
    assert set(turned) == {1, 2, 4, 8, 16, 32, 64, 128}
    assert all(abs(count - 10_000) < 5 * 94 for count in turned.values())  # 5 sigma


def test_noise_is_of_all_bytes_and_has_its_size() -> None:
    pieces = through(FaultyLine({"noise": (1, 7)}, "1"), TEXT[:10_000])
    noise = faults(pieces)
    assert [piece.at for piece in noise] == list(range(10_000))
    assert {len(piece.data) for piece in noise} == {7}
    assert all(piece.was == b"" for piece in noise)
    counts = Counter(data(noise))
    assert len(counts) == 256
    assert all(abs(count - 273.4) < 5 * 16.6 for count in counts.values())
    plain = b"".join(piece.data for piece in pieces if not piece.fault)
    assert plain == TEXT[:10_000]


@pytest.mark.parametrize("kind", ["drop", "flip", "dup", "noise", "stall"])
@pytest.mark.parametrize("probability", [0.3, 0.01])
def test_gaps_are_those_of_a_toss_for_each_byte(kind: str, probability: float) -> None:
    size = 1.5 if kind == "stall" else 1
    count = 300_000
    found = places(kind, through(FaultyLine({kind: (probability, size)}, "3"), TEXT[:count]))
    sigma = (count * probability * (1 - probability)) ** 0.5
    assert abs(len(found) - count * probability) < 5 * sigma
    gaps = Counter(after - before - 1 for before, after in pairwise([-1, *found]))
    for gap in range(8):
        share = probability * (1 - probability) ** gap
        expected = len(found) * share
        assert abs(gaps[gap] - expected) < 5 * (expected * (1 - share)) ** 0.5 + 1


def test_bursts_have_their_length() -> None:
    for kind in ("drop", "flip"):
        found = places(kind, through(FaultyLine({kind: (0.0001, 37)}, "3"), TEXT[:400_000]))
        starts = [at for at in found if at - 1 not in found]
        assert 20 < len(starts) < 70
        runs = [next(n for n in range(1000) if start + n not in found) for start in starts]
        assert all(run % 37 == 0 for run in runs)  # two may touch
    (copy,) = faults(through(FaultyLine({"dup": (0.0001, 300)}, "3"), TEXT[:10_000]))[:1]
    assert copy.data == TEXT[copy.at - 299 : copy.at + 1]


def test_the_same_seed_gives_the_same_and_another_does_not() -> None:
    def pieces(seed: str) -> list[Piece]:
        return through(FaultyLine(ALL, seed), TEXT[:20_000])

    assert pieces("1 to-host") == pieces("1 to-host")
    assert places("drop", pieces("1 to-host")) != places("drop", pieces("1 to-board"))
    assert places("drop", pieces("1 to-host")) != places("drop", pieces("2 to-host"))


def test_a_kind_falls_where_it_falls_without_the_others() -> None:
    together = through(FaultyLine(ALL, "9"), TEXT[:50_000])
    dropped = set(places("drop", together))
    for kind, chance in ALL.items():
        alone = places(kind, through(FaultyLine({kind: chance}, "9"), TEXT[:50_000]))
        if kind == "flip":  # a byte that is dropped has no bits
            alone = [at for at in alone if at not in dropped]
        assert alone
        assert places(kind, together) == alone


@given(
    sent=st.binary(max_size=300),
    cuts=st.lists(st.integers(0, 300), max_size=20),
    seed=st.integers(0, 1000),
    rate=st.sampled_from([0.02, 0.2, 0.7]),
    sizes=st.lists(st.integers(1, 9), min_size=4, max_size=4),
)
def test_pieces_of_any_size_give_the_same_bytes_and_faults(
    sent: bytes, cuts: list[int], seed: int, rate: float, sizes: list[int]
) -> None:
    chances = dict(zip(("drop", "flip", "dup", "noise"), ((rate, n) for n in sizes), strict=True))
    chances["stall"] = (rate, 2)
    marks = {"reset-at": 20, "die-at": 21}
    edges = [0, *sorted(min(cut, len(sent)) for cut in cuts), len(sent)]
    chunks = [sent[start:end] for start, end in pairwise(edges)]
    whole = through(FaultyLine(chances, str(seed), marks), sent)
    parts = through(FaultyLine(chances, str(seed), marks), *chunks)
    assert data(parts) == data(whole)
    assert events(parts) == events(whole)
    assert after_faults(sent, events(parts), "to-host") == data(whole)
    assert after_faults(sent, events(parts), "to-board") == sent


def test_a_million_bytes_by_the_log() -> None:
    pieces = through(FaultyLine(ALL, "1"), TEXT)
    assert after_faults(TEXT, events(pieces), "to-host") == data(pieces)
    counts = Counter(piece.fault for piece in pieces)
    assert 9_500 < counts["drop"] < 10_500
    assert 13_800 < counts["flip"] < 15_600
    assert 1_700 < counts["dup"] < 2_150
    assert 850 < counts["noise"] < 1_150
    assert 390 < counts["stall"] < 610


def test_a_line_stands_still_for_the_time_of_a_stall() -> None:
    line = FaultyLine({"stall": (1, 2.0)}, "1")
    line.feed(b"ab")
    assert [piece.data or piece.seconds for piece in line.due(10.0)] == [b"a", 2.0]
    assert line.held == 1
    assert line.wait(10.5) == 1.5
    line.feed(b"c")
    assert list(line.due(11.999)) == []
    assert [piece.data or piece.seconds for piece in line.due(12.5)] == [b"b", 2.0]
    assert line.wait(13.0) == 1.5
    assert [piece.data or piece.seconds for piece in line.due(15.0)] == [b"c", 2.0]
    assert (line.held, line.wait(15.0)) == (0, None)
    line.feed(b"d")
    assert line.wait(15.0) == 2.0  # the stall after c goes on
    assert list(line.due(16.0)) == []


def test_marks_come_after_their_bytes_once() -> None:
    line = FaultyLine({}, "1", {"first": 1, "third": 3, "also": 3})
    pieces = through(line, b"a", b"bcd", b"efgh")
    assert [(piece.at, piece.data, piece.fault) for piece in pieces] == [
        (0, b"a", ""),
        (0, b"", "first"),
        (1, b"bc", ""),
        (2, b"", "third"),
        (2, b"", "also"),
        (3, b"d", ""),
        (4, b"efgh", ""),
    ]


def test_a_mark_counts_bytes_that_are_dropped() -> None:
    pieces = through(FaultyLine({"drop": (1, 1)}, "1", {"end": 2}), b"abc")
    assert [(piece.at, piece.fault) for piece in pieces] == [
        (0, "drop"),
        (1, "drop"),
        (1, "end"),
        (2, "drop"),
    ]


def test_the_smallest_probability_is_not_never_nor_an_overflow() -> None:
    firsts = [FaultyLine({"drop": (1e-9, 1)}, str(seed))._next_fault() for seed in range(200)]
    assert all(at > 10_000 for at in firsts)
    assert 0.7e9 < sum(firsts) / len(firsts) < 1.35e9

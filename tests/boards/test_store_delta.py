"""Runs of a delta: together they are the new file; what is copied is the same in the old one."""

from __future__ import annotations

import random
import zlib
from dataclasses import FrozenInstanceError

import pytest
from hypothesis import given
from hypothesis import strategies as st

from microinterp_boards.store.delta import BLOCK, Run, runs


def sums(old: bytes, block: int) -> list[int]:
    return [zlib.crc32(old[at : at + block]) for at in range(0, len(old) - block + 1, block)]


def made_of(found: list[Run], old: bytes, new: bytes) -> bytes:
    """What a board would put together; runs follow each other without a gap."""
    made = b""
    for run in found:
        assert run.offset == len(made)
        assert run.size > 0
        source = new[run.offset :] if run.source is None else old[run.source :]
        assert len(source) >= run.size
        made += source[: run.size]
    return made


@given(st.data(), st.integers(1, 9))
def test_any_two_files(data: st.DataObject, block: int) -> None:
    old = data.draw(st.binary(max_size=80))
    pieces = st.one_of(
        st.binary(max_size=12),
        st.tuples(st.integers(0, 80), st.integers(0, 40)).map(lambda cut: old[cut[0] :][: cut[1]]),
    )
    new = b"".join(data.draw(st.lists(pieces, max_size=8)))
    assert made_of(runs(new, sums(old, block), block), old, new) == new


def test_worked_by_hand() -> None:
    """Blocks of 4: ABCD EFGH IJ; the tail of an old file, shorter than a block, is not known."""
    old = b"ABCDEFGHIJ"
    found = runs(b"xABCDEFGHIJyEFGH", sums(old, 4), 4)
    assert found == [Run(0, 1), Run(1, 8, 0), Run(9, 3), Run(12, 4, 4)]
    assert runs(old, [], 4) == [Run(0, 10)]
    assert runs(b"", sums(old, 4), 4) == []


def test_equal_blocks_make_one_run() -> None:
    old = bytes(4 * BLOCK) + b"end" * BLOCK
    assert runs(old, sums(old, BLOCK)) == [Run(0, 7 * BLOCK, 0)]


def test_a_little_change_is_a_little_to_send() -> None:
    """A byte that changed costs a block, and bytes that were put in cost themselves."""
    rng = random.Random(1)
    old = rng.randbytes(100_000)
    changed = bytearray(old)
    changed[50_000] ^= 1
    longer = bytes(changed[:20_000]) + b"twelve bytes" + bytes(changed[20_000:])
    found = runs(longer, sums(old, BLOCK))
    assert made_of(found, old, longer) == longer
    sent = sum(run.size for run in found if run.source is None)
    assert sent <= 12 + 2 * BLOCK + len(old) % BLOCK


@pytest.mark.parametrize(
    ("new", "wanted"),
    [
        (b"ABCDEFGH", [Run(0, 8, 0)]),
        (b"EFGHABCD", [Run(0, 4, 4), Run(4, 4, 0)]),  # the other way round
        (b"ABCDIJKL", [Run(0, 4, 0), Run(4, 4, 8)]),  # one is left out
        (b"ABCDABCD", [Run(0, 4, 0), Run(4, 4, 0)]),  # one comes twice
        (b"ABCDxEFGH", [Run(0, 4, 0), Run(4, 1), Run(5, 4, 4)]),  # something comes between
        (b"ABCDxxxxEFGH", [Run(0, 4, 0), Run(4, 4), Run(8, 4, 4)]),
        (b"IJKLABCDEFGHIJKL", [Run(0, 4, 8), Run(4, 12, 0)]),
        (b"xyzABCD", [Run(0, 3), Run(3, 4, 0)]),
        (b"ABCDxyz", [Run(0, 4, 0), Run(4, 3)]),
        (b"ABC", [Run(0, 3)]),
        (b"ABCDE", [Run(0, 4, 0), Run(4, 1)]),
        (b"ABCABCD", [Run(0, 3), Run(3, 4, 0)]),
    ],
)
def test_runs_by_hand(new: bytes, wanted: list[Run]) -> None:
    """Of the blocks ABCD, EFGH and IJKL."""
    assert runs(new, sums(b"ABCDEFGHIJKL", 4), 4) == wanted


def test_of_equal_blocks_the_first_begins_a_run() -> None:
    """And then the one that goes on where the last ended: ABCD lies at 0, 4 and 12."""
    old = b"ABCDABCDEFGHABCDIJKL"
    assert runs(b"ABCD", sums(old, 4), 4) == [Run(0, 4, 0)]
    assert runs(b"ABCDABCDEFGH", sums(old, 4), 4) == [Run(0, 12, 0)]
    assert runs(b"EFGHABCDIJKL", sums(old, 4), 4) == [Run(0, 12, 8)]
    assert runs(b"EFGHxABCDIJKL", sums(old, 4), 4) == [Run(0, 4, 8), Run(4, 1), Run(5, 8, 12)]


def test_a_file_of_many_blocks_comes_to_its_end() -> None:
    """Behind the last of 300 blocks the old file does not go on."""
    blocks = [b"%04d" % number for number in range(300)]
    old = b"".join(blocks)
    new = old + blocks[7] + blocks[8] + blocks[299] + blocks[0]
    assert runs(new, sums(old, 4), 4) == [
        Run(0, 1200, 0),
        Run(1200, 8, 28),
        Run(1208, 4, 1196),
        Run(1212, 4, 0),
    ]


def test_a_run_is_not_changed() -> None:
    run = Run(0, 1)
    with pytest.raises(FrozenInstanceError):
        run.size = 2  # type: ignore[misc]
    assert not hasattr(run, "__dict__")
    assert run.source is None

"""Orders and searches of the planners, each step worked out by hand."""

from __future__ import annotations

import pytest

from microinterp.arena.best import search
from microinterp.arena.placing import ordinary_blocks
from microinterp.arena.region_search import RegionTask, _lowest_gap
from tests.test_arena_best import requests


def test_the_best_of_the_orders_is_kept() -> None:
    """Large ones first put both 32 at 0 and the 16 at 32 and 48; early ones first need 48."""
    blocks = ordinary_blocks(*requests((32, 0, 1), (16, 1, 2), (16, 2, 3), (32, 3, 3)))
    large_first = [0, 3, 1, 2]
    assert blocks.place(large_first) == [0, 32, 48, 0]
    assert blocks.place([0, 1, 2, 3]) == [0, 32, 0, 16]
    offsets = search(blocks, most_tries=0)
    assert blocks.head(blocks.place(large_first)) == 64
    assert blocks.head(offsets) == blocks.bound == 48


def test_the_search_finds_what_no_order_gives() -> None:
    """Bytes alive at once: 80, 96, 96, 96. In 96 the 32 lie at one end and the 16 at the other.

    Each leaves room for one of the two 64 that way, and the 48 lie between them.
    """
    lives = (32, 1, 3), (64, 3, 3), (64, 0, 0), (16, 0, 2), (48, 1, 2)
    blocks = ordinary_blocks(*requests(*lives))
    assert blocks.bound == 96
    assert blocks.head([0, 32, 0, 80, 32]) == 96
    assert blocks.head(search(blocks, most_tries=0)) == 112
    assert blocks.head(search(blocks)) == 96


def test_orders_over_regions() -> None:
    """Traffic per byte is 2, 1, 3, 1; per byte and op 2, 1/3, 3/2, 1/2; lives are 1, 3, 2, 2."""
    blocks = ordinary_blocks(*requests((16, 0, 0), (48, 0, 2), (32, 1, 2), (64, 2, 3)))
    assert RegionTask(blocks, [32, 48, 96, 64], [64])._orders() == [
        [2, 0, 3, 1],
        [0, 2, 3, 1],
        [2, 3, 1, 0],
        [3, 1, 2, 0],  # bytes: 16, 48, 32, 64
        [1, 3, 2, 0],  # bytes times ops: 16, 144, 64, 128
        [1, 3, 2, 0],  # ops, then bytes
        [1, 0, 2, 3],  # the first op, then bytes
    ]


def test_the_lowest_gap() -> None:
    """Up to a range, or behind it, is outside; gaps begin at multiples of 16."""
    assert _lowest_gap([]) == 0
    assert _lowest_gap([(16, 32)]) == 0
    assert _lowest_gap([(0, 32)]) == 0
    assert _lowest_gap([(-16, 32)]) == 32
    assert _lowest_gap([(32, 48), (-16, 32)]) == 32
    assert _lowest_gap([(31, 40), (-16, 32)]) == 48
    assert _lowest_gap([(40, 64), (-16, 20)]) == 32
    assert _lowest_gap([(-32, 64), (-16, 16), (-1, 30)]) == 64


def test_a_buffer_that_lies_well_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """48, 48, 32 and 64 bytes, in memories of 48 and 128: the last three meet, and are 144.

    So one of those three must lie in the first memory, where every order puts the first buffer,
    which leaves no room. To move only what leaves its memory (the one of 64, by 16) never helps.
    """
    monkeypatch.setattr("microinterp.arena.region_search._MOST_TRIES", 100)
    blocks = ordinary_blocks(*requests((48, 0, 2), (48, 1, 3), (32, 2, 4), (64, 3, 3)))
    task = RegionTask(blocks, [192, 48, 96, 256], [48, 128])
    for order in task._orders():
        first = task.placed(order)
        assert (first.regions[0], task.score(first)[0]) == (0, 16)
    made = task.placed([2, 0, 3, 1])
    assert (made.regions, made.offsets) == ([1, 1, 0, 1], [0, 64, 0, 0])
    found = task.searched()
    assert found.regions == [1, 1, 0, 1]
    assert task.score(found) == task.score(made) == (0, -96, -496)

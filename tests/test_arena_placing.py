"""Placing and searching step by step: limits, gaps, orders, regions, scores, worked by hand."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from microinterp.arena import best, region_search
from microinterp.arena.best import search
from microinterp.arena.extents import Extent
from microinterp.arena.greedy import greedy_offsets
from microinterp.arena.lifetimes import Request
from microinterp.arena.linear import linear_offsets
from microinterp.arena.placing import (
    Blocks,
    align_up,
    alive_at,
    lower_bound,
    most_alive,
    ordinary_blocks,
    shrinking_blocks,
)
from microinterp.arena.region_search import Placement, RegionTask
from tests.test_arena_best import requests


def blocks(*lives: tuple[int, int, int]) -> Blocks:
    """Ordinary buffers of (size, first, last)."""
    return ordinary_blocks(*requests(*lives))


def test_alignment() -> None:
    found = [align_up(n) for n in (0, 1, 15, 16, 17, 31, 32, 33)]
    assert found == [0, 16, 16, 16, 32, 32, 32, 48]


def test_offsets_in_a_line() -> None:
    assert linear_offsets([]) == []
    assert linear_offsets([16]) == [0]
    assert linear_offsets([16, 48, 32]) == [0, 16, 64]


def test_limits_of_ordinary_buffers() -> None:
    """Those that share a scope, ends included: 0 and 1 at scope 1, 1 and 2 at 2, not 0 and 2."""
    found = blocks((16, 0, 1), (32, 1, 2), (48, 2, 3))
    assert [list(each) for each in found.limits] == [
        [(1, -16, 32)],
        [(0, -32, 16), (2, -32, 48)],
        [(1, -48, 32)],
    ]
    assert found.lives == [(0, 1), (1, 2), (2, 3)]
    assert found.fixed == [None] * 3
    assert found.bound == 80
    assert blocks((16, 2, 3), (16, 0, 1)).limits == [[], []]
    assert blocks((16, 1, 3), (16, 0, 1)).limits == [[(1, -16, 16)], [(0, -16, 16)]]


def test_bytes_alive_at_once() -> None:
    assert lower_bound(*requests((16, 0, 0), (32, 1, 1))) == 32
    assert lower_bound(*requests((16, 0, 1), (32, 1, 1))) == 48
    assert lower_bound(*requests((16, 0, 2), (32, 0, 0), (48, 1, 1), (64, 2, 2))) == 80
    fixed = Request(16, 0, 0, offline_offset=0), Request(16, 1, 1, offline_offset=48)
    assert lower_bound(fixed, [16, 16]) == 64
    with pytest.raises(ValueError, match="zip"):
        lower_bound([Request(16, 0, 0)], [16, 16])


def test_heads() -> None:
    found = blocks((16, 0, 0), (32, 0, 0), (48, 0, 0))
    assert found.head([0, 16, 0]) == 48
    assert found.head([80, 16, 0]) == 96
    assert blocks().head([]) == 0
    with pytest.raises(ValueError, match="zip"):
        found.head([0, 16])


def test_gaps() -> None:
    """Each goes as low as it can; a gap of its own size will do, one byte less will not."""
    found = blocks((32, 0, 0), (32, 1, 1), (32, 0, 1), (32, 0, 1), (16, 0, 1))
    assert found.place([0, 1, 2, 3, 4]) == [0, 0, 32, 64, 96]
    assert found.place([4, 3, 2, 1, 0]) == [80, 80, 48, 16, 0]
    fixed = Blocks(
        sizes=[16, 32, 32, 48],
        lives=[(0, 0)] * 4,
        fixed=[32, 64, None, None],
        limits=ordinary_blocks(*requests((16, 0, 0), (32, 0, 0), (32, 0, 0), (48, 0, 0))).limits,
        bound=0,
    )
    assert fixed.place([3, 2, 1, 0]) == [32, 64, 0, 96]
    assert fixed.place([0, 1, 2, 3]) == [32, 64, 0, 96]


def test_gaps_between_buffers_that_may_overlap() -> None:
    """Limits that are no multiples of 16: the end of a range goes up to one."""
    free = Blocks([64, 64, 64], [(0, 0)] * 3, [None] * 3, [[], [(0, -40, 20)], [(0, 5, 9)]], 0)
    assert free.place([0, 1, 2]) == [0, 32, 0]
    both: list[list[tuple[int, int, int]]] = [[], [], [(0, -16, 16), (1, -49, -20)]]
    assert Blocks([16] * 3, [(0, 0)] * 3, [0, 64, None], both, 0).place([2]) == [0, 64, 48]
    edge = [[], [], [(0, -16, 16), (1, -48, 0)]]  # from 16 on, where the gap ends as well
    assert Blocks([16] * 3, [(0, 0)] * 3, [0, 64, None], edge, 0).place([2]) == [0, 64, 16]
    inner = [[], [], [(0, -16, 50), (1, -60, -40)]]
    assert Blocks([16] * 3, [(0, 0)] * 3, [0, 64, None], inner, 0).place([2]) == [0, 64, 64]
    low = [[], [], [(0, 0, 16), (1, -48, 0)]]
    assert Blocks([16] * 3, [(0, 0)] * 3, [0, 64, None], low, 0).place([2]) == [0, 64, 0]
    at_1 = [[], [(0, -1, 16)]]
    assert Blocks([16] * 2, [(0, 0)] * 2, [0, None], at_1, 0).place([1]) == [0, 16]


def test_placing_stops_behind_a_limit() -> None:
    found = blocks((16, 0, 0), (32, 0, 0))
    assert found.place_below([0, 1], 48) == [0, 16]
    assert found.place_below([0, 1], 49) == [0, 16]
    assert found.place_below([0, 1], 47) is None
    assert found.place_below([0, 1], 15) is None
    assert blocks((16, 0, 0), (16, 1, 1)).place_below([0, 1], 16) == [0, 0]


def extent(first: int, low: Sequence[int], high: Sequence[int], nbytes: int) -> Extent:
    ends = np.array((low, high), np.int64)
    return Extent(first, first + len(low) - 1, ends[0], ends[1], nbytes)


def test_limits_of_shrinking_buffers() -> None:
    """0 lives at 0 and 1, 1 at 1 and 2, 2 at 3: only 0 and 1 meet, at step 1.

    There 0 has bytes 16 to 40 and 1 has 0 to 10: 1 less 0 is not inside (16 - 10, 40 - 0).
    """
    all_three = [
        extent(1, [0, 0], [10, 30], 30),
        extent(0, [0, 16], [40, 40], 40),
        extent(3, [0], [16], 16),
    ]
    found = shrinking_blocks(all_three)
    assert found.sizes == [32, 48, 16]
    assert found.lives == [(1, 2), (0, 1), (3, 3)]
    assert found.limits == [[(1, 6, 40)], [(0, -40, -6)], []]
    assert found.bound == 40
    assert found.fixed == [None] * 3
    assert alive_at(all_three).tolist() == [40, 34, 30, 16]
    assert most_alive([]) == 0
    assert alive_at([]).tolist() == []
    assert shrinking_blocks([]).sizes == []
    touching = shrinking_blocks([extent(0, [0, 0], [8, 8], 8), extent(1, [0], [8], 8)])
    assert touching.limits == [[(1, -8, 8)], [(0, -8, 8)]]
    apart = shrinking_blocks([extent(0, [0], [8], 8), extent(1, [0], [8], 8)])
    assert apart.limits == [[], []]


def test_greedy_ties() -> None:
    """A gap of the very size is taken; buffers behind it do not count; equal offsets in turn."""
    fixed = [
        Request(16, 0, 5, offline_offset=0),
        Request(16, 0, 5, offline_offset=48),
        Request(64, 0, 5, offline_offset=0),
        Request(32, 0, 5),
    ]
    assert greedy_offsets(fixed, [16, 16, 64, 32]) == [0, 48, 0, 64]
    assert greedy_offsets([*fixed[:2], fixed[3]], [16, 16, 32]) == [0, 48, 16]
    assert greedy_offsets([*fixed[:2], fixed[3]], [16, 16, 33]) == [0, 48, 64]
    meets = [Request(16, 2, 3, offline_offset=0), Request(16, 3, 4), Request(16, 4, 5)]
    assert greedy_offsets(meets, [16, 16, 16]) == [0, 16, 0]


def orders_of(*lives: tuple[int, int, int]) -> list[list[int]]:
    return best._orders(blocks(*lives))


def test_orders_to_begin_with() -> None:
    """Sizes 16, 48, 32, 48, lives of 4, 1, 2, 2 scopes; with all that each meets 144, 64, 96, 96
    bytes."""
    assert orders_of((16, 0, 3), (48, 0, 0), (32, 1, 2), (48, 2, 3)) == [
        [1, 3, 2, 0],  # size; of 48 the earlier
        [0, 3, 2, 1],  # life; of 2 the larger
        [3, 2, 0, 1],  # size by life: 96, 64 twice, 48; of 64 the larger
        [0, 3, 2, 1],  # crowd; of 96 the larger
        [1, 0, 2, 3],  # first scope; of 0 the larger
        [3, 0, 2, 1],  # last scope; of 3 the larger
    ]


def test_orders_of_regions() -> None:
    """Sizes 16, 48, 32, 0 with lives of 4, 1, 2, 1 scopes and traffic 64, 96, 96, 0."""
    task = RegionTask(blocks((16, 0, 3), (48, 0, 0), (32, 1, 2), (0, 2, 2)), [64, 96, 96, 0], [16])
    assert task._orders() == [
        [0, 2, 1, 3],  # traffic by byte: 4, 2, 3, 0
        [1, 2, 0, 3],  # and by scope: 1, 2, 1.5
        [1, 2, 0, 3],  # in all; of 96 the shorter life
        [1, 2, 0, 3],  # size
        [2, 0, 1, 3],  # size by life: 64 (of 32 bytes), 64, 48
        [0, 2, 1, 3],  # life; of 1 the larger
        [1, 0, 2, 3],  # first scope; of 0 the larger
    ]


def placed(task: RegionTask, *order: int) -> tuple[list[int], list[int]]:
    found = task.placed(order)
    return list(found.regions), list(found.offsets)


def test_regions_in_turn() -> None:
    """Each goes to the first region that has room, to the last byte, else where least is short."""
    four = blocks(*[(32, 0, 0)] * 4)
    exact = RegionTask(four, [1] * 4, [32, 64])
    assert placed(exact, 0, 1, 2, 3) == ([0, 1, 1, 0], [0, 0, 32, 32])  # both 32 short: the first
    assert placed(exact, 3, 2, 1, 0) == ([0, 1, 1, 0], [32, 32, 0, 0])
    small = RegionTask(four, [1] * 4, [31, 63])
    assert placed(small, 0, 1, 2, 3) == ([1, 0, 1, 0], [0, 0, 32, 32])
    most = RegionTask(four, [1] * 4, [0, 16])
    assert placed(most, 0, 1, 2, 3) == ([1, 0, 1, 0], [0, 0, 32, 32])
    apart = RegionTask(blocks((32, 0, 0), (32, 1, 1)), [1, 1], [32, 32])
    assert placed(apart, 0, 1) == ([0, 0], [0, 0])


def test_scores() -> None:
    """Bytes short of all regions together, then the traffic of each, negative."""
    task = RegionTask(blocks(*[(32, 0, 0)] * 3), [5, 7, 11], [48, 40])
    assert task.score(Placement([0, 1, 0], [0, 0, 16])) == (0, -16, -7)
    assert task.score(Placement([0, 1, 0], [0, 0, 32])) == (16, -16, -7)
    assert task.score(Placement([0, 1, 1], [17, 0, 32])) == (1 + 24, -5, -18)
    assert task.score(Placement([0, 1, 1], [0, 32, 0])) == (24, -5, -18)
    for made in (Placement([0, 0], [0]), Placement([0], [0, 0])):
        with pytest.raises(ValueError, match="zip"):
            task._misplaced(made, True)


def test_who_lies_badly() -> None:
    """Short of bytes: those that leave their region. Else those outside the first, if used."""
    task = RegionTask(blocks(*[(32, 0, 0)] * 4), [1, 1, 0, 1], [48, 64, 0])
    assert task._misplaced(Placement([0, 0, 1, 1], [16, 17, 32, 33]), True) == [1, 3]
    assert task._misplaced(Placement([0, 1, 1, 2], [0] * 4), False) == [1, 3]
    assert task._misplaced(Placement([0, 0, 0, 0], [0] * 4), False) == []
    assert task._misplaced(Placement([2, 0, 0, 0], [0] * 4), True) == [0]


def test_the_lowest_gap() -> None:
    gap = region_search._lowest_gap
    assert gap([]) == 0
    assert gap([(-16, 16)]) == 16
    assert gap([(0, 16)]) == 0
    assert gap([(16, 48), (-32, 16)]) == 16
    assert gap([(15, 48), (-32, 16)]) == 48
    assert gap([(-32, 60), (-16, 10), (30, 90)]) == 96
    assert gap([(-8, 1)]) == 16


class Chance(random.Random):
    """Counts what a search asks."""

    asked: list[Any] = []  # noqa: RUF012

    def choice(self, seq: Any) -> Any:
        """The last one."""
        self.asked.append(list(seq))
        return seq[-1]

    def random(self) -> float:
        """Just below the bound of 0.7."""
        return 0.699

    def randrange(self, *bounds: Any, **others: Any) -> int:
        """Behind all others."""
        self.asked.append(bounds)
        return int(bounds[0]) - 1


def test_what_a_search_over_regions_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three buffers of one time and one place: the two that are outside; three places for one."""
    monkeypatch.setattr(region_search.random, "Random", Chance)
    monkeypatch.setattr(region_search, "_MOST_TRIES", 2)
    Chance.asked = []
    task = RegionTask(blocks(*[(32, 0, 0)] * 3), [9, 8, 7], [32, 64])
    found = task.searched()
    assert (list(found.regions), list(found.offsets)) == ([0, 1, 1], [0, 0, 32])
    assert Chance.asked == [[1, 2], (3,), [1, 2], (3,)]
    Chance.asked = []
    short = RegionTask(blocks(*[(32, 0, 0)] * 3), [9, 8, 7], [32, 32])
    assert short.score(short.searched())[0] == 32
    assert Chance.asked[0] == [2]


def test_how_long_a_search_over_regions_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Work is 3 buffers and 6 limits: 9 at each try."""
    monkeypatch.setattr(region_search.random, "Random", Chance)
    task = RegionTask(blocks(*[(32, 0, 0)] * 3), [9, 8, 7], [32, 64])
    for most, tries in ((9, 1), (17, 1), (18, 2), (8, 0), (0, 0)):
        monkeypatch.setattr(region_search, "_MOST_WORK", most)
        Chance.asked = []
        task.searched()
        assert len(Chance.asked) == 2 * tries
    everything = RegionTask(blocks(*[(32, 0, 0)] * 3), [9, 8, 7], [96, 64])
    monkeypatch.setattr(region_search, "_MOST_WORK", 1000)
    Chance.asked = []
    everything.searched()
    assert Chance.asked == []  # nothing lies badly
    assert RegionTask(blocks(), [], [16]).searched() == Placement([], [])


def test_how_long_a_search_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as a plan is above its bound; 9 of work at each try, at most as many as asked for."""
    monkeypatch.setattr(best.random, "Random", Chance)
    three = ordinary_blocks(*requests(*[(32, 0, 0)] * 3))
    above = Blocks(three.sizes, three.lives, three.fixed, three.limits, bound=95)
    for most, tries in ((9, 1), (17, 1), (18, 2), (8, 0), (90, 5)):
        monkeypatch.setattr(best, "_MOST_WORK", most)
        Chance.asked = []
        assert sorted(search(above, most_tries=5)) == [0, 32, 64]
        assert len(Chance.asked) == 2 * tries
    Chance.asked = []
    search(three)
    assert Chance.asked == []
    one = Blocks([32], [(0, 0)], [None], [[]], bound=31)
    assert search(one) == [0]
    assert Chance.asked == []
    search(above, most_tries=1)
    assert Chance.asked == [[2], (3,)]  # the one that reaches the top, to three places
    fixed = Blocks(three.sizes, three.lives, [None, 64, None], three.limits, bound=95)
    Chance.asked = []
    search(fixed, most_tries=1)
    assert Chance.asked[0] == [0, 2]  # none that may move reaches the top

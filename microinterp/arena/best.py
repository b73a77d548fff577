"""A planner that looks for a smaller head than TFLM's: many orders of placing, then a search.

Whatever the order, each buffer goes to the lowest gap that is free during its whole life, as in
TFLM's greedy planner; only who goes first differs. No head can be smaller than the bytes that are
alive at once, so a plan that needs no more is proved to be the best there is. The result depends on
the requests alone, not on the clock.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from microinterp.arena.greedy import greedy_offsets
from microinterp.arena.lifetimes import Request
from microinterp.arena.placing import Blocks, ordinary_blocks

_MOST_WORK = 4_000_000
"""Pairs of buffers that the search looks at, at most: a few seconds of Python."""
_MOST_TRIES = 3000


def best_offsets(requests: Sequence[Request], sizes: Sequence[int]) -> list[int]:
    """Offset for each request; the head is never larger than greedy_offsets makes it.

    Buffers with an offline offset stay there.
    """
    return search(ordinary_blocks(requests, sizes), greedy_offsets(requests, sizes))


def search(
    blocks: Blocks, start: list[int] | None = None, most_tries: int = _MOST_TRIES
) -> list[int]:
    """Offset for each block, as low as orders of placing and a search bring the head.

    Args:
        start: offsets to be bettered, if there are any.
        most_tries: of the search; 0 tries the orders alone.
    """
    best = start
    order: list[int] = []
    least = least_found = -1 if start is None else blocks.head(start)
    for candidate in _orders(blocks):
        offsets = blocks.place(candidate)
        head = blocks.head(offsets)
        if not order or head < least:
            order, least = candidate, head
        if best is None or head < least_found:
            best, least_found = offsets, head
        if least_found <= blocks.bound:
            return best
    assert best is not None
    return _searched(blocks, order, best, most_tries)


def _searched(blocks: Blocks, order: list[int], best: list[int], most_tries: int) -> list[int]:
    """Let a buffer that reaches the top go earlier, now and then any other, and keep what helps."""
    chance = random.Random(0)
    sizes = blocks.sizes
    movable = [i for i in order if blocks.fixed[i] is None]
    offsets = blocks.place(order)
    least, least_found = blocks.head(offsets), blocks.head(best)
    work = len(order) + sum(map(len, blocks.limits))
    tries = min(most_tries, _MOST_WORK // max(1, work))
    for _ in range(tries if len(movable) > 1 and least_found > blocks.bound else 0):
        top = [i for i in movable if offsets[i] + sizes[i] == least]
        moved = chance.choice(top if top and chance.random() < 0.7 else movable)
        candidate = [i for i in order if i != moved]
        candidate.insert(chance.randrange(len(candidate) + 1), moved)
        trial = blocks.place_below(candidate, least)
        if trial is None:
            continue
        head = blocks.head(trial)
        if head <= least:
            order, offsets, least = candidate, trial, head
        if head < least_found:
            best, least_found = trial, head
        if least_found <= blocks.bound:
            break
    return best


def _orders(blocks: Blocks) -> list[list[int]]:
    """Large ones first; or the long-lived, the two together, the crowded, the early, the late."""
    sizes, lives = blocks.sizes, blocks.lives
    life = [last - first + 1 for first, last in lives]
    crowd = [
        sizes[i] + sum(sizes[other] for other, _, _ in limits)
        for i, limits in enumerate(blocks.limits)
    ]
    keys: list[Callable[[int], tuple[int, ...]]] = [
        lambda i: (-sizes[i], lives[i][0]),
        lambda i: (-life[i], -sizes[i]),
        lambda i: (-sizes[i] * life[i], -sizes[i]),
        lambda i: (-crowd[i], -sizes[i]),
        lambda i: (lives[i][0], -sizes[i]),
        lambda i: (-lives[i][1], -sizes[i]),
    ]
    numbers = range(len(sizes))
    return [sorted(numbers, key=key) for key in keys]

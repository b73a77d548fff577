"""A planner that looks for a smaller head than TFLM's: many orders of placing, then a search.

Whatever the order, each buffer goes to the lowest gap that is free during its whole life, as in
TFLM's greedy planner; only who goes first differs. No head can be smaller than the bytes that are
alive at once, so a plan that needs no more is proved to be the best there is. The result depends on
the requests alone, not on the clock.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from microinterp.arena.greedy import greedy_offsets, placed_in_order
from microinterp.arena.lifetimes import Request

_MOST_WORK = 4_000_000
"""Pairs of buffers that the search looks at, at most: a few seconds of Python."""
_MOST_TRIES = 3000


def best_offsets(requests: Sequence[Request], sizes: Sequence[int]) -> list[int]:
    """Offset for each request; the head is never larger than greedy_offsets makes it.

    Buffers with an offline offset stay there.
    """
    best = greedy_offsets(requests, sizes)
    least, bound = _head(best, sizes), lower_bound(requests, sizes)
    order: list[int] = []
    for candidate in _orders(requests, sizes):
        offsets = placed_in_order(candidate, requests, sizes)
        head = _head(offsets, sizes)
        if not order or head < least:
            order = candidate
        if head < least:
            best, least = offsets, head
        if least <= bound:
            return best
    return _searched(requests, sizes, order, best, bound)


def lower_bound(requests: Sequence[Request], sizes: Sequence[int]) -> int:
    """The most bytes that are alive at once; an offline buffer's end counts too."""
    starts = {request.first for request in requests}
    alive = (
        sum(size for r, size in zip(requests, sizes, strict=True) if r.first <= scope <= r.last)
        for scope in starts
    )
    offline = (
        request.offline_offset + size
        for request, size in zip(requests, sizes, strict=True)
        if request.offline_offset is not None
    )
    return max([*alive, *offline], default=0)


def _searched(
    requests: Sequence[Request],
    sizes: Sequence[int],
    order: list[int],
    best: list[int],
    bound: int,
) -> list[int]:
    """Let a buffer that reaches the top go earlier, now and then any other, and keep what helps."""
    chance = random.Random(0)
    movable = [i for i in order if requests[i].offline_offset is None]
    offsets = placed_in_order(order, requests, sizes)
    least, least_found = _head(offsets, sizes), _head(best, sizes)
    tries = min(_MOST_TRIES, _MOST_WORK // max(1, len(order) ** 2))
    for _ in range(tries if len(movable) > 1 else 0):
        top = [i for i in movable if offsets[i] + sizes[i] == least]
        moved = chance.choice(top if top and chance.random() < 0.7 else movable)
        candidate = [i for i in order if i != moved]
        candidate.insert(chance.randrange(len(candidate) + 1), moved)
        trial = placed_in_order(candidate, requests, sizes)
        head = _head(trial, sizes)
        if head <= least:
            order, offsets, least = candidate, trial, head
        if head < least_found:
            best, least_found = trial, head
        if least_found <= bound:
            break
    return best


def _orders(requests: Sequence[Request], sizes: Sequence[int]) -> list[list[int]]:
    """Large ones first; or the long-lived, the two together, the crowded, the early, the late."""
    life = [r.last - r.first + 1 for r in requests]
    crowd = [
        sum(
            size
            for other, size in zip(requests, sizes, strict=True)
            if other.first <= r.last and r.first <= other.last
        )
        for r in requests
    ]
    keys: list[Callable[[int], tuple[int, ...]]] = [
        lambda i: (-sizes[i], requests[i].first),
        lambda i: (-life[i], -sizes[i]),
        lambda i: (-sizes[i] * life[i], -sizes[i]),
        lambda i: (-crowd[i], -sizes[i]),
        lambda i: (requests[i].first, -sizes[i]),
        lambda i: (-requests[i].last, -sizes[i]),
    ]
    numbers = range(len(requests))
    return [sorted(numbers, key=key) for key in keys]


def _head(offsets: Sequence[int], sizes: Sequence[int]) -> int:
    return max((o + s for o, s in zip(offsets, sizes, strict=True)), default=0)

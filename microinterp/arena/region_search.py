"""Which buffer goes to which of several memories: orders of placing, then a search.

In an order's turn each buffer goes to the first region where it fits, into the lowest gap that is
free during its life. As much of the traffic as possible shall lie in the first region, then in the
second, and so on; that is as hard as packing a knapsack at each op. Traffic per byte goes first in
the first order tried, and only what is better replaces it. The result depends on the buffers alone,
not on the clock.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from microinterp.arena.placing import Blocks, align_up

_Score: TypeAlias = "tuple[int, ...]"
"""Bytes short, then minus the traffic of each region: less is better."""

_MOST_TRIES = 4000
_MOST_WORK = 3_000_000
"""Pairs of buffers that the search looks at, at most: a few seconds of Python."""


@dataclass(frozen=True)
class Placement:
    """Number of the region, and the offset in it, of each buffer."""

    regions: Sequence[int]
    offsets: Sequence[int]


@dataclass(frozen=True, eq=False)
class RegionTask:
    """What is to be placed.

    Attributes:
        blocks: the buffers.
        traffic: bytes per invoke of each of them.
        room: bytes of each region, the preferred first.
    """

    blocks: Blocks
    traffic: Sequence[int]
    room: Sequence[int]

    def searched(self) -> Placement:
        """The best placement found; one that does not fit where none does.

        A buffer that lies badly goes earlier or later, now and then any other; what helps is kept.
        """
        order = min(self._orders(), key=lambda each: self.score(self.placed(each)))
        best = self.placed(order)
        least = self.score(best)
        chance = random.Random(0)
        work = len(order) + sum(map(len, self.blocks.limits))
        for _ in range(min(_MOST_TRIES, _MOST_WORK // max(1, work))):
            outside = self._misplaced(best, least[0] > 0)
            if not outside:
                break
            moved = chance.choice(outside if chance.random() < 0.7 else order)
            candidate = [i for i in order if i != moved]
            candidate.insert(chance.randrange(len(candidate) + 1), moved)
            trial = self.placed(candidate)
            score = self.score(trial)
            if score <= least:
                order, best, least = candidate, trial, score
        return best

    def _misplaced(self, placement: Placement, is_short: bool) -> list[int]:
        """Buffers that leave their region or, if none does, that lie outside the first one."""
        where = zip(placement.regions, placement.offsets, self.blocks.sizes, strict=True)
        if is_short:
            return [
                i for i, (at, offset, size) in enumerate(where) if offset + size > self.room[at]
            ]
        return [i for i, (at, _, _) in enumerate(where) if at and self.traffic[i]]

    def placed(self, order: Sequence[int]) -> Placement:
        """Each buffer in its turn goes to the first region where it fits.

        One that fits nowhere goes where it lacks the fewest bytes.
        """
        regions, offsets = [-1] * len(order), [0] * len(order)
        for number in order:
            size = self.blocks.sizes[number]
            taken: list[list[tuple[int, int]]] = [[] for _ in self.room]
            for other, low, high in self.blocks.limits[number]:
                if regions[other] >= 0:
                    taken[regions[other]].append((offsets[other] + low, offsets[other] + high))
            found = []
            for at, room in enumerate(self.room):
                offset = _lowest_gap(taken[at])
                found.append((max(0, offset + size - room), at, offset))
                if not found[-1][0]:
                    break
            _, regions[number], offsets[number] = min(found)
        return Placement(regions, offsets)

    def score(self, placement: Placement) -> _Score:
        """How good it is; less is better."""
        heads, traffic = [0] * len(self.room), [0] * len(self.room)
        for number, at in enumerate(placement.regions):
            end = placement.offsets[number] + self.blocks.sizes[number]
            heads[at] = max(heads[at], end)
            traffic[at] += self.traffic[number]
        short = sum(max(0, head - room) for head, room in zip(heads, self.room, strict=True))
        return short, *(-each for each in traffic)

    def _orders(self) -> list[list[int]]:
        """Traffic per byte first, per byte and op, in all; then as packers order."""
        blocks, traffic = self.blocks, self.traffic
        life = [last - first + 1 for first, last in blocks.lives]
        size = [max(1, nbytes) for nbytes in blocks.sizes]
        keys: list[Callable[[int], tuple[float, ...]]] = [
            lambda i: (-traffic[i] / size[i], -size[i]),
            lambda i: (-traffic[i] / (size[i] * life[i]), -size[i]),
            lambda i: (-traffic[i], life[i]),
            lambda i: (-size[i], blocks.lives[i][0]),
            lambda i: (-size[i] * life[i], -size[i]),
            lambda i: (-life[i], -size[i]),
            lambda i: (blocks.lives[i][0], -size[i]),
        ]
        numbers = range(len(size))
        return [sorted(numbers, key=key) for key in keys]


def _lowest_gap(taken: list[tuple[int, int]]) -> int:
    """The lowest offset outside all of these open ranges."""
    candidate = 0
    for start, end in sorted(taken):
        if start >= candidate:
            break
        candidate = max(candidate, align_up(end))
    return candidate

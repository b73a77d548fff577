"""Places buffers one after the other, each in the lowest gap that is free during its whole life.

What two buffers may not do is given by limits: the offset of the second, less that of the first,
must not lie between them. Ordinary buffers that are alive at once keep clear of each other by their
sizes; buffers whose bytes come and go piece by piece (extents.py) may come closer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from microinterp.arena.extents import Extent
from microinterp.arena.lifetimes import Request

ALIGNMENT = 16
"""TFLM's MicroArenaBufferAlignment: every buffer starts and is sized at a multiple of it."""


def align_up(nbytes: int) -> int:
    """nbytes rounded up to ALIGNMENT."""
    return (nbytes + ALIGNMENT - 1) // ALIGNMENT * ALIGNMENT


@dataclass(frozen=True)
class Blocks:
    """Buffers to be placed.

    Attributes:
        sizes: bytes, multiples of ALIGNMENT.
        lives: first and last scope of each.
        fixed: prescribed offset of each, or None.
        limits: for each block the others (number, low, high) that it must keep clear of: its
            offset less the other's is not inside (low, high).
        bound: bytes alive at once: no plan needs fewer.
    """

    sizes: Sequence[int]
    lives: Sequence[tuple[int, int]]
    fixed: Sequence[int | None]
    limits: Sequence[Sequence[tuple[int, int, int]]] = field(repr=False)
    bound: int

    def place(self, order: Sequence[int]) -> list[int]:
        """Offset of each block: the fixed ones first, then the others in this order."""
        offsets = self.place_below(order, None)
        assert offsets is not None
        return offsets

    def place_below(self, order: Sequence[int], most: int | None) -> list[int] | None:
        """The same; None as soon as a block ends behind `most`."""
        offsets = [-1 if at is None else at for at in self.fixed]
        for number in order:
            if self.fixed[number] is None:
                at = self._lowest_gap(number, offsets)
                if most is not None and at + self.sizes[number] > most:
                    return None
                offsets[number] = at
        return offsets

    def _lowest_gap(self, number: int, offsets: Sequence[int]) -> int:
        taken = []
        for other, low, high in self.limits[number]:
            at = offsets[other]
            if at >= 0:
                taken.append((at + low, at + high))
        taken.sort()
        candidate = 0
        for start, end in taken:
            if start >= candidate:
                break
            if end > candidate:
                candidate = align_up(end)
        return candidate

    def head(self, offsets: Sequence[int]) -> int:
        """End of the highest block."""
        return max((o + s for o, s in zip(offsets, self.sizes, strict=True)), default=0)


def ordinary_blocks(requests: Sequence[Request], sizes: Sequence[int]) -> Blocks:
    """Buffers of which all bytes are alive from the first scope to the last."""
    limits: list[list[tuple[int, int, int]]] = [[] for _ in requests]
    for i, one in enumerate(requests):
        for j, other in enumerate(requests[:i]):
            if one.first <= other.last and other.first <= one.last:
                limits[i].append((j, -sizes[i], sizes[j]))
                limits[j].append((i, -sizes[j], sizes[i]))
    return Blocks(
        sizes=sizes,
        lives=[(r.first, r.last) for r in requests],
        fixed=[r.offline_offset for r in requests],
        limits=limits,
        bound=lower_bound(requests, sizes),
    )


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


def shrinking_blocks(extents: Sequence[Extent]) -> Blocks:
    """Buffers whose bytes come and go."""
    sizes = [align_up(extent.nbytes) for extent in extents]
    by_start = sorted(range(len(extents)), key=lambda i: extents[i].first)
    limits: list[list[tuple[int, int, int]]] = [[] for _ in extents]
    alive: list[int] = []
    for number in by_start:
        extent = extents[number]
        alive = [other for other in alive if extents[other].last >= extent.first]
        for other in alive:
            clearance = extents[other].clearance(extent)
            if clearance is not None:
                low, high = clearance
                limits[number].append((other, low, high))
                limits[other].append((number, -high, -low))
        alive.append(number)
    return Blocks(
        sizes=sizes,
        lives=[(extent.first, extent.last) for extent in extents],
        fixed=[None] * len(extents),
        limits=limits,
        bound=most_alive(extents),
    )


def most_alive(extents: Sequence[Extent]) -> int:
    """The most bytes that hold something at one step."""
    return int(alive_at(extents).max(initial=0))


def alive_at(extents: Sequence[Extent]) -> npt.NDArray[np.int64]:
    """Bytes that hold something at each step."""
    steps = max((extent.last for extent in extents), default=-1) + 1
    alive = np.zeros(steps, np.int64)
    for extent in extents:
        alive[extent.first : extent.last + 1] += extent.high - extent.low
    return alive

"""A layered layout of a graph: layers from top to bottom, cut into columns like a newspaper.

Nodes get the longest path to them as their layer; edges that pass a layer have a lane through it.
Orders are found by barycentres, places by least squares.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

WIDTH, HEIGHT = 178.0, 44.0
"""Of a node, in pixels."""
_ROW, _APART, _LANE = 66.0, 22.0, 14.0
_GUTTER = 40.0  # between columns
_PORTS_APART = 20.0
_TRACK = 6.0  # between edges that go from one column to the next
_MOST_WIDTH = 1080.0
_ROWS = 10  # of a column, as long as there is room beside it
_SWEEPS = 8
MOST_LANES = 20_000
"""A graph whose long edges pass more layers than that is not laid out."""

Point = tuple[float, float]


@dataclass(frozen=True)
class Layout:
    """Where things lie, in pixels.

    Attributes:
        width, height: of all.
        nodes: upper left corner of each node.
        edges: of each edge its corners; straight down between pairs of the same x.
    """

    width: float
    height: float
    nodes: tuple[Point, ...]
    edges: tuple[tuple[Point, ...], ...]


def layered(count: int, edges: Sequence[tuple[int, int]]) -> Layout | None:
    """Lay out nodes 0 to count - 1; each edge goes from a lower number to a higher one.

    Returns:
        None where there is nothing to draw, or far too much.
    """
    layers = _layers(count, edges)
    lanes = sum(layers[b] - layers[a] - 1 for a, b in edges)
    if not count or lanes > MOST_LANES:
        return None
    return _Drawing(layers, edges).layout()


def _layers(count: int, edges: Sequence[tuple[int, int]]) -> list[int]:
    """The longest path to each node; those without one stand right above what reads them."""
    found = [0] * count
    for a, b in sorted(edges, key=lambda edge: edge[1]):
        found[b] = max(found[b], found[a] + 1)
    fed = {b for _, b in edges}
    lowest: dict[int, int] = {}
    for a, b in edges:
        lowest[a] = min(lowest.get(a, found[b]), found[b])
    for node in range(count):
        if node not in fed and node in lowest:
            found[node] = lowest[node] - 1
    used = {layer: i for i, layer in enumerate(sorted(set(found)))}
    return [used[layer] for layer in found]


class _Drawing:
    """Items are nodes first, then the lanes of long edges."""

    def __init__(self, layers: Sequence[int], edges: Sequence[tuple[int, int]]) -> None:
        self._count = len(layers)
        self._layer = list(layers)
        self._chains: list[list[int]] = []
        self._above: list[list[int]] = [[] for _ in layers]
        self._below: list[list[int]] = [[] for _ in layers]
        for a, b in edges:
            chain = [a]
            for layer in range(layers[a] + 1, layers[b]):
                self._layer.append(layer)
                self._above.append([])
                self._below.append([])
                chain.append(len(self._layer) - 1)
            chain.append(b)
            self._chains.append(chain)
            for upper, lower in pairwise(chain):
                self._below[upper].append(lower)
                self._above[lower].append(upper)
        self._rows: list[list[int]] = [[] for _ in range(max(self._layer) + 1)]
        for item, layer in enumerate(self._layer):
            self._rows[layer].append(item)
        self._x = [0.0] * len(self._layer)

    def layout(self) -> Layout:
        self._order()
        self._place()
        return self._folded(self._breaks())

    def _order(self) -> None:
        """Few crossings: each row in the order of what it is tied to."""
        at = [0.0] * len(self._layer)
        for row in self._rows:
            for position, item in enumerate(row):
                at[item] = position
        for sweep in range(_SWEEPS):
            ties = self._below if sweep % 2 else self._above
            for row in reversed(self._rows) if sweep % 2 else self._rows:
                wanted = {
                    i: sum(at[j] for j in ties[i]) / len(ties[i]) if ties[i] else at[i] for i in row
                }
                row.sort(key=wanted.__getitem__)
                for position, item in enumerate(row):
                    at[item] = position

    def _place(self) -> None:
        """Columns of x: near what an item is tied to, lanes straight, nothing overlapping."""
        for row in self._rows:
            self._settle(row, [(0.0, 1.0)] * len(row))
        for sweep in range(2 * _SWEEPS):
            ties = self._below if sweep % 2 else self._above
            for row in reversed(self._rows) if sweep % 2 else self._rows:
                self._settle(row, [self._pull(item, ties[item]) for item in row])

    def _pull(self, item: int, ties: Sequence[int]) -> tuple[float, float]:
        """Where an item wants to be, and how much: lanes the most, what has no ties least."""
        if ties:
            wanted = sum(self._x[other] for other in ties) / len(ties)
            return wanted, 1.0 if item < self._count else 3.0
        is_tied = self._above[item] or self._below[item]
        return (self._x[item], 0.1) if is_tied else (0.0, 0.001)

    def _settle(self, row: Sequence[int], pulls: Sequence[tuple[float, float]]) -> None:
        """The least squares of distances from what is wanted, with room between neighbours."""
        blocks: list[list[float]] = []  # sum of weight * place, weight, members
        offsets, reach = [], 0.0
        for position, (wanted, weight) in enumerate(pulls):
            if position:
                reach += (self._wide(row[position - 1]) + self._wide(row[position])) / 2
            offsets.append(reach)
            blocks.append([weight * (wanted - reach), weight, 1])
            while len(blocks) > 1 and blocks[-2][0] / blocks[-2][1] > blocks[-1][0] / blocks[-1][1]:
                last = blocks.pop()
                blocks[-1] = [a + b for a, b in zip(blocks[-1], last, strict=True)]
        places = [total / weight for total, weight, members in blocks for _ in range(int(members))]
        for item, place, offset in zip(row, places, offsets, strict=True):
            self._x[item] = place + offset

    def _wide(self, item: int) -> float:
        return WIDTH + _APART if item < self._count else _LANE

    def _breaks(self) -> list[int]:
        """First rows of the columns: where few edges cross from one to the next."""
        rows = len(self._rows)
        low, high = self._extent(range(rows))
        most = max(1, int((_MOST_WIDTH + _GUTTER) / (high - low + _GUTTER)))
        columns = min(math.ceil(rows / _ROWS), most)
        found = [0]
        for number in range(1, columns):
            ideal = round(number * rows / columns)
            near = [r for r in range(ideal - 2, ideal + 3) if found[-1] + 1 < r < rows]
            if near:
                found.append(min(near, key=lambda r: (self._crossing(r), abs(r - ideal))))
        return found

    def _crossing(self, row: int) -> int:
        return sum(len(self._above[item]) for item in self._rows[row])

    def _extent(self, rows: range) -> tuple[float, float]:
        items = [item for row in rows for item in self._rows[row]]
        half = [(WIDTH if i < self._count else _LANE) / 2 for i in items]
        low = min(self._x[i] - h for i, h in zip(items, half, strict=True))
        return low, max(self._x[i] + h for i, h in zip(items, half, strict=True))

    def _folded(self, breaks: Sequence[int]) -> Layout:
        ends = [*breaks[1:], len(self._rows)]
        crossings = [self._crossing(b) for b in breaks[1:]]
        top = 8 + _TRACK * max(crossings, default=0) + (10 if crossings else 0)
        shift: list[tuple[float, float]] = [(0.0, 0.0)] * len(self._rows)
        rights, right, tall = [], 4.0, 0
        for number, (start, end) in enumerate(zip(breaks, ends, strict=True)):
            low, high = self._extent(range(start, end))
            for row in range(start, end):
                shift[row] = right - low, top + (row - start) * _ROW
            tall = max(tall, end - start)
            right += high - low
            rights.append(right)
            if number < len(crossings):
                right += _GUTTER + _TRACK * crossings[number]
        floors = [top + (e - s - 1) * _ROW + HEIGHT for s, e in zip(breaks, ends, strict=True)]
        spots = [
            (self._x[i] + shift[layer][0], shift[layer][1]) for i, layer in enumerate(self._layer)
        ]
        tracks = _Tracks(spots, self._layer, self._chains, breaks[1:], rights, floors, top)
        return Layout(
            width=right + 4,
            height=top + (tall - 1) * _ROW + HEIGHT + top,
            nodes=tuple((x - WIDTH / 2, y) for x, y in spots[: self._count]),
            edges=tuple(tracks.corners()),
        )


class _Tracks:
    """Corners of edges: down through their lanes, and around from column to column."""

    def __init__(
        self,
        spots: Sequence[Point],
        layer: Sequence[int],
        chains: Sequence[Sequence[int]],
        breaks: Sequence[int],
        rights: Sequence[float],
        floors: Sequence[float],
        top: float,
    ) -> None:
        self._spots, self._layer, self._breaks = spots, layer, breaks
        self._rights, self._floors, self._top = rights, floors, top
        self._taken = [0] * len(breaks)
        self._chains = chains
        self._ports = self._spread(chains)

    def _spread(self, chains: Sequence[Sequence[int]]) -> list[float]:
        """The x where each edge ends: side by side, in the order of where they come from."""
        arriving: dict[int, list[int]] = {}
        for number, chain in enumerate(chains):
            arriving.setdefault(chain[-1], []).append(number)
        found = [0.0] * len(chains)
        for node, numbers in arriving.items():
            apart = min(_PORTS_APART, (WIDTH - 40) / len(numbers))
            numbers.sort(key=lambda number: (self._spots[chains[number][-2]][0], number))
            for position, number in enumerate(numbers):
                off = position - (len(numbers) - 1) / 2
                found[number] = self._spots[node][0] + off * apart
        return found

    def corners(self) -> Iterator[tuple[Point, ...]]:
        """Of each chain of lanes from a node to a node."""
        for number, chain in enumerate(self._chains):
            found = [self._bottom(chain[0])]
            for upper, lower in pairwise(chain):
                is_end = lower == chain[-1]
                x, y = self._spots[lower]
                x = self._ports[number] if is_end else x
                if self._layer[lower] in self._breaks:
                    column = self._breaks.index(self._layer[lower])
                    found += self._around(column, self._spots[upper][0], x)
                found.append((x, y))
                if not is_end:
                    found.append(self._bottom(lower))
            yield tuple(found)

    def _bottom(self, item: int) -> Point:
        x, y = self._spots[item]
        return x, y + HEIGHT

    def _around(self, number: int, x: float, below: float) -> list[Point]:
        track = _TRACK * self._taken[number] + 8
        self._taken[number] += 1
        floor, across = self._floors[number] + track, self._rights[number] + track + 4
        ceiling = self._top - track
        return [(x, floor), (across, floor), (across, ceiling), (below, ceiling)]

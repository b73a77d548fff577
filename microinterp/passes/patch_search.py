"""Finds grids of patches worth trying: quick estimates of memory and price for many of them.

Rows and columns are independent: the pixels of a grid's patches are the product of what its rows
and its columns need, so that each axis is walked once for each number of cuts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from microinterp.arena.extents import extents, schedule
from microinterp.graph import Tensor
from microinterp.passes.crop import Box, Span
from microinterp.passes.patches import Grid, boxes_of, splits, tiles
from microinterp.passes.price import file_macs
from microinterp.prepare import Prepared, PreparedNode

_MOST_CUTS = 12
"""Patches along one axis."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What grids may cost.

    Attributes:
        extra_macs: share of the model's multiply-accumulates.
        strips: rows are cut, columns are not: strips lie in memory without gaps.
    """

    extra_macs: float
    strips: bool = False


@dataclass(frozen=True, slots=True)
class Estimate:
    """What one grid is expected to need.

    Attributes:
        nbytes: of the head, in the prefix and behind it.
        extra_macs: share of the model's.
    """

    nbytes: int
    extra_macs: float
    grid: Grid


def promising(prepared: Prepared, limits: Limits, count: int) -> list[Estimate]:
    """The grids within the limits that need the least, at most `count` of them."""
    found = sorted(_estimates(prepared, limits), key=lambda e: (e.nbytes, e.extra_macs, e.grid))
    return found[:count]


def _estimates(prepared: Prepared, limits: Limits) -> Iterator[Estimate]:
    counts = file_macs(prepared)
    total = sum(counts.values()) or 1
    behind = _needed_behind(prepared)
    for split in splits(prepared):
        prefix = prepared.subgraphs[0][:split]
        result = prefix[-1].node.output()
        rows = [_Axis(prefix, result, n, True) for n in _cuts(result.shape[1])]
        columns = [_Axis(prefix, result, n, False) for n in _cuts(result.shape[2])]
        for down in rows:
            for across in columns[: 1 if limits.strips else None]:
                if down.count * across.count == 1:
                    continue
                extra = _extra(prefix, counts, down, across) / total
                if extra <= limits.extra_macs:
                    need = max(_needed(prepared, prefix, down, across), behind[split])
                    yield Estimate(need, extra, Grid(split, down.count, across.count))


def _cuts(length: int) -> range:
    return range(1, min(_MOST_CUTS, length) + 1)


class _Axis:
    """What the tiles of one axis need of each tensor along it.

    Attributes:
        count: number of tiles.
        total: pixels that all tiles together need of each tensor.
        most: pixels that the neediest tile needs.
    """

    def __init__(
        self, prefix: Sequence[PreparedNode], result: Tensor, count: int, is_rows: bool
    ) -> None:
        self.count = count
        self.total: dict[Tensor, int] = {}
        self.most: dict[Tensor, int] = {}
        whole = Span(0, 1)
        for tile in tiles(result.shape[1 if is_rows else 2], count):
            box = Box(tile, whole) if is_rows else Box(whole, tile)
            for tensor, needed in boxes_of(prefix, box).items():
                length = (needed.rows if is_rows else needed.columns).length
                self.total[tensor] = self.total.get(tensor, 0) + length
                self.most[tensor] = max(self.most.get(tensor, 0), length)


def _extra(
    prefix: Sequence[PreparedNode], counts: dict[int, int], down: _Axis, across: _Axis
) -> float:
    """Multiply-accumulates that the patches do besides."""
    extra = 0.0
    for item in prefix:
        out = item.node.output()
        pixels = out.shape[1] * out.shape[2]
        done = down.total[out] * across.total[out]
        extra += counts[item.node.file_index] * (done - pixels) / pixels
    return extra


def _needed(prepared: Prepared, prefix: Sequence[PreparedNode], down: _Axis, across: _Axis) -> int:
    """Bytes of the split's tensor, of the model's inputs, and of the fullest moment in a patch."""
    result = prefix[-1].node.output()
    held = result.nbytes + sum(t.nbytes for t in prepared.graph.main.inputs)
    last = {x: i for i, item in enumerate(prefix) for x in item.node.inputs if x is not None}
    inner = {item.node.output() for item in prefix} - {result}
    alive: set[Tensor] = set()
    most = 0
    for position, item in enumerate(prefix):
        alive |= {item.node.output()} & inner
        most = max(most, sum(_patch_bytes(t, down, across) for t in alive))
        alive = {t for t in alive if last.get(t, -1) > position}
    return held + most


def _patch_bytes(tensor: Tensor, down: _Axis, across: _Axis) -> int:
    pixel = tensor.nbytes // max(1, tensor.shape[1] * tensor.shape[2])
    return pixel * down.most[tensor] * across.most[tensor]


def _needed_behind(prepared: Prepared) -> list[int]:
    """Bytes alive at the fullest moment from each op on."""
    found = extents(schedule(prepared))
    count = len(prepared.subgraphs[0])
    alive = [
        sum(e.nbytes for e in found.values() if e.first <= position + 1 <= e.last)
        for position in range(count)
    ]
    most = [0] * (count + 1)
    for position in reversed(range(count)):
        most[position] = max(alive[position], most[position + 1])
    return most

"""Finds grids of patches worth trying: quick estimates of memory and price for many of them.

Rows and columns are independent: the pixels of a grid's patches are the product of what its rows
and its columns need, so that each axis is walked once for each number of cuts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from microinterp.graph import Tensor
from microinterp.passes.crop import Box, Span
from microinterp.passes.overlap import alive_bytes
from microinterp.passes.patches import Grid, boxes_of, splits, tiles
from microinterp.passes.price import file_macs
from microinterp.prepare import Prepared, PreparedNode

_MOST_CUTS = 12
"""Patches along one axis."""
_MOST_WALKED = 20_000
"""Ops in all prefixes together that are looked at: a model of 200 layers has them all tried."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What grids may cost.

    Attributes:
        extra_macs: share of the model's multiply-accumulates.
        strips: rows are cut, columns are not: strips lie in memory without gaps.
        by_rows: ops behind the patches will run row by row where that helps.
    """

    extra_macs: float
    strips: bool = False
    by_rows: bool = False


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
    behind = _needed_behind(prepared, limits.by_rows)
    for split in _likely_splits(prepared):
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


def _likely_splits(prepared: Prepared) -> Iterator[int]:
    """All, but of very long models those with the smallest tensors, which are held as a whole."""

    def size(split: int) -> tuple[int, int]:
        return prepared.subgraphs[0][split - 1].node.output().nbytes, split

    walked = 0
    for split in sorted(splits(prepared), key=size):
        walked += split
        if walked > _MOST_WALKED:
            return
        yield split


def _cuts(length: int) -> range:
    return range(1, min(_MOST_CUTS, length) + 1)


class _Axis:
    """What the tiles of one axis need of each tensor along it.

    Attributes:
        count: number of tiles.
        total: pixels that all tiles together need of each tensor.
        most: pixels that the neediest tile needs.
        spans: of each tile, by tensor.
    """

    def __init__(
        self, prefix: Sequence[PreparedNode], result: Tensor, count: int, is_rows: bool
    ) -> None:
        self.count = count
        self.total: dict[Tensor, int] = {}
        self.most: dict[Tensor, int] = {}
        self.spans: list[dict[Tensor, Span]] = []
        whole = Span(0, 1)
        for tile in tiles(result.shape[1 if is_rows else 2], count):
            box = Box(tile, whole) if is_rows else Box(whole, tile)
            needed = boxes_of(prefix, box)
            spans = {t: found.rows if is_rows else found.columns for t, found in needed.items()}
            self.spans.append(spans)
            for tensor, span in spans.items():
                self.total[tensor] = self.total.get(tensor, 0) + span.length
                self.most[tensor] = max(self.most.get(tensor, 0), span.length)


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
    held = max(_held(prepared, spans, result) for spans in down.spans)
    last = {x: i for i, item in enumerate(prefix) for x in item.node.inputs if x is not None}
    inner = {item.node.output() for item in prefix} - {result}
    alive: set[Tensor] = set()
    most = 0
    for position, item in enumerate(prefix):
        alive |= {item.node.output()} & inner
        most = max(most, sum(_patch_bytes(t, down, across) for t in alive))
        alive = {t for t in alive if last.get(t, -1) > position}
    return held + most


def _held(prepared: Prepared, spans: Mapping[Tensor, Span], result: Tensor) -> int:
    """Bytes of the rows of the split's tensor up to these, and of the inputs' from these on."""
    held = result.nbytes * spans[result].stop // result.shape[1]
    for tensor in prepared.graph.main.inputs:
        rows = tensor.shape[1] if tensor in spans else 1
        start = spans[tensor].start if tensor in spans else 0
        held += tensor.nbytes * (rows - start) // rows
    return held


def _patch_bytes(tensor: Tensor, down: _Axis, across: _Axis) -> int:
    pixel = tensor.nbytes // max(1, tensor.shape[1] * tensor.shape[2])
    return pixel * down.most[tensor] * across.most[tensor]


def _needed_behind(prepared: Prepared, by_rows: bool) -> list[int]:
    """Bytes alive at the fullest moment from each op on."""
    alive = alive_bytes(prepared, by_rows)
    most = [0] * (len(alive) + 1)
    for position in reversed(range(len(alive))):
        most[position] = max(alive[position], most[position + 1])
    return most

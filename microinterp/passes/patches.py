"""patches: the first layers run patch by patch, so that their large images never exist as a whole.

A prefix of the model, up to one tensor (the split), is computed for one rectangle of that tensor at
a time. What a patch needs of the layers before grows by the reach of their windows (the halo), so
neighbours compute some pixels twice: the price in multiply-accumulates. Where a window leaves the
real image it meets padding, as ever; where it leaves the patch, the patch is made larger. Source:
MCUNetV2, arXiv 2110.15352.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from microinterp.errors import InputError
from microinterp.graph import Tensor
from microinterp.passes.crop import Box, Span, box_needed, is_croppable
from microinterp.passes.draft import Draft
from microinterp.passes.pieces import part_of, piece
from microinterp.prepare import Prepared, PreparedNode


@dataclass(frozen=True, order=True)
class Grid:
    """How a prefix is cut.

    Attributes:
        split: number of ops in the prefix.
        rows, columns: patches along each axis.
    """

    split: int
    rows: int
    columns: int

    def __str__(self) -> str:
        return f"{self.rows}x{self.columns} patches of the first {self.split} ops"


def splits(prepared: Prepared) -> list[int]:
    """Numbers of ops that a prefix may have: all can be cut, and hand on one tensor only."""
    nodes = prepared.subgraphs[0]
    outputs = {t.root for t in prepared.graph.main.outputs}
    last_read = {
        t.root: position
        for position, item in enumerate(nodes)
        for t in item.node.inputs
        if t is not None
    }
    found = []
    open_tensors: set[Tensor] = set()
    inputs = {t.root for t in prepared.graph.main.inputs}
    for position, item in enumerate(nodes):
        if not _can_be_cut(item) or _reads_part(item, open_tensors):
            break
        out = item.node.output().root
        if last_read.get(out, -1) < 0:
            break
        open_tensors.add(out)
        is_open = {t for t in open_tensors if last_read.get(t, -1) > position or t in outputs}
        is_needed = any(last_read.get(t, -1) > position or t in outputs for t in inputs)
        if is_open == {out} and out not in outputs and not is_needed:
            found.append(position + 1)
        open_tensors = is_open
        if out in outputs:
            break
    return found


def _can_be_cut(item: PreparedNode) -> bool:
    return (
        not item.is_piece
        and item.in_place is None
        and is_croppable(item)
        and item.node.output().shape[0] == 1
        and item.node.output().part is None
    )


def _reads_part(item: PreparedNode, made: set[Tensor]) -> bool:
    """True if it reads a part of what the prefix makes, as fold-transpose leaves it."""
    return any(x is not None and x not in made and x.root in made for x in item.node.inputs)


def tiles(length: int, count: int) -> list[Span]:
    """`count` spans as equal as can be."""
    edges = [length * i // count for i in range(count + 1)]
    return [Span(a, b) for a, b in pairwise(edges)]


def boxes_of(prefix: Sequence[PreparedNode], box: Box) -> dict[Tensor, Box]:
    """What a box of the prefix's result needs of each tensor before."""
    needed = {prefix[-1].node.output(): box}
    for item in reversed(prefix):
        own = needed.get(item.node.output())
        if own is None:
            continue
        for position, x in enumerate(item.node.inputs):
            if x is not None and not x.is_constant:
                seen = box_needed(item, position, own)
                needed[x] = needed[x].around(seen) if x in needed else seen
    return needed


def patches(prepared: Prepared, grid: Grid) -> Prepared:
    """Cut the prefix into patches, row by row of the grid.

    Raises:
        InputError: the prefix cannot be cut there (see `splits`), or the grid has no patches.
    """
    if grid.split not in splits(prepared) or min(grid.rows, grid.columns) < 1:
        numbers = ", ".join(map(str, splits(prepared))) or "none"
        raise InputError(f"no {grid}", hint=f"numbers of ops that can be cut: {numbers}")
    prefix = prepared.subgraphs[0][: grid.split]
    draft = Draft(prepared)
    result = prefix[-1].node.output()
    items: list[PreparedNode] = []
    for rows in tiles(result.shape[1], grid.rows):
        for columns in tiles(result.shape[2], grid.columns):
            items.extend(_patch(draft, prefix, Box(rows, columns)))
    draft.items[: grid.split] = items
    return draft.finish()


def _patch(draft: Draft, prefix: Sequence[PreparedNode], box: Box) -> Iterator[PreparedNode]:
    """The nodes of one patch."""
    needed = boxes_of(prefix, box)
    result = prefix[-1].node.output()
    made: dict[Tensor, Tensor] = {}
    for item in prefix:
        out = item.node.output()
        if out not in needed:
            continue
        own = needed[out]
        inputs = {
            position: _seen(draft, x, box_needed(item, position, own), needed[x], made)
            for position, x in enumerate(item.node.inputs)
            if x is not None and not x.is_constant
        }
        if out is result:
            made[out] = part_of(draft, out, own)
        else:
            name = f"{out.name}[{own.rows.start}:{own.rows.stop},{own.columns.start}:" + (
                f"{own.columns.stop}]"
            )
            made[out] = draft.add(out, name, own.shape(out.shape), None)
        yield piece(item, own, inputs, made[out])


def _seen(draft: Draft, x: Tensor, box: Box, whole: Box, made: dict[Tensor, Tensor]) -> Tensor:
    """The box that an op reads: of the patch's own tensor, or of one from outside the prefix."""
    if x not in made:
        return part_of(draft, x, box)
    if box == whole:
        return made[x]
    rows = Span(box.rows.start - whole.rows.start, box.rows.stop - whole.rows.start)
    columns = Span(box.columns.start - whole.columns.start, box.columns.stop - whole.columns.start)
    return part_of(draft, made[x], Box(rows, columns))

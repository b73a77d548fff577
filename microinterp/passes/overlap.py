"""overlap: convolutions and pools run row by row, and their output moves in behind their input.

The first rows of the input are dead long before the last rows of the output are born, so the two
buffers may share memory as long as no row is written over one that is still needed. Rows go from
the first to the last where the output lies below the input, and from the last to the first where
it lies above; along a chain of layers the two take turns. No sum is computed twice. Source: the
diagonal memory optimisation of arXiv 2010.01668.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from microinterp.arena.best import search
from microinterp.arena.extents import Key, Step, Touched, byte_range, extents, schedule
from microinterp.arena.placing import ALIGNMENT, alive_at, most_alive, shrinking_blocks
from microinterp.graph import Tensor
from microinterp.passes.crop import Box, Span, box_needed, is_croppable, whole_box, windows_of
from microinterp.passes.draft import Draft
from microinterp.passes.pieces import part_of, piece
from microinterp.prepare import Prepared, PreparedNode

_MOST_TURNS = 24
"""Changes of direction that are tried."""
_QUICK_TRIES = 8
"""Tries of each search for a plan meanwhile."""


@dataclass(frozen=True)
class _Rows:
    """An op that can run row by row.

    Attributes:
        boxes: rows (or columns, of an image of one row) of the output, from the first on.
        steps: what each does to memory.
    """

    boxes: tuple[Box, ...]
    steps: tuple[Step, ...]


def overlap(prepared: Prepared) -> Prepared:
    """Run those ops row by row that the arena's head depends on, each in the better direction."""
    steps = schedule(prepared)
    rows = _all_rows(prepared, steps)
    if not rows:
        return prepared
    choice = _Choice(steps, _crowded(steps, rows))
    backwards = choice.directions(prepared)
    return _rewritten(prepared, choice.rows, backwards)


def least_head(prepared: Prepared) -> int:
    """Bytes that the head needs at least if every op that can runs row by row."""
    steps = schedule(prepared)
    return most_alive(list(extents(_cut(steps, _all_rows(prepared, steps), set())).values()))


def alive_bytes(prepared: Prepared, by_rows: bool) -> list[int]:
    """The most bytes in use during each op.

    Args:
        by_rows: every op that can runs row by row.
    """
    steps = schedule(prepared)
    rows = _all_rows(prepared, steps) if by_rows else {}
    found = extents(_cut(steps, rows, set()))
    alive = alive_at(list(found.values())).tolist()
    most, at = [], 1
    for position in range(len(prepared.subgraphs[0])):
        count = len(rows[position].steps) if position in rows else 1
        most.append(max(alive[at : at + count]))
        at += count
    return most


def _all_rows(prepared: Prepared, steps: Sequence[Step]) -> dict[int, _Rows]:
    """Every op that can run row by row and is the last to read its input."""
    last_reads = _last_reads(steps)
    return {
        position: _rows(item, steps[position + 1])
        for position, item in enumerate(prepared.subgraphs[0])
        if _is_suited(item) and _shrinks(item, position, last_reads)
    }


def _crowded(steps: Sequence[Step], rows: Mapping[int, _Rows]) -> dict[int, _Rows]:
    """The ops that whole buffers would make the fullest, so that they must run row by row."""
    least = most_alive(list(extents(_cut(steps, rows, set())).values()))
    whole = extents(steps).values()
    return {
        p: found
        for p, found in rows.items()
        if sum(e.nbytes for e in whole if e.first <= p + 1 <= e.last) > least
    }


def _cut(steps: Sequence[Step], rows: Mapping[int, _Rows], backwards: set[int]) -> list[Step]:
    """The steps, with those of rows in place of the ops that run row by row."""
    cut: list[Step] = []
    for number, step in enumerate(steps):
        found = rows.get(number - 1)
        if found is None:
            cut.append(step)
        else:
            cut.extend(reversed(found.steps) if number - 1 in backwards else found.steps)
    return cut


def _is_suited(item: PreparedNode) -> bool:
    if item.is_piece or item.in_place is not None or item.kernel.scratch:
        return False
    if windows_of(item.kernel) is None or not is_croppable(item):
        return False
    x, out = item.node.input(0), item.node.output()
    # A single row is cut into columns, whose bytes lie side by side in an image of one row alone.
    is_cut = out.shape[1] > 1 or (out.shape[2] > 1 and x.shape[1] == 1)
    return x.shape[0] == 1 and x.root is not out.root and is_cut


def _last_reads(steps: Sequence[Step]) -> dict[Key, int]:
    return {
        key: number
        for number, step in enumerate(steps)
        for key, touched in step.items()
        if touched.reads is not None
    }


def _shrinks(item: PreparedNode, position: int, last_reads: Mapping[Key, int]) -> bool:
    root = item.node.input(0).root
    return last_reads.get((root.subgraph, root.index)) == position + 1


def _rows(item: PreparedNode, step: Step) -> _Rows:
    out = item.node.output()
    boxes = tuple(_boxes(out))
    return _Rows(boxes, tuple(_row_step(item, box, step) for box in boxes))


def _boxes(out: Tensor) -> list[Box]:
    """Rows of the output; its columns where it has but one row."""
    every = whole_box(out.shape)
    if out.shape[1] > 1:
        return [Box(Span(i, i + 1), every.columns) for i in range(out.shape[1])]
    return [Box(every.rows, Span(i, i + 1)) for i in range(out.shape[2])]


def _row_step(item: PreparedNode, box: Box, step: Step) -> Step:
    """What one row does to memory."""
    x, out = item.node.input(0), item.node.output()
    needed = box_needed(item, 0, box)
    made: Step = {}
    for tensor, part in ((x, needed), (out, box)):
        key = (tensor.root.subgraph, tensor.root.index)
        if key in step:
            touched = Touched(step[key].nbytes)
            found = _bytes_of(tensor, part)
            if tensor is out:
                touched.writes = found
            else:
                touched.reads = found
            made[key] = touched
    return made


def _bytes_of(tensor: Tensor, box: Box) -> tuple[int, int]:
    """Bytes of rows, or of columns of a single row, of an image that has no gaps."""
    start, _ = byte_range(tensor)
    pixel = tensor.shape[3] * tensor.dtype.itemsize
    first = (box.rows.start * tensor.shape[2] + box.columns.start) * pixel
    count = box.rows.length * box.columns.length * pixel
    return start + first, start + first + count


class _Choice:
    """From which end each op runs."""

    def __init__(self, steps: Sequence[Step], rows: Mapping[int, _Rows]) -> None:
        self._steps, self.rows = steps, rows

    def directions(self, prepared: Prepared) -> set[int]:
        """The ops that run from the last row to the first: by turns, then what a search betters."""
        best = self._by_turns(prepared)
        least, bound = self._head(best)
        chance = random.Random(0)
        movable = sorted(self.rows)
        for _ in range(_MOST_TURNS if movable else 0):
            if least <= bound + ALIGNMENT:
                break
            trial = best ^ {chance.choice(movable)}
            head, bound = self._head(trial)
            if head <= least:
                best, least = trial, head
        return best

    def _by_turns(self, prepared: Prepared) -> set[int]:
        """An output lies at the other end of the arena than its input."""
        ends: dict[Tensor, bool] = {}
        backwards = set()
        for position, item in enumerate(prepared.subgraphs[0]):
            roots = [t.root for t in item.node.inputs if t is not None and not t.is_constant]
            is_low = ends.get(roots[0], False) if roots else False
            if position in self.rows and is_low:
                backwards.add(position)
            for out in item.node.outputs:
                if item.in_place is None:
                    ends.setdefault(out.root, not is_low)
        return backwards

    def _head(self, backwards: set[int]) -> tuple[int, int]:
        """Head and lower bound."""
        found = extents(_cut(self._steps, self.rows, backwards))
        blocks = shrinking_blocks(list(found.values()))
        return blocks.head(search(blocks, most_tries=_QUICK_TRIES)), blocks.bound


def _rewritten(prepared: Prepared, rows: Mapping[int, _Rows], backwards: set[int]) -> Prepared:
    draft = Draft(prepared)
    items = []
    for position, item in enumerate(draft.items):
        if position not in rows:
            items.append(item)
            continue
        boxes = rows[position].boxes
        x, out = item.node.input(0), item.node.output()
        for box in reversed(boxes) if position in backwards else boxes:
            seen = part_of(draft, x, box_needed(item, 0, box))
            items.append(piece(item, box, {0: seen}, part_of(draft, out, box)))
    draft.items = items
    return draft.finish()

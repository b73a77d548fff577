"""in-place: an op writes over the input that nobody needs any more.

Elementwise ops read an element before they write it; where the output's elements are no larger than
the input's, going through them in order is enough. Ops that only give the same bytes another shape
have nothing left to do.
"""

from __future__ import annotations

from dataclasses import replace

from microinterp.graph import Tensor
from microinterp.passes.crop import ELEMENTWISE
from microinterp.passes.draft import Draft, Uses, activations
from microinterp.prepare import Prepared, PreparedNode

RESHAPES = frozenset({"RESHAPE", "SQUEEZE", "EXPAND_DIMS"})


def in_place(prepared: Prepared) -> Prepared:
    """Let each op that can write over one of its inputs."""
    draft = Draft(prepared)
    uses = draft.uses()
    is_changed = False
    for position, item in enumerate(draft.items):
        if item.node.name not in ELEMENTWISE | RESHAPES:
            continue
        found = replaced_input(draft, position, uses)
        if found is not None:
            draft.place_over(item.node.output(), item.node.input(found), uses)
            draft.items[position] = replace(item, in_place=found)
            is_changed = True
    return draft.finish() if is_changed else prepared


def replaced_input(draft: Draft, position: int, uses: dict[int, Uses]) -> int | None:
    """The input whose place the op's output can take, None where there is none."""
    item = draft.items[position]
    if len(item.node.outputs) != 1 or item.kernel.state:
        return None
    out = draft.now(item.node.output())
    if out.part is not None or not draft.has_place(out):
        return None
    if uses[out.index].writes != [position]:
        return None
    for number, x in activations(draft, item):
        if number and item.node.name in RESHAPES:
            break  # a shape or an axis
        if _can_be_replaced(draft, item, x, position, uses) and _fits(x, out):
            return number
    return None


def _fits(x: Tensor, out: Tensor) -> bool:
    return x.elements == out.elements and x.dtype.itemsize >= out.dtype.itemsize


def _can_be_replaced(
    draft: Draft, item: PreparedNode, x: Tensor, position: int, uses: dict[int, Uses]
) -> bool:
    """True if x begins its buffer without gaps and nobody reads that buffer after the op."""
    root = draft.root(x)
    used = uses[root.index]
    if used.reads[-1] != position or used.writes[-1] >= position:
        return False
    if not begins_buffer(draft, x):
        return False
    others = [t for _, t in activations(draft, item) if draft.root(t) is root]
    return all(t is x for t in others)


def begins_buffer(draft: Draft, x: Tensor) -> bool:
    """True for a buffer, or for a part that is its first bytes in the same order."""
    part = draft.now(x).part
    if part is None:
        return True
    whole = draft.now(part.whole)
    is_same = part.index is None or (
        part.axes is None and whole.shape == x.shape and whole.dtype == x.dtype
    )
    return is_same and begins_buffer(draft, whole)

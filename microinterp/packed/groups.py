"""What a board runs in one go: an op, a piece of one, or pieces of one that follow each other.

Memory passes cut ops into rows (or columns, of an image of one row), one after the other. A board's
kernel goes over pixels in that order anyway, in either direction, so such pieces are one step. It
is right wherever the pieces are: no pixel is written over what its own row or one to come reads.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from microinterp.graph import Tensor
from microinterp.kernels.common import Window
from microinterp.passes.crop import Box, Span, box_needed, cropped, windows_of, with_windows
from microinterp.prepare import PreparedNode


@dataclass(frozen=True, eq=False)
class Group:
    """Nodes that follow each other.

    Attributes:
        items: the nodes.
        whole: the node that does their work.
        order: 0 where its pixels come from the first to the last, 1 from the last to the first.
    """

    items: tuple[PreparedNode, ...]
    whole: PreparedNode
    order: int = 0


def groups(nodes: Sequence[PreparedNode]) -> Iterator[Group]:
    """The nodes of a subgraph in order, those joined that make one op again."""
    for (_, is_piece), run in groupby(nodes, key=lambda n: (n.node.file_index, n.is_piece)):
        items = tuple(run)
        joined = _joined(items) if is_piece and len(items) > 1 else None
        if joined is not None:
            yield joined
        else:
            yield from (Group((item,), item) for item in items)


def _joined(items: tuple[PreparedNode, ...]) -> Group | None:
    """The op whose rows or columns the items compute in order; None where they do not."""
    first = items[0]
    windows, x, out = windows_of(first.kernel), first.node.inputs[0], first.node.output()
    seen, made = _box(x), _box(out)
    if windows is None or x is None or seen is None or made is None:
        return None
    assert x.part is not None
    assert out.part is not None
    image, result = x.part.whole, out.part.whole
    height = _uncut(windows[0], seen.rows, made.rows, image.shape[1], result.shape[1])
    width = _uncut(windows[1], seen.columns, made.columns, image.shape[2], result.shape[2])
    node = replace(first.node, inputs=(image, *first.node.inputs[1:]), outputs=(result,))
    whole = replace(first, node=node, kernel=with_windows(first.kernel, height, width))
    boxes = [_box(item.node.output()) for item in items]
    order = _order([box for box in boxes if box is not None], result)
    if order is None or not all(map(_is_cut_from, items, [whole] * len(items), boxes)):
        return None
    return Group(items, whole, order)


def _box(tensor: Tensor | None) -> Box | None:
    """Which pixels of another image the tensor is; None for what is no box of one."""
    part = None if tensor is None else tensor.part
    if part is None or part.axes is not None or part.index is None or part.whole.rank != 4:
        return None
    batches, rows, columns, channels = part.index
    if (batches, channels) != (slice(None), slice(None)):
        return None
    pairs = ((rows, part.whole.shape[1]), (columns, part.whole.shape[2]))
    found = (slice(*s.indices(length)) for s, length in pairs)
    down, across = (Span(s.start, s.stop) for s in found)
    return Box(down, across)


def _uncut(window: Window, seen: Span, made: Span, length: int, outputs: int) -> Window:
    """The window of an axis of which `made` was cut, as passes.crop.cut does it."""
    before = window.before - seen.start + made.start * window.stride
    return replace(window, before=before, length=length, outputs=outputs)


def _order(boxes: Sequence[Box], result: Tensor) -> int | None:
    """0 or 1 where the boxes are all rows, or all columns of a single row, in that order."""
    rows, columns = Span(0, result.shape[1]), Span(0, result.shape[2])
    if all(box.columns == columns for box in boxes):
        spans, length = [box.rows for box in boxes], rows.length
    elif rows.length == 1:
        spans, length = [box.columns for box in boxes], columns.length
    else:
        return None
    for order, ordered in enumerate((spans, spans[::-1])):
        edges = [0, *(span.stop for span in ordered)]
        if edges[:-1] == [span.start for span in ordered] and edges[-1] == length:
            return order if result.shape[0] == 1 or not order else None
    return None


def _is_cut_from(item: PreparedNode, whole: PreparedNode, box: Box | None) -> bool:
    """True if the item is exactly this box of the whole op."""
    x = item.node.inputs[0]
    image, result = whole.node.input(0), whole.node.output()
    if box is None or x is None or x.part is None or x.part.whole is not image:
        return False
    out = item.node.output()
    if out.part is None or out.part.whole is not result or _box(x) != box_needed(whole, 0, box):
        return False
    return windows_of(item.kernel) == windows_of(cropped(whole, box))

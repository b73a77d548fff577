"""Which pieces of an op are one step of a board, and in which order; cut here by hand."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from microinterp.graph import Part, Tensor
from microinterp.interpreter import prepare_model
from microinterp.packed.groups import Group, groups
from microinterp.passes.crop import Box, Span, box_needed, cropped, windows_of
from microinterp.prepare import PreparedNode
from tests.ops.movement import Constant, Input, op_model

Q = ("int8", 0.5, 0)


def conv(
    rows: int = 9,
    columns: int = 5,
    out: tuple[int, int] = (5, 3),
    batches: int = 1,
    size: tuple[int, int] = (3, 3),
) -> PreparedNode:
    """CONV_2D with strides of 2 and padding, its input and output in images of their own."""
    x, w = Input((batches, rows, columns, 2), *Q), Constant(np.ones((4, *size, 2), np.int8), 0.5, 0)
    options: dict[str, Any] = {"padding": "SAME", "stride_h": 2, "stride_w": 2}
    data = op_model("CONV_2D", [x, w], [Input((batches, *out, 4), *Q)], **options)
    return prepare_model(data, kernels="plain").subgraphs[0][0]


def pool(columns: int = 8, rows: int = 1) -> PreparedNode:
    """A MAX_POOL_2D with windows of 1 x 3."""
    shape = (1, rows, columns, 2)
    options = {"padding": "SAME", "stride_h": 1, "stride_w": 1}
    options |= {"filter_height": 1, "filter_width": 3}
    data = op_model("MAX_POOL_2D", [Input(shape, *Q)], [Input(shape, *Q)], **options)
    return prepare_model(data, kernels="plain").subgraphs[0][0]


def part(whole: Tensor, box: Box) -> Tensor:
    shape = box.shape(whole.shape)
    return replace(whole, shape=shape, nbytes=int(np.prod(shape)), part=Part(whole, box.index()))


def piece(whole: PreparedNode, box: Box) -> PreparedNode:
    """The op cut down to a box of its output."""
    x = part(whole.node.input(0), box_needed(whole, 0, box))
    out = part(whole.node.output(), box)
    node = replace(whole.node, inputs=(x, *whole.node.inputs[1:]), outputs=(out,))
    return replace(whole, node=node, kernel=cropped(whole, box), is_piece=True)


def rows_of(whole: PreparedNode, *edges: int) -> list[PreparedNode]:
    """Pieces from each edge to the next; all columns."""
    across = Span(0, whole.node.output().shape[2])
    pairs = itertools.pairwise(edges)
    return [piece(whole, Box(Span(start, stop), across)) for start, stop in pairs]


def columns_of(whole: PreparedNode, *edges: int) -> list[PreparedNode]:
    """Pieces from each edge to the next; all rows."""
    down = Span(0, whole.node.output().shape[1])
    pairs = itertools.pairwise(edges)
    return [piece(whole, Box(down, Span(start, stop))) for start, stop in pairs]


def check_joined(items: Sequence[PreparedNode], whole: PreparedNode, order: int) -> None:
    """They are one group, which is the op as it was."""
    (group,) = groups(items)
    assert group.items == tuple(items)
    assert group.order == order
    assert group.whole.node.inputs[0] is whole.node.inputs[0]
    assert group.whole.node.inputs[1:] == whole.node.inputs[1:]
    assert group.whole.node.outputs == whole.node.outputs
    assert windows_of(group.whole.kernel) == windows_of(whole.kernel)


def check_apart(items: Sequence[PreparedNode]) -> None:
    """Each is a group of its own."""
    found = list(groups(items))
    assert [group.items for group in found] == [(item,) for item in items]
    assert all(group.whole is group.items[0] and group.order == 0 for group in found)


def changed(item: PreparedNode, x: Tensor | None = None, out: Tensor | None = None) -> PreparedNode:
    """A piece with another input or output."""
    node = item.node
    inputs = (node.inputs[0] if x is None else x, *node.inputs[1:])
    outputs = node.outputs if out is None else (out,)
    return replace(item, node=replace(node, inputs=inputs, outputs=outputs))


def moved(tensor: Tensor, **fields: Any) -> Tensor:
    """A part that lies elsewhere in its image."""
    assert tensor.part is not None
    return replace(tensor, part=replace(tensor.part, **fields))


@pytest.mark.parametrize("edges", [(0, 1, 2, 3, 4, 5), (0, 2, 5), (0, 4, 5), (0, 1, 5)])
def test_rows_in_order(edges: tuple[int, ...]) -> None:
    whole = conv()
    items = rows_of(whole, *edges)
    check_joined(items, whole, 0)
    check_joined(items[::-1], whole, 1)


@pytest.mark.parametrize("edges", [(0, 1, 2, 3, 4, 5, 6, 7, 8), (0, 3, 8)])
def test_columns_of_one_row(edges: tuple[int, ...]) -> None:
    whole = pool()
    check_joined(columns_of(whole, *edges), whole, 0)
    check_joined(columns_of(whole, *edges)[::-1], whole, 1)
    check_apart(columns_of(pool(rows=2), *edges))


def test_columns_that_have_strides() -> None:
    whole = conv(1, 9, (1, 5), size=(1, 4))
    check_joined(columns_of(whole, 0, 1, 3, 5), whole, 0)
    check_joined(columns_of(whole, 0, 1, 3, 5)[::-1], whole, 1)


def test_more_images_than_one_go_forward() -> None:
    """The last pixels of the first image would come before the first of the last."""
    whole = conv(batches=2)
    check_joined(rows_of(whole, 0, 2, 5), whole, 0)
    check_apart(rows_of(whole, 0, 2, 5)[::-1])


@pytest.mark.parametrize("edges", [(1, 2, 5), (0, 2, 4), (1, 3, 4)])
def test_pieces_that_are_not_all(edges: tuple[int, ...]) -> None:
    whole = conv()
    check_apart(rows_of(whole, *edges))
    check_apart(rows_of(whole, *edges)[::-1])


def test_pieces_that_do_not_follow_each_other() -> None:
    whole = conv()
    a, b, c, d, e = rows_of(whole, 0, 1, 2, 3, 4, 5)
    for items in ([a, c, b, d, e], [a, b, d, e], [a, b, b, c, d, e], [b, c, d, e, a]):
        check_apart(items)
    wide = rows_of(whole, 0, 3)
    check_apart([*wide, c, d, e])  # row 2 comes twice


def test_boxes_that_are_neither_rows_nor_columns() -> None:
    whole = conv()
    boxes = (Box(Span(0, 5), Span(0, 2)), Box(Span(0, 5), Span(2, 3)))
    check_apart([piece(whole, box) for box in boxes])
    boxes = (Box(Span(0, 2), Span(0, 3)), Box(Span(2, 5), Span(0, 2)))
    check_apart([piece(whole, box) for box in boxes])


def test_only_pieces_of_one_op_are_joined() -> None:
    whole = conv()
    items = rows_of(whole, 0, 2, 5)
    check_apart([whole])
    check_apart(items[:1])
    check_apart([replace(item, is_piece=False) for item in items])
    other = [replace(item, node=replace(item.node, index=7)) for item in items]
    (first, second) = groups([*items, *other])
    assert (first.items, second.items) == (tuple(items), tuple(other))
    mixed = [items[0], replace(items[1], is_piece=False)]
    check_apart(mixed)
    check_apart([items[0], other[1]])


def test_all_pieces_are_of_one_image_and_one_result() -> None:
    whole, other = conv(), conv()
    a, b = rows_of(whole, 0, 2, 5)
    x, out = b.node.input(0), b.node.output()
    check_joined([a, changed(b, moved(x), moved(out))], whole, 0)
    check_apart([a, changed(b, x=moved(x, whole=other.node.input(0)))])
    check_apart([a, changed(b, out=moved(out, whole=other.node.output()))])
    for number, item in enumerate((a, b)):
        for part_of in (item.node.input(0), item.node.output()):
            others = (
                replace(part_of, part=None),
                moved(part_of, index=None),
                moved(part_of, axes=(0, 1, 2, 3)),
            )
            for tensor in others:
                items = [a, b]
                is_input = part_of is item.node.input(0)
                items[number] = changed(item, tensor) if is_input else changed(item, out=tensor)
                check_apart(items)


def test_pieces_are_all_batches_and_channels() -> None:
    whole = conv(batches=2)
    a, b = rows_of(whole, 0, 2, 5)
    x = b.node.input(0)
    assert x.part is not None
    assert x.part.index is not None
    batches, rows, columns, channels = x.part.index
    check_joined([a, changed(b, x=moved(x, index=(batches, rows, columns, channels)))], whole, 0)
    for index in (
        (slice(0, 1), rows, columns, channels),
        (batches, rows, columns, slice(0, 1)),
        (batches, slice(0, 9), columns, channels),
        (batches, rows, slice(1, 5), channels),
    ):
        check_apart([a, changed(b, x=moved(x, index=index))])


def test_slices_may_be_without_ends() -> None:
    """slice(3, None) is slice(3, 9) in an image of 9 rows, which is what pieces 2 to 5 see."""
    whole = conv()
    a, b = rows_of(whole, 0, 2, 5)
    x = b.node.input(0)
    assert x.part is not None
    assert x.part.index is not None
    assert x.part.index[1] == slice(3, 9)
    index = (slice(None), slice(3, None), slice(None), slice(None))
    check_joined([a, changed(b, x=moved(x, index=index))], whole, 0)


def test_images_have_four_dimensions() -> None:
    whole = conv()
    a, b = rows_of(whole, 0, 2, 5)
    out = a.node.output()
    assert out.part is not None
    flat = replace(whole.node.output(), shape=(1, 5, 12))
    index = (slice(None), slice(0, 2), slice(None))
    odd = replace(out, part=Part(flat, index))
    check_apart([changed(a, out=odd), b])


def test_pieces_have_the_windows_of_their_box() -> None:
    whole = conv()
    a, b = rows_of(whole, 0, 2, 5)
    check_apart([a, replace(b, kernel=a.kernel)])
    check_apart([replace(a, kernel=b.kernel), b])


def test_ops_without_windows_stay_apart() -> None:
    shape = (1, 4, 3, 2)
    data = op_model("RELU", [Input(shape, *Q)], [Input(shape, *Q)])
    whole = prepare_model(data, kernels="plain").subgraphs[0][0]
    check_apart(rows_of(whole, 0, 2, 4))


def test_a_group_goes_forward_as_a_rule() -> None:
    whole = conv()
    assert Group((whole,), whole).order == 0

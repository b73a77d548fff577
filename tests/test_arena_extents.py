"""Bytes of parts, extents of buffers and what each step touches, worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np

from microinterp.arena.byte_liveness import _change, byte_liveness, bytes_of
from microinterp.arena.extents import (
    Extent,
    Touched,
    _common,
    _extent,
    _hull,
    _running,
    byte_range,
    extents,
    has_place,
    is_contiguous,
    requests,
    schedule,
)
from microinterp.graph import Part, Tensor
from microinterp.interpreter import prepare_model
from microinterp.model_builder import ModelBuilder
from tests.arena_sites import tensor


def part(whole: Tensor, *index: slice, axes: tuple[int, ...] | None = None) -> Tensor:
    """A part of a tensor, for instance rows and columns."""
    view = np.empty(whole.shape, whole.dtype)[index]
    shape = (view if axes is None else view.transpose(axes)).shape
    return replace(whole, shape=shape, nbytes=view.nbytes, index=9, part=Part(whole, index, axes))


def test_byte_ranges() -> None:
    """Rows of 6 elements: rows 1 and 2, columns 2 to 4 begin at 8, and end behind 2 * 6 + 4."""
    whole, wide = tensor((4, 6)), tensor((4, 6), "int16")
    assert byte_range(whole) == (0, 24)
    assert byte_range(part(whole, slice(1, 3), slice(2, 5))) == (8, 17)
    assert byte_range(part(wide, slice(1, 3), slice(2, 5))) == (16, 34)
    assert byte_range(part(wide, slice(1, 3), slice(2, 5), axes=(1, 0))) == (16, 34)
    assert byte_range(part(whole, slice(3, 4), slice(5, 6))) == (23, 24)
    assert byte_range(part(whole, slice(0, 4, 2), slice(0, 6, 3))) == (0, 16)
    inner = part(part(whole, slice(1, 4), slice(1, 6)), slice(1, 2), slice(2, 4))
    assert byte_range(inner) == (2 * 6 + 3, 2 * 6 + 5)
    start, stop = byte_range(part(whole, slice(2, 2), slice(0, 6)))
    assert start == stop


def test_contiguous_parts() -> None:
    whole = tensor((4, 6))
    assert is_contiguous(whole)
    assert is_contiguous(part(whole, slice(1, 3), slice(0, 6)))
    assert not is_contiguous(part(whole, slice(1, 3), slice(0, 5)))
    assert not is_contiguous(part(whole, slice(0, 4), slice(0, 6), axes=(1, 0)))
    assert is_contiguous(part(whole, slice(1, 2), slice(2, 5)))


def test_hulls_and_what_is_common() -> None:
    assert _hull(None, None) is None
    assert _hull((2, 4), None) == _hull(None, (2, 4)) == (2, 4)
    assert _hull((2, 4), (7, 9)) == _hull((7, 9), (2, 4)) == (2, 9)
    assert _hull((2, 9), (3, 4)) == (2, 9)
    assert _running([None, (4, 6), None, (2, 3)]) == [None, (4, 6), (4, 6), (2, 6)]
    assert _common(None, None) == (0, 0)
    assert _common((2, 4), None) == _common(None, (2, 4)) == (2, 4)
    assert _common((0, 10), (4, 20)) == _common((4, 20), (0, 10)) == (4, 10)
    assert _common((0, 4), (8, 10)) == (8, 8)
    assert _common((8, 10), (0, 4)) == (8, 8)
    assert _common((0, 4), (4, 10)) == (4, 4)


def found(*uses: tuple[int, Any, Any]) -> tuple[int, int, list[int], list[int]]:
    """Extent of a buffer of 40 bytes; each use is a step, what it reads and what it writes."""
    made = _extent([(step, Touched(40, reads, writes)) for step, reads, writes in uses])
    assert made.nbytes == 40
    return made.first, made.last, made.low.tolist(), made.high.tolist()


def test_extents() -> None:
    """What was written up to a step, and is read from then on; between two uses the later one's."""
    assert found((0, None, (0, 40)), (2, (0, 20), None), (5, (10, 40), None)) == (
        *(0, 5),
        [0, 0, 0, 10, 10, 10],
        [40] * 6,
    )
    assert found((1, None, (0, 10)), (2, None, (10, 20)), (3, (0, 20), None)) == (
        *(1, 3),
        [0, 0, 0],
        [10, 20, 20],
    )
    assert found((4, None, (4, 8))) == (4, 4, [4], [8])
    assert found((4, (4, 8), None)) == (4, 4, [4], [8])
    # rows that are read and made anew: the second use writes what nobody reads any more
    assert found((0, None, (0, 20)), (1, (0, 5), (20, 30)), (3, (5, 10), None)) == (
        *(0, 3),
        [0, 0, 5, 5],
        [20, 30, 10, 10],
    )
    # written and never read, then read elsewhere: nothing between
    assert found((0, None, (0, 4)), (3, (8, 12), None)) == (0, 3, [0, 8, 8, 8], [4, 8, 8, 8])


def test_buffers_of_steps() -> None:
    steps = [
        {(0, 1): Touched(8, None, (0, 8))},
        {},
        {(0, 1): Touched(8, (0, 8)), (0, 0, 2): Touched(4, (0, 4), (0, 4))},
    ]
    made = extents(steps)
    assert list(made) == [(0, 1), (0, 0, 2)]
    assert [(e.first, e.last, e.nbytes) for e in made.values()] == [(0, 2, 8), (2, 2, 4)]
    assert made[0, 1].high.tolist() == [8, 8, 8]


def extent(first: int, low: list[int], high: list[int], nbytes: int = 40) -> Extent:
    ends = np.array((low, high), np.int64)
    return Extent(first, first + len(low) - 1, ends[0], ends[1], nbytes)


def test_clearance() -> None:
    """At steps 2 and 3 both hold something: less 10 - 0 and 12 - 5; most 30 - 0 and 20 - 6."""
    one = extent(0, [0, 0, 10, 12, 0], [40, 40, 30, 20, 40])
    other = extent(2, [0, 6], [1, 5])
    assert one.clearance(other) == (7, 30)
    assert other.clearance(one) == (-30, -7)
    assert one.clearance(extent(4, [3], [9])) == (-9, 37)
    assert one.clearance(extent(5, [3], [9])) is None
    assert extent(5, [3], [9]).clearance(one) is None
    assert extent(3, [0], [8]).clearance(extent(3, [0], [16])) == (-16, 8)


def test_constant_extents() -> None:
    assert extent(0, [0, 0], [40, 40]).is_constant
    assert not extent(0, [0, 0], [40, 39]).is_constant
    assert not extent(0, [1, 0], [40, 40]).is_constant


def called() -> Any:
    """x -> CALL_ONCE -> RELU -> y, with MEAN of a constant in the subgraph.

    MEAN has an input of 8 bytes, an output of 4, and scratch for 2 axes.
    """
    b = ModelBuilder()
    g = b.subgraph("main")
    x = g.input("x", (32,), "int8", scale=1.0, zero_point=0)
    y = g.tensor("y", (32,), "int8", scale=1.0, zero_point=0)
    g.tensor("idle", (16,), "int8")
    g.op("CALL_ONCE", [], [], init_subgraph_index=1)
    g.op("RELU", [x], [y])
    g.output(y)
    h = b.subgraph("init")
    c = h.constant("c", np.zeros((1, 2, 1, 4), np.int8), scale=1.0, zero_point=0)
    d = h.tensor("d", (1, 2, 1, 4), "int8", scale=1.0, zero_point=0)
    axes = h.constant("axes", np.array([1, 2], np.int32))
    t = h.tensor("t", (1, 4), "int8", scale=1.0, zero_point=0)
    h.op("RELU", [c], [d])
    h.op("MEAN", [d, axes], [t])
    h.output(t)
    return prepare_model(b.finish())


def whole(nbytes: int) -> Touched:
    return Touched(nbytes, (0, nbytes), (0, nbytes))


def test_what_steps_touch() -> None:
    """Inputs, the call with all of its subgraph, RELU, outputs."""
    prepared = called()
    sizes = prepared.subgraphs[1][1].kernel.scratch
    assert sizes
    scratch = {(1, 1, i): whole(nbytes) for i, nbytes in enumerate(sizes)}
    assert schedule(prepared) == [
        {(0, 0): Touched(32, None, (0, 32))},
        {(1, 3): whole(4), (1, 1): whole(8), **scratch},
        {(0, 0): Touched(32, (0, 32), None), (0, 1): Touched(32, None, (0, 32))},
        {(0, 1): Touched(32, (0, 32), None)},
    ]
    asked = requests(prepared, extents(schedule(prepared)))
    by_key = {r.tensor or r.scratch: (r.nbytes, r.first, r.last) for r in asked}
    assert by_key == {
        (0, 0): (32, 0, 2),
        (0, 1): (32, 2, 3),
        (1, 1): (8, 1, 1),
        (1, 3): (4, 1, 1),
        **{(1, 1, i): (nbytes, 1, 1) for i, nbytes in enumerate(sizes)},
    }


def test_scratch_of_the_main_graph_is_touched() -> None:
    b = ModelBuilder()
    g = b.subgraph("main")
    x = g.input("x", (1, 2, 1, 4), "int8", scale=1.0, zero_point=0)
    axes = g.constant("axes", np.array([1, 2], np.int32))
    y = g.tensor("y", (1, 4), "int8", scale=1.0, zero_point=0)
    g.op("MEAN", [x, axes], [y])
    g.output(y)
    prepared = prepare_model(b.finish())
    sizes = prepared.subgraphs[0][0].kernel.scratch
    assert schedule(prepared)[1] == {
        (0, 0): Touched(8, (0, 8), None),
        (0, 2): Touched(4, None, (0, 4)),
        **{(0, 0, i): whole(nbytes) for i, nbytes in enumerate(sizes)},
    }


def test_who_has_a_place() -> None:
    """No constants, variables, handles, empty ones."""
    resources = SimpleNamespace(handles={(0, 5): 0}, passed={(0, 6)})
    prepared: Any = SimpleNamespace(resources=resources)
    assert has_place(prepared, tensor((2,), index=4))
    assert not has_place(prepared, tensor((2,), index=5))
    assert not has_place(prepared, tensor((2,), index=6))
    assert not has_place(prepared, tensor((2,), constant=True))
    assert not has_place(prepared, tensor((2, 0)))
    assert not has_place(prepared, replace(tensor((2,)), is_variable=True))


def test_bytes_of_parts() -> None:
    """Elements in order, the bytes of each; into what has an item for each byte of the root."""
    wide = tensor((2, 3), "int16")
    numbers = np.arange(12)
    assert bytes_of(wide, numbers).reshape(-1).tolist() == list(range(12))
    columns = part(wide, slice(0, 2), slice(1, 3))
    assert bytes_of(columns, numbers).tolist() == [[[2, 3], [4, 5]], [[8, 9], [10, 11]]]
    turned = part(wide, slice(0, 2), slice(1, 3), axes=(1, 0))
    assert bytes_of(turned, numbers).tolist() == [[[2, 3], [8, 9]], [[4, 5], [10, 11]]]
    mask = np.zeros(12, np.bool_)
    bytes_of(columns, mask)[...] = True
    assert np.flatnonzero(mask).tolist() == [2, 3, 4, 5, 8, 9, 10, 11]


def test_masks_are_not_changed_once_made() -> None:
    x = tensor((4,))
    alive: dict[tuple[int, ...], Any] = {}
    _change(alive, part(x, slice(1, 2)), True)
    first = alive[0, 0]
    assert first.tolist() == [False, True, False, False]
    _change(alive, part(x, slice(1, 2)), True)
    assert alive[0, 0] is first
    _change(alive, part(x, slice(1, 3)), True)
    assert alive[0, 0].tolist() == [False, True, True, False]
    _change(alive, part(x, slice(0, 2)), False)
    assert alive[0, 0].tolist() == [False, False, True, False]
    assert first.tolist() == [False, True, False, False]


def test_liveness_through_a_call() -> None:
    """While it runs, the subgraph's buffers and scratch are alive, with what the caller holds."""
    prepared = called()
    alive = byte_liveness(prepared)
    everything = {k: m.tolist() for k, m in alive.during[0].items()}
    sizes = prepared.subgraphs[1][1].kernel.scratch
    assert everything == {
        (0, 0): [True] * 32,
        (0, 1): [False] * 32,
        (1, 1): [True] * 8,
        (1, 3): [True] * 4,
        **{(1, 1, i): [True] * nbytes for i, nbytes in enumerate(sizes)},
    }
    assert {k: bool(m.all()) for k, m in alive.during[1].items()} == {(0, 0): True, (0, 1): True}
    assert {k: bool(m.any()) for k, m in alive.after[0].items()} == {(0, 0): True, (0, 1): False}
    assert {k: bool(m.all()) for k, m in alive.after[1].items()} == {(0, 1): True}
    assert {k: bool(m.any()) for k, m in alive.at_entry.items()} == {(0, 0): True, (0, 1): False}

"""What the checkers of plans say, word for word, both sides of each bound; lives and refusals."""

from __future__ import annotations

import struct
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from microinterp.arena.check import check_plan
from microinterp.arena.check_bytes import _collisions, _in_step, _unwritten, _written_over
from microinterp.arena.lifetimes import Request, buffer_requests
from microinterp.arena.plan import Plan, plan
from microinterp.errors import NOWHERE, ArenaError, Where
from microinterp.graph import Tensor
from microinterp.interpreter import prepare_model
from microinterp.model_builder import ModelBuilder
from microinterp.prepare import Prepared, PreparedNode
from tests.arena_sites import site, tensor
from tests.test_arena import copies, scratch_registry
from tests.test_arena_extents import part

HERE = Where(0, 5, "RELU")


def relu(shape: tuple[int, ...] = (16,)) -> Prepared:
    b = ModelBuilder()
    g = b.subgraph("main")
    x = g.input("x", shape, "int8", scale=1.0, zero_point=0)
    y = g.tensor("y", shape, "int8", scale=1.0, zero_point=0)
    g.op("RELU", [x], [y])
    g.output(y)
    return prepare_model(b.finish())


def moved(source: Plan, number: int, **changes: int) -> Plan:
    """A plan with one buffer's place changed; the head stays."""
    placed = list(source.placed)
    placed[number] = replace(placed[number], **changes)
    return replace(source, placed=tuple(placed))


def found(prepared: Prepared, made: Plan) -> list[tuple[str, str, Where]]:
    return [(p.rule, p.message, p.where) for p in check_plan(prepared, made)]


def test_places() -> None:
    """y lies at 0 and x at 16, in a head of 32 bytes."""
    prepared = relu()
    made = plan(prepared)
    assert [p.offset for p in made.placed] == [16, 0]
    assert found(prepared, made) == []
    span = "tensor (0, 0) at {} to {}"
    assert found(prepared, moved(made, 0, offset=17)) == [
        ("aligned", f"{span.format(17, 33)} is not aligned to 16 bytes", NOWHERE),
        ("inside_head", f"{span.format(17, 33)} leaves the head of 32", NOWHERE),
    ]
    assert found(prepared, moved(made, 0, offset=32)) == [
        ("inside_head", f"{span.format(32, 48)} leaves the head of 32", NOWHERE)
    ]
    assert found(prepared, moved(made, 0, offset=-16)) == [
        ("inside_head", f"{span.format(-16, 0)} leaves the head of 32", NOWHERE)
    ]
    too_small = f"{span.format(16, 31)} is too small for 16 bytes"
    assert found(prepared, moved(made, 0, size=15)) == [("placed", too_small, Where(0))]
    out = prepared.subgraphs[0][0].node.outputs[0]
    at_op = prepared.subgraphs[0][0].node.where(out)
    gone = replace(made, placed=made.placed[:1])
    assert found(prepared, gone) == [("placed", "16 bytes have no place in the arena", at_op)]
    gone = replace(made, placed=made.placed[1:])
    assert found(prepared, gone) == [("placed", "16 bytes have no place in the arena", Where(0))]


def test_overlaps() -> None:
    """Of one byte; both are named, the lower first; each pair once."""
    prepared = relu()
    made = plan(prepared)
    at_op = prepared.subgraphs[0][0].node.where()
    text = "tensor (0, 1) at 0 to 17 and tensor (0, 0) at 16 to 32 are alive at the same time"
    assert found(prepared, moved(made, 1, size=17)) == [("overlap", text, at_op)]
    same = "tensor (0, 0) at 0 to 16 and tensor (0, 1) at 0 to 16 are alive at the same time"
    assert found(prepared, moved(made, 0, offset=0)) == [("overlap", same, at_op)]


def test_overlaps_with_the_one_that_reaches_furthest() -> None:
    """Three inputs: the first covers both others, which do not touch each other."""
    b = ModelBuilder()
    g = b.subgraph("main")
    for name in "abc":
        g.input(name, (16,), "int8")
    prepared = prepare_model(b.finish())
    made = plan(prepared, "linear")
    wide = moved(made, 0, size=48)
    texts = [message for _, message, _ in found(prepared, wide)]
    assert texts == [
        f"tensor (0, 0) at 0 to 48 and tensor (0, {n}) at {16 * n} to {16 * n + 16} are alive at"
        " the same time"
        for n in (1, 2)
    ]
    assert {where for _, _, where in found(prepared, wide)} == {Where(0)}
    assert found(prepared, moved(made, 0, size=16)) == []
    assert len(found(prepared, moved(made, 0, size=33))) == 2


def test_scratch_has_a_place_too() -> None:
    prepared = prepare_model(copies(1), registry=scratch_registry(20))
    made = plan(prepared, "linear")
    at_op = prepared.subgraphs[0][0].node.where()
    assert found(prepared, made) == []
    assert found(prepared, replace(made, placed=made.placed[:2])) == [
        ("placed", "20 bytes have no place in the arena", at_op)
    ]
    text = "scratch (0, 0, 0) at 64 to 83 is too small for 20 bytes"
    assert found(prepared, moved(made, 2, size=19)) == [("placed", text, at_op)]


def mask(size: int, *alive: int) -> Any:
    made = np.zeros(size, np.bool_)
    made[list(alive)] = True
    return made


def collisions(head: int = 8, **offsets: int) -> list[tuple[str, str]]:
    """Buffer a has bytes 0 and 3, b has byte 1, c has none; keys (0, 1) to (0, 3)."""
    alive = {(0, 1): mask(4, 0, 3), (0, 2): mask(3, 1), (0, 3): mask(3)}
    places = {(0, "abc".index(name) + 1): offset for name, offset in offsets.items()}
    problems = list(_collisions(alive, places, head, HERE))
    assert {p.where for p in problems} <= {HERE}
    return [(p.rule, p.message) for p in problems]


def test_bytes_that_two_buffers_want() -> None:
    shared = [("overlap", "buffer (0, 2) at {} shares bytes with another that is alive")]
    assert collisions(a=0, b=0) == []  # at 1
    assert collisions(a=0, b=1) == []
    assert collisions(a=0, b=2) == [(shared[0][0], shared[0][1].format(2))]
    assert collisions(a=0, b=-1) == [(shared[0][0], shared[0][1].format(-1))]
    assert collisions(a=0, b=3) == []
    assert collisions(a=2, b=1) == [(shared[0][0], shared[0][1].format(1))]
    assert collisions(a=2, b=0) == []


def test_bytes_behind_the_head() -> None:
    text = "buffer (0, {}) leaves the head of 8"
    assert collisions(a=4, b=0) == []
    assert collisions(a=5, b=0) == [("inside_head", text.format(1))]
    assert collisions(a=-1, b=6) == [("inside_head", text.format(1))]
    assert collisions(a=0, b=6) == []
    assert collisions(a=0, b=7) == [("inside_head", text.format(2))]
    assert collisions(a=0, b=-2) == [("inside_head", text.format(2))]
    assert collisions(a=-1, b=7) == [("inside_head", text.format(n)) for n in (1, 2)]
    assert collisions(head=4, a=0, b=0) == []


def test_bytes_without_a_place() -> None:
    text = "buffer (0, {}) has no place in the arena"
    assert collisions(b=0) == [("placed", text.format(1))]
    assert collisions(a=0) == [("placed", text.format(2))]
    assert collisions() == [("placed", text.format(n)) for n in (1, 2)]


def test_bytes_that_nobody_writes() -> None:
    """Inputs are given: input 1 is the lower half of a buffer of four bytes, 2 is another one."""
    inputs = (part(tensor((4,), index=1), slice(0, 2)), tensor((3,), index=2))
    graph = SimpleNamespace(main=SimpleNamespace(inputs=inputs))
    prepared: Any = SimpleNamespace(graph=graph)

    def said(key: tuple[int, int], *alive: int) -> list[tuple[str, str]]:
        problems = _unwritten(prepared, {key: mask(4, *alive)})
        return [(p.rule, p.message) for p in problems]

    text = "{} bytes of buffer {} are read before an op writes"
    assert said((0, 1), 0, 1) == []
    assert said((0, 1), 0, 1, 2) == [("written", text.format(1, (0, 1)))]
    assert said((0, 1), 0, 2, 3) == [("written", text.format(2, (0, 1)))]
    assert said((0, 7), 1, 2, 3) == [("written", text.format(3, (0, 7)))]
    assert said((0, 7)) == []


def item(
    name: str,
    inputs: list[Tensor | None],
    out: Tensor,
    in_place: int | None = None,
    scratch: tuple[int, ...] = (),
) -> PreparedNode:
    made = site(name, inputs, out, scratch=scratch)
    return PreparedNode(made.node, made.kernel, in_place=in_place)


def test_ops_that_write_over_their_input() -> None:
    """Rows of one buffer: apart, or the same; said or not; by an op that may or not."""
    root = tensor((4, 6), index=1)
    top, low, middle = (part(root, slice(a, b)) for a, b in ((0, 2), (2, 4), (1, 3)))

    def said(each: PreparedNode) -> list[tuple[str, str]]:
        problems = list(_written_over(each))
        assert all(p.where == each.node.where(each.node.outputs[0]) for p in problems)
        return [(p.rule, p.message) for p in problems]

    over = "the op writes over input {}"
    others = "output elements lie over others of input {}"
    assert said(item("RELU", [top], low)) == []
    assert said(item("RELU", [top], top)) == [("in_place", over.format(0))]
    assert said(item("RELU", [top], top, 0)) == []
    assert said(item("RELU", [top], middle)) == [("in_place", over.format(0))]
    assert said(item("RELU", [top], middle, 0)) == [("in_place", others.format(0))]
    assert said(item("RELU", [middle], top, 0)) == []  # one row ahead of what is read
    assert said(item("CONV_2D", [top], top, 0)) == [("in_place", others.format(0))]
    assert said(item("ADD", [low, top], top)) == [("in_place", over.format(1))]
    assert said(item("ADD", [low, top], top, 0)) == [("in_place", over.format(1))]
    assert said(item("ADD", [low, top], top, 1)) == []
    assert said(item("ADD", [top, None, top], top, 0)) == []
    assert said(item("RELU", [tensor((2, 6), index=2)], top)) == []
    variable = replace(root, is_variable=True)
    assert said(item("RELU", [variable], variable)) == []


def test_elements_in_step() -> None:
    """Each is written before the next is read: bytes over int16, int16 over itself, not over bytes.

    An element that is written must end before the next that is read begins.
    """
    root = tensor((8,), index=1)
    halves = (slice(0, 4), slice(4, 8), slice(1, 5), slice(2, 6), slice(0, 8, 2))
    low, high, one, two, every = (part(root, each) for each in halves)

    def step(x: Tensor, out: Tensor, name: str = "RELU") -> bool:
        return _in_step(x, out, item(name, [x], out, 0))

    assert step(low, low)
    assert not step(low, one)  # element 0 goes over element 1 of the input
    assert step(one, low)
    assert step(two, one)
    assert step(every, low)  # 0 to 3 over 0, 2, 4, 6
    assert not step(low, every)
    assert not step(low, part(root, slice(0, 5)))  # other numbers of elements
    assert step(part(root, slice(0, 1)), part(root, slice(7, 8)))
    wide = tensor((4,), "int16", index=1)
    as_bytes = replace(tensor((4,)), part=replace(one.part, whole=wide, index=None))  # type: ignore[type-var]
    assert step(wide, wide)
    assert step(wide, as_bytes, "QUANTIZE")
    assert not step(as_bytes, wide, "QUANTIZE")
    assert not step(low, low, "SOFTMAX")
    assert not step(high, part(root, slice(5, 8)))


def test_channels_in_step() -> None:
    """A depthwise convolution over itself: one channel in scratch, all channels in place."""
    x = tensor((1, 2, 2, 3), index=1)

    def step(out: Tensor, *scratch: int, source: Tensor = x) -> bool:
        return _in_step(source, out, item("DEPTHWISE_CONV_2D", [source], out, 0, scratch))

    assert step(x, 4)
    assert step(x, 9, 4)
    assert not step(x)
    assert not step(x, 3)
    assert not step(x, 5)
    assert not step(x, 4, 9)
    lower = part(x, slice(0, 1), slice(1, 2))
    upper = part(x, slice(0, 1), slice(0, 1))
    assert step(upper, 2, source=lower)
    assert step(lower, 2, source=upper) == step(upper, 2, source=lower)
    shifted = part(x, slice(0, 1), slice(0, 2), slice(0, 2), slice(1, 3))
    narrow = part(x, slice(0, 1), slice(0, 2), slice(0, 2), slice(0, 2))
    assert not step(shifted, 4, source=narrow)


def planned(*words: int, tensors: int = 2, extra: bytes = b"") -> bytes:
    b = ModelBuilder()
    g = b.subgraph("main")
    for number in range(tensors):
        g.output(g.input(f"x{number}", (16,), "int8"))
    b.metadata("other", b"\1\2\3\4")
    b.metadata("OfflineMemoryAllocation", struct.pack(f"<{len(words)}i", *words) + extra)
    return b.finish()


def offline(data: bytes) -> list[int | None]:
    return [request.offline_offset for request in buffer_requests(prepare_model(data))]


def test_offline_plans() -> None:
    """Three words, then an offset for each tensor; more words, and bytes behind them, are nothing.

    -1 leaves a tensor to the planner.
    """
    assert offline(planned(1, 0, 2, 48, 0)) == [48, 0]
    assert offline(planned(1, 0, 2, -1, 16)) == [None, 16]
    assert offline(planned(1, 0, 2, -1, 16, 32)) == [None, 16]
    assert offline(planned(9, 9, 2, 48, 0, extra=b"\1\2\3")) == [48, 0]
    assert offline(planned(1, 0, 1, 32, tensors=1)) == [32]
    prepared = prepare_model(planned(1, 0, 2, 48, 0))
    assert [r.offline_offset for r in buffer_requests(prepared, offline=False)] == [None, None]


@pytest.mark.parametrize(
    "words", [(1, 0), (1, 0, 3, 0, 0, 0), (1, 0, 1, 0), (1, 0, 2, 0), (1, 0, 2), (), None]
)
def test_offline_plans_of_another_model(words: tuple[int, ...] | None) -> None:
    """`verify` refuses such files; here they come from elsewhere. None is a buffer of no bytes."""
    prepared = prepare_model(planned(1, 0, 2, 0, 16))
    model = prepared.graph.model
    buffers = list(model.buffers)
    contents = None if words is None else memoryview(struct.pack(f"<{len(words)}i", *words))
    buffers[model.metadata[1].buffer] = contents
    graph = replace(prepared.graph, model=replace(model, buffers=tuple(buffers)))
    with pytest.raises(ArenaError) as error:
        buffer_requests(replace(prepared, graph=graph))
    assert error.value.message == (
        "the OfflineMemoryAllocation metadata must have 3 + 2 int32 words, "
        "the third saying 2 tensors"
    )
    assert error.value.hint == "the plan belongs to another version of the model: plan again"


def test_offline_offsets_below_zero() -> None:
    for offset in (-2, -16):
        with pytest.raises(ArenaError) as error:
            offline(planned(1, 0, 2, 0, offset))
        assert error.value.message == f"offline offset {offset} of tensor (0, 1) is negative"


def test_requests_count_uses() -> None:
    """The first creation, the last use."""
    request = Request(4)
    assert (request.first, request.last, request.offline_offset) == (-1, -1, None)
    request.create(0)
    request.create(3)
    request.use(2)
    request.use(5)
    assert (request.first, request.last) == (0, 5)

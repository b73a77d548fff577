"""What the checkers of plans say, with their figures, both sides of each bound; offline plans."""

from __future__ import annotations

import re
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


def figures(message: str) -> list[int]:
    """The numbers in a message; a buffer's may stand with the main subgraph's or without."""
    return [int(number) for number in re.findall(r"-?\d+", message.replace("(0, ", ""))]


def found(prepared: Prepared, made: Plan) -> list[tuple[str, list[int], Where]]:
    return [(p.rule, figures(p.message), p.where) for p in check_plan(prepared, made)]


def test_places() -> None:
    """y lies at 0 and x at 16, in a head of 32 bytes: the tensor, from, to, and what is wanted."""
    prepared = relu()
    made = plan(prepared)
    assert [p.offset for p in made.placed] == [16, 0]
    assert found(prepared, made) == []
    assert found(prepared, moved(made, 0, offset=17)) == [
        ("aligned", [0, 17, 33, 16], NOWHERE),
        ("inside_head", [0, 17, 33, 32], NOWHERE),
    ]
    assert found(prepared, moved(made, 0, offset=32)) == [("inside_head", [0, 32, 48, 32], NOWHERE)]
    assert found(prepared, moved(made, 0, offset=-16)) == [
        ("inside_head", [0, -16, 0, 32], NOWHERE)
    ]
    assert found(prepared, moved(made, 0, size=15)) == [("placed", [0, 16, 31, 16], Where(0))]
    out = prepared.subgraphs[0][0].node.outputs[0]
    at_op = prepared.subgraphs[0][0].node.where(out)
    for placed, where in ((made.placed[:1], at_op), (made.placed[1:], Where(0))):
        (problem,) = check_plan(prepared, replace(made, placed=placed))
        assert (problem.rule, problem.where) == ("placed", where)
        assert problem.message == "16 bytes have no place in the arena"


def test_overlaps() -> None:
    """Of one byte; both are named, the lower first; each pair once."""
    prepared = relu()
    made = plan(prepared)
    at_op = prepared.subgraphs[0][0].node.where()
    one_byte = moved(made, 1, size=17)
    assert found(prepared, one_byte) == [("overlap", [1, 0, 17, 0, 16, 32], at_op)]
    same = moved(made, 0, offset=0)
    assert found(prepared, same) == [("overlap", [0, 0, 16, 1, 0, 16], at_op)]
    (problem,) = check_plan(prepared, same)
    assert problem.message.endswith("are alive at the same time")


def test_overlaps_with_the_one_that_reaches_furthest() -> None:
    """Three inputs: the first covers both others, which do not touch each other."""
    b = ModelBuilder()
    g = b.subgraph("main")
    for name in "abc":
        g.input(name, (16,), "int8")
    prepared = prepare_model(b.finish())
    made = plan(prepared, "linear")
    assert found(prepared, moved(made, 0, size=48)) == [
        ("overlap", [0, 0, 48, n, 16 * n, 16 * n + 16], Where(0)) for n in (1, 2)
    ]
    assert found(prepared, moved(made, 0, size=16)) == []
    assert len(found(prepared, moved(made, 0, size=33))) == 2


def test_scratch_has_a_place_too() -> None:
    """It lies behind two tensors of 32 bytes: number 0 of op 0."""
    prepared = prepare_model(copies(1), registry=scratch_registry(20))
    made = plan(prepared, "linear")
    at_op = prepared.subgraphs[0][0].node.where()
    assert found(prepared, made) == []
    gone = replace(made, placed=made.placed[:2])
    assert found(prepared, gone) == [("placed", [20], at_op)]
    small = moved(made, 2, size=19)
    assert found(prepared, small) == [("placed", [0, 0, 64, 83, 20], at_op)]
    (problem,) = check_plan(prepared, small)
    assert problem.message.startswith("scratch ")


def mask(size: int, *alive: int) -> Any:
    made = np.zeros(size, np.bool_)
    made[list(alive)] = True
    return made


def collisions(head: int = 8, **offsets: int) -> list[tuple[str, list[int]]]:
    """Buffer a has bytes 0 and 3, b has byte 1, c has none; keys (0, 1) to (0, 3)."""
    alive = {(0, 1): mask(4, 0, 3), (0, 2): mask(3, 1), (0, 3): mask(3)}
    places = {(0, "abc".index(name) + 1): offset for name, offset in offsets.items()}
    problems = list(_collisions(alive, places, head, HERE))
    assert {p.where for p in problems} <= {HERE}
    return [(p.rule, figures(p.message)) for p in problems]


def test_bytes_that_two_buffers_want() -> None:
    """The second one is named, with its offset."""
    assert collisions(a=0, b=0) == []  # at 1
    assert collisions(a=0, b=1) == []
    assert collisions(a=0, b=2) == [("overlap", [2, 2])]
    assert collisions(a=0, b=-1) == [("overlap", [2, -1])]
    assert collisions(a=0, b=3) == []
    assert collisions(a=2, b=1) == [("overlap", [2, 1])]
    assert collisions(a=2, b=0) == []


def behind(**offsets: int) -> list[int]:
    """Buffers that leave the head; the message ends with its 8 bytes."""
    problems = collisions(**offsets)
    assert all(rule == "inside_head" and numbers[-1] == 8 for rule, numbers in problems)
    return [numbers[0] for _, numbers in problems]


def test_bytes_behind_the_head() -> None:
    assert behind(a=4, b=0) == []
    assert behind(a=5, b=0) == [1]
    assert behind(a=-1, b=6) == [1]
    assert behind(a=0, b=6) == []
    assert behind(a=0, b=7) == [2]
    assert behind(a=0, b=-2) == [2]
    assert behind(a=-1, b=7) == [1, 2]
    assert collisions(head=4, a=0, b=0) == []


def test_bytes_without_a_place() -> None:
    assert collisions(b=0) == [("placed", [1])]
    assert collisions(a=0) == [("placed", [2])]
    assert collisions() == [("placed", [1]), ("placed", [2])]


def test_bytes_that_nobody_writes() -> None:
    """Inputs are given: input 1 is the lower half of a buffer of four bytes, 2 is another one."""
    inputs = (part(tensor((4,), index=1), slice(0, 2)), tensor((3,), index=2))
    graph = SimpleNamespace(main=SimpleNamespace(inputs=inputs))
    prepared: Any = SimpleNamespace(graph=graph)

    def said(key: tuple[int, int], *alive: int) -> list[tuple[str, list[int]]]:
        problems = _unwritten(prepared, {key: mask(4, *alive)})
        return [(p.rule, figures(p.message)) for p in problems]

    assert said((0, 1), 0, 1) == []
    assert said((0, 1), 0, 1, 2) == [("written", [1, 1])]
    assert said((0, 1), 0, 2, 3) == [("written", [2, 1])]
    assert said((0, 7), 1, 2, 3) == [("written", [3, 7])]
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


def test_every_output_is_held_against_the_inputs() -> None:
    """The first of two has a buffer of its own, the second lies over the input's last row."""
    root = tensor((4, 6), index=1)
    x, own, over = part(root, slice(0, 2)), tensor((2, 6), index=2), part(root, slice(1, 3))
    made = site("SPLIT", [x], own, over)
    (problem,) = _written_over(PreparedNode(made.node, made.kernel))
    assert (problem.rule, problem.where) == ("in_place", made.node.where(over))


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
        assert error.value.message.startswith(f"offline offset {offset}")
        assert re.search(r"tensor (\(0, )?1\b", str(error.value))


def test_requests_count_uses() -> None:
    """The first creation, the last use."""
    request = Request(4)
    assert (request.first, request.last, request.offline_offset) == (-1, -1, None)
    request.create(0)
    request.create(3)
    request.use(2)
    request.use(5)
    assert (request.first, request.last) == (0, 5)

"""Lifetimes and greedy plans worked by hand, the plan checker's findings, the poison trace."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from microinterp import Interpreter
from microinterp.arena.check import check_plan
from microinterp.arena.greedy import greedy_offsets
from microinterp.arena.lifetimes import UNUSED, Request, buffer_requests
from microinterp.arena.plan import Plan, plan
from microinterp.arena.poison import PATTERNS, Poison
from microinterp.errors import ArenaError
from microinterp.graph import Node
from microinterp.kernels import default_registry
from microinterp.model_builder import ModelBuilder
from microinterp.prepare import Arrays, Context, Kernel, Prepared
from microinterp.registry import Op, Registry
from tests.models import chain_model
from tests.random_graphs import random_graphs


def prepared(data: bytes, registry: Registry | None = None) -> Prepared:
    return Interpreter.from_bytes(data, registry=registry).prepared


def spans(data: bytes, registry: Registry | None = None) -> dict[tuple[int, ...], tuple[int, int]]:
    """First and last scope by buffer, in the order of the requests."""
    found = {}
    for request in buffer_requests(prepared(data, registry)):
        key = request.tensor or request.scratch
        assert key is not None
        found[key] = request.first, request.last
    return found


def test_lifetimes_of_a_branch() -> None:
    """x is read again by op 3; one tensor has no op; the constant is not planned."""
    b = ModelBuilder()
    g = b.subgraph("main")
    x = g.input("x", (4,), "int8")
    unused = g.tensor("unused", (9,), "int8")
    c = g.constant("c", np.zeros(4, np.int8))
    one, two, joined = (g.tensor(n, (s,), "int8") for n, s in (("a", 4), ("b", 8), ("c", 12)))
    g.op("RESHAPE", [x], [one], new_shape=[4])
    g.op("CONCATENATION", [one, c], [two])
    g.op("CONCATENATION", [x, two], [joined])
    g.output(joined)
    g.output(one)
    assert spans(b.finish()) == {
        (0, x): (0, 3),
        (0, unused): (UNUSED, UNUSED),
        (0, one): (1, 3),  # an output lives to the end
        (0, two): (2, 3),
        (0, joined): (3, 3),
    }


def test_lifetimes_through_call_once() -> None:
    """The op is scope 1, entering its subgraph scope 2, the subgraph's ops 3 to 5; then main's."""
    b = ModelBuilder()
    g = b.subgraph("main")
    x, y = g.input("x", (4,), "int8"), g.tensor("y", (4,), "int8")
    g.op("CALL_ONCE", [], [], init_subgraph_index=1)
    g.op("RESHAPE", [x], [y], new_shape=[4])
    g.output(y)
    init = b.subgraph("init")
    zeros = init.constant("zeros", np.zeros(4, np.int8))
    handle = init.tensor("handle", (), "resource")
    copy = init.tensor("copy", (4,), "int8")
    init.op("VAR_HANDLE", [], [handle], shared_name="v")
    init.op("RESHAPE", [zeros], [copy], new_shape=[4])
    init.op("ASSIGN_VARIABLE", [handle, copy], [])
    assert spans(b.finish()) == {(0, x): (0, 6), (0, y): (6, 6), (1, copy): (4, 5)}


def scratch_registry(*sizes: int) -> Registry:
    """With a custom op COPY whose kernel asks for scratch."""

    def evaluate(params: None, arrays: Arrays) -> None:
        for scratch in arrays.scratch:
            scratch[...] = 77
        arrays.outputs[0][...] = arrays.inputs[0]

    def prepare_copy(node: Node, context: Context) -> Kernel:
        return Kernel(evaluate, scratch=sizes)

    return default_registry().with_op(Op("COPY", prepare_copy, is_custom=True))


def copies(length: int = 2) -> bytes:
    """COPY after COPY: tensors 0 (input) to `length` (output), 20 bytes each."""
    b = ModelBuilder()
    g = b.subgraph("main")
    last = g.input("in", (20,), "int8")
    for i in range(length):
        following = g.tensor(f"t{i}", (20,), "int8")
        g.custom_op("COPY", [last], [following])
        last = following
    g.output(last)
    return b.finish()


def test_scratch_follows_the_tensors_and_lives_for_its_op() -> None:
    assert spans(copies(), scratch_registry(20, 0)) == {
        (0, 0): (0, 1),
        (0, 1): (1, 2),
        (0, 2): (2, 2),
        (0, 0, 0): (1, 1),
        (0, 0, 1): (1, 1),
        (0, 1, 0): (2, 2),
        (0, 1, 1): (2, 2),
    }


def test_scratch_is_planned_like_a_tensor() -> None:
    """All take 32 bytes, so the last added goes first: scratch of op 1 and of op 0 at 0 (they
    never meet), tensor 2 behind scratch 1, tensor 1 behind both, tensor 0 where tensor 2 is."""
    interpreter = Interpreter.from_bytes(copies(), registry=scratch_registry(20))
    arena = interpreter.arena
    assert dict(arena.plan.scratch) == {(0, 0, 0): 0, (0, 1, 0): 0}
    assert dict(arena.offsets) == {2: 32, 1: 64, 0: 32}
    assert arena.head_bytes == 96


def offsets(*buffers: tuple[int, int, int, int | None] | tuple[int, int, int]) -> list[int]:
    """Greedy offsets of (size, first, last[, offline offset])."""
    requests = [
        Request(size, first, last, offline_offset=rest[0] if rest else None)
        for size, first, last, *rest in buffers
    ]
    return greedy_offsets(requests, [request.nbytes for request in requests])


def test_equal_sizes_the_later_one_goes_first() -> None:
    assert offsets((16, 0, 1), (16, 0, 1), (16, 1, 1)) == [32, 16, 0]


def test_by_falling_size_into_the_lowest_gap() -> None:
    """64 first; then the two of 32, the later one first, both behind it (they never meet); the
    last one meets all of them."""
    assert offsets((32, 0, 1), (64, 1, 2), (32, 2, 3), (16, 0, 3)) == [64, 0, 64, 96]


def test_a_gap_is_filled_where_it_is_large_enough() -> None:
    """64 at 0, 48 behind it at 64. The next does not meet the 64 and takes 0; the last meets all
    but the 64, and fits between them exactly, or not."""
    assert offsets((64, 0, 0), (48, 0, 1), (32, 1, 3), (32, 1, 2)) == [0, 64, 32, 0]
    assert offsets((64, 0, 0), (48, 1, 2), (48, 0, 1), (32, 1, 3)) == [0, 0, 64, 112]


def test_unused_buffers_meet_only_each_other() -> None:
    assert offsets((32, 0, 3), (48, UNUSED, UNUSED), (16, UNUSED, UNUSED)) == [0, 0, 48]


def test_offline_offsets_are_taken_as_they_are() -> None:
    """Two that overlap stay so; the others go around them, below where there is room."""
    assert offsets((16, 0, 5, 32), (32, 0, 5, 40), (32, 0, 5), (48, 0, 5)) == [32, 40, 0, 72]
    assert offsets((16, 0, 5), (16, 0, 5, 0), (16, 0, 5, 64)) == [16, 0, 64]


def test_no_buffers() -> None:
    assert offsets() == []


def test_head_of_an_empty_graph() -> None:
    b = ModelBuilder()
    b.subgraph("main")
    assert Interpreter.from_bytes(b.finish()).arena.head_bytes == 0


def test_unknown_planner() -> None:
    with pytest.raises(ArenaError, match="there are: tflm, best, linear"):
        plan(prepared(chain_model()), "worst")


def moved(source: Plan, key: tuple[int, ...], **changes: int) -> Plan:
    """A plan with one buffer's place changed."""
    placed = tuple(
        replace(p, **changes) if key in (p.request.tensor, p.request.scratch) else p
        for p in source.placed
    )
    return replace(source, placed=placed, head_bytes=source.head_bytes)


def rules(checked: Prepared, changed: Plan) -> list[str]:
    return [problem.rule for problem in check_plan(checked, changed)]


@given(data=random_graphs(), choice=st.randoms(use_true_random=False))
def test_planted_overlaps_are_found(data: bytes, choice: random.Random) -> None:
    """An output moved onto an input of its op, wherever that is in the graph."""
    checked = prepared(data)
    sound = plan(checked)
    node = choice.choice(checked.graph.main.nodes)
    read = next(t for t in node.inputs if (0, t.index) in sound.tensors)
    target = sound.tensors[0, read.index]
    changed = moved(sound, (0, node.outputs[0].index), offset=target)
    assert "overlap" in rules(checked, changed)


def test_overlap_with_what_is_needed_later() -> None:
    """x is read by the last op: op 1 may not write over it, though it does not read it."""
    b = ModelBuilder()
    g = b.subgraph("main")
    x = g.input("x", (16,), "int8")
    one, two, out = (g.tensor(n, (16,), "int8") for n in ("one", "two", "out"))
    last = g.tensor("last", (32,), "int8")
    for read, written in ((x, one), (one, two), (two, out)):
        g.op("RESHAPE", [read], [written], new_shape=[16])
    g.op("CONCATENATION", [x, out], [last])
    g.output(last)
    checked = prepared(b.finish())
    sound = plan(checked)
    assert rules(checked, sound) == []
    (problem,) = check_plan(checked, moved(sound, (0, two), offset=sound.tensors[0, x]))
    assert (problem.rule, problem.where.op_index) == ("overlap", 1)
    assert "tensor 0 at" in problem.message
    assert "tensor 2 at" in problem.message
    # `one` is dead when op 2 writes `out`
    assert rules(checked, moved(sound, (0, one), offset=sound.tensors[0, out])) == []


def test_overlap_of_inputs_outputs_and_scratch() -> None:
    checked = prepared(copies(1), scratch_registry(20))
    sound = plan(checked)
    start = sound.tensors[0, 0]
    assert rules(checked, moved(sound, (0, 0, 0), offset=start)) == ["overlap"]
    b = ModelBuilder()
    g = b.subgraph("main")
    for name in ("a", "b"):  # nobody reads them, but both are set before the invoke
        g.input(name, (16,), "int8")
    checked = prepared(b.finish())
    assert rules(checked, moved(plan(checked), (0, 0), offset=0)) == ["overlap"]


def test_overlap_with_what_the_caller_of_a_subgraph_holds() -> None:
    b = ModelBuilder()
    g = b.subgraph("main")
    x = g.input("x", (4,), "int8")
    g.op("CALL_ONCE", [], [], init_subgraph_index=1)
    g.output(x)
    init = b.subgraph("init")
    copy = init.tensor("copy", (4,), "int8")
    init.op("RESHAPE", [init.constant("c", np.zeros(4, np.int8))], [copy], new_shape=[4])
    checked = prepared(b.finish())
    sound = plan(checked)
    assert rules(checked, sound) == []
    (problem,) = check_plan(checked, moved(sound, (1, copy), offset=sound.tensors[0, x]))
    assert (problem.where.subgraph, problem.where.op_index) == (1, 0)


def test_bad_places_are_found() -> None:
    checked = prepared(chain_model())
    sound = plan(checked)
    assert rules(checked, moved(sound, (0, 0), offset=8)) == ["aligned", "overlap"]
    assert rules(checked, moved(sound, (0, 0), offset=32)) == ["inside_head"]
    assert rules(checked, moved(sound, (0, 0), offset=-16)) == ["inside_head"]
    assert rules(checked, moved(sound, (0, 0), size=0)) == ["placed"]
    gone = replace(sound, placed=sound.placed[1:])
    assert rules(checked, gone) == ["placed"]


def test_poison_fills_what_is_dead() -> None:
    """After an invoke of the chain only its output is left; the rest has the last pattern."""
    interpreter = Interpreter.from_bytes(chain_model())
    interpreter.set_input(np.array([1, 2, 3, 4], np.int8).reshape(1, 2, 2, 1), 0)
    poison = Poison()
    interpreter.invoke(poison)
    assert interpreter.get_output(0).ravel().tolist() == [-1, -2, -3, -4]
    arena = interpreter.arena
    (output,) = interpreter.graph.main.outputs
    kept = arena.offsets[output.index]
    head = bytearray(arena.memory[: arena.head_bytes])
    del head[kept : kept + 16]
    assert set(head) == {PATTERNS[3]}  # begin and three ops
    assert poison.poisoned > 0


def test_poison_finds_a_kernel_that_reads_what_is_gone() -> None:
    """PEEK looks at the memory of the model's input, which no op needs any more."""
    seen: list[npt.NDArray[Any]] = []

    def copy(params: None, arrays: Arrays) -> None:
        assert arrays.inputs[0] is not None
        seen.append(arrays.inputs[0])
        arrays.outputs[0][...] = seen[0]

    def prepare_copy(node: Node, context: Context) -> Kernel:
        return Kernel(copy)

    registry = default_registry().with_op(Op("COPY", prepare_copy, is_custom=True))
    x = np.arange(20, dtype=np.int8)
    results = []
    for trace in (None, Poison()):
        seen.clear()
        interpreter = Interpreter.from_bytes(copies(2), registry=registry)
        interpreter.set_input(x, 0)
        interpreter.invoke(trace)
        results.append(interpreter.get_output(0))
    assert results[0].tolist() == x.tolist()
    assert results[1].tolist() != x.tolist()

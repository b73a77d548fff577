"""Poison and canaries in graphs that passes have cut: dead rows are overwritten, others are not."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from microinterp import Interpreter
from microinterp.arena.byte_liveness import byte_liveness
from microinterp.arena.plan import plan_pieces
from microinterp.arena.poison import CANARY, PATTERNS, Poison
from microinterp.binding import Binding, Step, bind
from microinterp.graph import Node
from microinterp.kernels import default_registry
from microinterp.model_builder import ModelBuilder
from microinterp.prepare import Arrays, Context, Kernel
from microinterp.registry import Registry
from tests.passes.checking import (
    cut_rows,
    poisoned_outputs,
    prepared_of,
    samples_for,
    usual_outputs,
)
from tests.passes.nets import ImageNet

ROW = 4 * 4
"""Bytes of a row of all images here."""


def rows_model() -> bytes:
    """x [4, 4, 4] -> 3x3 -> t1 -> RELU -> t2; the convolution runs in four rows."""
    net = ImageNet((4, 4, 4))
    net.conv(4, 3)
    net.relu()
    return net.finish()


def rows_of(mask: npt.NDArray[np.bool_]) -> str:
    """A letter for each row: x is alive, . is dead; rows of which a part lives fail."""
    found = mask.reshape(-1, ROW)
    assert np.all(found.all(axis=1) == found.any(axis=1))
    return "".join("x" if row.all() else "." for row in found)


def test_liveness_of_rows_by_hand() -> None:
    """Row i of the output needs rows i - 1 to i + 1 of the input, which die one by one."""
    made = cut_rows(prepared_of(rows_model()))
    x, t1 = (0, 0), (0, made.graph.main.nodes[0].outputs[0].root.index)
    forwards = [item.node.output().name for item in made.subgraphs[0][:4]]
    assert forwards == ["t1[0:1,0:4]", "t1[1:2,0:4]", "t1[2:3,0:4]", "t1[3:4,0:4]"]
    alive = byte_liveness(made)
    assert [rows_of(m[x]) for m in alive.during[:4]] == ["xxxx", "xxxx", ".xxx", "..xx"]
    assert [rows_of(m[t1]) for m in alive.during[:4]] == ["x...", "xx..", "xxx.", "xxxx"]
    assert [rows_of(m[x]) for m in alive.after[:3]] == ["xxxx", ".xxx", "..xx"]
    assert x not in alive.after[3]
    assert [rows_of(m[t1]) for m in alive.after[:4]] == ["x...", "xx..", "xxx.", "xxxx"]
    assert rows_of(alive.at_entry[x]) == "xxxx"
    assert not alive.at_entry[t1].any()


class Watch(Poison):
    """Looks at the memory behind each op, once the poison has been laid."""

    def __init__(self) -> None:
        super().__init__()
        self.heads: list[bytes] = []
        self.binding: Binding | None = None

    def begin(self, binding: Binding) -> None:
        super().begin(binding)
        self.binding = binding
        self.heads.append(bytes(binding.memory[: binding.plan.head_bytes]))

    def after(self, step: Step) -> None:
        super().after(step)
        assert self.binding is not None
        self.heads.append(bytes(self.binding.memory[: self.binding.plan.head_bytes]))


def test_every_dead_byte_is_overwritten_and_no_living_one() -> None:
    """Worked out with the masks by hand above: what is alive stays, all else has the pattern."""
    made = cut_rows(prepared_of(rows_model()))
    plan = plan_pieces(made)
    binding, watch = bind(made, plan), Watch()
    image = np.arange(64, dtype=np.int8).reshape(1, 4, 4, 4)
    binding.of(made.graph.main.inputs[0])[...] = image
    binding.run(watch)
    alive = byte_liveness(made)
    dead_bytes = 0
    for moment, masks in enumerate((alive.at_entry, *alive.after)):
        is_dead = np.ones(plan.head_bytes, np.bool_)
        for key, mask in masks.items():
            offset = plan.tensors[key[0], key[1]]
            is_dead[offset : offset + len(mask)] &= ~mask
        head = np.frombuffer(watch.heads[moment], np.uint8)
        assert np.all(head[is_dead] == PATTERNS[moment % 4])
        dead_bytes += int(is_dead.sum())
    assert watch.poisoned == dead_bytes > 0
    assert len(watch.heads) == 1 + 5
    x = plan.tensors[0, 0]
    assert watch.heads[0][x : x + 64] == image.tobytes()
    assert watch.heads[2][x + ROW : x + 64] == image.tobytes()[ROW:]


def with_evil(op: str, do: object) -> Registry:
    """Every operator, but one kernel does something else besides, when it has run."""
    registry = default_registry()
    known = next(entry for entry in registry if entry.name == op)

    def prepare(node: Node, context: Context) -> Kernel:
        kernel = known.prepare(node, context)

        def evaluate(params: object, arrays: Arrays) -> None:
            kernel.evaluate(params, arrays)
            assert callable(do)
            do(arrays)

        return replace(kernel, evaluate=evaluate)

    return registry.with_op(replace(known, prepare=prepare))


@pytest.mark.parametrize("at", [0, 1, 255])
@pytest.mark.parametrize("passes", ["none", ["in-place"], ["overlap"], "auto"])
def test_a_byte_behind_the_plan_is_watched(passes: str | list[str], at: int) -> None:
    """The op that writes it is named, each time that it does."""
    data, found = rows_model(), []
    needed = Interpreter.from_bytes(data, passes=passes).arena

    def trespass(arrays: Arrays) -> None:
        found[0].arena.memory[needed.head_bytes + at] = 1

    registry = with_evil("RELU", trespass)
    evil = Interpreter.from_bytes(
        data, arena_size=needed.size + 256, passes=passes, registry=registry, kernels="plain"
    )
    found.append(evil)
    poison = Poison()
    for _ in range(2):
        evil.set_input(np.zeros((1, 4, 4, 4), np.int8), 0)
        evil.invoke(poison)
    last = len(evil.prepared.subgraphs[0]) - 1
    assert poison.trespassed == [(0, last)] * 2
    assert evil.arena.memory[needed.head_bytes + (at + 1) % 256] == CANARY


def test_a_byte_that_the_plan_has_given_away_changes_outputs() -> None:
    """The last op looks at a byte that nobody needs any more: poison shows it."""
    net = ImageNet((4, 4, 4))
    net.conv(4, 3)
    net.relu()
    net.pool("MAX_POOL_2D", 4, 1)
    found: list[tuple[Binding, int]] = []

    def peep(arrays: Arrays) -> None:
        ((binding, byte),) = found
        arrays.outputs[0][0, 0, 0, 0] = binding.memory[byte] & 0x7F

    registry = with_evil("MAX_POOL_2D", peep)
    prepared = Interpreter.from_bytes(net.finish(), registry=registry, kernels="plain").prepared
    made = cut_rows(prepared)
    plan = plan_pieces(made)
    is_dead = np.ones(plan.head_bytes, np.bool_)
    for key, mask in byte_liveness(made).during[-1].items():
        offset = plan.tensors[key[0], key[1]]
        is_dead[offset : offset + len(mask)] &= ~mask
    byte, outputs = int(np.flatnonzero(is_dead)[0]), []
    for trace in (None, Poison()):
        binding = bind(made, plan)
        found[:] = [(binding, byte)]
        binding.of(made.graph.main.inputs[0])[...] = np.full((1, 4, 4, 4), 7, np.int8)
        binding.run(trace)
        outputs.append(binding.of(made.graph.main.outputs[0]).tobytes())
    assert outputs[0] != outputs[1]
    assert outputs[1][0] in [pattern & 0x7F for pattern in PATTERNS]


def test_patterns_are_pairs_of_opposites() -> None:
    """Whatever a byte held, each of its bits is turned by one pattern of a pair."""
    assert PATTERNS[0] ^ PATTERNS[1] == PATTERNS[2] ^ PATTERNS[3] == 0xFF
    assert len({*PATTERNS, CANARY}) == 5


def test_what_two_callers_hold_is_left_alone() -> None:
    """x waits in the main subgraph while one subgraph runs another, whose op is poisoned behind."""
    b = ModelBuilder()
    graphs = [b.subgraph(name) for name in ("main", "middle", "inner")]
    for g, callee in itertools.pairwise(graphs):
        g.op("CALL_ONCE", [], [], init_subgraph_index=callee.index)
    g, _, inner = graphs
    x, y = (g.tensor(name, (16,), "int8", scale=1.0, zero_point=0) for name in "xy")
    g.as_input(x)
    g.op("RELU", [x], [y])
    g.output(y)
    sevens = inner.constant("c", np.full(16, 7, np.int8), scale=1.0, zero_point=0)
    inner.op("RELU", [sevens], [inner.tensor("t", (16,), "int8", scale=1.0, zero_point=0)])
    interpreter, poison = Interpreter.from_bytes(b.finish()), Poison()
    interpreter.set_input(np.full(16, 3, np.int8), 0)
    interpreter.invoke(poison)
    assert interpreter.get_output(0).tolist() == [3] * 16
    assert poison.poisoned > 0


def test_one_poison_for_two_interpreters() -> None:
    """It learns the other plan anew, whether that one has been cut or not."""
    data = rows_model()
    poison, samples = Poison(), samples_for(data, 1)
    wanted = usual_outputs(data, samples)[0][0]
    for passes in ("none", "auto", "none", ["overlap"], ["in-place"]):
        interpreter = Interpreter.from_bytes(data, passes=passes)
        for _ in range(2):
            assert samples[0] is not None
            interpreter.set_input(samples[0][0], 0)
            interpreter.invoke(poison)
            assert interpreter.get_output(0).tobytes() == wanted
    assert poison.trespassed == []


def test_variables_lie_behind_the_canaries() -> None:
    """The tail is not poisoned: what it holds is the next invoke's."""
    net = ImageNet((4, 4, 4))
    memory = net.variable()
    net.add(memory)
    total = net.at
    net.write(memory, "RELU", [0], net.size)
    net.go(total, (4, 4, 4))
    net.conv(4, 3)
    data = net.finish()
    samples = samples_for(data, 4)
    wanted = usual_outputs(data, samples)
    made = cut_rows(prepared_of(data))
    assert poisoned_outputs(made, plan_pieces(made), samples) == wanted
    assert wanted[1] != wanted[0]

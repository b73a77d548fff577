"""reorder: orders are legal, and about as good as the best of all legal ones."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise, permutations

import numpy as np
import pytest

from microinterp.arena.plan import plan
from microinterp.model_builder import ModelBuilder, SubGraphBuilder
from microinterp.passes.reorder import reorder
from microinterp.prepare import Prepared
from tests.passes.checking import check_pieces, prepared_of, samples_for, usual_outputs

NUMBERS = {"scale": 0.5, "zero_point": 3}
Reads = list[list[int]]
"""For each op the tensors that it reads: 0 is the model's input, i + 1 what op i writes."""


def order_of(prepared: Prepared) -> list[int]:
    """Numbers that the ops have in the file, in the order in which they run."""
    return [item.node.file_index for item in prepared.subgraphs[0]]


class Sums:
    """A model of sums of vectors whose lengths vary: CONCATENATION of one to three tensors."""

    def __init__(self, seed: int, ops: int) -> None:
        chance = random.Random(seed)
        self.builder = ModelBuilder()
        g = self.builder.subgraph("main")
        self.sizes = [16 * chance.randint(1, 4)]
        numbers = [g.input("x", (self.sizes[0],), "int8", **NUMBERS)]
        self.reads: Reads = []
        for i in range(ops):
            read = chance.sample(range(len(numbers)), min(len(numbers), chance.randint(1, 3)))
            self.reads.append(read)
            self.sizes.append(sum(self.sizes[j] for j in read))
            if len(read) == 1 and chance.random() < 0.7:
                self.sizes[-1] = 16 * chance.randint(1, self.sizes[read[0]] // 16)
                numbers.append(g.tensor(f"t{i}", (self.sizes[-1],), "int8", **NUMBERS))
                ends = [g.constant("c", np.array([end], np.int32)) for end in (0, self.sizes[-1])]
                g.op("SLICE", [numbers[read[0]], *ends], [numbers[-1]])
            else:
                numbers.append(g.tensor(f"t{i}", (self.sizes[-1],), "int8", **NUMBERS))
                g.op("CONCATENATION", [numbers[j] for j in read], [numbers[-1]], axis=0)
        used = {j for read in self.reads for j in read}
        self.outputs = [j for j in range(1, len(numbers)) if j not in used]
        for j in self.outputs:
            g.output(numbers[j])

    def legal(self) -> Iterator[tuple[int, ...]]:
        """Every order in which each op follows those whose results it reads."""
        for order in permutations(range(len(self.reads))):
            place = {op: i for i, op in enumerate(order)}
            if all(
                place[j - 1] < place[op] for op, read in enumerate(self.reads) for j in read if j
            ):
                yield order

    def peak(self, order: Sequence[int]) -> int:
        """The most bytes alive at one op, worked out from first and last uses."""
        first, last = {0: 0}, {0: 0}
        for moment, op in enumerate(order, start=1):
            for j in (*self.reads[op], op + 1):
                first.setdefault(j, moment)
                last[j] = moment
        for j in self.outputs:
            last[j] = len(order) + 1
        return max(
            sum(self.sizes[j] for j in first if first[j] <= moment <= last[j])
            for moment in range(len(order) + 2)
        )


def test_as_good_as_every_legal_order() -> None:
    """Random graphs of 6 ops: the beam of 200 holds all their partial orders, so it is exact."""
    gains = 0
    for seed in range(60):
        model = Sums(seed, 6)
        data = model.builder.finish()
        prepared = prepared_of(data)
        made = reorder(prepared)
        order = order_of(made)
        orders = list(model.legal())
        assert tuple(order) in orders
        best = min(map(model.peak, orders))
        assert model.peak(order) == best
        gains += best < model.peak(range(6))
        if made is not prepared:
            samples = samples_for(data, 2, seed)
            check_pieces(made, samples, usual_outputs(data, samples))
        else:
            assert model.peak(range(6)) == best
    assert gains > 15


def test_larger_graphs_get_no_worse() -> None:
    """25 ops: far more orders than the beam holds. Random legal ones beat it by a hair at most."""
    chance = random.Random(0)
    for seed in range(10):
        model = Sums(1000 + seed, 25)
        found = order_of(reorder(prepared_of(model.builder.finish())))
        assert sorted(found) == list(range(25))
        place = {op: i for i, op in enumerate(found)}
        assert all(place[j - 1] < place[op] for op in found for j in model.reads[op] if j)
        least = model.peak(found)
        assert least <= model.peak(range(25))
        for _ in range(100):
            assert least <= 1.02 * model.peak(random_legal(model, chance))


def random_legal(model: Sums, chance: random.Random) -> list[int]:
    """Any of the ops that can run next, until none is left."""
    done: list[int] = []
    while len(done) < len(model.reads):
        ready = [
            op
            for op, read in enumerate(model.reads)
            if op not in done and all(j == 0 or j - 1 in done for j in read)
        ]
        done.append(chance.choice(ready))
    return done


def test_a_wide_graph_by_hand() -> None:
    """x -> four long rows, each cut to 16 bytes -> joined: one long row at a time is enough.

    As in the file: x (16) and four rows of 64. Then: x, one row, and pieces of 16 before it; at the
    last row x + 64 + 3 * 16.
    """
    b = ModelBuilder()
    g = b.subgraph("main")
    x = g.input("x", (16,), "int8", **NUMBERS)
    rows, ends = [], []
    for i in range(4):
        rows.append(g.tensor(f"row{i}", (64,), "int8", **NUMBERS))
        g.op("CONCATENATION", [x] * 4, [rows[-1]], axis=0)
    for i, row in enumerate(rows):
        ends.append(g.tensor(f"end{i}", (16,), "int8", **NUMBERS))
        limits = [g.constant("c", np.array([n], np.int32)) for n in (16, 16)]
        g.op("SLICE", [row, *limits], [ends[-1]])
    y = g.tensor("y", (64,), "int8", **NUMBERS)
    g.op("CONCATENATION", ends, [y], axis=0)
    g.output(y)
    data = b.finish()
    prepared = prepared_of(data)
    assert plan(prepared, "best").head_bytes == 16 + 4 * 64
    made, samples = reorder(prepared), samples_for(data, 2)
    assert check_pieces(made, samples, usual_outputs(data, samples)).head_bytes == 16 + 64 + 3 * 16
    order = order_of(made)
    assert [order.index(i + 4) - order.index(i) for i in range(4)] == [1] * 4


def test_an_order_that_is_the_best_stays() -> None:
    b = ModelBuilder()
    g = b.subgraph("main")
    at = g.input("x", (16,), "int8", **NUMBERS)
    for i in range(5):
        out = g.tensor(f"t{i}", (16,), "int8", **NUMBERS)
        g.op("RELU", [at], [out])
        at = out
    g.output(at)
    prepared = prepared_of(b.finish())
    assert reorder(prepared) is prepared


class Variables:
    """Resource variables whose reads are large, so that it would pay to move them."""

    def __init__(self) -> None:
        self.builder = ModelBuilder()
        self.g = self.builder.subgraph("main")
        self.x = self.g.input("x", (256,), "int8", **NUMBERS)
        self.ends: list[int] = []

    def handle(self, name: str, g: SubGraphBuilder | None = None) -> int:
        g = g or self.g
        number = g.tensor(f"handle {name}", (), "resource")
        g.op("VAR_HANDLE", [], [number], shared_name=name, container="")
        return number

    def assign(self, name: str, value: int) -> None:
        self.g.op("ASSIGN_VARIABLE", [self.handle(name), value], [])

    def read(self, name: str) -> int:
        out = self.g.tensor(f"read {name}", (256,), "int8", **NUMBERS)
        self.g.op("READ_VARIABLE", [self.handle(name)], [out])
        return out

    def cut(self, value: int) -> None:
        """16 bytes of a value go to the output."""
        limits = [self.g.constant("c", np.array([n], np.int32)) for n in (32, 16)]
        self.ends.append(self.g.tensor("end", (16,), "int8", **NUMBERS))
        self.g.op("SLICE", [value, *limits], [self.ends[-1]])

    def changed(self, value: int) -> int:
        out = self.g.tensor("changed", (256,), "int8", **NUMBERS)
        self.g.op("RELU", [value], [out])
        return out

    def finish(self) -> bytes:
        y = self.g.tensor("y", (16 * len(self.ends),), "int8", **NUMBERS)
        self.g.op("CONCATENATION", self.ends, [y], axis=0)
        self.g.output(y)
        return self.builder.finish()


def reads_around_a_write() -> bytes:
    """v is read, written, read again, and all reads are cut only at the end."""
    v = Variables()
    before = v.read("v")
    v.assign("v", v.x)
    behind = v.read("v")
    other = v.changed(v.x)
    for value in (before, behind, other):
        v.cut(value)
    return v.finish()


def two_writes() -> bytes:
    """The last one counts; between them nobody reads."""
    v = Variables()
    old = v.read("v")
    v.assign("v", v.x)
    late = v.changed(v.x)
    v.assign("v", late)
    v.cut(old)
    v.cut(late)
    return v.finish()


def two_variables() -> bytes:
    """w takes v's old value, and v takes w's: a swap."""
    v = Variables()
    one, other = v.read("v"), v.read("w")
    v.assign("w", one)
    v.assign("v", other)
    fresh = v.read("w")
    v.assign("w", v.x)
    for value in (one, other, fresh):
        v.cut(value)
    return v.finish()


def by_call_once() -> bytes:
    """CALL_ONCE gives v its first value, behind a read of what was there before."""
    v = Variables()
    before = v.read("v")
    once = v.builder.subgraph("once")
    start = once.constant("start", np.arange(-128, 128).astype(np.int8), **NUMBERS)
    once.op("ASSIGN_VARIABLE", [v.handle("v", once), start], [])
    v.g.op("CALL_ONCE", [], [], init_subgraph_index=once.index)
    behind = v.read("v")
    v.assign("v", v.x)
    v.cut(before)
    v.cut(behind)
    return v.finish()


MODELS = (reads_around_a_write, two_writes, two_variables, by_call_once)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_reads_and_writes_of_a_variable_keep_their_order(model: Callable[[], bytes]) -> None:
    """In five invokes with a reset between, by what they give and what they leave behind."""
    data = model()
    made, samples = reorder(prepared_of(data)), samples_for(data, 6)
    samples[3] = None
    wanted = usual_outputs(data, samples)
    assert len({outputs[0] for outputs in wanted}) > 2
    check_pieces(made, samples, wanted)
    order = order_of(made)
    assert order != sorted(order), "nothing was moved, so that nothing is proved"
    items = made.subgraphs[0]
    uses: dict[int, list[tuple[int, bool]]] = {}
    for item in items:
        if item.node.name in ("READ_VARIABLE", "ASSIGN_VARIABLE"):
            handle = item.node.input(0)
            number = made.resources.handles[handle.subgraph, handle.index]
            is_write = item.node.name == "ASSIGN_VARIABLE"
            uses.setdefault(number, []).append((item.node.file_index, is_write))
    for found in uses.values():
        for (first, one_writes), (second, other_writes) in pairwise(found):
            assert first < second or not (one_writes or other_writes)
    assert any(writes for found in uses.values() for _, writes in found)


def test_ops_that_run_subgraphs_stay_where_they_are() -> None:
    """What stands before CALL_ONCE in the file runs before it."""
    made = reorder(prepared_of(by_call_once()))
    order = order_of(made)
    once = next(i.node.file_index for i in made.subgraphs[0] if i.node.name == "CALL_ONCE")
    assert all((order.index(op) < order.index(once)) == (op < once) for op in order if op != once)


@pytest.mark.slow
def test_wide_and_deep_is_quick() -> None:
    """150 ops that can all run at any time: the beam grows narrower as graphs grow."""
    b = ModelBuilder()
    g = b.subgraph("main")
    x = g.input("x", (16,), "int8", **NUMBERS)
    for i in range(150):
        out = g.tensor(f"t{i}", (16,), "int8", **NUMBERS)
        g.op("RELU", [x], [out])
        g.output(out)
    prepared = prepared_of(b.finish())
    assert reorder(prepared) is prepared

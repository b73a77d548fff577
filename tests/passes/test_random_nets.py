"""Random image models through passes: no byte differs, whatever is cut, folded or overlapped."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence

import pytest

from microinterp.arena.extents import is_contiguous
from microinterp.arena.plan import plan
from microinterp.passes import NAMES, run_passes
from microinterp.passes.in_place import in_place
from microinterp.passes.in_place_depthwise import in_place_depthwise
from microinterp.passes.overlap import overlap
from microinterp.passes.patches import Grid, patches, splits
from microinterp.prepare import Prepared
from microinterp.runtimes.tflm import Sample, TflmRuntime
from tests.passes.checking import (
    Outputs,
    check_passed,
    check_pieces,
    cut_rows,
    prepared_of,
    samples_for,
    usual_outputs,
)
from tests.passes.random_nets import random_net

PLAIN, SLOW = 60, 200
KINDS = ("in place", "depthwise in place", "backwards", "pieces", "padded pieces", "fewer ops")


class Checker:
    """One model, and what has been met in all of them.

    Attributes:
        seen: counts by kind, and by name of what ran.
    """

    def __init__(self, seed: int, seen: Counter[str]) -> None:
        self.chance, self.seen = random.Random(seed), seen
        data = random_net(seed)
        self.prepared = prepared_of(data)
        self.samples: Sequence[Sample] = samples_for(data, 2, seed)
        self.wanted: Outputs = usual_outputs(data, self.samples)
        self.splits = splits(self.prepared)
        self.seen["models"] += 1
        self.seen["outputs that vary"] += self.wanted[0] != self.wanted[1]

    def passes(self, names: str | Sequence[str]) -> None:
        """By name, with a limit of extra work that is tight, or none."""
        limit = self.chance.choice((0.05, 0.5, 10.0))
        passed = run_passes(self.prepared, names, max_extra_macs=limit)
        check_passed(passed, self.samples, self.wanted)
        self._count(passed.prepared)
        self.seen["auto" if names == "auto" else "passes"] += 1
        assert passed.extra_macs <= limit + 1e-9
        assert passed.plan.head_bytes <= plan(self.prepared).head_bytes

    def grid(self) -> None:
        """Any that the model allows: 1 x n, n x 1, a pixel each, more patches than pixels."""
        if not self.splits:
            return
        split = self.chance.choice(self.splits)
        shape = self.prepared.subgraphs[0][split - 1].node.output().shape
        rows, columns = (
            self.chance.choice((1, 1, 2, 3, size, size + 2) if size < 7 else (1, 1, 2, 3, 4))
            for size in shape[1:3]
        )
        made = patches(self.prepared, Grid(split, rows, columns))
        if self.chance.random() < 0.5:
            made = overlap(in_place_depthwise(in_place(made)))
        self.check(made)
        if columns == 1:  # strips, which boards run, want bytes side by side
            parts = [t for t in made.graph.main.tensors if t.part is not None and t.nbytes]
            assert all(map(is_contiguous, parts))
        self.seen["grids"] += 1
        self.seen["tall grids"] += rows > 1 == columns
        self.seen["wide grids"] += columns > 1 == rows
        self.seen["grids with empty patches"] += rows > shape[1] or columns > shape[2]

    def rows(self) -> None:
        """Every op that can runs row by row, each from either end, not from where it is best."""
        count = len(self.prepared.subgraphs[0])
        made = cut_rows(self.prepared, {i for i in range(count) if self.chance.random() < 0.5})
        self.check(made)
        last: dict[int, int] = {}
        for item in made.subgraphs[0]:
            out, number = item.node.output(), item.node.file_index
            if item.is_piece and out.part is not None and out.part.index is not None:
                start = max(place.start for place in out.part.index[1:3])
                if number in last:
                    self.seen["backwards" if start < last[number] else "forwards"] += 1
                last[number] = start

    def check(self, made: Prepared) -> None:
        check_pieces(made, self.samples, self.wanted, most_tries=20)
        self._count(made)

    def _count(self, made: Prepared) -> None:
        items = made.subgraphs[0]
        self.seen["in place"] += sum(item.in_place is not None for item in items)
        self.seen["depthwise in place"] += sum(
            item.in_place is not None and item.node.name == "DEPTHWISE_CONV_2D" for item in items
        )
        self.seen["pieces"] += sum(item.is_piece for item in items)
        self.seen["padded pieces"] += sum(
            item.is_piece and not item.node.input(0).nbytes for item in items
        )
        self.seen["fewer ops"] += len(items) < len(self.prepared.subgraphs[0])


def run(seeds: range, is_thorough: bool) -> Counter[str]:
    seen: Counter[str] = Counter()
    for seed in seeds:
        try:
            checker = Checker(seed, seen)
            checker.grid()
            checker.rows()
            checker.passes([NAMES[seed % len(NAMES)]])
            if is_thorough or seed % 3 == 0:
                names = checker.chance.sample(NAMES, checker.chance.randint(2, len(NAMES)))
                checker.passes(names)
            if is_thorough or seed % 6 == 0:
                checker.passes("auto")
            for _ in range(2 * is_thorough):
                checker.grid()
        except Exception as error:
            raise AssertionError(f"seed {seed}") from error
    print(f"\n{dict(seen)}")
    assert min(seen[kind] for kind in KINDS) >= len(seeds) / 7, seen
    assert seen["tall grids"] >= len(seeds) / 20
    assert seen["outputs that vary"] > 0.9 * seen["models"]
    return seen


def test_random_nets() -> None:
    run(range(PLAIN), is_thorough=False)


def test_random_nets_without_passes_are_tflm(tflm: TflmRuntime) -> None:
    """What passes are compared with above: the wheel gives the same bytes."""
    compared = 0
    for seed in range(60):
        data = random_net(seed)
        if prepared_of(data).graph.main.inputs[0].type_name == "float32":
            continue  # LOGISTIC and TANH of floats are libm's
        samples = samples_for(data, 2, seed)
        theirs = [[a.tobytes() for a in outputs] for outputs in tflm.run(data, samples).outputs]
        assert usual_outputs(data, samples) == theirs, f"seed {seed}"
        compared += 1
    assert compared > 40


@pytest.mark.thorough
def test_many_random_nets() -> None:
    """Other models than above; each through more passes and grids."""
    run(range(100_000, 100_000 + SLOW), is_thorough=True)

"""State that is stale, reset or lost: sound runtimes that are handled wrongly from outside."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import pytest

from microinterp import Interpreter
from microinterp.compare import Account, Told, compare
from microinterp.model_builder import ModelBuilder
from microinterp.sides import places_of
from microinterp.sides.host import HostSide
from tests.compare.nets import random_of
from tests.compare.planting import (
    Array,
    Constant,
    Layer,
    Run,
    Spec,
    chain,
    crcs,
    names,
    observed,
    outputs_only,
    runner,
    told,
)

X: Spec = ((1, 5), "int8", 0.05, 3)
MIDDLE: Spec = ((1, 4), "int8", 0.07, -6)
OUT: Spec = ((1, 3), "int8", 0.09, 5)


def svdf(x: Spec, out: Spec, seed: int) -> Layer:
    """A filter with a memory of three samples."""
    rng = np.random.default_rng(seed)
    units = out[0][1]
    state: Spec = ((1, units * 3), "int16", 0.004, 0)
    return Layer(
        "SVDF",
        x,
        out,
        (
            Constant(rng.integers(-127, 128, (units, x[0][1])).astype(np.int8), 0.02, 0),
            Constant(rng.integers(-3000, 3001, (units, 3)).astype(np.int16), 0.0003, 0),
            Constant(rng.integers(-2000, 2001, units).astype(np.int32), 1.2e-6, 0),
            state,
        ),
        options={"rank": 1},
    )


LAYERS = [svdf(X, MIDDLE, 1), svdf(MIDDLE, OUT, 2)]
MODEL = chain(LAYERS)
SAMPLES = 7
INPUT = random_of(X, SAMPLES)


def told_after(before: Array, resets: bool = False) -> Account:
    """A whole run behind another one, or with a reset before each sample."""
    side = HostSide(MODEL)
    wanted = places_of(side.interpreter.prepared)
    if len(before):
        side.run([before], wanted)
    if not resets:
        return told(side.run([INPUT], wanted), [INPUT], SAMPLES)
    seen = []
    for sample in range(SAMPLES):
        side.interpreter.reset()
        seen.append(side.run([INPUT[sample : sample + 1]], wanted))
    tensors = {place: Told(np.concatenate([s.tensors[place] for s in seen])) for place in wanted}
    outputs = [Told(np.concatenate([s.outputs[0] for s in seen]))]
    return Account("planted", "reset", SAMPLES, [INPUT], outputs, tensors)


HANDLING: Mapping[str, tuple[Callable[[], Account], str]] = {
    "reset before each sample": (lambda: told_after(INPUT[:0], resets=True), "state-reset"),
    "warmed up with the first sample": (lambda: told_after(INPUT[:1]), "stale-state"),
    "run twice without a reset": (lambda: told_after(INPUT), "stale-state-of-a-run"),
    "the last sample was run before": (lambda: told_after(INPUT[-1:]), "stale-state-of-last"),
}


@pytest.mark.parametrize("tell", [lambda a: a, crcs, outputs_only], ids=["all", "CRCs", "outputs"])
@pytest.mark.parametrize("handling", HANDLING.values(), ids=HANDLING)
def test_state_that_is_handled_wrongly(
    handling: tuple[Callable[[], Account], str], tell: Callable[[Account], Account]
) -> None:
    plant, cause = handling
    result = compare(MODEL, tell(plant()), [INPUT])
    assert not result.equal
    assert set(names(result)) - {"state-never-kept"} == {cause}
    assert ("state-never-kept" in names(result)) == (cause == "state-reset")
    assert "state" in str(result.cause)
    assert len(set(names(result))) == len(result.findings)


def lost(layer: Layer) -> Run:
    """A kernel that never writes its state back."""

    def run(x: Array) -> Array:
        return np.concatenate([runner(layer)(each[np.newaxis]) for each in x])

    return run


@pytest.mark.parametrize("tell", [lambda a: a, crcs, outputs_only], ids=["all", "CRCs", "outputs"])
@pytest.mark.parametrize("op", [0, 1])
def test_one_of_two_ops_loses_its_state(op: int, tell: Callable[[Account], Account]) -> None:
    runs = [lost(layer) if i == op else runner(layer) for i, layer in enumerate(LAYERS)]
    account = told(observed(MODEL, runs, INPUT), [INPUT], SAMPLES)
    result = compare(MODEL, tell(account), [INPUT])
    assert names(result) == ["state-never-kept"]
    found = result.findings[0]
    assert (found.index, found.op) == (op, "SVDF")


def test_the_op_alone_shows_it_only_where_it_is() -> None:
    """The second op differs in the run, but not by itself on the other side's numbers."""
    runs = [lost(LAYERS[0]), runner(LAYERS[1])]
    account = told(observed(MODEL, runs, INPUT), [INPUT], SAMPLES)
    first, second = compare(MODEL, account, [INPUT]).rows
    assert first.isolated_differing == first.differing > 0
    assert second.differing
    assert second.isolated_differing == 0


def test_from_which_sample_on_is_evidence() -> None:
    """State spoilt in a way that nobody knows: what is said is where it begins."""
    side = HostSide(MODEL)
    wanted = places_of(side.interpreter.prepared)
    start = side.run([INPUT[:4]], wanted)
    side.run([random_of(X, 2, seed=77)], wanted)
    rest = side.run([INPUT[4:]], wanted)
    seen = replace(
        start,
        outputs=(np.concatenate([start.outputs[0], rest.outputs[0]]),),
        tensors={p: np.concatenate([start.tensors[p], rest.tensors[p]]) for p in wanted},
    )
    result = compare(MODEL, told(seen, [INPUT], SAMPLES), [INPUT])
    assert result.cause is None
    found = [line for line in result.evidence if line.startswith("from sample ")]
    where = [line for line in result.evidence if line.startswith("in ")]
    assert len(where) == 1
    assert where[0].split(": ")[1].startswith("4")
    assert len(found) == (len(where[0].split(": ")[1].split(", ")) == SAMPLES - 4)


def counter_model() -> bytes:
    """y = x + the sum of all x before, in a resource variable that CALL_ONCE sets to 5."""
    b = ModelBuilder()
    g, once = b.subgraph("main"), b.subgraph("once")

    def handle(graph: object) -> int:
        made = graph.tensor("handle", (), "resource")  # type: ignore[attr-defined]
        graph.op("VAR_HANDLE", [], [made], container="", shared_name="sum")  # type: ignore[attr-defined]
        return int(made)

    start = once.constant("start", np.full(2, 5, np.int32))
    once.op("ASSIGN_VARIABLE", [handle(once), start], [])
    x = g.input("x", (2,), "int32")
    old, new = g.tensor("old", (2,), "int32"), g.tensor("new", (2,), "int32")
    g.op("CALL_ONCE", [], [], init_subgraph_index=once.index)
    variable = handle(g)
    g.op("READ_VARIABLE", [variable], [old])
    g.op("ADD", [x, old], [new])
    g.op("ASSIGN_VARIABLE", [variable, new], [])
    g.output(new)
    return b.finish()


@pytest.mark.parametrize("tell", [lambda a: a, crcs, outputs_only], ids=["all", "CRCs", "outputs"])
@pytest.mark.parametrize(
    ("before", "cause"), [(0, "state-reset"), (1, "stale-state"), (4, "stale-state-of-a-run")]
)
def test_resource_variables(before: int, cause: str, tell: Callable[[Account], Account]) -> None:
    x = np.array([[1, 10], [2, 20], [4, 40], [8, 81]], np.int32)
    model = counter_model()
    total = np.full(2, 5) + x[:before].sum(axis=0)
    olds, news = [], []
    for each in x:
        olds.append(total if before else np.full(2, 5))
        total = olds[-1] + each
        news.append(total)
    nodes = Interpreter.from_bytes(model).graph.main.nodes
    by_name = {node.name: (0, node.index, node.outputs[0].index) for node in nodes if node.outputs}
    tensors = {
        by_name["READ_VARIABLE"]: Told(np.array(olds, np.int32)),
        by_name["ADD"]: Told(np.array(news, np.int32)),
    }
    outputs = [Told(np.array(news, np.int32))]
    account = Account("planted", "by hand", 4, [x], outputs, tensors)
    result = compare(model, tell(account), [x])
    assert not result.equal
    assert set(names(result)) - {"state-never-kept"} == {cause}


def test_sound_state_is_equal() -> None:
    """The same by the wheel, state and all."""
    pytest.importorskip("tflite_micro")
    from microinterp.sides import open_side

    with open_side("tflm", MODEL) as side:
        result = compare(MODEL, side, [INPUT])
    assert result.equal
    assert result.compared_elements == SAMPLES * (4 + 3)

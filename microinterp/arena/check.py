"""Checks a memory plan without trusting the planner: liveness is worked out anew, another way.

lifetimes.py counts scopes as TFLM does. Here the ops of each subgraph are walked backwards, as a
compiler does it: what is alive before an op is what it reads, and what is alive after it except
what it writes. Then the graph is run through on paper, with all that callers hold meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from microinterp.arena.check_bytes import check_bytes
from microinterp.arena.placing import ALIGNMENT
from microinterp.arena.plan import Placed, Plan, key_text
from microinterp.errors import NOWHERE, Problem, Where
from microinterp.graph import Tensor
from microinterp.prepare import Prepared, PreparedNode

Key: TypeAlias = "tuple[int, ...]"
"""A buffer: (subgraph, tensor) or, for scratch, (subgraph, op, number of the request)."""
Keys: TypeAlias = "frozenset[Key]"


def keys_of(tensors: tuple[Tensor | None, ...]) -> Keys:
    """Buffers of an op's tensors; those left out have none."""
    return frozenset((t.subgraph, t.index) for t in tensors if t is not None)


@dataclass(frozen=True, slots=True)
class SubgraphLiveness:
    """Buffers of one subgraph that hold a value which is still needed.

    Attributes:
        at_entry: before the first op: all inputs, needed or not, because they are all written.
        during: per op, while it runs: with its inputs, outputs and scratch.
        after: per op, when it has run.
        at_exit: the outputs.
    """

    at_entry: Keys
    during: tuple[Keys, ...]
    after: tuple[Keys, ...]
    at_exit: Keys


def liveness(prepared: Prepared) -> tuple[SubgraphLiveness, ...]:
    """Liveness within each subgraph."""
    return tuple(
        _subgraph_liveness(nodes, keys_of(subgraph.inputs), keys_of(subgraph.outputs))
        for subgraph, nodes in zip(prepared.graph.subgraphs, prepared.subgraphs, strict=True)
    )


def _subgraph_liveness(
    nodes: tuple[PreparedNode, ...], inputs: Keys, outputs: Keys
) -> SubgraphLiveness:
    during: list[Keys] = []
    after: list[Keys] = []
    alive = outputs
    for item in reversed(nodes):
        node = item.node
        reads, writes = keys_of(node.inputs), keys_of(node.outputs)
        scratch = {(node.subgraph, node.index, i) for i in range(len(item.kernel.scratch))}
        after.append(alive)
        during.append(alive | reads | writes | scratch)
        alive = (alive - writes) | reads
    return SubgraphLiveness(
        inputs | alive, tuple(reversed(during)), tuple(reversed(after)), outputs
    )


def planned_variables(prepared: Prepared, plan: Plan) -> Keys:
    """Variables that an offline plan has put into the head: they are always alive."""
    return frozenset(
        (t.subgraph, t.index)
        for subgraph in prepared.graph.subgraphs
        for t in subgraph.tensors
        if t.is_variable and (t.subgraph, t.index) in plan.tensors
    )


def check_plan(prepared: Prepared, plan: Plan) -> list[Problem]:
    """Everything that is wrong with a plan; empty for a good one.

    Rules: `placed` (every buffer that an op or the caller uses has a place, large enough),
    `aligned`, `inside_head`, `overlap` (no two buffers that are alive at once share a byte). In a
    graph that passes have rewritten each byte is looked at by itself, `written` wants each one to
    be written before it is read, and `in_place` holds ops that write over their input to the order
    of their elements.
    """
    regions = {_key(placed): placed for placed in plan.placed}
    if prepared.rewritten:
        offsets = {key: placed.offset for key, placed in regions.items()}
        return list(check_bytes(prepared, offsets, plan.head_bytes))
    problems = [problem for placed in plan.placed for problem in _check_place(placed, plan)]
    problems += _missing(prepared, regions)
    seen: set[frozenset[Key]] = set()
    for where, alive in _moments(prepared, plan):
        for one, other in _overlaps(alive, regions):
            pair = frozenset((_key(one), _key(other)))
            if pair not in seen:
                seen.add(pair)
                text = f"{span_text(one)} and {span_text(other)} are alive at the same time"
                problems.append(Problem("overlap", text, where))
    return problems


def _key(placed: Placed) -> Key:
    key = placed.request.tensor or placed.request.scratch
    assert key is not None
    return key


def span_text(placed: Placed) -> str:
    """A buffer and its place: "tensor 3 at 0 to 64"; `end` is the first byte after it."""
    return f"{key_text(_key(placed))} at {placed.offset} to {placed.end}"


def _check_place(placed: Placed, plan: Plan) -> Iterator[Problem]:
    if placed.offset % ALIGNMENT:
        yield Problem("aligned", f"{span_text(placed)} is not aligned to {ALIGNMENT} bytes")
    if placed.offset < 0 or placed.end > plan.head_bytes:
        yield Problem(
            "inside_head", f"{span_text(placed)} leaves the head of {plan.head_bytes} bytes"
        )


def _missing(prepared: Prepared, regions: Mapping[Key, Placed]) -> Iterator[Problem]:
    """What is computed, or comes from outside, must lie somewhere with all its bytes."""
    for key, nbytes, where in _needed(prepared):
        if key not in regions:
            yield Problem("placed", f"{nbytes} bytes have no place in the arena", where)
        elif regions[key].size < nbytes:
            text = f"{span_text(regions[key])} is too small for {nbytes} bytes"
            yield Problem("placed", text, where)


def _needed(prepared: Prepared) -> Iterator[tuple[Key, int, Where]]:
    for subgraph, nodes in zip(prepared.graph.subgraphs, prepared.subgraphs, strict=True):
        for tensor in subgraph.inputs:
            if tensor.nbytes:
                yield (tensor.subgraph, tensor.index), tensor.nbytes, Where(subgraph.index)
        for item in nodes:
            node = item.node
            for tensor in node.outputs:
                key = (tensor.subgraph, tensor.index)
                is_handle = key in prepared.resources.handles
                if tensor.nbytes and not tensor.is_variable and not is_handle:
                    yield key, tensor.nbytes, node.where(tensor)
            for i, nbytes in enumerate(item.kernel.scratch):
                yield (node.subgraph, node.index, i), nbytes, node.where()


def _moments(prepared: Prepared, plan: Plan) -> Iterator[tuple[Where, Keys]]:
    """Every moment of an invoke, subgraphs included, with all buffers that are alive then."""
    alive = liveness(prepared)

    def run(subgraph: int, held: Keys) -> Iterator[tuple[Where, Keys]]:
        own = alive[subgraph]
        yield Where(subgraph), held | own.at_entry
        for item, during in zip(prepared.subgraphs[subgraph], own.during, strict=True):
            yield item.node.where(), held | during
            for callee in item.kernel.subgraphs:
                yield from run(callee, held | during)
        yield Where(subgraph), held | own.at_exit

    yield NOWHERE, planned_variables(prepared, plan)
    yield from run(0, planned_variables(prepared, plan))


def _overlaps(alive: Keys, regions: Mapping[Key, Placed]) -> Iterator[tuple[Placed, Placed]]:
    """Pairs that share a byte; for each buffer, the one before it that reaches furthest."""
    furthest: Placed | None = None
    with_bytes = (regions[key] for key in alive if key in regions and regions[key].size)
    for placed in sorted(with_bytes, key=_by_offset):
        if furthest is not None and placed.offset < furthest.end:
            yield furthest, placed
        if furthest is None or placed.end > furthest.end:
            furthest = placed


def _by_offset(placed: Placed) -> tuple[int, Key]:
    return placed.offset, _key(placed)

"""Runs a prepared model, as it is or as a cause has changed it, and keeps what ops write."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from microinterp.arena.plan import plan
from microinterp.binding import bind
from microinterp.compare.cause import Changed, RunCause
from microinterp.compare.told import Array
from microinterp.errors import InputError
from microinterp.graph import Node
from microinterp.prepare import Arrays, Kernel, Prepared, Status
from microinterp.sides import Observed, Place
from microinterp.sides.host import Keeper
from microinterp.sides.side import sample_count

AS_USUAL = RunCause("", "")


def run_model(
    prepared: Prepared,
    inputs: Sequence[Array],
    places: Sequence[Place],
    how: RunCause = AS_USUAL,
) -> Observed | None:
    """What samples give, run in order from the start; None where an op cannot go on."""
    main, count = prepared.graph.main, sample_count(inputs)
    # As on the chip where it matters; else every tensor has memory of its own, as in the main run.
    binding = bind(prepared, plan(prepared, "linear" if how.sets_inputs else "tflm"))
    outputs = tuple(np.zeros((count, *t.shape), t.dtype) for t in main.outputs)
    before = list(how.before(count)) if how.before else []
    keeper = Keeper(prepared.graph, places, count)
    for number, sample in enumerate([*before, *range(count)]):
        is_real = number >= len(before)
        if how.resets:
            binding.reset(everything=True)
        if how.sets_inputs or number == 0:
            for tensor, array in zip(main.inputs, inputs, strict=True):
                binding.of(tensor)[...] = array[sample]
        keeper.sample = sample
        try:
            binding.run(keeper if is_real else None)
        except InputError:
            return None
        if is_real:
            for tensor, found in zip(main.outputs, outputs, strict=True):
                found[sample] = binding.of(tensor)
    return Observed(outputs, keeper.tensors)


def with_changes(prepared: Prepared, changes: Mapping[tuple[int, int], Changed]) -> Prepared:
    """The model with other kernels for some ops, by (subgraph, op)."""
    subgraphs = tuple(
        tuple(
            replace(item, kernel=_with_own_constants(changes[key]), fast=None)
            if (key := (item.node.subgraph, item.node.index)) in changes
            else item
            for item in nodes
        )
        for nodes in prepared.subgraphs
    )
    return replace(prepared, subgraphs=subgraphs)


def _with_own_constants(changed: Changed) -> Kernel:
    """The kernel on the changed node's constants: a model binds those of the file."""
    return replace(changed.kernel, evaluate=_OwnConstants(changed.node, changed.kernel.evaluate))


@dataclass(frozen=True, eq=False)
class _OwnConstants:
    node: Node
    evaluate: Callable[[Any, Arrays], Status | None]

    def __call__(self, params: Any, arrays: Arrays) -> Status | None:
        """Inputs that the node has no more are at its end."""
        inputs = tuple(
            array if tensor is None or tensor.data is None else tensor.data
            for tensor, array in zip(self.node.inputs, arrays.inputs, strict=False)
        )
        return self.evaluate(params, replace(arrays, inputs=inputs))


def execution_order(prepared: Prepared) -> list[tuple[int, int]]:
    """(subgraph, op) in the order in which ops come to their end for the first time."""

    def walk(subgraph: int, seen: frozenset[int]) -> Iterator[tuple[int, int]]:
        for item in prepared.subgraphs[subgraph]:
            for called in item.kernel.subgraphs:
                if called not in seen:
                    yield from walk(called, seen | {called})
            yield subgraph, item.node.index

    return list(dict.fromkeys(walk(0, frozenset({0}))))

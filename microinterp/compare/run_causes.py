"""Causes between samples: state that is stale, inputs that are not set again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from microinterp.compare.cause import Bench, Changed, OpCause, RunCause
from microinterp.prepare import Arrays, PreparedNode, Status

RUN_CAUSES = (
    RunCause(
        "input-overwritten",
        "sets its input once: the next invoke reads what the previous one has left in the input "
        "buffer, which shares its memory with other tensors",
        sets_inputs=False,
    ),
    RunCause(
        "state-reset",
        "starts every sample with fresh state, where it should go on",
        resets=True,
        needs_state=True,
    ),
    RunCause(
        "stale-state",
        "starts with state that an earlier invoke of the first sample has left",
        before=lambda count: (0,),
        needs_state=True,
    ),
    RunCause(
        "stale-state-of-a-run",
        "starts with state that an earlier run of all samples has left",
        before=lambda count: range(count),
        needs_state=True,
    ),
    RunCause(
        "stale-state-of-last",
        "starts with state that an earlier invoke of the last sample has left",
        before=lambda count: (count - 1,),
        needs_state=True,
    ),
)


@dataclass(frozen=True)
class _Frozen:
    """Runs a kernel and puts its state back afterwards."""

    item: PreparedNode

    def __call__(self, params: object, arrays: Arrays) -> Status | None:
        kept = [*arrays.state, *self._variables(arrays)]
        before = [array.copy() for array in kept]
        status = self.item.kernel.evaluate(params, arrays)
        for array, old in zip(kept, before, strict=True):
            array[...] = old
        return status

    def _variables(self, arrays: Arrays) -> Iterator[np.ndarray]:
        for tensor, array in zip(self.item.node.inputs, arrays.inputs, strict=True):
            if tensor is not None and tensor.is_variable and array is not None:
                yield array


def _frozen(item: PreparedNode, bench: Bench) -> Iterator[Changed]:
    """The op's state stays at its start."""
    if has_state(item):
        yield Changed(item.node, replace(item.kernel, evaluate=_Frozen(item)))


def has_state(item: PreparedNode | Changed) -> bool:
    """Whether an op keeps something from one invoke to the next."""
    variables = any(t is not None and t.is_variable for t in item.node.inputs)
    return bool(item.kernel.state) or variables


STATE_CAUSES: Iterable[OpCause] = (
    OpCause("state-never-kept", "never keeps its state: every sample starts afresh", _frozen),
)

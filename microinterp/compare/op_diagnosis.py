"""Which known causes inside one op reproduce what the other side's op has written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from microinterp.compare.cause import Bench, Changed, OpCause
from microinterp.compare.isolated import OpInputs, can_be_isolated, run_op
from microinterp.compare.mistakes import MISTAKES
from microinterp.compare.roundings import ROUNDINGS
from microinterp.compare.rows import Case
from microinterp.compare.run_causes import STATE_CAUSES, has_state
from microinterp.compare.told import Told
from microinterp.errors import MicrointerpError
from microinterp.prepare import PreparedNode

OP_CAUSES: Sequence[OpCause] = (*ROUNDINGS, *MISTAKES, *STATE_CAUSES)


def ways(cause: OpCause, item: PreparedNode, bench: Bench) -> Iterator[Changed]:
    """Each way in which the cause can change an op; those that cannot be prepared left out."""
    changes = iter(cause.change(item, bench))
    while True:
        try:
            yield next(changes)
        except StopIteration:
            return
        except MicrointerpError:
            return


def explain_op(
    case: Case, item: PreparedNode, bench: Bench, causes: Sequence[OpCause] = OP_CAUSES
) -> list[tuple[OpCause, str]]:
    """(cause, detail) of each way that gives the other side's bytes, in all samples told.

    What the other side has not told of the op's inputs is taken to be ours.
    """
    told = {p: case.theirs.tensors[p] for p in case.places(item) if p in case.theirs.tensors}
    given = case.given_to(item, assume=True)
    if not told or given is None or not can_be_isolated(item):
        return []
    wanted = [told.get((item.node.subgraph, item.node.index, t.index)) for t in item.node.outputs]
    return [
        (cause, changed.detail)
        for cause in causes
        for changed in ways(cause, item, bench)
        if _reproduces(changed, given, wanted)
    ]


def _reproduces(changed: Changed, given: OpInputs, wanted: Sequence[Told | None]) -> bool:
    """Try one sample first, where samples stand alone: most causes fail there."""
    if given.samples > 1 and not has_state(changed):
        first = slice(0, 1)
        if not _gives(changed, given.part(first), [t and t.part(first) for t in wanted]):
            return False
    return _gives(changed, given, wanted)


def _gives(changed: Changed, given: OpInputs, wanted: Sequence[Told | None]) -> bool:
    try:
        outputs = run_op(changed.node, changed.kernel, given)
    except (ValueError, IndexError, TypeError, FloatingPointError):
        return False  # a changed node may ask for what NumPy cannot do
    if outputs is None:
        return False
    return all(
        told is None or told.equals(np.asarray(output))
        for told, output in zip(wanted, outputs, strict=True)
    )

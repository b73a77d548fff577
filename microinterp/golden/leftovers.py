"""Which tensors hold leftovers: bytes that no op has written, and that lie in memory by chance."""

from __future__ import annotations

import numpy as np

from microinterp.errors import InputError
from microinterp.inputs import random_samples
from microinterp.interpreter import Interpreter
from microinterp.prepare import Prepared
from microinterp.registry import Registry
from microinterp.trace import Checksums

_PATTERNS = (0x55, 0xAA)


def ops_with_leftovers(
    model: bytes, prepared: Prepared, profile: str, registry: Registry | None
) -> frozenset[tuple[int, int]]:
    """(subgraph, op) of ops whose outputs depend on what lay in the arena before an invoke.

    A few kernels write some elements of an output and leave the others (SIGNAL_ENERGY outside of
    its bins); ops behind them may copy those. Where there is such a kernel, the model is run in
    two arenas that are full of something else, and what then differs depends on it.
    """
    keeping = {
        (item.node.subgraph, item.node.index)
        for item in prepared.nodes()
        if item.kernel.keeps_outputs
    }
    if not keeping:
        return frozenset()
    first, second = (_checksums(model, profile, registry, pattern) for pattern in _PATTERNS)
    if first is None or second is None:
        return frozenset((item.node.subgraph, item.node.index) for item in prepared.nodes())
    ops = first.keys() | second.keys()
    return frozenset(keeping | {op for op in ops if first.get(op) != second.get(op)})


def _checksums(
    model: bytes, profile: str, registry: Registry | None, pattern: int
) -> dict[tuple[int, int], tuple[int, ...]] | None:
    """What ops write in an arena full of `pattern`; None where one cannot work with that."""
    interpreter = Interpreter(
        model, profile=profile, registry=registry, kernels="plain", preserve_all_tensors=True
    )
    arena, trace = interpreter.arena, Checksums()
    np.frombuffer(arena.memory, np.uint8)[: arena.head_bytes] = pattern
    try:
        for index, array in enumerate(random_samples(interpreter.graph.main.inputs, 1, 0)):
            interpreter.set_input(array[0], index)
        interpreter.invoke(trace)
    except InputError:
        return None
    return trace.crcs

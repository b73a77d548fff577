"""reorder: the ops of the main subgraph in an order that needs less memory at once.

Any order will do in which each op comes behind those whose results it reads, and in which nobody
sees another value of a variable: one that is written keeps its order with all other uses of that
variable. Ops that run subgraphs, or may end the invoke, stay where they are. Streaming models gain
most: what their buffers take in may be computed late.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from tflite import BuiltinOperator

from microinterp.arena.placing import align_up
from microinterp.passes.draft import Draft
from microinterp.prepare import Prepared, PreparedNode

Variable: TypeAlias = "int | tuple[int, int]"
_BEAM = 200
"""Partial orders that are kept at each length."""
_MOST_WORK = 1_000_000
"""Ops that the search looks at, at most: graphs of more than 70 ops get a narrower beam."""


@dataclass(frozen=True)
class _State:
    """A partial order.

    Attributes:
        done: bit i is set where op i has run.
        order: ops that have run.
        alive: bit i is set where buffer i holds something that is still needed.
        live: bytes alive.
        peak: the most bytes alive up to now.
    """

    done: int
    order: tuple[int, ...]
    alive: int
    live: int
    peak: int


def reorder(prepared: Prepared) -> Prepared:
    """The order with the lowest peak of live bytes that a beam search finds; else as it was."""
    draft = Draft(prepared)
    problem = _Problem(draft, prepared)
    order = problem.best()
    if problem.peak_of(order) >= problem.peak_of(range(len(draft.items))):
        return prepared
    draft.items = [draft.items[i] for i in order]
    return draft.finish()


class _Problem:
    """Ops with what they read, write and wait for."""

    def __init__(self, draft: Draft, prepared: Prepared) -> None:
        items = draft.items
        buffers: dict[int, int] = {}
        self.sizes: list[int] = []
        self.reads: list[int] = []
        self.writes: list[int] = []

        def bits(tensors: Sequence[object]) -> int:
            found = 0
            for tensor in tensors:
                if tensor is None or not draft.has_place(tensor):  # type: ignore[arg-type]
                    continue
                root = draft.root(tensor)  # type: ignore[arg-type]
                if root.index not in buffers:
                    buffers[root.index] = len(self.sizes)
                    self.sizes.append(align_up(root.nbytes))
                found |= 1 << buffers[root.index]
            return found

        for item in items:
            self.reads.append(bits(item.node.inputs))
            self.writes.append(bits(item.node.outputs))
        self.scratch = [sum(map(align_up, item.kernel.scratch)) for item in items]
        self.inputs = bits(prepared.graph.main.inputs)
        self.outputs = bits(prepared.graph.main.outputs)
        self.waits = self._waits([_variables(item, prepared) for item in items])
        self.readers = [
            sum(1 << op for op, read in enumerate(self.reads) if read >> buffer & 1)
            for buffer in range(len(self.sizes))
        ]

    def _waits(self, variables: Sequence[_Variables]) -> list[int]:
        """For each op the ops that must run before, as bits."""
        waits = []
        for op, read in enumerate(self.reads):
            before = 0
            for other in range(op):
                meets = self.writes[other] & (read | self.writes[op])
                overwrites = self.reads[other] & self.writes[op]
                if meets or overwrites or variables[op].conflict(variables[other]):
                    before |= 1 << other
            waits.append(before)
        return waits

    def best(self) -> tuple[int, ...]:
        """A beam search over orders, by peak and then by live bytes."""
        start = self.bytes_of(self.inputs)
        states = [_State(0, (), self.inputs, start, start)]
        beam = max(1, min(_BEAM, _MOST_WORK // max(1, len(self.reads) ** 2)))
        for _ in self.reads:
            found: dict[int, _State] = {}
            for state in states:
                for op, waits in enumerate(self.waits):
                    if not state.done >> op & 1 and waits & ~state.done == 0:
                        made = self.step(state, op)
                        known = found.get(made.done)
                        if known is None or (made.peak, made.live) < (known.peak, known.live):
                            found[made.done] = made
            ranked = sorted(found.values(), key=lambda s: (s.peak, s.live, s.order))
            states = ranked[:beam]
        return states[0].order

    def peak_of(self, order: Sequence[int]) -> int:
        """The most bytes alive at once in this order."""
        start = self.bytes_of(self.inputs)
        state = _State(0, (), self.inputs, start, start)
        for op in order:
            state = self.step(state, op)
        return state.peak

    def step(self, state: _State, op: int) -> _State:
        """Run one more op."""
        done = state.done | 1 << op
        born = self.writes[op] & ~state.alive
        live = state.live + self.bytes_of(born)
        peak = max(state.peak, live + self.scratch[op])
        alive = state.alive | born
        for buffer in _bits(self.reads[op] | self.writes[op]):
            is_read_later = self.readers[buffer] & ~done or self.outputs >> buffer & 1
            if not is_read_later and alive >> buffer & 1:
                alive &= ~(1 << buffer)
                live -= self.sizes[buffer]
        return _State(done, (*state.order, op), alive, live, peak)

    def bytes_of(self, buffers: int) -> int:
        """Bytes of the buffers whose bits are set."""
        return sum(self.sizes[buffer] for buffer in _bits(buffers))


def _bits(number: int) -> list[int]:
    found = []
    while number:
        low = number & -number
        found.append(low.bit_length() - 1)
        number ^= low
    return found


@dataclass(frozen=True)
class _Variables:
    """What an op has to do with variables.

    Attributes:
        reads, writes: numbers of variables, or tensors that are variables.
        is_fixed: no op may change sides with it.
    """

    reads: frozenset[Variable] = frozenset()
    writes: frozenset[Variable] = frozenset()
    is_fixed: bool = False

    def conflict(self, other: _Variables) -> bool:
        """True if the two must keep their order."""
        if self.is_fixed or other.is_fixed:
            return True
        return bool(self.writes & (other.reads | other.writes) or other.writes & self.reads)


def _variables(item: PreparedNode, prepared: Prepared) -> _Variables:
    node, kernel = item.node, item.kernel
    resources = prepared.resources
    tensors = [t for t in (*node.inputs, *node.outputs) if t is not None]
    keys = [(t.subgraph, t.index) for t in tensors]
    is_unknown = any(key in resources.passed for key in keys)
    # A custom op may end the invoke, and so leave variables as they are.
    if kernel.subgraphs or is_unknown or node.code == BuiltinOperator.CUSTOM:
        return _Variables(is_fixed=True)
    numbers = frozenset(resources.handles[key] for key in keys if key in resources.handles)
    own = frozenset(key for key, t in zip(keys, tensors, strict=True) if t.is_variable)
    if node.name in ("VAR_HANDLE", "READ_VARIABLE"):
        return _Variables(reads=numbers)
    # Ops read and write the variables among their tensors.
    return _Variables(writes=numbers | own)

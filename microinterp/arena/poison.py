"""A trace that overwrites every dead byte of the arena's head after each op.

If an output changes by it, an op read memory that the plan had given away. Of a graph that passes
have rewritten the dead bytes between the living ones are overwritten, too. Bytes of the arena that
lie behind the head and before its variables are no one's: they are watched.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from microinterp.arena.byte_liveness import Alive, ByteLiveness, byte_liveness
from microinterp.arena.check import Key, Keys, SubgraphLiveness, liveness, planned_variables
from microinterp.trace import Trace

if TYPE_CHECKING:
    from microinterp.binding import Binding, Step

PATTERNS = (0xA5, 0x5A, 0xC3, 0x3C)
"""Written in turn, so that a wrong read does not meet the same byte at each op."""
CANARY = 0x99
"""Fills what no buffer owns. Give the interpreter a larger arena than it needs to have some."""


class Poison(Trace):
    """Give one to Interpreter.invoke.

    Attributes:
        poisoned: bytes that it has overwritten.
        trespassed: ops, as (subgraph, position), behind which a byte outside the plan had changed.
    """

    def __init__(self) -> None:
        self.poisoned = 0
        self.trespassed: list[tuple[int, int]] = []
        self._outside: npt.NDArray[np.uint8] = np.empty(0, np.uint8)
        self._bytes: ByteLiveness | None = None
        self._binding: Binding | None = None
        self._head: npt.NDArray[np.uint8] = np.empty(0, np.uint8)
        self._alive: tuple[SubgraphLiveness, ...] = ()
        self._regions: dict[Key, slice] = {}
        self._held: list[Keys] = []
        self._turn = 0

    def begin(self, binding: Binding) -> None:
        """Poison all but the inputs (and variables that live in the head)."""
        if binding is not self._binding:
            self._adopt(binding)
        self._outside[...] = CANARY
        self._held = [planned_variables(binding.prepared, binding.plan)]
        if self._bytes is not None:
            self._poison_bytes(self._bytes.at_entry)
        else:
            self._poison(self._held[-1] | self._alive[0].at_entry)

    def before(self, step: Step) -> None:
        """While an op runs, subgraphs that it runs must leave alone what it and others hold."""
        node = step.node.node
        if self._bytes is not None:
            return
        self._held.append(self._held[-1] | self._alive[node.subgraph].during[node.index])

    def after(self, step: Step) -> None:
        """Poison what is not needed after the op."""
        node = step.node.node
        if np.any(self._outside != CANARY):
            self.trespassed.append((node.subgraph, node.index))
            self._outside[...] = CANARY
        if self._bytes is not None:
            if node.subgraph == 0:
                self._poison_bytes(self._bytes.after[node.index])
            return
        self._held.pop()
        self._poison(self._held[-1] | self._alive[node.subgraph].after[node.index])

    def _adopt(self, binding: Binding) -> None:
        plan = binding.plan
        self._binding = binding
        everything = np.frombuffer(binding.memory, np.uint8)
        self._head = everything[: plan.head_bytes]
        self._outside = everything[plan.head_bytes : binding.tail]
        rewritten = binding.prepared.rewritten
        self._bytes = byte_liveness(binding.prepared) if rewritten else None
        self._alive = () if rewritten else liveness(binding.prepared)
        self._regions = {
            placed.request.tensor or placed.request.scratch or (): slice(placed.offset, placed.end)
            for placed in plan.placed
        }

    def _poison(self, alive: Keys) -> None:
        dead = np.ones(len(self._head), np.bool_)
        for key in alive & self._regions.keys():
            dead[self._regions[key]] = False
        self._overwrite(dead)

    def _poison_bytes(self, alive: Alive) -> None:
        dead = np.ones(len(self._head), np.bool_)
        for key, mask in alive.items():
            start = self._regions[key].start
            dead[start : start + len(mask)] &= ~mask
        self._overwrite(dead)

    def _overwrite(self, dead: npt.NDArray[np.bool_]) -> None:
        self._head[dead] = PATTERNS[self._turn % len(PATTERNS)]
        self._turn += 1
        self.poisoned += int(np.count_nonzero(dead))

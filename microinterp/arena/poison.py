"""A trace that overwrites every dead byte of the arena's head after each op.

If an output changes by it, an op read memory that the plan had given away.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from microinterp.arena.check import Key, Keys, SubgraphLiveness, liveness, planned_variables
from microinterp.trace import Trace

if TYPE_CHECKING:
    from microinterp.binding import Binding, Step

PATTERNS = (0xA5, 0x5A, 0xC3, 0x3C)
"""Written in turn, so that a wrong read does not meet the same byte at each op."""


class Poison(Trace):
    """Give one to Interpreter.invoke; `poisoned` counts the bytes it has overwritten."""

    def __init__(self) -> None:
        self.poisoned = 0
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
        self._held = [planned_variables(binding.prepared, binding.plan)]
        self._poison(self._held[-1] | self._alive[0].at_entry)

    def before(self, step: Step) -> None:
        """While an op runs, subgraphs that it runs must leave alone what it and others hold."""
        node = step.node.node
        self._held.append(self._held[-1] | self._alive[node.subgraph].during[node.index])

    def after(self, step: Step) -> None:
        """Poison what is not needed after the op."""
        node = step.node.node
        self._held.pop()
        self._poison(self._held[-1] | self._alive[node.subgraph].after[node.index])

    def _adopt(self, binding: Binding) -> None:
        plan = binding.plan
        self._binding = binding
        self._head = np.frombuffer(binding.memory, np.uint8, plan.head_bytes)
        self._alive = liveness(binding.prepared)
        self._regions = {
            placed.request.tensor or placed.request.scratch or (): slice(placed.offset, placed.end)
            for placed in plan.placed
        }

    def _poison(self, alive: Keys) -> None:
        dead = np.ones(len(self._head), np.bool_)
        for key in alive & self._regions.keys():
            dead[self._regions[key]] = False
        self._head[dead] = PATTERNS[self._turn % len(PATTERNS)]
        self._turn += 1
        self.poisoned += int(np.count_nonzero(dead))

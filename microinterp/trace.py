"""Per-op hooks around invoke: what may watch an inference. Off, they cost nothing."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from microinterp.binding import Binding, Step


class Trace:
    """Base of hooks: override what is needed."""

    def begin(self, binding: Binding) -> None:
        """Called once before the first op of an invoke."""

    def before(self, step: Step) -> None:
        """Called before each op."""

    def after(self, step: Step) -> None:
        """Called after each op."""


class Timer(Trace):
    """Seconds spent in each op, added up over invokes, by (subgraph, op index).

    The time of a control-flow op includes the ops of the subgraphs that it runs.
    """

    def __init__(self) -> None:
        self.seconds: dict[tuple[int, int], float] = {}
        self._started: list[float] = []

    def before(self, step: Step) -> None:
        """Start the op's clock."""
        self._started.append(time.perf_counter())

    def after(self, step: Step) -> None:
        """Stop the op's clock."""
        elapsed = time.perf_counter() - self._started.pop()
        key = (step.node.node.subgraph, step.node.node.index)
        self.seconds[key] = self.seconds.get(key, 0.0) + elapsed

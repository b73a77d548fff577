"""Per-op hooks around invoke: what may watch an inference. Off, they cost nothing."""

from __future__ import annotations

import time
import zlib
from typing import TYPE_CHECKING

from tflite import TensorType

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


class Checksums(Trace):
    """CRC32 of each tensor as its op has written it.

    Attributes:
        crcs: by (subgraph, op index), one per output; handles and tensors without bytes are left
            out, and ops that have not run. It goes on from invoke to invoke.
    """

    def __init__(self) -> None:
        self.crcs: dict[tuple[int, int], tuple[int, ...]] = {}

    def after(self, step: Step) -> None:
        """Take the op's checksums."""
        node = step.node.node
        self.crcs[node.subgraph, node.index] = tuple(
            zlib.crc32(array.tobytes())
            for array, tensor in zip(step.arrays.outputs, node.outputs, strict=True)
            if tensor.nbytes and tensor.type_code != TensorType.RESOURCE
        )

"""What an explainer gets: one op with its arrays as they were, and the element to explain."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from microinterp.binding import Step as BoundStep
from microinterp.explain.recorder import Recorder
from microinterp.explain.steps import Number
from microinterp.graph import Node, Tensor
from microinterp.prepare import Arrays, PreparedNode
from microinterp.quant.profile import Profile
from microinterp.trace import Trace

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Outcome:
    """What an explainer returns.

    Attributes:
        value: the output element, as the last step gave it.
        real: the element that the float model of the op gives: dequantised inputs and weights, in
            real numbers; None where there is no such thing.
    """

    value: Number
    real: float | None = None


@dataclass(frozen=True, eq=False)
class Subject:
    """One output element of one op.

    Attributes:
        prepared: the op with its kernel, whose params hold the folded integers.
        before: copies of all arrays as the op found them: inputs, outputs, state, variables.
        after: copies of the outputs as it left them.
        output: number of the output.
        index: of the element in that output, one number per axis.
        profile: the numeric profile, for what params do not hold.
    """

    prepared: PreparedNode
    before: Arrays
    after: tuple[Array, ...]
    output: int
    index: tuple[int, ...]
    profile: Profile

    @property
    def node(self) -> Node:
        """The op."""
        return self.prepared.node

    @property
    def params(self) -> Any:
        """The kernel's folded parameters."""
        return self.prepared.kernel.params

    @property
    def out(self) -> Tensor:
        """The output tensor."""
        return self.node.outputs[self.output]

    @property
    def scale(self) -> float:
        """The output's scale as a double; 0 where it has none."""
        return float(self.out.scale)

    @property
    def value(self) -> Any:
        """The element that the interpreter gave."""
        return self.after[self.output][self.index]

    def array(self, position: int) -> Array:
        """Contents of input `position`, which must be there; an int4 filter is packed."""
        found = self.before.inputs[position]
        assert found is not None
        return found

    def read(
        self, recorder: Recorder, position: int, at: tuple[int, ...], label: str = "input"
    ) -> Any:
        """Record the reading of one number of input `position`."""
        return recorder.read(label, self.node.input(position), at, self.array(position)[at])


Explainer = Callable[[Subject, Recorder], Outcome]
"""Does one element's arithmetic again, step by step."""


class Capture(Trace):
    """Copies what one op finds and leaves; of several runs in an invoke it keeps the last.

    Attributes:
        runs: how often the op has run.
        found: its arrays before the last run.
        left: its outputs after it.
    """

    def __init__(self, subgraph: int, index: int) -> None:
        self.runs = 0
        self.found: Arrays | None = None
        self.left: tuple[Array, ...] = ()
        self._key = (subgraph, index)

    def before(self, step: BoundStep) -> None:
        """Copy what the op finds."""
        if self._is_watched(step):
            arrays = step.arrays
            self.found = Arrays(
                inputs=tuple(None if x is None else np.array(x) for x in arrays.inputs),
                outputs=tuple(np.array(x) for x in arrays.outputs),
                state=tuple(np.array(x) for x in arrays.state),
                variables=tuple(np.array(x) for x in arrays.variables),
            )

    def after(self, step: BoundStep) -> None:
        """Copy what the op leaves."""
        if self._is_watched(step):
            self.runs += 1
            self.left = tuple(np.array(x) for x in step.arrays.outputs)

    def _is_watched(self, step: BoundStep) -> bool:
        return (step.node.node.subgraph, step.node.node.index) == self._key

"""What a cause of a difference is: a named change of one op, of the inputs, or of how they run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from microinterp.compare.told import Array
from microinterp.graph import Graph, Node
from microinterp.prepare import Context, Kernel, PreparedNode
from microinterp.quant.profile import Profile
from microinterp.registry import Registry


@dataclass(frozen=True, eq=False)
class Bench:
    """What an op is prepared with: the model, its numeric profile, and the operators there are."""

    graph: Graph
    profile: Profile
    registry: Registry

    def prepare(self, node: Node, profile: Profile | None = None) -> Kernel:
        """The kernel of a node. Raises what its prepare raises."""
        context = Context(self.graph, profile or self.profile)
        return self.registry.find(node).prepare(node, context)


@dataclass(frozen=True, eq=False)
class Changed:
    """An op as a cause makes it: its kernel, and the node that goes with it.

    Attributes:
        detail: what of the cause this is, where there are several ways; may be "".
    """

    node: Node
    kernel: Kernel
    detail: str = ""


@dataclass(frozen=True)
class OpCause:
    """A difference inside one op.

    Attributes:
        name: short and stable.
        text: what the other side's op does, as a clause: "rounds once".
        source: where this is known from, "" for a plain mistake.
        change: ways to change a node; none where the cause cannot be there. What they raise as
            MicrointerpError counts as none.
    """

    name: str
    text: str
    change: Callable[[PreparedNode, Bench], Iterable[Changed]]
    source: str = ""


@dataclass(frozen=True)
class InputCause:
    """A difference in what goes in.

    Attributes:
        name, text: as in OpCause.
        change: (detail, arrays) of each way to change the model's inputs [n, *shape].
    """

    name: str
    text: str
    change: Callable[[Graph, Sequence[Array]], Iterable[tuple[str, list[Array]]]]


@dataclass(frozen=True)
class RunCause:
    """A difference in how samples follow each other.

    Attributes:
        name, text: as in OpCause.
        resets: state starts anew before each sample.
        sets_inputs: False: inputs are set before the first sample only, and lie then wherever an
            invoke leaves them.
        before: given n, the samples that run before all others, from the same start.
        needs_state: it can only show in a model with state.
    """

    name: str
    text: str
    resets: bool = False
    sets_inputs: bool = True
    before: Callable[[int], Sequence[int]] | None = None
    needs_state: bool = False


def dtype_range(dtype: np.dtype[Any]) -> tuple[int, int]:
    """Lowest and highest number of an integer type."""
    info = np.iinfo(dtype)
    return int(info.min), int(info.max)

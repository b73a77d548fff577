"""This package's interpreter as a side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

import microinterp
from microinterp.closing import Closing
from microinterp.graph import Graph
from microinterp.interpreter import Interpreter
from microinterp.registry import Registry
from microinterp.sides.side import Array, Observed, Place, sample_count
from microinterp.trace import Trace

if TYPE_CHECKING:
    from microinterp.binding import Step

_AT_ONCE = 64  # samples of a batch: what is alive between ops then stays small


class HostSide(Closing):
    """Our interpreter; errors are those of Interpreter."""

    def __init__(
        self,
        model: bytes,
        profile: str = "tflm",
        registry: Registry | None = None,
        kernels: str = "auto",
        name: str = "host",
        preserve: bool = False,
    ) -> None:
        """See open_side. `preserve` gives every tensor memory of its own, which starts as zeros."""
        self.name = name
        self.version = f"microinterp {microinterp.__version__}, profile {profile}"
        self.interpreter = Interpreter(
            model,
            profile=profile,
            registry=registry,
            kernels=kernels,
            preserve_all_tensors=preserve,
        )
        self.first_runs: dict[Place, int] = {}
        self._last: dict[Place, Array] = {}

    def run(self, inputs: Sequence[Array], places: Sequence[Place] = ()) -> Observed:
        """See Side."""
        if inputs and not places:
            return Observed(self._batch(inputs))
        main, count = self.interpreter.graph.main, sample_count(inputs)
        outputs = tuple(np.empty((count, *t.shape), t.dtype) for t in main.outputs)
        keeper = Keeper(self.interpreter.graph, places, count)
        for place in self._last.keys() & keeper.tensors.keys():
            keeper.tensors[place][0] = self._last[place]  # where its op does not run
        for sample in range(count):
            keeper.sample = sample
            for index, array in enumerate(inputs):
                self.interpreter.set_input(array[sample], index)
            self.interpreter.invoke(keeper)
            for index, found in enumerate(outputs):
                found[sample] = self.interpreter.get_output(index)
        self.first_runs = keeper.first_runs
        self._last |= {place: array[-1].copy() for place, array in keeper.tensors.items()}
        return Observed(outputs, keeper.tensors)

    def _batch(self, inputs: Sequence[Array]) -> tuple[Array, ...]:
        parts = [
            self.interpreter.run_batch(*(array[low : low + _AT_ONCE] for array in inputs))
            for low in range(0, max(1, len(inputs[0])), _AT_ONCE)
        ]
        return tuple(np.concatenate(arrays) for arrays in zip(*parts, strict=True))


class Keeper(Trace):
    """Keeps what ops have written, sample by sample.

    Attributes:
        sample: the one that runs.
        tensors: [count, *shape] by place.
        first_runs: the first sample in which an op has written, by place.
    """

    def __init__(self, graph: Graph, places: Sequence[Place], count: int) -> None:
        """Make room for `count` samples."""
        self.sample = 0
        self.tensors: dict[Place, Array] = {}
        for place in places:
            tensor = graph.subgraphs[place[0]].tensors[place[2]]
            self.tensors[place] = np.zeros((count, *tensor.shape), tensor.dtype)
        self.first_runs: dict[Place, int] = {}
        self._ran = -1

    def begin(self, binding: object) -> None:
        """What does not run in this sample stays as in the one before."""
        if self._ran >= 0 and self.sample > self._ran:
            for array in self.tensors.values():
                array[self.sample] = array[self._ran]
        self._ran = self.sample

    def after(self, step: Step) -> None:
        """Keep the op's outputs."""
        node = step.node.node
        for tensor, array in zip(node.outputs, step.arrays.outputs, strict=True):
            place = node.subgraph, node.index, tensor.index
            kept = self.tensors.get(place)
            if kept is not None:
                self.first_runs.setdefault(place, self.sample)
                kept[self.sample] = array.reshape(tensor.shape)

"""Comparing the bytes of our arena with those of TFLM's own, after the same samples."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from microinterp import Interpreter
from microinterp.binding import Binding, Step
from microinterp.runtimes.tflm import ArenaFacts, Sample
from microinterp.trace import Trace


class LastWriter(Trace):
    """Marks the bytes of the head whose last writer is a tensor: an input or an op's output.

    Others differ for good reasons: TFLM's planner and its kernels leave temporary data in bytes
    that no tensor writes, and we do not use scratch buffers as its kernels do. Handles that IF and
    WHILE pass on are kept elsewhere.
    """

    def __init__(self) -> None:
        self.by_tensor: npt.NDArray[np.bool_] = np.empty(0, np.bool_)
        self._binding: Binding | None = None

    def begin(self, binding: Binding) -> None:
        if self._binding is not binding:
            self._binding = binding
            self.by_tensor = np.zeros(binding.plan.head_bytes, np.bool_)
        for tensor in binding.prepared.graph.main.inputs:
            self._mark((tensor.subgraph, tensor.index), tensor.nbytes)

    def after(self, step: Step) -> None:
        assert self._binding is not None
        node = step.node.node
        for i, nbytes in enumerate(step.node.kernel.scratch):
            offset = self._binding.plan.scratch[node.subgraph, node.index, i]
            self.by_tensor[offset : offset + nbytes] = False
        prepared = self._binding.prepared
        for number in step.node.kernel.subgraphs:
            for tensor in prepared.graph.subgraphs[number].inputs:
                if (tensor.subgraph, tensor.index) in prepared.resources.passed:
                    self._mark((tensor.subgraph, tensor.index), tensor.nbytes)
        for tensor in node.outputs:
            self._mark((tensor.subgraph, tensor.index), tensor.nbytes)

    def _mark(self, key: tuple[int, int], nbytes: int) -> None:
        assert self._binding is not None
        offset = self._binding.plan.tensors.get(key)
        if offset is not None:
            is_number = key in self._binding.prepared.resources.passed
            self.by_tensor[offset : offset + nbytes] = not is_number


def differing_arena_bytes(
    interpreter: Interpreter, facts: ArenaFacts, samples: Sequence[Sample]
) -> tuple[int, int]:
    """How many bytes of the head were compared, and how many of them differ.

    Equal bytes prove equal offsets. `interpreter` must be new: it is run on `samples` here, which
    are those that `facts` come from; resets are left out of both.

    Returns:
        (compared, differing)
    """
    assert facts.head is not None, "TFLM's arena was not found in its process"
    assert len(facts.head) == interpreter.arena.head_bytes
    trace = LastWriter()
    for sample in samples:
        for i, array in enumerate(sample or ()):
            interpreter.set_input(array, i)
        interpreter.invoke(trace)
    ours = np.frombuffer(interpreter.arena.memory, np.uint8, len(facts.head))
    theirs = np.frombuffer(facts.head, np.uint8)
    differing = trace.by_tensor & (ours != theirs)
    return int(np.count_nonzero(trace.by_tensor)), int(np.count_nonzero(differing))

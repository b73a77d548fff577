"""Binds a prepared, planned model to memory: one arena, views into it, one call per op."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from microinterp.arena.placing import ALIGNMENT, align_up
from microinterp.arena.plan import Plan
from microinterp.errors import ArenaError, InputError
from microinterp.fast_path import Call, Workspace, one_blas_thread
from microinterp.graph import Tensor
from microinterp.prepare import Arrays, Prepared, PreparedNode, State, Status
from microinterp.trace import Trace

DEFAULT_ARENA_LIMIT = 256 << 20
"""Largest arena that is made without being asked for: no microcontroller comes near it."""


@dataclass(frozen=True, eq=False)
class Step:
    """One op, ready to run.

    Attributes:
        calls: those of its fast twin, None where the plain kernel runs.
    """

    node: PreparedNode
    arrays: Arrays
    calls: tuple[Call, ...] | None = None

    def __call__(self) -> Status:
        if self.calls is not None:
            for call in self.calls:
                call()
            return Status.OK
        kernel = self.node.kernel
        status = kernel.evaluate(kernel.params, self.arrays)
        if status is None:
            return Status.OK
        if status is Status.ERROR:
            raise InputError(
                "the op cannot work with these numbers",
                self.node.node.where(),
                "TFLM's invoke fails here too; look at the inputs of this op",
            )
        return status


def make_step(node: PreparedNode, arrays: Arrays, workspace: Workspace) -> Step:
    """Bind a node to its arrays: with its fast twin, unless that does not take such arrays."""
    if node.fast is None or not _suits_twins(arrays):
        return Step(node, arrays)
    return Step(node, arrays, tuple(node.fast.bind(arrays, workspace)))


def _suits_twins(arrays: Arrays) -> bool:
    """True if all arrays are contiguous and no output lies over an input."""
    inputs = [x for x in arrays.inputs if x is not None]
    return all(x.flags.c_contiguous for x in (*inputs, *arrays.outputs)) and not any(
        np.may_share_memory(x, out) for x in inputs for out in arrays.outputs
    )


@dataclass(eq=False)
class SubgraphCall:
    """A subgraph as a control-flow kernel runs it; `steps` is filled after all are bound."""

    inputs: tuple[npt.NDArray[Any], ...]
    outputs: tuple[npt.NDArray[Any], ...]
    steps: list[Step] = field(default_factory=list)
    trace: Trace | None = None

    def run(self) -> Status:
        """Run the subgraph's ops once, up to the first one that does not end with OK."""
        if self.trace is None:
            for step in self.steps:
                if status := step():
                    return status
            return Status.OK
        for step in self.steps:
            self.trace.before(step)
            status = step()
            self.trace.after(step)
            if status:
                return status
        return Status.OK


@dataclass(frozen=True, slots=True)
class _StateBuffer:
    memory: npt.NDArray[np.uint8]
    state: State


class Binding:
    """Memory and steps of one interpreter."""

    def __init__(self, prepared: Prepared, plan: Plan, arena_size: int | None) -> None:
        self.prepared = prepared
        self.plan = plan
        self.memory = bytearray(_arena_bytes(prepared, plan, arena_size))
        self._bytes = np.frombuffer(self.memory, np.uint8)
        self._tail = len(self.memory)
        self._states: list[_StateBuffer] = []
        self._resources = tuple(
            self._persistent(State(variable.nbytes or 0, variable.fill))
            for variable in prepared.resources.variables
        )
        tensors = [t for subgraph in prepared.graph.subgraphs for t in subgraph.tensors]
        self._arrays = {(t.subgraph, t.index): self._place(t) for t in tensors if t.part is None}
        for t in tensors:
            if t.part is not None:
                self._arrays[t.subgraph, t.index] = t.within(self.of(t.root))
        self._calls = tuple(
            SubgraphCall(tuple(map(self.of, s.inputs)), tuple(map(self.of, s.outputs)))
            for s in prepared.graph.subgraphs
        )
        workspace = Workspace()
        for call, nodes in zip(self._calls, prepared.subgraphs, strict=True):
            call.steps.extend(make_step(n, self._arrays_of(n), workspace) for n in nodes)
        self.reset(everything=True)

    def of(self, tensor: Tensor) -> npt.NDArray[Any]:
        """The tensor's array: a view into the arena, or into the file for a constant."""
        return self._arrays[tensor.subgraph, tensor.index]

    @property
    def tail(self) -> int:
        """Where persistent buffers begin, which reach to the arena's end."""
        return self._tail

    def run(self, trace: Trace | None = None) -> Status:
        """Run the main subgraph once. Raises InputError where an op cannot work with its inputs."""
        for call in self._calls:
            call.trace = trace
        if trace is not None:
            trace.begin(self)
        # C arithmetic overflows and divides by zero in silence, and so do the kernels
        with np.errstate(all="ignore"), one_blas_thread:
            return self._calls[0].run()

    def reset(self, everything: bool) -> None:
        """Fill state buffers with their start value; `everything` includes what reset() keeps."""
        for buffer in self._states:
            if everything or buffer.state.resets:
                buffer.memory[...] = buffer.state.fill

    def _persistent(self, state: State) -> npt.NDArray[np.uint8]:
        """A buffer at the arena's tail, which grows downwards as in TFLM."""
        self._tail = (self._tail - state.nbytes) // ALIGNMENT * ALIGNMENT
        memory = self._bytes[self._tail : self._tail + state.nbytes]
        self._states.append(_StateBuffer(memory, state))
        return memory

    def _place(self, tensor: Tensor) -> npt.NDArray[Any]:
        key = (tensor.subgraph, tensor.index)
        resources = self.prepared.resources
        if tensor.data is not None:
            return tensor.data
        if key in resources.handles or key in resources.passed:
            # Outside the arena, so that it stays a variable's number whatever an op writes there.
            return np.full(tensor.shape, resources.handles.get(key, 0), tensor.dtype)
        offset = self.plan.tensors.get(key)
        if tensor.is_variable:
            return self._variable(tensor, offset)
        if offset is None:
            return np.empty(tensor.shape, tensor.dtype)  # no elements or no use, so no place
        return self._view(offset, tensor)

    def _variable(self, tensor: Tensor, offset: int | None) -> npt.NDArray[Any]:
        """An is_variable tensor; only int8 ones start at their zero point, as in TFLM."""
        fill = tensor.zero_point & 0xFF if tensor.dtype == np.int8 else 0
        state = State(tensor.nbytes, fill)
        if offset is None:
            return self._persistent(state).view(tensor.dtype).reshape(tensor.shape)
        memory = self._bytes[offset : offset + tensor.nbytes]
        self._states.append(_StateBuffer(memory, state))
        return self._view(offset, tensor)

    def _view(self, offset: int, tensor: Tensor) -> npt.NDArray[Any]:
        flat = np.frombuffer(self.memory, tensor.dtype, count=tensor.elements, offset=offset)
        return flat.reshape(tensor.shape)

    def _arrays_of(self, prepared_node: PreparedNode) -> Arrays:
        node, kernel = prepared_node.node, prepared_node.kernel
        scratch = []
        for i, nbytes in enumerate(kernel.scratch):
            offset = self.plan.scratch[node.subgraph, node.index, i]
            scratch.append(self._bytes[offset : offset + nbytes])
        return Arrays(
            inputs=tuple(None if t is None else self.of(t) for t in node.inputs),
            outputs=tuple(self.of(t) for t in node.outputs),
            scratch=tuple(scratch),
            state=tuple(self._persistent(state) for state in kernel.state),
            subgraphs=tuple(self._calls[i] for i in kernel.subgraphs),
            variables=self._resources,
        )


def bind(prepared: Prepared, plan: Plan, arena_size: int | None = None) -> Binding:
    """Make the arena and bind every op to it.

    Raises:
        ArenaError: `arena_size` is less than needed, or more is needed than is made unasked.
    """
    return Binding(prepared, plan, arena_size)


def _arena_bytes(prepared: Prepared, plan: Plan, arena_size: int | None) -> int:
    """Bytes to allocate: head, then the tail, which has every persistent buffer."""
    variables = [
        t.nbytes
        for subgraph in prepared.graph.subgraphs
        for t in subgraph.tensors
        if t.is_variable and t.data is None and (t.subgraph, t.index) not in plan.tensors
    ]
    resources = [variable.nbytes or 0 for variable in prepared.resources.variables]
    states = [state.nbytes for n in prepared.nodes() for state in n.kernel.state]
    tail = sum(align_up(nbytes) for nbytes in (*variables, *resources, *states))
    need = plan.head_bytes + tail
    if arena_size is None:
        if need > DEFAULT_ARENA_LIMIT:
            raise ArenaError(
                f"the model needs an arena of {need} bytes, more than {DEFAULT_ARENA_LIMIT}",
                hint="pass arena_size if that is meant",
            )
        return need
    if not isinstance(arena_size, (int, np.integer)) or isinstance(arena_size, bool):
        raise ArenaError(f"arena_size is {arena_size!r}, wanted a number of bytes")
    if arena_size < need:
        raise ArenaError(
            f"the arena is too small: need {need} bytes (head {plan.head_bytes}, tail "
            f"{tail}), have {arena_size}, {need - arena_size} short",
            hint="TFLM needs room for its own structs beside these",
        )
    return int(arena_size)

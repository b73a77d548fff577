"""When each buffer of the arena is alive, counted exactly as TFLM counts.

A scope counter goes up by one at each op, and by one more for each subgraph that a control-flow
op enters. A buffer is alive from the scope of its producer to that of its last user, ends
included. Source: micro/micro_allocation_info.cc.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import tflite

from microinterp.errors import ArenaError, Where
from microinterp.graph import Tensor
from microinterp.prepare import Prepared, PreparedNode

UNUSED = -1
OFFLINE_METADATA = "OfflineMemoryAllocation"
# The pinned wheel follows IF and WHILE of old files, too, which have only the deprecated op-code
# field; TFLM up to August 2026 looked at the newer field alone.
FOLLOWED = {
    tflite.BuiltinOperator.IF,
    tflite.BuiltinOperator.WHILE,
    tflite.BuiltinOperator.CALL_ONCE,
}
"""Ops whose subgraphs have scopes of their own."""


@dataclass(slots=True)
class Request:
    """One buffer to be placed: a tensor, or scratch of an op.

    Attributes:
        nbytes: before alignment.
        first, last: scopes at which it is alive, both included; -1 if nothing uses it (it is
            planned all the same).
        tensor: (subgraph, tensor index), or None for scratch.
        scratch: (subgraph, op index, number of the request), or None for a tensor.
        offline_offset: an offset that the file's metadata prescribes.
    """

    nbytes: int
    first: int = UNUSED
    last: int = UNUSED
    tensor: tuple[int, int] | None = None
    scratch: tuple[int, int, int] | None = None
    offline_offset: int | None = None

    def use(self, scope: int) -> None:
        """Count a use at `scope`."""
        self.last = scope

    def create(self, scope: int) -> None:
        """Count a creation at `scope`; only the first one is kept."""
        if self.first == UNUSED:
            self.first = scope


def buffer_requests(prepared: Prepared, offline: bool = True) -> list[Request]:
    """Every buffer that the arena's head must hold, in TFLM's order: tensors, then scratch.

    Args:
        offline: take the offsets that the file prescribes.

    Raises:
        ArenaError: the file's offline plan does not fit its tensors.
    """
    tensors = {
        (t.subgraph, t.index): Request(t.nbytes, tensor=(t.subgraph, t.index))
        for subgraph in prepared.graph.subgraphs
        for t in subgraph.tensors
    }
    scratch = {
        (n.node.subgraph, n.node.index, i): Request(
            nbytes, scratch=(n.node.subgraph, n.node.index, i)
        )
        for n in prepared.nodes()
        for i, nbytes in enumerate(n.kernel.scratch)
    }
    if offline:
        _apply_offline_plan(prepared, list(tensors.values()))
    _Marker(prepared, tensors, scratch).mark(subgraph=0)
    planned = [tensors[t.subgraph, t.index] for t in planned_tensors(prepared, tensors)]
    return planned + list(scratch.values())


def planned_tensors(
    prepared: Prepared, requests: dict[tuple[int, int], Request]
) -> Iterator[Tensor]:
    """Tensors that get a place in the head: no constants, handles, empty ones or variables.

    A variable is planned only where the file's offline plan gives it an offset.
    """
    for subgraph in prepared.graph.subgraphs:
        for tensor in subgraph.tensors:
            key = (tensor.subgraph, tensor.index)
            if tensor.is_constant or tensor.nbytes == 0 or key in prepared.resources.handles:
                continue
            if not tensor.is_variable or requests[key].offline_offset is not None:
                yield tensor


class _Marker:
    """Walks the graph in execution order and marks first and last scopes."""

    def __init__(
        self,
        prepared: Prepared,
        tensors: dict[tuple[int, int], Request],
        scratch: dict[tuple[int, int, int], Request],
    ) -> None:
        self._prepared = prepared
        self._tensors = tensors
        self._scratch = scratch
        self._scope = 0

    def mark(self, subgraph: int) -> None:
        graph = self._prepared.graph.subgraphs[subgraph]
        for tensor in graph.inputs:
            self._of(tensor).create(self._scope)
            self._of(tensor).use(self._scope)
        for prepared_node in self._prepared.subgraphs[subgraph]:
            self._mark_node(prepared_node)
        for tensor in graph.outputs:
            self._of(tensor).create(self._scope)
            self._of(tensor).use(self._scope)

    def _mark_node(self, prepared_node: PreparedNode) -> None:
        node, kernel = prepared_node.node, prepared_node.kernel
        self._scope += 1
        for tensor in node.outputs:
            self._of(tensor).create(self._scope)
        before_subgraphs = self._scope
        if node.code in FOLLOWED:
            for subgraph in kernel.subgraphs:
                self._scope += 1
                self.mark(subgraph)
        for tensor in (*(t for t in node.inputs if t is not None), *node.outputs):
            self._of(tensor).use(self._scope)
        for i in range(len(kernel.scratch)):
            request = self._scratch[node.subgraph, node.index, i]
            request.create(before_subgraphs)
            request.use(self._scope)

    def _of(self, tensor: Tensor) -> Request:
        return self._tensors[tensor.subgraph, tensor.index]


def _apply_offline_plan(prepared: Prepared, requests: list[Request]) -> None:
    """Take the offsets of OfflineMemoryAllocation metadata: int32 [3 + tensors], -1 is online."""
    model = prepared.graph.model
    for metadata in model.metadata:
        if metadata.name != OFFLINE_METADATA:
            continue
        buffer = model.buffers[metadata.buffer]
        words = buffer[: len(buffer) // 4 * 4].cast("i").tolist() if buffer is not None else []
        if len(words) < 3 or words[2] != len(requests) or len(words) < 3 + len(requests):
            raise ArenaError(
                f"the {OFFLINE_METADATA} metadata must have 3 + {len(requests)} int32 words, "
                f"the third saying {len(requests)} tensors",
                hint="the plan belongs to another version of the model: plan again",
            )
        for request, offset in zip(requests, words[3:], strict=False):
            if offset < -1:
                subgraph, index = request.tensor or (0, 0)
                raise ArenaError(
                    f"offline offset {offset}, wanted -1 (TFLM places it) or 0 and more",
                    Where(subgraph, tensor_index=index),
                    "plan again: `microinterp plan --embed`",
                )
            request.offline_offset = None if offset == -1 else offset

"""AllocateTensors played through: every allocation of TFLM's, in its order, with its alignment.

Sources: micro_allocator.cc, micro_allocation_info.cc, micro_interpreter.cc,
micro_interpreter_graph.cc, micro_resource_variable.cc, recording_micro_allocator.cc.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from microinterp.arena.lifetimes import buffer_requests
from microinterp.arena.plan import Plan
from microinterp.arena.sizes import Table
from microinterp.arena.target_memory import TargetMemory
from microinterp.arena.target_ops import Footprint, Site, int_array
from microinterp.compression import lut_tensors
from microinterp.graph import Tensor
from microinterp.prepare import Prepared

Prepares = Sequence[tuple[Footprint, Site]]
"""Every op in the order in which TFLM prepares them: what its kernel takes, and where it is."""


class Allocation:
    """AllocateTensors of one model on one target, step by step."""

    def __init__(
        self,
        prepared: Prepared,
        plan: Plan,
        table: Table,
        prepares: Prepares,
        is_recording: bool,
        decompresses: bool,
    ) -> None:
        """Nothing is allocated yet.

        Args:
            prepared: with the target's own scratch buffers.
            plan: for it.
            table: struct sizes.
            prepares: every op in TFLM's order.
            is_recording: the allocator is the one that records.
            decompresses: TFLM is built with compression.
        """
        self._prepared, self._plan, self._prepares = prepared, plan, prepares
        self._table, self._is_recording = table, is_recording
        self._decompresses = decompresses
        self._memory = TargetMemory()

    def run(self, arena_size: int) -> TargetMemory:
        """The memory at the end, for an arena whose size has this remainder by 16."""
        self._memory = TargetMemory(arena_size)
        self._start()
        self._lists()
        for footprint, _ in self._prepares:
            if footprint.params:
                self._structs("op options", footprint.params)
        for footprint, site in self._prepares:
            for nbytes in footprint.init_buffers(site):
                self._memory.persistent("op data", nbytes)
        requests = 0
        for (footprint, site), item in zip(self._prepares, self._prepared.nodes(), strict=True):
            requests += len(item.kernel.scratch)
            self._prepare(footprint, site)
            self._resize_requests(requests)
        self._plan_memory(requests)
        for ends in (self._prepared.graph.main.inputs, self._prepared.graph.main.outputs):
            self._memory.persistent("tensors", self._table.size("pointer", len(ends)))
            for tensor in ends:
                self._end_tensor(tensor)
        return self._memory

    def _structs(self, category: str, name: str, count: int = 1) -> None:
        self._memory.structs(category, self._table[name], count)

    def _start(self) -> None:
        """The allocator, the planner, resource variables, what StartModelAllocation begins with."""
        # An interpreter that preserves all tensors plans in a line, and never records.
        is_linear = self._plan.planner == "linear"
        recording = "Recording" if self._is_recording and not is_linear else ""
        planner = "LinearMemoryPlanner" if is_linear else "GreedyMemoryPlanner"
        self._structs("interpreter", f"{recording}SingleArenaBufferAllocator")
        self._structs("interpreter", planner)
        self._structs("interpreter", f"{recording}MicroAllocator")
        names = {variable.shared_name for variable in self._prepared.resources.variables}
        if names:
            size = self._table.size
            self._memory.persistent("variables", size("MicroResourceVariables"))
            self._memory.persistent("variables", size("MicroResourceVariable", len(names)))
        self._structs("interpreter", "MicroBuiltinDataAllocator")
        self._resize_requests(0)

    def _resize_requests(self, made: int) -> None:
        """The head holds all scratch requests, and those that the next op may make."""
        size = self._table.size
        self._memory.resize(size("ScratchBufferRequest", made + size("requests per op")))

    def _lists(self) -> None:
        subgraphs = self._prepared.graph.subgraphs
        self._structs("interpreter", "SubgraphAllocations", len(subgraphs))
        if self._decompresses:
            self._compressed()
        for subgraph in subgraphs:
            self._structs("tensors", "TfLiteEvalTensor", len(subgraph.tensors))
        for subgraph in subgraphs:
            self._structs("nodes", "NodeAndRegistration", len(subgraph.nodes))

    def _compressed(self) -> None:
        """A record and a table for each compressed tensor, a list for each subgraph with one."""
        listed: set[int] = set()
        for subgraph, _ in lut_tensors(self._prepared.graph.model):
            self._structs("compression", "CompressionTensorData")
            self._structs("compression", "LookupTableData")
            if subgraph not in listed:
                listed.add(subgraph)
                tensors = len(self._prepared.graph.subgraphs[subgraph].tensors)
                self._structs("compression", "pointer", tensors)

    def _prepare(self, footprint: Footprint, site: Site) -> None:
        category = "op data" if site.makes_room is None else "variables"
        for event in footprint.events(site):
            if isinstance(event, Tensor):
                self._temporary_tensor(event)
            else:
                self._memory.persistent(category, event)
        self._memory.drop_temporaries()

    def _temporary_tensor(self, tensor: Tensor) -> None:
        self._memory.temporary(self._table["TfLiteTensor"])
        if tensor.quantization is not None:
            self._memory.temporary(self._table["TfLiteAffineQuantization"])
            array = self._table["TfLiteIntArray"]
            size = int_array(self._table, len(tensor.quantization.scale))
            self._memory.temporary(replace(array, size=size))

    def _end_tensor(self, tensor: Tensor) -> None:
        self._structs("tensors", "TfLiteTensor")
        if tensor.quantization is not None:
            self._structs("quantisation", "TfLiteAffineQuantization")
            size = int_array(self._table, len(tensor.quantization.scale))
            self._memory.persistent("quantisation", size, self._table["TfLiteIntArray"].align)

    def _plan_memory(self, requests: int) -> None:
        """FinishModelAllocation: handles, then the planner's own memory, variables, the head."""
        if requests:
            self._structs("scratch handles", "ScratchBufferHandle", requests)
        graph = self._prepared.graph
        tensors = sum(len(subgraph.tensors) for subgraph in graph.subgraphs)
        self._memory.temporary(self._table["size_t"], len(graph.subgraphs))
        self._memory.temporary(self._table["AllocationInfo"], tensors + requests)
        for tensor in self._variables():
            self._memory.persistent("variables", tensor.nbytes)
        self._memory.plan_with(len(self._plan.placed), self._bytes_per_buffer())
        self._memory.resize(self._plan.head_bytes)

    def _bytes_per_buffer(self) -> int:
        """What the greedy planner needs for a moment; the linear one has it in its struct."""
        if self._plan.planner == "linear":
            return 0
        size = self._table.size
        entry = size("GreedyMemoryPlanner::BufferRequirements")
        return entry + size("GreedyMemoryPlanner::ListEntry") + size("int", 3)

    def _variables(self) -> list[Tensor]:
        """Variable tensors that the file's offline plan does not put into the head."""
        in_head = {r.tensor for r in buffer_requests(self._prepared)}
        return [
            tensor
            for subgraph in self._prepared.graph.subgraphs
            for tensor in subgraph.tensors
            if tensor.is_variable and (tensor.subgraph, tensor.index) not in in_head
        ]

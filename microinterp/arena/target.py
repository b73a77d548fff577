"""Sizes of TFLM's arena on a target: head, tail by category, and the smallest arena that works.

The algorithm is TFLM's order of allocations; every size comes from a versioned table (sizes/). Source:
micro_allocator.cc, micro_interpreter.cc, micro_interpreter_graph.cc, recording_micro_allocator.cc.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from microinterp.arena.lifetimes import buffer_requests
from microinterp.arena.placing import ALIGNMENT, align_up
from microinterp.arena.plan import Plan
from microinterp.arena.plan import plan as make_plan
from microinterp.arena.sizes import Table, load_table
from microinterp.arena.target_cmsis import CMSIS_NN
from microinterp.arena.target_memory import TargetMemory
from microinterp.arena.target_ops import REFERENCE, Footprint, Site, int_array
from microinterp.arena.target_signal import SIGNAL
from microinterp.compression import lut_tensors
from microinterp.errors import ArenaError
from microinterp.graph import Tensor
from microinterp.prepare import Kernel, Prepared, PreparedNode

_REFERENCE: Mapping[str, Footprint] = {**REFERENCE, **SIGNAL}


@dataclass(frozen=True)
class Target:
    """A build of TFLM.

    Attributes:
        name: as users write it.
        table: name of its table of struct sizes.
        kernels: what each operator's kernel takes, by name.
        cpu: what CMSIS-NN is compiled for: "c", "dsp" (Armv7E-M, Armv8-M with DSP) or "mve".
        is_recording: it has the allocator that records; TFLM's Python package always has.
        decompresses: it is built with USE_TFLM_COMPRESSION.
    """

    name: str
    table: str
    kernels: Mapping[str, Footprint] = field(repr=False)
    cpu: str = "c"
    is_recording: bool = False
    decompresses: bool = False


_CMSIS: Mapping[str, Footprint] = {**_REFERENCE, **CMSIS_NN}
_ARM, _ARM_CMSIS = "arm-none-eabi-tflm-90b983c", "arm-none-eabi-cmsis-nn-tflm-90b983c"

TARGETS: Mapping[str, Target] = MappingProxyType(
    {
        target.name: target
        for target in (
            Target("x86_64-wheel", "x86_64-wheel-20261023", _REFERENCE, "c", True, True),
            Target("cortex-m-reference", _ARM, _REFERENCE),
            Target("cortex-m-cmsis-nn-c", _ARM_CMSIS, _CMSIS, "c"),
            Target("cortex-m-cmsis-nn-dsp", _ARM_CMSIS, _CMSIS, "dsp"),
            Target("cortex-m-cmsis-nn-mve", _ARM_CMSIS, _CMSIS, "mve"),
        )
    }
)
"""The builds whose sizes are known."""

ALIASES: Mapping[str, str] = MappingProxyType({"cortex-m-cmsis-nn": "cortex-m-cmsis-nn-dsp"})


@dataclass(frozen=True)
class TargetSizes:
    """Bytes that a model takes in the arena of a target.

    Attributes:
        target: its name.
        head_bytes: what tensors and scratch share.
        tail_bytes: what stays: structs, op data, variables.
        used_bytes: head and tail, as MicroInterpreter.arena_used_bytes() gives them.
        minimum_bytes: the smallest arena that AllocateTensors succeeds in, a multiple of 16: above
            used_bytes where planning needs more for a moment.
        categories: bytes by purpose; they sum to used_bytes. "activations" and "scratch" are the
            head: up to the highest tensor, and what scratch buffers add above; the others the tail.
        table: name of the table of struct sizes, which has the ABI and TFLM's version.
    """

    target: str
    head_bytes: int
    tail_bytes: int
    used_bytes: int
    minimum_bytes: int
    categories: Mapping[str, int]
    table: str


HEAD_CATEGORIES = ("activations", "scratch")
"""The categories of the head; the others are the tail's."""


def find_target(name: str) -> Target:
    """The target of that name or alias.

    Raises:
        ArenaError: there is none; the message lists those that there are.
    """
    found = TARGETS.get(ALIASES.get(name, name))
    if found is None:
        known = ", ".join((*TARGETS, *ALIASES))
        raise ArenaError(f"no target '{name}'", hint=f"there are {known}")
    return found


def target_sizes(
    prepared: Prepared, plan: Plan, target: str, arena_size: int | None = None
) -> TargetSizes:
    """Sizes of the arena that TFLM needs on `target`.

    Args:
        prepared: the model, for any profile.
        plan: its plan; where the target's kernels ask for other scratch buffers than those of the PC
            build, its planner places them anew.
        target: a name in TARGETS, or "cortex-m-cmsis-nn", which means its dsp variant.
        arena_size: bytes of the arena, which starts at a multiple of 16. Only the remainder by 16
            counts: an end that is not aligned costs up to 15 bytes. None is an aligned one.

    Raises:
        ArenaError: no such target, or it cannot run the model.
    """
    build = find_target(target)
    table = load_table(build.table)
    return sizes_with(prepared, plan, build, table, arena_size)


def sizes_with(
    prepared: Prepared, plan: Plan, build: Target, table: Table, arena_size: int | None = None
) -> TargetSizes:
    """As target_sizes, with a table of your own in place of the target's."""
    _require_as_in_file(prepared)
    sites = _sites(prepared, build, table)
    there = _as_on_target(prepared, sites, build)
    if _scratch_of(there) != _scratch_of(prepared):
        plan = make_plan(there, plan.planner)
    allocation = _Allocation(there, plan, build, table, sites)
    memory = allocation.run(arena_size or 0)
    aligned = memory if not (arena_size or 0) % ALIGNMENT else allocation.run(0)
    tensors = max((p.end for p in plan.placed if p.request.tensor is not None), default=0)
    head = {"activations": tensors, "scratch": plan.head_bytes - tensors}
    return TargetSizes(
        target=build.name,
        head_bytes=plan.head_bytes,
        tail_bytes=memory.tail,
        used_bytes=plan.head_bytes + memory.tail,
        minimum_bytes=align_up(aligned.needed),
        categories=MappingProxyType(head | dict(memory.categories)),
        table=table.name,
    )


def _require_as_in_file(prepared: Prepared) -> None:
    """TFLM runs the ops of the file, each tensor in memory of its own."""
    graph, file = prepared.graph, prepared.graph.model
    ops = [len(subgraph.nodes) for subgraph in graph.subgraphs]
    tensors = [len(subgraph.tensors) for subgraph in graph.subgraphs]
    if (
        ops != [len(subgraph.operators) for subgraph in file.subgraphs]
        or tensors != [len(subgraph.tensors) for subgraph in file.subgraphs]
        or any(tensor.part is not None for s in graph.subgraphs for tensor in s.tensors)
    ):
        raise ArenaError(
            "memory passes have rewritten the graph, which TFLM cannot run so",
            hint="ask for the target's sizes of the model without passes",
        )


_Sites = Mapping[tuple[int, int], Site]


def _sites(prepared: Prepared, build: Target, table: Table) -> _Sites:
    """Every op by (subgraph, index), in the order in which TFLM prepares them."""
    sites: dict[tuple[int, int], Site] = {}
    assigned: set[int] = set()
    for item in prepared.nodes():
        node, room = item.node, None
        if node.name == "ASSIGN_VARIABLE":
            handle = node.input(0)
            number = prepared.resources.handles.get((handle.subgraph, handle.index))
            if number is not None and number not in assigned:
                assigned.add(number)
                room = node.input(1).nbytes
        sites[node.subgraph, node.index] = Site(node, item.kernel, table, build.cpu, room)
    return sites


def _footprint(build: Target, item: PreparedNode) -> Footprint:
    """What the op's kernel takes; an op that TFLM does not have says it itself."""
    known = build.kernels.get(item.node.name)
    if known is not None:
        return known
    own = item.kernel.persistent.get(build.name, item.kernel.persistent.get(""))
    sizes = tuple(state.nbytes for state in item.kernel.state) if own is None else tuple(own)
    return Footprint(steps="i* o*", init=lambda site: sizes)


def _as_on_target(prepared: Prepared, sites: _Sites, build: Target) -> Prepared:
    """The same model with the scratch buffers that the target's kernels ask for."""
    if not build.decompresses and lut_tensors(prepared.graph.model):
        raise ArenaError(
            f"the model has compressed tensors, which target '{build.name}' cannot read",
            hint="leave its tensors uncompressed",
        )

    def on_target(item: PreparedNode) -> PreparedNode:
        scratch = _footprint(build, item).scratch
        if scratch is None:
            return item
        compressed = [t.nbytes for t in item.node.inputs if t is not None and t.is_compressed]
        wanted = (*scratch(sites[item.node.subgraph, item.node.index]), *compressed)
        return replace(item, kernel=replace(item.kernel, scratch=wanted))

    subgraphs = tuple(tuple(map(on_target, nodes)) for nodes in prepared.subgraphs)
    return replace(prepared, subgraphs=subgraphs)


def _scratch_of(prepared: Prepared) -> list[tuple[int, ...]]:
    return [item.kernel.scratch for item in prepared.nodes()]


class _Allocation:
    """AllocateTensors of one model on one target, step by step."""

    def __init__(
        self, prepared: Prepared, plan: Plan, build: Target, table: Table, sites: _Sites
    ) -> None:
        self._prepared, self._plan, self._build = prepared, plan, build
        self._table, self._sites = table, sites
        self._memory = TargetMemory()

    def run(self, arena_size: int) -> TargetMemory:
        """The memory at the end."""
        self._memory = TargetMemory(arena_size)
        self._start()
        self._lists()
        for item in self._prepared.nodes():
            params = _footprint(self._build, item).params
            if params:
                self._structs("op options", params)
        for item in self._prepared.nodes():
            self._init(item)
        requests = 0
        for item in self._prepared.nodes():
            requests += len(item.kernel.scratch)
            self._prepare(item, requests)
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
        recording = "Recording" if self._build.is_recording else ""
        self._structs("interpreter", f"{recording}SingleArenaBufferAllocator")
        self._structs("interpreter", "GreedyMemoryPlanner")
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
        if self._build.decompresses:
            self._compressed()
        for subgraph in subgraphs:
            self._structs("tensors", "TfLiteEvalTensor", len(subgraph.tensors))
        for subgraph in subgraphs:
            self._structs("nodes", "NodeAndRegistration", len(subgraph.nodes))

    def _compressed(self) -> None:
        """A record and a table for each compressed tensor, and a list for each subgraph with one."""
        listed: set[int] = set()
        for subgraph, _ in lut_tensors(self._prepared.graph.model):
            self._structs("compression", "CompressionTensorData")
            self._structs("compression", "LookupTableData")
            if subgraph not in listed:
                listed.add(subgraph)
                tensors = len(self._prepared.graph.subgraphs[subgraph].tensors)
                self._structs("compression", "pointer", tensors)

    def _init(self, item: PreparedNode) -> None:
        site = self._sites[item.node.subgraph, item.node.index]
        for nbytes in _footprint(self._build, item).init_buffers(site):
            self._memory.persistent("op data", nbytes)

    def _prepare(self, item: PreparedNode, requests: int) -> None:
        site = self._sites[item.node.subgraph, item.node.index]
        category = "op data" if site.makes_room is None else "variables"
        for event in _footprint(self._build, item).events(site):
            if isinstance(event, Tensor):
                self._temporary_tensor(event)
            else:
                self._memory.persistent(category, event)
        self._memory.drop_temporaries()
        self._resize_requests(requests)

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
        size = self._table.size
        per_buffer = size("GreedyMemoryPlanner::BufferRequirements")
        per_buffer += size("GreedyMemoryPlanner::ListEntry") + size("int", 3)
        self._memory.plan_with(len(self._plan.placed), per_buffer)
        self._memory.resize(self._plan.head_bytes)

    def _variables(self) -> list[Tensor]:
        """Variable tensors that the file's offline plan does not put into the head."""
        in_head = {r.tensor for r in buffer_requests(self._prepared)}
        return [
            tensor
            for subgraph in self._prepared.graph.subgraphs
            for tensor in subgraph.tensors
            if tensor.is_variable and (tensor.subgraph, tensor.index) not in in_head
        ]

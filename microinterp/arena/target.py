"""Sizes of TFLM's arena on a target: head, tail by category, and the smallest arena that works.

Every size of a struct comes from a versioned table (sizes/), what each operator's kernel takes from
target_ops.py, target_signal.py and target_cmsis.py, the order of it all from target_steps.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from microinterp.arena.placing import ALIGNMENT, align_up
from microinterp.arena.plan import Plan
from microinterp.arena.plan import plan as make_plan
from microinterp.arena.sizes import Table, load_table
from microinterp.arena.target_cmsis import CMSIS_NN
from microinterp.arena.target_ops import REFERENCE, Footprint, Site
from microinterp.arena.target_signal import SIGNAL
from microinterp.arena.target_steps import Allocation, Prepares
from microinterp.compression import lut_tensors
from microinterp.errors import ArenaError
from microinterp.prepare import Prepared, PreparedNode

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
            head: what it would be without scratch buffers, and what these add; the others the tail.
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
        plan: its plan; where the target's kernels ask for other scratch buffers than those of the
            PC build, its planner places them anew.
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
    prepares = _prepares(prepared, build, table)
    there = _as_on_target(prepared, prepares, build)
    if _scratch_of(there) != _scratch_of(prepared):
        plan = make_plan(there, plan.planner)
    allocation = Allocation(there, plan, table, prepares, build.is_recording, build.decompresses)
    memory = allocation.run(arena_size or 0)
    aligned = allocation.run(0) if (arena_size or 0) % ALIGNMENT else memory
    activations = _head_without_scratch(there, plan)
    head = {"activations": activations, "scratch": plan.head_bytes - activations}
    return TargetSizes(
        target=build.name,
        head_bytes=plan.head_bytes,
        tail_bytes=memory.tail,
        used_bytes=plan.head_bytes + memory.tail,
        minimum_bytes=align_up(aligned.needed),
        categories=MappingProxyType(head | dict(memory.categories)),
        table=table.name,
    )


def _head_without_scratch(prepared: Prepared, plan: Plan) -> int:
    if not plan.scratch:
        return plan.head_bytes
    subgraphs = tuple(
        tuple(replace(item, kernel=replace(item.kernel, scratch=())) for item in nodes)
        for nodes in prepared.subgraphs
    )
    without = make_plan(replace(prepared, subgraphs=subgraphs), plan.planner)
    return min(plan.head_bytes, without.head_bytes)


def _require_as_in_file(prepared: Prepared) -> None:
    """TFLM runs the ops of the file, each tensor in memory of its own."""
    for subgraph, source in zip(
        prepared.graph.subgraphs, prepared.graph.model.subgraphs, strict=True
    ):
        operators = [node.operator for node in subgraph.nodes]
        is_as_in_file = (
            len(operators) == len(source.operators)
            and all(a is b for a, b in zip(operators, source.operators, strict=True))
            and len(subgraph.tensors) == len(source.tensors)
            and all(tensor.part is None for tensor in subgraph.tensors)
        )
        if not is_as_in_file:
            raise ArenaError(
                "memory passes have rewritten the graph, which TFLM cannot run so",
                hint="ask for the target's sizes of the model without passes",
            )


def _prepares(prepared: Prepared, build: Target, table: Table) -> Prepares:
    """Every op with what its kernel takes, in the order in which TFLM prepares them."""
    found: list[tuple[Footprint, Site]] = []
    assigned: set[int] = set()
    for item in prepared.nodes():
        node, room = item.node, None
        if node.name == "ASSIGN_VARIABLE":
            handle = node.input(0)
            number = prepared.resources.handles.get((handle.subgraph, handle.index))
            if number is not None and number not in assigned:
                assigned.add(number)
                room = node.input(1).nbytes
        site = Site(node, item.kernel, table, build.cpu, room)
        footprint = _footprint(build, item)
        footprint.check(site)
        found.append((footprint, site))
    return found


def _footprint(build: Target, item: PreparedNode) -> Footprint:
    """What the op's kernel takes; an op that TFLM does not have says it itself."""
    known = build.kernels.get(item.node.name)
    if known is not None:
        return known
    own = item.kernel.persistent.get(build.name, item.kernel.persistent.get(""))
    sizes = tuple(state.nbytes for state in item.kernel.state) if own is None else tuple(own)
    return Footprint(steps="i* o*", init=lambda site: sizes)


def _as_on_target(prepared: Prepared, prepares: Prepares, build: Target) -> Prepared:
    """The same model with the scratch buffers that the target's kernels ask for."""
    if not build.decompresses and lut_tensors(prepared.graph.model):
        raise ArenaError(
            f"the model has compressed tensors, which target '{build.name}' cannot read",
            hint="leave its tensors uncompressed",
        )
    scratch = {
        (site.node.subgraph, site.node.index): _scratch(footprint, site)
        for footprint, site in prepares
    }

    def on_target(item: PreparedNode) -> PreparedNode:
        wanted = scratch[item.node.subgraph, item.node.index]
        return replace(item, kernel=replace(item.kernel, scratch=wanted))

    subgraphs = tuple(tuple(map(on_target, nodes)) for nodes in prepared.subgraphs)
    return replace(prepared, subgraphs=subgraphs)


def _scratch(footprint: Footprint, site: Site) -> tuple[int, ...]:
    """The kernel's own, then one buffer for each compressed input."""
    if footprint.scratch is None:
        return site.kernel.scratch
    compressed = [t.nbytes for t in site.node.inputs if t is not None and t.is_compressed]
    return (*footprint.scratch(site), *compressed)


def _scratch_of(prepared: Prepared) -> list[tuple[int, ...]]:
    return [item.kernel.scratch for item in prepared.nodes()]

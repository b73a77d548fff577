"""Plans for boards with several memories, such as a fast and a slow RAM: who lies where.

Each buffer gets a region and an offset there. As many as possible of the bytes that ops read and
write shall lie in the first region, then in the second, and so on (region_search.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TypeAlias

from microinterp.arena import extents
from microinterp.arena.best import search
from microinterp.arena.check import check_plan, span_text
from microinterp.arena.greedy import greedy_offsets
from microinterp.arena.lifetimes import Request, buffer_requests
from microinterp.arena.placing import Blocks, align_up, ordinary_blocks, shrinking_blocks
from microinterp.arena.plan import Placed, Plan
from microinterp.arena.region_search import Placement, RegionTask
from microinterp.errors import ArenaError, Problem, printable
from microinterp.prepare import Prepared

Key: TypeAlias = "tuple[int, ...]"
"""A buffer: (subgraph, tensor) or, for scratch, (subgraph, op, number of the request)."""


@dataclass(frozen=True)
class Region:
    """A memory that can hold buffers: its name and its bytes."""

    name: str
    size: int


@dataclass(frozen=True, eq=False)
class RegionUse:
    """What a plan puts into a region.

    Attributes:
        plan: of the region's buffers alone; offsets count from the region's start.
        traffic: bytes per invoke that ops read and write, of each buffer of the plan.
    """

    region: Region
    plan: Plan
    traffic: tuple[int, ...] = field(repr=False)

    @property
    def traffic_bytes(self) -> int:
        """Bytes per invoke that ops read from it and write to it."""
        return sum(self.traffic)

    @property
    def short_bytes(self) -> int:
        """Bytes that the region lacks; 0 where its buffers fit."""
        return max(0, self.plan.head_bytes - self.region.size)


@dataclass(frozen=True, eq=False)
class RegionPlan:
    """A plan over regions, in the caller's order.

    Attributes:
        peak_bytes: bytes alive at once: regions that have fewer together cannot do.
    """

    uses: tuple[RegionUse, ...]
    peak_bytes: int

    @property
    def short_bytes(self) -> int:
        """Bytes that the regions lack; 0 where everything fits."""
        return sum(use.short_bytes for use in self.uses)

    @property
    def traffic_bytes(self) -> int:
        """Bytes per invoke that ops read and write in all."""
        return sum(use.traffic_bytes for use in self.uses)


def plan_regions(prepared: Prepared, regions: Sequence[Region]) -> RegionPlan:
    """Give each buffer a region and an offset; where they do not fit, the plan says how many lack.

    Args:
        prepared: also what passes have made of a model.
        regions: the preferred first.

    Raises:
        ArenaError: no region, two of one name, one without bytes, or a file with an offline plan,
            which is for one arena.
    """
    _require_sound(regions)
    task = _Task.of(prepared, regions)
    if any(request.offline_offset is not None for request in task.requests):
        raise ArenaError(
            "the file has an offline plan, which is for one arena",
            hint="give plan_regions the model without it",
        )
    return task.solved()


def check_regions(prepared: Prepared, made: RegionPlan) -> list[Problem]:
    """Everything that is wrong with such a plan; empty for a good one that fits.

    The regions are laid end to end and given to check_plan, which trusts no planner; `region` is
    the rule that a buffer stays inside its region.
    """
    problems, shifted, base = [], [], 0
    for use in made.uses:
        for placed in use.plan.placed:
            if placed.offset < 0 or placed.end > use.region.size:
                where = f"region {use.region.name} of {use.region.size} bytes"
                text = f"{span_text(placed)} leaves {where}"
                problems.append(Problem("region", text))
            shifted.append(replace(placed, offset=base + placed.offset))
        base += align_up(max(use.region.size, use.plan.head_bytes))
    return problems + check_plan(prepared, replace(_plan_of(shifted), head_bytes=base))


def traffic_of(prepared: Prepared) -> dict[Key, int]:
    """Bytes per invoke by buffer: each op reads its inputs and writes its outputs once.

    Scratch counts as written and read once. What the application does to the model's inputs and
    outputs does not count, and a subgraph counts once, however often a loop runs it.
    """
    traffic: dict[Key, int] = {}
    for item in prepared.nodes():
        node = item.node
        for tensor in (*node.inputs, *node.outputs):
            if tensor is not None:
                key = tensor.subgraph, tensor.root.index
                traffic[key] = traffic.get(key, 0) + tensor.nbytes
        for number, nbytes in enumerate(item.kernel.scratch):
            traffic[node.subgraph, node.index, number] = 2 * nbytes
    return traffic


def _require_sound(regions: Sequence[Region]) -> None:
    names = [region.name for region in regions]
    if not regions:
        raise ArenaError("there is no region", hint="name at least one, with its bytes")
    for region in regions:
        if region.size <= 0:
            raise ArenaError(
                f"region '{printable(region.name)}' has {region.size} bytes, wanted more"
            )
        if names.count(region.name) > 1:
            raise ArenaError(f"two regions have the name '{printable(region.name)}'")


@dataclass(frozen=True, eq=False)
class _Task:
    """Buffers and regions, and what is known of them."""

    requests: Sequence[Request]
    regions: Sequence[Region]
    traffic: Sequence[int]
    blocks_of: Callable[[Sequence[int]], Blocks]
    greedy_of: Callable[[Sequence[int]], list[int] | None]

    @classmethod
    def of(cls, prepared: Prepared, regions: Sequence[Region]) -> _Task:
        """Read from a model: whole buffers or, where passes have cut it up, such as shrink."""
        if prepared.rewritten:
            return cls._of_pieces(prepared, regions)
        requests = buffer_requests(prepared)
        sizes = [align_up(request.nbytes) for request in requests]

        def subset(numbers: Sequence[int]) -> tuple[list[Request], list[int]]:
            return [requests[i] for i in numbers], [sizes[i] for i in numbers]

        return cls(
            requests,
            regions,
            _in_order(traffic_of(prepared), requests),
            lambda numbers: ordinary_blocks(*subset(numbers)),
            lambda numbers: greedy_offsets(*subset(numbers)),
        )

    @classmethod
    def _of_pieces(cls, prepared: Prepared, regions: Sequence[Region]) -> _Task:
        found = extents.extents(extents.schedule(prepared))
        requests, shapes = extents.requests(prepared, found), list(found.values())
        return cls(
            requests,
            regions,
            _in_order(traffic_of(prepared), requests),
            lambda numbers: shrinking_blocks([shapes[i] for i in numbers]),
            lambda _numbers: None,
        )

    @cached_property
    def blocks(self) -> Blocks:
        """All buffers."""
        return self.blocks_of(range(len(self.requests)))

    def solved(self) -> RegionPlan:
        """The best plan found; with one region there is nothing to choose but offsets."""
        count = len(self.requests)
        placement = Placement([0] * count, [0] * count)
        if len(self.regions) > 1:
            room = [region.size for region in self.regions]
            placement = RegionTask(self.blocks, self.traffic, room).searched()
        uses = (self._use(number, placement) for number in range(len(self.regions)))
        return RegionPlan(tuple(uses), self.blocks.bound)

    def _use(self, at: int, placement: Placement) -> RegionUse:
        """A region's buffers, packed once more, as low as the planner `best` packs them."""
        numbers = [i for i, region in enumerate(placement.regions) if region == at]
        blocks = self.blocks_of(numbers)
        offsets = [placement.offsets[i] for i in numbers]
        packed = search(blocks, self.greedy_of(numbers))
        if len(self.regions) == 1 or blocks.head(packed) < blocks.head(offsets):
            offsets = packed
        placed = [
            Placed(replace(self.requests[i]), offset, self.blocks.sizes[i])
            for i, offset in zip(numbers, offsets, strict=True)
        ]
        bound = blocks.bound if self.greedy_of(numbers) is None else None
        plan = replace(_plan_of(placed), bound=bound)
        return RegionUse(self.regions[at], plan, tuple(self.traffic[i] for i in numbers))


def _in_order(traffic: Mapping[Key, int], requests: Sequence[Request]) -> list[int]:
    return [traffic.get(request.tensor or request.scratch or (), 0) for request in requests]


def _plan_of(placed: Sequence[Placed]) -> Plan:
    return Plan(
        planner="regions",
        placed=tuple(placed),
        head_bytes=max((p.end for p in placed), default=0),
        tensors={p.request.tensor: p.offset for p in placed if p.request.tensor is not None},
        scratch={p.request.scratch: p.offset for p in placed if p.request.scratch is not None},
    )

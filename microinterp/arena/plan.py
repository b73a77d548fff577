"""A memory plan: where each tensor and scratch buffer lies in the arena."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from microinterp.arena import extents
from microinterp.arena.best import best_offsets, search
from microinterp.arena.greedy import greedy_offsets
from microinterp.arena.lifetimes import Request, buffer_requests
from microinterp.arena.linear import linear_offsets
from microinterp.arena.placing import align_up, lower_bound, shrinking_blocks
from microinterp.errors import ArenaError
from microinterp.prepare import Prepared


def key_text(key: tuple[int, ...]) -> str:
    """A buffer in words: "tensor 3" of (0, 3), "scratch 0 of op 1:5" of (1, 5, 0)."""
    place = f"{key[0]}:{key[1]}" if key[0] else str(key[1])
    return f"tensor {place}" if len(key) == 2 else f"scratch {key[2]} of op {place}"


@dataclass(frozen=True, slots=True)
class Placed:
    """A request with its offset; `size` is the aligned byte count."""

    request: Request
    offset: int
    size: int

    @property
    def end(self) -> int:
        """First byte after it."""
        return self.offset + self.size


@dataclass(frozen=True, eq=False)
class Plan:
    """Where everything in the arena's head lies.

    Attributes:
        planner: name of the planner.
        placed: in the order TFLM adds buffers.
        head_bytes: bytes of the head: end of the highest buffer.
        tensors: offset by (subgraph, tensor index); of parts, too, that are contiguous.
        scratch: offset by (subgraph, op index, request number).
        bound: the most bytes in use at one step where that is less than whole buffers tell.
    """

    planner: str
    placed: tuple[Placed, ...] = field(repr=False)
    head_bytes: int
    tensors: Mapping[tuple[int, int], int] = field(repr=False)
    scratch: Mapping[tuple[int, int, int], int] = field(repr=False)
    bound: int | None = None

    @property
    def lower_bound(self) -> int:
        """Bytes alive at once; no plan has a smaller head."""
        if self.bound is not None:
            return self.bound
        return lower_bound([p.request for p in self.placed], [p.size for p in self.placed])


_Planner = Callable[[Sequence[Request], Sequence[int]], list[int]]
PLANNERS: dict[str, _Planner] = {
    "tflm": greedy_offsets,
    "best": best_offsets,
    "linear": lambda _requests, sizes: linear_offsets(sizes),
}


def plan(prepared: Prepared, planner: str = "tflm", offline: bool = True) -> Plan:
    """Place every buffer of `prepared`.

    Args:
        planner: "tflm" (greedy, as on the chip), "best" (a search; never larger) or "linear" (as
            TFLM's kPreserveAllTensors).
        offline: buffers lie where the file's OfflineMemoryAllocation wants them.

    Raises:
        ArenaError: no such planner, or an offline plan in the file that does not fit.
    """
    if planner not in PLANNERS:
        raise ArenaError(f"no planner '{planner}'", hint=f"there are: {', '.join(PLANNERS)}")
    requests = buffer_requests(prepared, offline)
    sizes = [align_up(request.nbytes) for request in requests]
    offsets = PLANNERS[planner](requests, sizes)
    return _made(planner, requests, sizes, offsets)


def plan_pieces(prepared: Prepared, most_tries: int = 300) -> Plan:
    """Place every buffer of a graph that memory passes have rewritten, as low as a search finds.

    Args:
        most_tries: of the search.
    """
    found = extents.extents(extents.schedule(prepared))
    blocks = shrinking_blocks(list(found.values()))
    offsets = search(blocks, most_tries=most_tries)
    made = _made("best", extents.requests(prepared, found), blocks.sizes, offsets)
    parts = {
        (t.subgraph, t.index): made.tensors[t.subgraph, t.root.index] + extents.byte_range(t)[0]
        for t in prepared.graph.main.tensors
        if t.part is not None
        and (t.subgraph, t.root.index) in made.tensors
        and extents.is_contiguous(t)
    }
    return replace(made, tensors={**made.tensors, **parts}, bound=blocks.bound)


def _made(
    planner: str, requests: Sequence[Request], sizes: Sequence[int], offsets: Sequence[int]
) -> Plan:
    placed = tuple(
        Placed(replace(request), offset, size)
        for request, offset, size in zip(requests, offsets, sizes, strict=True)
    )
    return Plan(
        planner=planner,
        placed=placed,
        head_bytes=max((p.end for p in placed), default=0),
        tensors={p.request.tensor: p.offset for p in placed if p.request.tensor is not None},
        scratch={p.request.scratch: p.offset for p in placed if p.request.scratch is not None},
    )

"""TFLM's greedy memory planner, tie for tie.

The algorithm (micro/memory_planner/greedy_memory_planner.cc):
- sizes are rounded up to 16 bytes by the caller;
- buffers with an offline offset are placed first, as they are, in the order they were added;
- the others follow by falling size; of equal sizes the one added later goes first;
- each goes to the lowest gap that is free during its whole life, and large enough, among the
  buffers placed before it (two buffers share life if their scopes touch, ends included).
"""

from __future__ import annotations

from collections.abc import Sequence

from microinterp.arena.lifetimes import Request


def greedy_offsets(requests: Sequence[Request], sizes: Sequence[int]) -> list[int]:
    """Offset in the arena's head for each request; `sizes` are the aligned byte counts."""
    order = _placing_order(sizes)
    offsets = [0] * len(requests)
    placed: list[int] = []  # request numbers by rising offset
    offline = [i for i, r in enumerate(requests) if r.offline_offset is not None]
    for number in (*offline, *(i for i in order if requests[i].offline_offset is None)):
        request = requests[number]
        if request.offline_offset is not None:
            offsets[number] = request.offline_offset
        else:
            offsets[number] = _lowest_gap(request, sizes[number], placed, requests, sizes, offsets)
        _insert(number, placed, offsets)
    return offsets


def _placing_order(sizes: Sequence[int]) -> list[int]:
    return sorted(range(len(sizes)), key=lambda i: (-sizes[i], -i))


def _lowest_gap(
    request: Request,
    size: int,
    placed: Sequence[int],
    requests: Sequence[Request],
    sizes: Sequence[int],
    offsets: Sequence[int],
) -> int:
    candidate = 0
    for other in placed:
        if requests[other].first > request.last or request.first > requests[other].last:
            continue
        if offsets[other] - candidate >= size:
            break
        candidate = max(candidate, offsets[other] + sizes[other])
    return candidate


def _insert(number: int, placed: list[int], offsets: Sequence[int]) -> None:
    """Keep `placed` sorted by offset; among equal offsets the new one comes last."""
    position = len(placed)
    while position and offsets[placed[position - 1]] > offsets[number]:
        position -= 1
    placed.insert(position, number)

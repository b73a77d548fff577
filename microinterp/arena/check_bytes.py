"""Checks the plan of a rewritten graph: the rules of check.py for every single byte."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from microinterp.arena.byte_liveness import Alive, Key, byte_liveness, bytes_of
from microinterp.errors import NOWHERE, Problem, Where
from microinterp.graph import Tensor
from microinterp.prepare import Prepared, PreparedNode


def check_bytes(
    prepared: Prepared, offsets: Mapping[Key, int], head_bytes: int
) -> Iterator[Problem]:
    """Rules `placed`, `inside_head`, `overlap` and `in_place`, at each op of the main subgraph.

    Args:
        offsets: of each buffer.
    """
    alive = byte_liveness(prepared)
    yield from _collisions(alive.at_entry, offsets, head_bytes, NOWHERE)
    for item, during in zip(prepared.subgraphs[0], alive.during, strict=True):
        yield from _collisions(during, offsets, head_bytes, item.node.where())
        yield from _written_over(item)


def _collisions(
    alive: Alive, offsets: Mapping[Key, int], head_bytes: int, where: Where
) -> Iterator[Problem]:
    """No byte of the head is alive for two buffers."""
    taken = np.zeros(head_bytes, np.bool_)
    for key, mask in alive.items():
        used = np.flatnonzero(mask)
        if not used.size:
            continue
        if key not in offsets:
            yield Problem("placed", f"buffer {key} has no place in the arena", where)
            continue
        start, stop = offsets[key] + int(used[0]), offsets[key] + int(used[-1]) + 1
        if start < 0 or stop > head_bytes:
            yield Problem("inside_head", f"buffer {key} leaves the head of {head_bytes}", where)
            continue
        place, own = taken[start:stop], mask[used[0] : used[-1] + 1]
        if np.any(place & own):
            text = f"buffer {key} at {offsets[key]} shares bytes with another that is alive"
            yield Problem("overlap", text, where)
        place |= own


def _written_over(item: PreparedNode) -> Iterator[Problem]:
    """An op writes over what it reads only if it says so, and only element over element.

    A variable that an op reads and writes is the file's own doing.
    """
    node = item.node
    replaced = None if item.in_place is None else node.inputs[item.in_place]
    for position, x in enumerate(node.inputs):
        for out in node.outputs:
            if x is None or x.root is not out.root or out.is_variable or not _meets(x, out):
                continue
            if x is not replaced:  # which may be several inputs: x + x
                yield Problem("in_place", f"the op writes over input {position}", node.where(out))
            elif not _in_step(x, out, node.name):
                text = f"output elements lie over others of input {position}"
                yield Problem("in_place", text, node.where(out))


def _meets(x: Tensor, out: Tensor) -> bool:
    mask = np.zeros(x.root.nbytes, np.bool_)
    bytes_of(x, mask)[...] = True
    return bool(bytes_of(out, mask).any())


def _in_step(x: Tensor, out: Tensor, name: str) -> bool:
    """Going through the elements in order, none is written over before it was read.

    A depthwise convolution goes channel by channel: its elements stay among their channel's.
    """
    numbers = np.arange(x.root.nbytes)
    read, written = bytes_of(x, numbers), bytes_of(out, numbers)
    if name == "DEPTHWISE_CONV_2D":
        width, base = x.shape[-1] * x.dtype.itemsize, int(read.min())
        return all(
            np.array_equal((found.reshape(-1) - base) % width, np.arange(found.size) % width)
            for found in (read, written)
        )
    if x.elements != out.elements:
        return False
    before = read.reshape(x.elements, -1)[:, 0]
    ends = written.reshape(out.elements, -1)[:, -1]
    # Element i ends before element i + 1 of the input begins.
    return bool(np.all(ends[:-1] < before[1:])) if x.elements > 1 else True

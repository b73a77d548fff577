"""Checks the plan of a rewritten graph: the rules of check.py for every single byte."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from microinterp.arena.byte_liveness import Alive, Key, byte_liveness, bytes_of
from microinterp.arena.plan import key_text
from microinterp.errors import NOWHERE, Problem, Where
from microinterp.graph import Tensor
from microinterp.prepare import Prepared, PreparedNode

_ELEMENT_BY_ELEMENT = frozenset(
    [
        "ABS",
        "ADD",
        "DEQUANTIZE",
        "ELU",
        "EXPAND_DIMS",
        "HARD_SWISH",
        "LEAKY_RELU",
        "LOGISTIC",
        "MAXIMUM",
        "MINIMUM",
        "MUL",
        "NEG",
        "QUANTIZE",
        "RELU",
        "RELU6",
        "RESHAPE",
        "SQUARED_DIFFERENCE",
        "SQUEEZE",
        "SUB",
        "TANH",
    ]
)
"""Operators that look at nothing but element i to make element i."""


def check_bytes(
    prepared: Prepared, offsets: Mapping[Key, int], head_bytes: int
) -> Iterator[Problem]:
    """Rules `placed`, `inside_head`, `overlap` and `in_place`, at each op of the main subgraph.

    And `written`: nobody reads a byte before an op, or the caller, has written it.

    Args:
        offsets: of each buffer.
    """
    alive = byte_liveness(prepared)
    yield from _unwritten(prepared, alive.at_entry)
    yield from _collisions(alive.at_entry, offsets, head_bytes, NOWHERE)
    for item, during in zip(prepared.subgraphs[0], alive.during, strict=True):
        yield from _collisions(during, offsets, head_bytes, item.node.where())
        yield from _written_over(item)


def _unwritten(prepared: Prepared, at_entry: Alive) -> Iterator[Problem]:
    """What is needed before the first op comes from the caller."""
    given = {(t.root.subgraph, t.root.index): t for t in prepared.graph.main.inputs}
    for key, mask in at_entry.items():
        missing = mask.copy()
        if key in given:
            bytes_of(given[key], missing)[...] = False
        if missing.any():
            text = f"{np.count_nonzero(missing)} bytes of {key_text(key)} are read before written"
            yield Problem("written", text)


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
            yield Problem("placed", f"{key_text(key)} has no place in the arena", where)
            continue
        start, stop = offsets[key] + int(used[0]), offsets[key] + int(used[-1]) + 1
        if start < 0 or stop > head_bytes:
            text = f"{key_text(key)} at {offsets[key]} leaves the head of {head_bytes} bytes"
            yield Problem("inside_head", text, where)
            continue
        place, own = taken[start:stop], mask[used[0] : used[-1] + 1]
        if np.any(place & own):
            text = f"{key_text(key)} at {offsets[key]} shares bytes with another that is alive"
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
            elif not _in_step(x, out, item):
                text = f"output elements lie over others of input {position}"
                yield Problem("in_place", text, node.where(out))


def _meets(x: Tensor, out: Tensor) -> bool:
    mask = np.zeros(x.root.nbytes, np.bool_)
    bytes_of(x, mask)[...] = True
    return bool(bytes_of(out, mask).any())


def _in_step(x: Tensor, out: Tensor, item: PreparedNode) -> bool:
    """Going through the elements in order, none is written over before it was read.

    A depthwise convolution goes channel by channel, with one of them in scratch: its elements stay
    among their channel's. Other layers look around, and never write over what they read.
    """
    numbers = np.arange(x.root.nbytes)
    read, written = bytes_of(x, numbers), bytes_of(out, numbers)
    if item.node.name == "DEPTHWISE_CONV_2D":
        if item.kernel.scratch[-1:] != (x.nbytes // x.shape[-1],):
            return False
        width, base = x.shape[-1] * x.dtype.itemsize, int(read.min())
        return all(
            np.array_equal((found.reshape(-1) - base) % width, np.arange(found.size) % width)
            for found in (read, written)
        )
    if x.elements != out.elements or item.node.name not in _ELEMENT_BY_ELEMENT:
        return False
    before = read.reshape(x.elements, -1)[:, 0]
    ends = written.reshape(out.elements, -1)[:, -1]
    # Element i ends before element i + 1 of the input begins.
    return bool(np.all(ends[:-1] < before[1:])) if x.elements > 1 else True

"""Liveness of every single byte, for graphs that memory passes have rewritten.

As check.py does it for whole buffers, the ops are walked backwards: what is needed before an op is
what it reads, and what is needed after it less what it writes. Nothing is taken from extents.py,
which plans by ranges: this is what plans are checked against.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from microinterp.graph import Tensor
from microinterp.prepare import Prepared, PreparedNode

Key: TypeAlias = "tuple[int, ...]"
Mask: TypeAlias = npt.NDArray[np.bool_]
"""One bool for each byte of a buffer. Masks are shared, so none is changed once it is made."""
Alive: TypeAlias = Mapping[Key, Mask]
"""Buffers with bytes that hold a value which is still needed."""


@dataclass(frozen=True)
class ByteLiveness:
    """Bytes of the main subgraph's buffers that are alive; other subgraphs' are while they run.

    Attributes:
        at_entry: before the first op: all of the inputs.
        during: per op, while it runs: with all that it reads, writes and uses as scratch.
        after: per op, when it has run.
    """

    at_entry: Alive
    during: tuple[Alive, ...]
    after: tuple[Alive, ...]


def byte_liveness(prepared: Prepared) -> ByteLiveness:
    """Liveness within the main subgraph."""
    main = prepared.graph.main
    alive: dict[Key, Mask] = {}
    for tensor in _placed(prepared, main.outputs):
        _change(alive, tensor, True)
    during: list[Alive] = []
    after: list[Alive] = []
    for item in reversed(prepared.subgraphs[0]):
        after.append(dict(alive))
        now = dict(alive)
        used = [t for t in item.node.inputs if t is not None]
        for tensor in _placed(prepared, (*used, *item.node.outputs)):
            _change(now, tensor, True)
        during.append(now | dict(_private(prepared, item)))
        for tensor in _placed(prepared, item.node.outputs):
            _change(alive, tensor, False)
        for tensor in _placed(prepared, tuple(used)):
            _change(alive, tensor, True)
    for tensor in _placed(prepared, main.inputs):
        _change(alive, tensor, True)
    return ByteLiveness(alive, tuple(reversed(during)), tuple(reversed(after)))


def _placed(prepared: Prepared, tensors: tuple[Tensor, ...]) -> Iterator[Tensor]:
    """Those whose bytes lie in the arena's head."""
    handles = prepared.resources.handles.keys() | prepared.resources.passed
    for tensor in tensors:
        root = tensor.root
        is_elsewhere = root.is_constant or root.is_variable
        if tensor.nbytes and not is_elsewhere and (root.subgraph, root.index) not in handles:
            yield tensor


def _change(alive: dict[Key, Mask], tensor: Tensor, value: bool) -> None:
    """Set the tensor's bytes in a copy of its buffer's mask, unless they are so already."""
    root = tensor.root
    key = (root.subgraph, root.index)
    old = alive.get(key)
    if old is not None and np.all(bytes_of(tensor, old) == value):
        return
    mask = np.zeros(root.nbytes, np.bool_) if old is None else old.copy()
    bytes_of(tensor, mask)[...] = value
    alive[key] = mask


def bytes_of(tensor: Tensor, buffer: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """A tensor's bytes, in the order of its elements, in what has an item per byte of its root."""
    root = np.empty(tensor.root.shape, tensor.root.dtype)
    view = tensor.within(root)
    start = view.__array_interface__["data"][0] - root.__array_interface__["data"][0]
    step = buffer.itemsize
    return np.lib.stride_tricks.as_strided(
        buffer[start:],
        (*view.shape, view.itemsize),
        (*(stride * step for stride in view.strides), step),
    )


def _private(prepared: Prepared, item: PreparedNode) -> Iterator[tuple[Key, Mask]]:
    """Scratch of an op, and all buffers of the subgraphs that it runs."""
    node = item.node
    for i, nbytes in enumerate(item.kernel.scratch):
        yield (node.subgraph, node.index, i), np.ones(nbytes, np.bool_)
    for number in item.kernel.subgraphs:
        subgraph = prepared.graph.subgraphs[number]
        used = {
            t.index: t for n in subgraph.nodes for t in (*n.inputs, *n.outputs) if t is not None
        } | {t.index: t for t in (*subgraph.inputs, *subgraph.outputs)}
        for tensor in _placed(prepared, tuple(used.values())):
            yield (number, tensor.index), np.ones(tensor.nbytes, np.bool_)
        for inner in prepared.subgraphs[number]:
            yield from _private(prepared, inner)

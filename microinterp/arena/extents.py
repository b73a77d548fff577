"""Which bytes of each buffer hold something at each step, for graphs cut into pieces by passes.

TFLM counts the life of whole tensors. Where ops run piece by piece, and tensors are parts of
others, the first rows of an input are dead long before its last ones, and the last rows of an
output are not born yet; so two buffers alive at once may share bytes not needed at once.
Here a buffer's extent at a step is one range of bytes: from what has been written up to then, and
what is read from then on, the bytes between the outermost ones of both.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from microinterp.arena.lifetimes import Request
from microinterp.graph import Subgraph, Tensor
from microinterp.prepare import Prepared

Key: TypeAlias = "tuple[int, ...]"
"""A buffer: (subgraph, tensor) or, for scratch, (subgraph, op, number of the request)."""
Range: TypeAlias = "tuple[int, int]"
"""First byte and the one behind the last."""


@dataclass(slots=True)
class Touched:
    """The bytes of one buffer, of `nbytes` in all, that one step reads and writes."""

    nbytes: int
    reads: Range | None = None
    writes: Range | None = None


Step: TypeAlias = "dict[Key, Touched]"
"""What one step does to memory, by buffer."""


def byte_range(tensor: Tensor) -> Range:
    """Outermost bytes of a tensor in the memory of its root."""
    if tensor.part is None:
        return 0, tensor.nbytes
    root = np.empty(tensor.root.shape, tensor.root.dtype)
    view = tensor.within(root)
    start = address(view) - address(root)
    reach = sum((size - 1) * stride for size, stride in zip(view.shape, view.strides, strict=True))
    return start, start + (reach + view.itemsize if view.size else 0)


def is_contiguous(tensor: Tensor) -> bool:
    """True if the tensor's bytes lie side by side, in the order of its shape."""
    root = np.empty(tensor.root.shape, tensor.root.dtype)
    return tensor.within(root).flags.c_contiguous


def address(array: npt.NDArray[Any]) -> int:
    """Address of an array's first element."""
    return int(array.__array_interface__["data"][0])


def schedule(prepared: Prepared) -> list[Step]:
    """What is done to memory: one step for the inputs, one for each op, one for the outputs.

    While an op runs a subgraph, all that lies there is in use.
    """
    main = prepared.graph.main
    steps: list[Step] = [{}]
    for tensor in main.inputs:
        _touch(steps[0], prepared, tensor, writes=True)
    for item in prepared.subgraphs[0]:
        step: Step = {}
        for x in item.node.inputs:
            if x is not None:
                _touch(step, prepared, x)
        for out in item.node.outputs:
            _touch(step, prepared, out, writes=True)
        for i, nbytes in enumerate(item.kernel.scratch):
            key = (0, item.node.index, i)
            step[key] = Touched(nbytes, (0, nbytes), (0, nbytes))
        for number in item.kernel.subgraphs:
            _use_all(step, prepared, number)
        steps.append(step)
    steps.append({})
    for tensor in main.outputs:
        _touch(steps[-1], prepared, tensor)
    return steps


def _use_all(step: Step, prepared: Prepared, number: int) -> None:
    """A subgraph's buffers, and those of the subgraphs that it runs."""
    subgraph = prepared.graph.subgraphs[number]
    for tensor in _used(subgraph):
        _touch(step, prepared, tensor)
        _touch(step, prepared, tensor, writes=True)
    for item in prepared.subgraphs[number]:
        for i, nbytes in enumerate(item.kernel.scratch):
            key = (number, item.node.index, i)
            step[key] = Touched(nbytes, (0, nbytes), (0, nbytes))
        for callee in item.kernel.subgraphs:
            _use_all(step, prepared, callee)


def _used(subgraph: Subgraph) -> Iterator[Tensor]:
    yield from subgraph.inputs
    yield from subgraph.outputs
    for node in subgraph.nodes:
        yield from (x for x in node.inputs if x is not None)
        yield from node.outputs


def has_place(prepared: Prepared, tensor: Tensor) -> bool:
    """True for tensors in the arena's head: no constants, variables, handles, empty ones."""
    root = tensor.root
    if root.is_constant or root.is_variable or not root.nbytes:
        return False
    resources = prepared.resources
    key = (root.subgraph, root.index)
    return key not in resources.handles and key not in resources.passed


def _touch(step: Step, prepared: Prepared, tensor: Tensor, writes: bool = False) -> None:
    if not has_place(prepared, tensor) or not tensor.nbytes:
        return
    root = tensor.root
    touched = step.setdefault((root.subgraph, root.index), Touched(root.nbytes))
    found = byte_range(tensor)
    if writes:
        touched.writes = _hull(touched.writes, found)
    else:
        touched.reads = _hull(touched.reads, found)


def _hull(a: Range | None, b: Range | None) -> Range | None:
    if a is None or b is None:
        return a or b
    return min(a[0], b[0]), max(a[1], b[1])


@dataclass(frozen=True, eq=False)
class Extent:
    """The bytes of one buffer in use, step by step.

    Attributes:
        first, last: steps at which it is in use, both included.
        low, high: range of bytes at each of these steps, int64 [last - first + 1].
        nbytes: of the buffer.
    """

    first: int
    last: int
    low: npt.NDArray[np.int64] = field(repr=False)
    high: npt.NDArray[np.int64] = field(repr=False)
    nbytes: int

    @property
    def is_constant(self) -> bool:
        """True if the whole buffer is in use all the time."""
        return bool(np.all(self.low == 0) and np.all(self.high == self.nbytes))

    def clearance(self, other: Extent) -> Range | None:
        """Limits that the other buffer's offset, less this one's, must not lie between.

        None where they may lie anywhere.
        """
        first, last = max(self.first, other.first), min(self.last, other.last)
        if first > last:
            return None
        mine = slice(first - self.first, last - self.first + 1)
        others = slice(first - other.first, last - other.first + 1)
        low = self.low[mine] - other.high[others]
        high = self.high[mine] - other.low[others]
        return int(low.min()), int(high.max())


def extents(steps: Sequence[Step]) -> dict[Key, Extent]:
    """Every buffer that the steps touch."""
    uses: dict[Key, list[tuple[int, Touched]]] = {}
    for number, step in enumerate(steps):
        for key, touched in step.items():
            uses.setdefault(key, []).append((number, touched))
    return {key: _extent(found) for key, found in uses.items()}


def _extent(uses: Sequence[tuple[int, Touched]]) -> Extent:
    first, last = uses[0][0], uses[-1][0]
    low: list[int] = []
    high: list[int] = []
    written = _running([t.writes for _, t in uses])
    # What this very step writes is in use, read or not.
    needed = _running([_hull(t.reads, t.writes) for _, t in reversed(uses)])[::-1]
    for i, (number, _) in enumerate(uses):
        start, stop = _common(written[i], needed[i])
        low.append(start)
        high.append(stop)
        if i + 1 < len(uses):
            gap = uses[i + 1][0] - number - 1
            start, stop = _common(written[i], needed[i + 1])
            low.extend([start] * gap)
            high.extend([stop] * gap)
    ends = np.array((low, high), np.int64)
    return Extent(first, last, ends[0], ends[1], uses[0][1].nbytes)


def _running(ranges: Sequence[Range | None]) -> list[Range | None]:
    found: Range | None = None
    result = []
    for item in ranges:
        found = _hull(found, item)
        result.append(found)
    return result


def _common(a: Range | None, b: Range | None) -> Range:
    """What lies in both ranges, or in the only one there is."""
    if a is None or b is None:
        return a or b or (0, 0)
    start, stop = max(a[0], b[0]), min(a[1], b[1])
    return start, max(start, stop)


def requests(prepared: Prepared, found: Mapping[Key, Extent]) -> list[Request]:
    """The buffers with their lives in steps: 0 for the inputs, 1 for the first op, and so on."""
    result = []
    for key, extent in found.items():
        scratch = (key[0], key[1], key[2]) if len(key) == 3 else None
        if scratch is not None:
            result.append(Request(extent.nbytes, extent.first, extent.last, scratch=scratch))
            continue
        tensor = prepared.graph.subgraphs[key[0]].tensors[key[1]]
        result.append(Request(tensor.nbytes, extent.first, extent.last, tensor=(key[0], key[1])))
    return result

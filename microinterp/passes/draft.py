"""A model's main subgraph while a pass rewrites it: new tensors, parts of others, other nodes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from microinterp.arena.extents import has_place
from microinterp.graph import Part, Tensor
from microinterp.prepare import Prepared, PreparedNode


@dataclass
class Uses:
    """Positions of the nodes that read and write a buffer; -1 and len(nodes) stand for the caller.

    Attributes:
        reads, writes: rising, each position once.
    """

    reads: list[int] = field(default_factory=list)
    writes: list[int] = field(default_factory=list)


class Draft:
    """Holds the nodes in order, and each tensor by its number; numbers outlive changes.

    Attributes:
        items: nodes with their kernels. Their tensors may be out of date: `now` gives what has
            become of them.
    """

    def __init__(self, prepared: Prepared) -> None:
        self._prepared = prepared
        main = prepared.graph.main
        self.items: list[PreparedNode] = list(prepared.subgraphs[0])
        self._tensors: list[Tensor] = list(main.tensors)
        self._inputs, self._outputs = main.inputs, main.outputs

    def now(self, tensor: Tensor) -> Tensor:
        """The tensor as it is by now."""
        return self._tensors[tensor.index]

    def root(self, tensor: Tensor) -> Tensor:
        """The buffer in which the tensor lies by now."""
        found = self.now(tensor)
        return found if found.part is None else self.root(found.part.whole)

    def has_place(self, tensor: Tensor) -> bool:
        """True if it lies in the arena's head."""
        return has_place(self._prepared, self.root(tensor))

    def add(self, like: Tensor, name: str, shape: tuple[int, ...], part: Part | None) -> Tensor:
        """A new tensor of another one's type, with memory of its own or in that of a third."""
        made = replace(
            like,
            index=len(self._tensors),
            name=name,
            shape=shape,
            nbytes=int(np.prod(shape, dtype=np.int64)) * like.dtype.itemsize,
            data=None,
            is_variable=False,
            part=part,
        )
        self._tensors.append(made)
        return made

    def place(self, tensor: Tensor, part: Part) -> None:
        """Let a tensor that has memory of its own lie in another's from now on."""
        self._tensors[tensor.index] = replace(self.now(tensor), part=part)

    def place_over(self, out: Tensor, x: Tensor, uses: dict[int, Uses]) -> None:
        """Let an output lie at the start of the buffer that x begins, and share its uses."""
        root = self.root(x)
        is_same = (root.shape, root.dtype) == (out.shape, out.dtype)
        self.place(out, Part(root, (slice(None),) * root.rank if is_same else None))
        taken, kept = uses.pop(out.index), uses[root.index]
        kept.reads = sorted({*kept.reads, *taken.reads})
        kept.writes = sorted({*kept.writes, *taken.writes})

    def recast(self, tensor: Tensor, like: Tensor) -> None:
        """Give a tensor the element type of another one, of the same size."""
        self._tensors[tensor.index] = replace(
            self.now(tensor), dtype=like.dtype, type_code=like.type_code
        )

    def uses(self) -> dict[int, Uses]:
        """Who uses each buffer, by the number of its tensor."""
        found: dict[int, Uses] = {}

        def note(tensor: Tensor, position: int, writes: bool = False) -> None:
            if self.has_place(tensor):
                uses = found.setdefault(self.root(tensor).index, Uses())
                positions = uses.writes if writes else uses.reads
                if not positions or positions[-1] != position:
                    positions.append(position)

        for tensor in self._inputs:
            note(tensor, -1, writes=True)
        for position, item in enumerate(self.items):
            for x in item.node.inputs:
                if x is not None:
                    note(x, position)
            for out in item.node.outputs:
                note(out, position, writes=True)
        for tensor in self._outputs:
            note(tensor, len(self.items))
        return found

    def finish(self) -> Prepared:
        """The rewritten graph; nodes are numbered anew."""
        final: dict[int, Tensor] = {}
        tensors = tuple(self._final(number, final) for number in range(len(self._tensors)))
        items = tuple(self._renumbered(i, item, tensors) for i, item in enumerate(self.items))
        before = self._prepared
        main = replace(
            before.graph.main,
            tensors=tensors,
            nodes=tuple(item.node for item in items),
            inputs=tuple(tensors[t.index] for t in self._inputs),
            outputs=tuple(tensors[t.index] for t in self._outputs),
        )
        graph = replace(before.graph, subgraphs=(main, *before.graph.subgraphs[1:]))
        subgraphs = (items, *before.subgraphs[1:])
        return replace(before, graph=graph, subgraphs=subgraphs, rewritten=True)

    def _final(self, number: int, final: dict[int, Tensor]) -> Tensor:
        """The tensor with parts that point to final tensors; each is made once."""
        if number not in final:
            tensor = self._tensors[number]
            if tensor.part is not None:
                whole = self._final(tensor.part.whole.index, final)
                tensor = replace(tensor, part=replace(tensor.part, whole=whole))
            final[number] = tensor
        return final[number]

    @staticmethod
    def _renumbered(index: int, item: PreparedNode, tensors: Sequence[Tensor]) -> PreparedNode:
        node = item.node
        changed = replace(
            node,
            index=index,
            origin=node.file_index,
            inputs=tuple(None if t is None else tensors[t.index] for t in node.inputs),
            outputs=tuple(tensors[t.index] for t in node.outputs),
        )
        return replace(item, node=changed)


def activations(draft: Draft, item: PreparedNode) -> Iterator[tuple[int, Tensor]]:
    """Inputs of a node that lie in the arena's head, with their positions."""
    for position, tensor in enumerate(item.node.inputs):
        if tensor is not None and draft.has_place(tensor):
            yield position, draft.now(tensor)

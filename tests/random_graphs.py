"""Random int8 graphs of several ops: branches, unused tensors, outputs that are read, and so on."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from hypothesis import strategies as st

from microinterp.model_builder import ModelBuilder, SubGraphBuilder

Shape = tuple[int, int, int, int]
ONE = {"scale": 0.5, "zero_point": 3}
"""One quantisation for all activations: CONCATENATION wants equal ones."""
SIDES = (1, 2, 3, 4, 6, 8)


@dataclass
class Growing:
    """A graph under construction: the tensors there are, with their shapes."""

    draw: st.DrawFn
    graph: SubGraphBuilder
    rng: np.random.Generator
    shapes: dict[int, Shape] = field(default_factory=dict)

    def tensor(self, shape: Shape) -> int:
        number = self.graph.tensor(f"t{len(self.shapes)}", shape, "int8", **ONE)
        self.shapes[number] = shape
        return number

    def pick(self, *like: int | None) -> int:
        """Any tensor; given a shape with None for "any", one that fits it."""
        fitting = [
            number
            for number, shape in self.shapes.items()
            if not like or all(a in (None, b) for a, b in zip(like, shape, strict=True))
        ]
        recent = self.draw(st.integers(0, 2)) > 0
        return fitting[-1] if recent else self.draw(st.sampled_from(fitting))

    def add(self) -> None:
        a = self.pick()
        b = self.pick(*self.shapes[a])
        self.graph.op("ADD", [a, b], [self.tensor(self.shapes[a])])

    def conv(self) -> None:
        x = self.pick()
        batches, height, width, channels = self.shapes[x]
        filters = self.draw(st.integers(1, 8))
        weights = self.rng.integers(-127, 128, (filters, 1, 1, channels)).astype(np.int8)
        w = self.graph.constant("w", weights, scale=0.01, zero_point=0)
        self.graph.op(
            "CONV_2D",
            [x, w],
            [self.tensor((batches, height, width, filters))],
            padding="VALID",
            stride_h=1,
            stride_w=1,
        )

    def reshape(self) -> None:
        x = self.pick()
        batches, height, width, channels = self.draw(st.permutations(self.shapes[x]))
        shape = (batches, height, width, channels)
        self.graph.op("RESHAPE", [x], [self.tensor(shape)], new_shape=shape)

    def concatenation(self) -> None:
        first = self.pick()
        batches, height, width, _ = self.shapes[first]
        parts = [first]
        for _ in range(self.draw(st.integers(0, 2))):
            parts.append(self.pick(batches, height, width, None))
        total = sum(self.shapes[part][3] for part in parts)
        out = self.tensor((batches, height, width, total))
        self.graph.op("CONCATENATION", parts, [out], axis=3)

    def mean(self) -> None:
        """Its kernel asks for scratch buffers."""
        x = self.pick()
        batches, _, _, channels = self.shapes[x]
        axes = self.graph.constant("axes", np.array([1, 2], np.int32))
        self.graph.op("MEAN", [x, axes], [self.tensor((batches, 1, 1, channels))], keep_dims=True)


OPS = (Growing.add, Growing.conv, Growing.reshape, Growing.concatenation, Growing.mean)


@st.composite
def random_graphs(draw: st.DrawFn, offline: bool = False) -> bytes:
    """3 to 15 ops on one to three inputs; the last tensor and up to two others are outputs.

    So some ops compute what nobody reads, some outputs are read, and an input may be passed
    through. Some tensors belong to no op.

    Args:
        offline: the file prescribes the offsets of some tensors.
    """
    builder = ModelBuilder()
    graph = builder.subgraph("main")
    growing = Growing(draw, graph, np.random.default_rng(draw(st.integers(0, 2**32 - 1))))
    side = st.sampled_from(SIDES)
    plane = draw(side), draw(side)
    for i in range(draw(st.integers(1, 3))):
        height, width = plane if draw(st.booleans()) else (draw(side), draw(side))
        shape = (1, height, width, draw(side))
        growing.shapes[graph.input(f"in{i}", shape, "int8", **ONE)] = shape
    for _ in range(draw(st.integers(3, 15))):
        draw(st.sampled_from(OPS))(growing)
        if draw(st.integers(0, 9)) == 0:
            graph.tensor("unused", (draw(side), draw(side), draw(side)), "int8", **ONE)
    last = max(growing.shapes)
    others = [number for number in growing.shapes if number != last]
    for number in [*draw(st.lists(st.sampled_from(others), max_size=2, unique=True)), last]:
        graph.output(number)
    if offline:
        builder.metadata("OfflineMemoryAllocation", draw(offline_plans(growing)))
    return builder.finish()


@st.composite
def offline_plans(draw: st.DrawFn, growing: Growing) -> bytes:
    """Offsets for some tensors, with gaps of random size between them; -1 for the others."""
    tensors = growing.graph.tensor("end", (1,), "int8", **ONE) + 1
    offsets = [-1] * tensors
    chosen = st.lists(st.sampled_from(list(growing.shapes)), min_size=1, max_size=4, unique=True)
    free = 0
    for number in draw(chosen):
        offsets[number] = free + 16 * draw(st.integers(0, 8))
        free = offsets[number] + -(-int(np.prod(growing.shapes[number])) // 16) * 16
    return np.array([1, 1, tensors, *offsets], "<i4").tobytes()

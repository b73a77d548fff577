"""Random SLICE models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st

from microinterp.graph import Graph, Tensor
from tests.differential.case import Case as Row
from tests.differential.draws import Array, with_numbers
from tests.ops.movement import Case, Constant, Input, op_model, quantization
from tests.ops.strategies import shapes
from tests.spec_ops import movement as spec

TYPES = ("float32", "int8", "int16", "int32", "bool")


@dataclass(frozen=True)
class Box:
    """A box inside a shape, and how its numbers are written."""

    dtype: str
    shape: tuple[int, ...]
    begin: tuple[int, ...]
    size: tuple[int, ...]
    index_type: str

    def expected(self, values: list[int]) -> list[int]:
        chosen = [range(b, b + n) for b, n in zip(self.begin, self.size, strict=True)]
        return spec.take(values, self.shape, chosen)


@st.composite
def boxes(draw: st.DrawFn, dtypes: Sequence[str] = TYPES) -> Box:
    shape = draw(shapes(0, max_rank=5, max_side=6))
    size = tuple(draw(st.integers(1, n)) for n in shape)
    begin = tuple(draw(st.integers(0, n - m)) for n, m in zip(shape, size, strict=True))
    index_type = draw(st.sampled_from(("int32", "int64")))
    return Box(draw(st.sampled_from(dtypes)), shape, begin, size, index_type)


@st.composite
def slices(draw: st.DrawFn, dtypes: Sequence[str] = TYPES) -> Case:
    """Constant begin and size; -1 where a size reaches the end, sometimes."""
    box = draw(boxes(dtypes))
    scale, zero_point = draw(quantization(box.dtype))
    sizes = [
        -1 if b + m == n and draw(st.booleans()) else m
        for b, m, n in zip(box.begin, box.size, box.shape, strict=True)
    ]
    data = op_model(
        "SLICE",
        [
            Input(box.shape, box.dtype, scale, zero_point),
            Constant(np.array(box.begin, box.index_type)),
            Constant(np.array(sizes, box.index_type)),
        ],
        [Input(box.size, box.dtype, scale, zero_point)],
    )
    return Case(data, lambda inputs: [box.expected(inputs[0])])


@st.composite
def computed_slices(draw: st.DrawFn, dtypes: Sequence[str]) -> bytes:
    """begin is an input of the model; size is one too, or a constant."""
    box = draw(boxes(dtypes))
    number = Input((len(box.shape),), box.index_type)
    size = number if draw(st.booleans()) else Constant(np.array(box.size, box.index_type))
    x = Input(box.shape, box.dtype)
    return op_model("SLICE", [x, number, size], [Input(box.size, box.dtype)])


def _boxes(rng: np.random.Generator, graph: Graph, tensor: Tensor) -> Array | None:
    """Places and sizes that fit."""
    node = graph.main.nodes[0]
    x, begin, size, out = node.input(0), node.input(1), node.input(2), node.output()
    if tensor is begin:
        return np.asarray(rng.integers(0, np.subtract(x.shape, out.shape), endpoint=True))
    return np.array(out.shape) if tensor is size else None


DRAW = with_numbers(_boxes)
CASES = tuple(
    Row(
        "SLICE",
        types,
        st.one_of(slices((types,)).map(lambda c: c.data), computed_slices((types,))),
        draw=DRAW,
    )
    for types in TYPES
)

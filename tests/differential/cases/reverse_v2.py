"""Random REVERSE_V2 models."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from microinterp.graph import Graph, Tensor
from tests.differential.case import Case as Row
from tests.differential.draws import Array, with_numbers
from tests.ops.movement import Case, Input, numbers, op_model, quantization
from tests.ops.strategies import shapes
from tests.spec_ops import indexing as spec


@st.composite
def reversals(draw: st.DrawFn, dtype: str) -> Case:
    """Neighbouring axes in any order, counted from either end; they may be an input."""
    shape = draw(shapes(1, 6, 4))
    rank = len(shape)
    first = draw(st.integers(0, rank - 1))
    axes = draw(st.permutations(range(first, draw(st.integers(first, rank - 1)) + 1)))
    written = [axis - rank if draw(st.booleans()) else axis for axis in axes]
    computed = draw(st.integers(0, 3)) == 0
    quant = draw(quantization(dtype))
    data = op_model(
        "REVERSE_V2",
        [
            Input(shape, dtype, *quant),
            Input((len(axes),), "int32") if computed else numbers(*written),
        ],
        [Input(shape, dtype, *quant)],
    )

    def expected(inputs: list[list[int]]) -> list[list[int]]:
        given = inputs[1] if computed else axes
        turned = [axis - 2**32 + rank if axis >= rank else axis for axis in given]
        return [spec.reverse(inputs[0], shape, turned)]

    return Case(data, expected)


def _axes(rng: np.random.Generator, graph: Graph, tensor: Tensor) -> Array | None:
    node = graph.main.nodes[0]
    if tensor is node.inputs[0]:
        return None
    rank, count = node.input(0).rank, tensor.elements
    first = rng.integers(0, rank - count + 1)
    axes = rng.permutation(np.arange(first, first + count))
    return axes - rank * rng.integers(0, 2, count)


DRAW = with_numbers(_axes)
CASES = tuple(
    Row("REVERSE_V2", types, reversals(types).map(lambda c: c.data), draw=DRAW)
    for types in ("float32", "int8", "int16", "int32", "int64", "uint8", "bool")
)

"""Random DYNAMIC_UPDATE_SLICE models."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from microinterp.graph import Graph, Tensor
from tests.differential.case import Case as Row
from tests.differential.draws import Array, with_numbers
from tests.ops.movement import Case, Constant, Input, op_model, quantization
from tests.ops.strategies import shapes
from tests.spec_ops import indexing as spec


@st.composite
def updates(draw: st.DrawFn, dtype: str) -> Case:
    """Boxes of any size, the operand's own among them; starts given, or constant."""
    shape = draw(shapes(1, 6, 4))
    box = shape
    if draw(st.integers(0, 4)):
        box = tuple(draw(st.integers(1, size)) for size in shape)
    quant, kind = draw(quantization(dtype)), draw(st.sampled_from(("int32", "int64")))
    fixed = None
    if draw(st.booleans()):
        fixed = [draw(st.integers(-2, size + 1)) for size in shape]
    starts = (
        Input((len(shape),), kind) if fixed is None else Constant(np.array(fixed, np.dtype(kind)))
    )
    data = op_model(
        "DYNAMIC_UPDATE_SLICE",
        [Input(shape, dtype, *quant), Input(box, dtype, *quant), starts],
        [Input(shape, dtype, *quant)],
    )
    bits = 8 * np.dtype(kind).itemsize

    def expected(inputs: list[list[int]]) -> list[list[int]]:
        at = (
            fixed
            if fixed is not None
            else [n - 2**bits if n >> (bits - 1) else n for n in inputs[2]]
        )
        return [spec.update_slice(inputs[0], shape, inputs[1], box, at)]

    return Case(data, expected)


def _starts(rng: np.random.Generator, graph: Graph, tensor: Tensor) -> Array | None:
    node = graph.main.nodes[0]
    if tensor is not node.inputs[2]:
        return None
    if rng.integers(5) == 0:  # far outside
        info = np.iinfo(tensor.dtype)
        return rng.choice(np.array([info.min, -1, 0, info.max]), tensor.shape)
    return rng.integers(-2, np.array(node.input(0).shape) + 1, tensor.shape)


DRAW = with_numbers(_starts)
CASES = tuple(
    Row("DYNAMIC_UPDATE_SLICE", types, updates(types).map(lambda c: c.data), draw=DRAW)
    for types in ("float32", "int8", "int16", "int32")
)

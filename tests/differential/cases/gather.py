"""Random GATHER, GATHER_ND and EMBEDDING_LOOKUP models."""

from __future__ import annotations

from functools import partial

import numpy as np
import tflite
from hypothesis import strategies as st

from microinterp.graph import Graph, Tensor
from tests.differential.case import Case as Row
from tests.differential.draws import Array, with_numbers
from tests.ops.movement import (
    Case,
    Constant,
    Input,
    bits,
    op_model,
    quantization,
    random_constant,
)
from tests.ops.strategies import scales, seeds, shapes
from tests.spec_ops import indexing as spec
from tests.spec_ops.movement import float32


@st.composite
def tables(draw: st.DrawFn, shape: tuple[int, ...], dtype: str) -> Input | Constant:
    """An input, or as mostly in models, a constant."""
    quant = draw(quantization(dtype))
    if draw(st.booleans()):
        return Input(shape, dtype, *quant)
    rng = np.random.default_rng(draw(seeds()))
    return Constant(random_constant(rng, shape, dtype), *quant)


def both(table: Input | Constant, inputs: list[list[int]]) -> tuple[list[int], list[int]]:
    """Bits of the table, and the indices."""
    if isinstance(table, Constant):
        return bits(table.values), inputs[0]
    return inputs[0], inputs[1]


def _like(table: Input | Constant, shape: tuple[int, ...], dtype: str) -> Input:
    return Input(shape, dtype, table.scale, table.zero_point)


@st.composite
def gathers(draw: st.DrawFn, dtype: str) -> Case:
    """Any axis and any number of batch axes, both counted from either end."""
    shape = draw(shapes(1, 5, 4))
    axis = draw(st.integers(0, len(shape) - 1))
    batch = draw(st.integers(0, axis))
    counts = (*shape[:batch], *draw(shapes(0, 2, 4)))
    table = draw(tables(shape, dtype))
    out = (*shape[:axis], *counts[batch:], *shape[axis + 1 :])
    written = batch - len(counts) if len(counts) > batch and draw(st.booleans()) else batch
    data = op_model(
        "GATHER",
        [table, Input(counts, "int32")],
        [_like(table, out, dtype)],
        axis=axis - len(shape) if draw(st.booleans()) else axis,
        batch_dims=written,
    )

    def expected(inputs: list[list[int]]) -> list[list[int]]:
        values, indices = both(table, inputs)
        return [spec.gather(values, shape, indices, counts, axis, batch)]

    return Case(data, expected)


@st.composite
def gather_nds(draw: st.DrawFn, dtype: str) -> Case:
    """Indices of 1 to 5 numbers."""
    shape = draw(shapes(1, 6, 3))
    depth = draw(st.integers(1, min(5, len(shape))))
    counts = (*draw(shapes(0, 2, 4)), depth)
    table = draw(tables(shape, dtype))
    out = (*counts[:-1], *shape[depth:])
    data = op_model("GATHER_ND", [table, Input(counts, "int32")], [_like(table, out, dtype)])

    def expected(inputs: list[list[int]]) -> list[list[int]]:
        values, indices = both(table, inputs)
        return [spec.gather_nd(values, shape, indices, counts)]

    return Case(data, expected)


@st.composite
def lookups(draw: st.DrawFn, dtype: str, out: str) -> Case:
    """Tables of rank 2 and more; int8 ones are given as float32 where `out` is that."""
    shape, count = draw(shapes(2, 4, 5)), draw(st.integers(1, 6))
    table = draw(tables(shape, dtype))
    if dtype != out:
        values = table.values if isinstance(table, Constant) else None
        scale = draw(scales(1e-4, 10.0))
        table = Input(shape, dtype, scale, 0) if values is None else Constant(values, scale, 0)
    data = op_model(
        "EMBEDDING_LOOKUP",
        [Input((count,), "int32"), table],
        [
            Input((count, *shape[1:]), out)
            if dtype != out
            else _like(table, (count, *shape[1:]), out)
        ],
    )

    def expected(inputs: list[list[int]]) -> list[list[int]]:
        values = bits(table.values) if isinstance(table, Constant) else inputs[1]
        rows = spec.lookup(values, shape, inputs[0])
        if dtype == out:
            return [rows]
        signed = [v - 256 if v > 127 else v for v in rows]
        assert table.scale is not None
        reals = np.array([float32(v * table.scale) for v in signed], np.float32)
        return [bits(reals)]

    return Case(data, expected)


def _indices(ids: int, rng: np.random.Generator, graph: Graph, tensor: Tensor) -> Array | None:
    """Indices into the table, where `tensor` is input `ids` of the op."""
    node = graph.main.nodes[0]
    if tensor is not node.inputs[ids]:
        return None
    table = node.input(1 - ids)
    if node.name == "GATHER_ND":
        sizes: Array = np.array(table.shape[: tensor.shape[-1]])
        return rng.integers(0, sizes, tensor.shape)
    rank, axis = table.rank, 0
    if node.name == "GATHER":
        axis = node.options(tflite.GatherOptions).Axis() % rank
    return rng.integers(0, table.shape[axis], tensor.shape)


DRAW = with_numbers(partial(_indices, 1))
LOOKUP_DRAW = with_numbers(partial(_indices, 0))
CASES = (
    *(
        Row(op, types, make(types).map(lambda c: c.data), draw=DRAW, samples=4)
        for op, make in (("GATHER", gathers), ("GATHER_ND", gather_nds))
        for types in ("float32", "int8")
    ),
    *(
        Row(
            "EMBEDDING_LOOKUP",
            types,
            lookups(dtype, out).map(lambda c: c.data),
            draw=LOOKUP_DRAW,
            samples=4,
        )
        for types, dtype, out in (
            ("float32", "float32", "float32"),
            ("int8", "int8", "int8"),
            ("int8 x float32", "int8", "float32"),
        )
    ),
)

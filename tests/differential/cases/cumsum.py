"""Random CUMSUM models."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from microinterp.graph import Graph, Tensor
from microinterp.quant import fixedpoint_ref as fixed
from tests.differential.case import Case
from tests.differential.draws import Array, with_numbers
from tests.ops.movement import Input, numbers, op_model
from tests.ops.strategies import scales, shapes, zero_points
from tests.ops.values import ValueCase
from tests.spec_ops import cumsum as spec
from tests.spec_ops.scales import factor, single


@st.composite
def sums(draw: st.DrawFn, dtype: str) -> ValueCase:
    """Up to 40 numbers in a row (int8 sums wrap after 16); the axis may be an input."""
    shape = draw(shapes(1, 4, 5))
    place = draw(st.integers(0, len(shape) - 1))
    if draw(st.booleans()):
        shape = (*shape[:place], draw(st.integers(1, 40)), *shape[place + 1 :])
    quants: list[tuple[float | None, int | None]] = [(None, None), (None, None)]
    if dtype == "int8":
        scale = draw(scales(1e-4, 1.0))
        out_scale = float(np.float32(scale * draw(st.floats(0.5, 30.0))))
        if draw(st.integers(0, 7)) == 0:
            out_scale = draw(scales(1e-3, 1e3))
        quants = [(scale, draw(zero_points(dtype))), (out_scale, draw(zero_points(dtype)))]
    computed = draw(st.integers(0, 3)) == 0
    axis = place - len(shape) if draw(st.booleans()) else place
    exclusive, reverse = draw(st.booleans()), draw(st.booleans())
    data = op_model(
        "CUMSUM",
        [
            Input(shape, dtype, *quants[0]),
            Input((), "int32") if computed else numbers(axis),
        ],
        [Input(shape, dtype, *quants[1])],
        exclusive=exclusive,
        reverse=reverse,
    )

    def expected(inputs: list[list[float]]) -> list[float]:
        along = int(inputs[1][0]) % len(shape) if computed else place
        rest = (exclusive, reverse)
        if dtype == "float32":
            return spec.cumsum(inputs[0], shape, along, *rest, 0.0, lambda a, b: single(a + b))
        return _quantized([int(x) for x in inputs[0]], shape, along, rest, quants)

    return ValueCase(data, expected)


def _quantized(x, shape, along, rest, quants) -> list[int]:
    (scale, zero), (out_scale, out_zero) = quants
    halves = [fixed.multiply_double((v - zero) << 20, *factor(0.5)) for v in (*x, 0)]

    def add(a: int, b: int) -> int:
        return fixed.wrap32(a + b)

    totals = spec.cumsum(halves[:-1], shape, along, *rest, halves[-1], add)
    real = factor(2 * scale / (2**20 * out_scale))
    return [
        fixed.clamp(fixed.multiply_double(total, *real) + out_zero, -128, 127) for total in totals
    ]


def _axes(rng: np.random.Generator, graph: Graph, tensor: Tensor) -> Array | None:
    node = graph.main.nodes[0]
    if tensor is node.inputs[0]:
        return None
    rank = node.input(0).rank
    return np.asarray(rng.integers(-rank, rank, tensor.shape))


DRAW = with_numbers(_axes)
CASES = tuple(
    Case("CUMSUM", types, sums(types).map(lambda c: c.data), draw=DRAW)
    for types in ("float32", "int8")
)

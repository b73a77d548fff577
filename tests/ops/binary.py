"""Random element-wise ops on two tensors: shapes that broadcast, quantisation, a constant."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

from tests.ops.movement import Constant, Input, op_model, random_constant
from tests.ops.strategies import ACTIVATIONS, scales, seeds, shapes, zero_points
from tests.ops.values import Number
from tests.spec_ops.arithmetic import Quantized, broadcast_shape, element_pairs

MAX_RANK = 6


@dataclass(frozen=True)
class Binary:
    """One op on two operands of type `dtype`.

    Attributes:
        quant: of a, b and the output; empty for plain types.
        constant: flat elements of the second operand, where it is constant; `swapped` makes it
            the first.
    """

    op: str
    dtype: str
    shapes: tuple[tuple[int, ...], tuple[int, ...]]
    quant: tuple[Quantized, ...]
    activation: str
    data: bytes
    constant: list[Any] | None
    swapped: bool

    def each(
        self, inputs: list[list[Any]], element: Callable[[Number, Number], Number]
    ) -> list[Number]:
        """`element` of each pair of elements."""
        a, b = (*inputs, self.constant) if self.constant is not None else inputs
        if self.swapped:
            a, b = b, a
        return [element(a[i], b[j]) for i, j in element_pairs(*self.shapes)]


@st.composite
def broadcast_shapes(draw: st.DrawFn) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Two shapes that broadcast: equal, or some axes of either are 1 or left out at the front."""
    full = draw(shapes(0, MAX_RANK, 4 if draw(st.booleans()) else 2))
    if draw(st.integers(0, 2)) == 0:
        return full, full
    sides = []
    for _ in range(2):
        kept = draw(st.lists(st.booleans(), min_size=len(full), max_size=len(full)))
        side = tuple(size if keep else 1 for size, keep in zip(full, kept, strict=True))
        sides.append(side[draw(st.integers(0, len(side))) :])
    return sides[0], sides[1]


@st.composite
def quantizations(draw: st.DrawFn, op: str, dtype: str) -> tuple[Quantized, ...]:
    """Quantisation of a, b and out that TFLM takes, mostly spreading results over the output."""
    zeros = [
        draw(zero_points(dtype))
        if dtype == "int8" or op == "MUL"
        else draw(st.sampled_from((0, 0, 77, -32768)))
        for _ in range(3)
    ]
    a, b = draw(scales(1e-4, 1.0)), draw(scales(1e-4, 1.0))
    spread = a * b * (100 if dtype == "int8" else 30000) if op == "MUL" else max(a, b)
    out = spread * draw(st.floats(0.3, 6.0))
    if draw(st.integers(0, 7)) == 0:
        out = spread * draw(scales(1e-4, 1e4))
    # below 6 / 2^31 the limit of RELU6 leaves int32, which TFLM refuses
    made = (a, b, float(np.float32(max(out, 3e-9))))
    return tuple(Quantized(s, z) for s, z in zip(made, zeros, strict=True))


@st.composite
def binaries(draw: st.DrawFn, op: str, dtypes: Sequence[str]) -> Binary:
    """A random model of `op`, and what it is made of."""
    dtype, sides = draw(st.sampled_from(dtypes)), draw(broadcast_shapes())
    quant = draw(quantizations(op, dtype)) if dtype in ("int8", "int16") else ()
    activation = draw(st.sampled_from(ACTIVATIONS))
    arguments = [(q.scale, q.zero_point) for q in quant] or [(None, None)] * 3
    operands: list[Input | Constant] = [
        Input(shape, dtype, *arguments[i]) for i, shape in enumerate(sides)
    ]
    place = draw(st.sampled_from((None, None, 0, 1)))
    constant = None
    if place is not None:
        rng = np.random.default_rng(draw(seeds()))
        values = random_constant(rng, sides[place], dtype)
        operands[place] = Constant(values, *arguments[place])
        constant = values.reshape(-1).tolist()
    data = op_model(
        op,
        operands,
        [Input(broadcast_shape(*sides), dtype, *arguments[2])],
        fused_activation_function=activation,
    )
    return Binary(op, dtype, sides, quant, activation, data, constant, place == 0)

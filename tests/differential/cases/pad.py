"""Random PAD and PADV2 models."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import strategies as st

from tests.differential.case import Case as Row
from tests.ops.movement import (
    Case,
    Constant,
    Input,
    bits,
    numbers,
    op_model,
    quantization,
    random_constant,
)
from tests.ops.strategies import seeds, shapes
from tests.spec_ops import movement as spec

TYPES = ("float32", "int8", "int16", "int32")


@st.composite
def paddings_of(draw: st.DrawFn, shape: tuple[int, ...]) -> list[tuple[int, int]]:
    amounts = st.integers(0, 3)
    return draw(st.lists(st.tuples(amounts, amounts), min_size=len(shape), max_size=len(shape)))


@st.composite
def pads(draw: st.DrawFn, op: str, dtypes: Sequence[str] = TYPES) -> Case:
    """PAD of any rank and type; int8 pads with its zero point."""
    dtype, shape = draw(st.sampled_from(dtypes)), draw(shapes(max_rank=5, max_side=4))
    paddings = draw(paddings_of(shape))
    scale, zero_point = draw(quantization(dtype))
    data = op_model(
        op,
        [Input(shape, dtype, scale, zero_point), numbers(*paddings)],
        [Input(spec.padded_shape(shape, paddings), dtype, scale, zero_point)],
    )
    fill = (zero_point or 0) & 0xFF if dtype == "int8" else 0
    return Case(data, lambda inputs: [spec.pad(inputs[0], shape, paddings, fill)])


@st.composite
def pads_with_value(draw: st.DrawFn, op: str, dtypes: Sequence[str] = TYPES) -> Case:
    """PAD or PADV2 with a pad value, constant or computed, of any shape with one element."""
    dtype, shape = draw(st.sampled_from(dtypes)), draw(shapes(max_rank=5, max_side=4))
    paddings = draw(paddings_of(shape))
    scale, zero_point = draw(quantization(dtype))
    value_shape = draw(st.sampled_from(((), (1,), (1, 1))))
    rng = np.random.default_rng(draw(seeds()))
    constant = random_constant(rng, value_shape, dtype) if draw(st.booleans()) else None
    value = (
        Input(value_shape, dtype, scale, zero_point)
        if constant is None
        else Constant(constant, scale, zero_point)
    )
    data = op_model(
        op,
        [Input(shape, dtype, scale, zero_point), numbers(*paddings), value],
        [Input(spec.padded_shape(shape, paddings), dtype, scale, zero_point)],
    )

    def expected(inputs: list[list[int]]) -> list[list[int]]:
        (fill,) = inputs[1] if constant is None else bits(constant)
        return [spec.pad(inputs[0], shape, paddings, fill)]

    return Case(data, expected)


CASES = tuple(
    Row(
        op,
        types,
        st.one_of(pads(op, (types,)), pads_with_value(op, (types,))).map(lambda c: c.data),
    )
    for op in ("PAD", "PADV2")
    for types in TYPES
)

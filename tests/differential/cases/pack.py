"""Random PACK and UNPACK models."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from tests.differential.case import Case as Row
from tests.ops.movement import Case, Constant, Input, bits, op_model, quantization, random_constant
from tests.ops.strategies import seeds, shapes
from tests.spec_ops import indexing as spec


@st.composite
def packs(draw: st.DrawFn, dtype: str) -> Case:
    """1 to 6 parts, some of them constant."""
    shape, count = draw(shapes(0, 5, 4)), draw(st.integers(1, 6))
    axis = draw(st.integers(-len(shape) - 1, len(shape)))
    place = axis % (len(shape) + 1)
    quant = draw(quantization(dtype))
    rng = np.random.default_rng(draw(seeds()))
    fixed = [draw(st.integers(0, 4)) == 0 and i > 0 for i in range(count)]
    parts = [
        Constant(random_constant(rng, shape, dtype), *quant)
        if constant
        else Input(shape, dtype, *quant)
        for constant in fixed
    ]
    out = (*shape[:place], count, *shape[place:])
    data = op_model("PACK", parts, [Input(out, dtype, *quant)], axis=axis, values_count=count)

    def expected(inputs: list[list[int]]) -> list[list[int]]:
        given = iter(inputs)
        every = [bits(p.values) if isinstance(p, Constant) else next(given) for p in parts]
        return [spec.pack(every, shape, place)]

    return Case(data, expected)


@st.composite
def unpacks(draw: st.DrawFn, dtype: str) -> Case:
    """Any axis of a tensor of 1 to 6 axes."""
    shape = draw(shapes(1, 6, 4))
    axis = draw(st.integers(-len(shape), len(shape) - 1))
    place = axis % len(shape)
    quant = draw(quantization(dtype))
    part = Input((*shape[:place], *shape[place + 1 :]), dtype, *quant)
    count = shape[place]
    data = op_model("UNPACK", [Input(shape, dtype, *quant)], [part] * count, axis=axis, num=count)
    return Case(data, lambda inputs: spec.unpack(inputs[0], shape, place))


CASES = (
    *(
        Row("PACK", types, packs(types).map(lambda c: c.data))
        for types in ("float32", "int8", "int16", "int32", "int64")
    ),
    *(
        Row("UNPACK", types, unpacks(types).map(lambda c: c.data))
        for types in ("float32", "int8", "int16", "int32")
    ),
)

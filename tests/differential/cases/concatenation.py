"""Random CONCATENATION models."""

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
    op_model,
    quantization,
    random_constant,
)
from tests.ops.strategies import seeds, shapes
from tests.spec_ops import movement as spec

TYPES = ("float32", "int8", "int16", "int32", "int64", "bool")


@st.composite
def concatenations(draw: st.DrawFn, dtypes: Sequence[str] = TYPES) -> Case:
    """One to ten inputs, some of them constants, along any axis counted from either end."""
    dtype, shape = draw(st.sampled_from(dtypes)), draw(shapes(max_rank=6, max_side=3))
    axis = draw(st.integers(0, len(shape) - 1))
    sizes = draw(st.lists(st.integers(1, 4), min_size=1, max_size=10))
    scale, zero_point = draw(quantization(dtype))
    rng = np.random.default_rng(draw(seeds()))
    tensors: list[Input | Constant] = []
    parts = [(*shape[:axis], size, *shape[axis + 1 :]) for size in sizes]
    for i, part in enumerate(parts):
        if i and draw(st.integers(0, 3)) == 0:
            tensors.append(Constant(random_constant(rng, part, dtype), scale, zero_point))
        else:
            tensors.append(Input(part, dtype, scale, zero_point))
    data = op_model(
        "CONCATENATION",
        tensors,
        [Input((*shape[:axis], sum(sizes), *shape[axis + 1 :]), dtype, scale, zero_point)],
        axis=axis - len(shape) if draw(st.booleans()) else axis,
    )

    def expected(inputs: list[list[int]]) -> list[list[int]]:
        given = iter(inputs)
        values = [bits(t.values) if isinstance(t, Constant) else next(given) for t in tensors]
        return [spec.concatenate(values, parts, axis)]

    return Case(data, expected)


CASES = tuple(
    Row("CONCATENATION", types, concatenations((types,)).map(lambda c: c.data)) for types in TYPES
)

"""Random TRANSPOSE models."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st

from tests.differential.case import Case as Row
from tests.ops.movement import (
    Case,
    Input,
    numbers,
    op_model,
    quantization,
)
from tests.ops.strategies import shapes
from tests.spec_ops import movement as spec

TYPES = ("float32", "int8", "int16")


@st.composite
def transposes(draw: st.DrawFn, dtypes: Sequence[str] = TYPES) -> Case:
    """Any permutation of one to five axes."""
    dtype, shape = draw(st.sampled_from(dtypes)), draw(shapes(max_rank=5, max_side=5))
    permutation = draw(st.permutations(range(len(shape))))
    scale, zero_point = draw(quantization(dtype))
    data = op_model(
        "TRANSPOSE",
        [Input(shape, dtype, scale, zero_point), numbers(*permutation)],
        [Input(tuple(shape[axis] for axis in permutation), dtype, scale, zero_point)],
    )
    return Case(data, lambda inputs: [spec.transpose(inputs[0], shape, permutation)])


CASES = tuple(
    Row("TRANSPOSE", types, transposes((types,)).map(lambda c: c.data)) for types in TYPES
)

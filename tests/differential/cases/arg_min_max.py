"""Random ARG_MAX and ARG_MIN models."""

from __future__ import annotations

import operator

from hypothesis import strategies as st

from tests.differential.case import Case
from tests.differential.draws import rough_samples
from tests.ops.movement import Input, numbers, op_model, quantization
from tests.ops.strategies import shapes
from tests.ops.values import ValueCase
from tests.spec_ops import search as spec

BETTER = {"ARG_MAX": operator.gt, "ARG_MIN": operator.lt}


@st.composite
def searches(draw: st.DrawFn, op: str, dtype: str) -> ValueCase:
    """Any axis, counted from either end; the axis as a scalar, or a list of one."""
    shape = draw(shapes(1, 6, 5 if draw(st.booleans()) else 3))
    axis = draw(st.integers(-len(shape), len(shape) - 1))
    place = axis % len(shape)
    if draw(st.integers(0, 7)):
        shape = (*shape[:place], draw(st.integers(2, 20)), *shape[place + 1 :])
    out = (*shape[:place], *shape[place + 1 :])
    data = op_model(
        op,
        [Input(shape, dtype, *draw(quantization(dtype))), numbers(axis)],
        [Input(out, "int32")],
        output_type="int32",
    )
    return ValueCase(data, lambda inputs: spec.arg(inputs[0], shape, place, BETTER[op]))


CASES = tuple(
    Case(op, types, searches(op, types).map(lambda c: c.data), draw=rough_samples, samples=5)
    for op in BETTER
    for types in ("float32", "int8")
)

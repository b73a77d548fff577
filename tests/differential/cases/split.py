"""Random SPLIT and SPLIT_V models."""

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

TYPES = ("float32", "int8", "int16", "int32")


@st.composite
def splits(draw: st.DrawFn, op: str, dtypes: Sequence[str] = TYPES) -> Case:
    """Parts of equal (SPLIT) or any size (SPLIT_V) along any axis, counted from either end."""
    dtype, shape = draw(st.sampled_from(dtypes)), draw(shapes(max_rank=5, max_side=4))
    axis = draw(st.integers(0, len(shape) - 1))
    if op == "SPLIT":
        sizes = [draw(st.integers(1, 4))] * draw(st.integers(1, 5))
    else:
        sizes = draw(st.lists(st.integers(1, 5), min_size=1, max_size=5))
    shape = (*shape[:axis], sum(sizes), *shape[axis + 1 :])
    scale, zero_point = draw(quantization(dtype))
    place = numbers(axis - len(shape) if draw(st.booleans()) else axis)
    x = Input(shape, dtype, scale, zero_point)
    outputs = [
        Input((*shape[:axis], size, *shape[axis + 1 :]), dtype, scale, zero_point) for size in sizes
    ]
    inputs = [place, x] if op == "SPLIT" else [x, numbers(*sizes), place]
    data = op_model(op, inputs, outputs, num_splits=len(sizes))
    return Case(data, lambda ins: spec.split(ins[0], shape, axis, sizes))


CASES = tuple(
    Row(op, types, splits(op, (types,)).map(lambda c: c.data))
    for op in ("SPLIT", "SPLIT_V")
    for types in TYPES
)

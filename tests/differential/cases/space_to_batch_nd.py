"""Random SPACE_TO_BATCH_ND and BATCH_TO_SPACE_ND models."""

from __future__ import annotations

import math

from hypothesis import strategies as st

from tests.differential.case import Case as Row
from tests.ops.movement import Case, Input, numbers, op_model, quantization
from tests.spec_ops import blocks as spec


@st.composite
def batches(draw: st.DrawFn, op: str, dtype: str) -> Case:
    """One or two spatial axes; padding or crops of any size that leave something."""
    spatial = draw(st.integers(1, 2))
    n, depth = draw(st.integers(1, 3)), draw(st.integers(1, 4))
    small = [draw(st.integers(1, 4)) for _ in range(spatial)]
    block = [draw(st.integers(1, 3)) for _ in range(spatial)]
    edges = []
    for side, size in zip(small, block, strict=True):
        before = draw(st.integers(0, min(3, side * size - 1)))
        edges.append((before, draw(st.integers(0, min(3, side * size - 1 - before)))))
    inner = [s * b - sum(e) for s, b, e in zip(small, block, edges, strict=True)]
    wide, deep = (n, *inner, depth), (n * math.prod(block), *small, depth)
    is_deep = op == "BATCH_TO_SPACE_ND"
    shape, out = (deep, wide) if is_deep else (wide, deep)
    quant = draw(quantization(dtype))
    data = op_model(
        op,
        [Input(shape, dtype, *quant), numbers(*block), numbers(*edges)],
        [Input(out, dtype, *quant)],
    )
    move = spec.batch_to_space if is_deep else spec.space_to_batch
    return Case(data, lambda inputs: [move(inputs[0], shape, block, edges)])


CASES = tuple(
    Row(op, types, batches(op, types).map(lambda c: c.data))
    for op in ("SPACE_TO_BATCH_ND", "BATCH_TO_SPACE_ND")
    for types in ("float32", "int8")
)

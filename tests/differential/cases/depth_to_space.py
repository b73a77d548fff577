"""Random DEPTH_TO_SPACE and SPACE_TO_DEPTH models."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.differential.case import Case as Row
from tests.ops.movement import Case, Input, op_model, quantization
from tests.spec_ops import blocks as spec


@st.composite
def images(draw: st.DrawFn, op: str, dtype: str) -> Case:
    """Blocks of 1 to 4 pixels a side."""
    n, h, w, depth = (draw(st.integers(1, 3)) for _ in range(4))
    block = draw(st.integers(1, 4))
    deep, wide = (n, h, w, block * block * depth), (n, h * block, w * block, depth)
    is_deep = op == "DEPTH_TO_SPACE"
    shape, out = (deep, wide) if is_deep else (wide, deep)
    quant = draw(quantization(dtype))
    data = op_model(
        op, [Input(shape, dtype, *quant)], [Input(out, dtype, *quant)], block_size=block
    )
    move = spec.depth_to_space if is_deep else spec.space_to_depth
    return Case(data, lambda inputs: [move(inputs[0], shape, block)])


CASES = tuple(
    Row(op, types, images(op, types).map(lambda c: c.data))
    for op in ("DEPTH_TO_SPACE", "SPACE_TO_DEPTH")
    for types in ("float32", "int8")
)

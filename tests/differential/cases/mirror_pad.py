"""Random MIRROR_PAD models."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from tests.differential.case import Case as Row
from tests.ops.movement import Case, Constant, Input, op_model, quantization
from tests.ops.strategies import shapes
from tests.spec_ops import indexing as spec


@st.composite
def mirror_pads(draw: st.DrawFn, dtype: str) -> Case:
    """As much on the left as there is, and sometimes more than there is on the right."""
    shape = draw(shapes(0, 5, 5))
    mode = draw(st.sampled_from(("REFLECT", "SYMMETRIC")))
    edge = int(mode == "REFLECT")
    more = 3 if draw(st.integers(0, 3)) == 0 else 0
    left = [draw(st.integers(0, min(3, size - edge))) for size in shape]
    right = [draw(st.integers(0, min(3, size - edge) + more)) for size in shape]
    pads = list(zip(left, right, strict=True))
    matrix = np.array(pads, draw(st.sampled_from(("int32", "int64")))).reshape(-1, 2)
    out = tuple(size + sum(pad) for size, pad in zip(shape, pads, strict=True))
    quant = draw(quantization(dtype))
    data = op_model(
        "MIRROR_PAD",
        [Input(shape, dtype, *quant), Constant(matrix)],
        [Input(out, dtype, *quant)],
        mode=mode,
    )
    return Case(data, lambda inputs: [spec.mirror_pad(inputs[0], shape, pads, edge)])


CASES = tuple(
    Row("MIRROR_PAD", types, mirror_pads(types).map(lambda c: c.data))
    for types in ("float32", "int8")
)

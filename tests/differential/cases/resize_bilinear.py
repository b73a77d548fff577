"""Random RESIZE_BILINEAR models."""

from __future__ import annotations

from hypothesis import assume
from hypothesis import strategies as st

from tests.differential.case import Case
from tests.ops.movement import Input, numbers, op_model, quantization
from tests.ops.strategies import shapes
from tests.ops.values import ValueCase
from tests.spec_ops import resize_bilinear as spec

SIDES = st.one_of(st.integers(1, 6), st.integers(1, 40))


@st.composite
def resizes(draw: st.DrawFn, dtype: str) -> ValueCase:
    """Larger and smaller, by whole factors and others."""
    n, h, w, c = draw(shapes(4, 4, 6))
    n, c = min(n, 2), min(c, 3)
    height, width = draw(SIDES), draw(SIDES)
    align, half = draw(st.sampled_from(((False, False), (True, False), (False, True))))
    shape = (n, h, w, c)
    for size, outputs in ((h, height), (w, width)) if dtype == "int8" else ():
        last, _, _ = spec.int_place(outputs - 1, size, outputs, align, half)
        assume(last < size)  # the others read outside the input
    quant = draw(quantization(dtype))
    data = op_model(
        "RESIZE_BILINEAR",
        [Input(shape, dtype, *quant), numbers(height, width)],
        [Input((n, height, width, c), dtype, *quant)],
        align_corners=align,
        half_pixel_centers=half,
    )
    resize = spec.resize_int if dtype == "int8" else spec.resize_float
    return ValueCase(data, lambda inputs: resize(inputs[0], shape, height, width, align, half))


CASES = tuple(
    Case("RESIZE_BILINEAR", types, resizes(types).map(lambda c: c.data))
    for types in ("float32", "int8")
)

"""Random RESIZE_NEAREST_NEIGHBOR models."""

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
from tests.spec_ops import movement as spec

TYPES = ("float32", "int8", "int16")


@st.composite
def resizes(draw: st.DrawFn, dtypes: Sequence[str] = TYPES) -> Case:
    """Any scale up or down, all four ways to place the pixels; sometimes one long axis."""
    dtype = draw(st.sampled_from(dtypes))
    long = draw(st.integers(0, 4)) == 0
    sides = st.integers(1, 2000) if long else st.integers(1, 12)
    rows, height = (1, draw(st.integers(1, 2))) if long else (draw(sides), draw(sides))
    channels = 1 if long else draw(st.integers(1, 3))
    shape = (draw(st.integers(1, 2)), rows, draw(sides), channels)
    width = draw(sides)
    align, half = draw(st.booleans()), draw(st.booleans())
    scale, zero_point = draw(quantization(dtype))
    data = op_model(
        "RESIZE_NEAREST_NEIGHBOR",
        [Input(shape, dtype, scale, zero_point), numbers(height, width)],
        [Input((shape[0], height, width, channels), dtype, scale, zero_point)],
        align_corners=align,
        half_pixel_centers=half,
    )
    return Case(data, lambda ins: [spec.resize_nearest(ins[0], shape, height, width, align, half)])


CASES = tuple(
    Row("RESIZE_NEAREST_NEIGHBOR", types, resizes((types,)).map(lambda c: c.data))
    for types in TYPES
)

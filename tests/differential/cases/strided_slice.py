"""Random STRIDED_SLICE models."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st

from tests.differential.case import Case as Row
from tests.ops.movement import (
    Case,
    Constant,
    Input,
    numbers,
    op_model,
    quantization,
)
from tests.ops.strategies import shapes
from tests.spec_ops import movement as spec

TYPES = ("float32", "int8", "int16", "int32", "bool")


@st.composite
def axes(draw: st.DrawFn, size: int) -> tuple[int, int, int, bool, bool, bool]:
    """begin, end, stride, begin masked, end masked, axis dropped; at least one element."""
    begin = draw(st.integers(-size - 3, size + 3))
    end = draw(st.integers(-size - 3, size + 3))
    if draw(st.integers(0, 3)) == 0:
        masked = draw(st.booleans())
        begin = min(begin, size - 1)
        return begin, end, draw(st.integers(1, 3)), masked, draw(st.booleans()), True
    stride = draw(st.integers(1, 4)) * draw(st.sampled_from((1, -1)))
    first, last = draw(st.booleans()), draw(st.booleans())
    if not chosen(size, begin, end, stride, first, last, False):
        first = last = True
    return begin, end, stride, first, last, False


def chosen(
    size: int, begin: int, end: int, stride: int, first: bool, last: bool, drop: bool
) -> list[int]:
    """Which elements of an axis are taken: a slice of Python's."""
    if drop:
        return [0 if first else max(begin + size if begin < 0 else begin, 0)]
    return list(range(size))[None if first else begin : None if last else end : stride]


def mask(flags: Sequence[bool]) -> int:
    return sum(1 << i for i, flag in enumerate(flags) if flag)


@st.composite
def strided_slices(draw: st.DrawFn, dtypes: Sequence[str] = TYPES) -> Case:
    """All masks that TFLM looks at; those that it does not look at have random bits."""
    dtype, shape = draw(st.sampled_from(dtypes)), draw(shapes(max_rank=4, max_side=7))
    ranges = [draw(axes(size)) for size in shape]
    begin, end, strides, first, last, drop = zip(*ranges, strict=True)
    taken = [chosen(size, *axis) for size, axis in zip(shape, ranges, strict=True)]
    scale, zero_point = draw(quantization(dtype))
    beyond = draw(st.integers(0, 3)) << len(shape)
    data = op_model(
        "STRIDED_SLICE",
        [Input(shape, dtype, scale, zero_point), *map(as_constant, (begin, end, strides))],
        [
            Input(
                tuple(len(t) for t, dropped in zip(taken, drop, strict=True) if not dropped),
                dtype,
                scale,
                zero_point,
            )
        ],
        begin_mask=mask(first) | beyond,
        end_mask=mask(last) | beyond,
        shrink_axis_mask=mask(drop) | beyond,
        ellipsis_mask=draw(st.integers(0, 3)),
        new_axis_mask=draw(st.integers(0, 3)),
        offset=draw(st.booleans()),
    )
    return Case(data, lambda inputs: [spec.take(inputs[0], shape, taken)])


def as_constant(values: Sequence[int]) -> Constant:
    return numbers(*values)


CASES = tuple(
    Row("STRIDED_SLICE", types, strided_slices((types,)).map(lambda c: c.data)) for types in TYPES
)

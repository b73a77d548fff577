"""STRIDED_SLICE against TFLM, against Python's own slices, worked by hand, and refusals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from microinterp.errors import UnsupportedError
from microinterp.runtimes.tflm import TflmRuntime
from tests.ops.movement import (
    Case,
    Constant,
    Input,
    assert_refused,
    check_case,
    numbers,
    op_model,
    quantization,
    run_one,
)
from tests.ops.strategies import seeds, shapes
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
def strided_slices(draw: st.DrawFn) -> Case:
    """All masks that TFLM looks at; those that it does not look at have random bits."""
    dtype, shape = draw(st.sampled_from(TYPES)), draw(shapes(max_rank=4, max_side=7))
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


@given(case=strided_slices(), seed=seeds())
def test_equals_tflm_and_spec(tflm: TflmRuntime, case: Case, seed: int) -> None:
    check_case(tflm, case, seed)


@pytest.mark.parametrize(
    ("begin", "end", "stride", "options", "expected"),
    [
        (1, 3, 1, {}, [2, 3]),
        (-2, 100, 1, {}, [4, 5]),
        (4, -6, -2, {}, [5, 3, 1]),
        (1, 2, -1, {"begin_mask": 1, "end_mask": 1}, [5, 4, 3, 2, 1]),
        (-1, 0, 1, {"shrink_axis_mask": 1}, 5),
        (-9, 0, 1, {"shrink_axis_mask": 1}, 1),
        (1, 3, 1, {"offset": True, "ellipsis_mask": 1, "new_axis_mask": 1}, [2, 3]),
    ],
)
def test_by_hand(
    begin: int, end: int, stride: int, options: dict[str, int], expected: list[int] | int
) -> None:
    out = Input((len(expected),) if isinstance(expected, list) else ())
    tensors = [Input((5,)), numbers(begin), numbers(end), numbers(stride)]
    data = op_model("STRIDED_SLICE", tensors, [out], **options)
    assert run_one(data, np.arange(1, 6, dtype=np.int8)).tolist() == expected


X, ZERO, TWO, ONE = Input((3, 3)), numbers(0, 0), numbers(2, 2), numbers(1, 1)


@pytest.mark.parametrize(
    ("inputs", "output", "options", "text", "tensor"),
    [
        ([X, ZERO, TWO], (2, 2), {}, "has 3 inputs, wanted 4", None),
        ([X, ZERO, TWO, ONE], (2, 3), {}, "shape [2, 3], wanted [2, 2]", 4),
        ([X, ZERO, TWO, ONE], (2,), {}, "shape [2], wanted [2, 2]", 4),
        ([X, ZERO, TWO, ONE], (2, 2), {"shrink_axis_mask": 1}, "wanted [2]", 4),
        ([X, ZERO, TWO, numbers(1, 0)], (2, 2), {}, "stride of axis 1 is 0", 3),
        ([X, numbers(3, 0), TWO, ONE], (2,), {"shrink_axis_mask": 1}, "no element 3", 1),
        (
            [X, ZERO, TWO, numbers(-1, 1)],
            (2,),
            {"shrink_axis_mask": 1},
            "no element 0 with stride -1 in axis 0",
            1,
        ),
        ([X, numbers(0), numbers(2), numbers(1)], (2, 3), {}, "has 1 elements, wanted 2", 1),
        ([X, numbers(0, 0, 0), TWO, ONE], (2, 2), {}, "has 3 elements, wanted 2", 1),
        ([X, Constant(np.zeros(2, np.int64)), TWO, ONE], (2, 2), {}, "int64, wanted int32", 1),
        ([X, Input((2,), "int32"), TWO, ONE], (2, 2), {}, "computed at run time", 1),
        ([X, ZERO, Input((2,), "int32"), ONE], (2, 2), {}, "computed at run time", 2),
        ([X, ZERO, TWO, Input((2,), "int32")], (2, 2), {}, "computed at run time", 3),
        ([Input((1,) * 5), *[numbers(*[1] * 5)] * 3], (1,) * 5, {}, "rank 5, wanted 1 to 4", 0),
    ],
)
def test_refused(
    inputs: list[Input | Constant],
    output: tuple[int, ...],
    options: dict[str, Any],
    text: str,
    tensor: int | None,
) -> None:
    assert_refused(op_model("STRIDED_SLICE", inputs, [Input(output)], **options), text, tensor)


def test_types_refused() -> None:
    for types in (("int64", "int64"), ("uint8", "uint8"), ("int8", "int16")):
        x, out = Input((3, 3), types[0]), Input((2, 2), types[1])
        data = op_model("STRIDED_SLICE", [x, ZERO, TWO, ONE], [out])
        assert_refused(data, f"element types {' x '.join(types)}", kind=UnsupportedError)

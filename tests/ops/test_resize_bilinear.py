"""RESIZE_BILINEAR against spec loops, worked by hand, and what is refused.

tests/differential/cases/resize_bilinear.py compares it with TFLM.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from microinterp import Interpreter
from microinterp.errors import UnsupportedError
from microinterp.kernels.resize_bilinear import int_axis
from microinterp.kernels.resizing import Side
from microinterp.runtimes.tflm import TflmRuntime
from tests.differential.cases.resize_bilinear import resizes
from tests.ops.expected import assert_both_refuse, check_numbers
from tests.ops.movement import Constant, Input, assert_refused, numbers, op_model, run_one
from tests.ops.strategies import seeds
from tests.ops.values import ValueCase
from tests.spec_ops import resize_bilinear as spec


@pytest.mark.parametrize("dtype", ["float32", "int8"])
def test_equals_spec(dtype: str) -> None:
    @given(case=resizes(dtype), seed=seeds())
    def check(case: ValueCase, seed: int) -> None:
        check_numbers(case, seed)

    check()


@given(
    size=st.integers(1, 3000),
    outputs=st.integers(1, 3000),
    how=st.sampled_from(((False, False), (True, False), (False, True))),
)
def test_places_on_long_axes_equal_spec(size: int, outputs: int, how: tuple[bool, bool]) -> None:
    axis = int_axis(Side(size, outputs, *how))
    for i in {0, 1, outputs // 2, outputs - 1} & set(range(outputs)):
        low, high, place = spec.int_place(i, size, outputs, *how)
        have = int(axis.low[i]), int(axis.high[i]), int(axis.weight[i])
        assert have == (low, high, place - 1024 * low)


def one_row(dtype: str, values: list[float], width: int, **options: bool) -> list[float]:
    data = op_model(
        "RESIZE_BILINEAR",
        [Input((1, 1, len(values), 1), dtype), numbers(1, width)],
        [Input((1, 1, width, 1), dtype)],
        **options,
    )
    found: list[float] = (
        run_one(data, np.array(values, dtype).reshape(1, 1, -1, 1)).ravel().tolist()
    )
    return found


def test_by_hand() -> None:
    for dtype in ("float32", "int8"):
        assert one_row(dtype, [0, 8], 4) == [0, 4, 8, 8]
        assert one_row(dtype, [0, 8], 3, align_corners=True) == [0, 4, 8]
        assert one_row(dtype, [0, 8], 4, half_pixel_centers=True) == [0, 2, 6, 8]
        assert one_row(dtype, [1, 2, 3, 4], 2) == [1, 3]


def test_halves_go_away_from_zero_unless_rounding_is_single() -> None:
    """The mean of -1 and 0, and that of 0 and 1."""
    data = op_model("RESIZE_BILINEAR", [Input((1, 1, 3, 1)), numbers(1, 6)], [Input((1, 1, 6, 1))])
    x = np.array([-1, 0, 1], np.int8).reshape(1, 1, 3, 1)
    for profile, expected in (("tflm", [-1, -1, 0, 1, 1, 1]), ("single", [-1, 0, 0, 1, 1, 1])):
        interpreter = Interpreter.from_bytes(data, profile=profile)
        interpreter.set_input(x, 0)
        interpreter.invoke()
        assert interpreter.get_output(0).ravel().tolist() == expected


X, SIZE, OUT = Input((1, 2, 2, 1)), numbers(3, 3), Input((1, 3, 3, 1))


@pytest.mark.parametrize(
    ("inputs", "options", "text", "tensor"),
    [
        (
            [X, SIZE],
            {"align_corners": True, "half_pixel_centers": True},
            "cannot both be true",
            None,
        ),
        ([X, Input((2,), "int32")], {}, "is computed at run time", 1),
        ([Input((2, 2, 1)), SIZE], {}, "rank 3, wanted 4", 0),
        ([X, numbers((3, 3))], {}, "rank 2, wanted 1", 1),
        ([X, Constant(np.array([3, 3]))], {}, "type int64, wanted int32", 1),
        ([X], {}, "has 1 inputs, wanted 2", None),
    ],
)
def test_refused_as_tflm_does(
    tflm: TflmRuntime,
    inputs: list[Input | Constant],
    options: dict[str, bool],
    text: str,
    tensor: int | None,
) -> None:
    assert_both_refuse(tflm, op_model("RESIZE_BILINEAR", inputs, [OUT], **options), text, tensor)


@pytest.mark.parametrize(
    ("x", "size", "out", "text", "tensor"),
    [
        (X, numbers(3, 3, 3), OUT, "has 3 elements, wanted 2", 1),
        (X, SIZE, Input((1, 3, 4, 1)), "shape [1, 3, 4, 1], wanted [1, 3, 3, 1]", 2),
        (Input((1, 0, 2, 1)), SIZE, OUT, "has no pixels", 0),
        (
            Input((1, 1, 1 << 20, 1)),
            numbers(1, 1),
            Input((1, 1, 1, 1)),
            "a side of 1048576, wanted 1048575 at most",
            0,
        ),
    ],
)
def test_refused(x: Input, size: Constant, out: Input, text: str, tensor: int) -> None:
    assert_refused(op_model("RESIZE_BILINEAR", [x, size], [out]), text, tensor)


def test_steps_that_leave_the_input_are_refused() -> None:
    """(1024 * 3 + 1000) // 2000 is 2, and 1999 * 2 / 1024 is 3: outside of 3 pixels."""
    size = numbers(1, 2000)
    x, out = Input((1, 1, 3, 1)), Input((1, 1, 2000, 1))
    data = op_model("RESIZE_BILINEAR", [x, size], [out])
    assert_refused(data, "TFLM's steps of 1/1024 leave the input of 3 pixels", 0)
    x, out = Input((1, 1, 3, 1), "float32"), Input((1, 1, 2000, 1), "float32")
    assert run_one(op_model("RESIZE_BILINEAR", [x, size], [out])).shape == (1, 1, 2000, 1)


@pytest.mark.parametrize("dtype", ["int16", "uint8", "int32"])
def test_types_refused(tflm: TflmRuntime, dtype: str) -> None:
    x, out = Input(X.shape, dtype), Input(OUT.shape, dtype)
    text = f"element types {dtype} x {dtype} are not supported"
    data = op_model("RESIZE_BILINEAR", [x, SIZE], [out])
    assert_both_refuse(tflm, data, text, kind=UnsupportedError)

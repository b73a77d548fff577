"""RESIZE_NEAREST_NEIGHBOR against TFLM, against spec loops, worked by hand, and refusals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from microinterp.errors import UnsupportedError
from microinterp.kernels.resize_nearest_neighbor import nearest
from microinterp.kernels.resizing import MAX_SIDE, Side
from microinterp.runtimes.tflm import TflmRuntime
from tests.differential.cases.resize_nearest_neighbor import resizes
from tests.ops.movement import (
    Case,
    Constant,
    Input,
    assert_refused,
    check_case,
    numbers,
    op_model,
    run_one,
)
from tests.ops.strategies import seeds
from tests.spec_ops import movement as spec


@given(case=resizes(), seed=seeds())
def test_equals_tflm_and_spec(tflm: TflmRuntime, case: Case, seed: int) -> None:
    check_case(tflm, case, seed)


@given(
    size=st.integers(1, 5000), outputs=st.integers(1, 5000), align=st.booleans(), half=st.booleans()
)
def test_places_on_long_axes_equal_spec(size: int, outputs: int, align: bool, half: bool) -> None:
    """float32 rounding decides which pixel is nearest on long axes."""
    expected = [spec.nearest(i, size, outputs, align, half) for i in range(outputs)]
    assert nearest(Side(size, outputs, align, half)).tolist() == expected


def test_float32_decides(tflm: TflmRuntime) -> None:
    """11 * 26/22 is 13, but float32(26/22) is a little less, so pixel 12 is taken."""
    data = op_model(
        "RESIZE_NEAREST_NEIGHBOR",
        [Input((1, 1, 26, 1)), numbers(1, 22)],
        [Input((1, 1, 22, 1))],
    )
    x = np.arange(26, dtype=np.int8).reshape(1, 1, 26, 1)
    assert run_one(data, x)[0, 0, 11, 0] == 12
    (theirs,) = tflm.run(data, [[x]]).outputs[0]
    assert theirs[0, 0, 11, 0] == 12


@pytest.mark.parametrize(
    ("align", "half", "expected"),
    [
        (False, False, [1, 1, 2, 2, 3]),  # floor(i * 3/5): 0, 0.6, 1.2, 1.8, 2.4
        (False, True, [1, 1, 2, 3, 3]),  # floor((i + 1/2) * 3/5): 0.3, 0.9, 1.5, 2.1, 2.7
        (True, False, [1, 2, 2, 3, 3]),  # round(i * 2/4): 0, 0.5, 1, 1.5, 2
        (True, True, [1, 2, 2, 3, 3]),  # round((i + 1/2) * 2/4): 0.25, 0.75, 1.25, 1.75, 2.25
    ],
)
def test_by_hand(align: bool, half: bool, expected: list[int]) -> None:
    data = op_model(
        "RESIZE_NEAREST_NEIGHBOR",
        [Input((1, 1, 3, 1)), numbers(2, 5)],
        [Input((1, 2, 5, 1))],
        align_corners=align,
        half_pixel_centers=half,
    )
    out = run_one(data, np.array([1, 2, 3], np.int8).reshape(1, 1, 3, 1))
    assert out.reshape(2, 5).tolist() == [expected, expected]


@pytest.mark.parametrize(
    ("x", "size", "output", "text", "tensor"),
    [
        ((1, 2, 2), numbers(2, 2), (1, 2, 2), "rank 3, wanted 4", 0),
        ((1, 2, 2, 1), numbers(4, 4), (1, 4, 5, 1), "shape [1, 4, 5, 1], wanted [1, 4, 4, 1]", 2),
        ((1, 2, 2, 1), numbers(4, 4), (1, 4, 4, 2), "wanted [1, 4, 4, 1]", 2),
        ((1, 2, 2, 1), numbers(4, 4, 4), (1, 4, 4, 1), "has 3 elements, wanted 2", 1),
        ((1, 2, 2, 1), numbers((4, 4)), (1, 4, 4, 1), "rank 2, wanted 1", 1),
        ((1, 0, 2, 1), numbers(4, 4), (1, 4, 4, 1), "has no pixels", 0),
        ((1, 2, 2, 1), numbers(-4, -4), (1, 4, 4, 1), "wanted [1, -4, -4, 1]", 2),
        ((1, 2, 2, 1), Constant(np.array([4, 4])), (1, 4, 4, 1), "int64, wanted int32", 1),
        ((1, 2, 2, 1), Input((2,), "int32"), (1, 4, 4, 1), "computed at run time", 1),
        ((1, 1, 1 << 20, 1), numbers(1, 1), (1, 1, 1, 1), f"wanted {MAX_SIDE} at most", 0),
        ((1, 1, 1, 1), numbers(1 << 20, 1), (1, 1 << 20, 1, 1), "a side of 1048576, wanted", 2),
    ],
)
def test_refused(
    x: tuple[int, ...], size: Input | Constant, output: tuple[int, ...], text: str, tensor: int
) -> None:
    data = op_model("RESIZE_NEAREST_NEIGHBOR", [Input(x), size], [Input(output)])
    assert_refused(data, text, tensor)


def test_types_refused() -> None:
    for types in (("int32", "int32"), ("int8", "int16")):
        x, out = (Input((1, 2, 2, 1), dtype) for dtype in types)
        data = op_model("RESIZE_NEAREST_NEIGHBOR", [x, numbers(2, 2)], [out])
        assert_refused(data, f"element types {' x '.join(types)}", kind=UnsupportedError)

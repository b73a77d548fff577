"""Window arithmetic and the checks of kernels/common.py, each against a plain loop."""

from __future__ import annotations

import numpy as np
import pytest
import tflite
from hypothesis import given
from hypothesis import strategies as st

from microinterp.errors import PrepareError
from microinterp.graph import Node, build
from microinterp.kernels.common import (
    Window,
    clamp_float,
    make_window,
    multiplier_of,
    multipliers_of,
    taps,
)
from microinterp.kernels.filters import Quant
from microinterp.kernels.scaling import requantised
from microinterp.model import load
from microinterp.quant.fixedpoint import multiply_double
from tests.models import conv_model
from tests.spec_ops.conv import Axis

PADDINGS = {"SAME": tflite.Padding.SAME, "VALID": tflite.Padding.VALID}


def any_node() -> Node:
    return build(load(conv_model())).main.nodes[0]


def window_of(axis: Axis, length: int) -> Window:
    numbers = (length, axis.size, axis.stride, axis.dilation)
    return make_window(any_node(), PADDINGS[axis.padding], *numbers)


def pixels(window: Window) -> list[list[tuple[int, int]]]:
    """For each output (tap, pixel) inside the image, by the window's own slices."""
    found: list[list[tuple[int, int]]] = [[] for _ in range(window.outputs)]
    for tap in window.taps():
        outputs, inputs = window.meets(tap)
        places = range(window.outputs)[outputs], range(window.length)[inputs]
        for output, pixel in zip(*places, strict=True):
            found[output].append((tap, pixel))
    return found


@st.composite
def axes(draw: st.DrawFn) -> tuple[Axis, int]:
    """Filters of every proportion to their stride, dilation and image."""
    padding = draw(st.sampled_from(tuple(PADDINGS)))
    axis = Axis(draw(st.integers(1, 9)), *(draw(st.integers(1, 7)) for _ in range(2)), padding)
    shortest = axis.reach if padding == "VALID" else 1
    return axis, draw(st.integers(shortest, shortest + 20))


@given(case=axes())
def test_windows_meet_the_pixels_that_a_loop_finds(case: tuple[Axis, int]) -> None:
    axis, length = case
    window = window_of(axis, length)
    assert window.outputs == axis.outputs(length)
    want = [axis.pixels(output, length) for output in range(window.outputs)]
    assert pixels(window) == want
    assert window.counts().tolist() == [len(found) for found in want]
    assert window.meets_padding() == any(len(found) < axis.size for found in want)
    assert set(window.taps()) >= {tap for found in want for tap, _ in found}


def test_same_padding_worked_by_hand() -> None:
    # 3 taps on 5 pixels, stride 2: 3 outputs reach over (3 - 1) * 2 + 3 = 7 pixels, 2 too many
    window = window_of(Axis(3, 2, 1, "SAME"), 5)
    assert window == Window(size=3, stride=2, dilation=1, before=1, length=5, outputs=3)
    assert pixels(window) == [[(1, 0), (2, 1)], [(0, 1), (1, 2), (2, 3)], [(0, 3), (1, 4)]]
    # an odd pixel of padding comes behind: 4 taps, stride 1 need 3, of which one goes before
    assert window_of(Axis(4, 1, 1, "SAME"), 5).before == 1


def test_valid_leaves_the_last_pixels_unused() -> None:
    window = window_of(Axis(2, 3, 1, "VALID"), 7)
    assert (window.outputs, window.before) == (2, 0)
    assert pixels(window) == [[(0, 0), (1, 1)], [(0, 3), (1, 4)]]


def test_taps_that_no_output_sees_are_left_out() -> None:
    window = window_of(Axis(2, 1, 10, "SAME"), 3)
    assert pixels(window) == [[], [], []]
    assert window.counts().tolist() == [0, 0, 0]
    assert len(window_of(Axis(60001, 1, 1, "SAME"), 4).taps()) == 7


def test_taps_run_row_by_row() -> None:
    rows, columns = window_of(Axis(2, 1, 1, "VALID"), 3), window_of(Axis(3, 1, 1, "SAME"), 4)
    image = np.arange(12).reshape(3, 4, 1)
    order, sums = [], np.zeros((2, 4, 1), np.int64)
    for row, column, outputs, inputs in taps(rows, columns):
        order.append((row, column))
        sums[outputs] += image[inputs]
    assert order == [(y, x) for y in range(2) for x in range(3)]
    assert sums[0, :, 0].tolist() == [10, 18, 24, 18]  # 0+1+4+5, 0+1+2+4+5+6, ...
    batch = np.stack([image, image])
    for _, _, outputs, inputs in taps(rows, columns):
        assert batch[inputs].shape == (2, *sums[outputs].shape)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((0, 5, 0, 1), "filter size is 0"),
        ((0, 5, 3, -2), "stride is -2"),
        ((1, 5, 3, 1, 0), "dilation is 0"),
        ((2, 5, 3, 1), "neither SAME"),
        ((1, 5, 3, 1, 3), "filter of 7 pixels does not fit the 5"),
        ((0, 0, 3, 1), "does not fit the 0"),
        ((0, 5, 2**31 - 1, 1), "overflows TFLM's int16"),
    ],
)
def test_windows_refuse(arguments: tuple[int, ...], text: str) -> None:
    with pytest.raises(PrepareError, match=text) as caught:
        make_window(any_node(), *arguments)
    assert caught.value.where.op_index == 0


def test_multipliers_have_limits() -> None:
    node = any_node()
    assert multiplier_of(node, 2.0**29 * 1.5).shift == 30
    assert multipliers_of(node, [0.5, 2.0**29 * 1.5]).shift.tolist() == [0, 30]
    for real in (2.0**30, 2.0**40, float("inf"), float("nan")):
        for refused in (lambda r: multiplier_of(node, r), lambda r: multipliers_of(node, [0.5, r])):
            with pytest.raises(PrepareError, match="requantisation factor"):
                refused(real)
    with pytest.raises(PrepareError, match=r"is 2\^14 or more"):
        multipliers_of(node, [2.0**14], max_left_shift=14)


def test_requantised_wraps_before_it_clamps() -> None:
    """C adds the output's zero point in int32, where 2^31 - 2 + 2 is the smallest number."""
    quant = Quant(
        input_zero_point=0,
        accumulator=np.int32,
        requantise=multiply_double,
        multiplier=np.array([2**31 - 1]),  # as near to a factor of 1 as it gets
        shift=np.array([0]),
        output_zero_point=2,
        low=-128,
        high=100,
    )
    sums = np.array([2**31 - 1, 2**31 - 2, -5, 97, 98, 99], np.int32)
    assert requantised(sums, quant, np.int8).tolist() == [-128, 100, -3, 99, 100, 100]


def test_clamp_float_keeps_what_comparison_does_not_move() -> None:
    values = np.array([np.nan, -0.0, 0.0, -1, 7, np.inf, -np.inf], np.float32)
    want = np.array([np.nan, -0.0, 0.0, 0, 6, 6, 0], np.float32)
    assert clamp_float(values, np.float32(0), np.float32(6)).tobytes() == want.tobytes()

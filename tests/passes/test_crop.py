"""Windows cut to a span of their outputs: by hand, and against every tap of every output."""

from __future__ import annotations

import random

import numpy as np
import pytest

from microinterp.errors import InputError
from microinterp.kernels.common import Window
from microinterp.passes.crop import (
    Box,
    Span,
    box_needed,
    cropped,
    cut,
    is_croppable,
    met,
    whole_box,
)
from microinterp.passes.patches import Grid, patches, splits, tiles
from microinterp.prepare import Arrays, PreparedNode
from tests.passes.checking import prepared_of
from tests.passes.nets import ImageNet

# size, stride, dilation, before, length, outputs
SAME_3 = Window(3, 1, 1, 1, 8, 8)
STRIDE_2 = Window(3, 2, 1, 0, 8, 4)
"""SAME padding of the whole layer lies behind the last pixel: (4 - 1) * 2 + 3 - 8 = 1."""
DILATED = Window(3, 1, 3, 3, 10, 10)
WIDE = Window(3, 1, 1, 5, 4, 12)
"""As fold-pad leaves it: five pixels of padding before, outputs 0 to 2 meet nothing else."""


@pytest.mark.parametrize(
    ("window", "span", "seen", "before"),
    [
        (SAME_3, Span(0, 1), Span(0, 2), 1),  # at the border: padding stays
        (SAME_3, Span(1, 2), Span(0, 3), 0),  # the first one that meets none
        (SAME_3, Span(3, 5), Span(2, 6), 0),  # inside: a halo of one pixel on each side
        (SAME_3, Span(7, 8), Span(6, 8), 0),  # padding behind is what the window lacks
        (SAME_3, Span(0, 8), Span(0, 8), 1),
        (STRIDE_2, Span(0, 1), Span(0, 3), 0),
        (STRIDE_2, Span(3, 4), Span(6, 8), 0),
        (STRIDE_2, Span(1, 3), Span(2, 7), 0),
        (DILATED, Span(0, 1), Span(0, 4), 3),
        (DILATED, Span(2, 4), Span(0, 7), 1),
        (DILATED, Span(5, 6), Span(2, 9), 0),
        (WIDE, Span(0, 3), Span(0, 0), 5),  # wholly in padding before the image
        (WIDE, Span(0, 4), Span(0, 1), 5),
        (WIDE, Span(9, 12), Span(4, 4), 0),  # and behind it
        (WIDE, Span(8, 12), Span(3, 4), 0),
        (Window(1, 3, 1, 0, 10, 4), Span(1, 3), Span(3, 7), 0),  # pixels between are skipped
        (Window(2, 3, 1, 0, 10, 3), Span(2, 3), Span(6, 8), 0),
        (Window(5, 1, 1, 2, 2, 2), Span(1, 2), Span(0, 2), 1),  # larger than the image
    ],
)
def test_windows_by_hand(window: Window, span: Span, seen: Span, before: int) -> None:
    assert met(window, span) == seen
    made = cut(window, span)
    kept = (window.size, window.stride, window.dilation)
    assert (made.size, made.stride, made.dilation) == kept
    assert (made.length, made.outputs) == (seen.length, span.length)
    if seen.length:
        assert made.before == before


def pairs(window: Window, first_output: int = 0, first_pixel: int = 0) -> set[tuple[int, int, int]]:
    """(output, tap, pixel) wherever a tap meets the image, worked out one by one."""
    return {
        (first_output + output, tap, first_pixel + pixel)
        for output in range(window.outputs)
        for tap in range(window.size)
        for pixel in [output * window.stride + tap * window.dilation - window.before]
        if 0 <= pixel < window.length
    }


def random_window(chance: random.Random) -> Window:
    """Any padding before, from none to more than the filter."""
    size, stride, dilation = chance.randint(1, 5), chance.randint(1, 4), chance.randint(1, 3)
    return Window(
        size, stride, dilation, chance.randint(0, 6), chance.randint(1, 12), chance.randint(1, 12)
    )


def test_a_cut_window_meets_what_the_whole_one_meets() -> None:
    """Whichever way the kernels ask it."""
    chance = random.Random(1)
    for _ in range(3000):
        window = random_window(chance)
        start = chance.randrange(window.outputs)
        span = Span(start, chance.randint(start + 1, window.outputs))
        seen, made = met(window, span), cut(window, span)
        wanted = {pair for pair in pairs(window) if span.start <= pair[0] < span.stop}
        assert pairs(made, span.start, seen.start) == wanted
        pixels = {pixel for _, _, pixel in wanted}
        if pixels:
            assert seen.start <= min(pixels)
            assert max(pixels) < seen.stop
        found = {
            (span.start + output, tap, seen.start + pixel)
            for tap in made.taps()
            for output, pixel in zip(
                range(made.outputs)[made.meets(tap)[0]],
                range(made.length)[made.meets(tap)[1]],
                strict=True,
            )
        }
        assert found == wanted


def layer(kind: str) -> PreparedNode:
    """One layer that can be cut, over an image of 9 x 7 x 3."""
    net = ImageNet((9, 7, 3))
    if kind == "conv":
        net.conv(4, (3, 2), (2, 1), dilation=(1, 2))
    elif kind == "depthwise":
        net.depthwise(3, multiplier=2)
    elif kind == "pool":
        net.pool("AVERAGE_POOL_2D", (3, 2), (1, 2), "SAME")
    elif kind == "row":
        net.scaled("MUL", (3,))
    else:
        net.scaled("SUB", (1, 1, 1, 3))
    return prepared_of(net.finish()).subgraphs[0][-1]


@pytest.mark.parametrize("kind", ["conv", "depthwise", "pool", "row", "rank 4"])
def test_pieces_side_by_side_are_the_whole(kind: str) -> None:
    """The kernel cut to each tile of four grids writes what the whole kernel writes there."""
    item = layer(kind)
    x, out = item.node.input(0), item.node.output()
    constants = tuple(t.data for t in item.node.inputs[1:] if t is not None)
    rng = np.random.default_rng(3)
    image = rng.integers(-128, 128, x.shape).astype(np.int8)
    whole = np.zeros(out.shape, np.int8)
    item.kernel.evaluate(item.kernel.params, Arrays((image, *constants), (whole,)))
    assert is_croppable(item)
    for grid in ((1, 1), (3, 2), (out.shape[1], 1), out.shape[1:3]):
        found = np.zeros(out.shape, np.int8)
        for rows in tiles(out.shape[1], grid[0]):
            for columns in tiles(out.shape[2], grid[1]):
                box = Box(rows, columns)
                kernel = cropped(item, box)
                seen = image[box_needed(item, 0, box).index()]
                kernel.evaluate(kernel.params, Arrays((seen, *constants), (found[box.index()],)))
        assert np.array_equal(found, whole)


def test_tiles_cover_an_axis_once() -> None:
    """More tiles than pixels leave some empty."""
    for length in range(1, 9):
        for count in range(1, 12):
            spans = tiles(length, count)
            assert [p for s in spans for p in range(s.start, s.stop)] == list(range(length))
            assert len(spans) == count
            assert max(s.length for s in spans) - min(s.length for s in spans) <= 1


def test_boxes() -> None:
    assert whole_box((1, 4, 6, 2)) == Box(Span(0, 4), Span(0, 6))
    one, other = Box(Span(1, 3), Span(2, 3)), Box(Span(0, 2), Span(5, 6))
    assert one.around(other) == Box(Span(0, 3), Span(2, 6))
    assert one.shape((1, 4, 6, 2)) == (1, 2, 1, 2)


def computed_filter() -> ImageNet:
    net = ImageNet((4, 4, 2))
    w = net.graph.input("w", (1, 1, 1, 2), "int8", scale=0.1, zero_point=0)
    net.made("CONV_2D", [net.at, w], (4, 4, 1), padding="SAME", stride_h=1, stride_w=1)
    return net


def into_variable() -> ImageNet:
    net = ImageNet((4, 4, 2))
    net.write(net.variable(), "RELU", [net.at], net.size)
    return net


def by_image() -> ImageNet:
    """A constant that differs from pixel to pixel would have to be cut, too."""
    net = ImageNet((4, 4, 2))
    net.scaled("ADD", (4, 4, 2))
    return net


def broadcast() -> ImageNet:
    net = ImageNet((4, 4, 2))
    row = net.pool("MAX_POOL_2D", 4, 1)
    net.made("ADD", [0, row], (4, 4, 2))
    return net


def softmax() -> ImageNet:
    net = ImageNet((4, 4, 2), dtype="float32")
    net.made("SOFTMAX", [net.at], net.size, beta=1.0)
    return net


def transposed() -> ImageNet:
    net = ImageNet((4, 4, 2))
    axes = net.graph.constant("axes", np.array([0, 2, 1, 3], np.int32))
    net.made("TRANSPOSE", [net.at, axes], (4, 4, 2))
    return net


@pytest.mark.parametrize(
    "model", [computed_filter, into_variable, by_image, broadcast, softmax, transposed]
)
def test_what_is_not_cut(model: object) -> None:
    assert callable(model)
    assert not is_croppable(prepared_of(model().finish()).subgraphs[0][-1])


def test_a_grid_that_cannot_be_is_refused() -> None:
    """The message says where the prefix may end."""
    net = ImageNet((8, 8, 2))
    start = net.conv(2, 3)
    net.depthwise(3)
    net.add(start)
    net.conv(2, 3)
    prepared = prepared_of(net.finish())
    assert splits(prepared) == [1, 3]
    for grid in (Grid(2, 2, 2), Grid(0, 2, 2), Grid(9, 2, 2), Grid(3, 0, 1), Grid(3, 1, -1)):
        with pytest.raises(InputError, match="can be cut: 1, 3"):
            patches(prepared, grid)

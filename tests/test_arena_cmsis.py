"""Scratch of CMSIS-NN's convolutions, shape by shape, worked out by hand.

K is rows x columns x input channels of a filter. Two columns of int16 take 2 * 2 * K, K up to a
multiple of 4; Helium's four columns of int8 take 4 * K, K up to a multiple of 16.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from microinterp.arena.target_cmsis import CMSIS_NN, _windows
from microinterp.arena.target_ops import Site
from tests.arena_sites import site, tensor, windows

CPUS = ("c", "dsp", "mve")


def scratch_of(made: Site) -> tuple[int, ...]:
    row = CMSIS_NN[made.node.name].scratch
    assert row is not None
    return tuple(row(made))


def conv(
    x: Sequence[int],
    w: Sequence[int],
    out: Sequence[int],
    cpu: str = "c",
    kind: str = "int8",
    op: str = "CONV_2D",
    filters: str = "int8",
    **options: Any,
) -> tuple[int, ...]:
    ends = [tensor(x, kind), tensor(w, filters, constant=True)]
    return scratch_of(site(op, ends, tensor(out, kind), cpu=cpu, options=windows(**options)))


@pytest.mark.parametrize(
    ("size", "kernel", "out", "stride", "dilation", "padding"),
    [
        (8, 3, 8, 1, 1, 1),  # reach 3: 7 + 3 - 8 = 2, half of it before
        (8, 4, 8, 1, 1, 1),  # 7 + 4 - 8 = 3: the odd one behind
        (8, 5, 8, 1, 1, 2),
        (8, 3, 8, 1, 2, 2),  # reach 5
        (8, 3, 8, 1, 3, 3),  # reach 7
        (9, 5, 3, 3, 1, 1),  # 6 + 5 - 9 = 2
        (10, 3, 5, 2, 1, 0),  # 8 + 3 - 10 = 1
        (10, 4, 5, 2, 1, 1),  # 8 + 4 - 10 = 2
        (10, 1, 4, 3, 1, 0),  # 9 + 1 - 10 = 0
        (9, 1, 3, 3, 1, 0),  # 6 + 1 - 9 = -2: none
    ],
)
@pytest.mark.parametrize("op", ["CONV_2D", "DEPTHWISE_CONV_2D"])
def test_padding_of_a_window(
    op: str, size: int, kernel: int, out: int, stride: int, dilation: int, padding: int
) -> None:
    """Along the height, then along the width; the other axis has one element; VALID has none."""
    for axis in range(2):
        shapes = [[1, 1, 1, 4] for _ in range(3)]
        for shape, length in zip(shapes, (size, kernel, out), strict=True):
            shape[1 + axis] = length
        steps = [1, 1]
        gaps = [1, 1]
        steps[axis], gaps[axis] = stride, dilation
        ends = [tensor(shapes[0]), tensor(shapes[1])]
        for same in (True, False):
            options = windows((steps[0], steps[1]), (gaps[0], gaps[1]), same)
            both = _windows(site(op, ends, tensor(shapes[2]), options=options))
            found = both[axis]
            assert found.padding == (padding if same else 0)
            assert (found.size, found.kernel, found.out) == (size, kernel, out)
            assert (found.stride, found.dilation) == (stride, dilation)
            assert both[1 - axis].padding == 0
            assert both[1 - axis].size == 1


@pytest.mark.parametrize(
    ("x", "w", "c", "mve"),
    [
        # K = 3 * 2 * 3 = 18: 20 and 32
        ((1, 8, 8, 3), (5, 3, 2, 3), 2 * 2 * 20, 4 * 32),
        ((1, 8, 8, 5), (5, 3, 3, 5), 2 * 2 * 48, 4 * 48),  # 45
        ((1, 8, 8, 4), (5, 2, 2, 4), 2 * 2 * 16, 4 * 16),  # 16 as it is
        ((1, 8, 8, 1), (5, 1, 17, 1), 2 * 2 * 20, 4 * 32),  # 17
        # in groups K counts the input's channels, and a 1x1 filter is no short cut
        ((1, 8, 8, 6), (5, 1, 1, 3), 2 * 2 * 8, 4 * 16),
        ((1, 8, 8, 6), (5, 3, 1, 3), 2 * 2 * 20, 4 * 32),
        # two rows of input, or of filter, are no row
        ((1, 2, 10, 4), (5, 1, 3, 4), 2 * 2 * 12, 4 * 16),
        ((1, 1, 10, 4), (5, 2, 3, 4), 2 * 2 * 24, 4 * 32),
        ((1, 1, 10, 8), (5, 1, 3, 4), 2 * 2 * 24, 4 * 32),  # in groups
        ((1, 1, 10, 6), (5, 1, 3, 6), 2 * 2 * 20, 4 * 32),  # 6 channels are not whole words
        ((1, 1, 10, 3), (5, 1, 3, 3), 2 * 2 * 12, 4 * 16),
    ],
)
def test_columns_of_convolutions(x: Sequence[int], w: Sequence[int], c: int, mve: int) -> None:
    out = (1, *x[1:3], w[0])
    assert [conv(x, w, out, cpu) for cpu in CPUS] == [(c,), (c,), (mve,)]


@pytest.mark.parametrize("cpu", CPUS)
def test_1x1_convolutions_take_nothing(cpu: str) -> None:
    """Unless they are dilated, or padded."""
    x, w, out = (1, 8, 8, 6), (5, 1, 1, 6), (1, 8, 8, 5)
    whole = 4 * 16 if cpu == "mve" else 2 * 2 * 8
    assert conv(x, w, out, cpu) == ()
    assert conv(x, w, (1, 4, 4, 5), cpu, stride=(2, 2)) == ()
    assert conv(x, w, out, cpu, dilation=(2, 1)) == (whole,)
    assert conv(x, w, out, cpu, dilation=(1, 2)) == (whole,)
    # as no converter writes it: ten rows, or columns, out of eight
    assert conv(x, w, (1, 10, 8, 5), cpu) == (whole,)
    assert conv(x, w, (1, 8, 10, 5), cpu) == (whole,)
    assert conv(x, w, (1, 10, 10, 5), cpu) == (whole,)


@pytest.mark.parametrize(
    ("width", "kernel", "channels", "out", "stride", "same", "mve"),
    [
        (10, 3, 4, 10, 1, True, 3 * 4 + 1 * 4),  # 1 before, 1 behind
        (10, 4, 4, 10, 1, True, 4 * 4 + 1 * 4),  # 1 before, 2 behind: 3 * 4 + 2 * 4 is as much
        (10, 2, 4, 10, 1, True, 2 * 4),  # 0 before, 1 behind
        (10, 1, 4, 10, 1, True, 0),  # 1x1
        (9, 5, 4, 5, 2, True, 5 * 4 + 2 * 4),  # 8 + 5 - 9: 2 and 2
        (10, 3, 2, 5, 2, True, 3 * 2),  # 2 channels by steps of 2 are whole words
        (13, 7, 4, 5, 3, True, 7 * 4 + 3 * 4),  # 12 + 7 - 13: 3 and 3
        (10, 3, 4, 4, 3, True, 3 * 4 + 1 * 4),  # 9 + 3 - 10: 1 and 1
        (11, 4, 3, 3, 4, True, 4 * 3),  # 8 + 4 - 11: 0 and 1
        (10, 3, 4, 8, 1, False, 3 * 4),
        (10, 3, 4, 4, 2, False, 3 * 4),  # one column of input is left over
        (10, 3, 4, 3, 3, False, 3 * 4),  # 6 + 3 - 10: -1
        (8, 5, 4, 2, 2, False, 5 * 4),
        (2, 3, 4, 2, 1, True, 3 * 4 + 1 * 4),  # nothing between the ends
        (3, 5, 4, 2, 2, True, 5 * 4 + 2 * 4),
        (4, 5, 4, 2, 3, True, 5 * 4 + 2 * 4),  # 3 + 5 - 4: 2 and 2, one column each
        (2, 7, 4, 2, 1, True, 4 * 32),  # 3 and 3 of two columns: the whole, 28 up to 32
        (2, 4, 4, 2, 1, True, 4 * 16),  # 1 and 2 of two columns
        (3, 4, 4, 3, 1, True, 4 * 4 + 1 * 4),  # 1 and 2 of three
        (3, 5, 4, 3, 1, True, 4 * 32),  # 2 and 2 of three
        (3, 6, 4, 3, 1, True, 4 * 32),  # 2 and 3 of three
        (5, 6, 4, 5, 1, True, 6 * 4 + 2 * 4),  # 2 and 3 of five
        (1, 3, 4, 1, 1, True, 4 * 16),  # 1 and 1 of one
        (1, 2, 4, 1, 1, True, 2 * 4),  # 0 and 1 of one
    ],
)
def test_rows_on_helium(
    width: int, kernel: int, channels: int, out: int, stride: int, same: bool, mve: int
) -> None:
    """The filter's row, and what pads its end; the other CPUs take two columns."""
    x, w, y = (1, 1, width, channels), (5, 1, kernel, channels), (1, 1, out, 5)
    found = [conv(x, w, y, cpu, stride=(1, stride), same=same) for cpu in CPUS]
    columns = 4 * -(-kernel * channels // 4) * 4 if kernel > 1 else 0
    assert found == [(size,) if size else () for size in (columns, columns, mve)]


@pytest.mark.parametrize("gaps", [(1, 2), (2, 1)])
def test_a_dilated_row_on_helium(gaps: tuple[int, int]) -> None:
    """Dilation along the width has no row; along the height, of one row, it changes nothing."""
    found = conv((1, 1, 10, 4), (5, 1, 3, 4), (1, 1, 10, 5), "mve", dilation=gaps)
    assert found == ((4 * 16,) if gaps[1] > 1 else (3 * 4 + 4,))


def test_convolutions_of_other_types() -> None:
    """int16: two columns of int16, or four of K up to a multiple of 8; K = 2 * 3 * 3 = 18."""
    shapes = (1, 8, 8, 3), (5, 2, 3, 3), (1, 8, 8, 5)
    assert [conv(*shapes, cpu, "int16") for cpu in CPUS] == [(72,), (72,), (8 * 24,)]
    point = (1, 8, 8, 2), (5, 1, 1, 2), (1, 8, 8, 5)
    assert [conv(*point, cpu, "int16") for cpu in CPUS] == [(8,), (8,), (64,)]
    odd = (1, 8, 8, 5), (4, 2, 1, 5), (1, 8, 8, 4)  # K = 10
    assert [conv(*odd, cpu, "int16") for cpu in CPUS] == [(40,), (40,), (2 * 4 * 16,)]
    assert [conv(*shapes, cpu, "float32") for cpu in CPUS] == [()] * 3
    # int4 filters are asked for by the rule of int8
    assert [conv(*shapes, cpu, filters="int4") for cpu in CPUS] == [(80,), (80,), (128,)]


def depthwise(
    area: tuple[int, int],
    channels: tuple[int, int] = (6, 6),
    filters: str = "int8",
    size: tuple[int, int, int] = (1, 8, 8),
    out: tuple[int, int] = (8, 8),
    kind: str = "int8",
    **options: Any,
) -> list[tuple[int, ...]]:
    """Scratch on each CPU."""
    shapes = (*size, channels[0]), (1, *area, channels[1]), (size[0], *out, channels[1])
    return [
        conv(*shapes, cpu, kind, "DEPTHWISE_CONV_2D", filters, **options)  # type: ignore[misc]
        for cpu in CPUS
    ]


def test_depthwise() -> None:
    """DSP: a column of int16. Helium: four blocks of 124 channels."""
    assert depthwise((5, 3)) == [(), (2 * 6 * 15,), (4 * 124 * 15,)]
    assert depthwise((3, 2)) == [(), (2 * 6 * 6,), (4 * 124 * 6,)]
    assert depthwise((2, 3)) == [(), (2 * 6 * 6,), (4 * 124 * 6,)]
    assert depthwise((4, 4), (1, 1)) == [(), (2 * 16,), (4 * 124 * 16,)]
    assert depthwise((1, 1), (5, 5)) == [(), (2 * 5,), (4 * 124,)]


def test_3x3_depthwise_takes_nothing_on_a_dsp() -> None:
    """With at most one row and column of padding: ten out of eight are two, as nobody writes."""
    nine = 4 * 124 * 9
    assert depthwise((3, 3)) == [(), (), (nine,)]
    assert depthwise((3, 3), out=(6, 6), same=False) == [(), (), (nine,)]
    assert depthwise((3, 3), out=(10, 8)) == [(), (2 * 6 * 9,), (nine,)]
    assert depthwise((3, 3), out=(8, 10)) == [(), (2 * 6 * 9,), (nine,)]
    assert depthwise((3, 3), out=(10, 10)) == [(), (2 * 6 * 9,), (nine,)]


def test_depthwise_with_int4_filters() -> None:
    """Those are unpacked: all but Helium take a column, 3x3 too."""
    assert depthwise((3, 3), filters="int4") == [(108,), (108,), (4 * 124 * 9,)]
    assert depthwise((5, 3), filters="int4") == [(180,), (180,), (4 * 124 * 15,)]


def test_depthwise_that_the_general_kernel_runs() -> None:
    """Several outputs of a channel, several images, dilation; layers that are not int8.

    And fewer outputs than channels, as nobody writes.
    """
    nothing: list[tuple[int, ...]] = [(), (), ()]
    for filters in ("int8", "int4"):
        assert depthwise((5, 3), (3, 6), filters) == nothing
        assert depthwise((5, 3), (6, 3), filters) == nothing
        assert depthwise((5, 3), (6, 6), filters, size=(2, 8, 8)) == nothing
        assert depthwise((5, 3), (6, 6), filters, dilation=(2, 1)) == nothing
        assert depthwise((5, 3), (6, 6), filters, dilation=(1, 2)) == nothing
        assert depthwise((5, 3), (6, 6), filters, kind="int16") == nothing
        assert depthwise((5, 3), (6, 6), filters, kind="float32") == nothing


def test_one_channel_to_several_on_helium() -> None:
    """That runs as a convolution of K = rows x columns, with a copy of the filter."""
    assert depthwise((3, 2), (1, 2)) == [(), (), (4 * 16 + 2 * 6,)]
    assert depthwise((3, 7), (1, 5)) == [(), (), (4 * 32 + 5 * 21,)]
    assert depthwise((1, 1), (1, 4)) == [(), (), (4,)]
    assert depthwise((3, 2), (1, 2), "int4") == [(), (), ()]
    assert depthwise((3, 2), (1, 1)) == [(), (12,), (4 * 124 * 6,)]
    assert depthwise((3, 2), (2, 4)) == [(), (), ()]

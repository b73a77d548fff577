"""The checks of steps without filters: the last number taken, the first refused, and the work."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from microinterp.packed import steps as s
from microinterp.packed.check import Memory, StepError
from microinterp.packed.steps import Step
from tests.packed.steps_at_bounds import ADD, MEAN, MOST, MUL, POOL, outcome, outside, wanted

COUNT = (1, MOST)
INT8 = (-128, 127)
RIGHT = (-31, 0)
AVERAGE = s.AveragePool(*POOL)
MOVE = s.Move(0, 0, 1, *[1] * 5, *[0] * 10)
FILL = s.Fill(0, 1, 1, 7)
LUT = s.Lut(0, 0, 1, ~0)
EXP = np.full(256, 0x7FFFFFFF, "<u4").tobytes()
SOFTMAX = s.Softmax(0, 0, 1, 1, ~0)
DEQUANTIZE = s.Dequantize(0, 0, 1, 1, 0, 0, 0x3F800000)
RANGES: list[tuple[Step, str, tuple[int, int]]] = [
    (s.Copy(0, 0, 1), "nbytes", COUNT),
    (MOVE, "esize n0 n1 n2 n3 n4", COUNT),
    (FILL, "elements", COUNT),
    (LUT, "n", COUNT),
    *((pool, "batches ih iw c oh ow kh kw sh sw", COUNT) for pool in (POOL, AVERAGE)),
    *((pool, "pt pl", (0, MOST)) for pool in (POOL, AVERAGE)),
    *((pool, "lo hi", INT8) for pool in (POOL, AVERAGE)),
    *((pool, "order", (0, 1)) for pool in (POOL, AVERAGE)),
    (MEAN, "outer reduce inner", COUNT),
    (MEAN, "m_hi", (0, 65535)),
    (MEAN, "m_lo", (0, 32767)),
    (MEAN, "shift", (-31, 30)),
    (MEAN, "zo", INT8),
    *((step, "na nb n", COUNT) for step in (ADD, MUL)),
    *((step, "za zb zo lo hi", INT8) for step in (ADD, MUL)),
    (ADD, "left_shift", (0, 20)),
    (ADD, "a_hi b_hi o_hi", (0, 65535)),
    (ADD, "a_lo b_lo o_lo", (0, 32767)),
    (ADD, "a_shift b_shift o_shift", RIGHT),
    (MUL, "m_hi", (0, 65535)),
    (MUL, "m_lo", (0, 32767)),
    (MUL, "shift", (-31, 13)),
    (SOFTMAX, "rows", COUNT),
    (DEQUANTIZE, "n", COUNT),
    (DEQUANTIZE, "esize", (1, 2)),
    (DEQUANTIZE, "unsigned", (0, 1)),
    (DEQUANTIZE, "zero_point", (-65535, 65535)),
    (DEQUANTIZE, "scale", (0x00800000, 0x737FFFFF)),  # the least normal number; below 2^104
]


@pytest.mark.parametrize(
    ("step", "name", "bounds"),
    [(step, name, bounds) for step, names, bounds in RANGES for name in names.split()],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_ranges(step: Any, name: str, bounds: tuple[int, int]) -> None:
    """Both ends are taken: what else they break, if anything, is told in other words."""
    memory, (low, high) = Memory(MOST, EXP), bounds
    for value in (low - 1, high + 1):
        told = outcome(step._replace(**{name: value}), memory)
        assert told == wanted(name, value, low, high)
    for value in (low, high):
        told = outcome(step._replace(**{name: value}), memory)
        assert isinstance(told, int) or not told.startswith(f"{name} is {value}, wanted {low} ")


def test_lo_up_to_hi() -> None:
    for step in (POOL, AVERAGE, ADD, MUL):
        for lo, hi in ((5, 5), (-128, -128), (127, 127), (-128, 127)):
            assert isinstance(outcome(step._replace(lo=lo, hi=hi)), int)
        assert outcome(step._replace(lo=5, hi=4)) == "lo is 5, hi 4, wanted lo up to hi"
        assert outcome(step._replace(lo=127, hi=-128)) == "lo is 127, hi -128, wanted lo up to hi"


def test_copy() -> None:
    step = s.Copy(x=3, dst=100, nbytes=20)
    assert outcome(step, Memory(120, b"")) == 20
    assert outcome(step, Memory(119, b"")) == outside("dst", 100, 20, 119)
    assert outcome(step._replace(dst=-1), Memory(120, b"")) == outside("dst", -1, 20, 120)
    assert outcome(step._replace(x=100), Memory(120, b"")) == 20
    assert outcome(step._replace(x=101), Memory(120, b"")) == outside("x", 101, 20, 120)
    assert outcome(step._replace(x=0, dst=0), Memory(20, b"")) == 20
    assert outcome(s.Copy(0, 0, MOST), Memory(MOST, b"")) == MOST
    from_weights = step._replace(x=~4)
    assert outcome(from_weights, Memory(120, bytes(24))) == 20
    assert outcome(from_weights, Memory(120, bytes(23))) == outside("x", 4, 20, 23, "weights")
    assert outcome(step._replace(x=~0), Memory(120, bytes(20))) == 20


def test_places_of_no_bytes_and_of_less() -> None:
    memory = Memory(10, bytes(4))
    memory.write("state 0", 10, 0)
    with pytest.raises(StepError, match=r"^state 0 at 11 to 11 is outside of the arena, 10 bytes$"):
        memory.write("state 0", 11, 0)
    with pytest.raises(StepError, match=r"^state 0 at 5 to 4 is outside of the arena, 10 bytes$"):
        memory.write("state 0", 5, -1)


def test_constants_are_aligned_to_4() -> None:
    data = bytes(range(32))
    memory = Memory(0, data)
    for place in range(17):
        if place % 4 == 0:
            assert memory.constant("table", ~place, 3) == data[place : place + 3]
            continue
        with pytest.raises(StepError, match=f"^table at {place} is not aligned to 4$"):
            memory.constant("table", ~place, 3)
    assert memory.constant("table", ~28, 4) == data[28:]
    with pytest.raises(StepError, match=r"^table at 28 to 33 is outside of weights, 32 bytes$"):
        memory.constant("table", ~28, 5)
    with pytest.raises(StepError, match=r"^table is not in the weights$"):
        memory.constant("table", 0, 0)


COUNTS = (3, 2, 4, 1, 5)
STRIDES = [
    (40, 20, 5, 300, 1),
    (-40, -20, -5, -300, -1),
    (-70, 31, -9, 1000, 3),
    (1, -2, 3, -4, 0),
    (0, 0, 0, 0, 0),
]


@pytest.mark.parametrize("strides", STRIDES)
@pytest.mark.parametrize("esize", [1, 3])
def test_moves_reach_as_far_as_their_elements(strides: tuple[int, ...], esize: int) -> None:
    """Against the place of every element."""
    places = [
        sum(i * stride for i, stride in zip(at, strides, strict=True))
        for at in itertools.product(*map(range, COUNTS))
    ]
    first, nbytes = -min(places), max(places) - min(places) + esize
    total = 120 * esize
    still = (0,) * 5
    size = max(nbytes, total)
    to = s.Move._make((0, first + size - nbytes, esize, *COUNTS, *still, *strides))
    memory = Memory(size, bytes(nbytes))
    assert outcome(to, memory) == total
    behind = size - nbytes + 1
    assert outcome(to._replace(dst=to.dst + 1), memory) == outside("dst", behind, nbytes, size)
    assert outcome(to._replace(dst=first), memory) == total
    assert outcome(to._replace(dst=first - 1), memory) == outside("dst", -1, nbytes, size)
    source = s.Move._make((first, 0, esize, *COUNTS, *strides, *still))
    assert outcome(source, memory) == total
    if first:
        assert outcome(source._replace(x=first - 1), memory) == outside("x", -1, nbytes, size)
    assert outcome(source._replace(x=~first), memory) == total
    told = outcome(source._replace(x=~(first + 1)), memory)
    assert told == outside("x", 1, nbytes, nbytes, "weights")


def test_moves_are_no_more_than_the_arena() -> None:
    step = s.Move(0, 0, 3, 2, 1, 5, 7, 4, *[0] * 10)
    assert outcome(step, Memory(840, b"")) == 840
    assert outcome(step, Memory(839, b"")) == "moves 840 bytes in an arena of 839"


def test_fill() -> None:
    for esize in (1, 2, 4):
        step = s.Fill(8, 10, esize, 7)
        assert outcome(step, Memory(8 + 10 * esize, b"")) == 10 * esize
        size = 7 + 10 * esize
        assert outcome(step, Memory(size, b"")) == outside("dst", 8, 10 * esize, size)
    for esize in (-1, 0, 3, 5, 8):
        told = outcome(s.Fill(8, 10, esize, 7), Memory(100, b""))
        assert told == f"esize is {esize}, wanted 1, 2 or 4"


def test_lut() -> None:
    step = s.Lut(10, 50, 30, ~4)
    assert outcome(step, Memory(80, bytes(260))) == 30
    assert outcome(step, Memory(79, bytes(260))) == outside("dst", 50, 30, 79)
    assert outcome(step._replace(x=51), Memory(80, bytes(260))) == outside("x", 51, 30, 80)
    assert outcome(step, Memory(80, bytes(259))) == outside("table", 4, 256, 259, "weights")


def test_pools_touch_x_and_dst() -> None:
    """2 x 5 x 7 x 6 bytes and 2 x 3 x 4 x 6; windows of 3 x 2."""
    for step in (POOL, AVERAGE):
        memory = Memory(644, b"")
        assert outcome(step, memory) == 144 * (6 + 1)
        assert outcome(step._replace(dst=501), memory) == outside("dst", 501, 144, 644)
        assert outcome(step._replace(x=224), memory) == 144 * 7
        assert outcome(step._replace(x=225), memory) == outside("x", 225, 420, 644)


@pytest.mark.parametrize(
    ("size", "taps"), [((5, 7), 35), ((6, 7), 35), ((5, 9), 35), ((4, 7), 28), ((9, 6), 30)]
)
def test_windows_larger_than_the_image_are_less_work(size: tuple[int, int], taps: int) -> None:
    step = POOL._replace(kh=size[0], kw=size[1], oh=1, ow=1, pt=0)
    assert outcome(step) == 2 * 6 * (taps + 1)


def test_every_window_of_a_pool_has_a_pixel() -> None:
    """Of image rows 0 to 4 and columns 0 to 6, the first and the last window see one at least."""
    alone = "a window lies in the padding alone"
    last_down, last_across = (POOL.oh - 1) * 2, (POOL.ow - 1) * 2  # where they begin
    assert (last_down, last_across) == (4, 6)
    for changes, is_good in (
        ({"pt": 2}, True),
        ({"pt": 3}, False),  # rows -3 to -1
        ({"pl": 1}, True),
        ({"pl": 2}, False),
        ({"pt": 0}, True),  # row 4 is the last
        ({"pt": 0, "ih": 4}, False),
        ({"pt": 1, "ih": 4}, True),
        ({"pt": 1, "ih": 3}, False),
        ({"pl": 0, "iw": 7}, True),
        ({"pl": 0, "iw": 6}, False),
        ({"pl": 1, "iw": 6}, True),
        ({"pl": 1, "iw": 5}, False),
        ({"sh": 3, "ih": 6}, True),  # it begins at 2 * 3 - 1 = 5
        ({"sh": 3, "ih": 5}, False),
        ({"sw": 3, "iw": 10}, True),
        ({"sw": 3, "iw": 9}, False),
    ):
        told = outcome(POOL._replace(**changes))
        assert isinstance(told, int) if is_good else told == alone, changes


def test_windows_of_pools_reach_below_2_29() -> None:
    """(oh - 1) sh + (kh - 1) + pt + ih, and the same across."""
    down = POOL._replace(oh=4, sh=100_000_000, kh=200_000_000, pt=30_000_000, ih=6_870_911)
    reach = "windows reach pixel {}, wanted below 536870912"
    assert outcome(down) == "a window lies in the padding alone"  # reaches 536870910
    assert outcome(down._replace(pt=down.pt + 1)) == "a window lies in the padding alone"
    assert outcome(down._replace(pt=down.pt + 2)) == reach.format(536870912)
    across = POOL._replace(ow=4, sw=100_000_000, kw=200_000_000, pl=30_000_000, iw=6_870_911)
    assert outcome(across._replace(pl=across.pl + 1)) == "a window lies in the padding alone"
    assert outcome(across._replace(iw=across.iw + 5)) == reach.format(536870915)


def test_order_is_for_one_batch() -> None:
    assert isinstance(outcome(POOL._replace(batches=1, order=1)), int)
    told = outcome(POOL._replace(batches=2, order=1))
    assert told == "order is 1 for 2 batches, wanted one"


def test_mean() -> None:
    """3 x 5 x 7 bytes to 3 x 7."""
    memory = Memory(521, b"")
    assert outcome(MEAN, memory) == 21 * 6
    assert outcome(MEAN._replace(dst=501), memory) == outside("dst", 501, 21, 521)
    assert outcome(MEAN._replace(x=416), memory) == 21 * 6
    assert outcome(MEAN._replace(x=417), memory) == outside("x", 417, 105, 521)


@pytest.mark.parametrize(
    ("changes", "reach"),
    [
        ({"reduce": 1, "zn": (1 << 29) - 129}, None),
        ({"reduce": 1, "zn": (1 << 29) - 128}, 1 << 29),
        ({"reduce": 1, "zn": 129 - (1 << 29)}, None),
        ({"reduce": 1, "zn": 128 - (1 << 29)}, 1 << 29),
        ({"reduce": 5, "zn": (1 << 29) - 641}, None),
        ({"reduce": 5, "zn": (1 << 29) - 640}, 1 << 29),
        ({"reduce": 5, "zn": (1 << 27) - 641, "shift": 2}, None),
        ({"reduce": 5, "zn": (1 << 27) - 640, "shift": 2}, 1 << 29),
        ({"reduce": 3, "zn": 7, "shift": 30}, 391 << 30),
        ({"reduce": 1, "zn": -((1 << 29) - 129), "shift": -31}, None),
        ({"reduce": 1, "zn": (1 << 29) - 129, "shift": 0}, None),
        ({"reduce": 1, "zn": (1 << 29) - 129, "shift": 1}, (1 << 30) - 2),
    ],
)
def test_sums_of_means(changes: dict[str, int], reach: int | None) -> None:
    told = outcome(MEAN._replace(**changes))
    if reach is None:
        assert told == 21 * (changes["reduce"] + 1)
    else:
        assert told == f"sums reach {reach}, boards take less than 536870912"


@pytest.mark.parametrize("step", [ADD, MUL])
def test_operands(step: s.Add | s.Mul) -> None:
    memory = Memory(160, b"")
    assert outcome(step, memory) == 240
    for name, place, nbytes in (("a", 131, 30), ("b", 111, 50), ("dst", 101, 60)):
        told = outcome(step._replace(**{name: place}), memory)
        assert told == outside(name, place, nbytes, 160)
        assert outcome(step._replace(**{name: place - 1}), memory) == 240


def test_softmax() -> None:
    """3 rows of 20."""
    step, memory = s.Softmax(0, 100, 3, 20, ~0), Memory(160, EXP)
    assert outcome(step, memory) == 64 * 60
    assert outcome(step._replace(dst=101), memory) == outside("dst", 101, 60, 160)
    assert outcome(step._replace(x=101), memory) == outside("x", 101, 60, 160)
    assert outcome(step, Memory(160, EXP[4:])) == outside("exp", 0, 1024, 1020, "weights")
    long = step._replace(rows=1, depth=2047, dst=0)
    assert outcome(long, Memory(2047, EXP)) == 64 * 2047
    assert outcome(long._replace(depth=2048)) == "depth is 2048, wanted 1 to 2047"
    assert outcome(long._replace(depth=0)) == "depth is 0, wanted 1 to 536870911"


@pytest.mark.parametrize(
    ("entry", "value", "is_good"),
    [
        (0, 0x7FFFFFFF, True),
        (0, 0x7FFFFFFE, False),
        (0, 0x80000000, False),
        (1, 0, True),
        (1, 0x7FFFFFFF, True),
        (1, 0x80000000, False),
        (255, 0x80000000, False),
        (255, 0xFFFFFFFF, False),
        (17, 0, True),
    ],
)
def test_tables_of_exponentials(entry: int, value: int, is_good: bool) -> None:
    """Entry 0 is 2^31 - 1, the others are below 2^31."""
    table = np.zeros(256, "<u4")
    table[0] = 0x7FFFFFFF
    table[entry] = value
    told = outcome(s.Softmax(0, 0, 1, 1, ~0), Memory(10, table.tobytes()))
    assert told == (64 if is_good else "exp is no table of exponentials")


def test_dequantize() -> None:
    for esize in (1, 2):
        step, memory = DEQUANTIZE._replace(dst=100, n=30, esize=esize), Memory(220, b"")
        assert outcome(step, memory) == 480
        assert outcome(step._replace(dst=101), memory) == outside("dst", 101, 120, 220)
        last = 220 - 30 * esize
        assert outcome(step._replace(x=last), memory) == 480
        told = outcome(step._replace(x=last + 1), memory)
        assert told == outside("x", last + 1, 30 * esize, 220)


def test_call_once() -> None:
    assert outcome(s.CallOnce(1, 9), Memory(10, b"")) == 1
    assert outcome(s.CallOnce(1, 10), Memory(10, b"")) == outside("flag", 10, 1, 10)
    assert outcome(s.CallOnce(1, -1), Memory(10, b"")) == outside("flag", -1, 1, 10)

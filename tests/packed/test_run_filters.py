"""CONV and both DEPTHWISE on the host in each tier, against plain Python; blocks of pixels."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from microinterp.packed import run
from microinterp.packed import steps as s
from microinterp.packed.run import Buffers, run_step
from microinterp.packed.tiers import TIERS, Filters, layout_of
from tests.packed import plain_layers as plain

X, DST = 8, 2000
CONV = s.Conv(
    *(X, ~0, ~0, DST),
    *(1, 4, 5, 3, 4, 5, 2),  # batches, input, output
    *(1, 1, 1, 1, 1, 1, 0, 0),  # size, strides, dilation, padding
    *(1, -7, 9, -100, 110, 3000),
)
DEPTHWISE = s.Depthwise(*CONV[:10], 3, *CONV[11:19], 1, *CONV[20:24])


class Layer:
    """Random filters, with factors such that outputs vary; the first is in need of a wide step."""

    def __init__(self, step: Any, taps: int) -> None:
        rng = random.Random(f"{step}")
        oc = step.oc
        self.w = [[rng.choice((-128, -3, 0, 1, 50, 127)) for _ in range(taps)] for _ in range(oc)]
        self.bias = [rng.randint(-9000, 9000) for _ in range(oc)]
        self.scales = [
            (rng.randint(1 << 30, (1 << 31) - 1), rng.randint(-9, -6)) for _ in range(oc)
        ]
        self.scales[0] = (0x41234567, 2)

    def filters(self, step: Any) -> Filters:
        multipliers, shifts = zip(*self.scales, strict=True)
        bias, multiplier, shift = (np.array(each) for each in (self.bias, multipliers, shifts))
        return Filters(np.array(self.w), bias, multiplier, shift, step.zx, step.zo)


def int8s(count: int) -> list[int]:
    rng = random.Random(count)
    return [-128, 127, *(rng.randint(-128, 127) for _ in range(count))][:count]


def ran(step: Any, tier: str, w: Any, table: Any, x: Sequence[int], size: int = 4000) -> list[int]:
    """The arena behind a step, as int8; x lies where the step reads it, 77 elsewhere."""
    weights = w.tobytes() + table.tobytes()
    step = step._replace(w=~0, channels=~w.nbytes)
    arena = np.full(size, 77, np.int8)
    arena[step.x : step.x + len(x)] = x
    run_step(step, Buffers(arena.view(np.uint8), np.frombuffer(weights, np.uint8), layout_of(tier)))
    return [int(value) for value in arena]


def check(step: Any, tier: str, w: Any, table: Any, x: Sequence[int], wanted: list[int]) -> None:
    """Outputs are as wanted, and all around them is as it was."""
    before = [77] * 4000
    before[step.x : step.x + len(x)] = x
    before[step.dst : step.dst + len(wanted)] = wanted
    assert ran(step, tier, w, table, x) == before
    assert len(set(wanted)) > 3


GEOMETRIES: list[dict[str, int]] = [
    {},
    {"batches": 2, "kh": 2, "oh": 3},
    {"kh": 3, "kw": 2, "pt": 1, "pl": 1, "oh": 4, "ow": 6},
    {"ih": 7, "iw": 6, "kh": 2, "kw": 3, "sh": 2, "sw": 3, "pl": 2, "pt": 1, "oh": 4, "ow": 2},
    {"ih": 6, "iw": 7, "kh": 3, "kw": 2, "dh": 2, "dw": 3, "pt": 2, "pl": 1, "oh": 5, "ow": 4},
    {"ih": 2, "iw": 3, "kh": 5, "kw": 5, "pt": 2, "pl": 2, "oh": 2, "ow": 3, "zx": 127},
    {"ih": 1, "iw": 9, "kh": 1, "kw": 4, "oh": 1, "ow": 6, "zx": -128},
    {"batches": 3, "ih": 3, "iw": 2, "oh": 3, "ow": 2, "kw": 2, "pl": 1, "lo": -20, "hi": 30},
]
CHANNELS = [(3, 2, 1), (1, 5, 1), (4, 6, 2), (6, 3, 3), (2, 9, 1)]


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("number", range(len(GEOMETRIES)))
def test_conv(tier: str, number: int) -> None:
    for ic, oc, groups in CHANNELS:
        step = CONV._replace(**GEOMETRIES[number], ic=ic, oc=oc, groups=groups)
        layer = Layer(step, step.taps)
        x = int8s(step.batches * step.ih * step.iw * ic)
        w, table = layout_of(tier).conv(layer.filters(step), groups)
        wanted = plain.convolve(step, x, layer.w, layer.bias, layer.scales)
        check(step, tier, w, table, x, wanted)


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("number", range(len(GEOMETRIES)))
def test_depthwise(tier: str, number: int) -> None:
    for ic, multiplier in ((3, 1), (2, 3), (9, 1), (1, 4)):
        changes = {"ic": ic, "multiplier": multiplier, "oc": ic * multiplier}
        step = DEPTHWISE._replace(**GEOMETRIES[number], **changes)
        layer = Layer(step, step.kh * step.kw)
        x = int8s(step.batches * step.ih * step.iw * ic)
        w, table = layout_of(tier).depthwise(layer.filters(step), multiplier)
        wanted = plain.convolve_depthwise(step, x, layer.w, layer.bias, layer.scales)
        check(step, tier, w, table, x, wanted)


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("number", [0, 4, 5, 6])
def test_depthwise_in_place(tier: str, number: int) -> None:
    """The output takes the first bytes of x; those behind it stay."""
    step = DEPTHWISE._replace(**GEOMETRIES[number])
    layer = Layer(step, step.kh * step.kw)
    x = int8s(step.ih * step.iw * 3)
    w, table = layout_of(tier).depthwise_in_place(layer.filters(step))
    wanted = plain.convolve_depthwise(step, x, layer.w, layer.bias, layer.scales)
    over = s.DepthwiseInPlace(X, ~0, ~0, 1000, *step[4:24])
    arena = ran(over, tier, w, table, x)
    assert arena[X : X + len(x)] == [*wanted, *x[len(wanted) :]]
    behind = 1000 + step.ih * step.iw
    rest = (arena[:X], arena[X + len(x) : 1000], arena[behind:])
    assert all(set(each) == {77} for each in rest)


def test_conv_by_hand() -> None:
    """(3 (x0 + 7) - (x1 + 7) + 100) / 2 + 9, of channels side by side; outside are zeros."""
    one = [np.array([value]) for value in (100, 1 << 30, 0)]
    filters = Filters(np.array([[3, -1]]), one[0], one[1], one[2], -7, 9)
    step = CONV._replace(ih=1, iw=2, ic=2, oh=1, ow=3, oc=1, pl=1)
    w, table = layout_of("portable").conv(filters, 1)
    arena = ran(step, "portable", w, table, [5, 50, -10, 20])
    assert arena[DST : DST + 4] == [59, (36 - 57 + 101) // 2 + 9, (-9 - 27 + 100) // 2 + 9, 77]


def rows_of(step: Any) -> tuple[int, int]:
    """Bytes of an input row, and all of x."""
    row = step.iw * step.ic
    return row, step.ih * row


SAME = CONV._replace(ih=6, iw=4, ic=3, oh=6, ow=4, oc=3, kh=3, kw=3, pt=1, pl=1)
ONE_ROW = CONV._replace(ih=1, iw=12, ic=3, oh=1, ow=12, oc=3, kh=1, kw=3, pl=1)


@pytest.mark.parametrize("order", [0, 1])
@pytest.mark.parametrize("base", [SAME, ONE_ROW], ids=["rows", "pixels"])
@pytest.mark.parametrize("kind", [s.Conv, s.Depthwise])
def test_outputs_over_inputs(kind: Any, base: s.Conv, order: int) -> None:
    """Each row (or pixel) lies two before, or two behind, those that it is computed from."""
    step: Any = base._replace(order=order)
    if kind is s.Depthwise:
        step = s.Depthwise(*base[:19], 1, *base[20:24], order)
    row, size = rows_of(base)
    unit = 3 if base.oh == 1 else row
    step = step._replace(x=200, dst=200 + (2 * unit if order else -2 * unit))
    taps = step.taps if kind is s.Conv else step.kh * step.kw
    layer = Layer(step, taps)
    x = int8s(size)
    layout, filters = layout_of("portable"), layer.filters(step)
    if kind is s.Conv:
        w, table = layout.conv(filters, 1)
        wanted = plain.convolve(step, x, layer.w, layer.bias, layer.scales)
    else:
        w, table = layout.depthwise(filters, 1)
        wanted = plain.convolve_depthwise(step, x, layer.w, layer.bias, layer.scales)
    arena = ran(step, "portable", w, table, x)
    assert arena[step.dst : step.dst + len(wanted)] == wanted


def blocks(step: Any, memory: int = 4000) -> list[tuple[int, int]]:
    arena = np.zeros(memory, np.uint8)
    return run._blocks(step, Buffers(arena, np.zeros(9, np.uint8)))


def test_blocks_over_the_input_are_rows() -> None:
    """60 bytes of x, 40 of dst. Of an image of one row they are pixels."""
    for dst in (61, 100, 159):
        rows = [(0, 5), (5, 10), (10, 15), (15, 20)]
        assert blocks(CONV._replace(x=100, dst=dst)) == rows
    for dst in (60, 160):
        assert blocks(CONV._replace(x=100, dst=dst)) == [(0, 20)]
    two = CONV._replace(x=100, dst=100, oh=2)
    assert blocks(two) == [(0, 5), (5, 10)]
    assert blocks(two._replace(order=1)) == [(5, 10), (0, 5)]
    one = CONV._replace(x=100, dst=100, oh=1, ow=3)
    assert blocks(one) == [(0, 1), (1, 2), (2, 3)]
    assert blocks(one._replace(order=1)) == [(2, 3), (1, 2), (0, 1)]
    assert blocks(DEPTHWISE._replace(x=100, dst=100, batches=2)) == [
        (start, start + 5) for start in range(0, 40, 5)
    ]


def test_blocks_are_as_large_as_what_windows_see_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    """18 taps each: 5 pixels see 90 elements."""
    step = CONV._replace(kh=3, kw=2)
    for most, wanted in (
        (90, [(0, 5), (5, 10), (10, 15), (15, 20)]),
        (107, [(0, 5), (5, 10), (10, 15), (15, 20)]),
        (108, [(0, 6), (6, 12), (12, 18), (18, 20)]),
        (359, [(0, 19), (19, 20)]),
        (360, [(0, 20)]),
        (35, [(i, i + 1) for i in range(20)]),
        (17, [(i, i + 1) for i in range(20)]),
    ):
        monkeypatch.setattr(run, "_PATCH_ELEMENTS", most)
        assert blocks(step) == wanted
        assert blocks(step._replace(order=1)) == wanted[::-1]


@pytest.mark.parametrize("most", [1, 40, 100])
def test_many_blocks_give_what_one_gives(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    monkeypatch.setattr(run, "_PATCH_ELEMENTS", most)
    for number in (1, 3, 7):
        test_conv("portable", number)
        test_depthwise("portable", number)
    test_depthwise_in_place("portable", 4)

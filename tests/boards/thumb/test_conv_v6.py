"""CONV for ARMv6-M, on an emulated CPU: numbers worked by hand, extremes, every kind of window."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from tests.boards.random_steps import Axis, Geometry
from tests.boards.thumb.layers_v6 import HALF, Layer, run

LOW, HIGH = -128, 127


def noise(rng: random.Random, count: int) -> list[int]:
    """int8 values."""
    return [rng.randint(LOW, HIGH) for _ in range(count)]


def rows(rng: random.Random, oc: int, taps: int) -> list[list[int]]:
    """Filters."""
    return [noise(rng, taps) for _ in range(oc)]


def windows(rng: random.Random, ic: int, oc: int, **how: Any) -> Layer:
    """A 3x3 layer over 5x4 pixels with a border of 1; `how` changes it."""
    layer = Layer(noise(rng, 20 * ic), rows(rng, oc, 9 * ic), (5, 4), (5, 4), (3, 3), before=(1, 1))
    return replace(layer, zx=9, zo=-4, shift=-5, **how)


def test_by_hand(qemu: None, tmp_path: Path) -> None:
    # 1*1 + 2*2 = 5 and -1 + 6 = 5; -3 + 8 = 5 and 3 + 12 = 15; halves go up: 3, 3, 3, 8.
    layer = Layer([1, 2, -3, 4], [[1, 2], [-1, 3]], (1, 2), (1, 2))
    assert layer.outputs() == [3, 3, 3, 8]
    # x - zx = 4, 5, 0, 7: sums 14, 11, 14, 21; with the biases -5, -15, -5, -5. Divided by 2 with
    # halves up: -2, -7, -2, -2; by 2 again with halves away from zero: -1, -4, -1, -1; plus 10.
    other = replace(layer, zx=-3, bias=(-19, -26), shift=-1, zo=10)
    assert other.outputs() == [9, 6, 9, 9]
    run([layer, other], tmp_path)


@pytest.mark.parametrize("pixels", [1, 2, 3])
def test_channels_and_taps_of_every_rest(qemu: None, tmp_path: Path, pixels: int) -> None:
    rng = random.Random(pixels)
    run(
        [
            Layer(noise(rng, pixels * ic), rows(rng, oc, ic), (pixels, 1), (pixels, 1), shift=-6)
            for ic, oc in product((1, 2, 3, 4, 5, 7, 8, 9, 16, 17), (1, 2, 3, 4, 5, 6, 7, 8, 9))
        ],
        tmp_path,
    )


def test_extreme_sums(qemu: None, tmp_path: Path) -> None:
    ends = (LOW, HIGH)
    layers = [
        Layer([a] * taps + [b] * taps, [[w] * taps], (2, 1), (2, 1), zx=zx, bias=bias, shift=-22)
        for a, b, w, zx in product(ends, ends, (LOW, 127), ends)
        for taps, bias in ((8, 2**30), (1600, 0), (1600, -(2**30)), (3000, 0))
    ]
    found = {v for layer in layers for v in layer.outputs()}
    assert {LOW, HIGH} < found
    assert len(found) > 7
    run(layers, tmp_path)


def test_every_shift_of_each_channel(qemu: None, tmp_path: Path) -> None:
    rng = random.Random(4)
    shifts = [*range(-31, 31)]
    oc = len(shifts)
    layers = [
        Layer(
            noise(rng, 6),
            rows(rng, oc, 2),
            (3, 1),
            (3, 1),
            bias=[rng.randint(-(1 << 30 - max(s, 0)), 1 << 30 - max(s, 0)) for s in shifts],
            m=[rng.choice((HALF, 2**31 - 1, 0, 1, rng.getrandbits(31))) for _ in shifts],
            shift=shifts,
            zo=zo,
        )
        for zo in (LOW, 0, HIGH)
    ]
    run(layers, tmp_path)


def test_limits(qemu: None, tmp_path: Path) -> None:
    rng = random.Random(5)
    pairs = [(-128, -128), (127, 127), (-128, 0), (0, 127), (-5, 90), (-100, -99), (33, 33)]
    run([windows(rng, 3, 5, limits=pair) for pair in pairs], tmp_path)


def some_windows() -> Iterator[dict[str, Any]]:
    """Windows that reach beyond the image on each side, that miss it, and with holes."""
    for kernel, before in product(((1, 1), (3, 3), (2, 5), (7, 1)), ((0, 0), (1, 2), (6, 9))):
        for stride, dilation in (((1, 1), (1, 1)), ((2, 3), (1, 1)), ((1, 2), (3, 2))):
            yield {"kernel": kernel, "before": before, "stride": stride, "dilation": dilation}


@pytest.mark.parametrize("groups", [1, 2])
def test_windows_of_every_kind(qemu: None, tmp_path: Path, groups: int) -> None:
    rng = random.Random(6)
    layers = []
    for how in some_windows():
        kh, kw = how["kernel"]
        layers.append(
            Layer(
                noise(rng, 2 * 5 * 4 * 3 * groups),
                rows(rng, 3 * groups, 3 * kh * kw),
                (5, 4),
                (6, 7),
                batches=2,
                groups=groups,
                zx=rng.choice((LOW, 0, HIGH, 5)),
                shift=-6,
                **how,
            )
        )
    assert any(len(set(layer.outputs()[:3])) > 1 for layer in layers)
    run(layers, tmp_path)


def test_x_among_the_weights(qemu: None, tmp_path: Path) -> None:
    rng = random.Random(7)
    run([windows(rng, 3, 2, x_at=None)], tmp_path)


def over_itself(geometry: Geometry, backward: bool) -> dict[str, Any]:
    """dst as close to x as the order allows."""
    away = geometry.closest(backward)
    assert geometry.allows(away, backward)
    start = max(0, -away)
    return {"x_at": start, "dst_at": start + away, "backward": backward}


@pytest.mark.parametrize("backward", [False, True])
def test_dst_over_x(qemu: None, tmp_path: Path, backward: bool) -> None:
    rng = random.Random(8)
    down, across = Axis(5, 5, 3, 1, 1, 1), Axis(4, 4, 3, 1, 1, 1)
    layers = [
        windows(rng, ic, oc, groups=1, **over_itself(Geometry(1, down, across, ic, oc), backward))
        for ic, oc in ((1, 1), (4, 4), (2, 5), (5, 2))
    ]
    for ic, oc in ((3, 3), (1, 4), (4, 1)):  # an image of one row: here the order is of pixels
        one, line = Axis(1, 1, 1, 1, 1, 0), Axis(9, 9, 2, 1, 1, 1)
        place = over_itself(Geometry(1, one, line, ic, oc), backward)
        layer = Layer(noise(rng, 9 * ic), rows(rng, oc, 2 * ic), (1, 9), (1, 9), (1, 2))
        layers.append(replace(layer, before=(0, 1), shift=-4, **place))
    assert all(layer.dst_at < layer.x_at + len(layer.x) for layer in layers)
    run(layers, tmp_path)


@pytest.mark.parametrize("backward", [False, True])
def test_dst_over_x_with_groups(qemu: None, tmp_path: Path, backward: bool) -> None:
    """A pixel's outputs must not lie over what a later group of the pixel before reads."""
    rng = random.Random(9)
    one, line = Axis(1, 1, 1, 1, 1, 0), Axis(8, 8, 1, 1, 1, 0)
    layers = []
    for (down, across), (ic, oc) in product(((line, one), (one, line)), ((6, 12), (12, 6), (6, 6))):
        place = over_itself(Geometry(1, down, across, ic, oc), backward)
        size = down.size, across.size
        w = rows(rng, oc, ic // 3)
        layers.append(Layer(noise(rng, 8 * ic), w, size, size, groups=3, shift=-3, **place))
    run(layers, tmp_path)

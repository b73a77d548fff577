"""DEPTHWISE for ARMv6-M, on an emulated CPU: numbers worked by hand, extremes, every window."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from tests.boards.random_steps import Axis, Geometry
from tests.boards.thumb.layers_v6 import HALF, Layer, run
from tests.boards.thumb.test_conv_v6 import HIGH, LOW, noise, over_itself, rows, some_windows


def windows(rng: random.Random, ic: int, multiplier: int = 1, **how: Any) -> Layer:
    """A 3x3 layer over 5x4 pixels with a border of 1; `how` changes it."""
    w = rows(rng, ic * multiplier, 9)
    layer = Layer(noise(rng, 20 * ic), w, (5, 4), (5, 4), (3, 3), before=(1, 1))
    return replace(layer, multiplier=multiplier, zx=9, zo=-4, shift=-5, **how)


def test_by_hand(qemu: None, tmp_path: Path) -> None:
    # Two channels, 1 2 3 and -4 5 6, filters 1 -1 and 2 3 from the pixel before on, zx = 1:
    # x - zx is 0 0 1 2 with what is outside, and 0 -5 4 5. Sums 0 -1 -1 and -15 2 23; half of each,
    # halves up: 0 0 0 and -7 1 12.
    layer = Layer([1, -4, 2, 5, 3, 6], [[1, -1], [2, 3]], (1, 3), (1, 3), (1, 2), before=(0, 1))
    layer = replace(layer, zx=1, multiplier=1)
    assert layer.outputs() == [0, -7, 0, 1, 0, 12]
    # Two outputs of one input; 8 * 3 and 8 * -5 with biases, quarters, halves away from zero.
    other = Layer([8], [[3], [-5]], multiplier=2, bias=(2, 2), shift=-1, zo=-1)
    assert other.outputs() == [6, -11]
    run([layer, other], tmp_path)


def test_every_number_of_channels(qemu: None, tmp_path: Path) -> None:
    rng = random.Random(1)
    run([windows(rng, ic) for ic in range(1, 18)], tmp_path)


def test_every_multiplier(qemu: None, tmp_path: Path) -> None:
    rng = random.Random(2)
    run([windows(rng, ic, many) for ic, many in product((1, 2, 3, 4), (2, 3, 4, 7))], tmp_path)


def test_extreme_sums(qemu: None, tmp_path: Path) -> None:
    ends = (LOW, HIGH)
    layers = [
        Layer([a] * 30 * ic, [[w] * 30] * ic, (6, 5), (1, 1), (6, 5), multiplier=1)
        for a, w, ic in product(ends, ends, (1, 5))
    ]
    layers = [
        replace(layer, zx=zx, bias=bias, shift=shift)
        for layer, zx in product(layers, ends)
        for bias, shift in ((0, -13), (2**30, -22), (-(2**30), -22), (2**31 - 1 - 2**21, -23))
    ]
    found = {v for layer in layers for v in layer.outputs()}
    assert {LOW, HIGH} < found
    assert len(found) > 6
    run(layers, tmp_path)


def test_every_shift_of_each_channel(qemu: None, tmp_path: Path) -> None:
    rng = random.Random(4)
    shifts = [*range(-31, 31)]
    oc = len(shifts)
    layers = [
        Layer(
            noise(rng, 6 * oc),
            rows(rng, oc, 2),
            (6, 1),
            (3, 1),
            (2, 1),
            (2, 1),
            bias=[rng.randint(-(1 << 30 - max(s, 0)), 1 << 30 - max(s, 0)) for s in shifts],
            m=[rng.choice((HALF, 2**31 - 1, 0, 1, rng.getrandbits(31))) for _ in shifts],
            shift=shifts,
            zo=zo,
            multiplier=1,
        )
        for zo in (LOW, 0, HIGH)
    ]
    run(layers, tmp_path)


def test_limits(qemu: None, tmp_path: Path) -> None:
    rng = random.Random(5)
    pairs = [(-128, -128), (127, 127), (-128, 0), (0, 127), (-5, 90), (-100, -99), (33, 33)]
    run([windows(rng, 5, limits=pair) for pair in pairs], tmp_path)


def test_windows_of_every_kind(qemu: None, tmp_path: Path) -> None:
    rng = random.Random(6)
    layers = []
    for how, (ic, many) in product(some_windows(), ((6, 1), (2, 2))):
        kh, kw = how["kernel"]
        layers.append(
            Layer(
                noise(rng, 2 * 5 * 4 * ic),
                rows(rng, ic * many, kh * kw),
                (5, 4),
                (6, 7),
                batches=2,
                multiplier=many,
                zx=rng.choice((LOW, 0, HIGH, 5)),
                shift=-6,
                **how,
            )
        )
    run(layers, tmp_path)


def test_x_among_the_weights(qemu: None, tmp_path: Path) -> None:
    rng = random.Random(7)
    run([windows(rng, 5, x_at=None), windows(rng, 2, 3, x_at=None)], tmp_path)


@pytest.mark.parametrize("backward", [False, True])
def test_dst_over_x(qemu: None, tmp_path: Path, backward: bool) -> None:
    rng = random.Random(8)
    down, across = Axis(5, 5, 3, 1, 1, 1), Axis(4, 4, 3, 1, 1, 1)
    layers = []
    for ic, many in ((1, 1), (6, 1), (2, 3)):
        geometry = Geometry(1, down, across, ic, ic * many)
        layers.append(windows(rng, ic, many, **over_itself(geometry, backward)))
        one, line = Axis(1, 1, 1, 1, 1, 0), Axis(9, 9, 2, 1, 1, 1)
        place = over_itself(Geometry(1, one, line, ic, ic * many), backward)
        w = rows(rng, ic * many, 2)
        layer = Layer(noise(rng, 9 * ic), w, (1, 9), (1, 9), (1, 2), multiplier=many)
        layers.append(replace(layer, before=(0, 1), shift=-4, **place))
    assert all(layer.dst_at < layer.x_at + len(layer.x) for layer in layers)
    run(layers, tmp_path)


def test_a_channel_among_others(qemu: None, tmp_path: Path) -> None:
    """As DEPTHWISE_IN_PLACE calls it: what lies between the outputs stays."""
    rng = random.Random(9)
    run([windows(rng, 1, gap=gap) for gap in (1, 2, 6, 300)], tmp_path)

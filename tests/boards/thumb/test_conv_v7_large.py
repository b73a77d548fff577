"""CONV for ARMv7-M: the largest sums, layers of the usual sizes, and what these cost."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from firmware.kernels.thumb import conv_v7
from tests.boards.thumb.conv_layers import ARCHES, Layer, check, random_layer

HALF = 1 << 30  # the multiplier of 0.5
IMAGES: dict[str, dict[str, Any]] = {
    "1x1 24x24x64->64": {"image": (24, 24, 64), "outputs": (24, 24), "oc": 64},
    "3x3 32x32x16->16": {
        "image": (32, 32, 16),
        "outputs": (32, 32),
        "oc": 16,
        "kernel": (3, 3),
        "padding": (1, 1),
    },
    "fully connected 640->128": {"image": (1, 1, 640), "oc": 128},
}
MOST = {
    "armv7em": {
        "1x1 24x24x64->64": 1.25,
        "3x3 32x32x16->16": 1.3,
        "fully connected 640->128": 1.4,
    },
    "armv7m": {
        "1x1 24x24x64->64": 2.35,
        "3x3 32x32x16->16": 2.3,
        "fully connected 640->128": 2.7,
    },
}
"""Instructions per multiplication, everything included. CMSIS-NN in C, compiled with gcc -O3, takes
2.02, 2.32 and 1.95 on a Cortex-M4, and 3.08, 3.33 and 3.44 on a Cortex-M3."""
MOST_BYTES = 1500


@pytest.mark.parametrize("arch", ARCHES)
@pytest.mark.parametrize("name", IMAGES)
def test_instructions(qemu: None, arch: str, name: str, tmp_path: Path) -> None:
    layer = random_layer(random.Random(name), **IMAGES[name])
    (answer,) = check([layer], arch, tmp_path)
    assert 0.9 < answer.instructions / layer.macs <= MOST[arch][name]


@pytest.mark.parametrize("arch", ARCHES)
def test_size(arch: str) -> None:
    assert 2 * len(conv_v7.conv(arch).code()) <= MOST_BYTES


@pytest.mark.parametrize("arch", ARCHES)
def test_the_largest_products(qemu: None, arch: str, tmp_path: Path) -> None:
    # 4000 products of 128 * 255: 130,560,000. Half of it, by 2^20: 62.26. Without the zero point,
    # 4000 * 128 * 128 * 0.5 / 2^18 is 125.
    layers = [
        Layer(
            x=[x] * 4000,
            w=[[-128] * 4000, [127] * 4000, [-127] * 4000],
            bias=[0] * 3,
            multipliers=[HALF] * 3,
            shifts=[shift] * 3,
            image=(1, 1, 4000),
            zx=zx,
        )
        for x, zx, shift in ((-128, 127, -20), (-128, 0, -18), (127, -128, -20))
    ]
    outputs = [layer.output() for layer in layers]
    assert outputs[0][0] == 62
    assert outputs[1][0] == 125
    check(layers, arch, tmp_path)


@pytest.mark.parametrize("arch", ARCHES)
def test_sums_on_both_sides_of_narrow(qemu: None, arch: str, tmp_path: Path) -> None:
    """The greatest sum is a given one, and taken: by it and its like the way is chosen."""
    layers = []
    for most, right, zo in product((2**30 - 1, 2**30, 2**31 - 1), (1, 22, 23, 31), (-128, 4, 127)):
        for sign in (1, -1):
            x = [127, -128, 127, -128, 127]
            w = [sign * v for v in (100, -100, 127, -127, 1)]
            reach = sum(abs(a) * b for a, b in zip(w, (127, 128, 127, 128, 127), strict=True))
            assert abs(sum(a * b for a, b in zip(w, x, strict=True))) == reach
            layers.append(
                Layer(
                    x=x,
                    w=[w, w, w],
                    bias=[sign * (most - reach)] * 3,
                    multipliers=[HALF, 2**31 - 1, 2**30 + 12345],
                    shifts=[-right] * 3,
                    image=(1, 1, 5),
                    zo=zo,
                )
            )
    assert {layer.is_wide for layer in layers} == {False, True}
    check(layers, arch, tmp_path)


@pytest.mark.parametrize("arch", ARCHES)
def test_every_shift(qemu: None, arch: str, tmp_path: Path) -> None:
    """One for each channel: those to the left, and those of more than 22 bits, make a step wide."""
    rng = random.Random(3)
    base = random_layer(rng, oc=62, image=(3, 1, 7), outputs=(3, 1))
    shifts = [*range(-31, 31)]
    bias = [(1 << min(max(6 - s, 0), 30)) * rng.choice((1, -1)) for s in shifts]
    layer = replace(base, shifts=shifts, bias=bias, x=[v // 16 for v in base.x])
    assert layer.is_wide
    assert len(set(layer.output())) > 20
    check([layer, replace(layer, backward=True)], arch, tmp_path)


@pytest.mark.parametrize("arch", ARCHES)
def test_more_geometries(qemu: None, arch: str, tmp_path: Path) -> None:
    rng = random.Random(4)
    shapes: list[dict[str, Any]] = [
        {"image": (49, 10, 1), "kernel": (10, 4), "strides": (2, 2), "padding": (4, 1), "oc": 9},
        {"image": (20, 1, 17), "kernel": (5, 1), "dilations": (3, 1), "outputs": (8, 1)},
        {"image": (1, 30, 12), "kernel": (1, 7), "dilations": (1, 4), "outputs": (1, 6)},
        {"image": (12, 12, 3), "kernel": (3, 3), "strides": (2, 2), "outputs": (6, 6), "oc": 8},
        {"image": (7, 7, 5), "kernel": (1, 1), "strides": (3, 3), "outputs": (3, 3), "batches": 3},
        {"image": (3, 3, 24), "kernel": (3, 3), "padding": (1, 1), "outputs": (3, 3), "groups": 4,
         "oc": 12},
        {"image": (2, 2, 65), "outputs": (2, 2), "oc": 33},
    ]  # fmt: skip
    shapes[0]["outputs"] = (25, 5)
    check([random_layer(rng, **shape) for shape in shapes], arch, tmp_path)

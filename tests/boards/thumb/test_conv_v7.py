"""CONV for ARMv7-M: layouts and numbers worked by hand, and layers of every geometry.

Layers are called directly, between guards: nothing around x, dst, weights and table is touched.
"""

from __future__ import annotations

import random
from itertools import product
from pathlib import Path

import pytest

from firmware.kernels.thumb import conv_v7
from tests.boards.step_reference import int8_bytes
from tests.boards.thumb.conv_layers import ARCHES, Layer, check, random_layer
from tests.boards.thumb.direct import Call, run_calls

pytestmark = [pytest.mark.usefixtures("qemu"), pytest.mark.parametrize("arch", ARCHES)]
HALF = 1 << 30  # the multiplier of 0.5
PRODUCTS = {
    "armv7em": [1, 3, 2, 4, 5, 7, 6, 8, 9, 0, 0, 0, 10, 0, 0, 0],
    "armv7m": [1, 5, 2, 6, 3, 7, 4, 8, 9, 10, 0, 0, 0, 0, 0, 0],
}


def run(layer: Layer, arch: str, folder: Path) -> list[int]:
    """The outputs of a layer alone in its arena, which are also those of the formula."""
    (answer,) = check([layer], arch, folder)
    size = len(layer.w) * layer.pixels * layer.batches
    first = layer.patch_bytes(arch) + 3
    return [(v ^ 128) - 128 for v in answer.arena[first : first + size]]


def test_a_call_word_by_word(arch: str, tmp_path: Path) -> None:
    # Channel 0: 1 * 1 + 2 * 10 + 3 * 100 - 4 * 100 + 9 * -1 = -88, and 7 of bias: -81.
    # Halved, halves up: -40. Halved again: -20. Plus the zero point 5: -15.
    # Channel 1: 5 + 60 + 700 - 800 - 10 = -45, and -8: -53; -26; -13; -8.
    table = [7, HALF, (5 << 1) + 1, 1, -8, HALF, (5 << 1) + 1, 1]
    weights = b"".join(value.to_bytes(4, "little", signed=True) for value in table)
    weights += int8_bytes(PRODUCTS[arch])
    patch = 32 if arch == "armv7em" else 16
    arena = bytes(patch) + b"\xa5\xa5\xa5" + int8_bytes([1, 10, 100, -100, -1])
    arguments = [0, patch + 3, 32, 0, patch, 1, 1, 1, 5, 1, 1, 2, 1, 1, 1, 1, 1, 1, 0, 0, 1]
    arguments += [0, 5, -128, 127, 0, 1, 0, 0, 0, 0, 5, 2, 5, 8, 1, 1]
    (answer,) = run_calls(
        [Call(arguments, weights, arena)],
        conv_v7.module(arch),
        "conv",
        arch,
        ARCHES[arch],
        tmp_path,
    )
    assert answer.arena[patch:] == int8_bytes([-15, -8]) + arena[patch + 2 :]


def test_padding_is_the_zero_point(arch: str, tmp_path: Path) -> None:
    # Each window of 3 by 3 has all of the image, whose values are 2, 3, 4, 5 above the zero point.
    # A quarter of 14 is 3.5, and halves go away from zero.
    layer = Layer(
        x=[1, 2, 3, 4],
        w=[[1] * 9, [-1] * 9, [0] * 9],
        bias=[0, 0, -2],
        multipliers=[HALF] * 3,
        shifts=[-1] * 3,
        image=(2, 2, 1),
        outputs=(2, 2),
        kernel=(3, 3),
        padding=(1, 1),
        zx=-1,
    )
    assert run(layer, arch, tmp_path) == [4, -4, -1] * 4


def test_a_filter_that_moves(arch: str, tmp_path: Path) -> None:
    # Every second pixel of every second row: what the filter's middle lies over.
    layer = Layer(
        x=[10 * y + x for y in range(4) for x in range(5)],
        w=[[0, 0, 0, 0, 4, 0, 0, 0, 0]],
        bias=[0],
        multipliers=[HALF],
        shifts=[-1],
        image=(4, 5, 1),
        outputs=(2, 3),
        kernel=(3, 3),
        strides=(2, 2),
        padding=(1, 1),
        zx=7,
    )
    assert run(layer, arch, tmp_path) == [v - 7 for v in (0, 2, 4, 20, 22, 24)]


def test_pixels_and_channels_of_every_number(arch: str, tmp_path: Path) -> None:
    rng = random.Random(1)
    layers = [
        random_layer(rng, oc=oc, image=(1, pixels, taps), outputs=(1, pixels))
        for pixels, oc, taps in product((1, 2, 3, 4, 5), (1, 2, 3, 4, 5), range(1, 37))
        if pixels + oc < 6 or taps < 6
    ]
    check(layers, arch, tmp_path)


def test_windows_in_every_place(arch: str, tmp_path: Path) -> None:
    """Also wholly in the padding, above, to the left, to the right and below."""
    rng = random.Random(2)
    layers = [
        random_layer(
            rng,
            image=(2, 3, 2),
            kernel=kernel,
            padding=padding,
            strides=strides,
            dilations=(dilation, dilation),
            outputs=(8, 9) if strides == (1, 1) else (4, 3),
        )
        for kernel, padding, strides, dilation in product(
            ((1, 1), (2, 3), (3, 5)), ((0, 0), (3, 4), (4, 1)), ((1, 1), (2, 3)), (1, 2)
        )
    ]
    assert min(layers[-1].window(0, 0, 0, 0)) < max(layers[-1].window(0, 0, 0, 0))
    assert set(layers[8].window(0, 0, 0, 0)) == {layers[8].zx}
    check(layers, arch, tmp_path)


def test_groups_and_batches(arch: str, tmp_path: Path) -> None:
    rng = random.Random(3)
    layers = [
        random_layer(
            rng,
            oc=groups * outputs,
            image=(3, 3, groups * depth),
            outputs=(3, 3),
            kernel=(kernel, kernel),
            padding=(kernel // 2, kernel // 2),
            groups=groups,
            batches=batches,
        )
        for groups, depth, outputs, kernel, batches in product(
            (1, 2, 3), (1, 4, 5), (1, 2, 3), (1, 3), (1, 2)
        )
    ]
    check(layers, arch, tmp_path)


def test_every_alignment_of_x_and_dst(arch: str, tmp_path: Path) -> None:
    rng = random.Random(4)
    layers = [
        random_layer(
            rng,
            oc=5,
            image=(4, 4, depth),
            kernel=(3, 3),
            outputs=(2, 2),
            dst_at=dst_at,
            x_at=20 + dst_at - dst_at % 4 + x_at,
        )
        for dst_at, x_at, depth in product(range(4), range(4), (3, 4, 9))
    ]
    check(layers, arch, tmp_path)


LIMITS = [(-128, 127), (-128, 126), (-127, 127), (-5, 20), (9, 9), (-128, -128), (127, 127)]


def test_limits(arch: str, tmp_path: Path) -> None:
    rng = random.Random(5)
    layers = [
        random_layer(rng, oc=5, image=(3, 1, 6), outputs=(3, 1), shift=shift, limits=limits, zo=zo)
        for limits, shift, zo in product(LIMITS, (-12, -8, -3), (-128, -3, 127))
    ]
    assert not any(layer.is_wide for layer in layers)
    check(layers, arch, tmp_path)


def test_dst_behind_and_before_x(arch: str, tmp_path: Path) -> None:
    """As close as the order allows: no pixel over what it or one after it reads."""
    rng = random.Random(6)
    layers = []
    for groups, backward, (rows, columns) in product(
        (1, 2), (False, True), ((1, 7), (7, 1), (1, 6), (6, 1))
    ):
        x_at, dst_at = (0, 4) if backward else (4, 0)
        shape = {"image": (rows, columns, 4), "outputs": (rows, columns), "groups": groups}
        layers.append(random_layer(rng, oc=4, backward=backward, x_at=x_at, dst_at=dst_at, **shape))
    check(layers, arch, tmp_path)


def test_backward_with_windows(arch: str, tmp_path: Path) -> None:
    rng = random.Random(7)
    layers = [
        random_layer(
            rng,
            oc=oc,
            image=(5, 4, 2),
            kernel=(3, 2),
            strides=(stride, 1),
            padding=(1, 1),
            outputs=(-(-5 // stride), 5),
            backward=True,
            groups=groups,
        )
        for oc, stride, groups in product((2, 4), (1, 2), (1, 2))
    ]
    check(layers, arch, tmp_path)

"""Instructions per multiplication of whole layers on ARMv6-M: limits that a change must not pass.

Padded taps count as multiplications. Compiled C (CMSIS-NN, gcc -O3) takes 7.5, 7.6, 38 and 6.2 for
the four layers.
"""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest

from tests.boards.thumb.layers_v6 import Layer, run
from tests.boards.thumb.test_conv_v6 import noise, rows


def layer(side: int, kernel: int, ic: int, oc: int, multiplier: int | None = None) -> Layer:
    """A square layer whose output is as large as its input."""
    rng = random.Random(f"{side} {kernel} {ic} {oc}")
    taps = kernel * kernel * (ic if multiplier is None else 1)
    square, window, before = (side, side), (kernel, kernel), (kernel // 2, kernel // 2)
    shape = Layer(noise(rng, side * side * ic), rows(rng, oc, taps), square, square, window)
    shift = -6 - taps.bit_length() // 2
    return replace(shape, before=before, multiplier=multiplier, shift=shift, zx=5, zo=-3)


def check(layer: Layer, most: float, folder: Path) -> None:
    (instructions,) = run([layer], folder)
    outputs = layer.output[0] * layer.output[1] * layer.oc
    found = instructions / (outputs * len(layer.w[0]))
    assert most * 0.97 < found <= most, "set the new limit" if found < most else "slower"


@pytest.mark.parametrize(
    ("shape", "most"),
    [
        (layer(6, 1, 64, 64), 3.55),
        (layer(8, 3, 16, 16), 3.45),
        (layer(8, 3, 32, 32, 1), 11.3),
        (layer(1, 1, 640, 128), 3.55),
    ],
    ids=["1x1", "3x3", "depthwise", "fully-connected"],
)
def test_small(qemu: None, tmp_path: Path, shape: Layer, most: float) -> None:
    check(shape, most, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("shape", "most"),
    [
        (layer(24, 1, 64, 64), 3.55),
        (layer(32, 3, 16, 16), 3.45),
        (layer(24, 3, 32, 32, 1), 11.3),
    ],
    ids=["1x1", "3x3", "depthwise"],
)
def test_large(qemu: None, tmp_path: Path, shape: Layer, most: float) -> None:
    check(shape, most, tmp_path)

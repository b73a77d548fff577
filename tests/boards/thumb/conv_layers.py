"""CONV layers for tests of the ARMv7-M kernels: laid out as schemas/steps.md says, and computed.

All is plain Python ints, loop by loop; nothing here is derived from pack or from the kernels.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from operator import mul
from pathlib import Path
from typing import Any

from firmware.kernels.thumb import conv_v7
from tests.boards.step_reference import clamp, int8_bytes, rq
from tests.boards.thumb.direct import Answer, Call, run_calls

ARCHES = {"armv7em": "m4", "armv7m": "m3"}
"""The CPU that each architecture's code runs on."""
_GAP = 0xA5


@dataclass(frozen=True)
class Layer:
    """A layer. w is [oc][taps]; bias, multipliers and shifts (below 0: to the right) are [oc]."""

    x: Sequence[int]
    w: Sequence[Sequence[int]]
    bias: Sequence[int]
    multipliers: Sequence[int]
    shifts: Sequence[int]
    image: tuple[int, int, int]  # rows, columns, channels
    outputs: tuple[int, int] = (1, 1)  # rows, columns
    kernel: tuple[int, int] = (1, 1)
    strides: tuple[int, int] = (1, 1)
    dilations: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)  # above, to the left
    groups: int = 1
    batches: int = 1
    zx: int = 0
    zo: int = 0
    limits: tuple[int, int] = (-128, 127)
    backward: bool = False
    x_at: int | None = None
    dst_at: int | None = None

    @property
    def depth(self) -> int:
        """Input channels of a group."""
        return self.image[2] // self.groups

    @property
    def taps(self) -> int:
        """Taps of a filter."""
        return self.kernel[0] * self.kernel[1] * self.depth

    @property
    def row(self) -> int:
        """Taps with padding."""
        return -(-self.taps // 4) * 4

    @property
    def pixels(self) -> int:
        """Output pixels of an image."""
        return self.outputs[0] * self.outputs[1]

    @property
    def macs(self) -> int:
        """Multiplications, those of padding included."""
        return self.batches * self.pixels * len(self.w) * self.taps

    @property
    def is_wide(self) -> bool:
        """Whether the narrow way to requantise is not open."""
        for w, bias, shift in zip(self.w, self.bias, self.shifts, strict=True):
            ends = [[v * (x - self.zx) for x in (-128, 127)] for v in w]
            reach = bias + sum(map(min, ends)), bias + sum(map(max, ends))
            if reach[0] <= -(2**30) or reach[1] >= 2**30 or shift not in range(-22, 0):
                return True
        return False

    def folded(self) -> list[int]:
        """The biases with the input's zero point in them."""
        return [b - self.zx * sum(w) for b, w in zip(self.bias, self.w, strict=True)]

    def window(self, batch: int, oy: int, ox: int, group: int) -> list[int]:
        """Inputs of a pixel for a group, the zero point where they are padding."""
        ih, iw, ic = self.image
        taps = []
        for ky, kx, c in product(range(self.kernel[0]), range(self.kernel[1]), range(self.depth)):
            y = oy * self.strides[0] - self.padding[0] + ky * self.dilations[0]
            x = ox * self.strides[1] - self.padding[1] + kx * self.dilations[1]
            at = ((batch * ih + y) * iw + x) * ic + group * self.depth + c
            taps.append(self.x[at] if 0 <= y < ih and 0 <= x < iw else self.zx)
        return taps

    def output(self) -> bytes:
        """What the layer computes."""
        values = []
        each = len(self.w) // self.groups
        for n, oy, ox, g in product(
            range(self.batches), *map(range, self.outputs), range(self.groups)
        ):
            window = self.window(n, oy, ox, g)
            for o in range(g * each, g * each + each):
                acc = sum(map(mul, window, self.w[o])) - self.zx * sum(self.w[o]) + self.bias[o]
                value = rq(acc, self.multipliers[o], self.shifts[o]) + self.zo
                values.append(clamp(value, *self.limits))
        return int8_bytes(values)

    def weights(self, arch: str) -> bytes:
        """w as the kernel reads it."""
        data = []
        for pair in self._pairs([[*w, *[0] * (self.row - self.taps)] for w in self.w]):
            first, second = (w or [0] * self.row for w in pair)
            if arch == "armv7m":
                data += [v for both in zip(first, second, strict=True) for v in both]
                continue
            for at in range(0, self.row, 4):
                data += [w[at + place] for w in (first, second) for place in (0, 2, 1, 3)]
        return int8_bytes(data)

    def table(self) -> bytes:
        """The channel table."""
        entries = []
        for bias, m, shift in zip(self.folded(), self.multipliers, self.shifts, strict=True):
            left, right = max(shift, 0), max(-shift, 0)
            half = ((self.zo << right) + (1 << right >> 1)) % 2**32
            entries.append(struct.pack("<iiIBBH", bias, m, half, right, left, 0))
        return b"".join(entry or bytes(16) for pair in self._pairs(entries) for entry in pair)

    def _pairs(self, channels: Sequence[Any]) -> list[tuple[Any, Any]]:
        """Channels of each group two by two; None for one that is missing."""
        each = len(self.w) // self.groups
        pairs = []
        for first in range(0, len(self.w), each):
            group = [*channels[first : first + each], None]
            pairs += [(group[i], group[i + 1]) for i in range(0, each, 2)]
        return pairs

    def patch_bytes(self, arch: str) -> int:
        """Scratch, at the beginning of the arena."""
        return 2 * self.row * (2 if arch == "armv7em" else 1)

    def call(self, arch: str) -> Call:
        """The kernel's call.

        Arena: patch, dst and x, which ends it; x_at and dst_at count from the end of the patch.
        """
        size = len(self.w) * self.pixels * self.batches
        patch = self.patch_bytes(arch)
        dst = patch + (3 if self.dst_at is None else self.dst_at)
        x = patch + self.x_at if self.x_at is not None else dst + size - (dst + size) % 4 + 8
        x -= len(self.x) % 4 if self.x_at is None else 0  # so that its end is a multiple of 4
        arena = bytearray([_GAP]) * max(x + len(self.x), dst + size)
        arena[x : x + len(self.x)] = int8_bytes(self.x)
        table = self.table()
        return Call(self._arguments(x, len(table), 0, dst, 0), table + self.weights(arch), arena)

    def expected(self, call: Call) -> bytes:
        """The arena after a call; what is in the patch is nobody's business."""
        arena = bytearray(call.arena)
        dst = call.arguments[4]
        dst -= (self.pixels - 1) * len(self.w) if self.backward else 0
        output = self.output()
        arena[dst : dst + len(output)] = output
        return bytes(arena)

    def _arguments(self, x: int, w: int, table: int, dst: int, patch: int) -> list[int]:
        oc = len(self.w)
        order = [1, 0, 0, 0]
        if self.backward:
            dst += (self.pixels - 1) * oc
            order = [-1, self.outputs[0] - 1, self.outputs[1] - 1, -2 * oc]
        single = self.dilations[1] == 1 and self.groups == 1
        segments = (1, self.kernel[1]) if single else (self.kernel[1], 1)
        return [
            *(0x5A5A5A, x, w, table, dst, self.batches, *self.image, *self.outputs, oc),
            *(*self.kernel, *self.strides, *self.dilations, *self.padding, self.groups),
            *(self.zx, self.zo, *self.limits, patch, *order, int(self.is_wide)),
            *(self.depth, oc // self.groups, self.taps, self.row, *segments),
        ]


def random_layer(rng: random.Random, oc: int = 3, shift: int | None = None, **given: Any) -> Layer:
    """A layer of that geometry, whose outputs mostly do not saturate unless `shift` says so."""
    given = {"image": (1, 1, 1), "zx": rng.randint(-128, 127), "zo": rng.randint(-20, 20), **given}
    ih, iw, ic = given["image"]
    kh, kw = given.get("kernel", (1, 1))
    taps = kh * kw * ic // given.get("groups", 1)
    shift = -6 - taps.bit_length() // 2 if shift is None else shift
    return Layer(
        x=[rng.randint(-128, 127) for _ in range(given.get("batches", 1) * ih * iw * ic)],
        w=[[rng.randint(-128, 127) for _ in range(taps)] for _ in range(oc)],
        bias=[rng.randint(-3000, 3000) for _ in range(oc)],
        multipliers=[rng.randrange(2**30, 2**31) for _ in range(oc)],
        shifts=[shift] * oc,
        **given,
    )


def check(layers: Sequence[Layer], arch: str, folder: Path) -> list[Answer]:
    """Run layers on their CPU, and compare every byte but the patch; what the kernel answered."""
    calls = [layer.call(arch) for layer in layers]
    answers = run_calls(calls, conv_v7.module(arch), "conv", arch, ARCHES[arch], folder)
    for layer, call, answer in zip(layers, calls, answers, strict=True):
        patch = layer.patch_bytes(arch)
        assert answer.arena[patch:] == layer.expected(call)[patch:], layer
    return answers

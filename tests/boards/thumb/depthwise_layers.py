"""Layers for the DEPTHWISE kernels: how one is called on a board, and what it computes."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from itertools import product

import numpy as np

from microinterp.packed.tiers import Filters, layout_of
from tests.boards.random_steps import Axis, Geometry
from tests.boards.step_reference import clamp, rq
from tests.boards.thumb.direct import Call

_FILLER = 0x5A


def plain(size: int, kernel: int, stride: int = 1) -> Axis:
    """An axis without padding."""
    return Axis(size, (size - kernel) // stride + 1, kernel, stride, 1, 0)


@dataclass(frozen=True)
class Layer:
    """A layer, and where it lies.

    Attributes:
        x: int8 [batches, ih, iw, ic]; w: int8 [oc, taps]; bias, multiplier, shift: [oc].
        x_at: of x in the arena, or in the weights where that is None.
        dst_at: of the output; behind x where it is None.
        skip: bytes between a pixel's outputs and the next pixel's; as DEPTHWISE_IN_PLACE has them.
        wide: 1 asks for the exact way to requantise, even where there is a shorter one.
    """

    rows: Axis
    columns: Axis
    x: list[int]
    w: list[list[int]]
    bias: list[int]
    multiplier: list[int]
    shift: list[int]
    ic: int
    batches: int = 1
    zx: int = 0
    zo: int = 0
    limits: tuple[int, int] = (-128, 127)
    backward: bool = False
    x_at: int | None = 0
    dst_at: int | None = None
    skip: int = 0
    wide: int = 0
    geometry: Geometry = field(init=False)

    def __post_init__(self) -> None:
        shape = Geometry(self.batches, self.rows, self.columns, self.ic, len(self.w))
        object.__setattr__(self, "geometry", shape)
        assert len(self.x) == self.batches * self.rows.size * self.columns.size * self.ic

    @property
    def macs(self) -> int:
        """Products, those with padding too."""
        return self._pixels * self.batches * len(self.w) * self.rows.kernel * self.columns.kernel

    @property
    def is_wide(self) -> bool:
        """True if pack asks for the exact way to requantise."""
        return bool(layout_of("armv7m").is_wide(self.filters))

    @property
    def filters(self) -> Filters:
        """The filters as pack has them."""
        values = (self.w, self.bias, self.multiplier, self.shift)
        return Filters(*(np.array(v, np.int64) for v in values), self.zx, self.zo)

    @property
    def _pixels(self) -> int:
        return self.rows.outputs * self.columns.outputs

    @property
    def _dst(self) -> int:
        return self.dst_at if self.dst_at is not None else (self.x_at or 0) + len(self.x)

    @property
    def _scratch(self) -> int:
        """Where it begins: behind all else, aligned."""
        behind = max((self.x_at or 0) + len(self.x), self._dst + self._span)
        return behind + 7 & ~3

    @property
    def _span(self) -> int:
        return self.batches * self._pixels * (len(self.w) + self.skip)

    @property
    def arena(self) -> bytes:
        """What it holds before the call."""
        taps = self.rows.kernel * self.columns.kernel
        size = self._scratch + 4 * taps + (self.ic + 3 & ~3)
        content = bytearray([_FILLER]) * (size + 5)
        if self.x_at is not None:
            content[self.x_at : self.x_at + len(self.x)] = bytes(v & 255 for v in self.x)
        return bytes(content)

    def call(self, arch: str) -> Call:
        """The call for armv7m or armv7em, with the arguments that the loader makes."""
        oc = len(self.w)
        w, table = layout_of(arch).depthwise(self.filters, oc // self.ic)
        weights = w.tobytes() + bytes(-w.size % 4)
        places = [0, len(weights)]
        weights += table.tobytes()
        x_at = ~len(weights) if self.x_at is None else self.x_at
        weights += bytes(v & 255 for v in self.x) if self.x_at is None else b""
        r, c = self.rows, self.columns
        dst, order = self._dst, [1, 0, 0, self.skip]
        if self.backward:
            dst += (self._pixels - 1) * oc
            order = [-1, r.outputs - 1, c.outputs - 1, -2 * oc]
        shape = [self.batches, r.size, c.size, self.ic, r.outputs, c.outputs, oc]
        shape += [r.kernel, c.kernel, r.stride, c.stride, r.dilation, c.dilation]
        shape += [r.before, c.before, oc // self.ic, self.zx, self.zo, *self.limits]
        wide = int(self.wide or self.is_wide)
        blocks = oc // 4 if oc == self.ic and not self.skip else 0
        loader = [*order, wide, self._scratch, r.kernel * c.kernel, blocks]
        return Call([-7, x_at, *places, dst, *shape, *loader], weights, self.arena)

    def outputs(self) -> list[int]:
        """int8 [batches, oh, ow, oc], in plain ints."""
        r, c, factor = self.rows, self.columns, len(self.w) // self.ic
        found = []
        for n, oy, ox, o in product(
            range(self.batches), range(r.outputs), range(c.outputs), range(len(self.w))
        ):
            total = self.bias[o]
            for tap, (ky, kx) in enumerate(product(range(r.kernel), range(c.kernel))):
                y = oy * r.stride - r.before + ky * r.dilation
                x = ox * c.stride - c.before + kx * c.dilation
                if 0 <= y < r.size and 0 <= x < c.size:
                    at = ((n * r.size + y) * c.size + x) * self.ic + o // factor
                    total += (self.x[at] - self.zx) * self.w[o][tap]
            found.append(
                clamp(rq(total, self.multiplier[o], self.shift[o]) + self.zo, *self.limits)
            )
        return found

    def wanted(self) -> bytes:
        """The arena after the call, up to the scratch."""
        content, oc = bytearray(self.arena), len(self.w)
        for i, value in enumerate(self.outputs()):
            content[self._dst + i // oc * (oc + self.skip) + i % oc] = value & 255
        return bytes(content[: self._scratch])

    def seen(self, arena: bytes) -> bytes:
        """The part that `wanted` tells, after a look at what lies behind the scratch."""
        assert arena[-5:] == bytes([_FILLER]) * 5
        return arena[: self._scratch]


def made(
    rng: random.Random, rows: Axis, columns: Axis, ic: int, factor: int = 1, **more: object
) -> Layer:
    """A layer of random values whose outputs mostly do not saturate."""
    oc, taps = ic * factor, rows.kernel * columns.kernel
    batches = more.get("batches", 1)
    assert isinstance(batches, int)
    values = {
        "x": [rng.randint(-128, 127) for _ in range(batches * rows.size * columns.size * ic)],
        "w": [[rng.randint(-128, 127) for _ in range(taps)] for _ in range(oc)],
        "bias": [rng.randint(-3000, 3000) for _ in range(oc)],
        "multiplier": [rng.randrange(1 << 30, 1 << 31) for _ in range(oc)],
        "shift": [rng.randint(-9, -6) - taps.bit_length() // 2 for _ in range(oc)],
        "zx": rng.choice((-128, 127, rng.randint(-128, 127))),
        "zo": rng.randint(-128, 127),
    }
    return Layer(rows, columns, ic=ic, **(values | more))

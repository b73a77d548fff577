"""Layers for the kernels of ARMv6-M: their argument blocks, and what they have to leave behind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np

from firmware.kernels.thumb import conv_v6, depthwise_v6
from firmware.kernels.thumb.frame import CONV, DEPTHWISE
from microinterp.packed.tiers import Filters, layout_of
from tests.boards.step_reference import clamp, int8_bytes, rq
from tests.boards.thumb.direct import Call, run_calls

_LAYOUT = layout_of("armv6m")
_GROUND = 0x3C
"""What the arena holds where nothing else is."""
HALF = 1 << 30
"""The multiplier 0.5."""


@dataclass(frozen=True)
class Layer:
    """CONV or DEPTHWISE. Arguments have their names in steps.md; sizes are (rows, columns).

    w: [oc][taps], int8, before packing. bias, m, shift: of each channel, or one for all. x: int8 of
    the whole input. multiplier: None in a CONV. x_at, dst_at: offsets in the arena; x_at None: x is
    among the weights, behind all else there. gap: bytes between the outputs of pixels. order: of
    the blocks in the weights.
    """

    x: Sequence[int]
    w: Sequence[Sequence[int]]
    size: tuple[int, int] = (1, 1)
    output: tuple[int, int] = (1, 1)
    kernel: tuple[int, int] = (1, 1)
    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    before: tuple[int, int] = (0, 0)
    batches: int = 1
    groups: int = 1
    multiplier: int | None = None
    bias: int | Sequence[int] = 0
    m: int | Sequence[int] = HALF
    shift: int | Sequence[int] = 0
    zx: int = 0
    zo: int = 0
    limits: tuple[int, int] = (-128, 127)
    x_at: int | None = 5
    dst_at: int | None = None
    backward: bool = False
    gap: int = 0
    order: tuple[str, str] = ("w", "channels")

    @property
    def is_conv(self) -> bool:
        """True for CONV."""
        return self.multiplier is None

    @property
    def oc(self) -> int:
        """Output channels."""
        return len(self.w)

    @property
    def ic(self) -> int:
        """Input channels."""
        return len(self.x) // (self.batches * self.size[0] * self.size[1])

    @property
    def _dst(self) -> int:
        """Where the first pixel's outputs are; behind x if nothing was said."""
        if self.dst_at is not None:
            return self.dst_at
        return 1 if self.x_at is None else self.x_at + len(self.x) + 2

    @property
    def _pixels(self) -> int:
        return self.batches * self.output[0] * self.output[1]

    @property
    def _patch(self) -> tuple[int, int]:
        """Offset and size of the scratch, which lies behind all else."""
        inputs = 0 if self.x_at is None else self.x_at + len(self.x)
        outputs = self._dst + self._pixels * (self.oc + self.gap)
        at = (max(inputs, outputs) + 6) // 4 * 4
        taps = len(self.w[0])
        if self.is_conv:
            return at, _LAYOUT.conv_patch(taps)
        return at, _LAYOUT.depthwise_patch(taps, self.ic)

    def _each(self, value: int | Sequence[int]) -> list[int]:
        return [value] * self.oc if isinstance(value, int) else list(value)

    def before_call(self) -> bytes:
        """The arena's contents."""
        at, size = self._patch
        arena = bytearray([_GROUND]) * (at + size + 3)
        if self.x_at is not None:
            arena[self.x_at : self.x_at + len(self.x)] = int8_bytes(self.x)
        return bytes(arena)

    def call(self) -> Call:
        """The kernel's arguments, as the loader gives them."""
        w, bias, m, shift = (
            np.array(values, np.int64)
            for values in (self.w, *map(self._each, (self.bias, self.m, self.shift)))
        )
        filters = Filters(w, bias, m, shift, self.zx, self.zo)
        if self.multiplier is None:
            packed = _LAYOUT.conv(filters, self.groups)
        else:
            packed = _LAYOUT.depthwise(filters, self.multiplier)
        weights = bytearray(b"\x77" * 4)
        refs, data = {}, dict(zip(("w", "channels"), packed, strict=True))
        for name in self.order:
            weights += bytes(-len(weights) % 4)
            refs[name] = len(weights)
            weights += data[name].tobytes()
        x = self.x_at
        if x is None:
            x = ~len(weights)
            weights += int8_bytes(self.x)
        values = {**self._arguments(), **refs, "x": x}
        names = CONV if self.is_conv else DEPTHWISE
        block = [0x5A5A5A5A, *(values[name] for name in names.split())]
        return Call(block, bytes(weights), self.before_call())

    def _arguments(self) -> dict[str, int]:
        (ih, iw), (oh, ow), (kh, kw) = self.size, self.output, self.kernel
        values = {
            **dict(
                zip(("ih", "iw", "oh", "ow", "kh", "kw"), (ih, iw, oh, ow, kh, kw), strict=True)
            ),
            **dict(zip(("sh", "sw", "dh", "dw"), (*self.stride, *self.dilation), strict=True)),
            **dict(zip(("pt", "pl", "lo", "hi"), (*self.before, *self.limits), strict=True)),
            **{"batches": self.batches, "ic": self.ic, "oc": self.oc, "zx": self.zx, "zo": self.zo},
            **{"patch": self._patch[0], "wide": 0, "dst": self._dst, "skip": self.gap},
            **{"turn": 1, "first_row": 0, "first_column": 0},
        }
        taps = len(self.w[0])
        if self.multiplier is None:
            depth = self.ic // self.groups
            whole = self.dilation[1] == 1 and self.groups == 1
            values |= {"groups": self.groups, "depth": depth, "outputs": self.oc // self.groups}
            values |= {"taps": taps, "row": _LAYOUT.row(taps)}
            values |= dict(
                zip(("segments", "segment_taps"), (1, kw)[:: 1 if whole else -1], strict=True)
            )
        else:
            values |= {"multiplier": self.multiplier, "taps": taps}
            values["blocks"] = self.oc // 4 if self.multiplier == 1 else 0
        if self.backward:
            values |= {"turn": -1, "first_row": oh - 1, "first_column": ow - 1}
            values |= {"skip": -2 * self.oc, "dst": self._dst + (self._pixels - 1) * self.oc}
        return values

    def outputs(self) -> list[int]:
        """int8 [batches, oh, ow, oc], by the definition of the op."""
        pixels = product(range(self.batches), range(self.output[0]), range(self.output[1]))
        return [self._output(n, oy, ox, o) for n, oy, ox in pixels for o in range(self.oc)]

    def _output(self, n: int, oy: int, ox: int, o: int) -> int:
        bias, m, shift = (self._each(v)[o] for v in (self.bias, self.m, self.shift))
        if self.multiplier is None:
            depth = self.ic // self.groups
            first = o // (self.oc // self.groups) * depth
        else:
            depth, first = 1, o // self.multiplier
        acc = bias
        places = product(range(self.kernel[0]), range(self.kernel[1]), range(depth))
        for tap, (ky, kx, c) in enumerate(places):
            y = oy * self.stride[0] - self.before[0] + ky * self.dilation[0]
            x = ox * self.stride[1] - self.before[1] + kx * self.dilation[1]
            if 0 <= y < self.size[0] and 0 <= x < self.size[1]:
                at = ((n * self.size[0] + y) * self.size[1] + x) * self.ic + first + c
                acc += (self.x[at] - self.zx) * self.w[o][tap]
        return clamp(rq(acc, m, shift) + self.zo, *self.limits)

    def after_call(self) -> bytes:
        """The arena with the outputs in it, and zeros where scratch is."""
        arena = bytearray(self.before_call())
        values = int8_bytes(self.outputs())
        for pixel in range(self._pixels):
            at = self._dst + pixel * (self.oc + self.gap)
            arena[at : at + self.oc] = values[pixel * self.oc : (pixel + 1) * self.oc]
        return self.without_scratch(bytes(arena))

    def without_scratch(self, arena: bytes) -> bytes:
        """The arena with zeros where scratch is."""
        at, size = self._patch
        return bytes(arena[:at]) + bytes(size) + bytes(arena[at + size :])


def source(layer: Layer) -> tuple[str, str]:
    """Text of the module that the layer's kernel is in, and the kernel's name."""
    if layer.is_conv:
        return conv_v6.module("armv6m"), "conv"
    return depthwise_v6.module("armv6m"), "depthwise"


def run(layers: Sequence[Layer], folder: Path, module: str = "", name: str = "") -> list[int]:
    """Run layers of one kind on a Cortex-M3 and compare whole arenas; instructions of each.

    module: a text with another kernel `name` for all layers, in the place of their own.
    """
    if not module:
        assert len({layer.is_conv for layer in layers}) == 1
        module, name = source(layers[0])
    calls = [layer.call() for layer in layers]
    answers = run_calls(calls, module, name, "armv6m", "m3", folder)
    for layer, answer in zip(layers, answers, strict=True):
        assert layer.without_scratch(answer.arena).hex(" ") == layer.after_call().hex(" "), layer
    return [answer.instructions for answer in answers]

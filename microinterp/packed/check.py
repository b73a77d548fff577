"""Whether a step keeps the rules of schemas/steps.md: places, numbers, amount of work.

The packer holds its own steps to them, the reader those of a file: after this a step can be run
without a look at its numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np

from microinterp.packed import steps as s
from microinterp.packed.steps import MAX_NUMBER, Step
from microinterp.packed.tiers import ADDRESS_BYTES, layout_of

_INT8 = (-128, 127)
_NORMAL_SCALES = (1 << 23, (231 << 23) - 1)


class StepError(ValueError):
    """What is wrong with a step; the caller knows which one it is."""


class Memory:
    """The sizes that steps must stay inside of, the weights, and the tier they are laid out for."""

    def __init__(
        self, arena_bytes: int, weights: bytes | bytearray | memoryview, tier: str = "portable"
    ) -> None:
        self.arena_bytes = arena_bytes
        self.weights = weights
        self.layout = layout_of(tier)

    def read(self, what: str, ref: int, nbytes: int) -> None:
        """Bytes at a ref exist. Raises StepError."""
        if ref < 0:
            _inside(what, ~ref, nbytes, len(self.weights), "weights")
        else:
            self.write(what, ref, nbytes)

    def write(self, what: str, ref: int, nbytes: int) -> None:
        """Bytes of the arena at `ref` exist. Raises StepError."""
        _inside(what, ref, nbytes, self.arena_bytes, "the arena")

    def constant(self, what: str, ref: int, nbytes: int) -> memoryview:
        """The bytes of a constant, which is aligned to 4. Raises StepError."""
        _need(ref < 0, f"{what} is not in the weights")
        _inside(what, ~ref, nbytes, len(self.weights), "weights")
        _need(~ref % 4 == 0, f"{what} at {~ref} is not aligned to 4")
        return memoryview(self.weights)[~ref : ~ref + nbytes]


def check_step(step: Step, memory: Memory) -> int:
    """Check one step and return its units of work, those of a subgraph it runs left out.

    Raises:
        StepError: a rule is broken; the text names the argument.
    """
    return _CHECKS[type(step)](step, memory)


def _need(condition: bool, message: str) -> None:
    if not condition:
        raise StepError(message)


def _inside(what: str, start: int, nbytes: int, size: int, place: str) -> None:
    _need(
        start >= 0 and nbytes >= 0 and start + nbytes <= size,
        f"{what} at {start} to {start + nbytes} is outside of {place}, {size} bytes",
    )


def _within(step: Any, names: str, low: int, high: int) -> None:
    for name in names.split():
        value = getattr(step, name)
        _need(low <= value <= high, f"{name} is {value}, wanted {low} to {high}")


def _counts(step: Any, names: str) -> None:
    _within(step, names, 1, MAX_NUMBER - 1)


def _clamp(step: Any) -> None:
    _within(step, "lo hi", *_INT8)
    _need(step.lo <= step.hi, f"lo is {step.lo}, hi {step.hi}, wanted lo up to hi")


def _multiplier(step: Any, hi: str, lo: str, shift: str, most: int) -> None:
    _within(step, hi, 0, 65535)
    _within(step, lo, 0, 32767)
    _within(step, shift, -31, most)


def _copy(step: s.Copy, memory: Memory) -> int:
    _counts(step, "nbytes")
    memory.read("x", step.x, step.nbytes)
    memory.write("dst", step.dst, step.nbytes)
    return step.nbytes


def _move(step: s.Move, memory: Memory) -> int:
    _counts(step, "esize n0 n1 n2 n3 n4")
    total = step.esize * math.prod(step.counts)
    _need(total <= memory.arena_bytes, f"moves {total} bytes in an arena of {memory.arena_bytes}")
    for what, ref, strides in (
        ("x", step.x, step.source_strides),
        ("dst", step.dst, step.strides),
    ):
        reach = [(n - 1) * stride for n, stride in zip(step.counts, strides, strict=True)]
        lowest = sum(r for r in reach if r < 0)
        nbytes = sum(r for r in reach if r > 0) - lowest + step.esize
        if what == "x" and ref < 0:
            _inside(what, ~ref + lowest, nbytes, len(memory.weights), "weights")
        else:
            memory.write(what, ref + lowest, nbytes)
    return total


def _fill(step: s.Fill, memory: Memory) -> int:
    _counts(step, "elements")
    _need(step.esize in (1, 2, 4), f"esize is {step.esize}, wanted 1, 2 or 4")
    memory.write("dst", step.dst, step.elements * step.esize)
    return step.elements * step.esize


def _lut(step: s.Lut, memory: Memory) -> int:
    _counts(step, "n")
    memory.read("x", step.x, step.n)
    memory.write("dst", step.dst, step.n)
    memory.constant("table", step.table, 256)
    return step.n


def _windows(step: Any, *dilations: int) -> None:
    """Sizes of what slides over an image, and the furthest positions that it reaches."""
    _counts(step, "batches ih iw oh ow kh kw sh sw")
    _within(step, "pt pl", 0, MAX_NUMBER - 1)
    dh, dw = dilations or (1, 1)
    bottom = (step.oh - 1) * step.sh + (step.kh - 1) * dh + step.pt + step.ih
    right = (step.ow - 1) * step.sw + (step.kw - 1) * dw + step.pl + step.iw
    text = f"windows reach pixel {max(bottom, right)}, wanted below {MAX_NUMBER}"
    _need(max(bottom, right) < MAX_NUMBER, text)


def _filter(
    step: s.Conv | s.Depthwise, memory: Memory, filter_bytes: int, entries: int, patch: int
) -> None:
    _counts(step, "ic oc dh dw")
    _windows(step, step.dh, step.dw)
    _within(step, "zx zo", *_INT8)
    _clamp(step)
    memory.read("x", step.x, step.batches * step.ih * step.iw * step.ic)
    memory.write("dst", step.dst, step.batches * step.oh * step.ow * step.oc)
    memory.constant("w", step.w, filter_bytes)
    _order(step)
    layout = memory.layout
    raw = memory.constant("channels", step.channels, layout.entry_bytes * entries)
    table = np.frombuffer(raw, np.uint8).reshape(entries, layout.entry_bytes)
    left, right = (table[:, place] for place in layout.shifts)
    _need(
        bool(np.all((left <= 30) & (right <= 31) & ((left == 0) | (right == 0)))),
        "a shift in the channel table is out of range: wanted up to 30 left or 31 right, not both",
    )
    _need(
        bool(np.all(table[:, 7] < 128)),
        "a multiplier in the channel table is out of range: wanted below 2^31",
    )
    _within(step, "wide", 0, int(layout.has_wide))
    memory.write("patch", step.patch, patch)
    _need(not layout.is_thumb or step.patch % 4 == 0, f"patch at {step.patch} is not aligned to 4")


def _order(step: s.OrderedStep) -> None:
    _within(step, "order", 0, 1)
    _need(not step.order or step.batches == 1, f"order is 1 for {step.batches} batches, wanted one")


def _conv(step: s.Conv, memory: Memory) -> int:
    _counts(step, "groups ic oc kh kw")
    text = f"{step.groups} groups do not divide {step.ic} input and {step.oc} output channels"
    _need(step.ic % step.groups == 0 and step.oc % step.groups == 0, text)
    layout, taps = memory.layout, step.taps
    entries = layout.conv_channels(step.oc, step.groups)
    filter_bytes = layout.conv_bytes(step.oc, step.groups, taps)
    _filter(step, memory, filter_bytes, entries, layout.conv_patch(taps))
    return step.batches * step.oh * step.ow * layout.row(taps) * (step.oc + step.groups)


def _depthwise(step: s.Depthwise, memory: Memory) -> int:
    return _channelwise(step, memory, step.ic)


def _channelwise(step: s.Depthwise, memory: Memory, at_once: int) -> int:
    """Either DEPTHWISE, whose kernel sees so many channels at once."""
    _counts(step, "multiplier")
    _need(step.oc == step.ic * step.multiplier, "oc is not ic * multiplier")
    taps = step.kh * step.kw
    _need(
        memory.layout.is_thumb or not step.patch,
        f"patch is {step.patch}, wanted 0: only Thumb tiers have one",
    )
    patch = memory.layout.depthwise_patch(taps, at_once)
    _filter(step, memory, taps * step.oc, step.oc, patch)
    if memory.layout.is_thumb:
        _addresses(step, step.patch + ADDRESS_BYTES * taps)
    return step.batches * step.oh * step.ow * step.oc * (step.kh * step.kw + 1)


def _addresses(step: s.Depthwise, end: int) -> None:
    """Kernels keep addresses from patch to `end`: an output over them would be read as one."""
    outputs = step.dst + step.batches * step.oh * step.ow * step.oc
    _need(
        outputs <= step.patch or end <= step.dst,
        f"patch at {step.patch} to {end} is under dst at {step.dst} to {outputs}",
    )


def _depthwise_in_place(step: s.DepthwiseInPlace, memory: Memory) -> int:
    over = s.Depthwise(step.x, step.w, step.channels, step.x, *step[4:24], 0, *step[24:])
    work = _channelwise(over, memory, 1)
    _need(step.batches == 1 and step.multiplier == 1, "batches and multiplier are not 1")
    pixels = step.ih * step.iw
    _need(step.oh * step.ow <= pixels, "the output is larger than the input")
    memory.write("scratch", step.scratch, pixels)
    return work + pixels * step.ic


def _pool(step: s.AveragePool | s.MaxPool, memory: Memory) -> int:
    _counts(step, "c")
    _windows(step)
    _clamp(step)
    _order(step)
    for first, size, last, length in (
        (step.pt, step.kh, (step.oh - 1) * step.sh - step.pt, step.ih),
        (step.pl, step.kw, (step.ow - 1) * step.sw - step.pl, step.iw),
    ):
        _need(first < size and last < length, "a window lies in the padding alone")
    memory.read("x", step.x, step.batches * step.ih * step.iw * step.c)
    memory.write("dst", step.dst, step.batches * step.oh * step.ow * step.c)
    taps = min(step.kh, step.ih) * min(step.kw, step.iw)
    return step.batches * step.oh * step.ow * step.c * (taps + 1)


def _mean(step: s.Mean, memory: Memory) -> int:
    _counts(step, "outer reduce inner")
    _multiplier(step, "m_hi", "m_lo", "shift", 30)
    _within(step, "zo", *_INT8)
    reach = (128 * step.reduce + abs(step.zn)) << max(step.shift, 0)
    _need(reach < s.MAX_MEAN_SUM, f"sums reach {reach}, boards take less than {s.MAX_MEAN_SUM}")
    memory.read("x", step.x, step.outer * step.reduce * step.inner)
    memory.write("dst", step.dst, step.outer * step.inner)
    return step.outer * step.inner * (step.reduce + 1)


def _operands(step: s.Add | s.Mul, memory: Memory) -> int:
    _counts(step, "na nb n")
    _within(step, "za zb zo", *_INT8)
    _clamp(step)
    memory.read("a", step.a, step.na)
    memory.read("b", step.b, step.nb)
    memory.write("dst", step.dst, step.n)
    return 4 * step.n


def _add(step: s.Add, memory: Memory) -> int:
    _within(step, "left_shift", 0, 20)
    for name in ("a", "b", "o"):
        _multiplier(step, f"{name}_hi", f"{name}_lo", f"{name}_shift", 0)
    return _operands(step, memory)


def _mul(step: s.Mul, memory: Memory) -> int:
    _multiplier(step, "m_hi", "m_lo", "shift", s.MAX_MUL_SHIFT)
    return _operands(step, memory)


def _softmax(step: s.Softmax, memory: Memory) -> int:
    _counts(step, "rows depth")
    _within(step, "depth", 1, s.MAX_SOFTMAX_DEPTH)
    memory.read("x", step.x, step.rows * step.depth)
    memory.write("dst", step.dst, step.rows * step.depth)
    exp = np.frombuffer(memory.constant("exp", step.exp, 1024), "<u4")
    _need(int(exp[0]) == 0x7FFFFFFF and int(exp.max()) < 1 << 31, "exp is no table of exponentials")
    return 64 * step.rows * step.depth


def _dequantize(step: s.Dequantize, memory: Memory) -> int:
    _counts(step, "n")
    _within(step, "esize", 1, 2)
    _within(step, "unsigned", 0, 1)
    _within(step, "zero_point", -65535, 65535)
    _within(step, "scale", *_NORMAL_SCALES)
    memory.read("x", step.x, step.n * step.esize)
    memory.write("dst", step.dst, step.n * 4)
    return 16 * step.n


def _call_once(step: s.CallOnce, memory: Memory) -> int:
    memory.write("flag", step.flag, 1)
    return 1


_Check: TypeAlias = Callable[[Any, Memory], int]
_CHECKS: Mapping[type[Step], _Check] = MappingProxyType(
    {
        s.Copy: _copy,
        s.Move: _move,
        s.Fill: _fill,
        s.Lut: _lut,
        s.Conv: _conv,
        s.Depthwise: _depthwise,
        s.AveragePool: _pool,
        s.MaxPool: _pool,
        s.Mean: _mean,
        s.Add: _add,
        s.Mul: _mul,
        s.Softmax: _softmax,
        s.Dequantize: _dequantize,
        s.CallOnce: _call_once,
        s.DepthwiseInPlace: _depthwise_in_place,
    }
)

"""Runs checked steps with NumPy: the meaning of schemas/steps.md in array operations.

It shares no code with the host's kernels but the fixed-point arithmetic below them, so that packing
is proved by two ways to the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from microinterp.packed import steps as s
from microinterp.packed.steps import Step
from microinterp.packed.tiers import Filters, Layout, layout_of
from microinterp.quant.fixedpoint import (
    Int64Array,
    IntLike,
    multiply_double,
    rounding_divide_by_pot,
    saturating_rounding_doubling_high_mul,
    wrap32,
)
from microinterp.quant.fixedpoint_math import reciprocal

Bytes: TypeAlias = "npt.NDArray[np.uint8]"
_PATCH_ELEMENTS = 1 << 20
_SUM_BITS = 12
_PORTABLE = layout_of("portable")


@dataclass(frozen=True, eq=False)
class Buffers:
    """The arena and the weights, uint8 each, and how filters are laid out in these."""

    arena: Bytes
    weights: Bytes
    layout: Layout = _PORTABLE

    def bytes(self, ref: int, nbytes: int) -> Bytes:
        """A view of what lies at a ref."""
        block, start = (self.arena, ref) if ref >= 0 else (self.weights, ~ref)
        return block[start : start + nbytes]

    def int8(self, ref: int, count: int) -> npt.NDArray[np.int8]:
        """The same as int8."""
        return self.bytes(ref, count).view(np.int8)


def run_step(step: Step, buffers: Buffers) -> None:
    """Run one step other than CALL_ONCE; it must have passed `check_step`."""
    _RUNS[type(step)](step, buffers)


def _copy(step: s.Copy, b: Buffers) -> None:
    b.bytes(step.dst, step.nbytes)[...] = b.bytes(step.x, step.nbytes)


def _move(step: s.Move, b: Buffers) -> None:
    target = _strided(b, step.dst, step.strides, step)
    target[...] = _strided(b, step.x, step.source_strides, step)


def _strided(b: Buffers, ref: int, strides: tuple[int, ...], step: s.Move) -> npt.NDArray[Any]:
    """Bytes [n0, ..., n4, esize] of a region."""
    block, start = (b.arena, ref) if ref >= 0 else (b.weights, ~ref)
    shape, strides = (*step.counts, step.esize), (*strides, 1)
    view: npt.NDArray[Any] = np.ndarray(shape, np.uint8, block, start, strides)
    return view


def _fill(step: s.Fill, b: Buffers) -> None:
    element = np.array([step.value], "<i4").view(np.uint8)[: step.esize]
    filled = b.bytes(step.dst, step.elements * step.esize)
    filled.reshape(step.elements, step.esize)[...] = element


def _lut(step: s.Lut, b: Buffers) -> None:
    b.bytes(step.dst, step.n)[...] = b.bytes(step.table, 256)[b.bytes(step.x, step.n)]


def _requantised(
    sums: npt.NDArray[Any], multiplier: IntLike, shift: IntLike, step: Any
) -> Int64Array:
    scaled = multiply_double(wrap32(sums), multiplier, shift)
    result: Int64Array = np.clip(wrap32(scaled + step.zo), step.lo, step.hi)
    return result


def _multiplier(hi: int, lo: int) -> int:
    return hi << 15 | lo


def _patches(
    step: s.Conv | s.Depthwise, b: Buffers
) -> Iterator[tuple[slice, npt.NDArray[np.uint8]]]:
    """Blocks of output pixels, and what their windows see by then: x' [pixels, kh, kw, ic]."""
    x = b.bytes(step.x, step.batches * step.ih * step.iw * step.ic)
    x = x.reshape(step.batches, step.ih, step.iw, step.ic)
    image = step.oh * step.ow
    for start, stop in _blocks(step, b):
        pixels = np.arange(start, stop)[:, None]
        rows = pixels % image // step.ow * step.sh - step.pt + np.arange(step.kh) * step.dh
        columns = pixels % step.ow * step.sw - step.pl + np.arange(step.kw) * step.dw
        seen = x[
            (pixels // image)[..., None],
            np.clip(rows, 0, step.ih - 1)[:, :, None],
            np.clip(columns, 0, step.iw - 1)[:, None, :],
        ] ^ np.uint8(128)
        in_rows = ((rows >= 0) & (rows < step.ih))[:, :, None]
        in_columns = ((columns >= 0) & (columns < step.iw))[:, None, :]
        seen[~(in_rows & in_columns)] = 128 + step.zx
        yield slice(start, start + len(pixels)), seen


def _blocks(step: s.Conv | s.Depthwise, b: Buffers) -> list[tuple[int, int]]:
    """First and last output pixels, in the step's order: row by row where dst lies over x."""
    pixels = step.batches * step.oh * step.ow
    size = max(1, _PATCH_ELEMENTS // (step.kh * step.kw * step.ic))
    x = b.bytes(step.x, step.batches * step.ih * step.iw * step.ic)
    if np.may_share_memory(x, b.bytes(step.dst, pixels * step.oc)):
        size = step.ow if step.oh > 1 else 1
    found = [(start, min(start + size, pixels)) for start in range(0, pixels, size)]
    return found[::-1] if step.order else found


def _conv(step: s.Conv, b: Buffers) -> None:
    """float64 products are exact: a sum is below 2^53 whatever the weights."""
    layout, taps = b.layout, step.taps
    entries = layout.conv_channels(step.oc, step.groups) * layout.entry_bytes
    w = b.bytes(step.w, layout.conv_bytes(step.oc, step.groups, taps))
    table = b.bytes(step.channels, entries)
    filters = layout.read_conv(w, table, step.groups, step.oc, taps, step.zx)
    grouped = filters.w.astype(np.float64).reshape(step.groups, -1, taps)
    out = b.int8(step.dst, step.batches * step.oh * step.ow * step.oc).reshape(-1, step.oc)
    depth = step.ic // step.groups
    for pixels, seen in _patches(step, b):
        sums = []
        for g, group in enumerate(grouped):
            patch = seen[..., g * depth : (g + 1) * depth].reshape(len(seen), -1)
            sums.append((patch.astype(np.float64) - (128 + step.zx)) @ group.T)
        total = np.concatenate(sums, axis=1).astype(np.int64) + filters.bias
        out[pixels] = _requantised(total, filters.multiplier, filters.shift, step)


def _depthwise(step: s.Depthwise, b: Buffers) -> None:
    w = b.bytes(step.w, step.kh * step.kw * step.oc)
    table = b.bytes(step.channels, b.layout.entry_bytes * step.oc)
    filters = b.layout.read_depthwise(w, table, step.multiplier, step.zx)
    out = b.int8(step.dst, step.batches * step.oh * step.ow * step.oc).reshape(-1, step.oc)
    for pixels, values in _depthwise_values(step, filters, b):
        out[pixels] = values


def _depthwise_in_place(step: s.DepthwiseInPlace, b: Buffers) -> None:
    x = b.bytes(step.x, step.ih * step.iw * step.ic).reshape(-1, step.ic)
    column = b.bytes(step.scratch, step.ih * step.iw)
    w = b.bytes(step.w, step.kh * step.kw * step.oc)
    table = b.bytes(step.channels, b.layout.entry_bytes * step.oc)
    filters = b.layout.read_depthwise_in_place(w, table, step.zx)
    one = s.Depthwise(step.scratch, step.w, step.channels, step.scratch, *step[4:24])
    one = one._replace(ic=1, oc=1)
    for c in range(step.ic):
        column[...] = x[:, c]
        found = _depthwise_values(one, filters.only(c), b)
        values = np.concatenate([block for _, block in found])
        x[: len(values), c] = values[:, 0].astype(np.int8).view(np.uint8)


def _depthwise_values(
    step: s.Depthwise, filters: Filters, b: Buffers
) -> Iterator[tuple[slice, Int64Array]]:
    """Blocks of output pixels, and their values [pixels, oc]."""
    w = filters.w.T.reshape(-1, step.ic, step.multiplier)
    for pixels, seen in _patches(step, b):
        sums = np.zeros((len(seen), step.ic, step.multiplier), np.int64)
        for tap, weights in zip(
            seen.reshape(len(seen), -1, step.ic).swapaxes(0, 1), w, strict=True
        ):
            sums += (tap.astype(np.int64) - (128 + step.zx))[..., None] * weights
        total = sums.reshape(-1, step.oc) + filters.bias
        yield pixels, _requantised(total, filters.multiplier, filters.shift, step)


def _windows(step: s.AveragePool | s.MaxPool) -> Iterator[tuple[int, int, slice, slice]]:
    """Each output pixel in turn, and the rows and columns of the image under its window."""
    turn = -1 if step.order else 1
    for y in range(step.oh)[::turn]:
        top = y * step.sh - step.pt
        rows = slice(max(top, 0), min(top + step.kh, step.ih))
        for x in range(step.ow)[::turn]:
            left = x * step.sw - step.pl
            yield y, x, rows, slice(max(left, 0), min(left + step.kw, step.iw))


def _images(
    step: s.AveragePool | s.MaxPool, b: Buffers
) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.int8]]:
    x = b.int8(step.x, step.batches * step.ih * step.iw * step.c)
    out = b.int8(step.dst, step.batches * step.oh * step.ow * step.c)
    return (
        x.reshape(step.batches, step.ih, step.iw, step.c),
        out.reshape(step.batches, step.oh, step.ow, step.c),
    )


def _average_pool(step: s.AveragePool, b: Buffers) -> None:
    x, out = _images(step, b)
    for row, column, rows, columns in _windows(step):
        seen = x[:, rows, columns]
        count = seen.shape[1] * seen.shape[2]
        sums = seen.sum(axis=(1, 2), dtype=np.int64)
        means = np.sign(sums) * ((np.abs(sums) + count // 2) // count)
        out[:, row, column] = np.clip(means, step.lo, step.hi)


def _max_pool(step: s.MaxPool, b: Buffers) -> None:
    x, out = _images(step, b)
    for row, column, rows, columns in _windows(step):
        out[:, row, column] = np.clip(x[:, rows, columns].max(axis=(1, 2)), step.lo, step.hi)


def _mean(step: s.Mean, b: Buffers) -> None:
    x = b.int8(step.x, step.outer * step.reduce * step.inner)
    sums = x.reshape(step.outer, step.reduce, step.inner).sum(axis=1, dtype=np.int64)
    multiplier = _multiplier(step.m_hi, step.m_lo)
    scaled = multiply_double(sums - step.zn, multiplier, step.shift) + step.zo
    out = b.int8(step.dst, step.outer * step.inner)
    out[...] = np.clip(scaled, -128, 127).reshape(-1)


def _operands(step: s.Add | s.Mul, b: Buffers) -> tuple[Int64Array, Int64Array]:
    """Both operands as long as dst, less their zero points."""
    a, other = b.int8(step.a, step.na), b.int8(step.b, step.nb)
    return (
        np.resize(a, step.n).astype(np.int64) - step.za,
        np.resize(other, step.n).astype(np.int64) - step.zb,
    )


def _add(step: s.Add, b: Buffers) -> None:
    left, right = _operands(step, b)
    total = multiply_double(
        left << step.left_shift, _multiplier(step.a_hi, step.a_lo), step.a_shift
    ) + multiply_double(right << step.left_shift, _multiplier(step.b_hi, step.b_lo), step.b_shift)
    multiplier = _multiplier(step.o_hi, step.o_lo)
    b.int8(step.dst, step.n)[...] = _requantised(total, multiplier, step.o_shift, step)


def _mul(step: s.Mul, b: Buffers) -> None:
    left, right = _operands(step, b)
    multiplier = _multiplier(step.m_hi, step.m_lo)
    b.int8(step.dst, step.n)[...] = _requantised(left * right, multiplier, step.shift, step)


def _softmax(step: s.Softmax, b: Buffers) -> None:
    """A sum of 512 or more (the quotient's shift is 32 then) gives 0 everywhere."""
    size = step.rows * step.depth
    x = b.int8(step.x, size).reshape(step.rows, step.depth).astype(np.int64)
    table = b.bytes(step.exp, 1024).view("<u4").astype(np.int64)
    exp = table[x.max(axis=1, keepdims=True) - x]
    total = rounding_divide_by_pot(exp, _SUM_BITS).sum(axis=1, keepdims=True)
    mantissa, exponent = reciprocal(total, _SUM_BITS)
    product = saturating_rounding_doubling_high_mul(exp, mantissa)
    quotient = rounding_divide_by_pot(product, exponent + 23)
    b.int8(step.dst, size)[...] = np.clip(quotient - 128, -128, 127).reshape(-1)


def _dequantize(step: s.Dequantize, b: Buffers) -> None:
    kind = f"<{'u' if step.unsigned else 'i'}{step.esize}"
    x = b.bytes(step.x, step.n * step.esize).view(kind).astype(np.int64)
    scale = float(np.array(step.scale, "<i4").view("<f4"))
    real = ((x - step.zero_point) * scale).astype("<f4")
    b.bytes(step.dst, 4 * step.n)[...] = real.view(np.uint8)


_RUNS: Mapping[type[Step], Callable[[Any, Buffers], None]] = MappingProxyType(
    {
        s.Copy: _copy,
        s.Move: _move,
        s.Fill: _fill,
        s.Lut: _lut,
        s.Conv: _conv,
        s.Depthwise: _depthwise,
        s.AveragePool: _average_pool,
        s.MaxPool: _max_pool,
        s.Mean: _mean,
        s.Add: _add,
        s.Mul: _mul,
        s.Softmax: _softmax,
        s.Dequantize: _dequantize,
        s.DepthwiseInPlace: _depthwise_in_place,
    }
)

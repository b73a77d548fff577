"""SignalFilterBank and what follows it in an audio front end: energies to log features.

FilterBank: each energy is shared between two neighbouring channels, weight and 'unweight':
out[c] = sum of weight * x over the bins of band c + 1, and of unweight * x over those of band c.
FilterBankSquareRoot: out = round(sqrt(x)) >> bits.
FilterBankSpectralSubtraction: a noise estimate per channel follows the signal slowly and is taken
away from it, but for a part of the signal that always remains. Odd channels have another
smoothing factor.
PCAN: gain = a curve of the noise estimate, given as a table of pieces of parabolas;
snr = (x * gain) >> shift; out = snr^2 / 4 below 2 and snr - 1 above, 12 fractional bits to 6.
FilterBankLog: out = log(x << bits) * scale, by a table of log2 between powers of two.
All of it is unsigned arithmetic that wraps.
Source: TFLM signal/micro/kernels/{filter_bank,filter_bank_square_root,
filter_bank_spectral_subtraction,pcan,filter_bank_log}.cc, and in signal/src the files of these
names, pcan_argc_fixed.cc, log.cc, square_root_32.cc and square_root_64.cc.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from microinterp.custom_options import Options
from microinterp.errors import UnsupportedError
from microinterp.graph import Node, Tensor
from microinterp.kernels.common import INT16_MAX, require_rank, require_shape, require_type
from microinterp.prepare import Arrays, Context, Kernel, State
from microinterp.registry import Op

Array = npt.NDArray[Any]

PCAN_TABLE = 125
"""Entries of the gain table: 1 each for 0, 1 and 2, and 4 for each further number of bits."""
_LOG_SEGMENT_BITS = 9
LOG_TABLE = np.array(
    [round((1 << 16) * (math.log2(1 + i / 128) - i / 128)) for i in range(129)], np.int64
)
"""log2(1 + i/128) - i/128 in 2^-16: how far log2 lies above the straight line."""
_LOG_OF_2 = 45426
"""log(2) in 2^-16."""


@dataclass(frozen=True)
class Band:
    """Where one band lies among the energies and among the weights."""

    bins: slice
    weights: slice


@dataclass(frozen=True)
class SubtractionParams:
    """Factors are in 2^-bits; `even` and `odd` are (smoothing, one minus smoothing)."""

    even: tuple[int, int]
    odd: tuple[int, int]
    remaining: int
    clamping: bool
    smoothing_bits: int
    bits: int


@dataclass(frozen=True)
class LogParams:
    """Left shift of the input, and what 1.0 of logarithm becomes."""

    bits: int
    scale: int


def evaluate_filter_bank(bands: tuple[Band, ...], arrays: Arrays) -> None:
    """x uint32 [bins], weights and unweights int16 [n] -> out uint64 [channels]."""
    x, weights, unweights = (_given(a) for a in arrays.inputs[:3])
    (out,) = arrays.outputs
    left = np.zeros(out.shape[:-1], np.uint64)
    for channel, band in enumerate(bands):
        energies = x[..., band.bins].astype(np.uint64)
        sums = [
            (w[..., band.weights].astype(np.int64).astype(np.uint64) * energies).sum(-1)
            for w in (weights, unweights)
        ]
        if channel > 0:
            out[..., channel - 1] = left + sums[0]
        left = sums[1]


def evaluate_square_root(p: None, arrays: Arrays) -> None:
    """x uint64 [n], bits int32 [] -> out uint32 [n]. Of a shift the low 5 bits count, as on x86."""
    x, bits = (_given(a) for a in arrays.inputs)
    (out,) = arrays.outputs
    out[...] = _rounded_root(x) >> (bits[..., None] & 31).astype(np.uint32)


def evaluate_subtraction(p: SubtractionParams, arrays: Arrays) -> None:
    """x uint32 [n] -> out uint32 [n], noise estimate uint32 [n], which is the state too."""
    x = _given(arrays.inputs[0])
    out, noise = arrays.outputs
    estimate = arrays.state[0].view(np.uint32)
    smoothing, rest = (
        np.where(np.arange(len(x)) % 2, odd, even).astype(np.uint64)
        for even, odd in zip(p.even, p.odd, strict=True)
    )
    scaled = x << np.uint32(p.smoothing_bits)
    mixed = scaled.astype(np.uint64) * smoothing + estimate.astype(np.uint64) * rest
    estimate[...] = mixed >> np.uint64(p.bits)
    taken = np.minimum(estimate, scaled)
    if p.clamping:
        estimate[...] = taken
    floor = x.astype(np.uint64) * np.uint64(p.remaining) >> np.uint64(p.bits)
    out[...] = np.maximum((scaled - taken) >> np.uint32(p.smoothing_bits), floor.astype(np.uint32))
    noise[...] = estimate


def evaluate_pcan(shift: int, arrays: Arrays) -> None:
    """x uint32 [n], noise estimate uint32 [n], table int16 [125] -> out uint32 [n]."""
    x, noise, table = (_given(a) for a in arrays.inputs)
    (out,) = arrays.outputs
    gain = _gain(noise, table).astype(np.int64).astype(np.uint32)  # a negative one wraps
    snr = (x.astype(np.uint64) * gain >> np.uint64(shift)).astype(np.uint32)
    out[...] = np.where(snr < 2 << 12, snr * snr >> np.uint32(20), (snr >> np.uint32(6)) - 64)


def evaluate_log(p: LogParams, arrays: Arrays) -> None:
    """x uint32 [n] -> out int16 [n]; 0 for 0 and 1."""
    x = _given(arrays.inputs[0])
    (out,) = arrays.outputs
    scaled = x << np.uint32(p.bits)
    log2 = _log2(np.maximum(scaled, 1).astype(np.int64)).astype(np.uint64)
    log = (log2 * np.uint64(_LOG_OF_2) + np.uint64(1 << 15)) >> np.uint64(16)
    result = log.astype(np.uint32) * np.uint32(p.scale) + np.uint32(1 << 15) >> np.uint32(16)
    out[...] = np.where(scaled > 1, np.minimum(result, INT16_MAX), 0)


def _given(array: Array | None) -> Array:
    assert array is not None
    return array


def _rounded_root(x: Array) -> npt.NDArray[np.uint32]:
    """sqrt to the nearest whole number, but at most 2^16 - 1 below 2^32, and 2^32 - 1."""
    one = np.uint64(1)
    largest = np.where(x < 1 << 32, np.uint64((1 << 16) - 1), np.uint64((1 << 32) - 1))
    root = np.minimum(np.sqrt(x.astype(np.float64)).astype(np.uint64), largest)
    root -= (root * root > x).astype(np.uint64)  # a double is one off at most
    root += ((root < largest) & ((root + one) * (root + one) <= x)).astype(np.uint64)
    root += (root < largest) & (x - root * root > root)
    result: npt.NDArray[np.uint32] = root.astype(np.uint32)
    return result


def _bit_length(x: Array) -> npt.NDArray[np.int64]:
    """Bits up to the highest one that is set; x below 2^53."""
    return np.frexp(x.astype(np.float64))[1].astype(np.int64)


def _gain(x: Array, table: Array) -> Array:
    """The curve at x: piece number bit_length(x), position in it by the next 10 bits."""
    wide = x.astype(np.int64)
    pieces = table.astype(np.int64)
    bits = _bit_length(x)
    first = np.maximum(4 * bits - 6, 0)
    position = np.where(
        bits < 11, wide << np.maximum(11 - bits, 0), wide >> np.maximum(bits - 11, 0)
    )
    position &= 0x3FF
    start, slope, curve = (_picked(pieces, first + i) for i in range(3))
    rise = ((curve * position >> 5) + (slope << 5)) * position
    curved = start + (rise + (1 << 14) >> 15)
    # 0, 1 and 2 have entries of their own
    return np.where(x <= 2, _picked(pieces, np.minimum(wide, 2)), curved).astype(np.int16)


def _picked(table: Array, index: Array) -> Array:
    """table[index] where both may have a batch in front."""
    if table.ndim == 1:
        result: Array = table[index]
        return result
    return np.take_along_axis(table, index, -1)


def _log2(x: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """log2 in 2^-16 of x from 1 to 2^32 - 1: a straight line, and the table on top."""
    whole = _bit_length(x) - 1
    above = x - (np.int64(1) << whole)
    part = np.where(
        whole < 16, above << np.maximum(16 - whole, 0), above >> np.maximum(whole - 16, 0)
    )
    segment = part >> _LOG_SEGMENT_BITS
    low, high = LOG_TABLE[segment], LOG_TABLE[segment + 1]
    # TFLM's shift is by 16 although a segment is 9 bits long, so next to nothing is interpolated
    between = (high - low) * (part - (segment << _LOG_SEGMENT_BITS)) >> 16
    result: npt.NDArray[np.int64] = (whole << 16) + part + low + between
    return result


def prepare_filter_bank(node: Node, context: Context) -> Kernel:
    """Inputs: x, weights, unweights; then of each band its first bin, first weight and width.

    The last three are constants, int16 [num_channels + 1 or more]; every band lies inside x and
    inside both weights.
    """
    node.require_counts((6, 6))
    x, weights, unweights = (node.input(i) for i in range(3))
    out = node.output()
    require_type(node, "uint32", x)
    require_type(node, "int16", *(node.input(i) for i in range(1, 6)))
    require_type(node, "uint64", out)
    for tensor in (*(node.input(i) for i in range(6)), out):
        require_rank(node, tensor, 1)
    channels = Options(node, ("num_channels",)).integer("num_channels")
    node.require(channels > 0, f"num_channels is {channels}, wanted 1 or more")
    require_shape(node, out, (channels,))
    bins, starts, widths = (_band_numbers(node, node.input(i), channels + 1) for i in (3, 4, 5))
    bands = []
    for bin_start, start, width in zip(bins, starts, widths, strict=True):
        width = max(width, 0)
        for tensor, first in ((x, bin_start), (weights, start), (unweights, start)):
            node.require(
                width == 0 or 0 <= first <= tensor.elements - width,
                f"a band of {width} at {first} does not lie inside {tensor}",
                tensor,
            )
        if width == 0:  # wherever it begins
            bin_start = start = 0
        bands.append(Band(slice(bin_start, bin_start + width), slice(start, start + width)))
    return Kernel(evaluate_filter_bank, tuple(bands))


def _band_numbers(node: Node, tensor: Tensor, count: int) -> list[int]:
    if tensor.data is None:
        raise UnsupportedError("bands computed at run time are not supported", node.where(tensor))
    text = f"{tensor} has {tensor.elements} numbers, wanted {count} or more"
    node.require(tensor.elements >= count, text, tensor)
    return [int(value) for value in tensor.data[:count]]


def prepare_square_root(node: Node, context: Context) -> Kernel:
    """The shift may be constant or computed."""
    node.require_counts((2, 2))
    x, bits, out = node.input(0), node.input(1), node.output()
    require_type(node, "uint64", x)
    require_type(node, "int32", bits)
    require_type(node, "uint32", out)
    require_rank(node, x, 1)
    require_shape(node, bits, ())
    require_shape(node, out, x.shape)
    if bits.data is not None:
        _require_shift(node, "the shift", int(bits.data), 32)
    return Kernel(evaluate_square_root)


_SUBTRACTION_OPTIONS = (
    "alternate_one_minus_smoothing",
    "alternate_smoothing",
    "clamping",
    "min_signal_remaining",
    "num_channels",
    "one_minus_smoothing",
    "smoothing",
    "smoothing_bits",
    "spectral_subtraction_bits",
)


def prepare_subtraction(node: Node, context: Context) -> Kernel:
    """Estimates start at 0, and do so again after a reset."""
    node.require_counts((1, 1), outputs=2)
    x, out, noise = node.input(0), node.output(), node.output(1)
    require_type(node, "uint32", x, out, noise)
    options = Options(node, _SUBTRACTION_OPTIONS)
    channels = options.integer("num_channels")
    for tensor in (x, out, noise):
        require_shape(node, tensor, (channels,))

    def factor(name: str) -> int:
        return options.integer(name) % 2**32  # TFLM takes them as unsigned

    params = SubtractionParams(
        even=(factor("smoothing"), factor("one_minus_smoothing")),
        odd=(factor("alternate_smoothing"), factor("alternate_one_minus_smoothing")),
        remaining=factor("min_signal_remaining"),
        clamping=options.boolean("clamping"),
        smoothing_bits=options.integer("smoothing_bits"),
        bits=options.integer("spectral_subtraction_bits"),
    )
    _require_shift(node, "smoothing_bits", params.smoothing_bits, 32)
    _require_shift(node, "spectral_subtraction_bits", params.bits, 64)
    return Kernel(evaluate_subtraction, params, state=(State(x.nbytes),))


def prepare_pcan(node: Node, context: Context) -> Kernel:
    """The table reaches to numbers of 32 bits."""
    node.require_counts((3, 3))
    x, noise, table, out = *(node.input(i) for i in range(3)), node.output()
    require_type(node, "uint32", x, noise, out)
    require_type(node, "int16", table)
    require_rank(node, x, 1)
    require_rank(node, table, 1)
    require_shape(node, noise, x.shape)
    require_shape(node, out, x.shape)
    text = f"{table} has {table.elements} numbers, wanted {PCAN_TABLE} or more"
    node.require(table.elements >= PCAN_TABLE, text, table)
    shift = Options(node, ("snr_shift",)).integer("snr_shift")
    _require_shift(node, "snr_shift", shift, 64)
    return Kernel(evaluate_pcan, shift)


def prepare_log(node: Node, context: Context) -> Kernel:
    """One number per channel."""
    node.require_counts((1, 1))
    x, out = node.input(0), node.output()
    require_type(node, "uint32", x)
    require_type(node, "int16", out)
    require_rank(node, x, 1)
    require_shape(node, out, x.shape)
    options = Options(node, ("input_correction_bits", "output_scale"))
    bits = options.integer("input_correction_bits")
    _require_shift(node, "input_correction_bits", bits, 32)
    return Kernel(evaluate_log, LogParams(bits, options.integer("output_scale") % 2**32))


def _require_shift(node: Node, name: str, bits: int, limit: int) -> None:
    node.require(0 <= bits < limit, f"{name} is {bits}, wanted 0 to {limit - 1}")


OPS = (
    Op(
        "SignalFilterBank",
        prepare_filter_bank,
        ("uint32 -> uint64",),
        is_custom=True,
        limits=("rank 1", "bands constant"),
    ),
    Op(
        "SignalFilterBankLog",
        prepare_log,
        ("uint32 -> int16",),
        is_custom=True,
        limits=("rank 1",),
    ),
    Op(
        "SignalFilterBankSpectralSubtraction",
        prepare_subtraction,
        ("uint32",),
        is_custom=True,
        limits=("rank 1",),
    ),
    Op(
        "SignalFilterBankSquareRoot",
        prepare_square_root,
        ("uint64 -> uint32",),
        is_custom=True,
        limits=("rank 1",),
    ),
    Op("SignalPCAN", prepare_pcan, ("uint32",), is_custom=True, limits=("rank 1",)),
)

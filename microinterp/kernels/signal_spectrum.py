"""SignalWindow, SignalFftAutoScale, SignalRfft, SignalIrfft, SignalEnergy: samples to energies.

Window: out = clamp16((x * weight) >> shift), with the weights repeated over x.
FftAutoScale: out = x << bits, with as many bits as the largest |x| leaves free.
Rfft and Irfft: microinterp.quant.kiss_fft, over the last axis; Rfft fills up with zeros, and a
float Irfft is divided by the length.
Energy: out[i] = re^2 + im^2 for start <= i < end; the other elements stay as they were.
Source: TFLM signal/micro/kernels/{window,fft_auto_scale_kernel,fft_auto_scale_common,rfft,irfft,
energy}.cc and the files of these names in signal/src, max_abs.cc there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from tflite import TensorType

from microinterp.custom_options import Options
from microinterp.errors import UnsupportedError
from microinterp.graph import Node, Tensor
from microinterp.kernels.common import (
    require_rank,
    require_same_type,
    require_shape,
    require_type,
)
from microinterp.prepare import Arrays, Context, Kernel
from microinterp.quant.kiss_fft import Plan, has_plan, inverse_real_fft, make_plan, real_fft
from microinterp.registry import Op

MAX_FFT = 1 << 16
"""Longest transform; TFLM has no limit but its arena."""
_TYPES = {
    TensorType.INT16: "int16",
    TensorType.INT32: "int32",
    TensorType.FLOAT32: "float32",
}
_INT16 = np.iinfo(np.int16)


@dataclass(frozen=True)
class WindowParams:
    """Weights per window, and the right shift of the products."""

    size: int
    shift: int


@dataclass(frozen=True)
class FftParams:
    """The plan, and how long a row of the input is."""

    plan: Plan
    transform: Callable[[Plan, npt.NDArray[Any]], npt.NDArray[Any]]
    length: int


@dataclass(frozen=True)
class EnergyParams:
    """Bins from `start` up to but not including `end`."""

    start: int
    end: int


def evaluate_window(p: WindowParams, arrays: Arrays) -> None:
    """x int16 [..., n * size], weights int16 [size] -> out int16 of x's shape."""
    x, weights = arrays.inputs
    (out,) = arrays.outputs
    assert x is not None
    assert weights is not None
    lead = weights.shape[:-1]  # of a batch
    windows = x.reshape(*lead, -1, p.size).astype(np.int32)
    products = windows * weights[..., None, :] >> p.shift
    out[...] = np.clip(products, _INT16.min, _INT16.max).reshape(x.shape)


def evaluate_auto_scale(p: None, arrays: Arrays) -> None:
    """x int16 [n] -> out int16 [n], bits int32 []."""
    (x,) = arrays.inputs
    out, bits = arrays.outputs
    assert x is not None
    free = 15 - _bit_length(_max_abs(x))
    bits[...] = np.where(free < 15, np.maximum(free, 0), 0)  # silence is not scaled
    out[...] = x << bits[..., None].astype(np.int16)


def evaluate_fft(p: FftParams, arrays: Arrays) -> None:
    """Rows of x, filled up to the plan's length -> rows of out."""
    (x,) = arrays.inputs
    (out,) = arrays.outputs
    assert x is not None
    if x.shape[-1] < p.length:
        rows = np.zeros((*x.shape[:-1], p.length), x.dtype)
        rows[..., : x.shape[-1]] = x
        x = rows
    out[...] = p.transform(p.plan, x)


def evaluate_energy(p: EnergyParams, arrays: Arrays) -> None:
    """x int16 [2 * m], real and imaginary by turns -> out uint32 [n]."""
    (x,) = arrays.inputs
    (out,) = arrays.outputs
    assert x is not None
    parts = x[..., 2 * p.start : 2 * p.end].astype(np.uint32)  # squares are right modulo 2^32
    out[..., p.start : p.end] = parts[..., 0::2] ** 2 + parts[..., 1::2] ** 2


def inverse_in_float(plan: Plan, spectrum: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """A float32 inverse transform, divided by its length."""
    samples: npt.NDArray[Any] = inverse_real_fft(plan, spectrum) / np.float32(2 * plan.points)
    return samples


def _max_abs(x: npt.NDArray[Any]) -> npt.NDArray[np.int32]:
    """The largest |x| of each row [...] in TFLM's int16, in which |-32768| is -32768.

    What comes behind a -32768 is compared with that, so it starts anew: the first element is taken
    as it is, with its sign, and so is each that is larger, until one is larger without its sign.
    """
    largest = np.array(np.abs(x.astype(np.int32)).max(axis=-1))
    for row in np.argwhere(largest > _INT16.max):
        index = tuple(row)
        values = x[index].astype(np.int32)
        rest = values[np.flatnonzero(values == _INT16.min)[-1] + 1 :]
        rises = np.concatenate([[True], rest[1:] > rest[:-1]]) & (rest < 0)
        plain = np.flatnonzero(~rises[: len(rest)])
        largest[index] = np.abs(rest[plain[0] :]).max() if len(plain) else -1
    return largest


def _bit_length(x: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    """Bits of |x| up to the highest one that is set, 0 for 0; 32 for negative numbers."""
    _, exponent = np.frexp(np.asarray(x, np.float64))
    result: npt.NDArray[np.int32] = np.where(x < 0, 32, exponent)
    return result


def prepare_window(node: Node, context: Context) -> Kernel:
    """The weights go over the input a whole number of times."""
    node.require_counts((2, 2))
    x, weights, out = node.input(0), node.input(1), node.output()
    require_type(node, "int16", x, weights, out)
    require_rank(node, weights, 1)
    node.require(x.rank > 0, "shape [] has no axis", x)
    require_shape(node, out, x.shape)
    size = weights.elements
    node.require(
        size > 0 and x.elements % size == 0,
        f"{x.elements} samples are no multiple of {size} weights",
        weights,
    )
    shift = Options(node, ("shift",)).integer("shift")
    node.require(0 <= shift < 32, f"shift is {shift}, wanted 0 to 31")
    return Kernel(evaluate_window, WindowParams(size, shift))


def prepare_auto_scale(node: Node, context: Context) -> Kernel:
    """One row of samples."""
    node.require_counts((1, 1), outputs=2)
    x, out, bits = node.input(0), node.output(), node.output(1)
    require_type(node, "int16", x, out)
    require_type(node, "int32", bits)
    require_rank(node, x, 1)
    node.require(x.elements > 0, "has no elements", x)
    require_shape(node, out, x.shape)
    require_shape(node, bits, ())
    return Kernel(evaluate_auto_scale)


def prepare_rfft(node: Node, context: Context) -> Kernel:
    """Samples [..., up to n] -> spectrum [..., n + 2]."""
    x, out, length, type_name = _check_fft(node)
    node.require(x.shape[-1] <= length, f"{x} has rows longer than the FFT of {length} points", x)
    require_shape(node, out, (*x.shape[:-1], length + 2))
    params = FftParams(make_plan(length, type_name, False), real_fft, length)
    return Kernel(evaluate_fft, params, scratch=(length * x.dtype.itemsize,))


def prepare_irfft(node: Node, context: Context) -> Kernel:
    """Spectrum [..., n + 2] -> samples [..., n]."""
    x, out, length, type_name = _check_fft(node)
    require_shape(node, x, (*x.shape[:-1], length + 2))
    require_shape(node, out, (*x.shape[:-1], length))
    plan = make_plan(length, type_name, True)
    transform = inverse_in_float if type_name == "float32" else inverse_real_fft
    return Kernel(evaluate_fft, FftParams(plan, transform, length + 2))


def _check_fft(node: Node) -> tuple[Tensor, Tensor, int, str]:
    node.require_counts((1, 1))
    options = Options(node, ("T", "fft_length"))
    type_name, length = options.element_type("T", _TYPES), options.integer("fft_length")
    x, out = node.input(0), node.output()
    require_type(node, type_name, x)
    require_same_type(node, x, out)
    node.require(x.rank > 0 and x.elements > 0, f"{x} has no rows", x)
    if not 0 < length <= MAX_FFT or not has_plan(length):
        raise UnsupportedError(
            f"an FFT of {length} samples is not supported",
            node.where(),
            f"even lengths from 4 to {MAX_FFT} are whose only prime factors are 2, 3 and 5",
        )
    return x, out, length, type_name


def prepare_energy(node: Node, context: Context) -> Kernel:
    """The bins lie inside both tensors."""
    node.require_counts((1, 1))
    x, out = node.input(0), node.output()
    require_type(node, "int16", x)
    require_type(node, "uint32", out)
    require_rank(node, x, 1)
    require_rank(node, out, 1)
    options = Options(node, ("end_index", "start_index"))
    start, end = options.integer("start_index"), options.integer("end_index")
    node.require(0 <= start <= end, f"bins {start} to {end} are no range")
    node.require(2 * end <= x.elements, f"{x.elements} numbers hold no {end} bins", x)
    node.require(end <= out.elements, f"{out.elements} elements hold no {end} bins", out)
    whole = start == 0 and end == out.elements
    return Kernel(evaluate_energy, EnergyParams(start, end), keeps_outputs=not whole)


_TWIDDLES = "exact with glibc; a device libm may differ (sin and cos)"
_FFT_LIMITS = (f"even length from 4 to {MAX_FFT} of factors 2, 3 and 5",)
OPS = (
    Op("SignalEnergy", prepare_energy, ("int16 -> uint32",), is_custom=True, limits=("rank 1",)),
    Op("SignalFftAutoScale", prepare_auto_scale, ("int16",), is_custom=True, limits=("rank 1",)),
    Op(
        "SignalIrfft",
        prepare_irfft,
        ("float32", "int16", "int32"),
        exactness=_TWIDDLES,
        float_exactness=_TWIDDLES,
        is_custom=True,
        limits=_FFT_LIMITS,
    ),
    Op(
        "SignalRfft",
        prepare_rfft,
        ("float32", "int16", "int32"),
        exactness=_TWIDDLES,
        float_exactness=_TWIDDLES,
        is_custom=True,
        limits=_FFT_LIMITS,
    ),
    Op("SignalWindow", prepare_window, ("int16",), is_custom=True),
)

"""Lookup tables that TFLM's kernels use, computed from what defines them."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache

import numpy as np
import numpy.typing as npt

from microinterp.quant.libm import Float32Array, expf, roundf

_STEPS = 512
_INT16 = np.iinfo(np.int16)
_ENTRIES_PER_UNIT = 24
_SIGMOID_ENTRIES = 256


@cache
def sigmoid_table() -> npt.NDArray[np.uint16]:
    """sigmoid(i/24) for i in 0..255 as a fraction of 2^16, for int16 LOGISTIC and TANH.

    Between entries the kernels interpolate in a straight line, which runs below the curve; so each
    entry is raised by half the distance at the middle of its interval. The last one stands for
    "saturated". Source: sigmoid_table_uint16 in kernels/internal/common.h; the formula was found
    by trial and gives every number of it.
    """

    def sigmoid(i: float) -> float:
        return 65536 / (1 + math.exp(-i / _ENTRIES_PER_UNIT))

    def entry(i: int) -> int:
        sag = sigmoid(i + 0.5) - (sigmoid(i) + sigmoid(i + 1)) / 2
        return round(sigmoid(i) + sag / 2)

    table = np.array([*map(entry, range(_SIGMOID_ENTRIES - 1)), 65535], np.uint16)
    table.flags.writeable = False
    return table


def interpolation_table(
    transform: Callable[[Float32Array], Float32Array],
    input_scale: np.float32,
    input_zero_point: int,
    output_scale: np.float32,
) -> npt.NDArray[np.int16]:
    """513 samples of a function for fixedpoint_math.interpolate, all in TFLM's float32 steps.

    Entry i is transform at int16 value 128*i - 32768, quantised with zero point 0, and moved by
    half of what interpolation misses in the middle of the interval.
    Source: LUTPopulateInt16 in kernels/internal/common.h.

    Args:
        transform: the function, float32 in and out.
        input_scale, input_zero_point: quantisation of the int16 argument.
        output_scale: quantisation of the result.
    """
    f32 = np.float32
    low = input_scale * f32(_INT16.min - input_zero_point)
    high = input_scale * f32(_INT16.max - input_zero_point)
    span = output_scale * f32(_INT16.max) - output_scale * f32(_INT16.min)
    per_unit = f32(1 << 16) / span
    step = (high - low) / f32(_STEPS)
    i = np.arange(_STEPS, dtype=np.float32)

    value = transform(low + i * step) * per_unit
    middle = transform(low + i * step + step / f32(2)) * per_unit
    following = transform(low + (i + f32(1)) * step) * per_unit
    sample = roundf(value)
    interpolated = roundf((following + sample) / f32(2))
    bias = roundf((interpolated - roundf(middle)) / f32(2))
    last = roundf(transform(np.array([high])) * per_unit)
    table = np.clip(np.append(sample - bias, last), _INT16.min, _INT16.max).astype(np.int16)
    table.flags.writeable = False
    return table


@cache
def softmax_exp_table() -> npt.NDArray[np.int16]:
    """exp over [-10, 0] in Q0.15, for int16 SOFTMAX."""
    return interpolation_table(
        expf, np.float32(10) / np.float32(65535), _INT16.max, np.float32(2) / np.float32(65535)
    )


@cache
def softmax_reciprocal_table() -> npt.NDArray[np.int16]:
    """1 / (1 + x) for x in [0, 1] in Q0.15, for int16 SOFTMAX."""
    one = np.float32(1)
    return interpolation_table(
        lambda x: one / (one + x),
        one / np.float32(65535),
        _INT16.min,
        np.float32(2) / np.float32(65535),
    )

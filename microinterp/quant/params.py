"""From real scales to the integers that kernels use: multipliers, shifts, activation ranges.

All floating point happens here, in prepare, in exactly the precision TFLM uses: the doubles are
Python floats, the singles are np.float32. Source: kernels/internal/quantization_util.cc,
lite/kernels/kernel_util.cc.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Multiplier:
    """A real factor as multiplier * 2^(shift - 31).

    The multiplier is 0 or in [2^30, 2^31); as `exact_multiplier` makes it, in [2^52, 2^53).
    """

    multiplier: int
    shift: int

    @property
    def real(self) -> float:
        """The factor that this stands for."""
        return math.ldexp(self.multiplier, self.shift - 31)


@dataclass(frozen=True, slots=True)
class ChannelMultipliers:
    """Multipliers and shifts of several channels, int64 [channels] each."""

    multiplier: npt.NDArray[np.int64]
    shift: npt.NDArray[np.int64]


def round_half_away(x: float) -> int:
    """C's round(): to nearest, halves away from zero (TfLiteRound)."""
    magnitude = abs(x)
    whole = math.floor(magnitude)
    if magnitude - whole >= 0.5:  # exact, unlike floor(x + 0.5)
        whole += 1
    return whole if x >= 0 else -whole


def quantize_multiplier(real: float) -> Multiplier:
    """Split a factor >= 0 into Multiplier. Tiny ones (below 2^-32) become 0, as in TFLM."""
    if real == 0:
        return Multiplier(0, 0)
    fraction, shift = math.frexp(real)
    fixed = round_half_away(fraction * (1 << 31))
    if fixed == 1 << 31:
        fixed //= 2
        shift += 1
    if shift < -31:
        return Multiplier(0, 0)
    return Multiplier(fixed, shift)


def exact_multiplier(real: float) -> Multiplier:
    """All 53 bits of a factor, for fixedpoint.multiply_real."""
    fraction, exponent = math.frexp(real)
    return Multiplier(int(fraction * (1 << 53)), exponent - 53 + 31)


def channel_multipliers(
    reals: Iterable[float], split: Callable[[float], Multiplier] = quantize_multiplier
) -> ChannelMultipliers:
    """`split` for each channel."""
    factors = np.array(list(reals), np.float64)
    if split is quantize_multiplier and (factors >= 0).all():
        return _quantize_multipliers(factors)
    pairs = [split(real) for real in factors.tolist()]
    return ChannelMultipliers(
        np.array([p.multiplier for p in pairs], np.int64),
        np.array([p.shift for p in pairs], np.int64),
    )


def _quantize_multipliers(factors: npt.NDArray[np.float64]) -> ChannelMultipliers:
    """quantize_multiplier for all factors >= 0 at once."""
    fraction, exponent = np.frexp(factors)
    fixed = np.floor(fraction * (1 << 31) + 0.5).astype(np.int64)  # the sum is exact: 53 bits do
    carried = fixed == 1 << 31
    shift = exponent.astype(np.int64) + carried
    dead = (factors == 0) | (shift < -31)
    return ChannelMultipliers(np.where(dead, 0, fixed >> carried), np.where(dead, 0, shift))


# ActivationFunctionType: RELU 1, RELU_N1_TO_1 2, RELU6 3. TFLM clamps for no other.
_REAL_LIMITS: dict[int, tuple[float | None, float | None]] = {
    1: (0.0, None),
    2: (-1.0, 1.0),
    3: (0.0, 6.0),
}
_NO_LIMITS = (None, None)


def activation_range_int(
    activation: int, scale: np.float32, zero_point: int, dtype: np.dtype[Any]
) -> tuple[int, int]:
    """Clamp limits of a quantised output under a fused activation.

    Args:
        activation: number in the schema's ActivationFunctionType.
        scale, zero_point: of the output.
        dtype: of the output; its range limits both ends.

    Raises:
        OverflowError: a limit divided by the scale leaves int32 (TFLM refuses it too).
    """
    info = np.iinfo(dtype)
    low, high = _REAL_LIMITS.get(activation, _NO_LIMITS)

    def quantise(real: float) -> int:
        # float32 division, then round half away from zero, as TFLM's Quantize does
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            steps = float(np.float32(real) / scale)
        if not -(2.0**31) <= steps < 2.0**31:
            raise OverflowError(
                f"activation limit {real} is out of range at scale {scale}, wanted a greater scale"
            )
        return zero_point + round_half_away(steps)

    return (
        int(info.min) if low is None else max(int(info.min), quantise(low)),
        int(info.max) if high is None else min(int(info.max), quantise(high)),
    )


def activation_range_float(activation: int) -> tuple[np.float32, np.float32]:
    """Clamp limits of a float32 output under a fused activation (the finite range if none)."""
    low, high = _REAL_LIMITS.get(activation, _NO_LIMITS)
    info = np.finfo(np.float32)
    return (
        info.min if low is None else np.float32(low),
        info.max if high is None else np.float32(high),
    )


def activation_range_int32(activation: int) -> tuple[int, int]:
    """Clamp limits of an int32 output that is not quantised, under a fused activation."""
    low, high = _REAL_LIMITS.get(activation, _NO_LIMITS)
    info = np.iinfo(np.int32)
    return (
        int(info.min) if low is None else int(low),
        int(info.max) if high is None else int(high),
    )

"""float32 functions of the C library that TFLM's float kernels and tables are built on.

NumPy's own exp rounds differently from one CPU to the next; these give the same bits everywhere.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

Float32Array = npt.NDArray[np.float32]

_STEPS = 32
"""exp(x) = 2^(k/32) * exp(r): k whole, |r| at most log(2)/64."""
_STEPS_PER_E = float.fromhex("0x1.71547652b82fep+0") * _STEPS
# Coefficients of r^3, r^2 and r, r counted in steps. Source: Arm optimized-routines, math/expf.c,
# which is also the expf of glibc (from 2.27), musl, bionic and newlib.
_CUBIC = (
    float.fromhex("0x1.c6af84b912394p-5") / _STEPS**3,
    float.fromhex("0x1.ebfce50fac4f3p-3") / _STEPS**2,
    float.fromhex("0x1.62e42ff0c52d6p-1") / _STEPS,
)
_FAR = 150.0
"""exp of this and more is infinite in float32; of its negative, 0."""


@cache
def _powers() -> npt.NDArray[np.float64]:
    """2^(i/32) for each i, correctly rounded."""
    from decimal import Decimal  # takes longer to import than all else here

    return np.array([float(Decimal(2) ** (Decimal(i) / _STEPS)) for i in range(_STEPS)])


def expf(x: npt.NDArray[Any]) -> Float32Array:
    """exp of float32 values, bit for bit as glibc computes it.

    Compared over all float32 numbers with glibc 2.36 on x86-64: two differ, by one ulp (glibc
    picks a version with fused multiply-add there).
    """
    steps = np.clip(x.astype(np.float64), -_FAR, _FAR) * _STEPS_PER_E
    whole = np.rint(steps)
    r = steps - whole
    k = np.nan_to_num(whole).astype(np.int64)
    power = np.ldexp(_powers()[k % _STEPS], (k // _STEPS).astype(np.int32))
    cubic, square, linear = _CUBIC
    with np.errstate(all="ignore"):
        result: Float32Array = (((cubic * r + square) * (r * r) + (linear * r + 1)) * power).astype(
            np.float32
        )
    return result


def tanhf(x: npt.NDArray[Any]) -> Float32Array:
    """tanh of float32 values, bit for bit as fdlibm's: that of newlib, and of glibc up to 2.40."""
    one, two = np.float32(1), np.float32(2)
    with np.errstate(all="ignore"):
        magnitude = np.minimum(np.abs(x), _ALL_ONE)
        far = one - two / (_expm1f(two * np.maximum(magnitude, one)) + two)
        near = _expm1f(-two * np.minimum(magnitude, one))
        value = np.where(magnitude >= one, far, -near / (near + two))
        value = np.where(magnitude >= _ALL_ONE, one, value)
        result: Float32Array = np.where(magnitude < _SMALL, x, np.copysign(value, x))
    return result


_ALL_ONE, _SMALL = np.float32(22), np.float32(2.0**-55)
"""From the first on tanh is 1, and below the second it is x."""
# log(2) in two parts: multiples of the first are exact. Source: fdlibm's expm1 in float32.
_LOG2_HIGH, _LOG2_LOW = np.float32(6.9313812256e-01), np.float32(9.0580006145e-06)
_PER_LOG2 = np.float32(1.4426950216)
_EXPM1_SERIES = tuple(
    np.float32(q)
    for q in (4.0082177293e-06, -7.9365076090e-05, 1.5873016091e-03, -3.3333335072e-02, 1)
)
_EXPM1_LAST = np.float32(-2.0109921195e-07)


def _expm1f(x: Float32Array) -> Float32Array:
    """exp(x) - 1 for x in [-2, 0] and [2, 44], which tanhf asks for, and [-40, 0].

    = 2^k * exp(r) - 1 with x = k * log(2) + r; exp(r) - 1 = r - error by a rational function.
    """
    one, half = np.float32(1), np.float32(0.5)
    k = np.trunc(_PER_LOG2 * x + np.copysign(half, x))
    k = np.where((x < 0) & (x > np.float32(-1.0397208)), -one, k)
    k = np.where(np.abs(x) <= np.float32(0.34657359), np.float32(0), k)
    high, low = x - k * _LOG2_HIGH, k * _LOG2_LOW
    r = high - low
    lost = (high - r) - low
    square = r * (half * r)
    series: npt.NDArray[Any] | np.float32 = _EXPM1_LAST
    for q in _EXPM1_SERIES:
        series = q + square * series
    t = np.float32(3) - series * (half * r)
    error = square * ((series - t) / (np.float32(6) - r * t))
    error = r * (error - lost) - lost - square
    power = k.astype(np.int32)
    small = np.ldexp(one, -power)
    return np.select(
        [np.abs(x) < np.float32(2.0**-25), k == 0, k == -1, (k < -1) | (k > 56), k < 23],
        [
            x,
            r - error,
            half * (r - error) - half,
            np.ldexp(one - (error - r), power) - one,
            np.ldexp((one - small) - (error - r), power),
        ],
        np.ldexp(r - (error + small) + one, power),
    )


def sinf(x: npt.NDArray[Any]) -> Float32Array:
    """sin of float32 values, rounded from double precision; a C library's sinf is within 1 ulp."""
    return _rounded(np.sin, x)


def cosf(x: npt.NDArray[Any]) -> Float32Array:
    """cos of float32 values, rounded from double precision; a C library's cosf is within 1 ulp."""
    return _rounded(np.cos, x)


def logf(x: npt.NDArray[Any]) -> Float32Array:
    """Natural logarithm of float32 values, rounded from double precision.

    A C library's logf is within 1 ulp.
    """
    return _rounded(np.log, x)


def expm1f(x: npt.NDArray[Any]) -> Float32Array:
    """exp(x) - 1 of float32 values x <= 0, bit for bit as fdlibm's.

    It is newlib's expm1f, and glibc's up to 2.40.
    """
    with np.errstate(all="ignore"):
        return _expm1f(np.maximum(x, _ALL_MINUS_ONE))


_ALL_MINUS_ONE = np.float32(-40)
"""Below, exp(x) - 1 is -1."""


def _rounded(function: np.ufunc, x: npt.NDArray[Any]) -> Float32Array:
    with np.errstate(all="ignore"):
        result: Float32Array = function(x.astype(np.float64)).astype(np.float32)
    return result


def roundf(x: npt.NDArray[Any]) -> Float32Array:
    """float32 values to the nearest whole number, halves away from zero."""
    magnitude = np.abs(x)
    whole = np.floor(magnitude)
    with np.errstate(invalid="ignore"):  # inf - inf
        up = magnitude - whole >= np.float32(0.5)  # exact, unlike floor(x + 0.5)
    result: Float32Array = np.copysign(whole + up.astype(np.float32), x)
    return result


def checked_log2(x: np.float32) -> tuple[int, bool]:
    """(nearest whole log2(x), whether x is a power of two to 1 part in 1443), x > 0.

    TFLM's CheckedLog2, in its float32 steps: log(x) * (1 / log(2)), less than 0.001 off.
    """
    log2 = np.float32(math.log(x)) * (np.float32(1) / np.float32(math.log(2)))
    nearest = roundf(np.asarray(log2))
    return int(nearest), bool(abs(log2 - nearest) < np.float32(1e-3))

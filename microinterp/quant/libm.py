"""float32 functions of the C library that TFLM's float kernels and tables are built on.

NumPy's own exp rounds differently from one CPU to the next; these give the same bits everywhere.
"""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt

Float32Array = npt.NDArray[np.float32]

_STEPS = 32
"""exp(x) = 2^(k/32) * exp(r): k whole, |r| at most log(2)/64."""
_POWERS = np.array([float(Decimal(2) ** (Decimal(i) / _STEPS)) for i in range(_STEPS)])
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


def expf(x: npt.NDArray[Any]) -> Float32Array:
    """exp of float32 values, bit for bit as glibc computes it.

    Compared over all float32 numbers with glibc 2.36 on x86-64: two differ, by one ulp (glibc
    picks a version with fused multiply-add there).
    """
    steps = np.clip(x.astype(np.float64), -_FAR, _FAR) * _STEPS_PER_E
    whole = np.rint(steps)
    r = steps - whole
    k = np.nan_to_num(whole).astype(np.int64)
    power = np.ldexp(_POWERS[k % _STEPS], (k // _STEPS).astype(np.int32))
    cubic, square, linear = _CUBIC
    with np.errstate(all="ignore"):
        result: Float32Array = (((cubic * r + square) * (r * r) + (linear * r + 1)) * power).astype(
            np.float32
        )
    return result


def tanhf(x: npt.NDArray[Any]) -> Float32Array:
    """tanh of float32 values, rounded from double precision (C libraries differ by up to 2 ulp)."""
    result: Float32Array = np.tanh(x.astype(np.float64)).astype(np.float32)
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

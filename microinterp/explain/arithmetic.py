"""The kinds of steps: a function of plain Python numbers each, and what it rounds.

`ARITHMETIC[kind](**operands)` is the result of a step with these operands. To add a kind, add a
function here, a line to ARITHMETIC, and the same arithmetic, written anew, to the evaluator of
tests/explain/.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from microinterp.explain.kinds import FURTHER, FURTHER_ROUNDINGS
from microinterp.explain.rounding import Rounding
from microinterp.quant import fixedpoint_ref as ref
from microinterp.quant.params import round_half_away


def multiply_real(x: int, multiplier: int, shift: int) -> int:
    """x * multiplier * 2^(shift-31) in double precision, halves away from zero, within int32."""
    return ref.saturate32(round_half_away(float(x) * math.ldexp(multiplier, shift - 31)))


def divide_truncated(x: int, y: int) -> int:
    """x / y as C divides integers: toward zero."""
    return abs(x) // abs(y) * (1 if (x < 0) == (y < 0) else -1)


def wrap(x: int, bits: int) -> int:
    """x as a C integer of that many bits that has wrapped around."""
    half = 1 << (bits - 1)
    return ((x + half) & ((1 << bits) - 1)) - half


def multiply_rounded(x: int, multiplier: int, bits: int) -> int:
    """x * multiplier / 2^bits, halves up."""
    return (x * multiplier + (1 << (bits - 1))) >> bits


def divide_float32(x: float, y: float) -> float:
    """x / y in float32."""
    with np.errstate(all="ignore"):
        return float(np.float32(x) / np.float32(y))


def multiply_to_float32(x: float, y: float) -> float:
    """x * y in double precision, as a float32."""
    with np.errstate(all="ignore"):
        return float(np.float32(float(x) * float(y)))


def round_float(x: float) -> int:
    """x made whole, halves away from zero, within int32; NaN becomes 0."""
    if math.isnan(x):
        return 0
    if math.isinf(x):
        return ref.INT32_MAX if x > 0 else ref.INT32_MIN
    return ref.saturate32(round_half_away(x))


def truncate(x: float) -> int:
    """x without its fraction, within 64 bits; NaN becomes 0."""
    if math.isnan(x):
        return 0
    if math.isinf(x):
        return (1 << 63) - 1 if x > 0 else -(1 << 63)
    return math.trunc(x)


ARITHMETIC: Mapping[str, Callable[..., Any]] = {
    **FURTHER,
    "add": lambda x, y: x + y,
    "subtract": lambda x, y: x - y,
    "multiply": lambda x, y: x * y,
    "negate": lambda x: -x,
    "wrap": wrap,
    "clamp": ref.clamp,
    "shift_left": lambda x, bits: x << bits,
    "shift_right": lambda x, bits: x >> bits,
    "shift_right_rounded": lambda x, bits: (x + (1 << (bits - 1))) >> bits,
    "doubling_high_mul": ref.saturating_rounding_doubling_high_mul,
    "rounding_divide": ref.rounding_divide_by_pot,
    "multiply_rounded": multiply_rounded,
    "multiply_real": multiply_real,
    "reduce_multiplier": ref.reduced,
    "divide_truncated": divide_truncated,
    "larger": lambda x, y: max(x, y),
    "smaller": lambda x, y: min(x, y),
    "divide_float32": divide_float32,
    "multiply_to_float32": multiply_to_float32,
    "round_float": round_float,
    "truncate": truncate,
    "is_not_zero": lambda x: int(x != 0),
    "low_bits": lambda x, bits: x & ((1 << bits) - 1),
}
"""What each kind computes, by the names of its operands."""

ROUNDINGS: Mapping[str, Callable[..., Rounding | None]] = {
    **FURTHER_ROUNDINGS,
    "shift_right": lambda x, bits: Rounding(x, bits, "floor") if bits else None,
    "shift_right_rounded": lambda x, bits: Rounding(x, bits, "up"),
    "doubling_high_mul": lambda a, b: Rounding(a * b, 31, "up"),
    "rounding_divide": lambda x, exponent: Rounding(x, exponent, "away") if exponent else None,
    "multiply_rounded": lambda x, multiplier, bits: Rounding(x * multiplier, bits, "up"),
}
"""What the kinds that cut bits off cut, from the same operands."""

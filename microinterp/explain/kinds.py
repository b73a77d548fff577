"""More kinds of steps, for fixed-point functions, comparisons and tables of rows.

FURTHER holds kinds of plain numbers, as in arithmetic.py; ROWS those that take rows of them.
The evaluator of tests/explain/ has the same arithmetic, written anew, in further.py and fourier.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from microinterp.explain.butterflies import Fixed, butterfly, real_bin
from microinterp.explain.rounding import Rounding
from microinterp.quant import fixedpoint_ref as ref
from microinterp.quant.libm import expf

Rows = Sequence[tuple[int, ...]]
Result = tuple[list[int], int]
"""What each row gives, and what the step gives."""


def subtract_float32(x: float, y: float) -> float:
    """x - y in float32."""
    return float(np.float32(float(x) - float(y)))


def exp_float32(x: float) -> float:
    """exp(x) in float32, as glibc has it."""
    return float(expf(np.array(x, np.float32)))


def spare_bits(x: int) -> int:
    """How far an int32 can be shifted left without losing a bit."""
    return 31 - (x if x >= 0 else ~x).bit_length()


def saturated(x: int, radius: int, low: int, high: int) -> int:
    """The limit that x, at or beyond the radius around 0, becomes."""
    assert abs(x) >= radius
    return low if x <= -radius else high


def rounding_divide_16(x: int, exponent: int) -> int:
    """x / 2^exponent in int16, halves away from zero; all bits gone leave 1 or -1."""
    if exponent <= 15:
        return ref.rounding_divide_by_pot(x, exponent)
    return 1 if x >= 0 else -1


def rounding_divide_x86(x: int, exponent: int) -> int:
    """x / 2^exponent, halves away from zero; x86 takes 32 to 63 bits as up to 31 and rounds up.

    Numbers that are not negative gain 1 then; from 64 on the count begins anew.
    """
    if exponent & 63 < 32:
        return ref.rounding_divide_by_pot(x, exponent & 63)
    return (x >> (exponent & 31)) + (x >= 0)


def multiply_rounded_64(x: int, multiplier: int, bits: int) -> int:
    """x * multiplier / 2^bits, halves up, in 64 bits: what is shifted out of them is gone."""
    half = 1 << (bits - 1) if 0 < bits <= 64 else 0
    total = (x * multiplier + half + (1 << 63)) % (1 << 64) - (1 << 63)
    return total >> bits


def rounded_root(x: int) -> int:
    """sqrt(x) to the nearest whole, at most 2^16 - 1 below 2^32, and 2^32 - 1."""
    root = math.isqrt(x)
    largest = (1 << 16) - 1 if x < 1 << 32 else (1 << 32) - 1
    return min(root + (x - root * root > root), largest)


FURTHER: Mapping[str, Callable[..., Any]] = {
    "absolute": lambda x: abs(x),  # takes a keyword
    "square": lambda x: x * x,
    "saturating_shift_left": lambda x, bits: ref.saturate32(x << bits),
    "leading_zeros": ref.count_leading_zeros,
    "spare_bits": spare_bits,
    "bit_length": lambda x: (x % (1 << 32)).bit_length(),  # of an unsigned int32
    "saturated": saturated,
    "if_greater": lambda x, y, value, other: value if x > y else other,
    "rounding_divide_16": rounding_divide_16,
    "rounding_divide_x86": rounding_divide_x86,
    "multiply_rounded_64": multiply_rounded_64,
    "rounded_root": rounded_root,
    "subtract_float32": subtract_float32,
    "exp_float32": exp_float32,
    "equal": lambda x, y: int(x == y),
    "not_equal": lambda x, y: int(x != y),
    "greater": lambda x, y: int(x > y),
    "greater_equal": lambda x, y: int(x >= y),
    "less": lambda x, y: int(x < y),
    "less_equal": lambda x, y: int(x <= y),
}

FURTHER_ROUNDINGS: Mapping[str, Callable[..., Rounding | None]] = {
    "rounding_divide_16": lambda x, exponent: (
        Rounding(x, exponent, "away") if 0 < exponent <= 15 else None
    ),
    "rounding_divide_x86": lambda x, exponent: (
        Rounding(x, exponent, "away") if 0 < exponent <= 31 else None
    ),
}


def first_maximum(rows: Rows) -> Result:
    """Place of the first row whose number is the greatest."""
    numbers = [row[0] for row in rows]
    return numbers, numbers.index(max(numbers))


def first_minimum(rows: Rows) -> Result:
    """Place of the first row whose number is the smallest."""
    numbers = [row[0] for row in rows]
    return numbers, numbers.index(min(numbers))


def largest_magnitude(rows: Rows) -> Result:
    """The largest |x| as a search in int16 finds it, where -(-32768) is -32768."""
    numbers, largest = [row[0] for row in rows], 0
    for number in numbers:
        if number > largest:
            largest = number
        elif -number > largest:
            largest = -number if number > -32768 else number
    return numbers, largest


def times_factors(rows: Rows, x: int, quarters: int) -> Result:
    """x times the factor of each row (bit, factor, product): bits that are set in `quarters`."""
    for _, factor, product in rows:
        x = ref.saturating_rounding_doubling_high_mul(x, factor)
        assert x == product
    return [row[-1] for row in rows], x


def sum_of_last(rows: Rows, **_: int) -> Result:
    """The sum of the rows' last column; the columns before say how it came about."""
    numbers = [row[-1] for row in rows]
    return numbers, sum(numbers)


def sum_of_squares(rows: Rows, **operands: int) -> Result:
    """The sum of (number - zero point)^2."""
    (zero,) = operands.values() or (0,)
    squares = [(row[0] - zero) ** 2 for row in rows]
    return squares, sum(squares)


def _butterfly(rows: Rows, output: int, part: int, inverse: int, bits: int, **turns: int) -> Result:
    """Part 0 (real) or 1 of a butterfly's output; rows of (re, im, turn re, turn im)."""
    inputs, own = [(row[0], row[1]) for row in rows], [(row[2], row[3]) for row in rows]
    found = list(turns.values())
    pairs = list(zip(found[::2], found[1::2], strict=True))
    result = butterfly(Fixed(bits), inputs, own, output, bool(inverse), pairs)
    return [row[part] for row in rows], result[part]


def _real_bin(
    rows: Rows, turn_re: int, turn_im: int, mirrored: int, part: int, inverse: int, bits: int
) -> Result:
    """Part 0 (real) or 1 of a bin, from rows k and points - k of (re, im)."""
    low, high = ((row[0], row[1]) for row in rows)
    result = real_bin(Fixed(bits), low, high, (turn_re, turn_im), bool(mirrored), bool(inverse))
    return [row[part] for row in rows], result[part]


ROWS: Mapping[str, Callable[..., Result]] = {
    "first_maximum": first_maximum,
    "first_minimum": first_minimum,
    "largest_magnitude": largest_magnitude,
    "times_factors": times_factors,
    "sum_of_exponentials": sum_of_last,
    "sum_of_table_values": sum_of_last,
    "sum_of_squares": sum_of_squares,
    "butterfly": _butterfly,
    "real_bin": _real_bin,
}
"""By kind: from the rows' numbers and the operands to what each row and the step give."""

"""The kinds of steps of microinterp/explain/kinds.py, written anew for the evaluator.

As there, nothing is imported from microinterp; fixed-point products are exact fractions.
"""

from __future__ import annotations

import math
import struct
from fractions import Fraction
from typing import Any

from tests.explain import fourier

LOW, HIGH = -(2**31), 2**31 - 1
ONE = HIGH
EXP_POWERS = (-2, -1, 0, 1, 2, 3, 4)


def limited(x: int) -> int:
    return max(LOW, min(HIGH, x))


def high_mul(a: int, b: int) -> int:
    return limited(math.floor(Fraction(a * b, 2**31) + Fraction(1, 2)))


def to_nearest_away(x: int, bits: int) -> int:
    exact = Fraction(abs(x), 2**bits)
    whole = math.floor(exact + Fraction(1, 2))
    return whole if x >= 0 else -whole


def float32(x: float) -> float:
    return struct.unpack("f", struct.pack("f", x))[0]


def exp_factor(power: int) -> int:
    """exp(-2^power) in Q0.31."""
    return round(math.exp(-(2.0**power)) * 2**31)


def exp_q31(a: int, fraction_bits: int) -> int:
    """exp(a / 2^fraction_bits) in Q0.31 for a <= 0, as gemmlowp defines it."""
    if a == 0:
        return ONE
    quarter = 2**fraction_bits // 4
    part = a % quarter - quarter
    x = part * 2 ** (31 - fraction_bits) + 2**28
    eighth = round(math.exp(-1 / 8) * 2**31)
    square = high_mul(x, x)
    cube, fourth = high_mul(square, x), high_mul(square, square)
    third = (2**31 + 1) // 3
    tail = to_nearest_away(high_mul(to_nearest_away(fourth, 2) + cube, third) + square, 1)
    result = eighth + high_mul(eighth, x + tail)
    for power, bit in zip(EXP_POWERS, f"{(part - a) // quarter:07b}"[::-1], strict=True):
        if bit == "1":
            result = high_mul(result, exp_factor(power))
    return result


def rescaled(x: int, multiplier: int, shift: int, once: int) -> int:
    if once:
        return math.floor(Fraction(x * multiplier) * Fraction(2) ** (shift - 31) + Fraction(1, 2))
    left = x * 2 ** max(shift, 0)
    left = (left - LOW) % 2**32 + LOW
    return to_nearest_away(high_mul(left, multiplier), max(-shift, 0))


def sum_of_exponentials(step: dict[str, Any]) -> int:
    o, total = step["operands"], 0
    for term in step["terms"]:
        number, difference, exp, short = term["numbers"]
        assert difference == number - o["greatest"]
        if difference < o["least"]:
            assert exp == 0
        else:
            scaled = rescaled(difference, o["multiplier"], o["shift"], o["rounded_once"])
            assert exp == exp_q31(scaled, 26)
        assert short == term["result"] == to_nearest_away(exp, 12)
        total += short
    return total


def sum_of_table_values(step: dict[str, Any]) -> int:
    o, total = step["operands"], 0
    for term in step["terms"]:
        number, place, entry, following, value = term["numbers"]
        difference = number - o["greatest"]
        moved = rescaled(difference, o["multiplier"], o["shift"], o["rounded_once"]) + 32767
        assert place == max(-32768, min(32767, moved))
        exact = math.exp((place // 128 * 128 - 32767) * 10 / 65535) * 2**15
        assert abs(entry - exact) < 64  # moved by half of what the straight line misses
        rise = Fraction((following - entry) * (place % 128), 128)
        assert value == term["result"] == entry + math.floor(rise + Fraction(1, 2))
        total += value
    return total


def sum_of_squares(step: dict[str, Any]) -> int:
    zero, total = step["operands"].get("input zero point", 0), 0
    for term in step["terms"]:
        (number,) = term["numbers"]
        assert term["result"] == (number - zero) ** 2
        total += term["result"]
    return total


def times_factors(step: dict[str, Any]) -> int:
    x, left = step["operands"]["x"], step["operands"]["quarters"]
    for term in step["terms"]:
        bit, factor, product = term["numbers"]
        left -= 2**bit
        x = high_mul(x, factor)
        assert x == product == term["result"]
    assert left == 0  # every bit that is set has had its turn
    return x


def first_extreme(step: dict[str, Any]) -> int:
    numbers = [term["numbers"][0] for term in step["terms"]]
    assert [term["result"] for term in step["terms"]] == numbers
    best = sorted(numbers)[-1 if step["kind"] == "first_maximum" else 0]
    return next(i for i, number in enumerate(numbers) if number == best)


def largest_magnitude(step: dict[str, Any]) -> int:
    """-32768 has no opposite in int16; what follows it is larger."""
    best = 0
    for term in step["terms"]:
        (number,) = term["numbers"]
        assert term["result"] == number
        best = number if number > best else best if -number <= best else -number
        best = -32768 if best == 32768 else best
    return best


def exp_float32(step: dict[str, Any]) -> float:
    """The C library's expf is less than an ulp from exp: what it gave is taken."""
    exact, given = math.exp(step["operands"]["x"]), step["result"]
    assert given == float32(given)
    assert abs(Fraction(given) - Fraction(exact)) <= Fraction(max(exact, 2.0**-126)) / 2**23
    return given


WITH_STEP = {
    **fourier.WITH_STEP,
    "sum_of_exponentials": sum_of_exponentials,
    "sum_of_table_values": sum_of_table_values,
    "sum_of_squares": sum_of_squares,
    "largest_magnitude": largest_magnitude,
    "times_factors": times_factors,
    "first_maximum": first_extreme,
    "first_minimum": first_extreme,
    "exp_float32": exp_float32,
}


def leading_zeros(x: int) -> int:
    return 32 - len(f"{x % 2**32:b}".lstrip("0"))


def spare_bits(x: int) -> int:
    return next(n for n in range(31, -1, -1) if LOW <= x * 2**n <= HIGH)


def saturated(x: int, radius: int, low: int, high: int) -> int:
    assert x >= radius or x <= -radius
    return low if x <= -radius else high  # both where the radius is 0: the low one wins


def rounding_divide_16(x: int, exponent: int) -> int:
    if exponent > 15:
        return -1 if x < 0 else 1
    return to_nearest_away(x, exponent)


def rounding_divide_x86(x: int, exponent: int) -> int:
    """gemmlowp's rounding with a mask and a count as x86 has them."""
    mask = (2 ** (exponent % 64) - 1) % 2**32
    mask -= 2**32 if mask >= 2**31 else 0
    threshold = math.floor(Fraction(mask, 2)) + (1 if x < 0 else 0)
    return math.floor(Fraction(x, 2 ** (exponent % 32))) + (1 if x & mask > threshold else 0)


def multiply_rounded_64(x: int, multiplier: int, bits: int) -> int:
    """A sum of 64 bits, as bytes of memory hold it."""
    half = 0 if bits == 0 else 2 ** (bits - 1) % 2**64
    total = int.from_bytes(((x * multiplier + half) % 2**64).to_bytes(8, "big"), "big", signed=True)
    return math.floor(Fraction(total, 2**bits))


def rounded_root(x: int) -> int:
    root = round_root = math.isqrt(x)
    if 4 * x > (2 * root + 1) ** 2:
        round_root += 1
    return min(round_root, 2**16 - 1 if x < 2**32 else 2**32 - 1)


FORMULAS = {
    "absolute": lambda x: -x if x < 0 else x,
    "square": lambda x: x**2,
    "saturating_shift_left": lambda x, bits: limited(x * 2**bits),
    "leading_zeros": leading_zeros,
    "spare_bits": spare_bits,
    "bit_length": lambda x: 32 - leading_zeros(x),
    "saturated": saturated,
    "if_greater": lambda x, y, value, other: value if y < x else other,
    "rounding_divide_16": rounding_divide_16,
    "rounding_divide_x86": rounding_divide_x86,
    "multiply_rounded_64": multiply_rounded_64,
    "rounded_root": rounded_root,
    "subtract_float32": lambda x, y: float32(x - y),
    "equal": lambda x, y: 1 if x == y else 0,
    "not_equal": lambda x, y: 0 if x == y else 1,
    "greater": lambda x, y: 1 if y < x else 0,
    "greater_equal": lambda x, y: 0 if x < y else 1,
    "less": lambda x, y: 1 if x < y else 0,
    "less_equal": lambda x, y: 0 if y < x else 1,
}

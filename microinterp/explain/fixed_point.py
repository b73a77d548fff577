"""fixedpoint_ref's functions as recorded steps: exp, 1/(1+x), 1/x, 1/sqrt(x), log, tables.

The formulas are explained there. A number's fractional bits are told in its step's label.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from microinterp.explain.recorder import Recorder
from microinterp.explain.steps import Known
from microinterp.quant import fixedpoint
from microinterp.quant import fixedpoint_ref as ref

FACTORS = ("bit", "factor", "product")


def high_mul(r: Recorder, label: str, a: int, b: int) -> Any:
    """The rounded high half of 2 * a * b: the product of fixed-point numbers."""
    return r.do("doubling_high_mul", label, a=a, b=b)


def exp_on_negative_values(r: Recorder, a: int, integer_bits: int) -> Any:
    """exp(a) in Q0.31 for a <= 0 in Q(integer_bits)."""
    if a == 0:
        return r.lookup("exp(0) is 1, as near as it gets", a, ref.ONE_Q0, real=1.0)
    fraction = 31 - integer_bits
    quarter = 1 << (fraction - 2)
    low = r.do("low_bits", "the part below a quarter", x=a, bits=fraction - 2)
    part = r.do("subtract", "moved to [-1/4, 0)", x=low, y=quarter)
    near = r.do("saturating_shift_left", "in Q0.31", x=part, bits=integer_bits)
    result = _exp_of_quarter(r, near)
    quarters = r.do("subtract", "quarters that are left", x=part, y=a)
    rows, product = [], int(result)
    for exponent, factor in ref.EXP_OF_MINUS_POWERS:
        bit = fraction + exponent
        if exponent < integer_bits and quarters & (1 << bit):
            product = ref.saturating_rounding_doubling_high_mul(product, factor)
            rows.append(((), (bit, factor, product)))
    label = "times exp(-2^k) factors"
    real = product / 2**31
    return r.rows("times_factors", label, FACTORS, rows, real=real, x=result, quarters=quarters)


def _exp_of_quarter(r: Recorder, a: int) -> Any:
    """exp(a) for a in [-1/4, 0), Q0.31: Taylor's first terms around -1/8."""
    x = r.do("add", "x: distance from -1/8", x=a, y=1 << 28)
    x2 = high_mul(r, "x^2", x, x)
    x3 = high_mul(r, "x^3", x2, x)
    x4 = high_mul(r, "x^4", x2, x2)
    x4 = r.do("rounding_divide", "x^4 / 4", x=x4, exponent=2)
    tail = r.do("add", "x^4 / 4 + x^3", x=x4, y=x3)
    tail = high_mul(r, "a third of it", tail, ref.ONE_THIRD_Q0)
    tail = r.do("add", "+ x^2", x=tail, y=x2)
    tail = r.do("rounding_divide", "x^2/2 + x^3/6 + x^4/24", x=tail, exponent=1)
    tail = r.do("add", "+ x", x=x, y=tail)
    tail = high_mul(r, "times exp(-1/8)", ref.EXP_OF_MINUS_EIGHTH, tail)
    return r.do("add", "+ exp(-1/8)", x=ref.EXP_OF_MINUS_EIGHTH, y=tail)


def reciprocal_of_half_sum(r: Recorder, a: int) -> Any:
    """2 / (1 + a) in Q2.29 for a in [0, 1), Q0.31: three steps of Newton's method."""
    total = r.do("add", "1 + a", x=a, y=ref.ONE_Q0)
    half = r.do("rounding_divide", "d = (1 + a) / 2", x=total, exponent=1)
    slope = high_mul(r, "-32/17 d", half, ref.NEWTON_SLOPE)
    y = r.do("add", "y: 48/17 - 32/17 d", x=slope, y=ref.NEWTON_START)
    for number in (1, 2, 3):
        near = high_mul(r, f"Newton {number}: d y", half, y)
        error = r.do("subtract", "1 - d y", x=ref.ONE_Q2, y=near)
        change = high_mul(r, "y (1 - d y)", y, error)
        change = r.do("saturating_shift_left", "in Q2.29", x=change, bits=2)
        y = r.do("add", "next y", x=y, y=change)
    return y


def one_over_one_plus_x(r: Recorder, a: int) -> Any:
    """1 / (1 + a) for a in [0, 1), Q0.31 in and out."""
    y = reciprocal_of_half_sum(r, a)
    return r.do("saturating_shift_left", "1 / (1 + a)", real=y / 2**30, x=y, bits=1)


def one_minus_x_over_one_plus_x(r: Recorder, a: int) -> Any:
    """(1 - a) / (1 + a) for a in [0, 1), Q0.31 in and out."""
    y = reciprocal_of_half_sum(r, a)
    y = r.do("subtract", "2 / (1 + a) - 1", x=y, y=ref.ONE_Q2)
    real = y / 2**29
    return r.do("saturating_shift_left", "(1 - a) / (1 + a)", real=real, x=y, bits=2)


def reciprocal(r: Recorder, x: int, integer_bits: int) -> tuple[Any, Any]:
    """1 / x for x > 0 in Q(integer_bits), as (mantissa, exponent): mantissa / 2^(31+exponent)."""
    headroom = r.do("leading_zeros", "leading zero bits", x=x)
    shifted = r.do("shift_left", "first one at the top", x=x, bits=headroom)
    over_one = r.do("subtract", "a: without that one", x=shifted, y=1 << 31)
    mantissa = one_over_one_plus_x(r, r.wrap(over_one, 32))
    return mantissa, r.do("subtract", "exponent", x=integer_bits, y=headroom)


def inverse_sqrt(r: Recorder, x: int) -> tuple[Any, Any]:
    """1 / sqrt(x) of an int32 as (mantissa, right): mantissa / 2^(31+right)."""
    if x <= 1:
        return r.lookup("1 / sqrt(0 or 1): near 1", x, ref.INT32_MAX), 0
    start = 11
    while x >= 1 << 29:
        x = r.do("shift_right", "a quarter", x=x, bits=2)
        start += 1
    zeros = r.do("leading_zeros", "leading zero bits", x=x)
    zeros = r.do("subtract", "less the sign", x=zeros, y=1)
    pairs = r.do("shift_right", "pairs of them", x=zeros, bits=1)
    pairs = r.do("subtract", "those to fill", x=pairs, y=1)
    bits = r.do("shift_left", "in bits", x=pairs, bits=1)
    x = r.do("shift_left", "scaled to [1/4, 1)", x=x, bits=bits)
    right = r.do("subtract", "the root's right shift", x=start, y=pairs)
    half = r.do("shift_right", "half", x=x, bits=1)
    half = r.do("rounding_divide", "in Q3.28", x=half, exponent=1)
    y = _root_by_newton(r, half)
    mantissa = high_mul(r, "times sqrt(1/2)", y, ref.SQRT_HALF_Q0)
    if right >= 0:
        return mantissa, right
    left = r.do("negate", "left instead", x=right)
    return r.wrap(r.do("shift_left", "shifted", x=mantissa, bits=left), 32), 0


def _root_by_newton(r: Recorder, half: int) -> Any:
    """Five steps from y = 1 to 1 / sqrt(2 * half), Q3.28."""
    y: Any = ref.ONE_Q3
    for number in range(1, 6):
        square = high_mul(r, f"Newton {number}: y^2", y, y)
        cube = high_mul(r, "y^3", square, y)
        cube = r.do("saturating_shift_left", "in Q3.28", x=cube, bits=6)
        first = high_mul(r, "3/2 y", ref.ONE_AND_HALF_Q3, y)
        second = high_mul(r, "x/2 y^3", half, cube)
        y = r.do("subtract", "3/2 y - x/2 y^3", x=first, y=second)
        y = r.do("saturating_shift_left", "next y", x=y, bits=3)
    return y


def log_from_one(r: Recorder, x: int, integer_bits: int) -> Any:
    """log(x) in Q5.26 for x >= 1 in Q(integer_bits)."""
    headroom = r.do("leading_zeros", "leading zero bits", x=x)
    rooted = high_mul(r, "x sqrt(1/2)", x, ref.SQRT_HALF_Q0)
    rooted_zeros = r.do("leading_zeros", "leading zero bits", x=rooted)
    rooted_headroom = r.do("subtract", "less the sign", x=rooted_zeros, y=1)
    bits = r.do("subtract", "less the sign", x=headroom, y=1)
    near = r.do("saturating_shift_left", "x at the top", x=x, bits=bits)
    near = high_mul(r, "times sqrt(1/2)", near, ref.SQRT_HALF_Q0)
    near = r.do("saturating_shift_left", "in Q0.31", x=near, bits=1)
    rooted = r.do("saturating_shift_left", "x sqrt(1/2) there too", x=x, bits=rooted_headroom)
    power = r.do("larger", "k, of x = 2^k m", x=_power(r, integer_bits, headroom, 1),
                 y=_power(r, integer_bits, rooted_headroom, -1))  # fmt: skip
    m = r.do("smaller", "m, near 2^(-1/4)", x=near, y=rooted)
    part = _log_near_root(r, m)
    whole = high_mul(r, "k log(2)", power, ref.LOG_2_Q0)
    total = r.do("add", "k log(2) + log(m)", x=whole, y=part)
    real = total / 2**25
    return r.do("saturating_shift_left", "log(x), 26 fraction bits", real=real, x=total, bits=1)


def _power(r: Recorder, integer_bits: int, headroom: int, sign: int) -> Any:
    """A power of two that x may be taken as, with a quarter on top or below, Q6.25."""
    power = r.do("subtract", "bits before the point", x=integer_bits, y=headroom)
    power = r.do("shift_left", "in Q6.25", x=power, bits=25)
    label = f"{'plus' if sign > 0 else 'less'} a quarter"
    return r.do("add", label, x=power, y=sign * ref.QUARTER_Q6)


def _log_near_root(r: Recorder, m: int) -> Any:
    """log(m) + 1/4 log(2), scaled, by a quotient of polynomials in q = 2 m - 2^(3/4)."""
    p = r.do("add", "m + 2^(-1/4)", x=m, y=ref.FOURTH_ROOT_OF_HALF_Q0)
    p = r.do("rounding_divide", "p: half of it", x=p, exponent=1)
    q = r.do("subtract", "m - 2^(-1/4)", x=m, y=ref.FOURTH_ROOT_OF_HALF_Q0)
    q = r.do("shift_left", "q: twice that", x=q, bits=1)
    square = high_mul(r, "q^2", q, q)
    first = high_mul(r, "q m", q, m)
    cube = high_mul(r, "q^3", q, square)
    cube = high_mul(r, "times 11/240 2^(1/4)", cube, ref.LOG_NUMERATOR_Q0)
    numerator = r.do("add", "numerator", x=first, y=cube)
    inner = r.do("add", "constant + q", x=ref.LOG_CONSTANT_Q0, y=q)
    scaled = high_mul(r, "times q^2", ref.LOG_SQUARE_Q0, square)
    inner = r.do("add", "constant + q + c q^2", x=inner, y=scaled)
    product = high_mul(r, "times p", p, inner)
    linear = high_mul(r, "linear term", ref.LOG_LINEAR_Q0, q)
    denominator = r.do("add", "denominator less 1", x=product, y=linear)
    inverse = one_over_one_plus_x(r, denominator)
    numerator = r.do("rounding_divide", "numerator in Q6.25", x=numerator, exponent=6)
    return high_mul(r, "numerator / denominator", numerator, inverse)


def interpolate(r: Recorder, value: int, table: Sequence[int], what: str) -> Any:
    """An int16 in a table of 513 int16: the upper 9 bits choose, the lower 7 interpolate.

    Args:
        what: the function, for the labels: "exp(x)".
    """
    index = r.do("shift_right", "the upper 9 bits", x=value, bits=7)
    index = r.do("add", "choose the entry", x=index, y=256)
    base = r.lookup(f"{what} there", index, int(table[index]))
    following = r.do("add", "the entry behind it", x=index, y=1)
    following = r.lookup(f"{what} there", following, int(table[following]))
    slope = r.wrap(r.do("subtract", "rise between them", x=following, y=base), 16)
    part = r.do("low_bits", "the lower 7 bits", x=value, bits=7)
    rise = r.do("multiply", "rise times those", x=slope, y=part)
    rise = r.do("shift_right_rounded", "in entries' steps", x=rise, bits=7)
    return r.do("add", f"{what}, interpolated", x=base, y=rise)


def scaled_by(
    r: Recorder,
    x: int,
    function: fixedpoint.Requantise,
    mantissa: int,
    right: int,
    note: str = "",
    real: float | None = None,
) -> Any:
    """x * mantissa / 2^(31 + right), as `function` rounds: mantissa and right may be results.

    Args:
        right: negative for a left shift.
        note: takes the place of the factor that mantissa and shift make.
    """
    label = "times the mantissa"
    factor = None if note else (int(mantissa), -int(right))
    if function is fixedpoint.multiply_single:
        bits = r.do("add", "bits to cut", x=right, y=31)
        kind = "multiply_rounded" if 0 < bits < 64 else "multiply_rounded_64"
        x = r.do(kind, label, note, real, factor, x=x, multiplier=mantissa, bits=bits)
        return r.wrap(x, 32)
    assert function is fixedpoint.multiply_double
    if right < 0:
        left = r.do("negate", "left instead", x=right)
        x = r.wrap(r.do("shift_left", "shift left", x=x, bits=left), 32)
    is_last = right < 0 or (right == 0 and not isinstance(right, Known))
    x = r.do("doubling_high_mul", label, note, real if is_last else None, factor, a=x, b=mantissa)
    return x if is_last else r.do("rounding_divide", "shift right", real=real, x=x, exponent=right)


Curve = Callable[[Recorder, int, int], Any]


def logistic(r: Recorder, a: int, integer_bits: int) -> Any:
    """1 / (1 + exp(-a)) in Q0.31 for a in Q(integer_bits)."""
    if a == 0:
        return r.lookup("sigmoid(0) is 1/2", a, 1 << 30)
    with r.section("e = exp(-|x|)"):
        exp = exp_on_negative_values(r, _minus_magnitude(r, a), integer_bits)
    with r.section("1 / (1 + e)"):
        result = one_over_one_plus_x(r, exp)
    if a > 0:
        return result
    return r.do("subtract", "x < 0: 1 less that", x=ref.ONE_Q0, y=result)


def tanh(r: Recorder, a: int, integer_bits: int) -> Any:
    """tanh(a) in Q0.31 for a in Q(integer_bits)."""
    if a == 0:
        return r.lookup("tanh(0) is 0", a, 0)
    with r.section("e = exp(-2|x|)"):
        exp = exp_on_negative_values(r, _minus_magnitude(r, a), integer_bits + 1)
    with r.section("(1 - e) / (1 + e)"):
        result = one_minus_x_over_one_plus_x(r, exp)
    return result if a > 0 else r.do("negate", "x < 0: negated", x=result)


def _minus_magnitude(r: Recorder, a: int) -> Any:
    return r.do("negate", "-|x|", x=a) if a > 0 else r.do("smaller", "-|x|", x=a, y=0)

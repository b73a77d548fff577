"""Scalar fixed-point truth in plain Python ints, written to be read; runs on MicroPython too.

No imports, no floats. The NumPy twins in fixedpoint.py and fixedpoint_math.py are tested against
these. "Qm.n" is an int32 that stands for x / 2^n: m integer bits, n fractional bits, m + n = 31.
Sources: gemmlowp fixedpoint/fixedpoint.h, TFLM kernels/internal/common.cc and common.h.
"""

INT32_MIN = -(1 << 31)
INT32_MAX = (1 << 31) - 1

ONE_Q0 = INT32_MAX
"""1 in Q0.31, as near as it gets."""
EXP_OF_MINUS_EIGHTH = 1895147668
"""exp(-1/8) in Q0.31."""
EXP_OF_MINUS_POWERS = (
    (-2, 1672461947),
    (-1, 1302514674),
    (0, 790015084),
    (1, 290630308),
    (2, 39332535),
    (3, 720401),
    (4, 242),
)
"""(e, exp(-2^e) in Q0.31): an exponent's bits, from a quarter to sixteen."""
ONE_THIRD_Q0 = ((1 << 31) + 1) // 3
ONE_Q2 = 1 << 29
NEWTON_START = (48 * ONE_Q2 + 8) // 17
"""48/17 in Q2.29: with the slope -32/17 the best straight line to 1/d for d in [1/2, 1]."""
NEWTON_SLOPE = -((32 * ONE_Q2 + 8) // 17)

ONE_Q3 = 1 << 28
ONE_AND_HALF_Q3 = 3 << 27
SQRT_HALF_Q0 = 1518500250
"""sqrt(1/2) in Q0.31; the next is its root."""
FOURTH_ROOT_OF_HALF_Q0 = 1805811301
LOG_2_Q0 = 1488522236
QUARTER_Q6 = 1 << 23
LOG_NUMERATOR_Q0 = 117049297
"""11/240 * 2^(1/4): with the next three the rational approximation in `log_from_one`."""
LOG_SQUARE_Q0 = 127690142
LOG_CONSTANT_Q0 = 1057819769
LOG_LINEAR_Q0 = 638450708


def wrap32(x: int) -> int:
    """x as a C int32 that has wrapped around."""
    return ((x + (1 << 31)) & 0xFFFFFFFF) - (1 << 31)


def wrap64(x: int) -> int:
    """x as a C int64 that has wrapped around."""
    return ((x + (1 << 63)) & 0xFFFFFFFFFFFFFFFF) - (1 << 63)


def clamp(x: int, low: int, high: int) -> int:
    """x limited to [low, high]."""
    return low if x < low else high if x > high else x


def saturate32(x: int) -> int:
    """x limited to the range of int32."""
    return clamp(x, INT32_MIN, INT32_MAX)


def saturating_rounding_doubling_high_mul(a: int, b: int) -> int:
    """The high 32 bits of 2*a*b, rounded: floor((a*b + 2^30) / 2^31), int32 in and out.

    Only INT32_MIN * INT32_MIN leaves the range; it saturates. Also the product of two fixed-point
    numbers: Qa times Qb gives Q(a+b).
    """
    return saturate32((a * b + (1 << 30)) >> 31)


def rounding_divide_by_pot(x: int, exponent: int) -> int:
    """x / 2^exponent rounded to nearest, halves away from zero; 0 <= exponent <= 31."""
    if exponent == 0:
        return x
    half = 1 << (exponent - 1)
    return (x + half) >> exponent if x >= 0 else -((-x + half) >> exponent)


def multiply_double(x: int, multiplier: int, shift: int) -> int:
    """x * multiplier * 2^(shift-31), rounded twice: what TFLM and CMSIS-NN compute by default.

    A left shift comes first and wraps like int32; the product is rounded to 31 fractional bits
    (halves up), then the right shift rounds again (halves away from zero). x is an int32, the
    multiplier 0 or in [2^30, 2^31), the shift -31 to 30 (positive is to the left).
    """
    left = shift if shift > 0 else 0
    right = -shift if shift < 0 else 0
    return rounding_divide_by_pot(
        saturating_rounding_doubling_high_mul(wrap32(x << left), multiplier), right
    )


def multiply_single(x: int, multiplier: int, shift: int) -> int:
    """x * multiplier * 2^(shift-31), rounded once, halves up (TFLITE_SINGLE_ROUNDING)."""
    total = 31 - shift
    return wrap32((x * multiplier + (1 << (total - 1))) >> total)


def multiply_int64(x: int, multiplier: int, shift: int) -> int:
    """As above for a 48-bit x: the multiplier is cut to 16 bits first (16x8 kernels).

    Used with 64-bit accumulators; the same in both rounding modes. TFLM asserts shift <= 7; from
    15 on the C code shifts by a negative number. The product of a longer x wraps.
    """
    total = 15 - shift
    return wrap32(wrap64(x * reduced(multiplier) + (1 << (total - 1))) >> total)


def multiply_int64_short(x: int, multiplier: int, shift: int) -> int:
    """The same as CMSIS-NN has it: cut to 32 bits while one bit is still to be rounded off.

    Source: arm_nn_requantize_s64 in CMSIS-NN's Include/arm_nnsupportfunctions.h.
    """
    return wrap32(wrap32((x * reduced(multiplier)) >> (14 - shift)) + 1) >> 1


def reduced(multiplier: int) -> int:
    """The upper 16 bits of a multiplier, rounded."""
    return 0x7FFF if multiplier >= 0x7FFF0000 else (multiplier + (1 << 15)) >> 16


def count_leading_zeros(x: int) -> int:
    """Zero bits before the first one of x as a 32-bit unsigned number; 32 for 0."""
    zeros = 32
    x &= 0xFFFFFFFF
    while x:
        x >>= 1
        zeros -= 1
    return zeros


def saturating_shift_left(x: int, exponent: int) -> int:
    """x * 2^exponent, saturated: turns Qm into Q(m - exponent)."""
    return saturate32(x << exponent)


def exp_on_minus_quarter_to_0(a: int) -> int:
    """exp(a) for a in [-1/4, 0), Q0.31 in and out: Taylor's first terms around -1/8."""
    mul = saturating_rounding_doubling_high_mul
    x = a + (1 << 28)
    x2 = mul(x, x)
    x3 = mul(x2, x)
    x4_over_4 = rounding_divide_by_pot(mul(x2, x2), 2)
    # x^2/2 + x^3/6 + x^4/24
    tail = rounding_divide_by_pot(mul(x4_over_4 + x3, ONE_THIRD_Q0) + x2, 1)
    return EXP_OF_MINUS_EIGHTH + mul(EXP_OF_MINUS_EIGHTH, x + tail)


def exp_on_negative_values(a: int, integer_bits: int) -> int:
    """exp(a) in Q0.31 for a <= 0 in Q(integer_bits); integer_bits is 0 to 5.

    a is split into a part in [-1/4, 0) and multiples of 1/4; each bit of those contributes a
    constant factor.
    """
    if a == 0:
        return ONE_Q0
    fraction = 31 - integer_bits
    quarter = 1 << (fraction - 2)
    part = (a & (quarter - 1)) - quarter
    result = exp_on_minus_quarter_to_0(saturating_shift_left(part, integer_bits))
    rest = part - a
    for exponent, factor in EXP_OF_MINUS_POWERS:
        if exponent < integer_bits and rest & (1 << (fraction + exponent)):
            result = saturating_rounding_doubling_high_mul(result, factor)
    return result


def reciprocal_of_half_sum(a: int) -> int:
    """2 / (1 + a) in Q2.29 for a in [0, 1), Q0.31: three steps of Newton-Raphson division."""
    mul = saturating_rounding_doubling_high_mul
    half_sum = rounding_divide_by_pot(a + ONE_Q0, 1)
    x = NEWTON_START + mul(half_sum, NEWTON_SLOPE)
    for _ in range(3):
        error = ONE_Q2 - mul(half_sum, x)
        x += saturating_shift_left(mul(x, error), 2)
    return x


def one_over_one_plus_x(a: int) -> int:
    """1 / (1 + a) for a in [0, 1), Q0.31 in and out."""
    return saturating_shift_left(reciprocal_of_half_sum(a), 1)


def one_minus_x_over_one_plus_x(a: int) -> int:
    """(1 - a) / (1 + a) for a in [0, 1), Q0.31 in and out."""
    return saturating_shift_left(reciprocal_of_half_sum(a) - ONE_Q2, 2)


def logistic(a: int, integer_bits: int) -> int:
    """1 / (1 + exp(-a)) in Q0.31 for a in Q(integer_bits); integer_bits is 0 to 5."""
    if a == 0:
        return 1 << 30
    result = one_over_one_plus_x(exp_on_negative_values(-abs(a), integer_bits))
    return result if a > 0 else ONE_Q0 - result


def tanh(a: int, integer_bits: int) -> int:
    """tanh(a) in Q0.31 for a in Q(integer_bits); integer_bits is 0 to 4."""
    if a == 0:
        return 0
    # The same bits with one more integer bit are 2a.
    result = one_minus_x_over_one_plus_x(exp_on_negative_values(-abs(a), integer_bits + 1))
    return result if a > 0 else -result


def reciprocal(x: int, integer_bits: int) -> tuple[int, int]:
    """1 / x for x > 0 in Q(integer_bits), as (mantissa, exponent): mantissa / 2^31 / 2^exponent.

    The mantissa stands for a number in (1/2, 1].
    """
    headroom = count_leading_zeros(x)
    over_one = wrap32((x << headroom) - (1 << 31))
    return one_over_one_plus_x(over_one), integer_bits - headroom


def interpolate(value: int, table: list[int] | tuple[int, ...]) -> int:
    """Look up an int16 in a table of 513 int16: the upper 9 bits choose, the lower 7 interpolate.

    See tables.interpolation_table for what a table holds.
    """
    index = 256 + (value >> 7)
    base = table[index]
    # The slope is an int16 in C: it wraps between -32768 and 32767.
    slope = ((table[index + 1] - base + 0x8000) & 0xFFFF) - 0x8000
    return base + ((slope * (value & 0x7F) + 64) >> 7)


def inverse_sqrt(x: int) -> tuple[int, int]:
    """1 / sqrt(x) of an int32 as (mantissa, shift): mantissa * 2^(shift - 31), shift <= 0.

    x is scaled by a power of 4 to [1/4, 1) in Q2.29, and five steps of Newton's method from 1 give
    the root; numbers below 2 count as 1 - 2^-31. (GetInvSqrtQuantizedMultiplierExp in common.h.)
    """
    mul = saturating_rounding_doubling_high_mul
    if x <= 1:
        return INT32_MAX, 0
    right = 11
    while x >= 1 << 29:
        x //= 4
        right += 1
    pairs = (count_leading_zeros(x) - 1) // 2 - 1
    x <<= 2 * pairs
    right -= pairs
    half = rounding_divide_by_pot(x >> 1, 1)
    y = ONE_Q3
    for _ in range(5):
        cube = saturating_shift_left(mul(mul(y, y), y), 6)
        y = saturating_shift_left(mul(ONE_AND_HALF_Q3, y) - mul(half, cube), 3)
    mantissa = mul(y, SQRT_HALF_Q0)
    return (wrap32(mantissa << -right), 0) if right < 0 else (mantissa, -right)


def log_from_one(x: int, integer_bits: int) -> int:
    """log(x) in Q5.26 for x >= 1 in Q(integer_bits).

    x = 2^k * r with r near 2^(-1/4), found by comparing x and x * sqrt(1/2); then log(r) is a
    rational function of r around that point. (log_x_for_x_greater_than_or_equal_to_1 in common.h.)
    """
    mul = saturating_rounding_doubling_high_mul
    headroom = count_leading_zeros(x)
    rooted = mul(x, SQRT_HALF_Q0)
    rooted_headroom = count_leading_zeros(rooted) - 1
    near = saturating_shift_left(mul(saturating_shift_left(x, headroom - 1), SQRT_HALF_Q0), 1)
    near_rooted = saturating_shift_left(x, rooted_headroom)
    power = max(
        ((integer_bits - headroom) << 25) + QUARTER_Q6,
        ((integer_bits - rooted_headroom) << 25) - QUARTER_Q6,
    )
    r = min(near, near_rooted)
    p = rounding_divide_by_pot(r + FOURTH_ROOT_OF_HALF_Q0, 1)
    q = 2 * (r - FOURTH_ROOT_OF_HALF_Q0)
    square = mul(q, q)
    numerator = mul(q, r) + mul(mul(q, square), LOG_NUMERATOR_Q0)
    inner = LOG_CONSTANT_Q0 + q + mul(LOG_SQUARE_Q0, square)
    denominator = mul(p, inner) + mul(LOG_LINEAR_Q0, q)
    part = mul(rounding_divide_by_pot(numerator, 6), one_over_one_plus_x(denominator))
    return saturating_shift_left(mul(power, LOG_2_Q0) + part, 1)

"""RELU, RELU6, LOGISTIC, TANH and SOFTMAX in plain Python, element by element."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache

from microinterp.quant import fixedpoint_ref as fixed
from tests.spec_ops.scales import LIMITS, factor, half_away, limits, single


def relu(x: int, scale: float, zero: int, out_scale: float, out_zero: int, dtype: str) -> int:
    """Integer RELU: rescaled to the output, clamped at its zero."""
    raw = fixed.multiply_double(x - zero, *factor(scale / out_scale)) + out_zero
    return fixed.clamp(fixed.wrap32(raw), *limits("RELU", dtype, out_scale, out_zero))


def relu6(x: int, scale: float, zero: int, dtype: str) -> int:
    """Integer RELU6: the input's own steps, clamped between 0 and 6."""
    return fixed.clamp(x, *limits("RELU6", dtype, scale, zero))


def _to_q4(x: int, scale: float) -> int | None:
    """x * scale in Q4.27; None where it leaves 15/16 of that format's range."""
    mantissa, exponent = math.frexp(scale * 2**27)
    if abs(x) >= math.floor(15 * 2**27 / 2**exponent):
        return None
    return fixed.multiply_double(x, half_away(mantissa * 2**31), exponent)


def logistic8(x: int, scale: float, zero: int) -> int:
    """int8 LOGISTIC: steps of 1/256 from -128."""
    q4 = _to_q4(x - zero, scale)
    if q4 is None:
        return 127 if x > zero else -128
    steps = fixed.rounding_divide_by_pot(fixed.logistic(q4, 4), 23)
    return fixed.clamp(steps - 128, -128, 127)


def tanh8(x: int, scale: float, zero: int) -> int:
    """int8 TANH: steps of 1/128 from 0."""
    q4 = _to_q4(x - zero, scale)
    if q4 is None:
        return 127 if x > zero else -128
    return fixed.clamp(fixed.rounding_divide_by_pot(fixed.tanh(q4, 4), 24), -128, 127)


def sigmoid_entry(i: int) -> int:
    """Entry of the 256: sigmoid(i/24) * 2^16, raised by half the interpolation's shortfall."""

    def exact(j: float) -> float:
        return 65536.0 / (1.0 + math.exp(-j / 24.0))

    shortfall = exact(i + 0.5) - 0.5 * (exact(i) + exact(i + 1))
    return 65535 if i == 255 else half_away(exact(i) + 0.5 * shortfall)


def _scaled16(x: int, scale: float, powers: Sequence[int]) -> int:
    """x * scale in steps of 1/(3 * 4096)."""
    log2 = math.log2(scale)
    if abs(log2 - round(log2)) < 1e-3 and round(log2) + 12 in powers:
        return x * (3 << (round(log2) + 12))
    real, shift = scale * 3 * 4096, 0
    while real <= 16383.5 and shift < 31:
        real, shift = real * 2, shift + 1
    return (x * int(real) + ((1 << shift) >> 1)) >> shift


def logistic16(x: int, scale: float) -> int:
    """int16 LOGISTIC: sigmoid * 2^15, from a table of sigmoid(i/24)."""
    scaled = _scaled16(x, scale, (0,))
    index, part = divmod(abs(scaled), 512)
    if index >= 255:
        value = 0x7FFF << 10
    else:
        low, high = sigmoid_entry(index), sigmoid_entry(index + 1)
        value = low * 512 + part * (high - low)
    return (value + 512 if scaled >= 0 else 2**25 - value + 511) >> 10


def tanh16(x: int, scale: float) -> int:
    """int16 TANH: 2 * sigmoid(2x) - 1, times 2^15."""
    return tanh_of_scaled(_scaled16(x, scale, (0, 1)))


def tanh_of_scaled(scaled: int) -> int:
    """tanh16 of steps of 1/(3 * 4096)."""
    index, part = divmod(abs(scaled), 256)
    if index >= 255:
        value = 0xFFFF << 8
    else:
        low, high = sigmoid_entry(index), sigmoid_entry(index + 1)
        value = low * 256 + part * (high - low)
    value -= 2**23
    return (value + 128 if scaled >= 0 else -value + 127) >> 8


def logistic_float(x: float) -> float:
    """LOGISTIC of a float32, up to C's rounding of exp; below -9 TFLM takes exp itself."""
    return math.exp(x) if x < -9 else 1 / (1 + math.exp(-x))


def softmax8(row: Sequence[int], scale: float, beta: float, out_bits: int) -> list[int]:
    """int8 SOFTMAX of one row, outputs of 8 or 16 bits."""
    multiplier, shift = factor(min(beta * scale * 2**26, 2.0**31 - 1))
    least = -math.floor(31 * 2**26 / 2**shift)
    largest = max(row)

    def exp(x: int) -> int | None:
        diff = x - largest
        if diff < least:
            return None
        return fixed.exp_on_negative_values(fixed.multiply_double(diff, multiplier, shift), 5)

    exps = [exp(x) for x in row]
    total = sum(fixed.rounding_divide_by_pot(e, 12) for e in exps if e is not None)
    mantissa, exponent = fixed.reciprocal(total, 12)
    low = -(1 << (out_bits - 1))
    out = []
    for e in exps:
        share = fixed.saturating_rounding_doubling_high_mul(mantissa, e or 0)
        steps = fixed.rounding_divide_by_pot(share, exponent + 31 - out_bits)
        out.append(fixed.clamp(steps + low, low, -low - 1))
    return out


@cache
def _table16(function: Callable[[float], float], low: float, high: float) -> tuple[int, ...]:
    """513 samples of `function` over [low, high] in Q0.15, in single precision throughout."""
    step = single(single(high - low) / 512)
    unit = single(2 / 65535)
    per_unit = single(65536 / single(single(unit * 32767) - single(unit * -32768)))

    def scaled(x: float) -> float:
        return single(function(single(x)) * per_unit)

    table = []
    for i in range(512):
        x = single(low + single(i * step))
        sample = half_away(scaled(x))
        following = scaled(single(low + single((i + 1) * step)))
        interpolated = half_away(single(single(following + sample) / 2))
        error = interpolated - half_away(scaled(single(x + single(step / 2))))
        table.append(max(-32768, min(32767, sample - half_away(error / 2))))
    table.append(min(32767, half_away(scaled(high))))
    return tuple(table)


def _exp(x: float) -> float:
    return single(math.exp(x))


def _one_over_one_plus(x: float) -> float:
    return single(1 / single(1 + x))


def softmax16(row: Sequence[int], scale: float, beta: float) -> list[int]:
    """int16 SOFTMAX of one row."""
    exp_table = _table16(_exp, single(single(10 / 65535) * -65535), 0.0)
    reciprocal_table = _table16(_one_over_one_plus, 0.0, single(single(1 / 65535) * 65535))
    multiplier, shift = factor(scale * beta / (10.0 / 65535.0))
    diffs = [fixed.multiply_double(x - max(row), multiplier, shift) for x in row]
    exps = [
        fixed.interpolate(fixed.clamp(diff + 32767, *LIMITS["int16"]), exp_table) for diff in diffs
    ]
    total = sum(exps)
    headroom = fixed.count_leading_zeros(total)
    normalised = ((total << (headroom - 1)) + (1 << 13)) >> 14
    argument = fixed.clamp(normalised - 3 * 2**15, *LIMITS["int16"])
    factor_ = fixed.interpolate(argument, reciprocal_table)
    shift = 31 - headroom
    return [fixed.clamp((e * factor_ + (1 << (shift - 1))) >> shift, 0, 32767) for e in exps]


def softmax_float(row: Sequence[float], beta: float) -> list[float]:
    """float32 SOFTMAX of one row, up to C's rounding of exp."""
    exps = [math.exp((x - max(row)) * beta) for x in row]
    return [e / sum(exps) for e in exps]

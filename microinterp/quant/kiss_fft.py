"""Real FFTs as KISS FFT computes them, bit for bit, in int16, int32 or float32.

A real FFT of n points is a complex one of n/2 points over pairs of samples, then one pass that
takes the two interleaved spectra apart. The complex one is mixed radix, decimation in time: 4s
first, then a 2, 3s and 5s. In fixed point every stage divides its inputs by its radix
(so no stage overflows), and products are rounded to 15 or 31 fractional bits. Complex numbers are
pairs of arrays (real, imaginary); all axes before the last one are independent transforms.
Source: KISS FFT 130 (kiss_fft.c, kiss_fftr.c) with the patch that TFLM puts on it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Complex = tuple[Array, Array]


@dataclass(frozen=True)
class Arithmetic:
    """The number type of an FFT; sums wrap in it, as the C code's do.

    Attributes:
        dtype: of every sample.
        wide: type of a product; the same as dtype for float32.
        half_sum: type in which a sum is halved.
        bits: fractional bits of a twiddle factor, 0 for float32.
    """

    dtype: npt.DTypeLike
    wide: npt.DTypeLike
    half_sum: npt.DTypeLike
    bits: int

    def product(self, a: Array, b: Array) -> Array:
        """a * b, rounded."""
        return self._rounded(a.astype(self.wide) * b.astype(self.wide))

    def times(self, a: Complex, b: Complex) -> Complex:
        """a * b, complex; one rounding for each part."""
        ar, ai, br, bi = (part.astype(self.wide) for part in (*a, *b))
        return self._rounded(ar * br - ai * bi), self._rounded(ar * bi + ai * br)

    def over(self, a: Complex, divisor: int) -> Complex:
        """a / divisor in fixed point (by a rounded reciprocal), a itself in float."""
        if not self.bits:
            return a
        reciprocal = np.array(((1 << self.bits) - 1) // divisor, self.dtype)
        return self.product(a[0], reciprocal), self.product(a[1], reciprocal)

    def half(self, a: Array, b: Array) -> Array:
        """(a + b) / 2, rounded down in fixed point."""
        total = a.astype(self.half_sum) + b.astype(self.half_sum)
        return self.halved(total).astype(self.dtype)

    def halved(self, a: Array) -> Array:
        """a / 2, rounded down in fixed point."""
        result: Array = a >> 1 if self.bits else a * np.float32(0.5)
        return result

    def factors(self, phases: list[float]) -> Complex:
        """exp(i * phase) of each phase, by the C library's cos and sin."""
        parts = [[math.cos(phase) for phase in phases], [math.sin(phase) for phase in phases]]
        if self.bits:
            largest = (1 << self.bits) - 1
            parts = [[math.floor(0.5 + largest * value) for value in part] for part in parts]
        return np.array(parts[0], self.dtype), np.array(parts[1], self.dtype)

    def _rounded(self, product: Array) -> Array:
        if not self.bits:
            return product
        result: Array = ((product + (1 << self.bits - 1)) >> self.bits).astype(self.dtype)
        return result


ARITHMETIC = {
    "int16": Arithmetic(np.int16, np.int32, np.int32, 15),
    "int32": Arithmetic(np.int32, np.int64, np.int32, 31),
    "float32": Arithmetic(np.float32, np.float32, np.float32, 0),
}


@dataclass(frozen=True)
class Plan:
    """Factors of a real FFT of 2 * `points` samples.

    Attributes:
        inverse: from spectrum to samples.
        twiddles: exp(-+ 2 pi i k / points), k below points.
        super_twiddles: of the pass that takes the spectra apart, points // 2 of them.
        radices: of the stages, the last one first.
    """

    numbers: Arithmetic
    points: int
    inverse: bool
    twiddles: Complex
    super_twiddles: Complex
    radices: tuple[int, ...]


def has_plan(length: int) -> bool:
    """True for even lengths of 4 or more whose half has no prime factor but 2, 3 and 5.

    The others take a general stage, for which KISS FFT allocates memory: TFLM has none and crashes.
    """
    return length >= 4 and length % 2 == 0 and set(_radices(length // 2)) <= set(_STAGES)


def make_plan(length: int, type_name: str, inverse: bool) -> Plan:
    """The plan for `length` real samples; there must be one (`has_plan`)."""
    numbers, points = ARITHMETIC[type_name], length // 2
    assert has_plan(length)
    sign = -1 if inverse else 1
    # each step rounds as the C code's double arithmetic does
    phases = [sign * (-2 * math.pi * k / points) for k in range(points)]
    halves = [sign * (-math.pi * ((k + 1) / points + 0.5)) for k in range(points // 2)]
    return Plan(
        numbers, points, inverse, numbers.factors(phases), numbers.factors(halves), _radices(points)
    )


def real_fft(plan: Plan, samples: Array) -> Array:
    """Samples [..., 2 * points] -> spectrum [..., 2 * points + 2], real and imaginary by turns."""
    n, count = plan.numbers, plan.points
    re, im = _fft(plan, (samples[..., 0::2], samples[..., 1::2]), plan.radices, 1)
    out = np.zeros((*samples.shape[:-1], count + 1, 2), n.dtype)
    first, second = n.over((re[..., 0], im[..., 0]), 2)
    out[..., 0, 0], out[..., count, 0] = first + second, first - second
    k = np.arange(1, count // 2 + 1)
    low = n.over((re[..., k], im[..., k]), 2)
    high = n.over((re[..., count - k], -im[..., count - k]), 2)
    even = low[0] + high[0], low[1] + high[1]
    odd = n.times((low[0] - high[0], low[1] - high[1]), plan.super_twiddles)
    # in this order: at k = points / 2 both halves are the same place, and the second one stays
    out[..., k, 0], out[..., k, 1] = n.half(even[0], odd[0]), n.half(even[1], odd[1])
    out[..., count - k, 0] = n.half(even[0], _negative(odd[0], n.half_sum))
    out[..., count - k, 1] = n.half(odd[1], _negative(even[1], n.half_sum))
    return out.reshape(*samples.shape[:-1], 2 * count + 2)


def inverse_real_fft(plan: Plan, spectrum: Array) -> Array:
    """Spectrum [..., 2 * points + 2] -> samples [..., 2 * points].

    In fixed point the result is scaled down as the forward one is; in float32 it is multiplied by
    the number of samples.
    """
    n, count = plan.numbers, plan.points
    freq_re, freq_im = spectrum[..., 0::2], spectrum[..., 1::2]
    re = np.empty((*spectrum.shape[:-1], count), n.dtype)
    im = np.empty_like(re)
    ends = freq_re[..., 0] + freq_re[..., count], freq_re[..., 0] - freq_re[..., count]
    re[..., 0], im[..., 0] = n.over(ends, 2)
    k = np.arange(1, count // 2 + 1)
    low = n.over((freq_re[..., k], freq_im[..., k]), 2)
    high = n.over((freq_re[..., count - k], -freq_im[..., count - k]), 2)
    even = low[0] + high[0], low[1] + high[1]
    odd = n.times((low[0] - high[0], low[1] - high[1]), plan.super_twiddles)
    re[..., k], im[..., k] = even[0] + odd[0], even[1] + odd[1]
    re[..., count - k], im[..., count - k] = even[0] - odd[0], -(even[1] - odd[1])
    out = np.empty((*spectrum.shape[:-1], 2 * count), n.dtype)
    out[..., 0::2], out[..., 1::2] = _fft(plan, (re, im), plan.radices, 1)
    return out


def _negative(x: Array, wide: npt.DTypeLike) -> Array:
    return -x.astype(wide)


def _radices(points: int) -> tuple[int, ...]:
    """4s, then 2s, then odd factors, which a prime above the root ends."""
    found, p, left = [], 4, points
    root = math.floor(math.sqrt(points))
    while True:
        while left % p:
            p = {4: 2, 2: 3}.get(p, p + 2)
            if p > root:
                p = left
        left //= p
        found.append(p)
        if left <= 1:
            return tuple(found)


def _fft(plan: Plan, x: Complex, radices: tuple[int, ...], stride: int) -> Complex:
    """[..., m * p]: p transforms of every p-th element, then one stage of radix p joins them."""
    p, rest = radices[0], radices[1:]
    m = x[0].shape[-1] // p
    shape = (*x[0].shape[:-1], m, p)
    parts = x[0].reshape(shape).swapaxes(-1, -2), x[1].reshape(shape).swapaxes(-1, -2)
    if m > 1:
        parts = _fft(plan, parts, rest, stride * p)
    parts = plan.numbers.over(parts, p)
    rows = [(parts[0][..., q, :], parts[1][..., q, :]) for q in range(p)]
    joined = _STAGES[p](plan, rows, m, stride)
    out = np.stack([row[0] for row in joined], -2), np.stack([row[1] for row in joined], -2)
    return out[0].reshape(x[0].shape), out[1].reshape(x[0].shape)


def _turned(plan: Plan, row: Complex, q: int, stride: int) -> Complex:
    """Row q times its twiddle factors."""
    index = np.arange(row[0].shape[-1]) * stride * q
    return plan.numbers.times(row, (plan.twiddles[0][index], plan.twiddles[1][index]))


def _sum(a: Complex, b: Complex) -> Complex:
    return a[0] + b[0], a[1] + b[1]


def _difference(a: Complex, b: Complex) -> Complex:
    return a[0] - b[0], a[1] - b[1]


def _radix_2(plan: Plan, rows: list[Complex], m: int, stride: int) -> list[Complex]:
    turned = _turned(plan, rows[1], 1, stride)
    return [_sum(rows[0], turned), _difference(rows[0], turned)]


def _radix_4(plan: Plan, rows: list[Complex], m: int, stride: int) -> list[Complex]:
    one, two, three = (_turned(plan, rows[q], q, stride) for q in (1, 2, 3))
    even, odd = _difference(rows[0], two), _difference(one, three)
    total, ends = _sum(rows[0], two), _sum(one, three)
    minus_i = even[0] + odd[1], even[1] - odd[0]
    plus_i = even[0] - odd[1], even[1] + odd[0]
    first, last = (plus_i, minus_i) if plan.inverse else (minus_i, plus_i)
    return [_sum(total, ends), first, _difference(total, ends), last]


def _radix_3(plan: Plan, rows: list[Complex], m: int, stride: int) -> list[Complex]:
    n = plan.numbers
    one, two = (_turned(plan, rows[q], q, stride) for q in (1, 2))
    total, apart = _sum(one, two), _difference(one, two)
    sine = plan.twiddles[1][stride * m]
    middle = rows[0][0] - n.halved(total[0]), rows[0][1] - n.halved(total[1])
    side = n.product(apart[0], sine), n.product(apart[1], sine)
    second = middle[0] - side[1], middle[1] + side[0]
    third = middle[0] + side[1], middle[1] - side[0]
    return [_sum(rows[0], total), second, third]


def _radix_5(plan: Plan, rows: list[Complex], m: int, stride: int) -> list[Complex]:
    times: Callable[[Array, Array], Array] = plan.numbers.product
    (first_r, second_r), (first_i, second_i) = (
        (part[stride * m], part[2 * stride * m]) for part in plan.twiddles
    )
    start = rows[0]
    one, two, three, four = (_turned(plan, rows[q], q, stride) for q in (1, 2, 3, 4))
    outer, outer_apart = _sum(one, four), _difference(one, four)
    inner, inner_apart = _sum(two, three), _difference(two, three)
    a = tuple(start[i] + times(outer[i], first_r) + times(inner[i], second_r) for i in (0, 1))
    b = tuple(start[i] + times(outer[i], second_r) + times(inner[i], first_r) for i in (0, 1))
    turn_a = (
        times(outer_apart[1], first_i) + times(inner_apart[1], second_i),
        -times(outer_apart[0], first_i) - times(inner_apart[0], second_i),
    )
    turn_b = (
        -times(outer_apart[1], second_i) + times(inner_apart[1], first_i),
        times(outer_apart[0], second_i) - times(inner_apart[0], first_i),
    )
    sums = (a[0], a[1]), (b[0], b[1])
    return [
        (start[0] + (outer[0] + inner[0]), start[1] + (outer[1] + inner[1])),
        _difference(sums[0], turn_a),
        _sum(sums[1], turn_b),
        _difference(sums[1], turn_b),
        _sum(sums[0], turn_a),
    ]


_STAGES = {2: _radix_2, 3: _radix_3, 4: _radix_4, 5: _radix_5}

"""Spec loops of KISS FFT's fixed-point real FFTs over plain Python ints."""

from __future__ import annotations

from math import cos, floor, pi, sin

Complex = tuple[int, int]


class FixedFft:
    """FFTs of `length` real samples, in integers of `bits` bits (16 or 32)."""

    def __init__(self, length: int, bits: int, inverse: bool) -> None:
        self.bits, self.points, self.inverse = bits, length // 2, inverse
        sign = 1 if inverse else -1
        n = self.points
        self.twiddles = [self.factor(sign * (2 * pi * k / n)) for k in range(n)]
        self.halves = [self.factor(sign * (pi * ((k + 1) / n + 0.5))) for k in range(n // 2)]

    def factor(self, phase: float) -> Complex:
        largest = 2 ** (self.bits - 1) - 1
        return floor(0.5 + largest * cos(phase)), floor(0.5 + largest * sin(phase))

    def wrap(self, x: int) -> int:
        half = 2 ** (self.bits - 1)
        return (x + half) % (2 * half) - half

    def rounded(self, product: int) -> int:
        return self.wrap((product + 2 ** (self.bits - 2)) >> (self.bits - 1))

    def mul(self, a: Complex, b: Complex) -> Complex:
        return self.rounded(a[0] * b[0] - a[1] * b[1]), self.rounded(a[0] * b[1] + a[1] * b[0])

    def over(self, a: Complex, divisor: int) -> Complex:
        reciprocal = (2 ** (self.bits - 1) - 1) // divisor
        return self.rounded(a[0] * reciprocal), self.rounded(a[1] * reciprocal)

    def add(self, a: Complex, b: Complex, sign: int = 1) -> Complex:
        return self.wrap(a[0] + sign * b[0]), self.wrap(a[1] + sign * b[1])

    def half(self, x: int) -> int:
        """Of a sum, which C holds in 32 bits."""
        return self.wrap(((x + 2**31) % 2**32 - 2**31) >> 1)

    def complex_fft(self, x: list[Complex], stride: int = 1) -> list[Complex]:
        n = len(x)
        if n == 1:
            return x
        p = next(p for p in (4, 2, 3, 5) if n % p == 0)
        m = n // p
        parts = [self.complex_fft(x[q::p], stride * p) for q in range(p)]
        out: list[Complex] = [(0, 0)] * n
        for u in range(m):
            row = [self.over(part[u], p) for part in parts]
            row = [row[0]] + [self.mul(row[q], self.twiddles[u * q * stride]) for q in range(1, p)]
            for q, value in enumerate(self.butterfly(row, m * stride)):
                out[u + q * m] = value
        return out

    def butterfly(self, row: list[Complex], turn: int) -> list[Complex]:
        add = self.add
        if len(row) == 2:
            return [add(row[0], row[1]), add(row[0], row[1], -1)]
        if len(row) == 3:
            total, apart = add(row[1], row[2]), add(row[1], row[2], -1)
            sine = self.twiddles[turn][1]
            middle = add(row[0], (total[0] >> 1, total[1] >> 1), -1)
            side = self.rounded(apart[0] * sine), self.rounded(apart[1] * sine)
            return [
                add(row[0], total),
                add(middle, (-side[1], side[0])),
                add(middle, (side[1], -side[0])),
            ]
        if len(row) == 4:
            even, odd = add(row[0], row[2], -1), add(row[1], row[3], -1)
            total, ends = add(row[0], row[2]), add(row[1], row[3])
            turned = (-odd[1], odd[0]) if self.inverse else (odd[1], -odd[0])
            return [
                add(total, ends),
                add(even, turned),
                add(total, ends, -1),
                add(even, turned, -1),
            ]
        return self.butterfly_5(row, self.twiddles[turn], self.twiddles[2 * turn])

    def butterfly_5(self, row: list[Complex], a: Complex, b: Complex) -> list[Complex]:
        add, times = self.add, lambda x, f: (self.rounded(x[0] * f), self.rounded(x[1] * f))
        outer, outer_apart = add(row[1], row[4]), add(row[1], row[4], -1)
        inner, inner_apart = add(row[2], row[3]), add(row[2], row[3], -1)
        first = add(row[0], add(times(outer, a[0]), times(inner, b[0])))
        second = add(row[0], add(times(outer, b[0]), times(inner, a[0])))
        # both parts turned by -90 degrees
        x = add(times(outer_apart, a[1]), times(inner_apart, b[1]))
        y = add(times(outer_apart, b[1]), times(inner_apart, a[1]), -1)
        x, y = (x[1], -x[0]), (-y[1], y[0])
        return [
            add(row[0], add(outer, inner)),
            add(first, x, -1),
            add(second, y),
            add(second, y, -1),
            add(first, x),
        ]

    def forward(self, samples: list[int]) -> list[int]:
        n, half = self.points, self.half
        x = self.complex_fft(list(zip(samples[0::2], samples[1::2], strict=True)))
        re, im = self.over(x[0], 2)
        out: list[Complex] = [(0, 0)] * (n + 1)
        out[0], out[n] = (self.wrap(re + im), 0), (self.wrap(re - im), 0)
        for k in range(1, n // 2 + 1):
            low = self.over(x[k], 2)
            high = self.over((x[n - k][0], self.wrap(-x[n - k][1])), 2)
            f1, f2 = self.add(low, high), self.add(low, high, -1)
            tw = self.mul(f2, self.halves[k - 1])
            out[k] = half(f1[0] + tw[0]), half(f1[1] + tw[1])
            out[n - k] = half(f1[0] - tw[0]), half(tw[1] - f1[1])
        return [part for value in out for part in value]

    def backward(self, spectrum: list[int]) -> list[int]:
        n = self.points
        f = list(zip(spectrum[0::2], spectrum[1::2], strict=True))
        x: list[Complex] = [(0, 0)] * n
        x[0] = self.over((self.wrap(f[0][0] + f[n][0]), self.wrap(f[0][0] - f[n][0])), 2)
        for k in range(1, n // 2 + 1):
            low = self.over(f[k], 2)
            high = self.over((f[n - k][0], self.wrap(-f[n - k][1])), 2)
            even, odd = self.add(low, high), self.add(low, high, -1)
            odd = self.mul(odd, self.halves[k - 1])
            x[k] = self.add(even, odd)
            re, im = self.add(even, odd, -1)
            x[n - k] = re, self.wrap(-im)
        return [part for value in self.complex_fft(x) for part in value]

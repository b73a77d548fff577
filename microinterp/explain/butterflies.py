"""What KISS FFT computes of one element, on plain ints: butterflies, and the pass for real samples.

The formulas are those of quant/kiss_fft.py. Complex numbers are pairs; each row of a butterfly is
an input and its twiddle factor.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

Complex = tuple[int, int]


@dataclass(frozen=True)
class Fixed:
    """An FFT's arithmetic: `bits` fractional bits of a twiddle factor in an int of bits + 1."""

    bits: int

    def wrapped(self, x: int, bits: int = 0) -> int:
        """x as a C integer."""
        half = 1 << (bits or self.bits + 1) - 1
        return (x + half) % (2 * half) - half

    def rounded(self, product: int) -> int:
        """A product or a sum of products as a number again."""
        return self.wrapped((product + (1 << self.bits - 1)) >> self.bits)

    def times(self, a: Complex, b: Complex) -> Complex:
        """a * b, one rounding for each part."""
        return self.rounded(a[0] * b[0] - a[1] * b[1]), self.rounded(a[0] * b[1] + a[1] * b[0])

    def over(self, a: Complex, divisor: int) -> Complex:
        """a / divisor, by a rounded reciprocal."""
        reciprocal = ((1 << self.bits) - 1) // divisor
        return self.rounded(a[0] * reciprocal), self.rounded(a[1] * reciprocal)

    def plus(self, a: Complex, b: Complex) -> Complex:
        """a + b."""
        return self.wrapped(a[0] + b[0]), self.wrapped(a[1] + b[1])

    def minus(self, a: Complex, b: Complex) -> Complex:
        """a - b."""
        return self.wrapped(a[0] - b[0]), self.wrapped(a[1] - b[1])

    def half(self, a: int, b: int) -> int:
        """(a + b) / 2 rounded down; the sum has 32 bits."""
        return self.wrapped(self.wrapped(a + b, 32) >> 1)


def butterfly(
    fixed: Fixed,
    inputs: Sequence[Complex],
    turns: Sequence[Complex],
    output: int,
    inverse: bool,
    fixed_turns: Sequence[Complex],
) -> Complex:
    """Output number `output` of a butterfly.

    Args:
        inputs: one for each point; each is divided by their number first.
        turns: twiddle factor of each; the first one is not used.
        fixed_turns: those between the outputs, of radix 3 (one) and 5 (two).
    """
    radix = len(inputs)
    first, *others = (fixed.over(x, radix) for x in inputs)
    rows = [first, *(fixed.times(x, turn) for x, turn in zip(others, turns[1:], strict=True))]
    if radix == 2:
        return fixed.minus(*rows) if output else fixed.plus(*rows)
    if radix == 4:
        return _four(fixed, rows, output, inverse)
    if radix == 3:
        return _three(fixed, rows, output, fixed_turns[0])
    return _five(fixed, rows, output, fixed_turns)


def _four(f: Fixed, rows: Sequence[Complex], output: int, inverse: bool) -> Complex:
    ends = f.plus(rows[1], rows[3])
    if output % 2 == 0:
        total = f.plus(rows[0], rows[2])
        return f.minus(total, ends) if output else f.plus(total, ends)
    even, odd = f.minus(rows[0], rows[2]), f.minus(rows[1], rows[3])
    turned = (odd[1], f.wrapped(-odd[0]))  # -i * odd
    return f.plus(even, turned) if (output == 1) != inverse else f.minus(even, turned)


def _three(f: Fixed, rows: Sequence[Complex], output: int, turn: Complex) -> Complex:
    total, apart = f.plus(rows[1], rows[2]), f.minus(rows[1], rows[2])
    if output == 0:
        return f.plus(rows[0], total)
    middle = f.minus(rows[0], (total[0] >> 1, total[1] >> 1))
    re, im = (f.rounded(part * turn[1]) for part in apart)
    return f.plus(middle, (-im, re)) if output == 1 else f.minus(middle, (-im, re))


def _five(f: Fixed, rows: Sequence[Complex], output: int, turns: Sequence[Complex]) -> Complex:
    outer, outer_apart = f.plus(rows[1], rows[4]), f.minus(rows[1], rows[4])
    inner, inner_apart = f.plus(rows[2], rows[3]), f.minus(rows[2], rows[3])
    if output == 0:
        return f.plus(rows[0], f.plus(outer, inner))
    is_outer = output in (1, 4)
    a, b = turns if is_outer else (turns[1], turns[0])
    middle = [
        f.wrapped(start + f.rounded(x * a[0]) + f.rounded(y * b[0]))
        for start, x, y in zip(rows[0], outer, inner, strict=True)
    ]
    sign = 1 if is_outer else -1
    sides = [
        f.wrapped(f.rounded(x * a[1]) + sign * f.rounded(y * b[1]))
        for x, y in zip(outer_apart, inner_apart, strict=True)
    ]
    turned = (sides[1], f.wrapped(-sides[0]))  # -i * sides
    centre = (middle[0], middle[1])
    return f.minus(centre, turned) if output in (1, 2) else f.plus(centre, turned)


def real_bin(
    f: Fixed, low: Complex, high: Complex, turn: Complex, mirrored: bool, inverse: bool
) -> Complex:
    """A bin of the pass between the spectrum of real samples and that of pairs of them.

    Args:
        low, high: bins k and points - k, k up to half of the points.
        turn: the pass' twiddle factor of k.
        mirrored: bin points - k is wanted, and not k.
        inverse: from the samples' spectrum to that of the pairs.
    """
    low, high = f.over(low, 2), f.over((high[0], f.wrapped(-high[1])), 2)
    even, odd = f.plus(low, high), f.times(f.minus(low, high), turn)
    if not inverse:
        if mirrored:
            return f.half(even[0], -odd[0]), f.half(odd[1], -even[1])
        return f.half(even[0], odd[0]), f.half(even[1], odd[1])
    if mirrored:
        less = f.minus(even, odd)
        return less[0], f.wrapped(-less[1])
    return f.plus(even, odd)

"""KISS FFT's butterflies written anew, with tables of signs, for the evaluator."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

Pair = tuple[int, int]


def fit(x: int, bits: int) -> int:
    """The low bits of x as a signed number."""
    low = x % 2**bits
    return low - 2**bits if low >= 2 ** (bits - 1) else low


class Arithmetic:
    """Numbers of `width` bits, products of which lose all but one of them."""

    def __init__(self, bits: int) -> None:
        self.bits, self.width = bits, bits + 1

    def cut(self, x: int) -> int:
        return fit(math.floor(Fraction(x, 2**self.bits) + Fraction(1, 2)), self.width)

    def turned(self, a: Pair, b: Pair) -> Pair:
        return self.cut(a[0] * b[0] - a[1] * b[1]), self.cut(a[0] * b[1] + a[1] * b[0])

    def part(self, a: Pair, count: int) -> Pair:
        """A count-th of it."""
        unit = (2**self.bits - 1) // count
        return self.cut(a[0] * unit), self.cut(a[1] * unit)

    def total(self, *terms: tuple[int, Pair]) -> Pair:
        """The sum of factor * number, wrapped once: a sum that wraps in between is the same."""
        return (
            fit(sum(f * x[0] for f, x in terms), self.width),
            fit(sum(f * x[1] for f, x in terms), self.width),
        )


def by_minus_i(a: Pair) -> Pair:
    return a[1], -a[0]


def butterfly(step: dict[str, Any]) -> int:
    o = step["operands"]
    n, output = Arithmetic(o["bits"]), o["output"]
    rows = [term["numbers"] for term in step["terms"]]
    assert [term["result"] for term in step["terms"]] == [row[o["part"]] for row in rows]
    points = [n.part((row[0], row[1]), len(rows)) for row in rows]
    points = [points[0]] + [
        n.turned(point, (row[2], row[3])) for point, row in zip(points[1:], rows[1:], strict=True)
    ]
    return JOINED[len(rows)](n, points, output, o)[o["part"]]


def two(n: Arithmetic, x: list[Pair], output: int, o: dict[str, int]) -> Pair:
    return n.total((1, x[0]), ((-1) ** output, x[1]))


def four(n: Arithmetic, x: list[Pair], output: int, o: dict[str, int]) -> Pair:
    """x0 + w x1 + w^2 x2 + w^3 x3, w a power of -i (of i in an inverse transform)."""
    quarter = output if not o["inverse"] else -output % 4
    terms = []
    for number, point in enumerate(x):
        for _ in range(quarter * number % 4):
            point = by_minus_i(point)
        terms.append((1, point))
    return n.total(*terms)


def three(n: Arithmetic, x: list[Pair], output: int, o: dict[str, int]) -> Pair:
    if output == 0:
        return n.total(*((1, point) for point in x))
    both, apart = n.total((1, x[1]), (1, x[2])), n.total((1, x[1]), (-1, x[2]))
    side = n.cut(apart[0] * o["im 1"]), n.cut(apart[1] * o["im 1"])
    half = math.floor(Fraction(both[0], 2)), math.floor(Fraction(both[1], 2))
    sign = 1 if output == 1 else -1
    return n.total((1, x[0]), (-1, half), (-sign, by_minus_i(side)))


def five(n: Arithmetic, x: list[Pair], output: int, o: dict[str, int]) -> Pair:
    if output == 0:
        return n.total(*((1, point) for point in x))
    terms = [(1, x[0])]
    for number in (1, 2):
        both = n.total((1, x[number]), (1, x[5 - number]))
        apart = n.total((1, x[number]), (-1, x[5 - number]))
        # the power of the fifth root of one: 1 or 2, or one of their opposites
        power = output * number % 5
        which, sign = (power, 1) if power in (1, 2) else (5 - power, -1)
        re, im = o[f"re {which}"], o[f"im {which}"]
        terms.append((1, (n.cut(both[0] * re), n.cut(both[1] * re))))
        side = n.cut(apart[0] * im), n.cut(apart[1] * im)
        terms.append((-sign, by_minus_i(side)))
    return n.total(*terms)


JOINED = {2: two, 3: three, 4: four, 5: five}


def real_bin(step: dict[str, Any]) -> int:
    o = step["operands"]
    n = Arithmetic(o["bits"])
    low, high = (term["numbers"] for term in step["terms"])
    assert [term["result"] for term in step["terms"]] == [low[o["part"]], high[o["part"]]]
    high = high[0], fit(-high[1], n.width)
    halves = n.part((low[0], low[1]), 2), n.part(high, 2)
    even = n.total((1, halves[0]), (1, halves[1]))
    odd = n.total((1, halves[0]), (-1, halves[1]))
    odd = n.turned(odd, (o["turn_re"], o["turn_im"]))
    sign = -1 if o["mirrored"] else 1
    sums = even[0] + sign * odd[0], sign * even[1] + odd[1]  # mirrored: conjugated
    if o["inverse"]:
        return fit(sums[o["part"]], n.width)
    return fit(math.floor(Fraction(fit(sums[o["part"]], 32), 2)), n.width)


WITH_STEP = {"butterfly": butterfly, "real_bin": real_bin}

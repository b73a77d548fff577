"""FULLY_CONNECTED as naive loops over flat Python lists, written from TFLite's definition."""

from __future__ import annotations

from collections.abc import Sequence

from tests.spec_ops.conv import Number, Term


def products(x: Sequence[Number], w: Sequence[Number], depth: int, term: Term) -> list[Number]:
    """Sums before the bias: each row of x with each row of the filter, both of `depth`."""
    sums = []
    for start in range(0, len(x), depth):
        for row in range(0, len(w), depth):
            total: Number = 0
            for d in range(depth):
                total = term(total, x[start + d], w[row + d])
            sums.append(total)
    return sums

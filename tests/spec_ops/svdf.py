"""SVDF as naive loops over flat Python lists, written from what TFLite says of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from microinterp.quant import fixedpoint_ref as fixed
from tests.spec_ops.scales import factor, single

Number = int | float


@dataclass
class Svdf:
    """A layer with its memory: for each batch and filter the last responses, the newest last.

    Attributes:
        sizes: batches, inputs, units, rank, memory.
        feature, time, bias: contents, flat.
    """

    sizes: tuple[int, int, int, int, int]
    feature: Sequence[Number]
    time: Sequence[Number]
    bias: Sequence[Number]
    state: list[list[Number]] = field(default_factory=list)

    def response(self, x: Sequence[Number]) -> Number:
        raise NotImplementedError

    def total(self, unit: int, terms: list[list[Number]]) -> Number:
        raise NotImplementedError

    def invoke(self, x: Sequence[Number]) -> list[Number]:
        batches, inputs, units, rank, memory = self.sizes
        filters = units * rank
        out = []
        for b in range(batches):
            row = x[b * inputs : (b + 1) * inputs]
            for f in range(filters):
                weights = self.feature[f * inputs : (f + 1) * inputs]
                past = self.state[b * filters + f]
                past[:] = [*past[1:], self.response([*zip(row, weights, strict=True)])]
            for u in range(units):
                terms = []
                for f in range(u * rank, (u + 1) * rank):
                    weights = self.time[f * memory : (f + 1) * memory]
                    terms.append([*zip(self.state[b * filters + f], weights, strict=True)])
                out.append(self.total(u, terms))
        return out


@dataclass
class IntegerSvdf(Svdf):
    """int8, the state int8 or int16 of `state_bits`.

    Attributes:
        zero_points: of input, state and output.
        factors: real ones, to the state and to the output.
    """

    zero_points: tuple[int, int, int] = (0, 0, 0)
    factors: tuple[float, float] = (1.0, 1.0)
    state_bits: int = 8

    def response(self, pairs):
        total = sum((x - self.zero_points[0]) * w for x, w in pairs)
        scaled = fixed.multiply_double(total, *factor(self.factors[0]))
        half = 1 << (self.state_bits - 1)
        moved = fixed.clamp(scaled, -half, half - 1) + self.zero_points[1]
        return (moved + half) % (2 * half) - half

    def total(self, unit, terms):
        products = [(s - self.zero_points[1]) * w for pairs in terms for s, w in pairs]
        total = fixed.wrap32(sum(products) + self.bias[unit])
        scaled = fixed.multiply_double(total, *factor(self.factors[1]))
        return fixed.clamp(scaled + self.zero_points[2], -128, 127)


@dataclass
class FloatSvdf(Svdf):
    """float32: each product and each sum is rounded."""

    activation: str = "NONE"

    def response(self, pairs):
        return _dot(pairs)

    def total(self, unit, terms):
        total = self.bias[unit]
        for pairs in terms:
            total = single(total + _dot(pairs))
        return _activated(total, self.activation)


def _dot(pairs: Sequence[tuple[float, float]]) -> float:
    total = 0.0
    for a, b in pairs:
        total = single(total + single(a * b))
    return total


def _activated(x: float, activation: str) -> float:
    if activation == "SIGN_BIT":
        return float(math.copysign(1, x) < 0)
    low, high = {"RELU": (0, math.inf), "RELU6": (0, 6), "RELU_N1_TO_1": (-1, 1)}.get(
        activation, (-math.inf, math.inf)
    )
    return max(low, min(x, high))

"""Requantisation of sums in double precision, and the check that it gives the integers' outputs.

    one rounding:  out = clamp(floor(sum * scale + offset))
    two roundings: out = clamp(floor(rint(sum * scale + offset) * second + base))

with one scale, offset and second for each channel. Every step never falls as the sum grows, so the
check at both sides of each threshold (proof.py) proves all sums at once. One rounding is enough
where all outputs in reach lie on one side of zero, as behind a ReLU: the double rounding of the
integers then only moves every threshold by the same half unit of the first rounding.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Any

import numpy as np
import numpy.typing as npt

from microinterp.fast_path import Call, Workspace, assign
from microinterp.kernels.fast.proof import THRESHOLDS, Sums
from microinterp.kernels.filters import Quant
from microinterp.quant.fixedpoint import INT32_MAX, Int64Array, multiply_double

Doubles = npt.NDArray[np.float64]

_LINE, _ONE_LINE = 4096, 8192
"""Elements of a line of repeated channel constants: so many make a pass's overhead small, and
layers up to the second size have only one."""
_BLOCK = 32
"""Channels that are checked at once: their arrays stay in the caches."""
_TIE = 2.0**-32
"""Half the grid of products with a 31-bit multiplier: what is added or left out to break ties."""
_AWAY = 1 + 2.0**-30
"""Moves halves away from zero before the second rounding; no other value reaches that far."""


@dataclass(frozen=True)
class Rescale:
    """Folded constants of one layer's requantisation.

    The outputs are computed raised by a multiple of 256, so that they are positive and floor is
    the conversion to an integer; the last conversion, to 8 bits, drops it again.

    Attributes:
        scale, offset: [channels].
        second: [channels], None where one rounding is enough.
        base: added after `second`.
        raised: what the outputs are computed too high.
        low, high: clamp limits, raised; None where no output can pass them.
        whole: integer type that holds every raised output.
    """

    scale: Doubles
    offset: Doubles
    second: Doubles | None
    base: float
    raised: int
    low: int | None
    high: int | None
    whole: type[np.signedinteger[Any]]

    def rounded(
        self, sums: npt.NDArray[Any], real: Doubles, whole: npt.NDArray[Any], repeats: int = 1
    ) -> list[Call]:
        """The calls from sums [..., repeats * channels] to raised outputs before the clamp."""
        scale, offset = np.tile(self.scale, repeats), np.tile(self.offset, repeats)
        calls: list[Call] = [
            assign(real, sums),  # a multiplication of mixed types would convert more slowly
            partial(np.multiply, real, scale, real),
            partial(np.add, real, offset, real),
        ]
        if self.second is not None:
            calls += [
                partial(np.rint, real, real),
                partial(np.multiply, real, np.tile(self.second, repeats), real),
                partial(np.add, real, np.full(real.shape[-1], self.base), real),
            ]
        return [*calls, assign(whole, real)]

    def bind(
        self, sums: npt.NDArray[Any], out: npt.NDArray[np.int8], workspace: Workspace
    ) -> list[Call]:
        """The calls from sums [rows, channels], which stay as they are, to out [rows, channels]."""
        rows, channels = sums.shape
        repeats = _repeats(rows, channels)
        line = repeats * channels
        shape = (line,) if repeats == rows else (rows // repeats, line)  # one axis is quickest
        real = workspace.array("real", shape, np.float64)
        whole = workspace.array("whole", shape, self.whole)
        calls = self.rounded(sums.reshape(shape), real, whole, repeats)
        for limit, ufunc in ((self.low, np.maximum), (self.high, np.minimum)):
            if limit is not None:
                calls.append(partial(ufunc, whole, np.full(line, limit, self.whole), out=whole))
        return [*calls, assign(out.reshape(shape), whole)]

    def of(self, channels: slice) -> Rescale:
        """The constants of some channels."""
        second = None if self.second is None else self.second[channels]
        return replace(
            self, scale=self.scale[channels], offset=self.offset[channels], second=second
        )

    def repeated(self, channels: int) -> Rescale:
        """The same constants, of one channel, for many."""
        scale, offset = (np.repeat(a, channels) for a in (self.scale, self.offset))
        return replace(self, scale=scale, offset=offset)

    @property
    def how(self) -> str:
        """For `inspect`."""
        return "one rounding" if self.second is None else "two roundings"


@dataclass(frozen=True)
class Staircase:
    """Where a layer's outputs step.

    Attributes:
        levels: outputs above the least one [levels, 1].
        steps: the least sum that reaches each level [levels, channels].
        sums: the sums that can occur.
    """

    levels: Int64Array
    steps: Int64Array
    sums: Sums

    def wrong(self, rescale: Rescale) -> npt.NDArray[np.bool_]:
        """The channels in which `rescale` has another value at some step or before it."""
        wrong = np.zeros(self.steps.shape[1], bool)
        raised = (self.levels + rescale.raised).astype(rescale.whole)
        for some in _blocks(len(wrong)):
            steps, form = self.steps[:, some], rescale.of(some)
            low, high = self.sums.low[some], self.sums.high[some]
            real, whole = np.empty(steps.shape), np.empty(steps.shape, form.whole)
            for at in (steps, steps - 1):
                within = np.minimum(np.maximum(at, low), high)
                for call in form.rounded(within, real, whole):
                    call()
                wrong[some] |= ((whole >= raised) != (within >= steps)).any(axis=0)
        return wrong


def prove(quant: Quant, sums: Sums, bias: Int64Array) -> Rescale | str:
    """The cheapest form that is proved for a layer, or why there is none.

    Args:
        quant: of the plain kernel, with int32 sums and int8 outputs.
        sums: of raw inputs and weights, without the bias.
        bias: what the plain kernel adds to them [channels]: the bias less input zero point * sum
            of weights.
    """
    return _proved(_Layer(quant, sums, bias))


class _Layer:
    """All that a proof depends on, compared by content: a model loaded again is proved already."""

    def __init__(self, quant: Quant, sums: Sums, bias: Int64Array) -> None:
        self.quant, self.sums, self.bias = quant, sums, bias
        arrays = quant.multiplier, quant.shift, sums.low, sums.high, bias
        limits = quant.output_zero_point, quant.low, quant.high
        self._content = quant.requantise, limits, *(array.tobytes() for array in arrays)

    def __hash__(self) -> int:
        return hash(self._content)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Layer) and other._content == self._content


@lru_cache(maxsize=256)
def _proved(layer: _Layer) -> Rescale | str:
    quant, sums, bias = layer.quant, layer.sums, layer.bias
    if quant.requantise not in THRESHOLDS:
        return f"its rounding ({quant.requantise.__name__}) has no fast form"
    reach = np.maximum(np.abs(sums.high + bias), np.abs(sums.low + bias))
    if (reach << np.maximum(quant.shift, 0)).max(initial=0) > INT32_MAX:
        return "sums with their bias, shifted to the left, may overflow int32"
    levels = np.arange(quant.low + 1, quant.high + 1, dtype=np.int64)[:, None]
    thresholds = THRESHOLDS[quant.requantise]
    steps = np.empty((len(levels), len(bias)), np.int64)
    for some in _blocks(len(bias)):
        scaling = quant.multiplier[some], quant.shift[some]
        steps[:, some] = thresholds(*scaling, levels - quant.output_zero_point) - bias[some]
    staircase = Staircase(levels, steps, sums)
    form = _one_rounding(quant, staircase, bias) or _two_roundings(quant, staircase, bias)
    return form or "floats would round some output differently"


def prove_mean(count: int, low: int, high: int, sums: Sums) -> Rescale | str:
    """The same for the mean of `count` int8 values, rounded to nearest, halves away from zero.

    trunc((sum +- count // 2) / count) reaches level k > 0 at k * count - count // 2, and k <= 0 one
    above (k - 1) * count + count // 2. Source: AveragePool in TFLM's
    kernels/internal/reference/integer_ops/pooling.h.
    """
    levels = np.arange(low + 1, high + 1, dtype=np.int64)[:, None]
    half = count // 2
    steps = np.where(levels > 0, levels * count - half, (levels - 1) * count + half + 1)
    staircase = Staircase(levels, steps, sums)
    scale = np.array([_AWAY / count])
    form = _raised(scale, np.zeros(1), None, 0, (low, high), sums)
    if form is None or staircase.wrong(form).any():
        return "floats would round some mean differently"
    return form


def _one_rounding(quant: Quant, staircase: Staircase, bias: Int64Array) -> Rescale | None:
    """Two roundings move thresholds by half a unit of the first: outputs above 0 step earlier."""
    scale = np.ldexp(quant.multiplier.astype(np.float64), quant.shift.astype(np.int32) - 31)
    unit = np.ldexp(1.0, np.minimum(quant.shift, 0).astype(np.int32))
    rounds_twice = quant.requantise is multiply_double
    half = np.where(rounds_twice & (quant.shift < 0), 0.5, 0.0)
    middle = bias * scale + quant.output_zero_point
    limits = quant.low, quant.high
    above, below = (middle + (side * half + _TIE) * unit for side in (1, -1))
    form = _raised(scale, above, None, 0, limits, staircase.sums)
    if form is None:
        return None
    wrong = staircase.wrong(form)
    if not wrong.any():
        return form
    form = _raised(scale, np.where(wrong, below, above), None, 0, limits, staircase.sums)
    return None if form is None or staircase.wrong(form).any() else form


def _two_roundings(quant: Quant, staircase: Staircase, bias: Int64Array) -> Rescale | None:
    left, right = np.maximum(quant.shift, 0), np.maximum(-quant.shift, 0)
    scale = np.ldexp(quant.multiplier.astype(np.float64), left.astype(np.int32) - 31)
    second: Doubles = np.ldexp(np.float64(_AWAY), -right.astype(np.int32))
    limits = quant.low, quant.high
    offset = bias * scale + np.float64(_TIE)
    form = _raised(scale, offset, second, quant.output_zero_point, limits, staircase.sums)
    return None if form is None or staircase.wrong(form).any() else form


def _raised(
    scale: Doubles,
    offset: Doubles,
    second: Doubles | None,
    base: float,
    limits: tuple[int, int],
    sums: Sums,
) -> Rescale | None:
    """The form with its outputs raised above 0; None if no integer type is wide enough."""
    ends = np.stack((sums.low * scale + offset, sums.high * scale + offset))
    if second is not None:
        ends = ends * second + base
    # Channels that are clamped whatever comes, dead ones mostly, must not widen the range.
    for limit, clamped in zip(
        limits, (ends[1] < limits[0] - 1, ends[0] > limits[1] + 1), strict=True
    ):
        scale, offset = np.where(clamped, 0, scale), np.where(clamped, limit - base, offset)
        second = None if second is None else np.where(clamped, 1, second)
        ends = np.where(clamped, limit, ends)
    lowest, highest = np.floor(ends.min()) - 1, np.ceil(ends.max()) + 1
    if not -(2**30) < lowest <= highest < 2**30:
        return None
    raised = 256 * max(0, math.ceil(-lowest / 256))
    most = raised + max(int(highest), limits[1])
    return Rescale(
        scale=scale,
        offset=offset if second is not None else offset + (raised + 0.5),
        second=second,
        base=base + raised + 0.5,
        raised=raised,
        low=limits[0] + raised if lowest < limits[0] else None,
        high=limits[1] + raised if highest > limits[1] else None,
        whole=np.int16 if most < 2**15 else np.int32,
    )


def _blocks(channels: int) -> Iterator[slice]:
    for start in range(0, channels, _BLOCK):
        yield slice(start, start + _BLOCK)


def _repeats(rows: int, channels: int) -> int:
    """How many rows share a line of repeated constants; it divides the rows."""
    if rows * channels <= _ONE_LINE:
        return rows
    most = min(rows, max(1, _LINE // channels))
    return next(repeats for repeats in range(most, 0, -1) if rows % repeats == 0)

"""An LSTM as naive loops over flat Python lists, from its equations and TFLM's integer scheme."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from microinterp.quant import fixedpoint_ref as fixed
from tests.spec_ops.activations import logistic16, tanh16, tanh_of_scaled
from tests.spec_ops.scales import LIMITS, factor

Rows = list[list[float]]
STEP = 2.0**-12


@dataclass(frozen=True)
class Gate:
    """Filters [states][inputs] and [states][states], bias [states].

    Attributes:
        x_steps, h_steps: scale and zero point of both filters.
    """

    wx: Rows
    wh: Rows
    bias: list[float]
    x_steps: tuple[float, int]
    h_steps: tuple[float, int]


@dataclass
class Lstm:
    """One batch's LSTM; gates are input, forget, cell, output. h and c are its states.

    Attributes:
        has_tanh: the cell's gate goes through tanh.
        clip: of the cell, 0 for none.
    """

    gates: Sequence[Gate]
    h: list[float]
    c: list[float]
    has_tanh: bool
    clip: float

    def step(self, x: Sequence[float]) -> list[float]:
        """One time step in real numbers."""
        enter, forget, new, leave = ([] for _ in range(4))
        for gate, values, name in zip(
            self.gates, (enter, forget, new, leave), ("i", "f", "c", "o"), strict=True
        ):
            for wx, wh, bias in zip(gate.wx, gate.wh, gate.bias, strict=True):
                total = _dot(x, wx) + bias + _dot(self.h, wh)
                if name == "c":
                    values.append(math.tanh(total) if self.has_tanh else total)
                else:
                    values.append(1 / (1 + math.exp(-total)))
        for s in range(len(self.c)):
            self.c[s] = forget[s] * self.c[s] + enter[s] * new[s]
            if self.clip > 0:
                self.c[s] = min(max(self.c[s], -self.clip), self.clip)
        self.h = [math.tanh(c) * o for c, o in zip(self.c, leave, strict=True)]
        return self.h


@dataclass
class IntegerLstm(Lstm):
    """The same on integers.

    Attributes:
        x: scale, zero point of the input; hidden: the same of h; cell_scale: of c.
        dtype: of x and h.
    """

    x: tuple[float, int] = (1.0, 0)
    hidden: tuple[float, int] = (1.0, 0)
    cell_scale: float = 1.0
    dtype: str = "int8"

    def step(self, x: Sequence[float]) -> list[float]:
        enter, forget, new, leave = (
            self._gate(gate, x, tanh16 if self.has_tanh else _same)
            if i == 2
            else self._gate(gate, x, logistic16)
            for i, gate in enumerate(self.gates)
        )
        power = round(math.log2(self.cell_scale)) + 12
        for s, old in enumerate(self.c):
            kept = _scaled(forget[s] * old, 2.0**-15, "int16")
            added = _scaled(enter[s] * new[s], 2.0**-30 / self.cell_scale, "int16")
            c = fixed.clamp(kept + added, *LIMITS["int16"])
            if self.clip > 0:
                limit = int(min(self.clip / self.cell_scale, 32767))
                c = fixed.clamp(c, -limit, limit)
            self.c[s] = c
            scaled = c * 3 << power if power >= 0 else (c * 3 + (1 << -power - 1)) >> -power
            shown = tanh_of_scaled(scaled) * leave[s]
            scale, zero = self.hidden
            self.h[s] = _scaled(shown, 2.0**-30 / scale, self.dtype, zero)
        return list(self.h)

    def _gate(self, gate: Gate, x: Sequence[int], activation: Callable) -> list[int]:
        hidden, out = list(self.h), []
        for wx, wh, bias in zip(gate.wx, gate.wh, gate.bias, strict=True):
            of_x = self._product(x, wx, bias, self.x, gate.x_steps)
            of_h = self._product(hidden, wh, 0, self.hidden, gate.h_steps)
            out.append(activation(fixed.clamp(of_x + of_h, *LIMITS["int16"]), STEP))
        return out

    def _product(self, row, weights, bias, x_steps, w_steps) -> int:
        (scale, zero), (w_scale, w_zero) = x_steps, w_steps
        total = sum((x - zero) * (w - w_zero) for x, w in zip(row, weights, strict=True)) + bias
        real = scale * w_scale / STEP
        if self.dtype == "int8":
            return _scaled(fixed.wrap32(total), real, "int16")
        return fixed.clamp(fixed.multiply_int64(total, *factor(real)), *LIMITS["int16"])


def _same(x: int, scale: float) -> int:
    return x


def _dot(row: Sequence[float], weights: Sequence[float]) -> float:
    return sum(x * w for x, w in zip(row, weights, strict=True))


def _scaled(x: int, real: float, dtype: str, zero: int = 0) -> int:
    return fixed.clamp(fixed.multiply_double(x, *factor(real)) + zero, *LIMITS[dtype])

"""What the gates of an integer LSTM compute; the operator is in lstm.py."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from microinterp.kernels.scaling import Scaling, requantised
from microinterp.quant.fixedpoint import Requantise

Array = npt.NDArray[Any]
Function = Callable[[Array], Array]
GATE_SCALE = 2.0**-12
"""Steps of a gate before its activation; after it they are 2^-15."""
_INT16 = np.iinfo(np.int16)


def weights(
    inputs: tuple[Array | None, ...], tensors: tuple[int, int, int]
) -> tuple[Array, Array, Array]:
    """Wx, Wh and b of a gate; `tensors` are their numbers."""
    wx, wh, bias = (inputs[i] for i in tensors)
    assert wx is not None
    assert wh is not None
    assert bias is not None
    return wx, wh, bias


def int16_scaling(requantise: Requantise, multiplier: int, shift: int) -> Scaling:
    """To steps of int16 around 0."""
    return Scaling(requantise, multiplier, shift, 0, int(_INT16.min), int(_INT16.max))


@dataclass(frozen=True)
class Product:
    """Rows times the rows of a filter, in steps of GATE_SCALE."""

    zero_point: int
    filter_zero_point: int
    accumulator: type[np.signedinteger[Any]]
    scaling: Scaling

    def __call__(self, x: Array, w: Array, bias: Array | int = 0) -> Array:
        """x [batches, n], w [states, n], bias [states] -> [batches, states]."""
        dtype = self.accumulator
        rows = x.astype(dtype) - dtype(self.zero_point)
        sums = rows @ (w.astype(dtype) - dtype(self.filter_zero_point)).T + bias
        return requantised(sums, self.scaling, np.int32)


@dataclass(frozen=True)
class Gate:
    """One gate of an integer LSTM; `tensors` are the numbers of Wx, Wh and b."""

    tensors: tuple[int, int, int]
    of_input: Product
    of_state: Product
    activation: Function

    def __call__(self, inputs: tuple[Array | None, ...], x: Array, hidden: Array | None) -> Array:
        """Values [batches, states] in steps of 2^-15; hidden None adds nothing."""
        wx, wh, bias = weights(inputs, self.tensors)
        total = self.of_input(x, wx, bias)
        if hidden is not None:
            total = total + self.of_state(hidden, wh)
        return self.activation(np.clip(total, _INT16.min, _INT16.max)).astype(np.int32)

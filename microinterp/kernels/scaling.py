"""How whole numbers become output steps: the tail that most integer kernels share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from microinterp.quant.fixedpoint import Requantise


@dataclass(frozen=True)
class Scaling:
    """The parameters of `requantised`.

    Attributes:
        requantise: rounding function.
        multiplier, shift: from the numbers' steps to the output's.
        output_zero_point: added after that.
        low, high: clamp limits.
    """

    requantise: Requantise
    multiplier: int
    shift: int
    output_zero_point: int
    low: int
    high: int


@dataclass(frozen=True)
class UnaryScaling(Scaling):
    """Folded parameters of an op that requantises what it makes of (x - input_zero_point)."""

    input_zero_point: int


def requantised(
    accumulator: npt.NDArray[Any], params: Any, dtype: npt.DTypeLike
) -> npt.NDArray[Any]:
    """requantise(accumulator) + output zero point, clamped.

    Args:
        params: a Scaling, or what has its attributes.
    """
    scaled = params.requantise(accumulator, params.multiplier, params.shift)
    shifted = (scaled + params.output_zero_point).astype(np.int32)  # wraps, as C's int32 does
    result: npt.NDArray[Any] = np.clip(shifted, params.low, params.high).astype(dtype)
    return result

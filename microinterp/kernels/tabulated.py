"""int8 functions of one element as tables of all 256 outputs, which prepare fills."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from microinterp.prepare import Arrays


@dataclass(frozen=True)
class Table:
    """Outputs for each input, by the input's bits as uint8: for 0 to 127, then -128 to -1."""

    outputs: npt.NDArray[np.int8]


def evaluate_table(p: Table, arrays: Arrays) -> None:
    """int8 x -> int8 out."""
    (x,), (out,) = arrays.inputs, arrays.outputs
    assert x is not None
    out[...] = p.outputs[x.view(np.uint8)]


def table_of(outputs: npt.NDArray[Any]) -> Table:
    """Whole numbers [256], the outputs for -128 to 127, clamped to int8."""
    return Table(np.roll(np.clip(outputs, -128, 127), -128).astype(np.int8))

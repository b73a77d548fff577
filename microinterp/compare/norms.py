"""How far two arrays are apart, in the figures that ST Edge AI Core's `validate` prints.

Real values are compared: quantised ones are dequantised first. Definitions: ST Edge AI Core,
"Evaluation report and metrics".
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Norms:
    """Of the error e = other - reference over all elements and samples.

    Attributes:
        rmse: square root of the mean of e * e.
        mae: mean of |e|.
        l2r: length of e over the length of the reference; None if that is 0.
        mean, std: of e.
        nse: Nash-Sutcliffe efficiency, 1 - sum(e * e) / sum((reference - its mean)^2); None
            where the reference is constant.
        cos: cosine of the angle between both; None if one of them is 0.
        acc: share of samples with the highest score in the same class; None for no classifier.
    """

    rmse: float
    mae: float
    l2r: float | None
    mean: float
    std: float
    nse: float | None
    cos: float | None
    acc: float | None = None


def norms(reference: Array, other: Array, classes: bool = False) -> Norms:
    """The figures of two arrays [n, *shape] of real values.

    Args:
        reference: what the other is measured by.
        other: of the same shape.
        classes: the elements of a sample are scores of classes.
    """
    a, b = (x.reshape(len(x), -1).astype(np.float64) for x in (reference, other))
    with np.errstate(all="ignore"):
        e = b - a
        squares, energy = float((e * e).sum()), float((a * a).sum())
        spread = float(((a - a.mean()) ** 2).sum()) if a.size else 0.0
        both = math.sqrt(energy * float((b * b).sum()))
        agree = float((a.argmax(axis=1) == b.argmax(axis=1)).mean()) if classes else None
        return Norms(
            rmse=math.sqrt(squares / max(1, e.size)),
            mae=float(np.abs(e).mean()) if e.size else 0.0,
            l2r=math.sqrt(squares / energy) if energy else None,
            mean=float(e.mean()) if e.size else 0.0,
            std=float(e.std()) if e.size else 0.0,
            nse=1 - squares / spread if spread else None,
            cos=float((a * b).sum()) / both if both else None,
            acc=agree,
        )

"""Random models of RELU, LOGISTIC, SOFTMAX, QUANTIZE, MUL and their kin."""

from __future__ import annotations

import numpy as np

from tests.differential.case import Case
from tests.ops.activation_models import MODELS
from tests.ops.elementwise import Array, Shape, any_values, drawn_by, random_values


def quantisable(rng: np.random.Generator, shape: Shape, dtype: str) -> Array:
    """Floats whose quotient by any scale here fits int32; C leaves the others undefined."""
    values = random_values(rng, shape, dtype)
    if dtype != "float32":
        return values
    return np.clip(np.nan_to_num(values, nan=0.5), -1e4, 1e4).astype(np.float32)


CASES = tuple(
    Case(
        op,
        types,
        models.map(lambda model: model.data),
        draw=drawn_by(quantisable) if op == "QUANTIZE" else any_values,
    )
    for (op, types), models in MODELS.items()
)

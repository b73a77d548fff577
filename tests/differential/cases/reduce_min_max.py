"""Random REDUCE_MAX, REDUCE_MIN and REDUCE_ALL models."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce

import numpy as np
from hypothesis import strategies as st

from microinterp.graph import Graph, Tensor
from tests.differential.case import Case
from tests.differential.cases.reduce import axis_lists
from tests.differential.draws import Array, rough_samples, with_numbers
from tests.ops.movement import Input, op_model, quantization
from tests.ops.strategies import shapes
from tests.ops.values import ValueCase
from tests.spec_ops import reduce as spec

LARGEST = float(np.finfo(np.float32).max)
START = {
    ("REDUCE_MAX", "float32"): -LARGEST,
    ("REDUCE_MAX", "int8"): -128,
    ("REDUCE_MIN", "float32"): LARGEST,
    ("REDUCE_MIN", "int8"): 127,
    ("REDUCE_ALL", "bool"): True,
}
STEP: dict[str, Callable[[float, float], float]] = {
    "REDUCE_MAX": lambda best, x: x if x > best else best,
    "REDUCE_MIN": lambda best, x: x if x < best else best,
    "REDUCE_ALL": lambda best, x: best and x,
}


@st.composite
def reductions(draw: st.DrawFn, op: str, dtype: str) -> ValueCase:
    """Any rank up to 8."""
    shape = draw(shapes(0, draw(st.sampled_from((3, 5, 8)))))
    if len(shape) > 5:
        shape = tuple(min(side, 2) for side in shape)
    axis, keep_dims = draw(axis_lists(len(shape), 6)), draw(st.booleans())
    axes = axis.values.reshape(-1).tolist()
    quant = draw(quantization(dtype))
    data = op_model(
        op,
        [Input(shape, dtype, *quant), axis],
        [Input(spec.reduced_shape(shape, axes, keep_dims), dtype, *quant)],
        keep_dims=keep_dims,
    )
    groups, start = spec.groups(shape, axes), START[op, dtype]
    return ValueCase(
        data,
        lambda inputs: [reduce(STEP[op], (inputs[0][i] for i in group), start) for group in groups],
    )


def mostly_true(rng: np.random.Generator, graph: Graph, tensor: Tensor) -> Array:
    """So that a conjunction of many is not always false."""
    return rng.random(tensor.shape) > 0.6 / max(1, graph.main.inputs[0].elements) ** 0.5


DRAWS = {"float32": rough_samples, "int8": rough_samples, "bool": with_numbers(mostly_true)}
CASES = tuple(
    Case(op, types, reductions(op, types).map(lambda c: c.data), draw=DRAWS[types], samples=5)
    for op, types in START
)

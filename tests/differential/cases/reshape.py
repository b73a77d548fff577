"""Random RESHAPE, SQUEEZE and EXPAND_DIMS models."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
from hypothesis import strategies as st

from tests.differential.case import Case as Row
from tests.ops.movement import (
    Case,
    Constant,
    Input,
    numbers,
    op_model,
    quantization,
)
from tests.ops.strategies import shapes
from tests.spec_ops import movement as spec

ANY = ("float32", "int8", "int16", "int32", "int64", "uint8", "uint32", "bool", "float64")
EXPANDED = ("float32", "int8", "int16")


def prime_factors(number: int) -> list[int]:
    return next(
        ([p, *prime_factors(number // p)] for p in range(2, number + 1) if number % p == 0), []
    )


@st.composite
def reshapes(draw: st.DrawFn, dtypes: Sequence[str] = ANY) -> Case:
    """RESHAPE to a random factorisation of the elements, with a shape input or without."""
    dtype, shape = draw(st.sampled_from(dtypes)), draw(shapes(min_rank=0, max_rank=6, max_side=4))
    factors = draw(st.permutations([*prime_factors(math.prod(shape)), 1]))
    cuts = sorted(draw(st.lists(st.integers(1, len(factors)), max_size=5)))
    ends = [0, *cuts, len(factors)]
    new = tuple(math.prod(factors[a:b]) for a, b in itertools.pairwise(ends))
    scale, zero_point = draw(quantization(dtype))
    target = draw(st.sampled_from((None, numbers(*new), numbers(*new[:-1], -1))))
    data = op_model(
        "RESHAPE",
        [Input(shape, dtype, scale, zero_point), *([target] if target else [])],
        [Input(new, dtype, scale, zero_point)],
        new_shape=list(new),
    )
    return Case(data, lambda inputs: inputs)


@st.composite
def squeezes(draw: st.DrawFn, dtypes: Sequence[str] = ANY) -> Case:
    """SQUEEZE of some dimensions of size 1, named from either end, or of all."""
    dtype = draw(st.sampled_from(dtypes))
    shape = tuple(draw(st.lists(st.sampled_from((1, 1, 2, 3, 4)), min_size=1, max_size=6)))
    ones = [axis for axis, size in enumerate(shape) if size == 1]
    some = draw(st.lists(st.sampled_from(ones), max_size=4)) if ones else []
    dims = [axis - len(shape) if draw(st.booleans()) else axis for axis in some]
    scale, zero_point = draw(quantization(dtype))
    data = op_model(
        "SQUEEZE",
        [Input(shape, dtype, scale, zero_point)],
        [Input(spec.squeezed_shape(shape, dims), dtype, scale, zero_point)],
        squeeze_dims=dims,
    )
    return Case(data, lambda inputs: inputs)


@st.composite
def expansions(draw: st.DrawFn, dtypes: Sequence[str] = EXPANDED) -> Case:
    """EXPAND_DIMS at any axis, counted from either end."""
    dtype, shape = draw(st.sampled_from(dtypes)), draw(shapes(min_rank=0, max_rank=5))
    axis = draw(st.integers(-len(shape) - 1, len(shape)))
    scale, zero_point = draw(quantization(dtype))
    data = op_model(
        "EXPAND_DIMS",
        [
            Input(shape, dtype, scale, zero_point),
            draw(st.sampled_from((numbers(axis), scalar(axis)))),
        ],
        [Input(spec.expanded_shape(shape, axis), dtype, scale, zero_point)],
    )
    return Case(data, lambda inputs: inputs)


def scalar(value: int) -> Constant:
    return Constant(np.int32(value))


CASES = (
    Row("RESHAPE", "any", reshapes().map(lambda c: c.data)),
    Row("SQUEEZE", "any", squeezes().map(lambda c: c.data)),
    *(Row("EXPAND_DIMS", types, expansions((types,)).map(lambda c: c.data)) for types in EXPANDED),
)

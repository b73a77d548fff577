"""Element-wise operators against their specification, element by element in plain Python."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.ops.elementwise import (
    Array,
    Elementwise,
    Shape,
    inputs_of,
    random_values,
    require_rows,
    require_spec,
    run_model,
)
from tests.ops.elementwise_models import CASTABLE, COMPARISONS, FILLS, MODELS
from tests.ops.strategies import seeds
from tests.ops.values import Number, ulps_between
from tests.spec_ops import elementwise as spec
from tests.spec_ops.arithmetic import INT32_LIMITS
from tests.spec_ops.scales import FLOAT_MAX, float_limits, single

Element = Callable[..., Number]
EXAMPLES = 30


def quants(model: Elementwise) -> list[spec.Quant]:
    return [kind.quantised for kind in model.kinds]


def _abs(m: Elementwise) -> Element:
    dtype = m.kinds[0].dtype
    if m.kinds[0].scale is None:
        return lambda x: (abs(x) + 2**15) % 2**16 - 2**15
    x, out = quants(m)
    return lambda value: spec.absolute(value, x, out, dtype)


def _rsqrt(m: Elementwise) -> Element:
    x, out = quants(m)
    return lambda value: spec.rsqrt(max(value, x[1]), x, out, m.kinds[0].dtype)


def _leaky(m: Elementwise) -> Element:
    x, out = quants(m)
    alpha = single(m.options["alpha"])
    return lambda value: spec.leaky_relu(value, x, out, alpha, m.kinds[0].dtype)


def _of_unary(function: Callable[[int, spec.Quant, spec.Quant], int], m: Elementwise) -> Element:
    x, out = quants(m)
    return lambda value: function(value, x, out)


def _squared(m: Elementwise) -> Element:
    if m.kinds[0].scale is not None:
        return lambda a, b: spec.squared_difference(a, b, quants(m), m.kinds[0].dtype)
    return lambda a, b: ((a - b) ** 2 + 2**31) % 2**32 - 2**31


def _divide(m: Elementwise) -> Element:
    activation = m.options["fused_activation_function"]
    if m.kinds[0].scale is not None:
        return lambda a, b: spec.divide(a, b, quants(m), activation)
    low, high = INT32_LIMITS.get(activation, (-(2**31), 2**31 - 1))
    return lambda a, b: max(low, min(high, spec.truncated_quotient(a, b)))


def _prelu(m: Elementwise) -> Element:
    return lambda x, alpha: spec.prelu(x, alpha, quants(m), m.kinds[0].dtype)


def _add_n(m: Elementwise) -> Element:
    x, *_, out = quants(m)
    return lambda *terms: spec.add_n(terms, x, out)


COMPARE = {
    "EQUAL": operator.eq,
    "NOT_EQUAL": operator.ne,
    "GREATER": operator.gt,
    "GREATER_EQUAL": operator.ge,
    "LESS": operator.lt,
    "LESS_EQUAL": operator.le,
}


def _compare(m: Elementwise) -> Element:
    compare = COMPARE[m.op]
    if m.kinds[0].dtype != "int8":
        return compare
    a, b = m.kinds[0].quantised, m.kinds[1].quantised
    return lambda x, y: compare(spec.comparable(x, a), spec.comparable(y, b))


def _float_divide(m: Elementwise) -> Element:
    low, high = float_limits(m.options["fused_activation_function"])

    def element(a: float, b: float) -> float:
        if math.isnan(a) or math.isnan(b):
            return math.nan
        with np.errstate(all="ignore"):
            quotient = float(np.float32(a) / np.float32(b))
        return quotient if math.isnan(quotient) else min(max(quotient, low), high)

    return element


def _float_floor_div(m: Elementwise) -> Element:
    def element(a: float, b: float) -> float:
        quotient = a / b if b else math.nan
        if not math.isfinite(quotient):
            return quotient
        return single(math.copysign(math.floor(quotient), quotient))

    return element


def plain(element: Element) -> Callable[[Elementwise], Element]:
    return lambda _: element


INTEGER: dict[tuple[str, str], Callable[[Elementwise], Element]] = {
    ("ABS", "int8"): _abs,
    ("ABS", "int16"): _abs,
    ("ELU", "int8"): partial(_of_unary, spec.elu),
    ("HARD_SWISH", "int8"): partial(_of_unary, spec.hard_swish),
    ("LEAKY_RELU", "int8"): _leaky,
    ("LEAKY_RELU", "int16"): _leaky,
    ("PRELU", "int8"): _prelu,
    ("PRELU", "int16 x int8"): _prelu,
    ("SQUARED_DIFFERENCE", "int8"): _squared,
    ("SQUARED_DIFFERENCE", "int16"): _squared,
    ("SQUARED_DIFFERENCE", "int32"): _squared,
    ("DIV", "int8"): _divide,
    ("DIV", "int32"): _divide,
    ("ADD_N", "int8"): _add_n,
    ("LOGICAL_NOT", "bool"): plain(operator.not_),
    ("LOGICAL_AND", "bool"): plain(operator.and_),
    ("LOGICAL_OR", "bool"): plain(operator.or_),
    **{(op, types): _compare for op, types in MODELS if op in COMPARISONS},
    **{("MAXIMUM", t): plain(max) for t in ("int8", "int16", "int32", "int64")},
    **{("MINIMUM", t): plain(min) for t in ("int8", "int16", "int32", "int64")},
    **{
        ("SELECT_V2", t): plain(lambda c, x, y: x if c else y) for t in ("int8", "int16", "float32")
    },
}


@pytest.mark.parametrize(("op", "types"), INTEGER)
def test_exact_operators(op: str, types: str) -> None:
    @settings(max_examples=EXAMPLES)
    @given(model=MODELS[op, types], seed=seeds())
    def check(model: Elementwise, seed: int) -> None:
        fill = FILLS.get(op, random_values)
        require_spec(model, fill, seed, INTEGER[op, types](model))

    check()


@given(source=st.sampled_from(CASTABLE), target=st.sampled_from(CASTABLE), data=st.data())
def test_cast(source: str, target: str, data: st.DataObject) -> None:
    model = data.draw(MODELS["CAST", f"{source} -> {target}"])
    fill = FILLS["CAST"]
    require_spec(model, fill, data.draw(seeds()), lambda x: spec.cast(x, source, target))


@pytest.mark.parametrize("types", ["int8", "int16"])
def test_rsqrt(types: str) -> None:
    @settings(max_examples=EXAMPLES)
    @given(model=MODELS["RSQRT", types], seed=seeds())
    def check(model: Elementwise, seed: int) -> None:
        zero = model.kinds[0].zero_point or 0

        def from_zero_point(rng: np.random.Generator, shape: Shape, dtype: str) -> Array:
            return np.maximum(random_values(rng, shape, dtype), zero)

        require_spec(model, from_zero_point, seed, _rsqrt(model))

    check()


@settings(max_examples=EXAMPLES)
@given(model=MODELS["LOG_SOFTMAX", "int8"], seed=seeds())
def test_log_softmax(model: Elementwise, seed: int) -> None:
    scale = model.kinds[0].quantised[0]
    require_rows(model, random_values, seed, lambda row: spec.log_softmax(row, scale))


@settings(max_examples=EXAMPLES)
@given(model=MODELS["L2_NORMALIZATION", "int8"], seed=seeds())
def test_l2_normalization(model: Elementwise, seed: int) -> None:
    zero = model.kinds[0].zero_point or 0
    require_rows(model, random_values, seed, lambda row: spec.l2_normalization(row, zero))


def finite(function: Callable[[float], float]) -> Element:
    return lambda x: function(x) if math.isfinite(x) else x


def _root(x: float) -> float:
    return single(math.sqrt(x)) if x >= 0 else math.nan


def _inverse_root(x: float) -> float:
    root = _root(x)
    if math.isnan(root):
        return math.nan
    return single(1 / root) if root else math.copysign(math.inf, x)


def _hard_swish(x: float) -> float:
    if not math.isfinite(x):
        return x if x > 0 else math.nan
    return single(single(x * min(6.0, max(0.0, single(x + 3)))) / 6)


FLOAT: dict[str, Callable[[Elementwise], Element]] = {
    "ABS": plain(abs),
    "NEG": plain(operator.neg),
    "SQUARE": plain(lambda x: single(x * x)),
    "SQRT": plain(_root),
    "RSQRT": plain(_inverse_root),
    "FLOOR": plain(finite(lambda x: math.copysign(math.floor(x), x))),
    "CEIL": plain(finite(lambda x: math.copysign(math.ceil(x), x))),
    "ROUND": plain(spec.round_half_even),
    "HARD_SWISH": plain(_hard_swish),
    "MAXIMUM": plain(lambda a, b: a if a > b else b),
    "MINIMUM": plain(lambda a, b: a if a < b else b),
    "SQUARED_DIFFERENCE": plain(lambda a, b: single(single(a - b) * single(a - b))),
    "DIV": _float_divide,
    "FLOOR_DIV": _float_floor_div,
    "FLOOR_MOD": plain(spec.floor_mod),
    "LEAKY_RELU": lambda m: lambda x: x if x > 0 else single(x * single(m.options["alpha"])),
    "PRELU": plain(lambda x, alpha: x if x >= 0 else single(x * alpha)),
}


@pytest.mark.parametrize("op", FLOAT)
def test_exact_floats(op: str) -> None:
    @settings(max_examples=EXAMPLES)
    @given(model=MODELS[op, "float32"], seed=seeds())
    def check(model: Elementwise, seed: int) -> None:
        fill = FILLS.get(op, random_values)
        require_spec(model, fill, seed, FLOAT[op](model))

    check()


def _log(x: float) -> float:
    return math.log(x) if x > 0 else -math.inf if x == 0 else math.nan


def _exp(x: float) -> float:
    return math.exp(x) if x < 89 else FLOAT_MAX * 2


def _elu(x: float) -> float:
    return math.expm1(x) if x < 0 else x


LIBM: dict[str, Callable[[Any], float]] = {
    "SIN": math.sin,
    "COS": math.cos,
    "LOG": _log,
    "EXP": _exp,
    "ELU": _elu,
}


@pytest.mark.parametrize("op", LIBM)
def test_functions_of_the_c_library(op: str) -> None:
    """Within one step of float32; what is infinite or NaN is left to the differential tests."""

    @settings(max_examples=EXAMPLES)
    @given(model=MODELS[op, "float32"], seed=seeds())
    def check(model: Elementwise, seed: int) -> None:
        (x,) = inputs_of(model, FILLS.get(op, random_values), seed)
        have = run_model(model, [x]).reshape(-1)
        usual = np.isfinite(x.reshape(-1)) & np.isfinite(have)
        want = np.float32([LIBM[op](value) for value in x.reshape(-1)[usual].tolist()])
        assert ulps_between(have[usual], want).max(initial=0) <= 1

    check()

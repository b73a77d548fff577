"""Random models of every element-wise operator and type: MODELS, and what fills their inputs."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from tests.ops.elementwise import (
    Array,
    Elementwise,
    Fill,
    Kind,
    Shape,
    any_zero,
    elementwise,
    near,
    plain,
    random_values,
)
from tests.ops.strategies import ACTIVATIONS, scales

Kinds = st.SearchStrategy[tuple[Kind, ...]]
FLOAT_UNARY = ("SIN", "COS", "LOG", "EXP", "SQRT", "SQUARE", "NEG", "FLOOR", "CEIL", "ROUND")
COMPARISONS = ("EQUAL", "NOT_EQUAL", "GREATER", "GREATER_EQUAL", "LESS", "LESS_EQUAL")
ORDERED = ("float32", "int8", "int32", "int64")
CASTABLE = ("float32", "int8", "int16", "int32", "uint32", "bool")


def zeros(dtype: str) -> st.SearchStrategy[int]:
    """Zero points: any of int8, 0 for int16."""
    return any_zero(dtype) if dtype == "int8" else st.just(0)


@st.composite
def unary_kinds(
    draw: st.DrawFn, dtype: str, low: float = 0.3, high: float = 3.0
) -> tuple[Kind, ...]:
    """Input and output, whose scale is the input's times low to high."""
    scale = draw(scales(1e-4, 2.0))
    out = draw(near(scale, low, high))
    return Kind(dtype, scale, draw(zeros(dtype))), Kind(dtype, out, draw(zeros(dtype)))


@st.composite
def abs_kinds(draw: st.DrawFn, dtype: str) -> tuple[Kind, ...]:
    """Equal scales are a case of their own, and int16 without any."""
    x, out = draw(unary_kinds(dtype))
    if dtype == "int16" and draw(st.integers(0, 3)) == 0:
        return Kind("int16"), draw(st.sampled_from((Kind("int16"), out)))
    if draw(st.booleans()):
        return x, Kind(dtype, x.scale, out.zero_point)
    return x, out


@st.composite
def rsqrt_kinds(draw: st.DrawFn, dtype: str) -> tuple[Kind, ...]:
    """Outputs spread over the type: the least positive input gives 1 / sqrt(scale)."""
    scale = draw(scales(1e-4, 2.0))
    out = 1 / np.sqrt(scale) / (100 if dtype == "int8" else 3000) * draw(st.floats(0.05, 3.0))
    zero = draw(st.integers(-128, 100)) if dtype == "int8" else 0
    return Kind(dtype, scale, zero), Kind(dtype, float(np.float32(out)), draw(zeros(dtype)))


@st.composite
def elu_kinds(draw: st.DrawFn) -> tuple[Kind, ...]:
    """From inputs around 0 to such whose negatives all are -1."""
    scale = draw(st.one_of(scales(3e-3, 0.1), scales(1e-4, 10.0)))
    out = draw(near(scale, 0.1, 3.0))
    return Kind("int8", scale, draw(zeros("int8"))), Kind("int8", out, draw(zeros("int8")))


@st.composite
def hard_swish_kinds(draw: st.DrawFn) -> tuple[Kind, ...]:
    """Scales of real models, and such of which the ramp's shifts reach both ends."""
    scale = draw(st.one_of(scales(5e-3, 0.2), scales(1e-8, 1e6)))
    least = scale / 128 * 1.001
    out = max(least, scale * draw(st.one_of(st.floats(0.1, 2.0), scales(1e-2, 1e9))))
    zero, out_zero = draw(zeros("int8")), draw(zeros("int8"))
    return Kind("int8", scale, zero), Kind("int8", float(np.float32(out)), out_zero)


@st.composite
def log_softmax_kinds(draw: st.DrawFn) -> tuple[Kind, ...]:
    """From scales where all outputs are equal to such where a step is everything."""
    scale = draw(st.one_of(*(scales(5e-3, 0.2) for _ in range(4)), scales(2e-8, 1e6)))
    return Kind("int8", scale, draw(zeros("int8"))), Kind("int8", 1 / 16, 127)


@st.composite
def l2_kinds(draw: st.DrawFn) -> tuple[Kind, ...]:
    """Only the input's zero point counts, and none at all is 0."""
    if draw(st.integers(0, 4)) == 0:
        return Kind("int8"), Kind("int8")
    return Kind("int8", draw(scales()), draw(zeros("int8"))), Kind("int8", 1 / 128, 0)


@st.composite
def binary_kinds(draw: st.DrawFn, dtype: str, result: str) -> tuple[Kind, ...]:
    """Two operands and an output at the scale of their difference squared, or quotient."""
    a, b = draw(scales(1e-3, 1.0)), draw(scales(1e-3, 1.0))
    steps = 400 if dtype == "int8" else 32767
    spread = {"square": max(a, b) ** 2 * steps, "quotient": a / b / 10}[result]
    out = draw(near(spread, 0.1, 3.0))
    return (
        Kind(dtype, a, draw(zeros(dtype))),
        Kind(dtype, b, draw(zeros(dtype))),
        Kind(dtype, out, draw(zeros(dtype))),
    )


@st.composite
def comparison_kinds(draw: st.DrawFn) -> tuple[Kind, ...]:
    """Scales equal or near each other, so that both results appear; all below 1."""
    a = draw(scales(1e-4, 0.4))
    b = draw(st.one_of(st.just(a), st.just(a), near(a, 0.5, 2.0).filter(lambda s: s < 1)))
    zero = draw(zeros("int8"))
    other = zero if a == b else draw(zeros("int8"))
    return Kind("int8", a, zero), Kind("int8", b, other), Kind("bool")


@st.composite
def unscaled_kinds(draw: st.DrawFn, dtype: str, count: int) -> tuple[Kind, ...]:
    """Quantisation that the op does not look at, or none."""
    if draw(st.booleans()) or dtype not in ("int8", "int16"):
        return (Kind(dtype),) * count
    return tuple(Kind(dtype, draw(scales()), draw(zeros(dtype))) for _ in range(count))


@st.composite
def select_kinds(draw: st.DrawFn, dtype: str) -> tuple[Kind, ...]:
    return Kind("bool"), *draw(unscaled_kinds(dtype, 3))


@st.composite
def add_n_kinds(draw: st.DrawFn, dtype: str) -> tuple[Kind, ...]:
    """Two to six equal inputs."""
    count = draw(st.integers(2, 6))
    if dtype == "float32":
        return (Kind(dtype),) * (count + 1)
    x = Kind(dtype, draw(scales(1e-3, 1.0)), draw(zeros(dtype)))
    assert x.scale is not None
    out = max(x.scale * 1e-5, draw(near(x.scale, 0.5, count)))
    return (*(x,) * count, Kind(dtype, float(np.float32(out)), draw(zeros(dtype))))


@st.composite
def prelu_kinds(draw: st.DrawFn, dtype: str) -> tuple[Kind, ...]:
    x, out = draw(unary_kinds(dtype))
    alpha = Kind("int8", draw(scales(1e-3, 0.02)), draw(zeros("int8")))
    return x, alpha, out


def not_zero(rng: np.random.Generator, shape: Shape, dtype: str) -> Array:
    """Divisors: of all sizes, never 0; no NaN, which numpy's == would pass anyway."""
    values = random_values(rng, shape, dtype)
    if dtype == "int32":
        values = (values >> rng.integers(0, 31, shape).astype(np.int32)).astype(np.int32)
        values = np.where(values == -(2**31), 7, values)
    divisors: Array = np.where(values == 0, 3, values).astype(dtype)
    return divisors


def few_values(rng: np.random.Generator, shape: Shape, dtype: str) -> Array:
    """Numbers of which many are equal, and some extreme."""
    if dtype == "bool":
        return random_values(rng, shape, dtype)
    if dtype == "float32":
        return rng.choice(np.float32([-1, -0.0, 0, 1, 1.5, np.inf, np.nan]), shape)
    info = np.iinfo(dtype)
    choices = (int(info.min), -1, 0, 1, int(info.max))
    near_zero = rng.choice(np.array(choices, dtype), shape)
    return np.where(rng.random(shape) < 0.85, near_zero, random_values(rng, shape, dtype))


def castable(rng: np.random.Generator, shape: Shape, dtype: str) -> Array:
    """Floats around every integer type's limits; integers that wrap; zeros."""
    values = random_values(rng, shape, dtype)
    if dtype == "float32":
        limits = np.float32([127, 128, 32767.5, -32769, 2**31, 2**32, -129, -1, -0.5])
        values = np.where(rng.random(shape) < 0.4, rng.choice(limits, shape), values)
    return np.where(rng.random(shape) < 0.3, np.zeros((), values.dtype), values)


def positive(rng: np.random.Generator, shape: Shape, dtype: str) -> Array:
    """Arguments of roots and logarithms: seldom negative."""
    values = random_values(rng, shape, dtype)
    result: Array = np.where(rng.random(shape) < 0.8, np.abs(values), values)
    return result


def _models() -> dict[tuple[str, str], st.SearchStrategy[Elementwise]]:
    found: dict[tuple[str, str], st.SearchStrategy[Elementwise]] = {}
    float_ = plain("float32", "float32")
    for op in FLOAT_UNARY:
        found[op, "float32"] = elementwise(op, float_)
    for op in ("ABS", "RSQRT", "ELU", "HARD_SWISH"):
        found[op, "float32"] = elementwise(op, float_)
    for dtype in ("int8", "int16"):
        found["ABS", dtype] = elementwise("ABS", abs_kinds(dtype))
        found["RSQRT", dtype] = elementwise("RSQRT", rsqrt_kinds(dtype))
    found["ELU", "int8"] = elementwise("ELU", elu_kinds())
    found["HARD_SWISH", "int8"] = elementwise("HARD_SWISH", hard_swish_kinds())
    found["LOGICAL_NOT", "bool"] = elementwise("LOGICAL_NOT", plain("bool", "bool"))
    for op in ("LOGICAL_AND", "LOGICAL_OR"):
        found[op, "bool"] = elementwise(op, plain("bool", "bool", "bool"))
    for dtype in ("float32", "int8", "int16"):
        kinds = float_ if dtype == "float32" else unary_kinds(dtype)
        alphas = st.one_of(st.floats(-2, 2, width=32), st.sampled_from((0.0, 1.0, 0.01)))
        found["LEAKY_RELU", dtype] = elementwise("LEAKY_RELU", kinds, options={"alpha": alphas})
    for source in CASTABLE:
        for target in CASTABLE:
            found["CAST", f"{source} -> {target}"] = elementwise("CAST", plain(source, target))
    found["LOG_SOFTMAX", "float32"] = _along_rows("LOG_SOFTMAX", float_, 6)
    found["LOG_SOFTMAX", "int8"] = _along_rows("LOG_SOFTMAX", log_softmax_kinds(), 6)
    found["L2_NORMALIZATION", "float32"] = _along_rows("L2_NORMALIZATION", float_, 4)
    found["L2_NORMALIZATION", "int8"] = _along_rows("L2_NORMALIZATION", l2_kinds(), 4)
    found |= _models_of_two()
    return found


def _along_rows(op: str, kinds: Kinds, max_rank: int) -> st.SearchStrategy[Elementwise]:
    depths = st.one_of(st.integers(2, 12), st.integers(1, 40))
    return elementwise(op, kinds, (1, max_rank), depths=depths)


def _models_of_two() -> dict[tuple[str, str], st.SearchStrategy[Elementwise]]:
    found: dict[tuple[str, str], st.SearchStrategy[Elementwise]] = {}
    activations = {"fused_activation_function": st.sampled_from(ACTIVATIONS)}
    for op in COMPARISONS:
        names = (*ORDERED, "bool") if op in ("EQUAL", "NOT_EQUAL") else ORDERED
        for dtype in names:
            kinds = comparison_kinds() if dtype == "int8" else plain(dtype, dtype, "bool")
            found[op, dtype] = elementwise(op, kinds, fill=few_values)
    for op in ("MAXIMUM", "MINIMUM"):
        for dtype in ("float32", "int8", "int16", "int32", "int64"):
            found[op, dtype] = elementwise(op, unscaled_kinds(dtype, 3))
    for dtype in ("float32", "int32"):
        kinds = plain(dtype, dtype, dtype)
        found["DIV", dtype] = elementwise("DIV", kinds, fill=not_zero, options=activations)
        found["SQUARED_DIFFERENCE", dtype] = elementwise("SQUARED_DIFFERENCE", kinds)
    for dtype in ("int8", "int16"):
        kinds = binary_kinds(dtype, "square")
        found["SQUARED_DIFFERENCE", dtype] = elementwise("SQUARED_DIFFERENCE", kinds)
    quotients = binary_kinds("int8", "quotient")
    found["DIV", "int8"] = elementwise("DIV", quotients, options=activations)
    three = plain("float32", "float32", "float32")
    for op in ("FLOOR_DIV", "FLOOR_MOD"):
        found[op, "float32"] = elementwise(op, three, fill=not_zero)
    for dtype in ("float32", "int8"):
        found["ADD_N", dtype] = elementwise("ADD_N", add_n_kinds(dtype), broadcasts=False)
    for dtype in ("float32", "int8", "int16"):
        found["SELECT_V2", dtype] = elementwise("SELECT_V2", select_kinds(dtype))
    found["PRELU", "float32"] = elementwise("PRELU", three, (0, 4))
    found["PRELU", "int8"] = elementwise("PRELU", prelu_kinds("int8"))
    found["PRELU", "int16 x int8"] = elementwise("PRELU", prelu_kinds("int16"))
    return found


MODELS = _models()
"""Strategies of models by operator and types, as the operator's Op.types has them."""

FILLS: dict[str, Fill] = {
    **dict.fromkeys(COMPARISONS, few_values),
    **dict.fromkeys(("FLOOR_DIV", "FLOOR_MOD", "DIV"), not_zero),
    **dict.fromkeys(("LOG", "SQRT"), positive),
    "CAST": castable,
}
"""What fills the inputs of an operator; random_values for those not here."""

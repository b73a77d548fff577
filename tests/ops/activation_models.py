"""Random models of RELU, LOGISTIC, SOFTMAX, QUANTIZE, MUL and their kin: MODELS."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from tests.ops.elementwise import Elementwise, Kind, any_zero, elementwise, near, plain
from tests.ops.elementwise_models import Kinds, unary_kinds, zeros
from tests.ops.strategies import ACTIVATIONS, scales

QUANTIZE_PAIRS = (
    *(("int32", "int8"), ("int32", "int16"), ("int16", "int8"), ("int16", "int16")),
    *(("int16", "int32"), ("int8", "int8"), ("int8", "uint8"), ("int8", "int16")),
    *(("int8", "int32"), ("uint8", "int8")),
)


@st.composite
def relu6_kinds(draw: st.DrawFn, dtype: str) -> tuple[Kind, ...]:
    """RELU6 looks at the input alone: mostly scales that have 6 within the type."""
    scale = draw(st.one_of(scales(0.01, 0.1) if dtype == "int8" else scales(1e-4, 1e-3), scales()))
    zero = draw(zeros("int8") if dtype == "int8" else st.integers(-9000, 9000))
    out = draw(st.one_of(st.just(scale), scales()))
    return Kind(dtype, scale, zero), Kind(dtype, out, zero)


@st.composite
def sigmoid_kinds(draw: st.DrawFn, op: str, dtype: str) -> tuple[Kind, ...]:
    """Mostly such that the curve is seen; for int16 powers of two and others."""
    if dtype == "int8":
        scale = draw(st.one_of(*(scales(5e-3, 0.5) for _ in range(3)), scales(2e-8, 1e9)))
        out = (1 / 256, -128) if op == "LOGISTIC" else (1 / 128, 0)
        return Kind("int8", scale, draw(zeros("int8"))), Kind("int8", *out)
    scale = draw(st.one_of(scales(1e-5, 1e-2), st.integers(-16, -9).map(lambda e: 2.0**e)))
    return Kind("int16", scale, 0), Kind("int16", 1 / 32768, 0)


@st.composite
def softmax_kinds(draw: st.DrawFn, source: str, target: str) -> tuple[Kind, ...]:
    """From hardly any difference between steps to one step being everything."""
    out = {"int8": (1 / 256, -128), "int16": (1 / 65536, -32768)}[target]
    if source == "int16":
        scale = draw(st.one_of(scales(1e-5, 2e-3), scales(1e-5, 2e-3), scales(1e-7, 1.0)))
        return Kind("int16", scale, 0), Kind("int16", 1 / 32768, 0)
    scale = draw(st.one_of(*(scales(5e-3, 0.2) for _ in range(3)), scales(2e-6, 100.0)))
    return Kind("int8", scale, draw(zeros("int8"))), Kind(target, *out)


@st.composite
def requantise_kinds(draw: st.DrawFn, source: str, target: str) -> tuple[Kind, ...]:
    """Scales mostly such that the ranges match, at times equal."""
    scale = draw(scales(1e-4, 1.0))
    ranges = [float(np.iinfo(dtype).max) - np.iinfo(dtype).min for dtype in (source, target)]
    out = draw(st.one_of(near(scale * ranges[0] / ranges[1], 0.3, 3.0), st.just(scale)))
    out = float(np.float32(max(out, scale / 1e6)))
    return Kind(source, scale, draw(offsets(source))), Kind(target, out, draw(offsets(target)))


def offsets(dtype: str) -> st.SearchStrategy[int]:
    """Any zero point of the type; mostly 0 for the wide ones."""
    if dtype in ("int16", "int32"):
        return st.one_of(st.just(0), any_zero(dtype))
    return any_zero(dtype)


@st.composite
def quantise_kinds(draw: st.DrawFn, target: str) -> tuple[Kind, ...]:
    scale = draw(scales(1e-3, 0.1) if target == "int8" else scales(1e-5, 1e-2))
    return Kind("float32"), Kind(target, scale, draw(offsets(target)))


@st.composite
def dequantise_kinds(draw: st.DrawFn, source: str) -> tuple[Kind, ...]:
    """Scales down to where the results are subnormal."""
    scale = draw(st.one_of(scales(), scales(1e-44, 1e36)))
    return Kind(source, scale, draw(offsets(source))), Kind("float32")


@st.composite
def mul_kinds(draw: st.DrawFn, dtype: str) -> tuple[Kind, ...]:
    """Products over the whole type, and now and then far off."""
    a, b = draw(scales(1e-3, 1.0)), draw(scales(1e-3, 1.0))
    out = draw(near(a * b * (100 if dtype == "int8" else 30000), 0.3, 6.0))
    zero = [draw(zeros(dtype)) for _ in range(3)]
    # below 6 / 2^31 the limit of RELU6 leaves int32, which TFLM refuses
    return Kind(dtype, a, zero[0]), Kind(dtype, b, zero[1]), Kind(dtype, max(out, 3e-9), zero[2])


def _models() -> dict[tuple[str, str], st.SearchStrategy[Elementwise]]:
    found: dict[tuple[str, str], st.SearchStrategy[Elementwise]] = {}
    for dtype in ("float32", "int8", "int16"):
        is_float = dtype == "float32"
        kinds: Kinds = plain(dtype, dtype)
        found["RELU", dtype] = elementwise("RELU", kinds if is_float else unary_kinds(dtype))
        found["RELU6", dtype] = elementwise("RELU6", kinds if is_float else relu6_kinds(dtype))
        for op in ("LOGISTIC", "TANH"):
            found[op, dtype] = elementwise(op, kinds if is_float else sigmoid_kinds(op, dtype))
    betas = {"beta": st.one_of(st.just(1.0), st.floats(0.125, 4.0, width=32))}
    depths = st.one_of(st.integers(2, 12), st.integers(1, 40))
    rows: dict[str, Kinds] = {
        "float32": plain("float32", "float32"),
        "int8": softmax_kinds("int8", "int8"),
        "int8 -> int16": softmax_kinds("int8", "int16"),
        "int16": softmax_kinds("int16", "int16"),
    }
    for types, kinds in rows.items():
        found["SOFTMAX", types] = elementwise(
            "SOFTMAX", kinds, (1, 6), depths=depths, options=betas
        )
    for source, target in QUANTIZE_PAIRS:
        kinds = requantise_kinds(source, target)
        found["QUANTIZE", f"{source} -> {target}"] = elementwise("QUANTIZE", kinds)
    for target in ("int8", "int16"):
        found["QUANTIZE", f"float32 -> {target}"] = elementwise("QUANTIZE", quantise_kinds(target))
    for source in ("int8", "int16", "uint8"):
        kinds = dequantise_kinds(source)
        found["DEQUANTIZE", f"{source} -> float32"] = elementwise("DEQUANTIZE", kinds)
    activations = {"fused_activation_function": st.sampled_from(ACTIVATIONS)}
    for dtype in ("float32", "int32", "int8", "int16"):
        kinds = mul_kinds(dtype) if dtype in ("int8", "int16") else plain(*(dtype,) * 3)
        found["MUL", dtype] = elementwise("MUL", kinds, options=activations)
    return found


MODELS = _models()
"""Strategies of models by operator and types, as the operator's Op.types has them."""

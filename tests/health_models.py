"""Small quantised models in which rules of quantisation health can be broken one at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from microinterp.graph import build
from microinterp.health import Finding, model_findings
from microinterp.inspect_model import inspect_model
from microinterp.model import load
from microinterp.model_builder import ModelBuilder

CHANNELS = 8


def sound_weights(channels: int = CHANNELS, taps: int = 16) -> np.ndarray[Any, Any]:
    """int8 [channels, taps]: each channel uses all codes, one of its weights is 127."""
    rng = np.random.default_rng(3)
    weights = rng.integers(-100, 101, (channels, taps)).astype(np.int8)
    weights[:, 0] = 127
    return weights


def dense(
    weights: np.ndarray[Any, Any] | None = None,
    *,
    w_scale: float | Sequence[float] = 0.01,
    x_scale: float = 0.05,
    out_scale: float = 0.02,
    out_zero_point: int = 0,
    bias: Sequence[int] | None = None,
    bias_scale: float | Sequence[float] | None = None,
    activation: str = "NONE",
    dtype: str = "int8",
    bias_dtype: str = "int32",
) -> bytes:
    """`dtype` [1, taps] -> FULLY_CONNECTED -> [1, channels]; sound unless asked for otherwise."""
    weights = sound_weights() if weights is None else weights
    channels, taps = weights.shape
    b = ModelBuilder()
    g = b.subgraph("main")
    x = g.input("x", (1, taps), dtype, scale=x_scale, zero_point=0)
    w = g.constant("w", weights, scale=w_scale, zero_point=0)
    wanted = (np.float32(x_scale) * np.asarray(w_scale, np.float32)).tolist()
    values = np.array([100] * channels if bias is None else bias, bias_dtype)
    scale = wanted if bias_scale is None else bias_scale
    c = g.constant("bias", values, scale=scale, zero_point=0)
    y = g.tensor("y", (1, channels), dtype, scale=out_scale, zero_point=out_zero_point)
    g.op("FULLY_CONNECTED", [x, w, c], [y], fused_activation_function=activation)
    g.output(y)
    return b.finish()


def depthwise(
    scales: float | Sequence[float], weights: np.ndarray[Any, Any] | None = None
) -> bytes:
    """int8 [1, 6, 6, 4] -> DEPTHWISE_CONV_2D 3x3 -> int8 [1, 4, 4, 4]."""
    b = ModelBuilder()
    g = b.subgraph("main")
    x = g.input("x", (1, 6, 6, 4), "int8", scale=0.05, zero_point=0)
    values = sound_weights(4, 9).T.reshape(1, 3, 3, 4) if weights is None else weights
    w = g.constant("w", values, scale=scales, zero_point=0, axis=3)
    y = g.tensor("y", (1, 4, 4, 4), "int8", scale=0.02, zero_point=0)
    g.op(
        "DEPTHWISE_CONV_2D", [x, w], [y], stride_w=1, stride_h=1, depth_multiplier=1,
        padding="VALID",
    )  # fmt: skip
    g.output(y)
    return b.finish()


def unary(
    name: str, out_scale: float, out_zero_point: int, dtype: str = "int8", scale: float = 0.1
) -> bytes:
    """`dtype` [1, 8] -> the op -> [1, 8]."""
    b = ModelBuilder()
    g = b.subgraph("main")
    x = g.input("x", (1, 8), dtype, scale=scale, zero_point=0)
    y = g.tensor("y", (1, 8), dtype, scale=out_scale, zero_point=out_zero_point)
    options = {"beta": 1.0} if name == "SOFTMAX" else {}
    g.op(name, [x], [y], **options)
    g.output(y)
    return b.finish()


def conversions(*scales: float | None) -> bytes:
    """A chain of QUANTIZE and DEQUANTIZE between int8 tensors of these scales; None is float32."""
    b = ModelBuilder()
    g = b.subgraph("main")
    tensors = []
    for number, scale in enumerate(scales):
        make = g.tensor if number else g.input
        kind = "float32" if scale is None else "int8"
        zero_point = None if scale is None else 0
        tensors.append(make(f"t{number}", (1, 8), kind, scale=scale, zero_point=zero_point))
    for number, after in enumerate(scales[1:]):
        name = "DEQUANTIZE" if after is None else "QUANTIZE"
        g.op(name, [tensors[number]], [tensors[number + 1]])
    g.output(tensors[-1])
    return b.finish()


def found_in(data: bytes) -> tuple[Finding, ...]:
    """What all rules say of a file, as `inspect` tells it."""
    return inspect_model(data).health


def rules_of(data: bytes) -> list[str]:
    """Names of the rules that are broken, in order."""
    return [each.rule for each in found_in(data)]


def only(data: bytes, rule: str) -> Finding:
    """The one finding in a model where just this rule is broken."""
    found = found_in(data)
    assert [each.rule for each in found] == [rule], [str(each) for each in found]
    return found[0]


def unchecked(data: bytes) -> tuple[Finding, ...]:
    """What the rules say of a file that need not run."""
    return model_findings(build(load(data)), ())

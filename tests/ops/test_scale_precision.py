"""Multipliers to the last bit: is a scale folded in float32 or in double, and in which order?

Random single-op models seldom notice: a multiplier wrong by 30 units in its last place changes one
output in 100,000. Here every int16 value goes through each op under many random scales, which
shows such a difference in nearly every case.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from microinterp import Interpreter
from microinterp.model_builder import ModelBuilder
from microinterp.quant import fixedpoint
from microinterp.quant.params import quantize_multiplier
from microinterp.runtimes.tflm import TflmRuntime

ALL_INT16 = np.arange(-(1 << 15), 1 << 15).astype(np.int16)
CASES = 12
Build = Callable[[np.random.Generator], tuple[bytes, list[np.ndarray]]]


def unary(
    name: str, low: float, high: float, out: str = "int16", out_scale: float | None = None
) -> Build:
    """A model of one unary op over every int16 value.

    The output's scale is the input's times a random factor in [low, high], or `out_scale`.
    """

    def build(rng: np.random.Generator) -> tuple[bytes, list[np.ndarray]]:
        scale = rng.uniform(1e-4, 1e-2)
        b = ModelBuilder()
        g = b.subgraph("main")
        x = g.input("x", ALL_INT16.shape, "int16", scale=scale, zero_point=0)
        scale = out_scale or scale * rng.uniform(low, high)
        y = g.tensor("y", ALL_INT16.shape, out, scale=scale, zero_point=0)
        g.op(name, [x], [y])
        g.output(y)
        return b.finish(), [ALL_INT16]

    return build


def binary(name: str) -> Build:
    """Every int16 value against a shuffled copy, under three random scales."""

    def build(rng: np.random.Generator) -> tuple[bytes, list[np.ndarray]]:
        scales = rng.uniform(1e-3, 2e-3, 2)
        b = ModelBuilder()
        g = b.subgraph("main")
        tensors = [
            g.input(n, ALL_INT16.shape, "int16", scale=s, zero_point=0)
            for n, s in zip("ab", scales, strict=True)
        ]
        out_scale = scales[0] * scales[1] * 2**15 if name == "MUL" else scales.sum()
        y = g.tensor("y", ALL_INT16.shape, "int16", scale=out_scale, zero_point=0)
        g.op(name, tensors, [y])
        g.output(y)
        return b.finish(), [ALL_INT16, rng.permutation(ALL_INT16)]

    return build


def reduction(name: str, count: int) -> Build:
    """MEAN or SUM over rows of `count` random int16 values."""

    def build(rng: np.random.Generator) -> tuple[bytes, list[np.ndarray]]:
        scale = rng.uniform(1e-3, 2e-3)
        shape = (1 << 15, count)
        b = ModelBuilder()
        g = b.subgraph("main")
        x = g.input("x", shape, "int16", scale=scale, zero_point=0)
        axis = g.constant("axis", np.array([1], np.int32))
        widening = count if name == "SUM" else 1
        y = g.tensor(
            "y", shape[:1], "int16", scale=scale * widening * rng.uniform(0.7, 1), zero_point=0
        )
        g.op(name, [x, axis], [y], keep_dims=False)
        g.output(y)
        return b.finish(), [rng.integers(-(1 << 15), 1 << 15, shape).astype(np.int16)]

    return build


def filtered(name: str, per_channel: bool, bias_type: type[np.signedinteger]) -> Build:
    """CONV_2D, DEPTHWISE_CONV_2D or FULLY_CONNECTED whose bias sweeps the whole accumulator."""

    def build(rng: np.random.Generator) -> tuple[bytes, list[np.ndarray]]:
        channels = 8192
        x_scale, out_steps = rng.uniform(0.01, 0.5), 30000
        w_scales = rng.uniform(0.001, 0.1, channels if per_channel else 1)
        reach = 1 << 28
        bias = rng.integers(-reach, reach, channels).astype(bias_type)
        axis = 3 if name == "DEPTHWISE_CONV_2D" else 0
        shapes = {
            "CONV_2D": ((1, 1, 1, 1), (channels, 1, 1, 1), (1, 1, 1, channels)),
            "DEPTHWISE_CONV_2D": ((1, 1, 1, 1), (1, 1, 1, channels), (1, 1, 1, channels)),
            "FULLY_CONNECTED": ((1, 1), (channels, 1), (1, channels)),
        }[name]
        options: dict[str, object] = {}
        if name != "FULLY_CONNECTED":
            options = dict.fromkeys(("stride_h", "stride_w"), 1)
        if name == "DEPTHWISE_CONV_2D":
            options["depth_multiplier"] = channels
        b = ModelBuilder()
        g = b.subgraph("main")
        x = g.input("x", shapes[0], "int16", scale=x_scale, zero_point=0)
        w = g.constant(
            "w", np.ones(shapes[1], np.int8), scale=w_scales.tolist(), zero_point=0, axis=axis
        )
        b_scales = (np.float32(x_scale) * w_scales.astype(np.float32)).tolist()
        c = g.constant("b", bias, scale=b_scales, zero_point=0)
        y = g.tensor(
            "y",
            shapes[2],
            "int16",
            scale=x_scale * w_scales.max() * reach / out_steps,
            zero_point=0,
        )
        g.op(name, [x, w, c], [y], **options)
        g.output(y)
        return b.finish(), [rng.integers(-99, 99, shapes[0]).astype(np.int16)]

    return build


BUILDS: dict[str, Build] = {
    "RELU": unary("RELU", 0.5, 2),
    "RELU6": unary("RELU6", 1, 1),
    "QUANTIZE": unary("QUANTIZE", 0.5, 2),
    "QUANTIZE to int32": unary("QUANTIZE", 0.001, 0.01, out="int32"),
    "LOGISTIC": unary("LOGISTIC", 1, 1, out_scale=2.0**-15),
    "TANH": unary("TANH", 1, 1, out_scale=2.0**-15),
    "ADD": binary("ADD"),
    "SUB": binary("SUB"),
    "MUL": binary("MUL"),
    "MEAN of 7": reduction("MEAN", 7),
    "MEAN of 64": reduction("MEAN", 64),
    "SUM of 9": reduction("SUM", 9),
    "FULLY_CONNECTED": filtered("FULLY_CONNECTED", False, np.int32),
    "FULLY_CONNECTED per channel": filtered("FULLY_CONNECTED", True, np.int32),
    "FULLY_CONNECTED int64 bias": filtered("FULLY_CONNECTED", False, np.int64),
    "CONV_2D": filtered("CONV_2D", False, np.int32),
    "CONV_2D per channel": filtered("CONV_2D", True, np.int32),
    "CONV_2D int64 bias": filtered("CONV_2D", True, np.int64),
    "DEPTHWISE_CONV_2D int64 bias": filtered("DEPTHWISE_CONV_2D", True, np.int64),
}


@pytest.mark.parametrize("name", BUILDS)
def test_multipliers_equal_tflm(tflm: TflmRuntime, name: str) -> None:
    rng = np.random.default_rng(len(name))
    for case in range(CASES):
        data, arrays = BUILDS[name](rng)
        ours = Interpreter.from_bytes(data)
        for i, array in enumerate(arrays):
            ours.set_input(array, i)
        ours.invoke()
        have, want = ours.get_output(0), tflm.run(data, [arrays]).outputs[0][0]
        assert np.unique(want).size > 1000 or name in ("RELU6", "LOGISTIC", "TANH"), "weak case"
        assert np.count_nonzero(have != want) == 0, f"case {case}"


def test_the_probe_would_see_a_product_in_float32() -> None:
    """The sweep of `filtered` tells the float32 product of scales from the double one."""
    rng = np.random.default_rng(1)
    told_apart = 0
    for _ in range(CASES):
        x_scale, w_scale = np.float32(rng.uniform(0.01, 0.5)), np.float32(rng.uniform(0.001, 0.1))
        out_scale = float(x_scale) * float(w_scale) * (1 << 28) / 30000
        bias = rng.integers(-(1 << 28), 1 << 28, 8192)
        outputs = []
        for product in (float(x_scale) * float(w_scale), float(x_scale * w_scale)):
            m = quantize_multiplier(product / out_scale)
            outputs.append(fixedpoint.multiply_double(bias, m.multiplier, m.shift))
        told_apart += bool((outputs[0] != outputs[1]).any())
    assert told_apart > CASES // 2

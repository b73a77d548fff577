"""Multipliers of the element-wise operators to the last bit (see test_scale_precision.py).

int16 operators go through every int16 value; int8 ones, whose outputs hide most of a multiplier,
through every value or pair of values under many more random scales.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from microinterp import Interpreter
from microinterp.runtimes.tflm import TflmRuntime
from tests.ops.movement import Input, op_model

Array = npt.NDArray[Any]
Build = Callable[[np.random.Generator], tuple[bytes, list[Array]]]

EVERY_INT16 = np.arange(-(1 << 15), 1 << 15).astype(np.int16)
EVERY_INT8 = np.arange(-128, 128).astype(np.int8)
FIRST, SECOND = (x.reshape(-1) for x in np.meshgrid(EVERY_INT8, EVERY_INT8))


def unary(op: str, x: Array, low: float, high: float, **options: float) -> Build:
    """`op` of every element of x; the output's scale is the input's times low to high."""

    def build(rng: np.random.Generator) -> tuple[bytes, list[Array]]:
        scale = rng.uniform(1e-3, 1e-1)
        out = Input(
            x.shape, str(x.dtype), scale * np.exp(rng.uniform(np.log(low), np.log(high))), 0
        )
        return op_model(op, [Input(x.shape, str(x.dtype), scale, 0)], [out], **options), [x]

    return build


def rsqrt(x: Array, low: float) -> Build:
    """RSQRT of x, the outputs' scale from low to 1 times what the least value needs."""

    def build(rng: np.random.Generator) -> tuple[bytes, list[Array]]:
        scale = rng.uniform(1e-3, 1e-1)
        out_scale = (
            1
            / np.sqrt(scale)
            / np.iinfo(x.dtype).max
            * rng.uniform(0.02, 1)
            * (30 if x.dtype == np.int8 else 1)
        )
        out = Input(x.shape, str(x.dtype), out_scale, 0)
        return op_model("RSQRT", [Input(x.shape, str(x.dtype), scale, 0)], [out]), [x]

    return build


def binary(op: str, a: Array, b: Array, out_scale: Callable[[float, float], float]) -> Build:
    """`op` of every pair of elements; `out_scale` spreads its results over the type."""

    def build(rng: np.random.Generator) -> tuple[bytes, list[Array]]:
        s, t = rng.uniform(1e-3, 2e-3, 2)
        kinds = [Input(x.shape, str(x.dtype), r, 0) for x, r in ((a, s), (b, t))]
        out = Input(a.shape, str(a.dtype), out_scale(s, t) * rng.uniform(0.7, 1.4), 0)
        return op_model(op, kinds, [out]), [a, rng.permutation(b)]

    return build


POSITIVE = np.arange(1 << 15).astype(np.int16)
ALPHAS = np.resize(EVERY_INT8, EVERY_INT16.shape)
BUILDS: dict[str, tuple[int, Build]] = {
    "ABS": (12, unary("ABS", EVERY_INT16, 0.5, 2)),
    "LEAKY_RELU": (12, unary("LEAKY_RELU", EVERY_INT16, 0.5, 2, alpha=0.3)),
    "LEAKY_RELU negative": (12, unary("LEAKY_RELU", EVERY_INT16, 0.5, 2, alpha=-0.7)),
    "RSQRT": (12, rsqrt(POSITIVE, 0.02)),
    "RSQRT int8": (100, rsqrt(EVERY_INT8[128:], 0.3)),
    "PRELU": (12, binary("PRELU", EVERY_INT16, ALPHAS, lambda s, t: s)),
    "SQUARED_DIFFERENCE": (
        12,
        binary("SQUARED_DIFFERENCE", EVERY_INT16, EVERY_INT16, lambda s, t: s * t * (1 << 16)),
    ),
    "SQUARED_DIFFERENCE int8": (
        40,
        binary("SQUARED_DIFFERENCE", FIRST, SECOND, lambda s, t: s * t * 400),
    ),
    "DIV": (60, binary("DIV", FIRST, SECOND, lambda s, t: s / t / 60)),
    "HARD_SWISH": (300, unary("HARD_SWISH", EVERY_INT8, 0.01, 8)),
    "ELU": (300, unary("ELU", EVERY_INT8, 0.01, 8)),
}


@pytest.mark.parametrize("name", BUILDS)
def test_multipliers_equal_tflm(tflm: TflmRuntime, name: str) -> None:
    rng = np.random.default_rng(len(name))
    cases, build = BUILDS[name]
    distinct = 0
    for case in range(cases):
        data, arrays = build(rng)
        ours = Interpreter.from_bytes(data)
        for i, array in enumerate(arrays):
            ours.set_input(array, i)
        ours.invoke()
        have, want = ours.get_output(0), tflm.run(data, [arrays]).outputs[0][0]
        distinct += np.unique(want).size
        assert np.count_nonzero(have != want) == 0, f"case {case}"
    assert distinct > 10 * cases, "weak cases"

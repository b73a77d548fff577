"""Packed ADD, MUL, MEAN, SUM, SOFTMAX, pools and tables: random models, host and board."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.differential.cases import reduce
from tests.ops import (
    test_logistic_tanh,
    test_pool_2d,
    test_quantize,
    test_relu,
    test_softmax,
)
from tests.ops.binary import binaries
from tests.ops.movement import Input, op_model
from tests.ops.strategies import scales, seeds, shapes
from tests.packed.compare import Family

BYTE_PAIRS = (("int8", "int8"), ("int8", "uint8"), ("uint8", "int8"))


@st.composite
def quantizations(draw: st.DrawFn) -> bytes:
    """QUANTIZE of bytes; scales near each other, at times far apart."""
    pair = draw(st.sampled_from(BYTE_PAIRS))
    shape, scale = draw(shapes(0, 6, 5)), draw(scales(1e-4, 1.0))
    ratio = draw(st.one_of(st.floats(0.3, 3.0), st.floats(0.3, 3.0), scales(1e-4, 1e4)))
    zeros = (draw(st.integers(-128, 127)) + 128 * (dtype == "uint8") for dtype in pair)
    sides = zip(pair, (scale, float(np.float32(scale * ratio))), zeros, strict=True)
    x, out = (Input(shape, *side) for side in sides)
    return op_model("QUANTIZE", [x], [out])


def data_of(cases: st.SearchStrategy[Any]) -> st.SearchStrategy[bytes]:
    """The model files of an operator's own test cases."""
    return cases.map(lambda case: case.data)


def pools(op: str) -> st.SearchStrategy[bytes]:
    return test_pool_2d.pools(op, "int8").map(lambda pool: pool.data())


INT8 = ("int8",)
MODELS: dict[str, st.SearchStrategy[bytes]] = {
    "ADD": data_of(binaries("ADD", INT8)),
    "AVERAGE_POOL_2D": pools("AVERAGE_POOL_2D"),
    "DEQUANTIZE": data_of(test_quantize.dequantize_cases()),
    "LOGISTIC": data_of(test_logistic_tanh.int8_cases("LOGISTIC")),
    "MAX_POOL_2D": pools("MAX_POOL_2D"),
    "MEAN": data_of(reduce.cases("MEAN", INT8)),
    "MUL": data_of(binaries("MUL", INT8)),
    "QUANTIZE": quantizations(),
    "RELU": data_of(test_relu.cases("RELU")),
    "RELU6": data_of(test_relu.cases("RELU6")),
    "SOFTMAX": data_of(test_softmax.int8_cases(INT8)),
    "SUM": data_of(reduce.cases("SUM", INT8)),
    "TANH": data_of(test_logistic_tanh.int8_cases("TANH")),
}
SHARES = {"RELU": 0.25, "RELU6": 0.25}
"""These strategies also make float and int16 models, which are refused."""


@pytest.mark.parametrize("op", MODELS)
def test_packed_equals_the_interpreter(op: str, tmp_path: Path) -> None:
    family = Family()

    @given(data=MODELS[op], seed=seeds())
    def check(data: bytes, seed: int) -> None:
        family.add(data, seed)

    check()
    family.finish(tmp_path, share=SHARES.get(op, 0.9), varied=0.4)

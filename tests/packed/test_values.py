"""Packed ADD, MUL, MEAN, SUM, SOFTMAX, pools and tables: random models, host and board."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.ops import test_logistic_tanh, test_relu, test_softmax
from tests.ops.binary import binaries
from tests.ops.movement import Input, numbers, op_model
from tests.ops.strategies import ACTIVATIONS, scales, seeds, shapes, zero_points
from tests.packed.compare import Family

Models = st.SearchStrategy[bytes]
BYTES = ("int8", "uint8")


@st.composite
def pools(draw: st.DrawFn, op: str) -> bytes:
    """Windows larger and smaller than strides, and than the image under SAME."""
    padding = draw(st.sampled_from(("SAME", "VALID")))
    size, stride = ((draw(st.integers(1, n)), draw(st.integers(1, n))) for n in (5, 4))
    least = size if padding == "VALID" else (1, 1)
    sides = tuple(draw(st.integers(low, 10)) for low in least)
    outputs = tuple(
        -(-n // s) if padding == "SAME" else (n - k) // s + 1
        for n, k, s in zip(sides, size, stride, strict=True)
    )
    batches, channels = draw(st.integers(1, 2)), draw(st.integers(1, 4))
    quantization = draw(scales()), draw(zero_points("int8"))
    return op_model(
        op,
        [Input((batches, *sides, channels), "int8", *quantization)],
        [Input((batches, *outputs, channels), "int8", *quantization)],
        padding=padding,
        filter_height=size[0],
        filter_width=size[1],
        stride_h=stride[0],
        stride_w=stride[1],
        fused_activation_function=draw(st.sampled_from(ACTIVATIONS)),
    )


@st.composite
def reductions(draw: st.DrawFn, op: str) -> bytes:
    """Any rank and axes; scales mostly near those that spread the result, at times any."""
    shape = draw(shapes(1, 6, 4))
    axes = draw(st.lists(st.sampled_from(range(-len(shape), len(shape))), max_size=4)) or [0]
    gone, keep_dims = {axis % len(shape) for axis in axes}, draw(st.booleans())
    left = [(1 if i in gone else side, i in gone) for i, side in enumerate(shape)]
    out_shape = tuple(side for side, away in left if keep_dims or not away)
    count = int(np.prod([shape[i] for i in gone]))
    scale = draw(scales(1e-4, 1.0))
    out_scale = scale * np.sqrt(count) ** (1 if op == "SUM" else -1) * draw(st.floats(0.3, 3.0))
    if draw(st.integers(0, 7)) == 0:
        out_scale = draw(scales(1e-8, 1e4))
    out = Input(out_shape, "int8", float(np.float32(out_scale)), draw(zero_points("int8")))
    x = Input(shape, "int8", scale, draw(zero_points("int8")))
    return op_model(op, [x, numbers(*axes)], [out], keep_dims=keep_dims)


@st.composite
def quantizations(draw: st.DrawFn) -> bytes:
    """QUANTIZE of bytes; scales near each other, at times far apart."""
    pair = draw(st.sampled_from((("int8", "int8"), ("int8", "uint8"), ("uint8", "int8"))))
    shape, scale = draw(shapes(0, 6, 5)), draw(scales(1e-4, 1.0))
    ratio = draw(st.one_of(st.floats(0.3, 3.0), st.floats(0.3, 3.0), scales(1e-4, 1e4)))
    zeros = (draw(st.integers(-128, 127)) + 128 * (dtype == "uint8") for dtype in pair)
    sides = zip(pair, (scale, float(np.float32(scale * ratio))), zeros, strict=True)
    x, out = (Input(shape, *side) for side in sides)
    return op_model("QUANTIZE", [x], [out])


@st.composite
def dequantizations(draw: st.DrawFn) -> bytes:
    """DEQUANTIZE; scales down to where results are subnormal, and up to where they are infinite."""
    dtype, shape = draw(st.sampled_from((*BYTES, "int16"))), draw(shapes(0, 6, 5))
    scale = draw(st.one_of(scales(), scales(1e-37, 1e36)))
    info = np.iinfo(dtype)
    zero = draw(st.integers(int(info.min), int(info.max)))
    return op_model("DEQUANTIZE", [Input(shape, dtype, scale, zero)], [Input(shape, "float32")])


def int8_only(op: str) -> Models:
    """ADD or MUL that need no more than boards have."""
    return binaries(op, ("int8",)).map(lambda binary: binary.data)


MODELS: dict[str, Models] = {
    "ADD": int8_only("ADD"),
    "AVERAGE_POOL_2D": pools("AVERAGE_POOL_2D"),
    "DEQUANTIZE": dequantizations(),
    "LOGISTIC": test_logistic_tanh.int8_cases("LOGISTIC").map(lambda case: case.data),
    "MAX_POOL_2D": pools("MAX_POOL_2D"),
    "MEAN": reductions("MEAN"),
    "MUL": int8_only("MUL"),
    "QUANTIZE": quantizations(),
    "RELU": test_relu.cases("RELU").map(lambda case: case.data),
    "RELU6": test_relu.cases("RELU6").map(lambda case: case.data),
    "SOFTMAX": test_softmax.int8_cases().map(lambda case: case.data),
    "SUM": reductions("SUM"),
    "TANH": test_logistic_tanh.int8_cases("TANH").map(lambda case: case.data),
}
SHARES = {"RELU": 0.25, "RELU6": 0.25, "SOFTMAX": 0.4}
"""These strategies also make float and int16 models, which are refused."""


@pytest.mark.parametrize("op", MODELS)
def test_packed_equals_the_interpreter(op: str, tmp_path: Path) -> None:
    family = Family()

    @given(data=MODELS[op], seed=seeds())
    def check(data: bytes, seed: int) -> None:
        family.add(data, seed)

    check()
    family.finish(tmp_path, share=SHARES.get(op, 0.9), varied=0.4)

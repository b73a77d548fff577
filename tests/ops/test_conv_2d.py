"""CONV_2D against TFLM, against spec loops, and one worked by hand."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from microinterp.model_builder import ModelBuilder
from microinterp.runtimes.tflm import TflmRuntime
from tests.oracle import check_model
from tests.ops.strategies import ACTIVATIONS, scales, seeds, zero_points


@st.composite
def int8_models(draw: st.DrawFn) -> bytes:
    """One CONV_2D with random geometry, groups, per-tensor or per-channel weights."""
    rng = np.random.default_rng(draw(seeds()))
    groups = draw(st.integers(1, 3))
    depth, per_group = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    kh, kw = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    sh, sw = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    dh, dw = draw(st.integers(1, 2)), draw(st.integers(1, 2))
    padding = draw(st.sampled_from(("SAME", "VALID")))
    h = draw(st.integers((kh - 1) * dh + 1, 9))
    w = draw(st.integers((kw - 1) * dw + 1, 9))
    filters = groups * per_group
    if padding == "SAME":
        oh, ow = -(-h // sh), -(-w // sw)
    else:
        oh = (h - (kh - 1) * dh - 1) // sh + 1
        ow = (w - (kw - 1) * dw - 1) // sw + 1
    batches = draw(st.integers(1, 2))
    channels = filters if draw(st.booleans()) else 1
    b = ModelBuilder()
    g = b.subgraph("main")
    x = g.input(
        "x", (batches, h, w, depth * groups), "int8", draw(scales()), draw(zero_points("int8"))
    )
    weights = rng.integers(-128, 128, (filters, kh, kw, depth)).astype(np.int8)
    w_scales = [draw(scales(1e-4, 0.1)) for _ in range(channels)]
    tensors = [x, g.constant("w", weights, scale=w_scales, zero_point=[0] * channels, axis=0)]
    if draw(st.booleans()):
        bias = rng.integers(-20000, 20000, filters).astype(np.int32)
        tensors.append(g.constant("bias", bias, scale=1.0, zero_point=0))
    y = g.tensor(
        "y", (batches, oh, ow, filters), "int8", draw(scales(1e-3)), draw(zero_points("int8"))
    )
    g.op(
        "CONV_2D",
        tensors,
        [y],
        padding=padding,
        stride_h=sh,
        stride_w=sw,
        dilation_h_factor=dh,
        dilation_w_factor=dw,
        fused_activation_function=draw(st.sampled_from(ACTIVATIONS)),
    )
    g.output(y)
    return b.finish()


@given(data=int8_models(), seed=seeds())
def test_int8_equals_tflm(tflm: TflmRuntime, data: bytes, seed: int) -> None:
    check_model(tflm, data, np.random.default_rng(seed))

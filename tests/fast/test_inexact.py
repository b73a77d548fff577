"""Float layers: exact by default, as products of matrices only where the caller asks for it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from microinterp import InputError, Interpreter
from microinterp.model_builder import ModelBuilder

RNG = np.random.default_rng(7)


def layer(name: str, activation: str = "NONE") -> bytes:
    """A float layer over [1, 9, 8, 6] with random weights."""
    b = ModelBuilder()
    g = b.subgraph("main")
    shape = (1, 432) if name == "FULLY_CONNECTED" else (1, 9, 8, 6)
    x = g.input("x", shape, "float32")
    filters = {
        "CONV_2D": ((7, 3, 3, 6), (1, 5, 4, 7)),
        "DEPTHWISE_CONV_2D": ((1, 3, 3, 12), (1, 5, 4, 12)),
        "FULLY_CONNECTED": ((7, 432), (1, 7)),
    }
    weights, out = filters[name]
    w = g.constant("w", RNG.normal(size=weights).astype(np.float32))
    bias = g.constant("b", RNG.normal(size=out[-1]).astype(np.float32))
    y = g.tensor("y", out, "float32")
    options: dict[str, Any] = {"fused_activation_function": activation}
    if name != "FULLY_CONNECTED":
        options |= {"padding": "SAME", "stride_h": 2, "stride_w": 2}
    if name == "DEPTHWISE_CONV_2D":
        options["depth_multiplier"] = 2
    g.op(name, [x, w, bias], [y], **options)
    g.output(y)
    return b.finish()


@pytest.mark.parametrize("activation", ["NONE", "RELU", "RELU6"])
@pytest.mark.parametrize("name", ["CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"])
def test_only_exact_false_takes_products(name: str, activation: str) -> None:
    data = layer(name, activation)
    exact, plain = Interpreter.from_bytes(data), Interpreter.from_bytes(data, kernels="plain")
    inexact = Interpreter.from_bytes(data, exact=False)
    assert [it.prepared.subgraphs[0][0].fast is None for it in (exact, plain, inexact)] == [
        True,
        True,
        False,
    ]
    assert "not exact" in inexact.prepared.subgraphs[0][0].why
    x = RNG.normal(size=(5, *exact.graph.main.inputs[0].shape)).astype(np.float32) * 3
    (wanted,), (same,), (near,) = (it.run_batch(x) for it in (plain, exact, inexact))
    assert same.tobytes() == wanted.tobytes()
    np.testing.assert_allclose(near, wanted, rtol=1e-4, atol=1e-4)
    if activation == "RELU6":
        assert near.min() == 0
        assert near.max() == 6


def test_plain_kernels_stay_plain() -> None:
    it = Interpreter.from_bytes(layer("CONV_2D"), kernels="plain", exact=False)
    assert it.prepared.subgraphs[0][0].fast is None


def test_unknown_kernels_are_refused() -> None:
    with pytest.raises(InputError, match=r"'quick'.*'auto' or 'plain'"):
        Interpreter.from_bytes(layer("CONV_2D"), kernels="quick")

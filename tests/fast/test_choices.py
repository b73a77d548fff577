"""Which kernel runs: what has no fast twin keeps the plain kernel, and says why."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from microinterp import Interpreter
from microinterp.model_builder import ModelBuilder

RNG = np.random.default_rng(11)
SHAPE = (1, 4, 4, 3)


def int8(*shape: int) -> Any:
    return RNG.integers(-128, 128, shape).astype(np.int8)


WINDOW = {"padding": "SAME", "stride_w": 1, "stride_h": 1}
POOL = {**WINDOW, "padding": "VALID", "filter_width": 1, "filter_height": 1}
OF_CONSTANTS: dict[str, tuple[Any, dict[str, Any]]] = {
    "CONV_2D": (int8(3, 3, 3, 3), WINDOW),
    "DEPTHWISE_CONV_2D": (int8(1, 3, 3, 3), {**WINDOW, "depth_multiplier": 1}),
    "FULLY_CONNECTED": (int8(3, 3), {}),
    "AVERAGE_POOL_2D": (None, POOL),
    "MAX_POOL_2D": (None, POOL),
    "LOGISTIC": (None, {}),
    "RELU": (None, {}),
    "SOFTMAX": (None, {"beta": 1.0}),
    "ADD": (int8(*SHAPE), {}),
    "RESHAPE": (np.array(SHAPE, np.int32), {}),
}


@pytest.mark.parametrize("op", OF_CONSTANTS)
def test_an_op_of_constants_fills_a_whole_batch(op: str) -> None:
    """Its inputs have no axis of samples, its output has."""
    operand, options = OF_CONSTANTS[op]
    b = ModelBuilder()
    g = b.subgraph("main")
    a = g.input("a", SHAPE, "int8", 0.5, 0)
    scale, zero = (1 / 256, -128) if op in ("LOGISTIC", "SOFTMAX") else (0.5, 3)
    inputs: list[int | None] = [g.constant("x", int8(*SHAPE), None, 0.5, 3)]
    if operand is not None:
        quantization = (0.5, 0) if operand.dtype == np.int8 else ()
        inputs.append(g.constant("w", operand, None, *quantization))
    y = g.tensor("y", SHAPE, "int8", scale, zero)
    z = g.tensor("z", SHAPE, "int8", 60.0, 2)
    g.op(op, inputs, [y], **options)
    g.op("ADD", [a, y], [z])
    g.output(z)
    g.output(y)
    data, batch = b.finish(), int8(5, *SHAPE)
    fast, plain = Interpreter.from_bytes(data), Interpreter.from_bytes(data, kernels="plain")
    found = fast.run_batch(batch)  # before the plain one: memory that is free may hold its answer
    for have, want in zip(found, plain.run_batch(batch), strict=True):
        assert have.tobytes() == want.tobytes()

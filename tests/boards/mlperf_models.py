"""Models and stimuli for the MLPerf Tiny protocol, and what a board must answer to them."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import numpy.typing as npt

from microinterp import Interpreter
from microinterp.inputs import quantise
from microinterp.model_builder import ModelBuilder

WIDTH = 40


def two_scales(width: int = WIDTH, output_type: str = "int8") -> bytes:
    """Requantised twice: scales that are no powers of 2, and an output in the input's place."""
    builder = ModelBuilder()
    graph = builder.subgraph("main")
    x = graph.input("x", (1, width), "int8", scale=0.39101523, zero_point=89)
    t = graph.tensor("t", (1, width), "int8", scale=0.41, zero_point=70)
    y = graph.tensor("y", (1, width), output_type, scale=0.36449847, zero_point=96)
    graph.op("QUANTIZE", [x], [t])
    graph.op("QUANTIZE" if output_type == "int8" else "DEQUANTIZE", [t], [y])
    graph.output(y)
    return builder.finish()


def two_inputs() -> bytes:
    builder = ModelBuilder()
    graph = builder.subgraph("main")
    a, b = (graph.input(name, (1, 4), "int8", scale=0.5, zero_point=0) for name in "ab")
    y = graph.tensor("y", (1, 4), "int8", scale=1.0, zero_point=0)
    graph.op("ADD", [a, b], [y])
    graph.output(y)
    return builder.finish()


def int8_input(model: bytes, kind: str, stimulus: bytes) -> npt.NDArray[np.int8]:
    """What the model is given for a stimulus: the rules of the reference submissions."""
    tensor = Interpreter.from_bytes(model).graph.main.inputs[0]
    if kind == "ad":
        values = np.frombuffer(stimulus, "<f4")
        return quantise(values, tensor)[0].reshape(tensor.shape)
    data = np.frombuffer(stimulus, np.int8 if kind == "kws" else np.uint8)
    return (data.astype(np.int16) - (0 if kind == "kws" else 128)).astype(np.int8)


def expected(model: bytes, kind: str, stimulus: bytes) -> list[float]:
    """The results of a stimulus, computed by the host."""
    host = Interpreter.from_bytes(model)
    tensor = host.graph.main.outputs[0]
    host.set_input(int8_input(model, kind, stimulus).reshape(host.graph.main.inputs[0].shape), 0)
    host.invoke()
    steps = host.get_output(0).astype(np.float32).ravel() - np.float32(tensor.zero_point)
    values = steps * np.float32(tensor.scale)
    assert values.dtype == np.float32
    if kind != "ad":
        return [float(value) for value in values]
    given = np.frombuffer(stimulus, "<f4")
    pairs = zip(values, given, strict=True)
    total = sum((Fraction(float(a)) - Fraction(float(b))) ** 2 for a, b in pairs)
    return [float(np.float32(float(total / len(values))))]


def commands(stimulus: bytes, piece: int = 31) -> list[str]:
    """What loads a stimulus, as the public runner sends it."""
    pieces = [stimulus[at : at + piece] for at in range(0, len(stimulus), piece)]
    return [f"db load {len(stimulus)}", *(f"db {each.hex()}" for each in pieces)]

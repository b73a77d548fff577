"""Entries of ops that work element by element."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tests.graphs.growing import Growing, Kind

Entry = Callable[[Growing], None]
COMPUTED = ("float32", "int8", "int16", "int32")
RANK_4 = 4


def unary(op: str, *types: str) -> Entry:
    """Keeps the shape; the output may have any quantisation."""

    def add(w: Growing) -> None:
        x = w.pick(*types)
        w.op(op, [x], w.requantised(w.values[x]))

    return add


def fixed(op: str, **outputs: tuple[float, int]) -> Entry:
    """Keeps shape and type; TFLM prescribes the output's quantisation."""

    def add(w: Growing) -> None:
        x = w.pick(*outputs, fits=lambda kind: 0 < kind.rank <= RANK_4)
        kind = w.values[x]
        w.op(
            op,
            [x],
            kind.numbers(*outputs[kind.dtype]),
            **({"beta": 1.0} if op == "SOFTMAX" else {}),
        )

    return add


def calm_unary(op: str) -> Entry:
    """On floats that are not large, since the result may be."""

    def add(w: Growing) -> None:
        x = w.pick("float32", calm=True)
        w.op(op, [x], w.values[x])

    return add


def binary(op: str, *types: str, calm: bool = False) -> Entry:
    """Two values of a shape, or one and a constant that is repeated along some dimensions."""

    def add(w: Growing) -> None:
        x = w.pick(*types, calm=calm)
        kind = w.values[x]
        if w.chance(3):
            shape = [1 if w.chance(2) else side for side in kind.shape]
            y = w.known(w.requantised(kind.shaped(*shape)))
        else:
            y = w.pick(kind.dtype, fits=lambda other: other.shape == kind.shape, calm=calm)
        operands = [x, y] if w.chance(2) else [y, x]
        is_float = kind.dtype == "float32"
        options = {}
        if op in ("ADD", "SUB", "MUL"):
            choices = ("RELU6", "RELU_N1_TO_1") if is_float and op == "MUL" else ("NONE", "RELU")
            options["fused_activation_function"] = w.choose(choices)
        clamped = is_float and op == "MUL"
        w.op(op, operands, w.requantised(kind), calm=clamped, **options)

    return add


def same(op: str, *types: str) -> Entry:
    """Two values of one kind, which the output has too."""

    def add(w: Growing) -> None:
        x = w.pick(*types)
        w.op(op, [x, w.like(x)], w.values[x])

    return add


def comparison(op: str, *types: str) -> Entry:
    """Two values of a shape and type make bools."""

    def add(w: Growing) -> None:
        x = w.pick(*types)
        kind = w.values[x]
        y = w.pick(kind.dtype, fits=lambda other: other.shape == kind.shape)
        w.op(op, [x, y], kind.of("bool"))

    return add


def select(w: Growing) -> None:
    """SELECT_V2."""
    condition = w.pick("bool")
    shape = w.values[condition].shape
    x = w.pick("float32", "int8", "int16", fits=lambda kind: kind.shape == shape)
    w.op("SELECT_V2", [condition, x, w.like(x)], w.values[x])


def add_n(w: Growing) -> None:
    """ADD_N of two to four values."""
    x = w.pick("float32", "int8")
    others = [w.like(x) for _ in range(w.integer(1, 3))]
    w.op("ADD_N", [x, *others], w.requantised(w.values[x]))


def leaky_relu(w: Growing) -> None:
    """LEAKY_RELU."""
    x = w.pick("float32", "int8", "int16")
    w.op("LEAKY_RELU", [x], w.requantised(w.values[x]), alpha=w.choose((0.1, 0.5)))


def prelu(w: Growing) -> None:
    """PRELU with a slope for each channel."""
    x = w.pick("float32", "int8", fits=lambda kind: kind.rank == RANK_4)
    kind = w.values[x]
    slopes = Kind("float32", (1, 1, kind.shape[3]))
    if kind.dtype == "int8":
        slopes = Kind("int8", slopes.shape, 0.01, 0)
    small = w.rng.random(slopes.shape).astype(np.float32)
    alpha = w.known(slopes) if kind.dtype == "int8" else w.constant(small)
    w.op("PRELU", [x, alpha], w.requantised(kind))


def square_root(w: Growing) -> None:
    """SQRT of what is not negative: a NaN could not be quantised."""
    x = w.pick("float32")
    w.op("SQRT", [w.op("RELU", [x], w.values[x])], w.values[x])


def quantize(w: Growing) -> None:
    """QUANTIZE to another scale or type."""
    x = w.pick("float32", "int8", "int16")
    w.op("QUANTIZE", [x], w.requantised(w.values[x], w.choose(("int8", "int16"))))


def dequantize(w: Growing) -> None:
    """DEQUANTIZE."""
    x = w.pick("int8", "int16")
    w.op("DEQUANTIZE", [x], w.values[x].of("float32"), calm=w.values[x].dtype == "int8")


def cast(w: Growing) -> None:
    """CAST; C leaves undefined what a float beyond the integers' range becomes."""
    x = w.pick("float32", "int8", "int16", "int32", "bool", calm=True)
    kind = w.values[x]
    to = w.choose([name for name in ("float32", "int8", "int16", "int32") if name != kind.dtype])
    w.op("CAST", [x], w.requantised(kind, to), calm=kind.dtype in ("int8", "bool"))


ENTRIES: dict[str, Entry] = {
    **{op: unary(op, "float32", "int8", "int16") for op in ("ABS", "RELU", "RELU6")},
    **{op: unary(op, "float32") for op in ("NEG", "FLOOR", "CEIL", "ROUND")},
    **{op: unary(op, "int8") for op in ("ELU", "HARD_SWISH")},
    "SQUARE": calm_unary("SQUARE"),
    "SQRT": square_root,
    "LOGICAL_NOT": unary("LOGICAL_NOT", "bool"),
    "LOGISTIC": fixed("LOGISTIC", int8=(1 / 256, -128), int16=(1 / 32768, 0)),
    "TANH": fixed("TANH", int8=(1 / 128, 0), int16=(1 / 32768, 0)),
    "SOFTMAX": fixed("SOFTMAX", int8=(1 / 256, -128), int16=(1 / 32768, 0)),
    "LOG_SOFTMAX": fixed("LOG_SOFTMAX", int8=(16 / 256, 127)),
    "L2_NORMALIZATION": fixed("L2_NORMALIZATION", int8=(1 / 128, 0)),
    "ADD": binary("ADD", *COMPUTED),
    "SUB": binary("SUB", *COMPUTED),
    "MUL": binary("MUL", *COMPUTED, calm=True),
    "SQUARED_DIFFERENCE": binary("SQUARED_DIFFERENCE", "float32", "int8", "int32", calm=True),
    **{op: same(op, *COMPUTED, "int64") for op in ("MAXIMUM", "MINIMUM")},
    **{op: same(op, "bool") for op in ("LOGICAL_AND", "LOGICAL_OR")},
    **{op: comparison(op, "float32", "int8", "int32", "bool") for op in ("EQUAL", "NOT_EQUAL")},
    **{
        op: comparison(op, "float32", "int8", "int32")
        for op in ("GREATER", "GREATER_EQUAL", "LESS", "LESS_EQUAL")
    },
    "SELECT_V2": select,
    "ADD_N": add_n,
    "LEAKY_RELU": leaky_relu,
    "PRELU": prelu,
    "QUANTIZE": quantize,
    "DEQUANTIZE": dequantize,
    "CAST": cast,
}

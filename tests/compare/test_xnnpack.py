"""XNNPACK's other arithmetic: by plain formulas, and by LiteRT itself with one op at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from microinterp.compare import compare
from microinterp.sides import open_side
from tests.compare.nets import random_of
from tests.compare.planting import Array, Constant, Layer, Plant, Spec, names
from tests.ops.movement import Constant as Fixed
from tests.ops.movement import Input, op_model

X: Spec = ((1, 8, 8, 16), "int8", 0.05, 3)


def clamped(steps: int) -> int:
    return max(-128, min(127, steps))


def in_eighths(scale: float, below: float, zero: int, out_zero: int) -> Callable[[int], int]:
    """8 bits behind the multiplier's point, halves up."""
    above_256, below_256 = round(256 * scale), round(256 * below)

    def one(x: int) -> int:
        product = (x - zero) * (above_256 if x > zero else below_256)
        return clamped((2 * product + 256) // 512 + out_zero)

    return one


def each(one: Callable[[int], int]) -> Callable[[Array], Array]:
    return lambda x: np.array([one(v) for v in x.reshape(-1).tolist()], np.int8).reshape(x.shape)


def test_quantize() -> None:
    out: Spec = (X[0], "int8", 0.0235, -12)
    scale = float(np.float32(X[2]) / np.float32(out[2]))
    one = in_eighths(scale, scale, X[3], out[3])
    result = Plant([Layer("QUANTIZE", X, out)], {0: each(one)}, random_of(X, 2)).compare()
    assert names(result) == ["xnnpack"]


@pytest.mark.parametrize("alpha", [0.1, 0.3, -0.25])
def test_leaky_relu(alpha: float) -> None:
    out: Spec = (X[0], "int8", 0.045, -7)
    scale = np.float32(X[2]) / np.float32(out[2])
    one = in_eighths(float(scale), float(scale * np.float32(alpha)), X[3], out[3])
    layer = Layer("LEAKY_RELU", X, out, options={"alpha": alpha})
    assert names(Plant([layer], {0: each(one)}, random_of(X, 2)).compare()) == ["xnnpack"]


@pytest.mark.parametrize("op", ["MEAN", "SUM"])
def test_mean_and_sum(op: str) -> None:
    """All pixels of a channel in float32, to nearest, halves to even."""
    out: Spec = ((1, 1, 1, 16), "int8", 0.03 if op == "MEAN" else 0.9, -7)
    scale = np.float32(X[2]) / np.float32(out[2])
    scale = scale * (np.float32(1) / np.float32(64)) if op == "MEAN" else scale
    zero = np.float32(out[3]) - np.float32(64 * X[3]) * scale

    def reduce(x: Array) -> Array:
        rows = []
        for sample in x[:, 0]:
            sums = [sum(sample[:, :, c].reshape(-1).tolist()) for c in range(16)]
            rows.append([clamped(round(float(np.float32(s) * scale + zero))) for s in sums])
        return np.array(rows, np.int8).reshape(len(x), *out[0])

    axes = Constant(np.array([1, 2], np.int32))
    layer = Layer(op, X, out, (axes,), options={"keep_dims": True})
    result = Plant([layer], {0: reduce}, random_of(X, 60)).compare()
    assert names(result)[:1] == ["xnnpack"] or set(names(result)) == {"xnnpack", "single-rounding"}


@pytest.mark.parametrize("kind", ["plain", "align_corners", "half_pixel_centers"])
def test_resize_bilinear(kind: str) -> None:
    """Weights in steps of 1/2048; the mix of four pixels exactly, halves up."""
    out: Spec = ((1, 13, 11, 16), "int8", X[2], X[3])

    def places(size: int, outputs: int) -> list[tuple[int, int, Fraction]]:
        one = np.float32(kind == "align_corners")
        scale = (np.float32(size) - one) / (np.float32(outputs) - one)
        offset = np.float32(0.5) * scale - np.float32(0.5)
        found = []
        for i in range(outputs):
            at = np.float32(i) * scale
            if kind == "half_pixel_centers":
                at = np.float32(i) * scale + offset
            at = min(max(at, np.float32(0)), np.float32(size - 1))
            low = int(at)
            weight = round(float((at - np.float32(low)) * np.float32(2048)))
            found.append((low, min(low + 1, size - 1), Fraction(weight, 2048)))
        return found

    def resize(x: Array) -> Array:
        made = np.zeros((len(x), *out[0]), np.int8)
        wide = x[:, 0].astype(int)
        for i, (top, bottom, down) in enumerate(places(8, 13)):
            for j, (left, right, along) in enumerate(places(8, 11)):
                corners = (wide[:, r, c] for r in (top, bottom) for c in (left, right))
                shares = [(1 - down) * (1 - along), (1 - down) * along, down * (1 - along),
                          down * along]  # fmt: skip
                whole = 2**22
                parts = [int(share * whole) for share in shares]
                total = sum(p * c for p, c in zip(parts, corners, strict=True))
                made[:, 0, i, j] = (total + whole // 2) // whole
        return made

    options = {} if kind == "plain" else {kind: True}
    size = Constant(np.array([13, 11], np.int32))
    layer = Layer("RESIZE_BILINEAR", X, out, (size,), options=options)
    assert names(Plant([layer], {0: resize}, random_of(X, 1)).compare()) == ["xnnpack"]


def int8(scale: float, zero: int, shape: Sequence[int] = X[0]) -> Input:
    return Input(tuple(shape), "int8", scale, zero)


def ints(*values: int) -> Fixed:
    return Fixed(np.array(values, np.int32))


RNG = np.random.default_rng(11)
SQUARE = {"padding": "SAME", "stride_h": 2, "stride_w": 2}
A, B, OUT = int8(0.05, 3), int8(0.02, -9), int8(0.06, 4)
DIFFERING: dict[str, tuple[list[Any], Input, dict[str, Any]]] = {
    "ADD": ([A, B], OUT, {}),
    "ADD of a row": ([A, int8(0.02, -9, (1, 1, 1, 16))], OUT, {}),
    "ADD of a number": ([A, int8(0.02, -9, (1,))], OUT, {}),
    "SUB": ([A, B], OUT, {}),
    "MUL": ([A, B], OUT, {}),
    "LEAKY_RELU": ([A], int8(0.045, -7), {"alpha": 0.1}),
    "QUANTIZE": ([A], int8(0.0235, -12), {}),
    "MEAN": ([A, ints(1, 2)], int8(0.03, -7, (1, 1, 1, 16)), {"keep_dims": True}),
    "SUM": ([A, ints(1, 2)], int8(0.9, -7, (1, 1, 1, 16)), {"keep_dims": True}),
    "RESIZE_BILINEAR": ([A, ints(13, 11)], int8(0.05, 3, (1, 13, 11, 16)), {}),
    "TRANSPOSE_CONV": (
        [ints(1, 16, 16, 4), Fixed(RNG.integers(-127, 128, (4, 3, 3, 16)).astype(np.int8), 0.02, 0),
         A],
        int8(0.9, 4, (1, 16, 16, 4)),
        SQUARE,
    ),
}  # fmt: skip
SAME: dict[str, tuple[list[Any], Input, dict[str, Any]]] = {
    "LOGISTIC": ([A], int8(1 / 256, -128), {}),
    "TANH": ([A], int8(1 / 128, 0), {}),
    "ELU": ([A], int8(0.03, -80), {}),
    "HARD_SWISH": ([A], int8(0.03, -110), {}),
    "SOFTMAX": ([A], int8(1 / 256, -128), {"beta": 1.0}),
    "MAX_POOL_2D": (
        [A], int8(0.05, 3, (1, 4, 4, 16)), {**SQUARE, "filter_height": 3, "filter_width": 3},
    ),
    "AVERAGE_POOL_2D": (
        [A], int8(0.05, 3, (1, 4, 4, 16)), {**SQUARE, "filter_height": 3, "filter_width": 3},
    ),
}  # fmt: skip


def against_litert(case: str, count: int, table: dict[str, Any]) -> Any:
    pytest.importorskip("ai_edge_litert")
    inputs, out, options = table[case]
    model = op_model(case.split(" ")[0], inputs, [out], **options)
    x = [
        np.random.default_rng(i).integers(-128, 128, (count, *t.shape)).astype(np.int8)
        for i, t in enumerate(inputs)
        if isinstance(t, Input)
    ]
    with open_side("litert", model) as side:
        return compare(model, side, x)


@pytest.mark.parametrize("case", DIFFERING)
def test_xnnpack_itself(case: str) -> None:
    result = against_litert(case, 16, DIFFERING)
    assert not result.equal
    assert names(result)[0] == "xnnpack"


@pytest.mark.parametrize("case", SAME)
def test_ops_that_xnnpack_computes_alike(case: str) -> None:
    assert against_litert(case, 8, SAME).equal

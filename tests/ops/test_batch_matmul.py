"""BATCH_MATMUL against TFLM, against spec loops, worked by hand, and what is refused."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from microinterp.errors import RuntimeUnavailableError, UnsupportedError
from microinterp.runtimes.tflm import TflmRuntime
from tests.ops.layers import VARIED_SHARE, activations, output_scales
from tests.ops.movement import Constant, Input, assert_refused, op_model, random_constant, run_one
from tests.ops.strategies import seeds
from tests.ops.values import ValueCase, check_values
from tests.spec_ops import batch_matmul as spec
from tests.spec_ops import scales
from tests.spec_ops.conv import Number

Array = npt.NDArray[Any]
TYPES = ("float32", "int8", "int16")


@dataclass(frozen=True)
class Product:
    """One BATCH_MATMUL; an operand with contents is constant."""

    x: Input
    y: Input
    out: Input
    adjoint: tuple[bool, bool] = (False, False)
    contents: tuple[Array | None, Array | None] = (None, None)

    def data(self) -> bytes:
        inputs = [
            tensor if values is None else Constant(values, tensor.scale, tensor.zero_point)
            for tensor, values in zip((self.x, self.y), self.contents, strict=True)
        ]
        adj_x, adj_y = self.adjoint
        return op_model("BATCH_MATMUL", inputs, [self.out], adj_x=adj_x, adj_y=adj_y)

    def case(self) -> ValueCase:
        return ValueCase(self.data(), self.expected)

    def expected(self, inputs: list[list[Any]]) -> list[Number]:
        """The output by the specification."""
        given = iter(inputs)
        x, y = (
            next(given) if values is None else values.reshape(-1).tolist()
            for values in self.contents
        )
        shapes = self.x.shape, self.y.shape
        sums = spec.products(x, shapes[0], y, shapes[1], self.out.shape, self.adjoint, self.term)
        if self.x.dtype == "float32":
            return sums
        x_scale, y_scale, out_scale = (t.scale or 0 for t in (self.x, self.y, self.out))
        real = x_scale * y_scale / out_scale
        low, high = scales.LIMITS[self.x.dtype]
        bits = 32 if self.x.dtype == "int8" else 64
        zero = self.out.zero_point or 0
        return [scales.requantised(int(s), bits, real, zero, low, high) for s in sums]

    def term(self, total: Number, a: Number, b: Number) -> Number:
        if self.x.dtype == "float32":
            return scales.single(total + scales.single(a * b))
        return total + (a - (self.x.zero_point or 0)) * (b - (self.y.zero_point or 0))


@st.composite
def stacks(draw: st.DrawFn) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Leading dimensions of both operands and of the output; either operand may lack some."""
    full = draw(st.lists(st.integers(1, 3), max_size=3))
    sides: list[tuple[int, ...]] = []
    for _ in range(2):
        own = [size if draw(st.integers(0, 3)) else 1 for size in full]
        sides.append(tuple(own[draw(st.integers(0, len(own))) if own else 0 :]))
    return sides[0], sides[1], np.broadcast_shapes(*sides)


@st.composite
def random_products(draw: st.DrawFn, dtype: str) -> Product:
    """Ranks 2 to 5, broadcast or not, transposed or not, one operand constant or none."""
    x_stack, y_stack, stack = draw(stacks())
    rows, depth, columns = (draw(st.integers(1, n)) for n in (5, 9, 5))
    adjoint = draw(st.booleans()), draw(st.booleans())
    x_shape = (*x_stack, *((depth, rows) if adjoint[0] else (rows, depth)))
    y_shape = (*y_stack, *((columns, depth) if adjoint[1] else (depth, columns)))
    zeros = "int8" if dtype == "int8" else "none"
    x, y, out = (
        Input(shape, dtype, *draw(quantization(dtype, zeros)))
        for shape in (x_shape, y_shape, (*stack, rows, columns))
    )
    if x.scale is not None and y.scale is not None:
        spread = 300 if dtype == "int16" else 1  # output_scales counts on int8 weights
        out = replace(out, scale=draw(output_scales(x.scale * y.scale * spread, depth)))
    rng, constant = np.random.default_rng(draw(seeds())), draw(st.sampled_from((None, 0, 1)))
    contents = [
        random_constant(rng, t.shape, dtype) if i == constant else None
        for i, t in enumerate((x, y))
    ]
    return Product(x, y, out, adjoint, (contents[0], contents[1]))


@st.composite
def quantization(draw: st.DrawFn, dtype: str, zeros: str) -> tuple[float | None, int | None]:
    scale, zero = draw(activations(dtype))
    return scale, zero if zeros == "int8" or scale is None else 0


@pytest.mark.parametrize("dtype", TYPES)
def test_equals_tflm_and_spec(tflm: TflmRuntime, dtype: str) -> None:
    seen: Counter[str] = Counter()

    @given(product=random_products(dtype), seed=seeds())
    def check(product: Product, seed: int) -> None:
        check_values(tflm, product.case(), seed, seen)

    check()
    assert seen["varied"] >= VARIED_SHARE * seen["models"]


BASE = Product(
    Input((2, 3), "int8", 0.5, 1), Input((3, 1), "int8", 0.5, -1), Input((2, 1), "int8", 1.0, 2)
)


def test_int8_worked_by_hand() -> None:
    # Without zero points: 1 2 3 / 4 5 6 times 1 0 -2: -5 and -8; times 0.25, halves away from
    # zero: -1 and -2; plus 2: 1 0
    x, y = np.array([[2, 3, 4], [5, 6, 7]], np.int8), np.array([[0], [-1], [-3]], np.int8)
    assert run_one(BASE.data(), x, y).tolist() == [[1], [0]]
    both = replace(
        BASE,
        x=replace(BASE.x, shape=(3, 2)),
        y=replace(BASE.y, shape=(1, 3)),
        adjoint=(True, True),
    )
    assert run_one(both.data(), x.T.copy(), y.T.copy()).tolist() == [[1], [0]]


def test_int16_worked_by_hand() -> None:
    # 1000 * -3 = -3000, times 1/2000 = -1.5: a 64-bit sum rounds halves up
    pair = Input((1, 1), "int16", 0.5, 0)
    product = Product(pair, pair, Input((1, 1), "int16", 500.0, 0))
    x, y = np.array([[1000]], np.int16), np.array([[-3]], np.int16)
    assert run_one(product.data(), x, y).item() == -1


def test_float_worked_by_hand() -> None:
    product = Product(Input((1, 3), "float32"), Input((3, 2), "float32"), Input((1, 2), "float32"))
    # 2^24 + 1 is no float32: ones added by themselves to 2^24 are lost
    y = np.array([[2.0**24, 1], [1, 1], [1, 2.0**24]], np.float32)
    assert run_one(product.data(), np.ones((1, 3), np.float32), y).tolist() == [
        [2.0**24, 2.0**24 + 2]
    ]


@pytest.mark.parametrize("exponent", [7, 14])
def test_largest_factors_of_int16_equal_tflm(tflm: TflmRuntime, exponent: int) -> None:
    square = Input((3, 3), "int16", 1.0, 0)
    product = Product(square, square, replace(square, scale=2.0**-exponent * 1.5))
    check_values(tflm, product.case(), 1, Counter())


X, Y, OUT = range(3)
MATRIX = Input((2, 2), "int8", 1.0, 0)
WIDE = Input((2, 2), "int16", 1.0, 0)
REFUSED: dict[str, tuple[Product, int | None]] = {
    "rank 1, wanted 2 to 5": (replace(BASE, y=Input((3,), "int8", 0.5, 0)), Y),
    "rank 6, wanted 2 to 5": (replace(BASE, x=Input((1, 1, 1, 1, 2, 3), "int8", 0.5, 0)), X),
    "shape [2, 1], wanted 3 rows": (replace(BASE, y=Input((2, 1), "int8", 0.5, 0)), Y),
    "shape [3, 1], wanted 3 columns": (replace(BASE, adjoint=(False, True)), Y),
    "wanted 2 rows": (replace(BASE, adjoint=(True, False)), Y),
    "does not broadcast with int8[2, 2, 2]": (
        Product(Input((2, 2, 2), "int8", 1.0, 0), Input((3, 2, 2), "int8", 1.0, 0), MATRIX),
        Y,
    ),
    "shape [1, 2, 2], wanted [2, 2]": (
        Product(MATRIX, MATRIX, Input((1, 2, 2), "int8", 1.0, 0)),
        OUT,
    ),
    "int8 tensor has no quantisation": (Product(MATRIX, Input((2, 2), "int8"), MATRIX), Y),
    "zero point 1, wanted 0 for int16": (Product(WIDE, replace(WIDE, zero_point=1), WIDE), Y),
    "factor 16384 is 2^14 or more": (Product(WIDE, WIDE, replace(WIDE, scale=2.0**-14)), None),
}


@pytest.mark.parametrize("text", REFUSED)
def test_refuses(text: str) -> None:
    product, tensor = REFUSED[text]
    assert_refused(product.data(), text, tensor)


@pytest.mark.parametrize(
    "text",
    [t for t in REFUSED if "factor" not in t and "quantisation" not in t and "[1, 2" not in t],
)
def test_tflm_refuses_the_same(tflm: TflmRuntime, text: str) -> None:
    with pytest.raises(RuntimeUnavailableError, match="failed to allocate"):
        tflm.run(REFUSED[text][0].data(), [])


@pytest.mark.parametrize(
    ("x", "y", "out"),
    [("int8", "int16", "int8"), ("float32", "int8", "float32"), ("int8", "int8", "int32")],
)
def test_refuses_types(tflm: TflmRuntime, x: str, y: str, out: str) -> None:
    data = Product(*(Input((2, 2), dtype, 1.0, 0) for dtype in (x, y, out))).data()
    assert_refused(data, f"{x} x {y} x {out}", kind=UnsupportedError)
    with pytest.raises(RuntimeUnavailableError, match="failed to allocate"):
        tflm.run(data, [])


def test_refuses_numbers_of_tensors_and_no_options() -> None:
    assert_refused(op_model("BATCH_MATMUL", [MATRIX], [MATRIX]), "has 1 inputs, wanted 2")
    no_options = op_model("BATCH_MATMUL", [MATRIX, MATRIX], [MATRIX], with_options=False)
    assert_refused(no_options, "the op has no BatchMatMulOptions")

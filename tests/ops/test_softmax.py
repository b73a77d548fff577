"""SOFTMAX against TFLM, against spec loops, worked by hand, and what is refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import chain

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from microinterp import Interpreter
from microinterp.errors import RuntimeUnavailableError, UnsupportedError
from microinterp.runtimes.tflm import TflmRuntime
from tests.ops.movement import Input, assert_refused, op_model, run_one
from tests.ops.strategies import scales, seeds, shapes
from tests.ops.values import (
    EXTREME_FLOATS,
    SPECIAL_FLOATS,
    Number,
    ValueCase,
    assert_mostly_varied,
    assert_same_floats,
    check_values,
    outputs_of_both,
    run_on,
    ulps_between,
)
from tests.spec_ops import activations as spec

OUT = {
    ("int8", "int8"): (1 / 256, -128),
    ("int8", "int16"): (1 / 65536, -32768),
    ("int16", "int16"): (1 / 32768, 0),
}
UNIT = 10 / 65535
"""Scale at which a step of int16 input is a step of the table of exp."""


def model(
    shape: tuple[int, ...], types: tuple[str, str], scale: float, zero: int = 0, beta: float = 1.0
) -> bytes:
    out = Input(shape, types[1], *OUT[types])
    return op_model("SOFTMAX", [Input(shape, types[0], scale, zero)], [out], beta=beta)


def float_model(shape: tuple[int, ...], beta: float = 1.0) -> bytes:
    x = Input(shape, "float32")
    return op_model("SOFTMAX", [x], [x], beta=beta)


def rows(flat: Sequence[Number], depth: int) -> list[Sequence[Number]]:
    return [flat[i : i + depth] for i in range(0, len(flat), depth)]


@st.composite
def int8_cases(draw: st.DrawFn, outputs: tuple[str, ...] = ("int8", "int16")) -> ValueCase:
    """Inputs of int8, outputs of any of these types; scales up to where one step is everything."""
    types = ("int8", draw(st.sampled_from(outputs)))
    shape = draw(shapes(1, 6, 5))
    beta = float(np.float32(draw(st.one_of(st.just(1.0), st.floats(0.1, 4.0)))))
    scale = draw(st.one_of(scales(3e-3, 0.2), scales(2e-7, 100.0)))
    bits = 8 if types[1] == "int8" else 16
    return ValueCase(
        model(shape, types, scale, draw(st.integers(-128, 127)), beta),
        lambda inputs: [
            *chain.from_iterable(
                spec.softmax8(row, scale, beta, bits) for row in rows(inputs[0], shape[-1])
            )
        ],
    )


@st.composite
def int16_cases(draw: st.DrawFn) -> ValueCase:
    """Scales from hardly any difference to far beyond the table of exp."""
    shape = draw(shapes(1, 6, 5))
    beta = float(np.float32(draw(st.one_of(st.just(1.0), st.floats(0.0, 4.0)))))
    scale = draw(st.one_of(scales(1e-5, 1e-3), scales(1e-7, 100.0)))
    return ValueCase(
        model(shape, ("int16", "int16"), scale, beta=beta),
        lambda inputs: [
            *chain.from_iterable(
                spec.softmax16(row, scale, beta) for row in rows(inputs[0], shape[-1])
            )
        ],
    )


@pytest.mark.parametrize("cases", [int8_cases(), int16_cases()], ids=["int8", "int16"])
def test_equals_tflm_and_spec(tflm: TflmRuntime, cases: st.SearchStrategy[ValueCase]) -> None:
    seen: Counter[str] = Counter()

    @given(case=cases, seed=seeds())
    def check(case: ValueCase, seed: int) -> None:
        check_values(tflm, case, seed, seen)

    check()
    assert_mostly_varied(seen, share=0.5)  # a row of one is always 1


def test_every_difference_of_int8_equals_tflm(tflm: TflmRuntime) -> None:
    """Rows [127, d]: both outputs follow exp over its whole range."""
    x = np.stack([np.full(256, 127), np.arange(-128, 128)], axis=-1).astype(np.int8)
    for scale in (1 / 256, 1 / 16, 0.1, 0.9, 31.0, 32.5):
        for out in ("int8", "int16"):
            ours, theirs = outputs_of_both(tflm, model((256, 2), ("int8", out), scale), [[x]])
            np.testing.assert_array_equal(ours, theirs)


def test_every_difference_of_int16_equals_tflm(tflm: TflmRuntime) -> None:
    """Rows [0, d] and [0, 0, d] with d over the whole table of exp: a wrong entry would show."""
    d = np.arange(-32768, 32768).astype(np.int16)
    top = np.full_like(d, 32767)
    for companions in (1, 2):
        x = np.stack([top] * companions + [d], axis=-1)
        data = model(x.shape, ("int16", "int16"), UNIT)
        ours, theirs = outputs_of_both(tflm, data, [[x]])
        np.testing.assert_array_equal(ours, theirs)
        assert len(np.unique(ours[..., -1])) > 10000


def test_every_sum_of_int16_equals_tflm(tflm: TflmRuntime) -> None:
    """Rows whose sums of exp visit the whole table of 1 / (1 + x), and all its headrooms."""
    rng = np.random.default_rng(3)
    for depth, count in ((2, 20000), (3, 10000), (7, 4000), (100, 300), (1000, 30)):
        x = (32767 - rng.exponential(20000, (count, depth))).clip(-32768, 32767).astype(np.int16)
        ours, theirs = outputs_of_both(tflm, model(x.shape, ("int16", "int16"), UNIT / 2), [[x]])
        np.testing.assert_array_equal(ours, theirs)


@st.composite
def float_cases(draw: st.DrawFn) -> bytes:
    beta = float(np.float32(draw(st.one_of(st.just(1.0), st.floats(-3.0, 10.0)))))
    return float_model(draw(shapes(1, 6, 5)), beta)


def test_float_equals_tflm(tflm: TflmRuntime) -> None:
    seen: Counter[str] = Counter()

    @given(data=float_cases(), seed=seeds())
    def check(data: bytes, seed: int) -> None:
        check_values(tflm, ValueCase(data, lambda inputs: run_again(data, inputs)), seed, seen)

    check()
    assert_mostly_varied(seen, share=0.5)


def run_again(data: bytes, inputs: list[list[float]]) -> list[float]:
    """Floats have no bit-exact specification: C's exp is what it is."""
    interpreter = Interpreter.from_bytes(data)
    shape = interpreter.graph.main.inputs[0].shape
    x = np.array(inputs[0], np.float32).reshape(shape)
    return list(map(float, run_on(interpreter, [x]).reshape(-1)))


def test_many_floats_equal_tflm_and_the_formula(tflm: TflmRuntime) -> None:
    """300,000 outputs, no bit differs."""
    rng = np.random.default_rng(5)
    for depth, spread in ((10, 3.0), (100, 10.0), (1000, 1.0)):
        x = (rng.standard_normal((100_000 // depth, depth)) * spread).astype(np.float32)
        ours, theirs = outputs_of_both(tflm, float_model(x.shape), [[x]])
        assert_same_floats(ours, theirs)
        exact = np.array(spec.softmax_float(x[0].tolist(), 1.0))
        # sums of a thousand rounded numbers are a few ulp off
        assert ulps_between(ours[0, 0], exact).max() <= 40


def test_special_floats_equal_tflm(tflm: TflmRuntime) -> None:
    """Every pair, one more infinity, rows of nothing but -inf and NaN."""
    special = np.float32(SPECIAL_FLOATS + EXTREME_FLOATS)
    pairs = np.stack(np.meshgrid(special, special), axis=-1).reshape(-1, 2)
    for beta in (1.0, 0.0, -2.0):
        ours, theirs = outputs_of_both(tflm, float_model(pairs.shape, beta), [[pairs]])
        assert_same_floats(ours, theirs)


def test_by_hand() -> None:
    """exp(-log 2) = 1/2: rows of 1, 1/2, 1/2 give 1/2, 1/4, 1/4; of equals, equal shares."""
    log2 = np.log(2)
    x = np.array([[4, -4, -4, -128], [9, 9, 9, 9]], np.int8)
    data = model((2, 4), ("int8", "int8"), float(log2 / 8))
    # 0.5, 0.25, 0.25 of 256; exp(-132 * log 2 / 8) is 1e-5
    assert run_one(data, x).tolist() == [[0, -64, -64, -128], [-64] * 4]
    wide = np.array([[4000, 0, 0, -32768]], np.int16)
    halves = model((1, 4), ("int16", "int16"), float(log2 / 4000))
    # exp(-36768 * log 2 / 4000) = 0.00171, the sum is 2.00171: 32768 / 2.00171 = 16370.0
    assert run_one(halves, wide).tolist() == [[16370, 8185, 8185, 28]]
    floats = run_one(float_model((1, 2)), np.float32([[0, log2]]))
    np.testing.assert_allclose(floats, [[1 / 3, 2 / 3]], rtol=2e-7)


def test_where_tflm_halts_the_share_is_zero(tflm: TflmRuntime) -> None:
    """512 equal int8 logits: TFLM's check aborts; 511 still give 1/512, rounded up."""
    for depth, want in ((511, -127), (512, -128)):
        data = model((1, depth), ("int8", "int8"), 0.1)
        x = np.zeros((1, depth), np.int8)
        assert np.unique(run_one(data, x)).tolist() == [want]
        if depth == 511:
            assert np.unique(tflm.run(data, [[x]]).outputs[0][0]).tolist() == [want]
        else:
            with pytest.raises(RuntimeUnavailableError, match="SIGABRT"):
                tflm.run(data, [[x]])


@pytest.mark.parametrize("types", OUT)
def test_refuses_output_quantisation(types: tuple[str, str]) -> None:
    scale, zero = OUT[types]
    x = Input((1, 4), types[0], 0.1, 0)
    for wrong in ((scale * 1.01, zero), (scale, zero + 1), (None, None)):
        data = op_model("SOFTMAX", [x], [Input((1, 4), types[1], *wrong)], beta=1.0)
        assert_refused(data, "quantisation" if wrong[0] is None else "wanted", tensor=1)


def test_refusals() -> None:
    x, out = Input((1, 4), "int8", 0.1, 0), Input((1, 4), "int8", 1 / 256, -128)
    assert_refused(op_model("SOFTMAX", [x], [out], with_options=False), "SoftmaxOptions")
    assert_refused(op_model("SOFTMAX", [x, x], [out], beta=1.0), "has 2 inputs, wanted 1")
    longer = Input((1, 5), "int8", 1 / 256, -128)
    assert_refused(op_model("SOFTMAX", [x], [longer], beta=1.0), "wanted [1, 4]", tensor=1)
    assert_refused(float_model(()), "last axis", tensor=0)
    to_float = op_model("SOFTMAX", [x], [Input((1, 4), "float32")], beta=1.0)
    assert_refused(to_float, "int8 x float32", kind=UnsupportedError)
    for beta in (0.0, -1.0):
        assert_refused(model((1, 4), ("int8", "int8"), 0.1, beta=beta), "too small", tensor=0)
    assert_refused(model((1, 4), ("int16", "int16"), 0.1, beta=-1.0), "beta is -1")
    offset = op_model(
        "SOFTMAX", [Input((4,), "int16", 0.1, 5)], [Input((4,), "int16", 1 / 32768, 0)], beta=1.0
    )
    assert_refused(offset, "zero point 5, wanted 0", tensor=0)


@pytest.mark.parametrize(("types", "most"), [(("int8", "int8"), 8191), (("int16", "int16"), 65538)])
def test_refuses_more_than_the_sum_holds(types: tuple[str, str], most: int) -> None:
    Interpreter.from_bytes(model((1, most), types, 0.1))
    assert_refused(model((1, most + 1), types, 0.1), f"TFLM sums {most} at most", tensor=0)

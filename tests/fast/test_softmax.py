"""int8 SOFTMAX in plain ints and on arrays: every sum there can be, to its ends and beyond 512."""

from __future__ import annotations

from itertools import product

import numpy as np
import numpy.typing as npt
import pytest

from microinterp.kernels.fast import softmax
from microinterp.kernels.fast.softmax import FEW, SUM_BITS, reciprocal
from microinterp.prepare import PreparedNode
from microinterp.quant import fixedpoint_ref
from tests.differential.case import Case
from tests.fast.twins import (
    cases_of,
    check_case,
    check_twin,
    fast_twin,
    only_node,
    random_run,
    twin_of,
)
from tests.ops.movement import Constant, Input, op_model
from tests.ops.test_softmax import OUT, model

MAX_DEPTH = 8191
TYPES = ("int8", "int16")
CASES = [case for case in cases_of("SOFTMAX") if case.types.startswith("int8")]


def softmax_node(shape: tuple[int, ...], out: str, scale: float, zero: int = 0) -> PreparedNode:
    return only_node(model(shape, ("int8", out), scale, zero))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_random_models(case: Case) -> None:
    seen = check_case(case, 40)
    assert seen["twins"] == 40, seen


@pytest.fixture(params=["ints", "arrays"])
def form(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Either of the two forms, whatever the shape."""
    monkeypatch.setattr(softmax, "FEW", 1 << 30 if request.param == "ints" else 0)
    return str(request.param)


@pytest.mark.parametrize("out", TYPES)
@pytest.mark.parametrize("scale", [2e-6, 1 / 256, 0.05, 0.3, 1.0, 31.0, 100.0])
def test_every_difference(form: str, out: str, scale: float) -> None:
    """Rows [127, d] for every d, and rows with more of the greatest."""
    d = np.arange(-128, 128).astype(np.int8)
    for companions in (1, 2, 5):
        x = np.stack([np.full_like(d, 127)] * companions + [d], axis=-1)
        node = softmax_node(x.shape, out, scale)
        check_twin(node, fast_twin(node), [x], [x[:, ::-1]], [-1 - x], shift=1)


@pytest.mark.parametrize("out", TYPES)
@pytest.mark.parametrize("depth", [1, 2, 10, 12, 100, 1001])
def test_random_rows(form: str, out: str, depth: int) -> None:
    rng = np.random.default_rng(depth)
    for scale in (0.004, 0.03, 0.1, 0.5):
        node = softmax_node((20, depth), out, scale)
        twin = fast_twin(node)
        flat = rng.integers(-128, 128, (20, 1)) + rng.integers(-9, 9, (20, depth))
        near = np.clip(flat, -128, 127).astype(np.int8)
        check_twin(node, twin, *[random_run(node, rng) for _ in range(3)], [near])
        check_twin(node, twin, random_run(node, rng, (7,)))


@pytest.mark.parametrize("out", TYPES)
def test_the_ends_of_the_sum(form: str, out: str) -> None:
    """From one exponential to the 8191 that TFLM sums; from 512 on int8 outputs are 0."""
    for depth in (1, 255, 256, 511, 512, 513, 1023, 1024, 4096, MAX_DEPTH - 1, MAX_DEPTH):
        x = np.full((1, depth), 17, np.int8)
        node = softmax_node(x.shape, out, 0.1)
        (have,) = check_twin(node, fast_twin(node), [x])
        assert len(np.unique(have)) == 1
        if out == "int8" and depth >= 512:
            assert have.max() == -128
        if depth == 1:
            assert have.max() == np.iinfo(out).max


@pytest.mark.parametrize("out", TYPES)
def test_sums_around_every_power_of_two(form: str, out: str) -> None:
    """So many of the greatest, and as many as one step below it as fill the sum up and beyond."""
    for ones, others in product((1, 2, 4, 8, 16, 31, 32, 64, 255, 256), (0, 1, 2, 3, 15)):
        row = np.concatenate([np.full(ones, 9), np.full(others, -100), np.full(others, 8)])
        x = row.astype(np.int8)[None]
        node = softmax_node(x.shape, out, 0.07)
        check_twin(node, fast_twin(node), [x], [x[:, ::-1]])


@pytest.mark.parametrize(
    "shape", [(1, FEW), (1, FEW + 1), (FEW, 1), (FEW + 1, 1), (6, 10), (7, 10)]
)
@pytest.mark.parametrize("out", TYPES)
def test_shapes_around_the_break_even(shape: tuple[int, int], out: str) -> None:
    rng = np.random.default_rng(8)
    node = softmax_node(shape, out, 0.06, -7)
    twin = fast_twin(node)
    for samples in ((), (1,), (2,), (300,)):
        check_twin(node, twin, random_run(node, rng, samples), random_run(node, rng, samples))


def test_reciprocal_of_totals() -> None:
    """Around each power of two, at both ends, and anywhere between."""
    low, high = 1 << 19, MAX_DEPTH << 19
    near = [(1 << bits) + step for bits in range(19, 33) for step in range(-300, 300)]
    rng = np.random.default_rng(9)
    anywhere = (low * 2.0 ** rng.uniform(0, 13, 20000)).astype(np.int64).tolist()
    totals = [t for t in [*near, *anywhere, low, high, high - 1] if low <= t <= high]
    for total in totals:
        mantissa, exponent = fixedpoint_ref.reciprocal(total, SUM_BITS)
        assert reciprocal(total) == mantissa
        assert total.bit_length() - 20 == exponent
    columns = np.array(totals, np.int64)[:, None]
    spaces = [np.empty_like(columns) for _ in range(3)]
    want: npt.NDArray[np.int64] = np.array([[reciprocal(total)] for total in totals])
    for call in softmax._reciprocal(columns.copy(), *spaces):
        call()
    np.testing.assert_array_equal(spaces[0], want)
    assert spaces[2].reshape(-1).tolist() == [total.bit_length() for total in totals]


def test_a_constant_input_is_left_to_the_plain_kernel() -> None:
    x = Constant(np.arange(8, dtype=np.int8)[None], 0.1, 3)
    data = op_model("SOFTMAX", [x], [Input((1, 8), "int8", *OUT["int8", "int8"])], beta=1.0)
    assert twin_of(only_node(data)) == "its input is constant"

"""MEAN and SUM of int8: every sum of a few elements, the ends of long ones, and what is refused."""

from __future__ import annotations

from itertools import combinations_with_replacement

import numpy as np
import pytest

from microinterp.kernels.fast.blocks import BLOCK
from microinterp.kernels.fast.sums import MOST_SUMS
from microinterp.prepare import PreparedNode
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
from tests.ops.movement import Constant, Input, numbers, op_model

CASES = [case for case in cases_of("MEAN", "SUM") if case.types == "int8"]
LONGEST = (MOST_SUMS - 1) // 255


def sum_node(
    op: str,
    shape: tuple[int, ...],
    axes: tuple[int, ...],
    ratio: float = 1.0,
    dtype: str = "int8",
    profile: str = "tflm",
) -> PreparedNode:
    x = Input(shape, dtype, 0.05, -7 if dtype == "int8" else 0)
    left = tuple(size for i, size in enumerate(shape) if i not in axes)
    out = Input(left, dtype, 0.05 * ratio, 11 if dtype == "int8" else 0)
    return only_node(op_model(op, [x, numbers(*axes)], [out], keep_dims=False), profile)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_random_models(case: Case) -> None:
    """Those that reduce adjacent axes have a twin."""
    seen = check_case(case, 60)
    assert seen["twins"] >= 15
    assert seen["twins"] + seen["sums along no axis, or along axes that are not adjacent"] == 60


@pytest.mark.parametrize("op", ["MEAN", "SUM"])
@pytest.mark.parametrize("profile", ["tflm", "single", "litert-ref"])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_every_sum_of_a_few(op: str, profile: str, count: int) -> None:
    """Every sum, and for two also every pair."""
    values = range(-128, 128) if count < 3 else range(-128, 128, 5)
    x = np.array(list(combinations_with_replacement(values, count))).astype(np.int8)
    for ratio in (0.3, 1.0, 2.7):
        node = sum_node(op, x.shape, (1,), ratio, profile=profile)
        (out,) = check_twin(node, fast_twin(node), [x], [x[:, ::-1]])
        assert len(np.unique(out)) > 10


def staircase(count: int, first: int, last: int) -> np.ndarray:
    """Rows of `count` whose sums are first to last - 1 more than that of -128 alone."""
    rows = np.arange(first, last)[:, None] - 255 * np.arange(count)
    return (np.clip(rows, 0, 255) - 128).astype(np.int8)


@pytest.mark.parametrize("op", ["MEAN", "SUM"])
@pytest.mark.parametrize("count", [9, 64])
def test_every_sum_of_many(op: str, count: int) -> None:
    x = staircase(count, 0, 255 * count + 1)
    node = sum_node(op, x.shape, (1,), 1.0 if op == "MEAN" else count / 3)
    check_twin(node, fast_twin(node), [x])


@pytest.mark.parametrize("op", ["MEAN", "SUM"])
@pytest.mark.parametrize("first", [0, 128 * LONGEST - 200, 255 * LONGEST - 399])
def test_the_longest_sums_at_both_ends_and_around_0(op: str, first: int) -> None:
    x = staircase(LONGEST, first, first + 400)
    node = sum_node(op, x.shape, (1,), 1.0 if op == "MEAN" else LONGEST / 3)
    check_twin(node, fast_twin(node), [x])


@pytest.mark.parametrize(
    ("shape", "axes"),
    [
        ((1, 7, 5, 33), (1, 2)),
        ((1, 7, 5, 33), (3,)),
        ((2, 7, 5, 3), (0, 1)),
        ((2, 7, 5, 3), (1, 2, 3)),
        ((2, 3), (0, 1)),
        ((1, 50, BLOCK // 100), (1,)),
        ((5, 50, BLOCK // 100), (1,)),
        ((1, 3, BLOCK + 9), (1,)),
    ],
)
@pytest.mark.parametrize("samples", [(), (1,), (3,)])
def test_axes_and_blocks(
    shape: tuple[int, ...], axes: tuple[int, ...], samples: tuple[int, ...]
) -> None:
    rng = np.random.default_rng(3)
    node = sum_node("SUM", shape, axes, 4.0)
    for shift in (0, 1):
        runs = random_run(node, rng, samples), random_run(node, rng, samples)
        check_twin(node, fast_twin(node), *runs, shift=shift)


def test_refusals() -> None:
    assert twin_of(sum_node("MEAN", (2, 3, 4), (0, 2))).startswith("sums along no axis")
    assert twin_of(sum_node("MEAN", (2, LONGEST + 1), (1,))) == f"sums of {LONGEST + 1} elements"
    assert twin_of(sum_node("MEAN", (2, 8), (1,), dtype="int16")) == "sums of int16"
    x = Constant(np.zeros((2, 3), np.int8), 0.1, 0)
    data = op_model("SUM", [x, numbers(1)], [Input((2,), "int8", 0.1, 0)], keep_dims=False)
    assert twin_of(only_node(data)) == "its input is constant"

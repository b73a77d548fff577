"""MAX_POOL_2D of integers, every way in which windows, strides and paddings meet."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from microinterp.kernels.fast import max_pool
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
from tests.ops.movement import Constant, Input, op_model
from tests.ops.test_pool_2d import MAX, Pool
from tests.spec_ops.conv import Axis


def pool_node(
    shape: tuple[int, ...],
    size: tuple[int, int],
    stride: tuple[int, int],
    padding: str,
    activation: str = "NONE",
    dtype: str = "int8",
) -> PreparedNode:
    rows, columns = (Axis(n, s, 1, padding) for n, s in zip(size, stride, strict=True))
    x = Input(shape, dtype, 0.05, 3 if dtype == "int8" else 0)
    return only_node(Pool(MAX, x, (rows, columns), activation).data())


@pytest.mark.parametrize("case", cases_of(MAX), ids=lambda case: case.name)
def test_random_models(case: Case) -> None:
    seen = check_case(case, 60)
    if case.types == "float32":
        assert seen == {"NumPy's maximum of floats takes NaN and -0.0 otherwise": 60}
    else:
        assert seen["twins"] == 60, seen


@pytest.mark.parametrize("padding", ["SAME", "VALID"])
@pytest.mark.parametrize("dtype", ["int8", "int16"])
def test_windows_of_every_kind(padding: str, dtype: str) -> None:
    """Windows wider than their stride, as wide, and narrower: some pixels then meet none."""
    rng = np.random.default_rng(3)
    for size, stride in product(product((1, 2, 3, 7), repeat=2), product((1, 2, 4), repeat=2)):
        node = pool_node((1, 9, 8, 3), size, stride, padding, dtype=dtype)
        twin = fast_twin(node)
        check_twin(node, twin, random_run(node, rng), random_run(node, rng), shift=1)
        check_twin(node, twin, random_run(node, rng, (3,)))


@pytest.mark.parametrize("activation", ["RELU", "RELU6", "RELU_N1_TO_1"])
@pytest.mark.parametrize("dtype", ["int8", "int16"])
def test_activations(activation: str, dtype: str) -> None:
    rng = np.random.default_rng(4)
    node = pool_node((2, 40, 40, 12), (2, 2), (2, 2), "SAME", activation, dtype)
    twin = fast_twin(node)
    for samples in ((), (4,)):
        (out,) = check_twin(node, twin, random_run(node, rng, samples))
        assert len(np.unique(out)) > 1


@pytest.mark.parametrize("images", [1, 2, 3, 7])
def test_images_that_are_pooled_in_turns(images: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(max_pool, "TILE_BYTES", 2 * 10 * 10 * 4)
    rng = np.random.default_rng(5)
    node = pool_node((images, 10, 10, 4), (3, 3), (2, 2), "SAME")
    for samples in ((), (1,), (5,)):
        runs = random_run(node, rng, samples), random_run(node, rng, samples)
        check_twin(node, fast_twin(node), *runs)


def test_all_are_the_lowest_number() -> None:
    """Nothing that was in the output or between the passes before may shine through."""
    node = pool_node((1, 6, 6, 2), (5, 5), (1, 1), "SAME")
    lowest = np.full((1, 6, 6, 2), -128, np.int8)
    (out,) = check_twin(node, fast_twin(node), random_run(node, np.random.default_rng(6)), [lowest])
    assert (out == -128).all()


def test_a_constant_input_is_left_to_the_plain_kernel() -> None:
    options = {"stride_h": 1, "stride_w": 1, "filter_height": 2, "filter_width": 2}
    x = Constant(np.zeros((1, 4, 4, 1), np.int8), 0.1, 0)
    out = Input((1, 3, 3, 1), "int8", 0.1, 0)
    node = only_node(op_model(MAX, [x], [out], padding="VALID", **options))
    assert twin_of(node) == "its input is constant"

"""Reasons to keep the plain kernel that no ordinary model gives: memory, wide sums."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from microinterp.kernels import conv_2d
from microinterp.kernels.fast import (
    casts,
    convolution,
    depthwise,
    inexact,
    matrix,
    moves,
    proof,
    rescale,
    sums,
)
from microinterp.kernels.fast.names import plain_name
from microinterp.kernels.fast.proof import products_are_exact, sums_of
from microinterp.kernels.fast.rescale import Staircase
from microinterp.model_builder import ModelBuilder
from tests.fast.twins import fast_twin, only_node, twin_of
from tests.ops.test_conv_2d import BASE as CONV
from tests.ops.test_depthwise_conv_2d import BASE as DEPTHWISE


def most_floats(monkeypatch: pytest.MonkeyPatch, module: Any, most: int) -> None:
    monkeypatch.setattr(module, "MOST_FLOATS", most)


def test_a_convolution_gathers_no_more_than_memory_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    node = only_node(CONV.data())
    fast_twin(node)
    geometry = node.kernel.params.geometry
    filters, height, width, depth = np.asarray(CONV.w).shape
    row = geometry.width.outputs * height * width * depth
    assert filters
    most_floats(monkeypatch, convolution, row - 1)
    assert twin_of(node) == f"a row of outputs would gather {row} floats"
    most_floats(monkeypatch, convolution, row)
    monkeypatch.setattr(convolution.Convolution, "padded_floats", row + 1)
    assert twin_of(node) == f"its padded image would have {row + 1} elements"
    monkeypatch.setattr(convolution.Convolution, "padded_floats", row)
    fast_twin(node)


def test_a_depthwise_convolution_takes_no_more_than_memory_holds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    node = only_node(DEPTHWISE.data())
    fast_twin(node)
    for name, words in (
        ("floats_per_row", "a row of outputs would take 9 weights"),
        ("padded_floats", "its padded image would have 9 elements"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(depthwise.Depthwise, "floats_per_row", 8)
            patch.setattr(depthwise.Depthwise, "padded_floats", 8)
            most_floats(patch, depthwise, 8)
            fast_twin(node)
            patch.setattr(depthwise.Depthwise, name, 9)
            assert twin_of(node) == words


def pool(channels: int = 2) -> bytes:
    b = ModelBuilder()
    g = b.subgraph("main")
    x = g.input("x", (1, 4, 4, channels), "int8", 0.5, 0)
    y = g.tensor("y", (1, 2, 2, channels), "int8", 0.5, 0)
    windows = {"filter_height": 2, "filter_width": 2, "stride_h": 2, "stride_w": 2}
    g.op("AVERAGE_POOL_2D", [x], [y], padding="VALID", **windows)
    g.output(y)
    return b.finish()


def test_a_mean_that_floats_would_round_otherwise_stays_plain(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    node = only_node(pool())
    fast_twin(node)
    monkeypatch.setattr(Staircase, "wrong", lambda self, form: np.array([True]))
    assert twin_of(node) == "floats would round some mean differently"


def test_outputs_that_no_integer_holds_have_no_form() -> None:
    """From 2^30 on, on either side."""
    for low, high in ((-(2**10), 1), (-1, 2**10)):
        found = sums_of(np.array([[1]]), low, high)
        for scale, is_held in ((2.0**19, True), (2.0**20, False)):
            numbers = np.array([scale]), np.zeros(1)
            form = rescale._raised(*numbers, None, 0, (-128, 127), found)
            assert (form is not None) == is_held


def test_sums_beyond_a_double_have_no_product() -> None:
    quant = only_node(CONV.data()).kernel.params.quant
    weights = np.array([[2**46 + 1]])
    told = matrix.integer_product(weights, np.zeros(1, np.int64), quant)
    assert told == f"sums may reach {(2**46 + 1) * 128}, which no float holds exactly"


def test_a_machine_whose_products_lose_bits_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert products_are_exact()
    exact = np.einsum
    for wrong, answer in ((0, True), (1, False)):
        monkeypatch.setattr(proof.np, "einsum", lambda *given, by=wrong: exact(*given) + by)
        assert products_are_exact.__wrapped__() is answer


def summing(shape: tuple[int, ...]) -> bytes:
    b = ModelBuilder()
    g = b.subgraph("main")
    x = g.input("x", shape, "int8", 0.5, 0)
    axes = g.constant("axes", np.array([1], np.int32))
    y = g.tensor("y", (shape[0], 1, *shape[2:]), "int8", 4.0, 0)
    g.op("SUM", [x, axes], [y], keep_dims=True)
    g.output(y)
    return b.finish()


def test_sums_need_exact_products(monkeypatch: pytest.MonkeyPatch) -> None:
    node = only_node(summing((2, 5)))
    fast_twin(node)
    monkeypatch.setattr(sums, "products_are_exact", lambda: False)
    assert twin_of(node) == "matrix products of this machine lose bits"


def test_a_zero_point_beyond_its_type_is_left_to_the_plain_kernel() -> None:
    """`verify` refuses it; a kernel prepared by hand may have it."""
    node = SimpleNamespace(input=lambda _: SimpleNamespace(data=None))
    for zero_point, is_fast in ((127, True), (128, False), (-129, False)):
        params = SimpleNamespace(low=-128, high=127, zero_point=zero_point, scale=np.float32(0.5))
        told = casts.choose_quantize(node, SimpleNamespace(params=params))  # type: ignore[arg-type]
        assert (told == f"zero point {zero_point} is outside the type") != is_fast


def test_pixels_of_a_constant_are_moved_by_the_plain_kernel() -> None:
    b = ModelBuilder()
    g = b.subgraph("main")
    x = g.constant("x", np.arange(4, dtype=np.int8).reshape(1, 2, 2, 1), None, 0.5, 0)
    size = g.constant("size", np.array([4, 4], np.int32))
    y = g.tensor("y", (1, 4, 4, 1), "int8", 0.5, 0)
    g.op("RESIZE_NEAREST_NEIGHBOR", [x, size], [y])
    g.output(y)
    node = only_node(b.finish())
    assert moves.choose_nearest(node.node, node.kernel) == "its input is constant"


def test_float_convolutions_of_groups_stay_plain() -> None:
    b = ModelBuilder()
    g = b.subgraph("main")
    x = g.input("x", (1, 3, 3, 4), "float32")
    w = g.constant("w", np.ones((2, 1, 1, 2), np.float32))
    y = g.tensor("y", (1, 3, 3, 2), "float32")
    g.op("CONV_2D", [x, w], [y], padding="VALID", stride_h=1, stride_w=1)
    g.output(y)
    node = only_node(b.finish())
    assert inexact.choose_convolution(node.node, node.kernel) == "2 groups of channels"


def test_only_the_packages_own_functions_have_names() -> None:
    class Callable:
        __module__, __qualname__ = conv_2d.__name__, "evaluate_int"

        def __call__(self, *arguments: Any) -> Any:
            raise NotImplementedError

    own: Any = conv_2d.evaluate_int
    assert plain_name(own) == "conv_2d.evaluate_int"
    assert plain_name(partial(own)) == ""
    assert plain_name(Callable()) == ""
    assert plain_name(test_only_the_packages_own_functions_have_names) == ""  # type: ignore[arg-type]

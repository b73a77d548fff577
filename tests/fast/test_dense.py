"""FULLY_CONNECTED as a product: the edges of exact sums, zero points of filters, rows and ranks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from microinterp import Interpreter
from microinterp.kernels.fast import proof
from microinterp.runtimes.tflm import TflmRuntime
from tests.fast.comparison import assert_same, check_layers, node_of, tiles_of
from tests.fast.layers import (
    at_the_edge,
    bounds_of,
    dense,
    inputs_for,
    weights_with_bound,
    with_usual_numbers,
)
from tests.ops.movement import run_one
from tests.ops.test_fully_connected import BASE

EDGES = {
    (1 << 24) - 1: "float32",
    1 << 24: "float32",
    (1 << 24) + 1: "float64",
    (1 << 24) + 2: "float64",
    1 << 25: "float64",
}


def test_random_layers() -> None:
    tally = check_layers("FULLY_CONNECTED", 100, 1)
    assert tally.why["twin"] >= 60
    assert tally.varied >= 50


@pytest.mark.thorough
def test_many_random_layers() -> None:
    tally = check_layers("FULLY_CONNECTED", 2000, 2)
    assert tally.layers == 2000
    assert tally.why["twin"] >= 1300
    assert tally.varied >= 1000
    for form in ("one rounding", "two roundings", "float64", "may overflow int32", "multiply_real"):
        assert tally.why[form] >= 15, form


def test_random_layers_equal_tflm(tflm: TflmRuntime) -> None:
    assert check_layers("FULLY_CONNECTED", 40, 3, tflm).why["twin"] >= 25


@pytest.mark.slow
def test_many_random_layers_equal_tflm(tflm: TflmRuntime) -> None:
    assert check_layers("FULLY_CONNECTED", 200, 4, tflm).why["twin"] >= 140


@pytest.mark.parametrize("bound", EDGES)
def test_sums_just_under_and_over_2_to_the_24(bound: int) -> None:
    """The bias takes the greatest sums back to where outputs step at each unit, or at every few."""
    rng = np.random.default_rng(bound)
    twins = varied = 0
    for _ in range(12):
        layer = at_the_edge(rng, bound)
        least, greatest = bounds_of(layer)
        assert max(-least.min(), greatest.max()) == bound
        batch = np.concatenate([inputs_for(rng, layer, 0) for _ in range(6)])
        node, outputs = assert_same(layer.data(), batch, rng)
        assert node.fast is None or EDGES[bound] in node.why
        twins += node.fast is not None
        varied += len(np.unique(outputs)) > 4
    print(bound, twins, varied)
    assert twins >= 6
    assert varied >= 6


def test_the_bound_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Were sums beyond 2^24 taken in float32, outputs would differ."""
    rng = np.random.default_rng(0)
    layer = at_the_edge(rng, (1 << 24) + (1 << 20))
    factor_one = replace(layer.y, scale=1.0, zero_point=0)
    least, greatest = bounds_of(layer)
    zero = layer.x.zero_point or 0
    bias = zero * layer.w.astype(np.int64).sum(axis=1) - np.where(
        greatest > -least, greatest, least
    )
    layer = replace(layer, y=factor_one, bias=bias.astype(np.int32), options={})
    batch = np.concatenate([inputs_for(rng, layer, 0) for _ in range(40)])
    assert_same(layer.data(), batch, rng)
    monkeypatch.setattr(proof, "FLOAT32_INTEGERS", 1 << 25)
    assert "float32" in node_of(Interpreter.from_bytes(layer.data())).why
    with pytest.raises(AssertionError, match="float32 product"):
        assert_same(layer.data(), batch, rng)


@pytest.mark.parametrize("w_zero_point", [-128, -1, 5, 127])
def test_zero_points_of_the_filter(w_zero_point: int) -> None:
    rng = np.random.default_rng(w_zero_point & 0xFF)
    for rows in (1, 3):
        layer = with_usual_numbers(rng, dense((rows, 24), rows, 5))
        layer = replace(layer, w_type=None, w_scales=[0.001], w_zero_point=w_zero_point, bias=None)
        layer = replace(layer, y=replace(layer.y, scale=layer.x.scale, zero_point=3))
        node, outputs = assert_same(layer.data(), inputs_for(rng, layer), rng)
        assert node.fast is not None
        assert len(np.unique(outputs)) > 4


def test_zero_points_of_the_filter_count_in_the_bound() -> None:
    """Weights of 127 with a zero point of -128 are 255: 514 of them reach 2^24, 515 go beyond."""
    for depth, kind in ((514, "float32"), (515, "float64")):
        layer = replace(
            dense((1, depth), 1, 1),
            w=np.full((1, depth), 127, np.int8),
            w_scales=[1.0],
            w_zero_point=-128,
        )
        layer = replace(layer, y=replace(layer.y, scale=1e5))
        rng = np.random.default_rng(depth)
        node, _ = assert_same(layer.data(), inputs_for(rng, layer), rng)
        assert kind in node.why, (255 * 128 * depth, 1 << 24)


@pytest.mark.parametrize("floats", [None, 1, 50])
@pytest.mark.parametrize(
    ("shape", "rows"), [((1, 40), 1), ((40,), 1), ((2, 4, 5), 8), ((3, 2, 2, 10), 6), ((7, 1), 7)]
)
def test_rows_and_ranks(shape: tuple[int, ...], rows: int, floats: int | None) -> None:
    rng = np.random.default_rng(rows)
    layer = with_usual_numbers(rng, dense(shape, rows, 5))
    with tiles_of(floats):
        node, outputs = assert_same(layer.data(), inputs_for(rng, layer), rng)
    assert node.fast is not None, node.why
    assert len(np.unique(outputs)) > 4


@pytest.mark.parametrize(
    ("rows", "channels"), [(1, 9001), (3, 5000), (7, 4097), (8191, 2), (97, 89), (4099, 3)]
)
def test_lines_of_constants_of_any_length(rows: int, channels: int) -> None:
    """Rows share a line of repeated constants where they divide, or each has its own."""
    rng = np.random.default_rng(rows)
    layer = with_usual_numbers(rng, dense((rows, 3), rows, channels))
    node, outputs = assert_same(layer.data(), inputs_for(rng, layer, 0)[-2:], rng)
    assert node.fast is not None, node.why
    assert len(np.unique(outputs)) > 100


def test_weights_reach_the_bound_they_are_made_for() -> None:
    rng = np.random.default_rng(2)
    for bound in (*EDGES, 128, 12345 * 128 + 127):
        w = weights_with_bound(rng, bound, bound // (127 * 128) + 300).astype(np.int64)
        assert (
            max(np.maximum(w * -128, w * 127).sum(), -np.minimum(w * -128, w * 127).sum()) == bound
        )


def test_worked_by_hand() -> None:
    """As in tests/ops/test_fully_connected.py: 42 and 0, times 0.25, minus 1; halves go away."""
    assert node_of(Interpreter.from_bytes(BASE.data())).fast is not None
    assert run_one(BASE.data(), np.array([[5, 6, 7]], np.int8)).tolist() == [[10, -1]]

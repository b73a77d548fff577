"""CONV_2D as a product: every geometry, the edges of the sums, and what it may take of memory."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from microinterp import Interpreter
from microinterp.runtimes.tflm import TflmRuntime
from tests.fast.comparison import assert_same, check_layers, node_of, tiles_of
from tests.fast.layers import at_the_edge, geometry, inputs_for, with_usual_numbers
from tests.ops.layers import Layer, options_of
from tests.ops.movement import Input, run_one
from tests.ops.test_conv_2d import BASE, PIXELS
from tests.spec_ops.conv import Axis

ROOM = 300 << 20


def square(size: int, stride: int, dilation: int, padding: str) -> tuple[Axis, Axis]:
    axis = Axis(size, stride, dilation, padding)
    return axis, axis


GEOMETRIES: dict[str, tuple[tuple[int, ...], tuple[Axis, Axis], int]] = {
    "one pixel": ((1, 1, 1, 3), square(1, 1, 1, "VALID"), 4),
    "one pixel, wide filter": ((1, 1, 1, 2), square(5, 1, 1, "SAME"), 3),
    "1 x 1 with stride 3": ((1, 8, 7, 4), square(1, 3, 1, "SAME"), 3),
    "1 x 1 with stride 3, several images": ((3, 7, 7, 2), square(1, 3, 1, "VALID"), 5),
    "padding larger than the image": ((2, 3, 2, 2), square(11, 1, 1, "SAME"), 2),
    "padding by dilation larger than the image": ((1, 4, 3, 2), square(3, 2, 5, "SAME"), 2),
    "rows and columns unused": ((2, 10, 11, 3), square(3, 4, 1, "VALID"), 4),
    "stride larger than the filter": ((1, 13, 12, 2), square(2, 5, 1, "VALID"), 3),
    "dilation and stride": ((1, 14, 13, 2), square(3, 2, 3, "VALID"), 3),
    "padding below, none across": (
        (2, 6, 9, 2),
        (Axis(3, 1, 1, "SAME"), Axis(1, 2, 1, "SAME")),
        3,
    ),
    "padding across only": ((2, 9, 6, 2), (Axis(1, 2, 1, "SAME"), Axis(4, 1, 1, "SAME")), 3),
    "many rows": ((1, 33, 5, 3), square(3, 1, 1, "SAME"), 5),
    "many images": ((7, 5, 4, 3), square(3, 2, 1, "SAME"), 2),
    "one filter": ((1, 6, 6, 5), square(3, 1, 1, "SAME"), 1),
}


@pytest.mark.parametrize("floats", [None, 1, 97, 1500])
@pytest.mark.parametrize("name", GEOMETRIES)
def test_every_geometry_in_tiles_of_every_size(name: str, floats: int | None) -> None:
    rng = np.random.default_rng(len(name))
    for _ in range(2):
        layer = with_usual_numbers(rng, geometry("CONV_2D", *GEOMETRIES[name]))
        with tiles_of(floats):
            node, outputs = assert_same(layer.data(), inputs_for(rng, layer), rng)
        assert node.fast is not None, node.why
        assert len(np.unique(outputs)) > 4


def test_random_layers() -> None:
    tally = check_layers("CONV_2D", 100, 1)
    assert tally.why["twin"] >= 70
    assert tally.varied >= 50


@pytest.mark.thorough
def test_many_random_layers() -> None:
    tally = check_layers("CONV_2D", 2000, 2)
    assert tally.layers == 2000
    assert tally.why["twin"] >= 1400
    assert tally.varied >= 1000
    for form in (
        "one rounding",
        "two roundings",
        "float64",
        "may overflow int32",
        "floats would round",
    ):
        assert tally.why[form] >= 15, form


def test_random_layers_equal_tflm(tflm: TflmRuntime) -> None:
    assert check_layers("CONV_2D", 40, 3, tflm).why["twin"] >= 25


@pytest.mark.slow
def test_many_random_layers_equal_tflm(tflm: TflmRuntime) -> None:
    assert check_layers("CONV_2D", 200, 4, tflm).why["twin"] >= 140


@pytest.mark.parametrize(
    ("bound", "kind"),
    [((1 << 24) - 1, "float32"), (1 << 24, "float32"), ((1 << 24) + 1, "float64")],
)
def test_sums_just_under_and_over_2_to_the_24(bound: int, kind: str) -> None:
    rng = np.random.default_rng(bound)
    twins = varied = 0
    for _ in range(8):
        layer = at_the_edge(rng, bound, "CONV_2D")
        batch = np.concatenate([inputs_for(rng, layer, 0) for _ in range(6)])
        node, outputs = assert_same(layer.data(), batch, rng)
        assert node.fast is None or kind in node.why
        twins += node.fast is not None
        varied += len(np.unique(outputs)) > 4
    assert twins >= 4
    assert varied >= 4


def test_worked_by_hand() -> None:
    """As in tests/ops/test_conv_2d.py: 20 15 7 11, times 0.25, rounded, minus 2."""
    assert node_of(Interpreter.from_bytes(BASE.data())).fast is not None
    assert run_one(BASE.data(), PIXELS).reshape(-1).tolist() == [3, 2, 0, 1]


def far_apart(op: str, dilation: int, channels: int) -> Layer:
    """3 x 3 taps on a single pixel, most of them far out in the padding."""
    axes = square(3, 1, dilation, "SAME")
    is_depthwise = op == "DEPTHWISE_CONV_2D"
    w_shape = (1, 3, 3, channels) if is_depthwise else (channels, 3, 3, channels)
    return Layer(
        op,
        Input((1, 1, 1, channels), "int8", 0.5, 1),
        np.arange(np.prod(w_shape)).reshape(w_shape).astype(np.int8),
        Input((1, 1, 1, channels), "int8", 1.0, -2),
        w_scales=[0.5],
        axis=3 if is_depthwise else 0,
        options={**options_of(axes), **({"depth_multiplier": 1} if is_depthwise else {})},
    )


@pytest.mark.parametrize("op", ["CONV_2D", "DEPTHWISE_CONV_2D"])
@pytest.mark.parametrize("dilation", [700, 32767])
def test_padding_takes_little_memory(op: str, dilation: int) -> None:
    """A padded image may be far larger than the image: many at once, or a vast one."""
    data = far_apart(op, dilation, 2).data()
    batch = np.arange(200, dtype=np.uint8).view(np.int8).reshape(100, 1, 1, 1, 2)
    tracemalloc.start()
    try:
        (have,) = Interpreter.from_bytes(data).run_batch(batch, threads=2)
        assert tracemalloc.get_traced_memory()[1] < ROOM
    finally:
        tracemalloc.stop()
    (want,) = Interpreter.from_bytes(data, kernels="plain").run_batch(batch)
    assert have.tobytes() == want.tobytes()
    if dilation > 1000:
        assert "padded image" in node_of(Interpreter.from_bytes(data)).why

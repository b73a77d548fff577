"""MEAN, SUM and pools lowered to steps: every argument worked by hand."""

from __future__ import annotations

from typing import Any

import pytest

from microinterp.packed import PackedModel, load
from microinterp.packed import steps as s
from tests.ops.movement import Input, numbers, op_model
from tests.packed.compare import pack_model


def reduced(
    op: str, shape: tuple[int, ...], axes: tuple[int, ...], scale: float = 0.5
) -> PackedModel:
    """From scale 0.5 and zero point -7 to zero point 9."""
    gone = {axis % len(shape) for axis in axes}
    kept = tuple(size for axis, size in enumerate(shape) if axis not in gone)
    tensors = Input(shape, "int8", 0.5, -7), Input(kept, "int8", scale, 9)
    return load(pack_model(op_model(op, [tensors[0], numbers(*axes)], [tensors[1]])))


@pytest.mark.parametrize("op", ["MEAN", "SUM"])
@pytest.mark.parametrize(
    ("shape", "axes", "sizes"),
    [
        ((2, 3, 4, 5), (0,), (1, 2, 60)),
        ((2, 3, 4, 5), (1,), (2, 3, 20)),
        ((2, 3, 4, 5), (3,), (24, 5, 1)),
        ((2, 3, 4, 5), (-1,), (24, 5, 1)),
        ((2, 3, 4, 5), (-4,), (1, 2, 60)),
        ((2, 3, 4, 5), (2, 1), (2, 12, 5)),
        ((2, 3, 4, 5), (2, -1), (6, 20, 1)),
        ((2, 3, 4, 5), (0, 1, 2, 3), (1, 120, 1)),
        ((2, 1, 4, 5), (0, 2), (1, 8, 5)),  # nothing is between them
        ((2, 1, 4), (1,), (8, 1, 1)),
        ((1, 1), (0, 1), (1, 1, 1)),
        ((7,), (0,), (1, 7, 1)),
    ],
)
def test_axes_side_by_side(
    op: str, shape: tuple[int, ...], axes: tuple[int, ...], sizes: tuple[int, int, int]
) -> None:
    model = reduced(op, shape, axes)
    (step,) = model.subgraphs[0].steps
    assert isinstance(step, s.Mean)
    assert (step.x, step.dst) == (model.inputs[0].offset, model.outputs[0].offset)
    assert (step.outer, step.reduce, step.inner) == sizes
    assert (step.zn, step.zo) == (-7 * sizes[1], 9)
    factor = (step.m_hi * 2**15 + step.m_lo) * 2.0 ** (step.shift - 31)
    assert factor == pytest.approx(1 / sizes[1] if op == "MEAN" else 1, rel=1e-6)
    assert model.arena_bytes == -(-model.head_bytes // 16) * 16


def test_axes_with_others_between_them() -> None:
    """[2, 3, 4, 5] less the first and the third: [3, 5, 2, 4] in 120 bytes of scratch."""
    model = reduced("MEAN", (2, 3, 4, 5), (0, 2))
    move, step = model.subgraphs[0].steps
    x, dst = model.inputs[0].offset, model.outputs[0].offset
    scratch = -(-model.head_bytes // 16) * 16
    sources, targets = (0, 20, 1, 60, 5), (0, 40, 8, 4, 1)
    assert move == s.Move(x, scratch, 1, *(1, 3, 5, 2, 4), *sources, *targets)
    assert step == s.Mean(scratch, dst, 15, 8, 1, -56, *(32768, 0, -2), 9)
    assert model.arena_bytes == scratch + 128


@pytest.mark.parametrize(
    ("op", "kind"), [("MAX_POOL_2D", s.MaxPool), ("AVERAGE_POOL_2D", s.AveragePool)]
)
def test_pools(op: str, kind: Any) -> None:
    """5 x 7 pixels with windows of 3 x 2: 3 x 3 pixels, 1 above; RELU6 at a scale of 0.1."""
    x, out = Input((2, 5, 7, 6), "int8", 0.1, 9), Input((2, 3, 3, 6), "int8", 0.1, 9)
    options = {"padding": "SAME", "stride_h": 2, "stride_w": 3, "filter_height": 3}
    options |= {"filter_width": 2, "fused_activation_function": "RELU6"}
    model = load(pack_model(op_model(op, [x], [out], **options)))
    places = model.inputs[0].offset, model.outputs[0].offset
    sizes = (2, 5, 7, 6, 3, 3, 3, 2, 2, 3, 1, 0)
    (step,) = model.subgraphs[0].steps
    assert type(step) is kind
    assert step == (*places, *sizes, 9, 69, 0)

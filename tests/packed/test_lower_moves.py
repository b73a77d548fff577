"""Ops that move elements, ADD and MUL lowered to steps: every argument worked by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from microinterp.errors import UnsupportedError
from microinterp.model_builder import ModelBuilder
from microinterp.packed import PackedModel, load
from microinterp.packed import steps as s
from microinterp.packed.lower.common import advance
from microinterp.packed.steps import Step
from tests.ops.movement import Constant, Input, numbers, op_model
from tests.packed.compare import pack_model

Q = ("int8", 0.5, 0)


def int8(*shape: int) -> Input:
    return Input(shape, *Q)


def packed(op: str, inputs: list[Any], outputs: list[Input], **options: Any) -> PackedModel:
    return load(pack_model(op_model(op, inputs, outputs, **options)))


def steps_of(model: PackedModel) -> list[Step]:
    """Those of the main subgraph."""
    return list(model.subgraphs[0].steps)


def places(model: PackedModel) -> tuple[int, int]:
    return model.inputs[0].offset, model.outputs[0].offset


@pytest.mark.parametrize(
    ("ref", "nbytes", "wanted"), [(0, 3, 3), (5, 3, 8), (~0, 3, ~3), (~5, 3, ~8), (7, 0, 7)]
)
def test_refs_further_on(ref: int, nbytes: int, wanted: int) -> None:
    assert advance(ref, nbytes) == wanted


def test_transpose() -> None:
    """[2, 3, 4] of two bytes to [2, 4, 3]."""
    x, out = Input((2, 3, 4), "int16", 0.5, 0), Input((2, 4, 3), "int16", 0.5, 0)
    model = packed("TRANSPOSE", [x, numbers(0, 2, 1)], [out])
    counts, sources, targets = (1, 1, 2, 4, 3), (0, 0, 24, 2, 8), (0, 0, 24, 6, 2)
    assert steps_of(model) == [s.Move(*places(model), 2, *counts, *sources, *targets)]


def test_axes_that_stay_side_by_side_are_one() -> None:
    """[2, 3, 4, 5] to [4, 5, 2, 3], which is 6 x 20 to 20 x 6; axes of 1 are none."""
    for x, out, axes in (
        (int8(2, 3, 4, 5), int8(4, 5, 2, 3), (2, 3, 0, 1)),
        (int8(6, 1, 20), int8(20, 1, 6), (2, 1, 0)),
        (int8(6, 20), int8(20, 6), (1, 0)),
    ):
        model = packed("TRANSPOSE", [x, numbers(*axes)], [out])
        counts, sources, targets = (1, 1, 1, 20, 6), (0, 0, 0, 1, 20), (0, 0, 0, 6, 1)
        assert steps_of(model) == [s.Move(*places(model), 1, *counts, *sources, *targets)]


def test_a_transpose_that_moves_nothing_is_a_copy() -> None:
    model = packed("TRANSPOSE", [int8(1, 6, 5), numbers(1, 0, 2)], [int8(6, 1, 5)])
    assert steps_of(model) == [s.Copy(*places(model), 30)]
    model = packed("TRANSPOSE", [int8(1, 1), numbers(1, 0)], [int8(1, 1)])
    assert steps_of(model) == [s.Copy(*places(model), 1)]


def test_five_dimensions_at_once() -> None:
    five = (2,) * 5
    model = packed("TRANSPOSE", [int8(*five), numbers(4, 3, 2, 1, 0)], [int8(*five)])
    strides = (1, 2, 4, 8, 16)
    assert steps_of(model) == [s.Move(*places(model), 1, *five, *strides, *strides[::-1])]


def test_six_dimensions_at_once_are_too_many() -> None:
    with pytest.raises(UnsupportedError) as caught:
        add(int8(2, 1, 2, 1, 2, 1), int8(*(2,) * 6), int8(*(2,) * 6))
    text = "elements move along 6 dimensions at once, boards take 5"
    assert caught.value.message == f"cannot be packed: {text}"


def test_slices() -> None:
    """From [4, 6] int16: rows are copied, columns moved."""
    x = Input((4, 6), "int16", 0.5, 0)
    rows = Input((2, 6), "int16", 0.5, 0)
    model = packed("SLICE", [x, numbers(1, 0), numbers(2, 6)], [rows])
    start, dst = places(model)
    assert steps_of(model) == [s.Copy(start + 12, dst, 24)]
    columns = Input((3, 4), "int16", 0.5, 0)
    model = packed("SLICE", [x, numbers(1, 2), numbers(3, 4)], [columns])
    start, dst = places(model)
    counts, sources, targets = (1, 1, 1, 3, 4), (0, 0, 0, 12, 2), (0, 0, 0, 8, 2)
    assert steps_of(model) == [s.Move(start + 16, dst, 2, *counts, *sources, *targets)]


def test_strided_slices() -> None:
    """[2, 5]: the columns 4, 2 and 0."""
    given = [int8(2, 5), numbers(0, 4), numbers(2, -6), numbers(1, -2)]
    model = packed("STRIDED_SLICE", given, [int8(2, 3)])
    start, dst = places(model)
    counts, sources, targets = (1, 1, 1, 2, 3), (0, 0, 0, 5, -2), (0, 0, 0, 3, 1)
    assert steps_of(model) == [s.Move(start + 4, dst, 1, *counts, *sources, *targets)]


def test_concatenation_and_split() -> None:
    """A constant [2, 2] and x [2, 3] side by side; then 5 columns as 3 and 2."""
    block = Constant(np.array([[1, 2], [3, 4]], np.int8), 0.5, 0)
    model = packed("CONCATENATION", [block, int8(2, 3)], [int8(2, 5)], axis=1)
    x, dst = places(model)
    counts = (1, 1, 1, 2)
    assert steps_of(model) == [
        s.Move(~0, dst, 1, *counts, 2, *(0, 0, 0, 2, 1), *(0, 0, 0, 5, 1)),
        s.Move(x, dst + 2, 1, *counts, 3, *(0, 0, 0, 3, 1), *(0, 0, 0, 5, 1)),
    ]
    assert bytes(model.weights) == b"\x01\x02\x03\x04"
    given = [int8(2, 5), numbers(3, 2), Constant(np.array(1, np.int32))]
    model = packed("SPLIT_V", given, [int8(2, 3), int8(2, 2)], num_splits=2)
    (x, dst), second = places(model), model.outputs[1].offset
    assert steps_of(model) == [
        s.Move(x, dst, 1, *counts, 3, *(0, 0, 0, 5, 1), *(0, 0, 0, 3, 1)),
        s.Move(x + 3, second, 1, *counts, 2, *(0, 0, 0, 5, 1), *(0, 0, 0, 2, 1)),
    ]


def test_parts_of_a_constant() -> None:
    """Refs of weights count down."""
    block = Constant(np.arange(10, dtype=np.int8).reshape(2, 5), 0.5, 0)
    given = [block, numbers(3, 2), Constant(np.array(1, np.int32))]
    model = packed("SPLIT_V", given, [int8(2, 3), int8(2, 2)], num_splits=2)
    assert [step[0] for step in steps_of(model)] == [~0, ~3]


def test_reshape() -> None:
    model = packed("RESHAPE", [Input((2, 6), "int32"), numbers(3, 4)], [Input((3, 4), "int32")])
    assert steps_of(model) == [s.Copy(*places(model), 48)]


PADS = numbers((1, 0), (2, 1))


@pytest.mark.parametrize(
    ("dtype", "esize", "zero_point"), [("int8", 1, -5), ("int16", 2, 0), ("int32", 4, 0)]
)
def test_pad(dtype: str, esize: int, zero_point: int) -> None:
    """[2, 3] in the midst of [3, 6]: a row above, two columns left and one right."""
    x, out = Input((2, 3), dtype, 0.5, zero_point), Input((3, 6), dtype, 0.5, zero_point)
    model = packed("PAD", [x, PADS], [out])
    start, dst = places(model)
    sources, targets = (0, 0, 0, 3 * esize, esize), (0, 0, 0, 6 * esize, esize)
    fill, move = steps_of(model)
    inside = dst + 8 * esize
    assert move == s.Move(start, inside, esize, *(1, 1, 1, 2, 3), *sources, *targets)
    assert fill == s.Fill(dst, 18, esize, zero_point)


def test_pads_of_nothing_are_copies() -> None:
    model = packed("PAD", [int8(2, 3), numbers((0, 0), (0, 0))], [int8(2, 3)])
    assert steps_of(model) == [s.Copy(*places(model), 6)]


def test_pads_with_a_value() -> None:
    value = Constant(np.array([-7], np.int8), 0.5, 0)
    model = packed("PADV2", [int8(2, 3), PADS, value], [int8(3, 6)])
    fill, _ = steps_of(model)
    assert fill == s.Fill(places(model)[1], 18, 1, -7)
    model = packed("PADV2", [int8(2, 3), PADS, int8(1)], [int8(3, 6)])
    repeated, move = steps_of(model)
    (start, dst), number = places(model), model.inputs[1].offset
    targets = (0, 0, 0, 6, 1)
    assert repeated == s.Move(number, dst, 1, *(1, 1, 1, 1, 18), 0, 0, 0, 0, 0, 0, 0, 0, 0, 1)
    assert move == s.Move(start, dst + 8, 1, *(1, 1, 1, 2, 3), *(0, 0, 0, 3, 1), *targets)


def add(a: Input | Constant, b: Input | Constant, out: Input, op: str = "ADD") -> PackedModel:
    return packed(op, [a, b], [out])


SHORTER: list[tuple[tuple[int, ...], int]] = [
    ((2, 3, 4), 24),
    ((1, 3, 4), 12),
    ((3, 4), 12),
    ((1, 1, 4), 4),
    ((4,), 4),
    ((1,), 1),
    ((), 1),
]


@pytest.mark.parametrize("op", ["ADD", "MUL"])
@pytest.mark.parametrize(("shape", "count"), SHORTER)
def test_operands_that_repeat_as_a_whole(op: str, shape: tuple[int, ...], count: int) -> None:
    model = add(int8(2, 3, 4), int8(*shape), int8(2, 3, 4), op)
    (step,) = steps_of(model)
    a, b, dst = model.inputs[0].offset, model.inputs[1].offset, model.outputs[0].offset
    assert step[:6] == (a, 24, b, count, dst, 24)
    if count < 24:
        model = add(int8(*shape), int8(2, 3, 4), int8(2, 3, 4), op)
        assert steps_of(model)[0][1:6:2] == (count, 24, 24)


def scratch_of(model: PackedModel) -> int:
    """Behind the head, rounded up to 16."""
    return -(-model.head_bytes // 16) * 16


def test_operands_that_are_spread_out() -> None:
    """[3, 1] is used as [3, 4]: each of its elements four times."""
    model = add(int8(2, 3, 4), int8(3, 1), int8(2, 3, 4))
    spread, step = steps_of(model)
    scratch, b = scratch_of(model), model.inputs[1].offset
    sources, targets = (0, 0, 0, 1, 0), (0, 0, 0, 4, 1)
    assert spread == s.Move(b, scratch, 1, *(1, 1, 1, 3, 4), *sources, *targets)
    assert step[:4] == (model.inputs[0].offset, 24, scratch, 12)
    assert model.arena_bytes == scratch + 16


def test_both_operands_are_spread_out() -> None:
    """[2, 1, 4] takes 24 bytes of scratch, which are 32; [3, 1] the 12 behind."""
    model = add(int8(2, 1, 4), int8(3, 1), int8(2, 3, 4))
    first, second, step = steps_of(model)
    scratch, (a, b) = scratch_of(model), (x.offset for x in model.inputs)
    counts, sources, targets = (1, 1, 2, 3, 4), (0, 0, 4, 0, 1), (0, 0, 12, 4, 1)
    assert first == s.Move(a, scratch, 1, *counts, *sources, *targets)
    sources, targets = (0, 0, 0, 1, 0), (0, 0, 0, 4, 1)
    assert second == s.Move(b, scratch + 32, 1, *(1, 1, 1, 3, 4), *sources, *targets)
    assert step[:6] == (scratch, 24, scratch + 32, 12, model.outputs[0].offset, 24)
    assert model.arena_bytes == scratch + 48


def test_constants_are_packed_spread_out() -> None:
    column = Constant(np.array([[5], [-6], [7]], np.int8), 0.5, 0)
    for op in ("ADD", "MUL"):
        model = add(int8(2, 3, 4), column, int8(2, 3, 4), op)
        (step,) = steps_of(model)
        assert step[2:4] == (~0, 12)
        assert bytes(model.weights) == bytes([5] * 4 + [250] * 4 + [7] * 4)


def test_zero_points_and_limits() -> None:
    """A scale of 0.5 * 0.25 / 0.5 is a factor of a quarter: a half and one shift."""
    a, b, out = Input((4,), "int8", 0.5, 3), Input((4,), "int8", 0.25, -4), Input((4,), *Q)
    (step,) = steps_of(packed("MUL", [a, b], [out], fused_activation_function="RELU"))
    assert isinstance(step, s.Mul)
    assert step[6:] == (3, -4, 32768, 0, -1, 0, 0, 127)
    (step,) = steps_of(packed("ADD", [a, b], [out], fused_activation_function="RELU"))
    assert isinstance(step, s.Add)
    # Twice the larger scale is 1: a half and a quarter of it, then 1 / (2^20 * 0.5).
    assert step[6:] == (20, 3, -4, 32768, 0, 0, 32768, 0, -1, 32768, 0, -18, 0, 0, 127)


def test_variables() -> None:
    """READ_VARIABLE and ASSIGN_VARIABLE copy from and to the state behind the head."""
    b = ModelBuilder()
    g = b.subgraph("main")
    x = g.input("x", (5,), *Q)
    handle = g.tensor("handle", (), "resource")
    g.op("VAR_HANDLE", [], [handle], shared_name="kept")
    y = g.tensor("y", (5,), *Q)
    g.op("READ_VARIABLE", [handle], [y])
    g.op("ASSIGN_VARIABLE", [handle, x], [])
    g.output(y)
    model = load(pack_model(b.finish()))
    (start, dst), state = places(model), scratch_of(model)
    assert steps_of(model) == [s.Copy(state, dst, 5), s.Copy(start, state, 5)]
    assert [(each.offset, each.nbytes, each.resets) for each in model.state] == [(state, 5, True)]
    assert model.arena_bytes == state + 16
    assert [op.steps for op in model.subgraphs[0].ops] == [0, 1, 1]
    assert [len(op.written) for op in model.subgraphs[0].ops] == [0, 1, 0]


def test_a_slice_whose_begin_is_computed() -> None:
    with pytest.raises(UnsupportedError) as caught:
        packed("SLICE", [int8(4), Input((1,), "int32"), numbers(2)], [int8(2)])
    assert caught.value.message == "cannot be packed: it is computed at run time, wanted a constant"
    assert caught.value.where.tensor_index == 1

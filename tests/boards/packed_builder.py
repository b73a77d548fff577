"""Packed models for tests of the board's runtime, written word by word with FlatBuffers' Builder.

Nothing is checked: tests write damaged models with it too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import flatbuffers
import numpy as np

from tests.boards.step_reference import CODES, Step

INT8 = 9


@dataclass
class Subgraph:
    """Steps, and ops as (index, name, first step, steps, written); written: (index, offset, n)."""

    steps: Sequence[Step] = ()
    ops: Sequence[tuple[int, str, int, int, Sequence[tuple[int, int, int]]]] = ()


@dataclass
class Packed:
    """A packed model's contents; `tensors` are (offset, bytes, type)."""

    arena_bytes: int
    subgraphs: Sequence[Subgraph]
    weights: bytes = b""
    inputs: Sequence[tuple[int, int, int]] = ()
    outputs: Sequence[tuple[int, int, int]] = ()
    state: Sequence[tuple[int, int, int, bool]] = ()
    version: int = 1
    tier: str = "portable"
    profile: str = "tflm"
    scales: dict[str, float] = field(default_factory=dict)


def one_step(arena_bytes: int, step: Step, weights: bytes = b"") -> Packed:
    """A model of one step, which is an op."""
    return Packed(arena_bytes, [Subgraph([step], [(0, step[0], 0, 1, [])])], weights)


def build(packed: Packed) -> bytes:
    """The packed model's file."""
    b = flatbuffers.Builder(1024)
    b.StartVector(1, len(packed.weights), 16)
    b.head -= len(packed.weights)
    b.Bytes[b.head : b.head + len(packed.weights)] = packed.weights
    weights = b.EndVector()
    sections = [
        (5, "u32", packed.arena_bytes),
        (6, "u32", packed.arena_bytes),
        (11, "offset", weights),
        (1, "offset", b.CreateString(packed.tier)),
        (2, "offset", b.CreateString(packed.profile)),
        (4, "offset", b.CreateString("tests")),
        (3, "offset", b.CreateByteVector(bytes(32))),
        (7, "offset", _tables(b, [_tensor(b, i, t) for i, t in enumerate(packed.inputs)])),
        (8, "offset", _tables(b, [_tensor(b, i, t) for i, t in enumerate(packed.outputs)])),
        (9, "offset", _tables(b, [_subgraph(b, s) for s in packed.subgraphs])),
        (10, "offset", _tables(b, [_state(b, s) for s in packed.state])),
        (0, "u16", packed.version),
    ]
    b.Finish(_table(b, sections), b"MIPK")
    return bytes(b.Output())


def _table(b: flatbuffers.Builder, fields: Sequence[tuple[int, str, int]]) -> int:
    b.StartObject(1 + max(number for number, _, _ in fields))
    for number, kind, value in fields:
        if kind == "offset":
            b.PrependUOffsetTRelativeSlot(number, value, 0)
        elif kind == "u8":
            b.PrependUint8Slot(number, value, 0)
        elif kind == "u16":
            b.PrependUint16Slot(number, value, 0)
        elif kind == "i32":
            b.PrependInt32Slot(number, value, 0)
        elif kind == "f32":
            b.PrependFloat32Slot(number, value, 0)
        else:
            b.PrependUint32Slot(number, value, 0)
    return int(b.EndObject())


def _tables(b: flatbuffers.Builder, offsets: Sequence[int]) -> int:
    b.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        b.PrependUOffsetTRelative(offset)
    return int(b.EndVector())


def _ints(b: flatbuffers.Builder, values: Sequence[int]) -> int:
    return int(b.CreateNumpyVector(np.array(values, np.int32)))


def _tensor(b: flatbuffers.Builder, index: int, tensor: tuple[int, int, int]) -> int:
    offset, nbytes, kind = tensor
    name, shape = b.CreateString(f"tensor {index}"), _ints(b, [1, nbytes])
    fields = [
        (0, "offset", name),
        (3, "offset", shape),
        (1, "i32", index),
        (4, "f32", 0.5),
        (5, "i32", -7),
        (6, "u32", offset),
        (7, "u32", nbytes),
        (2, "u8", kind),
    ]
    return _table(b, fields)


def _subgraph(b: flatbuffers.Builder, subgraph: Subgraph) -> int:
    steps = [
        _table(b, [(1, "offset", _ints(b, args)), (0, "u8", CODES.get(name, 255))])
        for name, args in subgraph.steps
    ]
    fields = [(0, "offset", _tables(b, steps))]
    return _table(b, [*fields, (1, "offset", _tables(b, [_op(b, *op) for op in subgraph.ops]))])


def _op(
    b: flatbuffers.Builder,
    index: int,
    name: str,
    first: int,
    steps: int,
    written: Sequence[tuple[int, int, int]],
) -> int:
    tables = [
        _table(b, [(0, "i32", i), (1, "u32", offset), (2, "u32", nbytes)])
        for i, offset, nbytes in written
    ]
    text, list_ = b.CreateString(name), _tables(b, tables)
    fields = [(0, "i32", index), (1, "offset", text), (2, "u32", first), (3, "u32", steps)]
    return _table(b, [*fields, (4, "offset", list_)])


def _state(b: flatbuffers.Builder, state: tuple[int, int, int, bool]) -> int:
    offset, nbytes, value, resets = state
    fields = [(0, "u32", offset), (1, "u32", nbytes), (2, "u8", value), (3, "u8", int(resets))]
    return _table(b, fields)

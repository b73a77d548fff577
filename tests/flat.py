"""Finds, patches and writes FlatBuffers by hand; the reader shares no code with ours."""

from __future__ import annotations

import struct

import flatbuffers
import tflite

# Field ids of schema.fbs that tests mention.
MODEL_CODES, MODEL_SUBGRAPHS, MODEL_DESCRIPTION, MODEL_BUFFERS = 1, 2, 3, 4
CODE_CUSTOM = 1
SUBGRAPH_TENSORS, SUBGRAPH_INPUTS, SUBGRAPH_OUTPUTS, SUBGRAPH_OPERATORS = 0, 1, 2, 3
TENSOR_SHAPE, TENSOR_TYPE, TENSOR_NAME, TENSOR_QUANTIZATION = 0, 1, 3, 4
QUANTIZATION_SCALE = 2
OPERATOR_INPUTS, OPERATOR_OPTIONS_TYPE, OPERATOR_OPTIONS = 1, 3, 4
BUFFER_DATA = 0


def u16(data: bytes, at: int) -> int:
    value: int = struct.unpack_from("<H", data, at)[0]
    return value


def u32(data: bytes, at: int) -> int:
    value: int = struct.unpack_from("<I", data, at)[0]
    return value


def put(data: bytes, at: int, value: int, width: int = 4) -> bytes:
    """A copy with `width` bytes at `at` overwritten."""
    return data[:at] + (value % 256**width).to_bytes(width, "little") + data[at + width :]


def vtable(data: bytes, table: int) -> int:
    """Position of a table's vtable."""
    return table - int(struct.unpack_from("<i", data, table)[0])


def vtable_entry(data: bytes, table: int, field: int) -> int:
    """Position of the vtable's entry for a field id."""
    return vtable(data, table) + 4 + 2 * field


def locate(data: bytes, *path: int | list[int]) -> int:
    """Position of a field inside its table: ids from the root on, [i] for a vector element."""
    at = 0
    for step in path:
        place = at + u32(data, at)  # of the table, or of the vector
        if isinstance(step, list):
            assert step[0] < u32(data, place)
            at = place + 4 + 4 * step[0]
        else:
            offset = struct.unpack_from("<H", data, vtable_entry(data, place, step))[0]
            assert offset, f"field {step} is absent"
            at = place + offset
    return at


def target(data: bytes, *path: int | list[int]) -> int:
    """Position of the table, vector or string that a field leads to."""
    at = locate(data, *path)
    return at + u32(data, at)


def vector(builder: flatbuffers.Builder, offsets: list[int]) -> int:
    """A vector of offsets to finished tables."""
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return int(builder.EndVector())


def subgraph(builder: flatbuffers.Builder, tensors: list[int]) -> int:
    """A SubGraph table without inputs and outputs."""
    listed, none = vector(builder, tensors), vector(builder, [])
    tflite.SubGraphStart(builder)
    tflite.SubGraphAddTensors(builder, listed)
    tflite.SubGraphAddInputs(builder, none)
    tflite.SubGraphAddOutputs(builder, none)
    return int(tflite.SubGraphEnd(builder))


def model_with(builder: flatbuffers.Builder, **vectors: list[int]) -> bytes:
    """The file of a Model table with vectors of finished tables, by field name."""
    listed = {name: vector(builder, offsets) for name, offsets in vectors.items()}
    tflite.ModelStart(builder)
    tflite.ModelAddVersion(builder, 3)
    for name, offset in listed.items():
        getattr(tflite, f"ModelAdd{name.capitalize()}")(builder, offset)
    builder.Finish(tflite.ModelEnd(builder), b"TFL3")
    return bytes(builder.Output())

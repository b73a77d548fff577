"""Look-up-table compression as a model's metadata records it: which tensors, with which tables.

The buffer of the metadata entry COMPRESSION_METADATA is a FlatBuffer of its own (TFLM's
micro/compression/metadata.fbs). A tensor that it names keeps shape and type, but its buffer
holds indices of `bitwidth` bits each, high bits first, into the values of another buffer.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from flatbuffers import number_types
from flatbuffers.table import Table

from microinterp.errors import Problem
from microinterp.model import Model
from microinterp.schema import TABLES
from microinterp.structure import check_flatbuffer

METADATA_NAME = "COMPRESSION_METADATA"

_FLAGS = {1: number_types.Uint8Flags, 4: number_types.Uint32Flags}
_DEFAULT_VERSION = 1


@dataclass(frozen=True, slots=True)
class LutTensor:
    """One compressed tensor.

    Attributes:
        subgraph, tensor: its place; neither need exist in a damaged model.
        value_buffer: the buffer with its values, of the tensor's type, one table per channel.
        bitwidth: bits of an index.
    """

    subgraph: int
    tensor: int
    value_buffer: int
    bitwidth: int


def metadata_buffer(model: Model) -> bytes | None:
    """The model's compression metadata, None where it has none (TFLM takes the first entry)."""
    for entry in model.metadata:
        if entry.name == METADATA_NAME and 0 < entry.buffer < len(model.buffers):
            data = model.buffers[entry.buffer]
            if data is not None:
                return bytes(data)
    return None


def metadata_problems(data: bytes) -> list[Problem]:
    """Structural errors of compression metadata."""
    return check_flatbuffer(data, "LutMetadata")


def schema_version(data: bytes) -> int:
    """Version of sound compression metadata; TFLM knows 1."""
    return _scalar(_root(data), "LutMetadata", "schema_version", _DEFAULT_VERSION)


def lut_tensors(model: Model) -> dict[tuple[int, int], LutTensor]:
    """(subgraph, tensor) -> its compression; empty where there is none, or no sound metadata."""
    data = metadata_buffer(model)
    if data is None or metadata_problems(data):
        return {}
    return {(entry.subgraph, entry.tensor): entry for entry in read_lut_tensors(data)}


def read_lut_tensors(data: bytes) -> Iterator[LutTensor]:
    """Every entry of sound compression metadata, in the order of the file."""
    for subgraph, table in enumerate(_tables(_root(data), "LutMetadata", "subgraphs")):
        for entry in _tables(table, "LutSubgraph", "lut_tensors"):
            yield LutTensor(
                subgraph=subgraph,
                tensor=_scalar(entry, "LutTensor", "tensor"),
                value_buffer=_scalar(entry, "LutTensor", "value_buffer"),
                bitwidth=_scalar(entry, "LutTensor", "index_bitwidth"),
            )


def _root(data: bytes) -> Table:
    return Table(data, Table(data, 0).Get(number_types.UOffsetTFlags, 0))


def _scalar(table: Table, kind: str, name: str, default: int = 0) -> int:
    field = next(field for field in TABLES[kind] if field.name == name)
    value: int = table.GetSlot(field.slot, default, _FLAGS[field.width])
    return value


def _tables(table: Table, kind: str, name: str) -> Iterator[Table]:
    slot = next(field.slot for field in TABLES[kind] if field.name == name)
    offset = table.Offset(slot)
    for i in range(table.VectorLen(offset) if offset else 0):
        yield Table(table.Bytes, table.Indirect(table.Vector(offset) + 4 * i))

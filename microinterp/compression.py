"""Look-up-table compression as a model's metadata records it: which tensors, with which tables.

The buffer of the metadata entry COMPRESSION_METADATA is a FlatBuffer of its own (TFLM's
micro/compression/metadata.fbs). A tensor that it names keeps shape and type, but its buffer
holds indices of `bitwidth` bits each, high bits first, into the values of another buffer: with
several scales a table for each channel. Source: InitializeCompressionTensorDataFromFlatbuffer in
micro_allocator.cc, kernels/decompress_common.cc.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from flatbuffers import number_types
from flatbuffers.table import Table

from microinterp.decoding import bytes_for, channel_numbers, look_up, unpack
from microinterp.errors import Problem
from microinterp.model import FileTensor, Model
from microinterp.schema import TABLES
from microinterp.structure import check_flatbuffer
from microinterp.tensor_types import BY_CODE

METADATA_NAME = "COMPRESSION_METADATA"

TYPES = ("bool", "float32", "int8", "int16", "int32", "int64")
"""Element types that TFLM decompresses."""
_MAX_STRIDE = 0xFF

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


def entries_per_subgraph(data: bytes) -> list[int]:
    """How many tensors sound compression metadata lists for each subgraph."""
    subgraphs = _tables(_root(data), "LutMetadata", "subgraphs")
    return [len(list(_tables(table, "LutSubgraph", "lut_tensors"))) for table in subgraphs]


def decompressed(model: Model, tensor: FileTensor, entry: LutTensor) -> npt.NDArray[Any]:
    """Elements [count] of a compressed tensor, read-only; its entry's numbers are sound.

    Raises:
        ValueError: an index points behind the last table.
    """
    shape = tensor.shape or ()
    packed, table = (_bytes(model, number) for number in (tensor.buffer, entry.value_buffer))
    dtype = np.dtype(BY_CODE[tensor.type_code].dtype)
    values = table[: len(table) // dtype.itemsize * dtype.itemsize].view(dtype)
    count = int(np.prod(shape, dtype=np.int64))
    indices = unpack(packed[: bytes_for(count, entry.bitwidth)], entry.bitwidth, count)
    scales = len(tensor.quantization.scale) if tensor.quantization else 1
    channels = np.zeros(count, np.int64)
    if tensor.quantization and scales > 1 and count:
        is_last = tensor.quantization.axis != 0
        channels = channel_numbers(count, shape[-1 if is_last else 0], is_last)
    stride = len(values) // scales & _MAX_STRIDE  # TFLM keeps it in a byte
    result = look_up(indices, channels, stride, values)
    result.setflags(write=False)
    return result


def _bytes(model: Model, number: int) -> npt.NDArray[np.uint8]:
    data = model.buffers[number] if number < len(model.buffers) else None
    return np.frombuffer(b"" if data is None else data, np.uint8)


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

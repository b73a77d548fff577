"""Rules about look-up-table compression."""

from __future__ import annotations

from collections.abc import Iterator

from microinterp.compression import (
    TYPES,
    LutTensor,
    decompressed,
    entries_per_subgraph,
    metadata_buffer,
    metadata_problems,
    read_lut_tensors,
    schema_version,
)
from microinterp.errors import Problem
from microinterp.model import FileTensor, Model
from microinterp.rules.common import elements, error, tensor_where
from microinterp.tensor_types import BY_CODE

MAX_VERSION = 1
MAX_BITWIDTH = 7  # LookupTableData::kMaxBitWidth


def compression_sound(model: Model) -> Iterator[Problem]:
    """Compression metadata is whole and fits its tensors: indices, bit widths and value tables."""
    data = metadata_buffer(model)
    if data is None:
        return
    broken = metadata_problems(data)
    if broken:
        hint = "compress the model again"
        yield error(f"the compression metadata is damaged: {broken[0].message}", hint=hint)
        return
    if schema_version(data) > MAX_VERSION:
        yield error(f"compression metadata of version {schema_version(data)}, wanted 1")
        return
    counts = entries_per_subgraph(data)
    if not counts or not all(counts):
        yield error("the compression metadata lists a subgraph without tensors, or no subgraph")
    seen: set[tuple[int, int]] = set()
    for entry in read_lut_tensors(data):
        yield from _check_entry(model, entry)
        if (entry.subgraph, entry.tensor) in seen:
            yield error(f"subgraph {entry.subgraph} compresses tensor {entry.tensor} twice")
        seen.add((entry.subgraph, entry.tensor))


def _check_entry(model: Model, entry: LutTensor) -> Iterator[Problem]:
    known = entry.subgraph < len(model.subgraphs)
    if not known or entry.tensor >= len(model.subgraphs[entry.subgraph].tensors):
        place = f"tensor {entry.tensor} of subgraph {entry.subgraph}"
        yield error(f"compression metadata names {place}, which does not exist")
        return
    subgraph = model.subgraphs[entry.subgraph]
    tensor = subgraph.tensors[entry.tensor]
    for message in list(_faults(model, tensor, entry)) or list(_outside(model, tensor, entry)):
        yield error(message, tensor_where(subgraph, entry.tensor), "compress the model again")


def _faults(model: Model, tensor: FileTensor, entry: LutTensor) -> Iterator[str]:
    count, element = elements(tensor), BY_CODE.get(tensor.type_code)
    if element is None or element.name not in TYPES:
        yield f"is compressed, and of a type that TFLM does not decompress ({', '.join(TYPES)})"
    if not 1 <= entry.bitwidth <= MAX_BITWIDTH:
        yield f"compressed with indices of {entry.bitwidth} bits, 1 to {MAX_BITWIDTH} are possible"
    if tensor.shape is None:
        yield "is compressed but a scalar"
    if count is not None:
        wanted, have = (count * entry.bitwidth + 7) // 8, _length(model, tensor.buffer)
        if have < wanted:
            yield f"buffer {tensor.buffer} has {have} bytes, compressed indices take {wanted}"
    channels = len(tensor.quantization.scale) if tensor.quantization else 1
    size = element.nbytes if element else 0
    have = _length(model, entry.value_buffer)
    if have < channels * size or not have:
        yield (
            f"value table in buffer {entry.value_buffer} has {have} bytes "
            f"for {channels} channels of {size} bytes or more"
        )
    last = len(tensor.shape or ()) - 1
    if channels > 1 and tensor.shape == ():
        yield f"is compressed in {channels} channels, but has no dimension"
    elif channels > 1 and tensor.quantization and tensor.quantization.axis not in (0, last):
        yield f"is compressed along dimension {tensor.quantization.axis}, wanted 0 or {last}"


def _outside(model: Model, tensor: FileTensor, entry: LutTensor) -> Iterator[str]:
    if elements(tensor) is None:
        return  # another rule tells it
    try:
        decompressed(model, tensor, entry)
    except ValueError as fault:
        yield str(fault)


def _length(model: Model, buffer: int) -> int:
    data = model.buffers[buffer] if buffer < len(model.buffers) else None
    return len(data) if data is not None else 0

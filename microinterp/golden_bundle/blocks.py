"""One block of a bundle file: a FlatBuffer with its size in front and its CRC32 inside."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Sequence
from typing import Any

import flatbuffers
import numpy as np
import numpy.typing as npt

from microinterp.flatbuffer_parts import tables
from microinterp.generated import golden as fb
from microinterp.golden_bundle.records import (
    VERSION,
    BundleHeader,
    BundleTensor,
    Check,
)
from microinterp.schema import fields_of
from microinterp.structure import check_flatbuffer

MAGIC = b"MIGOLDEN"
IDENTIFIER = b"MIGB"
PREFIX_BYTES = 4
TABLES = {
    name: fields_of(line)
    for name, line in {
        "Block": "crc32:4 header:Header chunk:Chunk end:End",
        "Header": "version:2 model_sha256:[1] profile:string runtime:string "
        "runtime_version:string tool:string seed:8 inputs:[Tensor] outputs:[Tensor] "
        "checks:[Check] has_tensors:1",
        "Tensor": "name:string index:4 type:1 shape:[4] nbytes:4",
        "Check": "subgraph:4 op:4 op_name:string tensor:4 type:1 shape:[4] nbytes:4",
        "Chunk": "first:4 samples:4 inputs:[Data] outputs:[Data] crcs:[4] tensors:[Data]",
        "Data": "bytes:view",
        "End": "samples:4",
    }.items()
}
"""The tables of schemas/golden.fbs, as schema.py writes them."""
_DATA_ALIGNMENT = 16
_SHARED_LENGTH = 32
_CRC_SLOT = 4
_NOT_YET = 1  # a value that FlatBuffers does not leave out
_NO_CRC = bytes(4)


class DamagedError(ValueError):
    """Bytes that are no sound block. The reader tells where."""


def decode(block: bytes) -> Any:
    """The Block in `block`, whose first bytes are its size.

    Raises:
        DamagedError: its structure or its CRC32 is wrong.
    """
    problems = check_flatbuffer(block[PREFIX_BYTES:], "Block", IDENTIFIER, TABLES)
    if problems:
        raise DamagedError(problems[0].message)
    root = fb.Block.GetRootAs(block, PREFIX_BYTES)
    wanted, found = root.Crc32(), _crc(block, root)
    if wanted != found:
        raise DamagedError(f"its CRC32 is {found:08x}, wanted {wanted:08x}")
    return root


def header_block(header: BundleHeader) -> bytes:
    """A block with a header."""
    b = flatbuffers.Builder(1024)
    tensors = [tables(b, each, _tensor) for each in (header.inputs, header.outputs)]
    checks = tables(b, header.checks, _check)
    texts = (header.profile, header.runtime, header.runtime_version, header.tool)
    profile, runtime, version, tool = (_text(b, text) for text in texts)
    sha256 = b.CreateByteVector(bytes.fromhex(header.model_sha256))
    fb.HeaderStart(b)
    fb.HeaderAddVersion(b, VERSION)
    fb.HeaderAddModelSha256(b, sha256)
    fb.HeaderAddProfile(b, profile)
    fb.HeaderAddRuntime(b, runtime)
    fb.HeaderAddRuntimeVersion(b, version)
    fb.HeaderAddTool(b, tool)
    if header.seed is not None:
        fb.HeaderAddSeed(b, header.seed)
    fb.HeaderAddInputs(b, tensors[0])
    fb.HeaderAddOutputs(b, tensors[1])
    fb.HeaderAddChecks(b, checks)
    fb.HeaderAddHasTensors(b, header.has_tensors)
    return _finished(b, fb.BlockAddHeader, fb.HeaderEnd(b))


def chunk_block(
    first: int,
    samples: int,
    inputs: Sequence[bytes],
    outputs: Sequence[bytes],
    crcs: npt.NDArray[np.uint32],
    tensors: Sequence[bytes] = (),
) -> bytes:
    """A block with samples, whose bytes are given tensor by tensor."""
    b = flatbuffers.Builder(1024)
    data = [tables(b, each, _data) for each in (inputs, outputs, tensors)]
    sums = b.CreateNumpyVector(crcs.astype("<u4").reshape(-1))
    fb.ChunkStart(b)
    fb.ChunkAddFirst(b, first)
    fb.ChunkAddSamples(b, samples)
    fb.ChunkAddInputs(b, data[0])
    fb.ChunkAddOutputs(b, data[1])
    fb.ChunkAddCrcs(b, sums)
    if tensors:
        fb.ChunkAddTensors(b, data[2])
    return _finished(b, fb.BlockAddChunk, fb.ChunkEnd(b))


def end_block(samples: int) -> bytes:
    """The block behind the last sample."""
    b = flatbuffers.Builder(64)
    fb.EndStart(b)
    fb.EndAddSamples(b, samples)
    return _finished(b, fb.BlockAddEnd, fb.EndEnd(b))


def _finished(
    b: flatbuffers.Builder, add: Callable[[flatbuffers.Builder, int], None], content: int
) -> bytes:
    fb.BlockStart(b)
    fb.BlockAddCrc32(b, _NOT_YET)
    add(b, content)
    b.FinishSizePrefixed(fb.BlockEnd(b), file_identifier=IDENTIFIER)
    block = bytearray(b.Output())
    root = fb.Block.GetRootAs(bytes(block), PREFIX_BYTES)
    struct.pack_into("<I", block, _crc_position(root), _crc(bytes(block), root))
    return bytes(block)


def _crc_position(root: Any) -> int:
    offset: int = root._tab.Offset(_CRC_SLOT)
    if not offset:
        raise DamagedError("it has no CRC32")
    return offset + int(root._tab.Pos)


def _crc(block: bytes, root: Any) -> int:
    """CRC32 of the block with its own field taken for 0."""
    at = _crc_position(root)
    return zlib.crc32(block[at + 4 :], zlib.crc32(_NO_CRC, zlib.crc32(block[:at])))


def _tensor(b: flatbuffers.Builder, tensor: BundleTensor) -> int:
    name = _text(b, tensor.name)
    shape = b.CreateNumpyVector(np.array(tensor.shape, "<i4"))
    fb.TensorStart(b)
    fb.TensorAddName(b, name)
    fb.TensorAddIndex(b, tensor.index)
    fb.TensorAddType(b, tensor.type)
    fb.TensorAddShape(b, shape)
    fb.TensorAddNbytes(b, tensor.nbytes)
    return fb.TensorEnd(b)


def _check(b: flatbuffers.Builder, check: Check) -> int:
    name = _text(b, check.op_name)
    shape = b.CreateNumpyVector(np.array(check.shape, "<i4"))
    fb.CheckStart(b)
    fb.CheckAddSubgraph(b, check.subgraph)
    fb.CheckAddOp(b, check.op)
    fb.CheckAddOpName(b, name)
    fb.CheckAddTensor(b, check.tensor)
    fb.CheckAddType(b, check.type)
    fb.CheckAddShape(b, shape)
    fb.CheckAddNbytes(b, check.nbytes)
    return fb.CheckEnd(b)


def _text(b: flatbuffers.Builder, text: str) -> int:
    """A string, shared if it is short: readers refuse files that sharing makes much larger."""
    return int((b.CreateSharedString if len(text) <= _SHARED_LENGTH else b.CreateString)(text))


def _data(b: flatbuffers.Builder, data: bytes) -> int:
    b.Prep(_DATA_ALIGNMENT, len(data))
    content = b.CreateByteVector(data)
    fb.DataStart(b)
    fb.DataAddBytes(b, content)
    return fb.DataEnd(b)

"""TFLM_DECODE: unpacks constants that are stored as tables of values, pruned or Huffman-coded.

Each output has two constant inputs: the encoded data, and an ancillary tensor that starts with 16
bytes of metadata: [0] is the scheme, [1] and [4] are versions, the rest is the scheme's own. What
follows is its table. As both are constant, they are decoded once, when the model is prepared; an
invoke copies the result (the chip decodes at each invoke). With several scales, a table of values,
or a zero point, belongs to each channel along the first or the last dimension: the output's
quantisation decides that, not the axis in the metadata that newer compressors write.
Source: TFLM kernels/decode.cc, decode_state_lut.cc, decode_state_prune.cc,
decode_state_huffman.cc; compression/decode.py and lut.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from microinterp.decoding import (
    HuffmanTables,
    bytes_for,
    channel_numbers,
    look_up,
    unpack,
    unprune,
)
from microinterp.errors import UnsupportedError
from microinterp.graph import Node, Tensor
from microinterp.kernels.common import bytes_of
from microinterp.prepare import Arrays, Context, Kernel
from microinterp.registry import Op

METADATA_BYTES = 16
VERSION = 1
TABLE_TYPES = ("bool", "float32", "int8", "int16", "int32", "int64")
HUFFMAN_TYPES = {np.dtype(np.uint16): ("int8",), np.dtype(np.uint32): ("int8", "int16")}


@dataclass(frozen=True)
class Params:
    """What each output is filled with."""

    values: tuple[npt.NDArray[Any], ...]


@dataclass(frozen=True)
class Source:
    """One constant before it is decoded.

    Attributes:
        node, out: the op and the output that it is for.
        packed: the encoded data, uint8.
        metadata: 16 bytes.
        table: the bytes after them, uint8.
    """

    node: Node
    out: Tensor
    packed: npt.NDArray[np.uint8]
    metadata: bytes
    table: npt.NDArray[np.uint8]

    def values(self, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
        """The table as an array; bytes that fill no element are left out."""
        size = np.dtype(dtype).itemsize
        return self.table[: len(self.table) // size * size].view(dtype)

    def require_bits(self, bits: int) -> None:
        """Raise PrepareError unless there are `bits` bits for each element."""
        wanted = bytes_for(self.out.elements, bits)
        self.node.require(
            len(self.packed) >= wanted,
            f"{len(self.packed)} encoded bytes, {self.out} takes {wanted}",
            self.out,
        )

    def require_type(self, types: tuple[str, ...]) -> None:
        """Raise UnsupportedError unless the output's type is among `types`."""
        if self.out.type_name not in types:
            raise UnsupportedError(
                f"type {self.out.type_name} is not supported",
                self.node.where(self.out),
                f"this scheme decodes {', '.join(types)}",
            )

    def channels(self) -> npt.NDArray[np.int64]:
        """Channel of each element."""
        quantization, rank = self.out.quantization, self.out.rank
        count = len(quantization.scale) if quantization else 1
        axis = quantization.axis if quantization else 0
        is_last = count > 1 and axis == rank - 1
        self.node.require(
            is_last or axis == 0,
            f"scales run along dimension {axis}, wanted 0 or {rank - 1}",
            self.out,
        )
        self.node.require(
            self.out.elements % count == 0,
            f"{self.out.elements} elements do not divide into {count} channels",
            self.out,
        )
        return channel_numbers(self.out.elements, count, is_last)


def evaluate(p: Params, arrays: Arrays) -> None:
    """Each output takes its decoded values."""
    for out, values in zip(arrays.outputs, p.values, strict=True):
        out[...] = values


def prepare(node: Node, context: Context) -> Kernel:
    """Decode every pair of encoded and ancillary tensor."""
    count = len(node.outputs)
    node.require(count > 0, "has no output")
    node.require_counts((2 * count, 2 * count), outputs=count)
    values = []
    for i, out in enumerate(node.outputs):
        source = _source(node, node.input(2 * i), node.input(2 * i + 1), out)
        try:
            flat = _DECODERS[source.metadata[0]](source)
        except ValueError as error:
            raise node.error(str(error), out, "compress the model again") from None
        values.append(flat.reshape(out.shape))
    return Kernel(evaluate, Params(tuple(values)))


def decode_table(source: Source) -> npt.NDArray[Any]:
    """metadata[5] & 7 is the number of bits of an index, [6] the stride of channels' tables."""
    source.require_type(TABLE_TYPES)
    bits, stride = source.metadata[5] & 7, source.metadata[6]
    source.node.require(bits > 0, "indices of 0 bits, 1 to 7 are possible", source.out)
    source.require_bits(bits)
    indices = unpack(source.packed, bits, source.out.elements)
    return look_up(indices, source.channels(), stride, source.values(source.out.dtype))


def decode_pruned(source: Source) -> npt.NDArray[Any]:
    """A bit per element: kept or zero; only int8 may have another zero point than 0."""
    source.require_type(TABLE_TYPES)
    source.require_bits(1)
    channels, out = source.channels(), source.out
    points = out.quantization.zero_point if out.quantization else np.zeros(1, np.int64)
    source.node.require(
        out.type_name == "int8" or not np.any(points),
        f"zero points {points[:4].tolist()}, wanted 0 for {out.type_name}",
        out,
    )
    wanted = int(channels.max(initial=0)) + 1
    source.node.require(
        len(points) >= wanted, f"{len(points)} zero points, wanted {wanted}: one per scale", out
    )
    zeros = np.asarray(points).astype(np.int8).astype(out.dtype)[channels]
    return unprune(source.packed, zeros, source.values(out.dtype))


def decode_huffman(source: Source) -> npt.NDArray[Any]:
    """metadata[5]: bit 0 for tables of 32 instead of 16 bits; bits 4 to 7 for the first step.

    Codes without bits are left out: with them a few bytes could stand for any number of elements.
    """
    source.require_bits(1)
    entries = source.values(np.uint32 if source.metadata[5] & 1 else np.uint16)
    source.require_type(HUFFMAN_TYPES[entries.dtype])
    tables = HuffmanTables(entries, initial_bits=(source.metadata[5] >> 4) + 1)
    return tables.decode(source.packed, source.out.elements).astype(source.out.dtype)


_DECODERS: dict[int, Callable[[Source], npt.NDArray[Any]]] = {
    0: decode_table,
    1: decode_huffman,
    2: decode_pruned,
}


def _source(node: Node, encoded: Tensor, ancillary: Tensor, out: Tensor) -> Source:
    for tensor in (encoded, ancillary):
        node.require(tensor.is_constant, "is computed at run time, wanted a constant", tensor)
    assert encoded.data is not None
    assert ancillary.data is not None
    everything = bytes_of(ancillary.data)
    node.require(
        len(everything) >= METADATA_BYTES,
        f"{len(everything)} bytes, metadata takes {METADATA_BYTES}",
        ancillary,
    )
    metadata = everything[:METADATA_BYTES].tobytes()
    for version in (metadata[1], metadata[4]):
        node.require(version == VERSION, f"version {version}, wanted {VERSION}", ancillary)
    if metadata[0] not in _DECODERS:
        raise UnsupportedError(
            f"scheme {metadata[0]} is not supported",
            node.where(ancillary),
            "TFLM knows 0 (tables), 1 (Huffman) and 2 (pruning); 127 and more are custom ones",
        )
    return Source(node, out, bytes_of(encoded.data), metadata, everything[METADATA_BYTES:])


OPS = (
    Op(
        "TFLM_DECODE",
        prepare,
        (
            *(f"{scheme} {name}" for scheme in ("LUT", "pruned") for name in TABLE_TYPES),
            "Huffman-16 int8",
            "Huffman-32 int8",
            "Huffman-32 int16",
        ),
        is_custom=True,
        limits=("inputs constant", "scales along the first or last dimension"),
    ),
)

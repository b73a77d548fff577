"""Writers of compressed constants: indices into tables, pruned values, Huffman codes, metadata.

They share no code with microinterp.decoding. The formats are described there and in
microinterp/kernels/decode.py.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import flatbuffers
import numpy as np
import numpy.typing as npt

from tests.flat import vector

LUT, HUFFMAN, PRUNED = 0, 1, 2
Entry = tuple[int, int, int]
"""A compressed tensor in metadata: tensor, value buffer, bits of an index."""


def bit_bytes(text: str, align: int = 1) -> bytes:
    """Bits, written as 0 and 1, as bytes; zeros fill the last `align` bytes."""
    text += "0" * (-len(text) % (8 * align))
    return int("0" + text, 2).to_bytes(len(text) // 8, "big")


def packed(indices: Any, bits: int = 2) -> bytes:
    """Indices of a few bits each, high bits first."""
    return bit_bytes("".join(f"{index:0{bits}b}" for index in np.ravel(indices).tolist()))


def pruned(values: npt.NDArray[Any], zeros: npt.NDArray[Any]) -> tuple[bytes, bytes]:
    """A bit for each value that differs from its zero, and those values."""
    kept = values.ravel() != zeros.ravel()
    bits = "".join("1" if keep else "0" for keep in kept.tolist())
    return bit_bytes(bits), values.ravel()[kept].tobytes()


def ancillary(scheme: int, own: bytes, table: bytes, version: int = 1) -> bytes:
    """TFLM_DECODE's second input: 16 bytes of metadata, of which `own` are 5 to 15, and a table."""
    return bytes([scheme, 1, 0, 0, version]) + own.ljust(11, b"\0") + table


def huffman_codes(symbols: Sequence[int]) -> dict[int, str]:
    """A Huffman code for the symbols' frequencies, as text of 0 and 1; a lone symbol gets 0."""
    heap = [(n, i, {s: ""}) for i, (s, n) in enumerate(sorted(Counter(symbols).items()))]
    if len(heap) == 1:
        return dict.fromkeys(heap[0][2], "0")
    heapq.heapify(heap)
    tie = len(heap)
    while len(heap) > 1:
        (n, _, low), (m, _, high) = heapq.heappop(heap), heapq.heappop(heap)
        joined = {s: "0" + code for s, code in low.items()}
        joined |= {s: "1" + code for s, code in high.items()}
        heapq.heappush(heap, (n + m, tie, joined))
        tie += 1
    return heap[0][2]


def huffman_tables(
    codes: Mapping[int, str], initial_bits: int, step_bits: int, entry_bits: int
) -> list[int]:
    """Tables for `codes`: the first is read with `initial_bits`, the others with `step_bits` or
    with as many as the longest code that is left.

    An entry is: top bit 1, length of the code's end, symbol; or top bit 0, bits of the next step
    less one, distance from here to the next table.
    """
    shift = entry_bits - 5
    entries: list[int] = []

    def add(ends: Mapping[int, str], bits: int) -> int:
        base = len(entries)
        entries.extend([0] * (1 << bits))
        for index in range(1 << bits):
            text = f"{index:0{bits}b}"
            longer = {s: end[bits:] for s, end in ends.items() if end.startswith(text)}
            found = [s for s, end in ends.items() if text.startswith(end)]
            if found:
                length = len(ends[found[0]])
                symbol = found[0] & ((1 << shift) - 1)
                entries[base + index] = 1 << (entry_bits - 1) | length << shift | symbol
            elif longer:
                step = min(step_bits, max(map(len, longer.values())))
                place = add(longer, step)
                assert place - base - index < 1 << shift, "the tables are too large"
                entries[base + index] = (step - 1) << shift | (place - base - index)
        return base

    add(codes, initial_bits)
    return entries


def huffman(
    symbols: npt.NDArray[Any], initial_bits: int, step_bits: int, entry_bits: int
) -> tuple[bytes, bytes]:
    """The stream of codes, and the ancillary tensor, of an int8 or int16 array."""
    flat = symbols.ravel().tolist()
    codes = huffman_codes(flat)
    tables = huffman_tables(codes, initial_bits, step_bits, entry_bits)
    own = bytes([(initial_bits - 1) << 4 | (entry_bits == 32)])
    table = np.array(tables, f"<u{entry_bits // 8}").tobytes()
    return bit_bytes("".join(codes[s] for s in flat), align=4), ancillary(HUFFMAN, own, table)


def lut_metadata(subgraphs: Sequence[Sequence[Entry]], version: int = 1) -> bytes:
    """The FlatBuffer of micro/compression/metadata.fbs."""
    builder = flatbuffers.Builder(64)
    written = []
    for entries in subgraphs:
        tensors = [_lut_tensor(builder, *entry) for entry in entries]
        listed = vector(builder, tensors)
        builder.StartObject(1)
        builder.PrependUOffsetTRelativeSlot(0, listed, 0)
        written.append(builder.EndObject())
    listed = vector(builder, written)
    builder.StartObject(2)
    builder.PrependUint32Slot(0, version, 1)
    builder.PrependUOffsetTRelativeSlot(1, listed, 0)
    builder.Finish(builder.EndObject())
    return bytes(builder.Output())


def _lut_tensor(builder: flatbuffers.Builder, tensor: int, buffer: int, bits: int) -> int:
    builder.StartObject(3)
    builder.PrependInt32Slot(0, tensor, 0)
    builder.PrependUint32Slot(1, buffer, 0)
    builder.PrependUint8Slot(2, bits, 0)
    return int(builder.EndObject())

"""How compressed constants are unpacked: tables of values, pruning, Huffman codes. No model here.

Both of TFLM's schemes use it: tensors that the file's metadata calls compressed, and TFLM_DECODE.
Bits are counted from the highest one of each byte. Source: TFLM kernels/decompress_common.cc,
decode_state_lut.cc, decode_state_prune.cc, decode_state_huffman.cc.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]
Values = npt.NDArray[Any]


def bytes_for(count: int, bits: int) -> int:
    """Bytes that `count` packed numbers of `bits` bits take."""
    return -(-count * bits // 8)


def unpack(packed: Bytes, bits: int, count: int) -> Bytes:
    """`count` numbers of `bits` bits (up to 8) each, without gaps between them."""
    flat = np.unpackbits(packed, count=count * bits).reshape(count, bits)
    numbers: Bytes = flat @ np.array([1 << bit for bit in reversed(range(bits))], np.uint8)
    return numbers


def channel_numbers(count: int, channels: int, is_last: bool) -> npt.NDArray[np.int64]:
    """Channel of each of `count` elements, along the last dimension or along the first."""
    elements = np.arange(count)
    return elements % channels if is_last else elements // (count // channels)


def look_up(
    indices: Bytes,
    channels: npt.NDArray[np.int64],
    stride: int,
    values: Values,
) -> Values:
    """Each element's value: its index into its channel's table.

    Args:
        indices, channels: of each element [count].
        stride: values from one channel's table to the next one's.
        values: all tables one after the other.

    Raises:
        ValueError: an index points behind the last table.
    """
    places = channels * stride + indices
    if places.max(initial=-1) >= len(values):
        raise ValueError(f"an index points at value {places.max()}, the tables have {len(values)}")
    found: Values = values[places]
    return found


def unprune(packed: Bytes, zeros: Values, values: Values) -> Values:
    """Where a bit is 1 the next of `values`, where it is 0 that element's of `zeros` [count].

    Raises:
        ValueError: there are too few values.
    """
    kept = np.unpackbits(packed, count=len(zeros)).astype(np.bool_)
    count = int(np.count_nonzero(kept))
    if count > len(values):
        raise ValueError(f"{count} values are kept, {len(values)} are there")
    result: Values = zeros.copy()
    result[kept] = values[:count]
    return result


@dataclass(frozen=True, slots=True)
class HuffmanTables:
    """Tables in Xtensa's format, all in one array: the bits of a code lead from entry to entry.

    An entry is a symbol, with the number of bits of this step that belong to it; or it says how
    many bits the next step takes and how far on its table starts, counted from this entry.

    Attributes:
        entries: uint16, or uint32.
        initial_bits: what the first step takes.
    """

    entries: Values
    initial_bits: int

    def decode(self, stream: Bytes, count: int) -> npt.NDArray[np.int64]:
        """Entries of `count` symbols; the symbol is in the low bits.

        Raises:
            ValueError: the stream ends before that, or leads out of the tables.
        """
        entries = self.entries.tolist()
        entry_bits = self.entries.itemsize * 8
        is_symbol, shift = 1 << (entry_bits - 1), entry_bits - 5
        offset_mask = (1 << shift) - 1
        window, end = _Window(stream), 8 * len(stream)
        found: list[int] = []
        at = step = 0
        for number in range(count):
            place, entry, bits = 0, 0, self.initial_bits
            while not entry & is_symbol:
                if at > end:
                    raise ValueError(f"the codes end after {number} of {count} symbols")
                place += (entry & offset_mask) + window.take(at, bits)
                at += bits
                if place >= len(entries):
                    raise ValueError(f"a code leads to entry {place} of {len(entries)}")
                entry = entries[place]
                step, bits = bits, (entry >> shift & 15) + 1
            at -= max(0, step - (bits - 1))  # the bits that belong to the next symbol
            found.append(entry)
        if at > end:
            raise ValueError(f"the codes end before the last of {count} symbols")
        return np.array(found, np.int64)


class _Window:
    """A stream of bits, of which any few can be taken; behind its end are zeros."""

    def __init__(self, stream: Bytes) -> None:
        padded = np.concatenate((stream, np.zeros(8 + -len(stream) % 4, np.uint8)))
        words = padded.view(">u4").astype(np.uint64)
        self._pairs: list[int] = (words[:-1] << np.uint64(32) | words[1:]).tolist()

    def take(self, at: int, bits: int) -> int:
        """`bits` (up to 32) bits from bit `at` on."""
        return self._pairs[at >> 5] >> (64 - (at & 31) - bits) & ((1 << bits) - 1)

"""TFLM_DECODE in plain Python: bits as text, one element after the other."""

from __future__ import annotations

from collections.abc import Sequence

Bits = str


def bits_of(data: bytes) -> Bits:
    """Bytes as text of 0 and 1."""
    return "".join(f"{byte:08b}" for byte in data)


def look_up(
    bits: Bits, width: int, channels: Sequence[int], stride: int, values: Sequence[int]
) -> list[int]:
    """Each element's value: its index is `width` bits, its table starts at channel * stride."""
    result = []
    for position, channel in enumerate(channels):
        index = int(bits[position * width : (position + 1) * width], 2)
        result.append(values[channel * stride + index])
    return result


def unprune(bits: Bits, zeros: Sequence[int], values: Sequence[int]) -> list[int]:
    """The next value where the bit is 1, that element's zero where it is 0."""
    left = list(values)
    return [left.pop(0) if bit == "1" else zero for bit, zero in zip(bits, zeros, strict=False)]


def huffman(
    bits: Bits, entries: Sequence[int], entry_bits: int, initial: int, count: int
) -> list[int]:
    """Low bits of the entries that `count` codes lead to."""
    bits += "0" * 64
    result = []
    for _ in range(count):
        place, width = 0, initial
        while True:
            place += int(bits[:width], 2)
            text = f"{entries[place]:0{entry_bits}b}"
            found, number, rest = text[0] == "1", int(text[1:5], 2), int(text[5:], 2)
            if found:
                bits = bits[min(width, number) :]
                result.append(rest)
                break
            bits, width, place = bits[width:], number + 1, place + rest
    return result

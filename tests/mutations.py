"""Damages .tflite files on purpose: a seed and a number always give the same mutant."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from microinterp.model import load
from microinterp.schema import TABLES, UNIONS
from microinterp.structure import check_structure, vtables
from tests.flat import u16, u32, vtable

INTERESTING = (0, 1, 2, 3, 4, 5, 8, 127, 128, 255, 256, 65535, 2**24, 2**31 - 1, 2**31, 2**32 - 1)
MAX_ELEMENTS = 64  # of one vector: enough of the long ones
HALVES = (0, 1, 2, 3, 4, 5, 6, 8, 12, 16, 255, 32767, 65535)


@dataclass(frozen=True)
class Layout:
    """Where a file's structure lies: everything but the contents of its buffers.

    Attributes:
        bytes: positions outside of buffer data.
        words: those that are multiples of 4.
        halves: positions of 16-bit entries of vtables.
        values: positions and widths of numbers that are not offsets: scalars, vector elements.
    """

    bytes: tuple[int, ...]
    words: tuple[int, ...]
    halves: tuple[int, ...]
    values: tuple[tuple[int, int], ...]


def layout_of(data: bytes) -> Layout:
    """The layout of a sound file."""
    assert not check_structure(data)
    structure = np.ones(len(data), bool)
    base = _address(data)
    for view in load(data).buffers:
        if view is not None:
            start = _address(view) - base
            structure[start : start + len(view)] = False
    positions = np.flatnonzero(structure)
    words = positions[(positions % 4 == 0) & (positions + 4 <= len(data))]
    halves = (
        entry
        for start in vtables(data)
        for entry in range(start, start + struct.unpack_from("<H", data, start)[0], 2)
    )
    values = sorted(set(_values(data, u32(data, 0), "Model")))
    return Layout(tuple(positions.tolist()), tuple(words.tolist()), tuple(halves), tuple(values))


def _values(data: bytes, table: int, name: str) -> Iterator[tuple[int, int]]:
    """Numbers in a table and in what it leads to."""
    start = vtable(data, table)
    size = u16(data, start)
    for field in TABLES[name]:
        offset = u16(data, start + field.slot) if field.slot < size else 0
        if not offset:
            continue
        at = table + offset
        place = at + u32(data, at) if field.kind != "scalar" else at
        if field.kind == "scalar":
            yield at, field.width
        elif field.kind == "vector":
            for i in range(min(u32(data, place), MAX_ELEMENTS)):
                yield place + 4 + i * field.width, field.width
        elif field.kind == "tables":
            for i in range(u32(data, place)):
                element = place + 4 + 4 * i
                yield from _values(data, element + u32(data, element), field.target)
        elif field.kind == "union":
            number = data[table + u16(data, start + field.slot - 2)]
            yield from _values(data, place, UNIONS[field.target][number])
        elif field.kind == "table" and field.target:
            yield from _values(data, place, field.target)


def _address(data: bytes | memoryview) -> int:
    return int(np.frombuffer(data, np.uint8).__array_interface__["data"][0])


def truncate(data: bytearray, at: Layout, rng: random.Random) -> None:
    del data[rng.randrange(len(data) + 1) :]


def flip_bytes(data: bytearray, at: Layout, rng: random.Random) -> None:
    for _ in range(rng.randint(1, 8)):
        data[rng.randrange(len(data))] ^= rng.randint(1, 255)


def flip_structure(data: bytearray, at: Layout, rng: random.Random) -> None:
    data[_pick(at.bytes, data, 1, rng)] ^= rng.choice([1 << rng.randrange(8), rng.randint(1, 255)])


def overwrite_word(data: bytearray, at: Layout, rng: random.Random) -> None:
    struct.pack_into("<I", data, _pick(at.words, data, 4, rng), rng.choice(INTERESTING))


def redirect(data: bytearray, at: Layout, rng: random.Random) -> None:
    """Let a word, if it is an offset, lead to another place in the structure."""
    position, target = _pick(at.words, data, 4, rng), _pick(at.words, data, 4, rng)
    struct.pack_into("<i", data, position, rng.choice([target - position, position - target]))


def nudge_word(data: bytearray, at: Layout, rng: random.Random) -> None:
    position = _pick(at.words, data, 4, rng)
    (value,) = struct.unpack_from("<I", data, position)
    step = rng.choice([-16, -8, -4, -2, -1, 1, 2, 4, 8, 16, value])
    struct.pack_into("<I", data, position, (value + step) % 2**32)


def change_value(data: bytearray, at: Layout, rng: random.Random) -> None:
    """Change a number that is no offset: the file stays whole, the model turns strange."""
    position, width = rng.choice(at.values)
    if position + width > len(data):
        return
    value = int.from_bytes(data[position : position + width], "little")
    top = 256**width
    other, other_width = rng.choice(at.values)
    borrowed = int.from_bytes(data[other : other + other_width], "little")
    strange = [0, 1, 2, 3, 4, 6, top - 1, top - 2, top // 2, top // 2 - 1, value * 2, borrowed]
    value = rng.choice([*strange, value + 1, value - 1, value ^ (1 << rng.randrange(8 * width))])
    data[position : position + width] = (value % top).to_bytes(width, "little")


def overwrite_vtable(data: bytearray, at: Layout, rng: random.Random) -> None:
    value = rng.choice([rng.choice(HALVES), rng.randrange(0, 128)])
    struct.pack_into("<H", data, _pick(at.halves, data, 2, rng), value)


def swap_words(data: bytearray, at: Layout, rng: random.Random) -> None:
    a, b = _pick(at.words, data, 4, rng), _pick(at.words, data, 4, rng)
    data[a : a + 4], data[b : b + 4] = data[b : b + 4], data[a : a + 4]


def insert(data: bytearray, at: Layout, rng: random.Random) -> None:
    position = _pick(at.bytes, data, 1, rng)
    data[position:position] = rng.randbytes(rng.choice([1, 2, 4, 8, rng.randint(1, 64)]))


def delete(data: bytearray, at: Layout, rng: random.Random) -> None:
    position = _pick(at.bytes, data, 1, rng)
    del data[position : position + rng.choice([1, 2, 4, 8, rng.randint(1, 64)])]


def _pick(positions: tuple[int, ...], data: bytearray, width: int, rng: random.Random) -> int:
    """A position of the layout, or any other where an earlier mutation has cut the file short."""
    position = rng.choice(positions)
    return position if position + width <= len(data) else rng.randrange(len(data) - width + 1)


Mutation = Callable[[bytearray, Layout, random.Random], None]

# Words and vtables get most of the mutants: that is where damage survives the structure check.
MUTATIONS: dict[Mutation, int] = {
    truncate: 2,
    flip_bytes: 2,
    flip_structure: 6,
    overwrite_word: 6,
    change_value: 12,
    redirect: 3,
    nudge_word: 6,
    overwrite_vtable: 4,
    swap_words: 3,
    insert: 1,
    delete: 1,
}
MIN_SIZE = 16  # below, there is nothing left to damage


class Mutator:
    """Makes mutants of one file."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.layout = layout_of(data)

    def mutant(self, seed: int, number: int) -> bytes:
        """Mutant `number` of a seed: one mutation, sometimes a few of them."""
        rng = random.Random(f"{seed}/{number}")
        data = bytearray(self.data)
        for _ in range(rng.choice([1, 1, 1, 2, 4])):
            if len(data) >= MIN_SIZE:
                (mutation,) = rng.choices(list(MUTATIONS), list(MUTATIONS.values()))
                mutation(data, self.layout, rng)
        return bytes(data)

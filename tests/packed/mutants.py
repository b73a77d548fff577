"""Damages packed models on purpose, with the mutations that the .tflite fuzzer has."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator, Mapping

from microinterp.packed.reader import load
from microinterp.schema import Field
from tests.flat import u16, u32, vtable
from tests.mutations import MAX_ELEMENTS, MIN_SIZE, MUTATIONS, Layout

Tables = Mapping[str, tuple[Field, ...]]


def layout_of(data: bytes, tables: Tables, root: str, skipped: tuple[int, int]) -> Layout:
    """Where a FlatBuffer's structure lies, the bytes from `skipped` start to end left out."""
    positions = [i for i in range(len(data)) if not skipped[0] <= i < skipped[1]]
    words = [i for i in positions if i % 4 == 0 and i + 4 <= len(data)]
    walked = list(_walk(data, u32(data, 0), root, tables))
    starts = {start for _, start, _ in walked}
    halves = [
        entry for start in sorted(starts) for entry in range(start, start + u16(data, start), 2)
    ]
    values = sorted({value for _, _, found in walked for value in found})
    return Layout(tuple(positions), tuple(words), tuple(halves), tuple(values))


def _walk(
    data: bytes, table: int, name: str, tables: Tables
) -> Iterator[tuple[int, int, list[tuple[int, int]]]]:
    """Each table: its position, its vtable's, and (position, width) of the numbers in it."""
    start = vtable(data, table)
    found: list[tuple[int, int]] = []
    yield table, start, found
    for field in tables[name]:
        offset = u16(data, start + field.slot) if field.slot < u16(data, start) else 0
        if not offset:
            continue
        at = table + offset
        if field.kind == "scalar":
            found.append((at, field.width))
            continue
        place = at + u32(data, at)
        if field.kind == "vector":
            count = min(u32(data, place), MAX_ELEMENTS)
            found += [(place + 4 + i * field.width, field.width) for i in range(count)]
        elif field.kind == "table":
            yield from _walk(data, place, field.target, tables)
        elif field.kind == "tables":
            for i in range(u32(data, place)):
                element = place + 4 + 4 * i
                yield from _walk(data, element + u32(data, element), field.target, tables)


def weights_of(data: bytes) -> tuple[int, int]:
    """First byte of a packed model's weights, and the first behind them."""
    start = data.index(bytes(load(data).weights))
    return start, start + len(load(data).weights)


def mutants(data: bytes, layout: Layout, seed: int, count: int) -> Iterator[bytes]:
    """`count` mutants of a file: one mutation, sometimes a few of them."""
    for number in range(count):
        rng = random.Random(f"{seed}/{number}")
        mutant = bytearray(data)
        for _ in range(rng.choice([1, 1, 1, 2, 4])):
            if len(mutant) >= MIN_SIZE:
                (mutation,) = rng.choices(list(MUTATIONS), list(MUTATIONS.values()))
                mutation(mutant, layout, rng)
        yield bytes(mutant)


def patched(data: bytes, at: int, kind: str, value: float) -> bytes:
    """A copy with one number overwritten; `kind` is struct's."""
    copy = bytearray(data)
    struct.pack_into(kind, copy, at, value)
    return bytes(copy)

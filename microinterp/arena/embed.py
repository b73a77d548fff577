"""Writes a plan into a .tflite file, as the OfflineMemoryAllocation metadata that TFLM follows.

The file's own bytes stay as they are: a new root table, with new lists of buffers and metadata,
goes before them, since FlatBuffers only point forward. The metadata is int32 [3 + tensors]: version
1, subgraph 0, the number of tensors, and the offset of each or -1: those TFLM places itself, as it
does with all scratch. Source: TFLM's docs/memory_management.md, micro_allocation_info.cc.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

import tflite

from microinterp.arena.lifetimes import OFFLINE_METADATA
from microinterp.errors import UnsupportedError
from microinterp.model import Model

_VERSION = 1
_ALIGNMENT = 16
_FIELDS = 8
"""Of the root table; the fifth and the seventh are written anew."""
_BUFFERS, _METADATA = 4, 6
_IDENTIFIER = b"TFL3"


def embed(data: bytes, model: Model, offsets: Mapping[tuple[int, int], int]) -> bytes:
    """The file with a plan in place of the one that it may have.

    Args:
        data: contents of a sound .tflite file.
        model: loaded from it.
        offsets: of planned tensors, by (subgraph, tensor index).

    Raises:
        UnsupportedError: buffers lie outside the FlatBuffer, at positions that would be wrong.
    """
    keys = [(s.index, t.index) for s in model.subgraphs for t in s.tensors]
    words = [_VERSION, 0, len(keys), *(offsets.get(key, -1) for key in keys)]
    return _Front(data, struct.pack(f"<{len(words)}i", *words)).joined()


class _Front:
    """What goes before the old file: positions in it count from the new file's start."""

    def __init__(self, data: bytes, plan: bytes) -> None:
        self._old, self._plan = data, plan
        root = tflite.Model.GetRootAs(data, 0)
        self._table = root._tab
        if any(root.Buffers(i).Offset() > 1 for i in range(root.BuffersLength())):
            raise UnsupportedError(
                "the model's buffers lie behind its FlatBuffer", hint="convert it without them"
            )
        self._buffers = [self._item(_BUFFERS, i) for i in range(root.BuffersLength())]
        self._metadata = [
            self._item(_METADATA, i)
            for i in range(root.MetadataLength())
            if (root.Metadata(i).Name() or b"").decode("utf-8", "replace") != OFFLINE_METADATA
        ]

    def joined(self) -> bytes:
        """The new file. Each piece is written behind all that points to it."""
        vtable = 8
        table = vtable + 4 + 2 * _FIELDS
        buffers = table + 4 + 4 * _FIELDS
        metadata = buffers + 4 * (2 + len(self._buffers))
        entry = metadata + 4 * (2 + len(self._metadata))  # its vtable of 8 bytes, then 12
        name = entry + 20
        buffer = _up(name + 4 + len(OFFLINE_METADATA) + 1, 4)  # its vtable of 8 bytes, then 8
        contents = _up(buffer + 16 + 4, _ALIGNMENT) - 4
        start = _up(contents + 4 + len(self._plan), _ALIGNMENT)

        front = bytearray(start)
        struct.pack_into("<I4s", front, 0, table, _IDENTIFIER)
        self._write_model(front, vtable, table, start, {_BUFFERS: buffers, _METADATA: metadata})
        _write_list(front, buffers, [*(start + at for at in self._buffers), buffer + 8])
        _write_list(front, metadata, [*(start + at for at in self._metadata), entry + 8])
        number = len(self._buffers)
        struct.pack_into("<4H", front, entry, 8, 12, 4, 8)
        struct.pack_into("<iII", front, entry + 8, 8, name - (entry + 12), number)
        encoded = OFFLINE_METADATA.encode()
        struct.pack_into(f"<I{len(encoded)}s", front, name, len(encoded), encoded)
        struct.pack_into("<3H", front, buffer, 6, 8, 4)
        struct.pack_into("<iI", front, buffer + 8, 8, contents - (buffer + 12))
        struct.pack_into(f"<I{len(self._plan)}s", front, contents, len(self._plan), self._plan)
        return bytes(front) + self._old

    def _write_model(
        self, front: bytearray, vtable: int, table: int, start: int, new: Mapping[int, int]
    ) -> None:
        places = [0] * _FIELDS
        for field in range(_FIELDS):
            at = self._table.Offset(4 + 2 * field)
            if not at and field not in new:
                continue
            places[field] = 4 + 4 * field
            here, value = table + places[field], 0
            if field == 0:
                value = self._number(self._table.Pos + at)
            elif field in new:
                value = new[field] - here
            else:
                value = start + self._target(self._table.Pos + at) - here
            struct.pack_into("<I", front, here, value)
        sizes = 4 + 2 * _FIELDS, 4 + 4 * _FIELDS
        struct.pack_into(f"<{2 + _FIELDS}H", front, vtable, *sizes, *places)
        struct.pack_into("<i", front, table, table - vtable)

    def _item(self, field: int, index: int) -> int:
        """Where an element of a list of tables lies in the old file."""
        items: int = self._table.Vector(self._table.Offset(4 + 2 * field))
        return self._target(items + 4 * index)

    def _target(self, at: int) -> int:
        return at + self._number(at)

    def _number(self, at: int) -> int:
        found: int = struct.unpack_from("<I", self._old, at)[0]
        return found


def _write_list(front: bytearray, at: int, targets: list[int]) -> None:
    """A FlatBuffers vector of offsets, each counted from where it stands."""
    places = range(at + 4, at + 4 + 4 * len(targets), 4)
    offsets = [target - place for target, place in zip(targets, places, strict=True)]
    struct.pack_into(f"<{1 + len(targets)}I", front, at, len(targets), *offsets)


def _up(position: int, alignment: int) -> int:
    return -(-position // alignment) * alignment

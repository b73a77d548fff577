"""The bounds-checked walk over a FlatBuffer: whatever model.py reads later stays in the file.

Follows schema.py's tables from the root and checks each offset before it goes there. A table,
vector or string may be shared (FlatBuffers allows it), so one pass over the file can mean many
passes over a part of it; the walk therefore counts the bytes that a reader would copy, and
refuses a file that makes it copy many times its own size.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from contextlib import suppress

from microinterp.errors import Problem, Where
from microinterp.schema import IDENTIFIER, ROOT, TABLES, UNIONS, Field

RULES = {
    "file_header": "The file starts with the offset of its root table and the identifier TFL3.",
    "offset_in_file": "Every offset leads forward to a place inside the file.",
    "vtable_sound": "Every table has a vtable inside the file whose fields lie inside the table.",
    "vector_in_file": "Every vector ends inside the file.",
    "string_in_file": "Every string ends inside the file, with a zero byte after it.",
    "union_paired": "A union has both a type and a value, or neither.",
    "required_present": "Every subgraph lists its tensors, inputs and outputs, if only as none.",
    "data_in_file": "Nothing refers to data outside of the FlatBuffer.",
    "sharing_bounded": "Shared tables and vectors do not multiply the file many times over.",
    "aligned": "Tables and buffers are aligned to 4 bytes, vectors to their elements.",
}
"""Rule name -> its text: everything that a Problem of this module can be about."""

MAX_PROBLEMS = 100
# Converters promise 16 for buffers (force_align) but most real files do not keep it. Cortex-M
# needs words at multiples of 4: the cores that take others fault in loads of several words.
BUFFER_ALIGNMENT = 4

_COPIES = 4  # times its own size that a file may be read; unshared files need at most one
_TABLE_COST = 8  # the least that a table takes in a file: an offset to it and one to its vtable
_DAMAGED = "the file is cut short or damaged: copy or convert it again"
_LOOKS_LIKE = (
    (b"version https://git-lfs", "this is a Git LFS pointer: run `git lfs pull`"),
    (b"\x89HDF", "this is an HDF5 file (Keras .h5): convert it with the TFLite converter"),
    (b"PK\x03\x04", "this is a zip file (such as .keras): unpack or convert it"),
    (b"\x1f\x8b", "this is a gzip file: unpack it"),
    (b"<", "this is a web page or XML: download the raw file"),
)

_u16 = struct.Struct("<H").unpack_from
_u32 = struct.Struct("<I").unpack_from
_i32 = struct.Struct("<i").unpack_from

_Path = tuple["_Path | None", str, int | None]  # parent, field name, index in a vector
_Layout = tuple[int, tuple[tuple[Field, int], ...]]  # inline size; fields to follow, their offset
_NO_UNION_TYPE = 0


def check_structure(data: bytes) -> list[Problem]:
    """Every structural error of a .tflite file, up to MAX_PROBLEMS and a word that more may follow.

    Never raises, whatever the bytes are; time and memory stay proportional to the file.
    """
    return check_flatbuffer(data, ROOT, IDENTIFIER)


def check_flatbuffer(
    data: bytes,
    root: str,
    identifier: bytes = b"",
    tables: Mapping[str, tuple[Field, ...]] = TABLES,
) -> list[Problem]:
    """Every structural error of a FlatBuffer with the table `root` at its root.

    Args:
        identifier: the file identifier that it must carry, if any.
        tables: the schema; without unions, if it is not schema.TABLES.
    """
    return _walk(data, root, identifier, tables=tables).errors


def check_alignment(data: bytes) -> list[Problem]:
    """Warnings about misaligned tables, vectors and buffers of a .tflite file that is sound.

    Python reads them all the same; a Cortex-M0 faults on a misaligned int32, and TFLM hands
    constant buffers to its kernels where they are.
    """
    return _walk(data, ROOT, IDENTIFIER, alignment=True).warnings


def vtables(data: bytes) -> list[int]:
    """Positions of the vtables of a sound .tflite file, in order."""
    return sorted({vtable for vtable, _ in _walk(data, ROOT, IDENTIFIER).layouts})


def _walk(
    data: bytes,
    root: str,
    identifier: bytes,
    alignment: bool = False,
    tables: Mapping[str, tuple[Field, ...]] = TABLES,
) -> _Walk:
    walk = _Walk(data, alignment, tables)
    with suppress(_EnoughError):
        walk.root(root, identifier)
    walk.follow.clear()  # its methods refer back to the walk, which would keep the data alive
    return walk


class _EnoughError(Exception):
    """Ends the walk early. Never leaves this module."""


class _Walk:
    """One pass over one file. The schema has no cycles, so recursion is a few tables deep."""

    def __init__(
        self, data: bytes, alignment: bool, tables: Mapping[str, tuple[Field, ...]]
    ) -> None:
        self.data = data
        self.size = len(data)
        self.tables = tables
        self.alignment = alignment
        self.budget = _COPIES * self.size
        self.errors: list[Problem] = []
        self.warnings: list[Problem] = []
        self.layouts: dict[tuple[int, str], _Layout | None] = {}
        self.follow: dict[str, Callable[[Field, int, int, _Path], None]] = {
            "scalar": self._scalar,
            "string": self._string,
            "vector": self._vector,
            "view": self._vector,
            "table": self._one_table,
            "tables": self._tables,
            "union": self._union,
        }

    def root(self, table: str, identifier: bytes) -> None:
        header = 4 + len(identifier)
        if self.size < header + 4:
            size = f"has {self.size} bytes" if self.size else "is empty"
            return self._header(f"the file {size}, a model has hundreds at least")
        found = self.data[4:header]
        if found != identifier:
            return self._header(f"the file identifier is {found!r}, wanted {identifier!r}")
        target = _u32(self.data)[0]
        if not header <= target <= self.size - 4:
            return self._header(f"the root table at {target} is outside of the {self._file()}")
        self._table(target, table, None)

    def _table(self, at: int, name: str, path: _Path | None) -> None:
        self._spend(_TABLE_COST, at, path)
        vtable = at - _i32(self.data, at)[0]
        key = (vtable, name)
        if key not in self.layouts:
            self.layouts[key] = self._layout(at, vtable, self.tables.get(name, ()), path)
        layout = self.layouts[key]
        if layout is None:
            return
        inline, fields = layout
        if at + inline > self.size:
            return self._error("vtable_sound", at, path, f"table leaves the {self._file()}")
        if self.alignment and at % 4:
            self._misaligned(at, path, "table", 4)
        for field, offset in fields:
            self.follow[field.kind](field, at, at + offset, (path, field.name, None))

    def _layout(
        self, at: int, vtable: int, fields: tuple[Field, ...], path: _Path | None
    ) -> _Layout | None:
        """What a vtable says of `fields`, or None (and an error) if it cannot be trusted.

        Scalars need no more checks than their place; the layout names only the other fields.
        """
        if not 0 <= vtable <= self.size - 4:
            text = f"the table's vtable at {vtable} is outside of the {self._file()}"
            self._error("vtable_sound", at, path, text)
            return None
        size, inline = _u16(self.data, vtable)[0], _u16(self.data, vtable + 2)[0]
        if size < 4 or size % 2 or vtable + size > self.size or inline < 4:
            text = f"the vtable at {vtable} has size {size}, of a table of {inline} bytes"
            self._error("vtable_sound", at, path, text)
            return None
        present = []
        for field in fields:
            offset = _u16(self.data, vtable + field.slot)[0] if field.slot < size else 0
            if offset and not 4 <= offset <= inline - field.inline_width:
                text = f"field {field.name} at {offset} is outside of its table of {inline} bytes"
                self._error("vtable_sound", at, path, text)
                return None
            if field.required and not offset:
                text = f"the list of {field.name} is missing, which crashes TFLM"
                self._error("required_present", at, path, text)
            if offset and (field.kind != "scalar" or field.limit is not None):
                present.append((field, offset))
            elif field.kind == "union" and field.slot - 2 < size:
                present.append((field, 0))
        return inline, tuple(present)

    def _scalar(self, field: Field, table: int, at: int, path: _Path) -> None:
        value = int.from_bytes(self.data[at : at + field.width], "little")
        if field.limit is not None and value > field.limit:
            hint = "write the model with its data inside (not as an external or >2 GB model)"
            text = f"{value} refers to data outside of the FlatBuffer, which is not supported"
            self._error("data_in_file", at, path, text, hint)

    def _string(self, field: Field, table: int, at: int, path: _Path) -> None:
        start = self._target(at, path)
        if start is None:
            return
        length = _u32(self.data, start)[0]
        end = start + 4 + length
        if end >= self.size or self.data[end]:
            text = f"string of {length} bytes leaves the {self._file()} or lacks its final zero"
            return self._error("string_in_file", start, path, text)
        self._spend(length, start, path)

    def _vector(self, field: Field, table: int, at: int, path: _Path) -> None:
        start = self._target(at, path)
        if start is None:
            return
        count = self._count(start, field.width, path)
        if count and field.kind == "vector":
            self._spend(count * field.width, start, path)
        if count and self.alignment:
            wanted = BUFFER_ALIGNMENT if field.kind == "view" else field.width
            if (start + 4) % wanted:
                self._misaligned(start + 4, path, "data", wanted)

    def _one_table(self, field: Field, table: int, at: int, path: _Path) -> None:
        target = self._target(at, path)
        if target is not None:
            self._table(target, field.target, path)

    def _tables(self, field: Field, table: int, at: int, path: _Path) -> None:
        start = self._target(at, path)
        if start is None:
            return
        parent, name = path[:2]
        for i in range(self._count(start, 4, path)):
            element = (parent, name, i)
            target = self._target(start + 4 + 4 * i, element)
            if target is not None:
                self._table(target, field.target, element)

    def _union(self, field: Field, table: int, at: int, path: _Path) -> None:
        """The type is in the field before; `at == table` means that the value is absent."""
        vtable = table - _i32(self.data, table)[0]
        type_offset = _u16(self.data, vtable + field.slot - 2)[0]
        number = self.data[table + type_offset] if type_offset else _NO_UNION_TYPE
        if (number == _NO_UNION_TYPE) != (at == table):
            text = f"union type is {number} but its value is {'absent' if number else 'present'}"
            return self._error("union_paired", table, path, text)
        if number:
            target = self._target(at, path)
            if target is not None:
                self._table(target, UNIONS[field.target].get(number, ""), path)

    def _target(self, at: int, path: _Path) -> int | None:
        """Where the offset at `at` leads, 4 bytes at least; None (and an error) if outside."""
        offset: int = _u32(self.data, at)[0]
        if 0 < offset <= self.size - 4 - at:
            return at + offset
        text = f"offset {offset} leads outside of the {self._file()}" if offset else "offset is 0"
        self._error("offset_in_file", at, path, text)
        return None

    def _count(self, start: int, width: int, path: _Path) -> int:
        """Elements of the vector at `start`, 0 (and an error) if they are not in the file."""
        count: int = _u32(self.data, start)[0]
        if count * width <= self.size - 4 - start:
            return count
        text = f"vector of {count} elements of {width} bytes leaves the {self._file()}"
        self._error("vector_in_file", start, path, text)
        return 0

    def _spend(self, cost: int, at: int, path: _Path | None) -> None:
        self.budget -= cost
        if self.budget < 0:
            text = (
                f"tables and vectors that the file shares make it more than {_COPIES} times "
                f"its {self.size} bytes when read"
            )
            self._error("sharing_bounded", at, path, text, "write the model without sharing")
            raise _EnoughError

    def _file(self) -> str:
        return f"file of {self.size} bytes"

    def _header(self, message: str) -> None:
        looks_like = (hint for magic, hint in _LOOKS_LIKE if self.data.startswith(magic))
        hint = next(looks_like, "is this a .tflite file, and all of it?")
        self.errors.append(Problem("file_header", message, Where(byte_offset=0), hint))

    def _error(
        self, rule: str, at: int, path: _Path | None, message: str, hint: str = _DAMAGED
    ) -> None:
        where, name = _locate(path, at)
        message = f"{name}: {message}" if name else message
        self.errors.append(Problem(rule, message, where, hint))
        self._stop_at_limit(self.errors, rule)

    def _misaligned(self, at: int, path: _Path | None, what: str, wanted: int) -> None:
        where, name = _locate(path, at)
        message = f"{name}: {what} at {at} is not aligned to {wanted} bytes"
        hint = "some chips fault on such reads: write the file with a FlatBuffers builder"
        self.warnings.append(Problem("aligned", message, where, hint, "warning"))
        self._stop_at_limit(self.warnings, "aligned")

    def _stop_at_limit(self, found: list[Problem], rule: str) -> None:
        if len(found) == MAX_PROBLEMS:
            more = f"there may be more: only the first {MAX_PROBLEMS} are listed"
            found.append(Problem(rule, more, severity=found[-1].severity))
            raise _EnoughError


_WHERE_FIELDS = {"subgraphs": "subgraph", "tensors": "tensor_index", "operators": "op_index"}


def _locate(path: _Path | None, at: int) -> tuple[Where, str]:
    """Where a path is, and its part that Where cannot say: "quantization.scale", "buffers[3]"."""
    places: dict[str, int] = {}
    names: list[str] = []
    while path is not None:
        path, name, index = path
        if index is not None and name in _WHERE_FIELDS:
            places[_WHERE_FIELDS[name]] = index
        else:
            names.append(name if index is None else f"{name}[{index}]")
    return Where(byte_offset=at, **places), ".".join(reversed(names))  # type: ignore[arg-type]

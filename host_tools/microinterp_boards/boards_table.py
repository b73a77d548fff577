"""The boards of boards.toml, read and checked: what memory each has, and how it is reached."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

from microinterp.errors import DeviceError, printable
from microinterp_boards.processor import TIERS

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_CORES = (
    "cortex-m0 cortex-m0plus cortex-m3 cortex-m4 cortex-m7 cortex-m33 cortex-m55 xtensa-lx6"
    " xtensa-lx7 xtensa-lx106 rv32imc rv32imac x86-64"
)
_FLASHING = "uf2 hex dfu esptool bossac stlink jlink teensy_loader_cli ota none"
KNOWN: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "core": tuple(_CORES.split()),
        "kernels": (*TIERS, "bytecode", "x64", "source"),
        "link": ("usb", "uart", "virtual"),
        "flashing": tuple(_FLASHING.split()),
        "mapping": ("", "romfs", "rp2.Flash", "preload"),
        "heap_basis": ("", "defined", "measured", "bound", "estimate"),
    }
)
"""Words that fields may hold."""
_LARGEST = 1 << 31
_ID = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-.")


@dataclass(frozen=True, slots=True)
class BoardRow:
    """One board. Sizes are in bytes; None is what no source was found for.

    Attributes:
        id, name: for commands, and for people.
        mcu, core: the chip, and its processor as in KNOWN.
        kernels: the set of .mpy files that its stock firmware can run; "source" if it loads none.
        link: "usb", "uart" or "virtual".
        flashing: how firmware gets onto it.
        source: where its sizes are told.
        clock_hz: of the processor under MicroPython.
        ram_bytes: all of it.
        flash_bytes: where code lies.
        filesystem_bytes, filesystem_block_bytes: of MicroPython's filesystem.
        micropython_heap_bytes: that can be counted on.
        heap_basis, heap_source: how that is known, and whence; see boards.toml.
        mapping: how a model may be read in place from flash, as in KNOWN; "" if it may not.
        romfs_bytes: that stock firmware sets aside for ROMFS, or preloaded files may have.
        is_virtual: a program of ours; see `board virtual`.
    """

    id: str
    name: str
    mcu: str
    core: str
    kernels: str
    link: str
    flashing: str
    source: str
    clock_hz: int | None = None
    ram_bytes: int | None = None
    flash_bytes: int | None = None
    filesystem_bytes: int | None = None
    filesystem_block_bytes: int | None = None
    micropython_heap_bytes: int | None = None
    heap_basis: str = ""
    heap_source: str = ""
    mapping: str = ""
    romfs_bytes: int | None = None
    is_virtual: bool = False

    @property
    def mappable_bytes(self) -> int:
        """Bytes of flash that a model can lie in and be read in place."""
        if self.mapping == "rp2.Flash":  # the filesystem can be made smaller
            return self.filesystem_bytes or 0
        return self.romfs_bytes or 0


_FIELDS = {field.name: field for field in fields(BoardRow)}


@cache
def boards() -> Mapping[str, BoardRow]:
    """All boards by id. Raises DeviceError if the table of this installation is damaged."""
    return parse(files("microinterp_boards").joinpath("boards.toml").read_text("utf-8"))


def find(board_id: str) -> BoardRow:
    """The board of an id. Raises DeviceError, with near ids, if there is none."""
    known = boards()
    if board_id not in known:
        near = get_close_matches(board_id, known, n=3, cutoff=0.5)
        raise DeviceError(
            f"there is no board '{printable(board_id)}' in the table",
            hint=(f"perhaps {', '.join(near)}; all: " if near else "all: ") + ", ".join(known),
        )
    return known[board_id]


def parse(text: str) -> Mapping[str, BoardRow]:
    """Read a table. Raises DeviceError that names row and field of what is wrong."""
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise DeviceError(f"the table of boards is no TOML: {error}") from None
    rows: dict[str, BoardRow] = {}
    entries = tables.get("board")
    if tables.keys() != {"board"} or not isinstance(entries, list):
        raise DeviceError("the table of boards is not a list of [[board]]")
    for number, entry in enumerate(entries):
        row = _row(entry, number)
        if row.id in rows:
            raise _wrong(row.id, "id", "is there twice")
        rows[row.id] = row
    return MappingProxyType(rows)


def _row(entry: Any, number: int) -> BoardRow:
    name = str(entry.get("id", number)) if isinstance(entry, dict) else str(number)
    if not isinstance(entry, dict):
        raise _wrong(name, "it", "is no table")
    for key, value in entry.items():
        if key not in _FIELDS:
            raise _wrong(name, key, "is not known")
        _check_type(name, key, value)
    for key, field in _FIELDS.items():
        if field.default is MISSING and not entry.get(key):
            raise _wrong(name, key, "is missing")
    row = BoardRow(**entry)
    _check_sense(row)
    return row


def _check_type(name: str, key: str, value: Any) -> None:
    kind = str(_FIELDS[key].type)
    if kind.startswith("int"):
        if type(value) is not int or not 0 < value < _LARGEST:
            raise _wrong(name, key, f"is {value!r}, not a number from 1 to {_LARGEST - 1}")
    elif type(value).__name__ != kind:
        raise _wrong(name, key, f"is {value!r}, not a {kind}")
    if key in KNOWN and value not in KNOWN[key]:
        raise _wrong(name, key, f"is {value!r}, none of {', '.join(KNOWN[key])}")


def _check_sense(row: BoardRow) -> None:
    if not set(row.id) <= _ID:
        raise _wrong(row.id, "id", "has other characters than a-z 0-9 - .")
    if not row.source.startswith(("https://", "docs/")):
        raise _wrong(row.id, "source", "is neither a URL nor a file of docs/")
    heap = row.micropython_heap_bytes
    if (heap is None) == bool(row.heap_basis) or bool(row.heap_basis) != bool(row.heap_source):
        raise _wrong(row.id, "heap_basis", "and micropython_heap_bytes and heap_source go together")
    if heap is not None and row.ram_bytes is not None and heap > row.ram_bytes:
        raise _wrong(row.id, "micropython_heap_bytes", "is more than ram_bytes")
    if (row.filesystem_bytes is None) != (row.filesystem_block_bytes is None):
        raise _wrong(row.id, "filesystem_bytes", "and filesystem_block_bytes go together")
    if row.mapping and not row.mappable_bytes:
        raise _wrong(row.id, "mapping", "has no size beside it")


def _wrong(row: str, field: str, what: str) -> DeviceError:
    return DeviceError(f"the table of boards, '{printable(row)}': {printable(field)} {what}")

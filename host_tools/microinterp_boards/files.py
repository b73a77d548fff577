"""Files on a board: put, get, list, stat, remove; every byte checked by length and CRC32.

A file goes up into NAME.part in blocks that are answered one by one (UART bridges drop what their
buffer cannot hold), is read back on the board, and only then takes its name: a file that is there
is whole, and an older one stays until the new one is.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass

from microinterp.errors import DeviceError, printable
from microinterp_boards import checked, device
from microinterp_boards.link import Link

_NAME = re.compile(r"[A-Za-z0-9._-]{1,32}")
_ENTRY = re.compile(r"((?:[0-9a-f]{2})*) ([df]) ([0-9]{1,10})")
_PUT_BLOCK = 236  # with its CRC32 240 bytes, less than the smallest input buffer, ESP32's 260
_GET_BLOCK = 1024
_HEX_BLOCK = 112
_CRC = 4
_BOARD_PATIENCE = 5000  # milliseconds that a board waits for a block, lest it stay deaf
_PATIENCE = 15.0  # seconds for an answer: erasing flash takes its time
_READ_LIMIT = 120.0  # seconds for the slowest board to read its largest file
_PART = b".part"
_MAX_FILE = 1 << 28
_ENOSPC = (27, 28)
_ERRORS = {
    1: "not permitted",
    2: "no such file or folder",
    5: "the filesystem failed to read or write",
    12: "out of memory",
    13: "no permission",
    17: "it is there already",
    19: "no such device",
    20: "not a folder",
    21: "it is a folder",
    22: "the filesystem does not take this name or call",
    27: "the file is too large for the filesystem",
    28: "the filesystem is full",
    30: "the filesystem is read-only",
    39: "the folder is not empty",
    110: "the board waited for data that did not come",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """A file or folder on a board. `size` is in bytes, 0 for folders; names may be anything."""

    name: str
    size: int
    is_folder: bool


@dataclass(frozen=True, slots=True)
class FileState:
    """Size in bytes and CRC32 of a file, as the board reads it."""

    size: int
    crc32: int


@dataclass(frozen=True, slots=True)
class Room:
    """The board's filesystem: bytes free and in all, and of one block; None if it does not say."""

    free: int | None
    total: int | None
    block: int


def stored_bytes(size: int, block: int) -> int:
    """Bytes that a file takes of a filesystem; littlefs keeps small ones with their names."""
    return size if size <= block // 8 else -(-size // block) * block


class Files:
    """One folder on a board: the current one, or a folder below it. Raises DeviceError."""

    def __init__(self, link: Link, path: str = "") -> None:
        """`path` has names joined by "/"; "" is the board's current folder."""
        self._link = link
        self._path = "/".join(_checked(name) for name in path.split("/")) if path else ""

    def folder(self, name: str, create: bool = False) -> Files:
        """A folder in this one; `create` makes it if it is not there."""
        path = self._join(name)
        if create:
            checked.run(self._link, "folder", path)
        return Files(self._link, path.decode())

    def list(self) -> list[Entry]:
        """What is in this folder, sorted by name."""
        lines = self._ask("listing", self._path.encode()).split("\n")
        if lines[-1] != f"end {len(lines) - 1}":
            raise self._nonsense(lines[-1], "the end of a list of files")
        return sorted(map(self._entry, lines[:-1]), key=lambda entry: entry.name)

    def stat(self, name: str) -> FileState | None:
        """Size and CRC32 of a file, None if there is none."""
        return self._stat(self._join(name))

    def remove(self, name: str) -> bool:
        """Remove a file; False if there was none."""
        return self._remove(self._join(name))

    def remove_folder(self, name: str) -> bool:
        """Remove an empty folder; False if there was none."""
        return self._remove(self._join(name), True)

    def room(self) -> Room:
        """Bytes of the board's filesystem."""
        block, free, total, _ = self._facts()
        if block <= 0:
            return Room(None, None, 1)
        if free > total:  # littlefs counts some blocks twice: with little left this wraps round
            return Room(None, block * total, block)
        return Room(block * free, block * total, block)

    def put(
        self, name: str, data: bytes, progress: Callable[[int], object] = lambda done: None
    ) -> None:
        """Write a file; `progress` is told the bytes done. An older one stays until all is well."""
        part = self._join(name) + _PART
        room = self.room()
        needed = -(-len(data) // room.block) * room.block
        if room.free is not None and needed > room.free:
            raise self._full(name, needed, room.free)
        self._send(part, name, data, progress)
        state = self._stat(part)
        if state != FileState(len(data), zlib.crc32(data)):
            self._remove(part)
            raise self._link.transport.error(
                f"the board reads other bytes from '{name}' than it was sent",
                "its flash or filesystem may be damaged: format it",
            )
        self._replace(part, name)

    def _replace(self, part: bytes, name: str) -> None:
        """Give a file its name; where the board keeps an older one of it, `part` is removed."""
        try:
            self._link.exec(device.call("rename", part, self._join(name)), _PATIENCE)
        except DeviceError as error:
            raised = re.search(r"the board raised OSError: .*?([0-9]{1,10})", error.message)
            if raised is None:
                raise
            self._remove(part)
            what = os_error(int(raised[1]))
            raise self._link.transport.error(
                f"file '{name}' is there and cannot be replaced: {what}",
                "a file in mapped memory stays what it is: map one that fits, or take another name",
            ) from None

    def _send(self, part: bytes, name: str, data: bytes, progress: Callable[[int], object]) -> None:
        """Send `data` into the file `part`, which is removed if the board says no."""
        binary = self._facts()[3]
        block = _PUT_BLOCK if binary else _HEX_BLOCK
        self._link.start(device.call("put", part, len(data), block, binary, _BOARD_PATIENCE))
        try:
            self._answer(b"R", name, "an answer to the name of a file")
            for at in range(0, len(data), block):
                piece = data[at : at + block]
                piece += zlib.crc32(piece).to_bytes(_CRC, "little")
                self._link.write(piece if binary else piece.hex().encode())
                self._answer(b"K", name, f"an answer to a block of '{name}'")
                progress(min(at + block, len(data)))
            self._answer(b"D", name, f"the end of '{name}'")
        except _RefusedError as error:
            self._remove(part)
            if error.number in _ENOSPC:
                raise self._full(name, len(data), self.room().free) from None
            raise
        self._link.finish()

    def get(self, name: str, progress: Callable[[int], object] = lambda done: None) -> bytes:
        """The bytes of a file; `progress` is told how many are there."""
        binary = self._facts()[3]
        self._link.start(device.call("get", self._join(name), _GET_BLOCK, binary))
        self._answer(b"S", name, f"the size of '{name}'")
        size = self._number()
        if size > _MAX_FILE:
            raise self._nonsense(str(size), "the size of a file")
        data = bytearray()
        while len(data) < size:
            take = min(_GET_BLOCK, size - len(data))
            self._link.write(b"K")
            self._answer(b"B", name, f"a block of '{name}'")
            data += self._block(take, bool(binary), name)
            progress(len(data))
        self._link.finish()
        return bytes(data)

    def _block(self, size: int, binary: bool, name: str) -> bytes:
        """One block and its check."""
        raw = self._link.read((size + _CRC) * (1 if binary else 2), _PATIENCE, f"'{name}'")
        if not binary:
            try:
                raw = bytes.fromhex(raw.decode("ascii"))
            except ValueError:
                raise self._damaged(name) from None
        block = raw[:size]
        if len(raw) != size + _CRC or zlib.crc32(block) != int.from_bytes(raw[size:], "little"):
            raise self._damaged(name)
        return block

    def _answer(self, good: bytes, name: str, wanted: str) -> None:
        """Take the answer `good`; raise what any other one means."""
        tag = self._link.reply(good + b"EC", _PATIENCE, wanted)
        if tag == good:
            return
        number = self._number() if tag == b"E" else 0
        self._link.finish()
        if tag == b"C":
            raise _RefusedError(self._damaged(name), 0)
        what = os_error(number)
        hint = "`microinterp board shell` lets you look at the filesystem"
        raise _RefusedError(self._link.transport.error(f"file '{name}': {what}", hint), number)

    def _stat(self, path: bytes) -> FileState | None:
        text = self._ask("stat", path, _GET_BLOCK, timeout=_READ_LIMIT)
        if text == "none":
            return None
        match = re.fullmatch("([0-9]{1,10}) ([0-9]{1,10})", text)
        if match is None:
            raise self._nonsense(text, "a file's size and CRC32")
        return FileState(int(match[1]), int(match[2]))

    def _remove(self, path: bytes, folder: bool = False) -> bool:
        text = self._ask("remove", path, int(folder))
        if text not in ("0", "1"):
            raise self._nonsense(text, "whether a file was removed")
        return text == "1"

    def _facts(self) -> tuple[int, int, int, int]:
        text = self._ask("room")
        match = re.fullmatch("(-?[0-9]{1,10}) (-?[0-9]{1,10}) (-?[0-9]{1,10}) ([01])", text)
        if match is None:
            raise self._nonsense(text, "the size of the filesystem")
        return int(match[1]), int(match[2]), int(match[3]), int(match[4])

    def _ask(self, name: str, *arguments: bytes | int, timeout: float = 30.0) -> str:
        """What a function on the board prints, as text with its end stripped."""
        output = checked.run(self._link, name, *arguments, timeout=timeout)
        return output.decode("ascii", "backslashreplace").strip()

    def _entry(self, line: str) -> Entry:
        match = _ENTRY.fullmatch(line)
        if match is None:
            raise self._nonsense(line, "a file's name and size")
        name = bytes.fromhex(match[1]).decode(errors="backslashreplace")
        return Entry(name, int(match[3]), match[2] == "d")

    def _number(self) -> int:
        """A number that running code writes, ended by a line end."""
        text = self._link.read_line(_PATIENCE, "a number")
        if re.fullmatch("[0-9]{1,10}", text) is None:
            raise self._nonsense(text, "a number")
        return int(text)

    def _join(self, name: str) -> bytes:
        path = f"{self._path}/" if self._path else ""
        return f"{path}{_checked(name)}".encode()

    def _full(self, name: str, needed: int, free: int | None) -> DeviceError:
        there = "fewer" if free is None else str(free)
        return DeviceError(
            f"{printable(self._link.port)}: no room for '{name}': it needs {needed} bytes and what"
            f" the filesystem adds, {there} are free",
            hint="remove files that are not needed; an older file of that name stays until the"
            " new one is written",
        )

    def _damaged(self, name: str) -> DeviceError:
        return self._link.transport.error(
            f"bytes of '{name}' were damaged or lost on the line",
            "try again; a shorter cable or a lower baud rate may help",
        )

    def _nonsense(self, text: str, wanted: str) -> DeviceError:
        return self._link.transport.error(
            f"'{printable(text)}' came instead of {wanted}",
            "something else printed on the line, or bytes were lost: try again",
        )


class _RefusedError(DeviceError):
    """A board's answer that ends a transfer; `number` is the OSError's, or 0."""

    def __init__(self, error: DeviceError, number: int) -> None:
        super().__init__(error.message, error.where, error.hint)
        self.number = number


def os_error(number: int) -> str:
    """What the number of a board's OSError means."""
    return _ERRORS.get(number, f"error {number}")


def _checked(name: str) -> str:
    """`name` if it may be a file's or folder's name on a board."""
    if _NAME.fullmatch(name) is None or name.strip(".") == "":
        raise DeviceError(
            f"'{printable(name)}' cannot be the name of a file on a board",
            hint="1 to 32 of the characters A-Z a-z 0-9 . _ - and not only dots",
        )
    return name

"""Requests of schemas/link.md that have to do with files and models, as functions with types."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum

from microinterp.errors import DeviceError, printable
from microinterp_boards.framed.client import Client

_READ_LIMIT = 120.0  # seconds for the slowest board to read its largest file
_TEST_LIMIT = 600.0  # seconds for a self-test
_SLOT = struct.Struct("<BII32s")
_TESTED = struct.Struct("<B5I")
_NO_PART = 0xFFFFFFFF


class Place(IntEnum):
    """Where a name is looked for."""

    MODELS, RUNTIME, TESTS = range(3)


@dataclass(frozen=True, slots=True)
class Slot:
    """One of the two that a model has.

    Attributes:
        is_there: whether it has a file.
        size, version, sha256: of its record, bytes and hex; 0 and zeros without one.
    """

    is_there: bool
    size: int
    version: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Kept:
    """What a board has of a model.

    Attributes:
        name: of the model.
        generation: how often it was switched; 0: never.
        slot: "a" or "b", which is in use; empty: none.
        slots: by name.
        part_bytes: of an upload that has not ended; None without one.
    """

    name: str
    generation: int
    slot: str
    slots: dict[str, Slot]
    part_bytes: int | None

    @property
    def in_use(self) -> Slot | None:
        """The slot in use."""
        return self.slots[self.slot] if self.slot else None

    @property
    def path(self) -> str:
        """Of the file in use, below the board's current folder; empty: none."""
        return f"models/{self.name}.{self.slot}" if self.slot else ""

    @property
    def next_slot(self) -> str:
        """The slot that an upload goes to."""
        return "b" if self.slot == "a" else "a"


@dataclass(frozen=True, slots=True)
class SelfTest:
    """Outcome of a board's test of the model that was just verified.

    Attributes:
        equal: whether all outputs are those of the bundle.
        samples, compared_bytes: how many were compared.
        heap_free, heap_imported, heap_loaded: bytes free before the runtime is imported, after that
            and with the model loaded, beside the service.
        text: what came first, where something differs.
    """

    equal: bool
    samples: int
    compared_bytes: int
    heap_free: int
    heap_imported: int
    heap_loaded: int
    text: str


class Requests:
    """Raises RefusedError where the board refuses, DeviceError where it does not answer."""

    def __init__(self, client: Client) -> None:
        self.client = client

    def files(self, place: Place) -> dict[str, int]:
        """Bytes of each file."""
        found: dict[str, int] = {}
        while True:
            answer = self.client.ask(0x10, struct.pack("<BH", place, len(found)))
            if not answer:
                return found
            before, at = len(found), 0
            while at < len(answer):
                end = at + 1 + answer[at]
                name, size = answer[at + 1 : end], answer[end : end + 4]
                if len(size) != 4:
                    raise self._nonsense("a list of files")
                found[name.decode("ascii", "replace")] = int.from_bytes(size, "little")
                at = end + 4
            if len(found) == before:
                raise self._nonsense("a list of files")

    def size(self, place: Place, name: str) -> int | None:
        """Bytes of a file; None if there is none."""
        there, size = self._numbers(0x11, _named(place, name), "<BI", "the size of a file")
        return size if there else None

    def sum(self, place: Place, name: str, size: int, offset: int = 0) -> int:
        """CRC32 of `size` bytes of a file."""
        asked = _named(place, name) + struct.pack("<II", offset, size)
        (found,) = self._numbers(0x12, asked, "<I", "a CRC32", _READ_LIMIT)
        return found

    def sums(self, place: Place, name: str, block: int, size: int) -> list[int]:
        """CRC32s of the whole blocks of a file of `size` bytes."""
        found: list[int] = []
        most = self.client.payload // 4
        while len(found) < size // block:
            count = min(most, size // block - len(found))
            asked = struct.pack("<IIH", len(found) * block, block, count)
            answer = self.client.ask(0x13, _named(place, name) + asked, _READ_LIMIT)
            if len(answer) != 4 * count:
                raise self._nonsense("CRC32s of a file")
            found += struct.unpack(f"<{count}I", answer)
        return found

    def remove(self, place: Place, name: str) -> bool:
        """Whether there was such a file."""
        (there,) = self._numbers(0x15, _named(place, name), "<B", "whether there was a file")
        return bool(there)

    def room(self) -> tuple[int, int, int] | None:
        """Bytes of a block, blocks that are free, and in all; None if unknown."""
        block, free, blocks = self._numbers(0x16, b"\0", "<III", "the size of the filesystem")
        # littlefs counts some blocks twice: with little left, what is free wraps round
        return (block, free, blocks) if block and free <= blocks else None

    def open(self, place: Place, name: str, size: int, digest: bytes) -> int:
        """Begin an upload, or go on with it; returns the bytes that are there, right or wrong."""
        asked = _named(place, name) + struct.pack("<I", size) + digest
        (there,) = self._numbers(0x20, asked, "<I", "the length of a part", _READ_LIMIT)
        return there

    def send(self, data: bytes, start: int, progress: Callable[[int], object]) -> int:
        """The bytes of `data` behind the first `start`; returns how many are there."""
        return self.client.send(data, start, progress)

    def copy(self, offset: int, source: int, size: int) -> int:
        """Take bytes of the model in use; returns how many are there."""
        asked = struct.pack("<III", offset, source, size)
        (there,) = self._numbers(0x22, asked, "<I", "the length of a part", _READ_LIMIT)
        return there

    def verify(self, version: int = 0, signature: bytes = b"") -> None:
        """Have the upload read again from flash, and named."""
        self.client.ask(0x23, struct.pack("<I", version) + signature, _READ_LIMIT)

    def model(self, name: str) -> Kept:
        """What the board has of a model."""
        wanted = "what is known of a model"
        answer = self.client.ask(0x24, _of(name), _READ_LIMIT)
        if len(answer) != 5 + 2 * _SLOT.size + 4 or answer[4] not in b"\0ab":
            raise self._nonsense(wanted)
        slots = {}
        for at, letter in ((5, "a"), (5 + _SLOT.size, "b")):
            there, size, version, digest = _SLOT.unpack_from(answer, at)
            slots[letter] = Slot(bool(there), size, version, digest.hex())
        generation, part = (
            int.from_bytes(answer[:4], "little"),
            int.from_bytes(answer[-4:], "little"),
        )
        return Kept(
            name,
            generation,
            chr(answer[4]) if answer[4] else "",
            slots,
            None if part == _NO_PART else part,
        )

    def test(self, name: str) -> SelfTest:
        """Have the model that was verified run its golden samples."""
        answer = self.client.ask(0x25, _of(name), _TEST_LIMIT)
        if len(answer) < _TESTED.size:
            raise self._nonsense("the outcome of a test")
        equal, samples, compared, free, imported, loaded = _TESTED.unpack_from(answer)
        text = printable(answer[_TESTED.size :].decode(errors="backslashreplace"), 300)
        return SelfTest(bool(equal), samples, compared, free, imported, loaded, text)

    def switch(self, name: str, by_host: bool = False) -> int:
        """Put the model to use that was verified and tested; returns its generation.

        by_host: it was the host that tested it.
        """
        asked = _of(name) + (b"\1" if by_host else b"")
        return self._numbers(0x26, asked, "<I", "a generation", _READ_LIMIT)[0]

    def back(self, name: str) -> int:
        """Put the other slot to use again; returns the generation."""
        return self._numbers(0x27, _of(name), "<I", "a generation", _READ_LIMIT)[0]

    def forget(self, name: str) -> bool:
        """Remove a model; whether there was something of it."""
        return bool(self._numbers(0x28, _of(name), "<B", "whether there was a model")[0])

    def _numbers(
        self, kind: int, payload: bytes, form: str, wanted: str, limit: float = 15.0
    ) -> tuple[int, ...]:
        answer = self.client.ask(kind, payload, limit)
        if len(answer) != struct.calcsize(form):
            raise self._nonsense(wanted)
        return struct.unpack(form, answer)

    def _nonsense(self, wanted: str) -> DeviceError:
        return DeviceError(
            f"the board's service answered something else than {wanted}",
            hint="its files may be of another version: deploy again",
        )


def _of(name: str) -> bytes:
    return bytes([len(name)]) + name.encode()


def _named(place: Place, name: str) -> bytes:
    return bytes([place]) + _of(name)

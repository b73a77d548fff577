"""What a board keeps, as an object with the functions of store/requests.py: no link in between."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable

from microinterp.errors import DeviceError
from microinterp_boards.framed.exchange import RefusedError
from microinterp_boards.store.requests import Kept, Place, SelfTest, Slot

EMPTY = Slot(False, 0, 0, "00" * 32)


def refused(code: int, text: str = "") -> RefusedError:
    return RefusedError(code, text, f"fake: the board refuses: {text or f'code {code}'}")


class FakeStore:
    """Does what schemas/link.md says of a board's files and models.

    Attributes:
        kept: files by place and name; bundles lie in the folder of models.
        models: what is known of each; versions of slots that VERIFY has passed are in `verified`.
        calls: names and arguments of all that was asked.
        fail: called before each request with its name; it may raise.
        space: what `room` answers.
        capacity: bytes of a filesystem in blocks of one byte; `room` answers what is left of it.
    """

    def __init__(self) -> None:
        self.kept: dict[tuple[Place, str], bytes] = {}
        self.models: dict[str, Kept] = {}
        self.calls: list[tuple[object, ...]] = []
        self.fail: Callable[[str], object] = lambda what: None
        self.space: tuple[int, int, int] | None = None
        self.capacity: int | None = None
        self.outcome = SelfTest(True, 1, 10, 300, 200, 100, "")
        self.verified: list[tuple[str, int, bytes]] = []
        self.steps: list[int] = []  # bytes that are there after each piece that is sent
        self._open: tuple[Place, str, int, bytes] | None = None

    def count(self, what: str) -> int:
        return sum(call[0] == what for call in self.calls)

    def of(self, what: str) -> list[tuple[object, ...]]:
        """Arguments of all such calls."""
        return [call[1:] for call in self.calls if call[0] == what]

    def put_model(self, name: str, slot: str, data: bytes, version: int) -> Kept:
        """A model that is in use."""
        slots = {"a": EMPTY, "b": EMPTY}
        slots[slot] = Slot(True, len(data), version, hashlib.sha256(data).hexdigest())
        self.models[name] = Kept(name, 1, slot, slots, None)
        self.kept[Place.MODELS, f"{name}.{slot}"] = data
        return self.models[name]

    def part_of(self, place: Place, name: str) -> tuple[Place, str]:
        if place is Place.TESTS:
            return Place.MODELS, f"{name}.test.part"
        return place, f"{name}.part"

    def files(self, place: Place) -> dict[str, int]:
        self._note("files", place)
        return {name: len(data) for (where, name), data in self.kept.items() if where is place}

    def room(self) -> tuple[int, int, int] | None:
        self._note("room")
        if self.capacity is not None:
            return 1, self.capacity - sum(map(len, self.kept.values())), self.capacity
        return self.space

    def size(self, place: Place, name: str) -> int | None:
        self._note("size", place, name)
        data = self.kept.get((place, name))
        return None if data is None else len(data)

    def sum(self, place: Place, name: str, size: int, offset: int = 0) -> int:
        self._note("sum", place, name, size)
        data = self.kept[place, name]
        assert offset + size <= len(data)
        return zlib.crc32(data[offset : offset + size])

    def sums(self, place: Place, name: str, block: int, size: int) -> list[int]:
        self._note("sums", place, name, block, size)
        data = self.kept[place, name]
        return [zlib.crc32(data[at : at + block]) for at in range(0, size - block + 1, block)]

    def remove(self, place: Place, name: str) -> bool:
        self._note("remove", place, name)
        return self.kept.pop((place, name), None) is not None

    def open(self, place: Place, name: str, size: int, digest: bytes) -> int:
        self._note("open", place, name, size, digest)
        self._open = place, name, size, digest
        part = self.part_of(place, name)
        done = Place.MODELS, f"{name}.test"
        if place is Place.MODELS:
            model = self.models.get(name)
            done = place, f"{name}.{model.next_slot if model is not None else 'a'}"
        if place is not Place.RUNTIME and done in self.kept:
            data = self.kept.pop(done)
            if hashlib.sha256(data).digest() == digest:  # VERIFY has passed it: a part again
                self.kept[part] = data
        return len(self.kept.setdefault(part, b""))

    def send(self, data: bytes, start: int, progress: Callable[[int], object]) -> int:
        self._note("send", len(data), start)
        for end in (*(step for step in self.steps if start < step < len(data)), len(data)):
            self._write(start, data[start:end])
            start = end
            progress(end)
            self.fail("piece")
        return end

    def copy(self, offset: int, source: int, size: int) -> int:
        self._note("copy", offset, source, size)
        assert self._open is not None
        _, name, _, _ = self._open
        model = self.models[name]
        old = self.kept[Place.MODELS, f"{name}.{model.slot}"]
        assert source + size <= len(old)
        return self._write(offset, old[source : source + size])

    def verify(self, version: int = 0, signature: bytes = b"") -> None:
        self._note("verify", version, signature)
        assert self._open is not None
        place, name, size, digest = self._open
        data = self.kept[self.part_of(place, name)]
        if len(data) != size or hashlib.sha256(data).digest() != digest:
            raise refused(4, "not what was announced")
        del self.kept[self.part_of(place, name)]
        if place is Place.MODELS:
            model = self.models.get(name)
            slot = model.next_slot if model is not None else "a"
            self.kept[place, f"{name}.{slot}"] = data
            self.verified.append((name, version, signature))
        elif place is Place.TESTS:
            self.kept[Place.MODELS, f"{name}.test"] = data
        else:
            self.kept[place, name] = data

    def model(self, name: str) -> Kept:
        self._note("model", name)
        return self.models.get(name) or Kept(name, 0, "", {"a": EMPTY, "b": EMPTY}, None)

    def test(self, name: str) -> SelfTest:
        self._note("test", name)
        return self.outcome

    def switch(self, name: str, by_host: bool = False) -> int:
        self._note("switch", name, by_host)
        model = self.models.get(name)
        slot = model.next_slot if model is not None else "a"
        verified, version, _ = self.verified[-1]
        assert verified == name
        self.put_model(name, slot, self.kept[Place.MODELS, f"{name}.{slot}"], version)
        return 1

    def back(self, name: str) -> int:
        self._note("back", name)
        return 2

    def forget(self, name: str) -> bool:
        self._note("forget", name)
        return self.models.pop(name, None) is not None

    def _write(self, offset: int, data: bytes) -> int:
        assert self._open is not None
        part = self.part_of(*self._open[:2])
        assert offset <= len(self.kept[part])
        self.kept[part] = self.kept[part][:offset] + data
        return len(self.kept[part])

    def _note(self, what: str, *arguments: object) -> None:
        self.calls.append((what, *arguments))
        self.fail(what)


def failing(what: str, error: DeviceError, times: int = 1) -> Callable[[str], object]:
    """For `fail`: the first so many requests of a kind."""
    left = [times]

    def fail(asked: str) -> None:
        if asked == what and left[0]:
            left[0] -= 1
            raise error

    return fail

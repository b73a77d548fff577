"""What a kernel is made of, one after the other, and where it ends up: branches, literals, data.

Addresses count from the function's start; the code begins at ORIGIN, after MicroPython's push.
Functions are loaded at multiples of 4. What has a short and a long form starts short, and grows
until everything is in reach.
"""

from __future__ import annotations

from dataclasses import dataclass

from .instructions import CONDITIONS
from .operands import AssemblyError

ORIGIN = 2
NOP = 0xBF00


@dataclass
class Item:
    """A piece of a kernel, and the line that it is from."""

    where: str

    @property
    def halves(self) -> int:
        """Size, without what aligns it."""
        raise NotImplementedError

    def encoded(self, start: int, labels: dict[str, int]) -> tuple[int, ...]:
        """Halfwords. Raises AssemblyError where a label is out of reach."""
        raise NotImplementedError


@dataclass
class Plain(Item):
    """Halfwords that stay the same wherever they are. align: 2 or 4 bytes."""

    words: tuple[int, ...]
    align: int = 2

    @property
    def halves(self) -> int:
        """Size, without what aligns it."""
        return len(self.words)

    def encoded(self, start: int, labels: dict[str, int]) -> tuple[int, ...]:
        """The halfwords."""
        return self.words


@dataclass
class Relative(Item):
    """What holds the distance to a label. can_grow: the CPU has a long form."""

    name: str
    to: str
    can_grow: bool
    is_wide: bool = False

    @property
    def halves(self) -> int:
        """Size."""
        return 1 + self.is_wide

    def distance(self, start: int, labels: dict[str, int]) -> int:
        """Bytes from the program counter to the label."""
        return labels[self.to] - (start + 4)

    def reach(self) -> range:
        """Distances that the present form can hold."""
        raise NotImplementedError

    def is_far(self, start: int, labels: dict[str, int]) -> bool:
        """Whether the label is out of the present form's reach."""
        return self.distance(start, labels) not in self.reach()

    def encoded(self, start: int, labels: dict[str, int]) -> tuple[int, ...]:
        """Halfwords. Raises AssemblyError where the label is out of reach."""
        distance, reach = self.distance(start, labels), self.reach()
        if distance not in reach:
            steps = f" in steps of {reach.step}" if reach.step > 1 else ""
            raise AssemblyError(
                f"{self.where}: {self.name}: {self.to!r} is {distance} bytes away, and wanted is "
                f"{reach[0]}..{reach[-1]}{steps}"
            )
        return self.bits(distance)

    def bits(self, distance: int) -> tuple[int, ...]:
        """Halfwords for a distance that is in reach."""
        raise NotImplementedError


class Branch(Relative):
    """b, b with a condition, and bl."""

    def reach(self) -> range:
        """Distances that the present form can hold."""
        if self.name == "b" or self.name == "bl":
            bits = 24 if self.is_wide else 11
        else:
            bits = 20 if self.is_wide else 8
        return range(-(1 << bits), 1 << bits, 2)

    def bits(self, distance: int) -> tuple[int, ...]:
        """Halfwords for a distance that is in reach."""
        code = CONDITIONS.index(self.name[1:]) if self.name not in ("b", "bl") else None
        step = distance >> 1
        if not self.is_wide:
            return (0xE000 | step & 0x7FF if code is None else 0xD000 | code << 8 | step & 0xFF,)
        sign, low = step >> 31 & 1, step & 0x7FF
        if code is not None:
            high = sign << 10 | code << 6 | step >> 11 & 0x3F
            return 0xF000 | high, 0x8000 | (step >> 17 & 1) << 13 | (step >> 18 & 1) << 11 | low
        first, second = ((step >> place & 1) ^ sign ^ 1 for place in (22, 21))
        base = 0xD000 if self.name == "bl" else 0x9000
        return 0xF000 | sign << 10 | step >> 11 & 0x3FF, base | first << 13 | second << 11 | low


@dataclass
class Zero(Relative):
    """cbz and cbnz: forward only."""

    register: int = 0

    def reach(self) -> range:
        """Distances that it can hold."""
        return range(0, 128, 2)

    def bits(self, distance: int) -> tuple[int, ...]:
        """Halfwords for a distance that is in reach."""
        base = 0xB100 | (self.name == "cbnz") << 11
        return (base | (distance >> 6) << 9 | (distance >> 1 & 31) << 3 | self.register,)


@dataclass
class Nearby(Relative):
    """ldr and adr of a place near by. value: of a literal, which gets its label later."""

    register: int = 0
    value: int | None = None

    def distance(self, start: int, labels: dict[str, int]) -> int:
        """Bytes from the program counter, rounded down to a multiple of 4, to the label."""
        return labels[self.to] - (start + 4 & ~3)

    def reach(self) -> range:
        """Distances that the present form can hold."""
        return range(-4095, 4096) if self.is_wide else range(0, 1024, 4)

    def bits(self, distance: int) -> tuple[int, ...]:
        """Halfwords for a distance that is in reach."""
        if not self.is_wide:
            base = 0x4800 if self.name == "ldr" else 0xA000
            return (base | self.register << 8 | distance >> 2,)
        up, size = distance >= 0, abs(distance)
        if self.name == "ldr":
            return 0xF85F | up << 7, self.register << 12 | size
        head = 0xF20F if up else 0xF2AF
        return head | (size >> 11) << 10, (size >> 8 & 7) << 12 | self.register << 8 | size & 0xFF


def laid_out(items: list[Item], places: dict[str, int]) -> list[int]:
    """Halfwords of all items; places: number of the item that each label stands before.

    Raises AssemblyError for labels that are nowhere or out of reach.
    """
    for item in items:
        if isinstance(item, Relative) and item.to not in places:
            raise AssemblyError(f"{item.where}: {item.name}: there is no label {item.to!r}")
    while True:
        starts = _starts(items)
        labels = {name: starts[number] for name, number in places.items()}
        short = [
            item
            for item, start in zip(items, starts, strict=False)
            if isinstance(item, Relative) and not item.is_wide and item.can_grow
            if item.is_far(start, labels)
        ]
        for item in short:
            item.is_wide = True
        if not short:
            break
    code: list[int] = []
    for item, start in zip(items, starts, strict=False):
        code += [NOP] * ((start - ORIGIN) // 2 - len(code))
        code += item.encoded(start, labels)
    return code


def _starts(items: list[Item]) -> list[int]:
    """Where each item starts, and at last where the code ends."""
    starts, here = [], ORIGIN
    for item in items:
        align = item.align if isinstance(item, Plain) else 2
        here = (here + align - 1) // align * align
        starts.append(here)
        here += 2 * item.halves
    return [*starts, here]

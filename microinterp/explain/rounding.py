"""What a right shift cuts off: the bits that stay, the bits that go, which way it rounds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Mode = Literal["up", "away", "floor"]
"""up: halves go up. away: halves go away from zero. floor: bits are dropped, nothing is added."""


@dataclass(frozen=True, slots=True)
class Rounding:
    """`number` / 2^bits, made whole.

    Attributes:
        number: the integer whose lowest `bits` bits go.
        bits: how many go; 1 or more.
        mode: what happens to them.
    """

    number: int
    bits: int
    mode: Mode

    @property
    def _shown(self) -> int:
        """The integer whose bits are looked at: "away" works on the magnitude."""
        return abs(self.number) if self.mode == "away" else self.number

    @property
    def added(self) -> int:
        """What is added before the cut."""
        return 0 if self.mode == "floor" else 1 << (self.bits - 1)

    @property
    def result(self) -> int:
        """The whole number that comes out."""
        whole = (self._shown + self.added) >> self.bits
        return -whole if self.mode == "away" and self.number < 0 else whole

    @property
    def exact(self) -> float:
        """The number before it is made whole."""
        return self.number / (1 << self.bits)

    @property
    def cut(self) -> float:
        """The bits that go as a fraction of one, 0 to 1."""
        return (self._shown & ((1 << self.bits) - 1)) / (1 << self.bits)

    @property
    def goes(self) -> str:
        """Where the number moves: "up", "down", or "nowhere" if only zeros are cut."""
        exact, result = self.number, self.result << self.bits
        return "nowhere" if exact == result else "up" if result > exact else "down"

    @property
    def is_tie(self) -> bool:
        """True if the bits that go are exactly one half."""
        return self._shown & ((1 << self.bits) - 1) == 1 << (self.bits - 1)

    def binary(self) -> tuple[str, str]:
        """Bits that stay and bits that go, without spaces.

        A negative number that is not taken by its magnitude is in two's complement: what stays
        begins with ones without end, of which one is shown. The first has a minus where the
        magnitude of a negative number is shown.
        """
        kept, cut = self._shown >> self.bits, self._shown & ((1 << self.bits) - 1)
        if kept >= 0:
            text = f"{kept:b}"
        else:
            width = (~kept).bit_length() + 1
            text = f"{kept & ((1 << width) - 1):b}"
        sign = "-" if self.mode == "away" and self.number < 0 else ""
        return sign + text, f"{cut:0{self.bits}b}"

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        kept, cut = self.binary()
        return {
            "number": self.number,
            "bits": self.bits,
            "mode": self.mode,
            "added": self.added,
            "kept_binary": kept,
            "cut_binary": cut,
            "twos_complement": self._shown < 0,
            "goes": self.goes,
        }

"""What the kernels for ARMv6-M keep in memory: words on the stack by name, arguments by name."""

from __future__ import annotations

from .assembler import Kernel
from .operands import Address, Register, sp

_WINDOW = "batches ih iw ic oh ow oc kh kw sh sw dh dw pt pl"
CONV = (
    f"x w channels dst {_WINDOW} groups zx zo lo hi patch "
    "turn first_row first_column skip wide depth outputs taps row segments segment_taps"
)
"""Arguments of CONV from p[1] on: steps.md's, then the loader's."""
DEPTHWISE = (
    f"x w channels dst {_WINDOW} multiplier zx zo lo hi "
    "turn first_row first_column skip wide patch taps blocks"
)
"""Arguments of DEPTHWISE from p[1] on."""
_REACH = 124
"""The farthest word that a load with a number in it reaches."""


class Arguments:
    """p: words by their names in steps.md."""

    def __init__(self, names: str) -> None:
        self._bytes = {name: 4 * number for number, name in enumerate(names.split(), start=1)}

    def load(self, k: Kernel, p: Register, **registers: Register) -> None:
        """Load arguments into the registers of their names; p stays unless it is one of them."""
        for name, register in registers.items():
            at = self._bytes[name]
            if at > _REACH:
                k.movs(register, at)
                k.ldr(register, p[register])
            else:
                k.ldr(register, p[at])


class Frame:
    """Words below what the kernel has pushed: `frame["x"]` is the address of one.

    Names with a number, "sums:8", stand for so many words.
    """

    def __init__(self, k: Kernel, names: str) -> None:
        self._k = k
        self._at: dict[str, int] = {}
        self._bytes = 0
        for name in names.split():
            name, _, count = name.partition(":")
            self._at[name] = self._bytes
            self._bytes += 4 * int(count or 1)

    def __getitem__(self, name: str) -> Address:
        return sp[self._at[name]]

    def word(self, name: str, number: int) -> Address:
        """The address of one of a name's words."""
        return sp[self._at[name] + 4 * number]

    def open(self) -> None:
        """Make room for the words."""
        self._k.sub(sp, self._bytes)

    def close(self) -> None:
        """Give the room back."""
        self._k.add(sp, self._bytes)

    def point(self, register: Register, name: str) -> None:
        """The address of a word into a register."""
        self._k.add(register, sp, self._at[name])

    def load(self, **registers: Register) -> None:
        """Load words into the registers of their names."""
        for name, register in registers.items():
            self._k.ldr(register, self[name])

    def store(self, **registers: Register) -> None:
        """Store registers into the words of their names."""
        for name, register in registers.items():
            self._k.str(register, self[name])

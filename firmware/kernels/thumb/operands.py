"""What instructions take: registers, shifted registers, addresses, labels' literals; and errors.

r3, r9, sp, lr                   registers
r2.lsl(3), r2.asr(31), r2.ror(8) a register that is shifted on its way
r1[8], r1[r2], r1[r2.lsl(2)]     an address: base plus offset
r1.post(4), r1.pre(-4)           base is used, then moved by 4; moved by -4, then used
r1.up                            base of ldm and stm that is moved past what they touch
literal(0x12345678)              a constant that lies after the code
"""

from __future__ import annotations

from dataclasses import dataclass


class AssemblyError(ValueError):
    """A kernel that cannot be assembled. The text names file and line, and what was wanted."""


@dataclass(frozen=True)
class Register:
    """One of r0 to r12, sp, lr and pc."""

    number: int

    def __str__(self) -> str:
        return {13: "sp", 14: "lr", 15: "pc"}.get(self.number, f"r{self.number}")

    def __getitem__(self, offset: int | Register | Shifted) -> Address:
        return Address(self, offset)

    def pre(self, offset: int) -> Address:
        """The address base + offset, which the base then holds."""
        return Address(self, offset, "pre")

    def post(self, offset: int) -> Address:
        """The address base; afterwards the base holds base + offset."""
        return Address(self, offset, "post")

    @property
    def up(self) -> Moved:
        """The base of ldm and stm that ends up after the last word."""
        return Moved(self)

    def lsl(self, count: int) -> Shifted:
        """Shifted left."""
        return Shifted(self, "lsl", count)

    def lsr(self, count: int) -> Shifted:
        """Shifted right, zeros coming in."""
        return Shifted(self, "lsr", count)

    def asr(self, count: int) -> Shifted:
        """Shifted right, the sign coming in."""
        return Shifted(self, "asr", count)

    def ror(self, count: int) -> Shifted:
        """Rotated right."""
        return Shifted(self, "ror", count)


@dataclass(frozen=True)
class Shifted:
    """A register and how it is shifted before it is used."""

    register: Register
    shift: str
    count: int

    def __str__(self) -> str:
        return f"{self.register}, {self.shift} #{self.count}"


@dataclass(frozen=True)
class Moved:
    """The base register of ldm and stm with writeback."""

    register: Register

    def __str__(self) -> str:
        return f"{self.register}!"


@dataclass(frozen=True)
class Address:
    """Where a load reads and a store writes. mode: offset, pre or post."""

    base: Register
    offset: int | Register | Shifted
    mode: str = "offset"

    def __str__(self) -> str:
        offset = f"#{self.offset}" if isinstance(self.offset, int) else str(self.offset)
        if self.mode == "post":
            return f"[{self.base}], {offset}"
        return f"[{self.base}, {offset}]" + ("!" if self.mode == "pre" else "")


@dataclass(frozen=True)
class literal:  # noqa: N801 (reads like a function)
    """A word that is put after the code, for ldr."""

    value: int

    def __str__(self) -> str:
        return f"={self.value:#x}"


@dataclass(frozen=True)
class Registers:
    """Registers of push, pop, ldm and stm, as a mask."""

    mask: int

    def __str__(self) -> str:
        return "{" + ", ".join(str(Register(n)) for n in range(16) if self.mask >> n & 1) + "}"


Operand = int | str | Register | Shifted | Moved | Address | literal | Registers

r0, r1, r2, r3, r4, r5, r6, r7, r8, r9, r10, r11, r12, sp, lr, pc = map(Register, range(16))
"""pc is there to be named in errors: no instruction here takes it."""


def text(operand: Operand) -> str:
    """As the Arm manual writes it."""
    return f"#{operand}" if isinstance(operand, int) else str(operand)

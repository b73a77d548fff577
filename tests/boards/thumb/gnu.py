"""GNU's assembler, which ours is held to; and random operands for a form."""

from __future__ import annotations

import random
import shutil
import struct
import subprocess
from collections.abc import Sequence
from pathlib import Path

from firmware.kernels.thumb.forms import Form, span
from firmware.kernels.thumb.operands import (
    Address,
    Moved,
    Operand,
    Register,
    Registers,
    Shifted,
    text,
)
from tests.conftest import require_or_skip

CPUS = {"armv6m": "cortex-m0plus", "armv7m": "cortex-m3", "armv7em": "cortex-m4"}
_PACKAGE = "gcc-arm-none-eabi"


def require() -> None:
    """Skip, or fail in CI, where GNU's assembler is not installed."""
    if shutil.which("arm-none-eabi-as") is None:
        require_or_skip("arm-none-eabi-as", f"apt install {_PACKAGE}")


def assembled(lines: Sequence[str], arch: str, folder: Path) -> list[int]:
    """Halfwords that GNU's tools make of the lines, without the push that they stand behind."""
    source, module, linked, binary = (folder / f"a.{end}" for end in ("s", "o", "elf", "bin"))
    head = [".syntax unified", ".thumb", ".text", ".global _start", ".thumb_func", "_start:"]
    source.write_text("\n".join([*head, "push {r4, lr}", *lines, ""]))
    commands: tuple[list[str | Path], ...] = (
        ["arm-none-eabi-as", f"-mcpu={CPUS[arch]}", "-o", module, source],
        ["arm-none-eabi-ld", "-Ttext=0x4000000", "-o", linked, module],
        ["arm-none-eabi-objcopy", "-O", "binary", "-j", ".text", linked, binary],
    )
    for command in commands:
        done = subprocess.run(command, capture_output=True, text=True)
        warned = [text for text in done.stderr.splitlines() if "Warning" in text]
        # ld puts the code at a multiple of 4, which as cannot know.
        warned = [text for text in warned if "does not have enough alignment" not in text]
        assert (done.returncode, warned) == (0, []), done.stderr[:2000]
    data = binary.read_bytes()
    return list(struct.unpack(f"<{len(data) // 2}H", data))[1:]


class Sampler:
    """Random operands that a form takes."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def operands(self, form: Form) -> tuple[Operand, ...]:
        chosen: dict[str, Register] = {}
        return tuple(self._operand(kind, form, chosen) for kind in form.kinds)

    def _operand(self, kind: str, form: Form, chosen: dict[str, Register]) -> Operand:
        if kind[0] == "#":
            return self._number(kind, form)
        if kind[0] == "[":
            return self._address(kind, form, chosen)
        if kind[0] == "{":
            return self._list(kind, form, chosen)
        if kind.endswith("!"):
            return Moved(self._register(kind, chosen))
        if "~" in kind:
            return self._shifted(kind, form, chosen)
        return self._register(kind, chosen)

    def _register(self, kind: str, chosen: dict[str, Register]) -> Register:
        if kind == "sp":
            return Register(13)
        if kind[0] != "=":
            of = {"r": range(8), "R": (*range(13), 14), "H": range(15)}[kind[0]]
            chosen[kind[1]] = Register(self.random.choice(of))
        return chosen[kind[1]]

    def _number(self, kind: str, form: Form) -> int:
        if kind == "#const":
            byte, turn = self.random.randrange(1, 256), self.random.randrange(24)
            forms = (0, byte << turn, byte, byte * 0x10001, byte * 0x1000100, byte * 0x1010101)
            return self.random.choice(forms)
        low, high, step = span(kind, form)
        return self.random.choice((low, high, self.random.randrange(low, high + 1, step)))

    def _shifted(self, kind: str, form: Form, chosen: dict[str, Register]) -> Operand:
        register, how = self._register(kind, chosen), kind.partition("~")[2]
        if how != "asr" and self.random.random() < 0.3:
            return register
        if how == "ror":
            return Shifted(register, "ror", self.random.choice((8, 16, 24)))
        shifts = {"": ("lsl", "lsr", "asr", "ror"), "sat": ("lsl", "asr")}.get(how, (how,))
        shift = self.random.choice(shifts)
        most = 32 if shift in ("lsr", "asr") and how != "sat" else 31
        most = min(most, 3) if form.width("i") == 2 else most
        return Shifted(register, shift, self.random.choice((1, most, self.random.randint(1, most))))

    def _address(self, kind: str, form: Form, chosen: dict[str, Register]) -> Address:
        base, _, offset = kind[1:-1].partition("+-" if "+-" in kind else ",")
        register = self._register(base, chosen)
        value = self._operand(offset, form, chosen)
        if "+-" not in kind:
            assert isinstance(value, int | Register | Shifted)
            return Address(register, value)
        assert isinstance(value, int)
        mode = self.random.choice(("offset", "pre", "post"))
        return Address(register, value * self.random.choice((1, -1)), mode)

    def _list(self, kind: str, form: Form, chosen: dict[str, Register]) -> Registers:
        mask = self.random.getrandbits(16) & (0xFF if kind[1] == "l" else 0x5FFF)
        if form.width("l") == 9:
            mask |= self.random.getrandbits(1) << 14
        if "n" in chosen and kind != "{L?}":
            base = 1 << chosen["n"].number
            mask = mask | base if kind == "{ln}" else mask & ~base
        return Registers(mask)


def line(mnemonic: str, operands: Sequence[Operand]) -> str:
    """As GNU's assembler reads it."""
    return f"{mnemonic} {', '.join(text(operand) for operand in operands)}".rstrip()

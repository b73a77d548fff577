"""How one form of an instruction is matched with operands and encoded.

A form is text: operand kinds, and bits. Letters among the bits are fields, filled from the operand
of the same letter, most significant bit first; a field may lie in several places.

    rd         low register, r0 to r7               Rd    r0 to r12 and lr
    Hd         any register but pc                  =d    the same register as field d
    sp         sp itself                            #i    number that fits the field
    #i*4       number in units of 4                 #i+1  number from 1 on
    #z16       number that z and i hold together    #const  8 bits, rotated or repeated
    Rm~        register, may be shifted             Rm~lsl, Rm~asr, Rm~ror, Rm~sat
    [Hn,#i*4]  base and number                      [rn,rm], [Hn,Rm~]
    [Hn+-#i]   base and signed number, before or after
    {l}, {ln}  low registers, without base, with    {L}   two or more, without base
    Rn!        base that is moved                   {L?}  two or more
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .operands import Address, Moved, Operand, Register, Registers, Shifted

ARCHITECTURES = ("armv6m", "armv7m", "armv7em")
"""From least to most; armv7em is armv7m with the DSP extension."""
SHIFTS = ("lsl", "lsr", "asr", "ror")
Fields = dict[str, int]


class Mismatch(Exception):  # noqa: N818 (another form may match)
    """Why the operands do not fit a form."""


def refuse(reason: str) -> None:
    """Raise Mismatch."""
    raise Mismatch(reason)


@dataclass(frozen=True)
class Form:
    """One encoding.

    stars: 1, sets flags outside of IT blocks and does not inside; 2, cannot be inside of one.
    differ: fields that must hold different registers.
    """

    name: str
    arch: str
    kinds: tuple[str, ...]
    bits: str
    stars: int = 0
    differ: str = ""

    def __str__(self) -> str:
        return f"{self.name} {', '.join(describe(kind, self) for kind in self.kinds)}".rstrip()

    def width(self, letter: str) -> int:
        """Bits of a field."""
        return self.bits.count(letter)

    def encode(self, operands: tuple[Operand, ...]) -> tuple[int, ...]:
        """Halfwords of the instruction. Raises Mismatch."""
        fields: Fields = {}
        for kind, operand in zip(self.kinds, operands, strict=True):
            _reader(kind)(kind, operand, self, fields)
        registers = [fields[letter] for letter in self.differ]
        if len(set(registers)) < len(registers):
            refuse("the registers must differ")
        if self.width("w") == 5 and fields["i"] + fields["w"] > 31:
            refuse("the field reaches beyond bit 31")
        return self._filled(fields)

    def _filled(self, fields: Fields) -> tuple[int, ...]:
        left = {letter: self.width(letter) for letter in fields}
        word = 0
        for bit in self.bits:
            if bit in "01":
                word = word << 1 | int(bit)
            else:
                left[bit] -= 1
                word = word << 1 | fields[bit] >> left[bit] & 1
        return (word,) if len(self.bits) == 16 else (word >> 16, word & 0xFFFF)


def modified(value: int) -> int | None:
    """The 12 bits of a Thumb-2 constant, or None where it has none."""
    value &= 0xFFFFFFFF
    low, second = value & 0xFF, value >> 8 & 0xFF
    for code, pattern in enumerate((low, low * 0x10001, second * 0x1000100, low * 0x1010101)):
        if value == pattern:
            return code << 8 | (second if code == 2 else low)
    for turn in range(8, 32):
        turned = (value << turn | value >> (32 - turn)) & 0xFFFFFFFF
        if 128 <= turned < 256:
            return turn << 7 | turned & 0x7F
    return None


def _number(kind: str, operand: Operand, form: Form, fields: Fields) -> None:
    if not isinstance(operand, int):
        refuse(f"{operand} is not a number")
        return
    low, high, step = span(kind, form)
    if not low <= operand <= high or operand % step:
        refuse(f"{operand} is not {_range(low, high, step)}")
    if kind == "#z16":
        fields["z"], fields["i"] = operand >> 12, operand & 0xFFF
    else:
        fields[kind[1]] = (operand - low) // step if "+" in kind else operand // step
        if "~" in kind:  # a shift right by 32 is written as 0
            fields[kind[1]] %= 32


def span(kind: str, form: Form) -> tuple[int, int, int]:
    """Least and greatest number of a kind, and its step."""
    if kind == "#z16":
        return 0, 0xFFFF, 1
    step = int(kind.partition("*")[2] or 1)
    size = 1 << form.width(kind[1])
    if kind.endswith("~32"):
        return 1, 32, 1
    if kind.endswith("~31"):
        return 1, 31, 1
    low = int("+" in kind)
    return low, low + (size - 1) * step, step


def _range(low: int, high: int, step: int) -> str:
    return f"{low}..{high}" + (f" in steps of {step}" if step > 1 else "")


def _constant(kind: str, operand: Operand, form: Form, fields: Fields) -> None:
    if not isinstance(operand, int):
        refuse(f"{operand} is not a number")
        return
    code = modified(operand) if -(1 << 31) <= operand < 1 << 32 else None
    if code is None:
        refuse(f"{operand} is not 8 bits rotated, or one byte repeated")
        return
    fields["i"] = code


def _register(kind: str, operand: Operand, form: Form, fields: Fields) -> None:
    if not isinstance(operand, Register):
        refuse(f"{operand} is not a register")
        return
    number = operand.number
    if kind[0] == "r" and number > 7:
        refuse(f"{operand} is not one of r0..r7")
    if kind[0] == "R" and number in (13, 15):
        refuse(f"{operand} is not one of r0..r12, lr")
    if number == 15:
        refuse("pc cannot be used")
    if kind == "sp" and number != 13:
        refuse(f"{operand} is not sp")
    if kind[0] == "=" and fields[kind[1]] != number:
        refuse(f"{operand} is not the same register again")
    if kind != "sp":
        twice = form.width(kind[1]) == 8  # some forms name the register in two places
        fields[kind[1]] = number * 0x11 if twice else number


def _shifted(kind: str, operand: Operand, form: Form, fields: Fields) -> None:
    how = kind.partition("~")[2]
    given = isinstance(operand, Shifted)
    if isinstance(operand, Register):
        operand = Shifted(operand, "asr" if how == "asr" else "lsl", 0)
    if not isinstance(operand, Shifted):
        refuse(f"{operand} is not a register")
        return
    _register("R" + kind[1], operand.register, form, fields)
    shift, count = operand.shift, operand.count
    if how == "ror":
        if given and (shift != "ror" or count not in (8, 16, 24)):
            refuse(f"{shift} {count} is not ror by 8, 16 or 24")
        fields["o"] = count // 8
        return
    allowed = {"": SHIFTS, "lsl": ("lsl",), "asr": ("asr",), "sat": ("lsl", "asr")}[how]
    most = 32 if shift in ("lsr", "asr") and how != "sat" else 31
    most = min(most, (1 << form.width("i")) - 1) if how == "lsl" else most
    if shift not in allowed or not given <= count <= most:
        refuse(f"{shift} {count} is not {' or '.join(allowed)} by 1..{most}")
    if how == "asr" and not given:
        refuse("asr is wanted")
    fields["i"] = count % 32
    if how in ("", "sat"):
        fields["y"] = SHIFTS.index(shift) >> (how == "sat")


def _address(kind: str, operand: Operand, form: Form, fields: Fields) -> None:
    if not isinstance(operand, Address):
        refuse(f"{operand} is not an address such as r1[4]")
        return
    base, _, offset = kind[1:-1].partition("+-" if "+-" in kind else ",")
    _register(base, operand.base, form, fields)
    if "+-" in kind:
        _signed(offset, operand, form, fields)
        return
    if operand.mode != "offset":
        refuse("the base cannot be moved here")
    _reader(offset)(offset, operand.offset, form, fields)


def _signed(offset: str, operand: Address, form: Form, fields: Fields) -> None:
    number = operand.offset
    if not isinstance(number, int):
        refuse(f"{number} is not a number")
        return
    _, high, step = span(offset, form)
    if abs(number) > high or number % step:
        refuse(f"{number} is not {_range(-high, high, step)}")
    moved = operand.mode != "offset"
    if moved and operand.base.number in (fields["t"], fields.get("u")):
        refuse("a base that is moved cannot be loaded or stored")
    if step == 1 and not moved and number >= 0:
        refuse(f"{number} is not negative")  # another form is for these
    fields |= {"p": operand.mode != "post", "s": number >= 0, "w": moved}
    fields["i"] = abs(number) // step


def _list(kind: str, operand: Operand, form: Form, fields: Fields) -> None:
    if not isinstance(operand, Registers):
        refuse(f"{operand} is not a list of registers")
        return
    mask = operand.mask
    if kind[1] == "l":
        with_lr = form.width("l") == 9
        if not mask or mask & ~(0x40FF if with_lr else 0xFF):
            refuse(f"{operand} is not of r0..r7" + (" and lr" if with_lr else ""))
        fields["l"] = mask & 0xFF | mask >> 14 << 8
    else:
        if mask & 0xA000 or mask.bit_count() < 2:
            refuse(f"{operand} is not two or more of r0..r12, lr")
        fields["l"] = mask
    if "n" in fields and kind != "{L?}":
        among = bool(mask >> fields["n"] & 1)
        if among != (kind == "{ln}"):
            refuse("the base is" + ("" if among else " not") + " among the registers")


def _moved(kind: str, operand: Operand, form: Form, fields: Fields) -> None:
    if not isinstance(operand, Moved):
        refuse(f"{operand} is not moved: write {operand}.up")
        return
    _register(kind[:-1], operand.register, form, fields)


Reader = Callable[[str, Operand, Form, Fields], None]


def _reader(kind: str) -> Reader:
    if kind == "#const":
        return _constant
    if kind.endswith("!"):
        return _moved
    found = {"#": _number, "[": _address, "{": _list}.get(kind[0])
    return found or (_shifted if "~" in kind else _register)


def describe(kind: str, form: Form) -> str:
    """What a kind takes, for people."""
    if kind[0] == "[":
        base, _, offset = kind[1:-1].partition("+-" if "+-" in kind else ",")
        sign = "+-" if "+-" in kind else ""
        return f"[{describe(base, form)}, {sign}{describe(offset, form)}]"
    if kind == "#const":
        return "#constant"
    if kind[0] == "#":
        return "#" + _range(*span(kind, form))
    if kind[0] == "{":
        return "{registers}"
    if kind.endswith("!"):
        return describe(kind[:-1], form) + "!"
    if "~" in kind:
        shift = {"": "any shift", "sat": "lsl or asr"}.get(kind[3:], kind[3:])
        return f"{describe(kind[:2], form)} with {shift}"
    return {"r": "r0..r7", "R": "r0..r12|lr", "H": "r0..lr", "s": "sp", "=": "the same"}[kind[0]]

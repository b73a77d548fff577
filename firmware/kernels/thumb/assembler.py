"""A small assembler: kernels are written in Python, and come out as halfwords of Thumb code.

    k = Kernel("total", arguments=2, arch="armv6m")  # r0: bytes, r1: how many, not 0
    k.movs(r2, 0)
    k.label("loop")
    k.subs(r1, 1)
    k.ldrb(r3, r0[r1])
    k.adds(r2, r3)
    k.cmp(r1, 0)
    k.bne("loop")
    k.movs(r0, r2)
    text = k.source(result="small")  # a function of MicroPython

Mnemonics are the Arm manual's (unified syntax): `adds` sets flags, `add` does not. Names that are
Python's take an underscore: and_. A first operand that is repeated may be left out. The shortest
encoding is taken. In an IT block, k.ite("gt"), the next instructions have no condition in their
names. The CPU's least architecture is checked for each instruction.

function.py tells what surrounds the code: r4 to r7 and lr are saved, r8 to r11 are not. What is
pushed is counted from the first line to the last, whatever the branches: one way out is best.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from . import function
from .forms import ARCHITECTURES, Form, Mismatch
from .instructions import CONDITIONS, FORMS, V7
from .operands import (
    Address,
    AssemblyError,
    Moved,
    Operand,
    Register,
    Registers,
    Shifted,
    literal,
    r4,
    r5,
    r6,
    r7,
    r8,
    r9,
    r10,
    r11,
    sp,
    text,
)
from .relative import Branch, Item, Nearby, Plain, Zero, laid_out

_ALIASES = {"cs": "hs", "cc": "lo"}
_LOW, _HIGH = (r4, r5, r6, r7), (r8, r9, r10, r11)
_UNPLACED = ""  # label of a literal that no pool holds yet


class Kernel:
    """Code of one function. Every method raises AssemblyError where its line cannot be assembled.

    name: the function's. arguments: 0 to 4, in r0 to r3. arch: the least CPU that it is for, one of
    ARCHITECTURES.
    """

    def __init__(self, name: str, arguments: int, arch: str) -> None:
        if arch not in ARCHITECTURES:
            raise AssemblyError(f"{name}: there is no {arch!r}, only {', '.join(ARCHITECTURES)}")
        if not name.isidentifier() or arguments not in range(5):
            raise AssemblyError(f"{name}: wanted a function's name, and 0 to 4 arguments")
        self.name, self.arguments, self.arch = name, arguments, arch
        self._items: list[Item] = []
        self._labels: dict[str, int] = {}
        self._block = 0  # instructions that the IT block still wants
        self._saves = self._restores = 0
        self._pushed = 0  # bytes

    def __getattr__(self, name: str) -> Callable[..., None]:
        mnemonic = name.rstrip("_")
        if mnemonic in FORMS or f"{mnemonic}s" in FORMS:
            return lambda *operands: self._instruction(mnemonic, operands)
        if mnemonic == "b" or (mnemonic[:1] == "b" and _condition(mnemonic[1:])):
            return lambda to, wide=False: self._branch(_condition(mnemonic[1:]) or "", to, wide)
        if mnemonic[:2] == "it" and len(mnemonic) <= 5 and set(mnemonic[2:]) <= set("te"):
            return lambda condition: self._it(mnemonic, condition)
        raise AttributeError(f"there is no instruction {mnemonic!r}")

    def label(self, name: str) -> None:
        """Name the place of the next instruction, or of the next data."""
        self._outside(f"label {name!r}")
        if name in self._labels or not name.isidentifier():
            raise self._error(f"label {name!r}: wanted a name that is not there already")
        self._labels[name] = len(self._items)

    def bl(self, to: str) -> None:
        """Call a label; lr then holds the way back, for bx(lr)."""
        self._last("bl")
        self._items.append(Branch(self._where(), "bl", to, can_grow=False, is_wide=True))

    def cbz(self, register: Register, to: str) -> None:
        """Branch forward where a register is 0; flags stay."""
        self._branch_on_zero("cbz", register, to)

    def cbnz(self, register: Register, to: str) -> None:
        """Branch forward where a register is not 0; flags stay."""
        self._branch_on_zero("cbnz", register, to)

    def ldr(self, *operands: Operand) -> None:
        """Load a word: from an address, a label, or a literal, which is put after the code."""
        if len(operands) != 2 or not isinstance(operands[1], str | literal):
            self._instruction("ldr", operands)
            return
        register, to = operands
        if isinstance(to, literal):
            if not -(1 << 31) <= to.value < 1 << 32:
                raise self._error(f"ldr: {to} has more than 32 bits")
            self._nearby("ldr", register, _UNPLACED, to.value & 0xFFFFFFFF)
        else:
            self._nearby("ldr", register, to)

    def adr(self, register: Register, to: str) -> None:
        """The address of a label."""
        self._nearby("adr", register, to)

    def words(self, *values: int) -> None:
        """Constants of 32 bits, aligned to 4. The code must not run into them."""
        self._data(values, 32)

    def halfwords(self, *values: int) -> None:
        """Constants of 16 bits, or instructions that the assembler does not know."""
        self._data(values, 16)

    def pool(self) -> None:
        """Put the literals named so far here, and jump over them. The kernel's end does so too."""
        self._outside("pool")
        waiting = [i for i in self._items if isinstance(i, Nearby) and i.to == _UNPLACED]
        if not waiting:
            return
        number = len(self._items)
        self.b(f"past pool {number}")
        for item in waiting:
            assert item.value is not None
            item.to = f"{item.value:#x} in pool {number}"
            if item.to not in self._labels:
                self._labels[item.to] = len(self._items)
                self.words(item.value)
        self._labels[f"past pool {number}"] = len(self._items)

    def save_high(self) -> None:
        """Push r8 to r11, which the caller needs. On armv6m r4 to r7 change."""
        self._saves += 1
        if self.arch == "armv6m":
            for low, high in zip(_LOW, _HIGH, strict=True):
                self.mov(low, high)
        self.push(*(_LOW if self.arch == "armv6m" else _HIGH))

    def restore_high(self) -> None:
        """Pop what save_high has pushed. On armv6m r4 to r7 change."""
        self._restores += 1
        self.pop(*(_LOW if self.arch == "armv6m" else _HIGH))
        if self.arch == "armv6m":
            for low, high in zip(_LOW, _HIGH, strict=True):
                self.mov(high, low)

    def code(self) -> list[int]:
        """Halfwords of the code. Raises AssemblyError for labels that are nowhere or too far."""
        if self._saves and not self._restores:
            raise AssemblyError(f"{self.name}: save_high() without restore_high()")
        if self._pushed:
            raise AssemblyError(
                f"{self.name}: {self._pushed} bytes are left on the stack, from first line to last"
            )
        self._outside("the end")
        self.pool()
        return laid_out(self._items, self._labels)

    def source(self, result: str = "none") -> str:
        """The kernel as a function of MicroPython; see function.source for `result`."""
        return function.source(self.name, self.arguments, self.code(), result)

    def _instruction(self, mnemonic: str, operands: Sequence[Operand]) -> None:
        if mnemonic in ("bx", "blx"):
            self._last(mnemonic)
        given = _gathered(mnemonic, operands)
        told = f"{mnemonic}({', '.join(text(operand) for operand in given)})"
        self._check_high(given, told)
        reasons = []
        for form in self._candidates(mnemonic):
            for tried in (given, given[:1] + given):
                if len(tried) != len(form.kinds) or len(tried) > len(given) < 2:
                    continue
                try:
                    halves = form.encode(tried)
                except Mismatch as reason:
                    reasons.append(f"{form}: {reason}")
                    continue
                if _rank(form.arch) <= _rank(self.arch):
                    self._put(Plain(self._where(), halves))
                    self._pushed += _pushed(mnemonic, tried)
                    return
                reasons.append(f"{form}: needs {form.arch}, and the kernel is for {self.arch}")
        wanted = reasons or [str(form) for form in self._candidates(mnemonic)]
        raise self._error("\n    ".join([f"{told}: wanted", *wanted, *self._twin(mnemonic)]))

    def _candidates(self, mnemonic: str) -> list[Form]:
        """Forms of that name. Inside of an IT block the short ones leave the flags alone."""
        plain = FORMS.get(mnemonic, [])
        if not self._block:
            return plain
        short = [form for form in FORMS.get(f"{mnemonic}s", ()) if form.stars == 1]
        mixed = [*short, *(form for form in plain if not form.stars)]
        return sorted(mixed, key=lambda form: len(form.bits))

    def _twin(self, mnemonic: str) -> list[str]:
        """The name whose short form stands here: flags are set outside of IT blocks only."""
        twin = mnemonic.removesuffix("s") if self._block else f"{mnemonic}s"
        found = FORMS.get(mnemonic if self._block else twin, ())
        if not any(form.stars == 1 for form in found):
            return []
        where = "inside" if self._block else "outside"
        return [f"{twin}: the short form's name {where} of an IT block"]

    def _data(self, values: Sequence[int], bits: int) -> None:
        self._outside("data")
        for value in values:
            if not -(1 << bits - 1) <= value < 1 << bits:
                raise self._error(f"data: {value} has more than {bits} bits")
        halves = [value >> shift & 0xFFFF for value in values for shift in range(0, bits, 16)]
        self._items.append(Plain(self._where(), tuple(halves), bits // 8))

    def _nearby(self, name: str, register: Operand, to: object, value: int | None = None) -> None:
        if not isinstance(register, Register) or register.number in (13, 15):
            raise self._error(f"{name}: {register} is not one of r0..r12, lr")
        if not isinstance(to, str):
            raise self._error(f"{name}: {to} is not a label")
        is_high, is_least = register.number > 7, self.arch == "armv6m"
        if is_high and is_least:
            raise self._error(f"{name}: {register} is not one of r0..r7; others need {V7}")
        self._check_high((register,), name)
        number = register.number
        self._put(Nearby(self._where(), name, to, not is_least, is_high, number, value))

    def _branch(self, condition: str, to: str, wide: bool) -> None:
        if condition:
            self._outside("a branch with a condition of its own")
        if wide:
            self._needs_v7("a wide branch")
        self._last("b")
        can_grow = self.arch != "armv6m"
        self._items.append(Branch(self._where(), f"b{condition}", to, can_grow, wide))

    def _branch_on_zero(self, name: str, register: Register, to: str) -> None:
        self._needs_v7(name)
        self._outside(name)
        if not isinstance(register, Register) or register.number > 7:
            raise self._error(f"{name}: {register} is not one of r0..r7")
        zero = Zero(self._where(), name, to, can_grow=False, register=register.number)
        self._items.append(zero)

    def _it(self, mnemonic: str, condition: str) -> None:
        self._needs_v7(mnemonic)
        self._outside(mnemonic)
        known = _condition(condition)
        if known is None:
            raise self._error(f"{mnemonic}: there is no condition {condition!r}")
        code = CONDITIONS.index(known)
        bits = [code & 1 ^ (letter == "e") for letter in mnemonic[2:]] + [1]
        mask = sum(bit << 3 - place for place, bit in enumerate(bits))
        self._items.append(Plain(self._where(), (0xBF00 | code << 4 | mask,)))
        self._block = len(bits)

    def _put(self, item: Item) -> None:
        self._items.append(item)
        self._block = max(0, self._block - 1)

    def _outside(self, what: str) -> None:
        if self._block:
            raise self._error(f"{what}: the IT block before wants {self._block} more instructions")

    def _last(self, name: str) -> None:
        if self._block > 1:
            raise self._error(f"{name}: only the last instruction of an IT block may branch")
        self._block = 0

    def _needs_v7(self, what: str) -> None:
        if self.arch == "armv6m":
            raise self._error(f"{what}: needs {V7}, and the kernel is for armv6m")

    def _check_high(self, operands: Sequence[Operand], told: str) -> None:
        if not self._saves and any(_mask(operand) & 0x0F00 for operand in operands):
            raise self._error(f"{told}: r8 to r11 are the caller's: save_high() first")

    def _error(self, reason: str) -> AssemblyError:
        return AssemblyError(f"{self._where()}: {reason}")

    def _where(self) -> str:
        """The line that is being assembled, and the kernel."""
        frame = sys._getframe(1)
        while frame.f_back and frame.f_code.co_filename == __file__:
            frame = frame.f_back
        file = frame.f_code.co_filename.replace("\\", "/").rpartition("/")[2]
        return f"{file}:{frame.f_lineno}: {self.name}"


def _condition(name: str) -> str | None:
    name = _ALIASES.get(name, name)
    return name if name in CONDITIONS else None


def _rank(arch: str) -> int:
    return ARCHITECTURES.index(arch)


def _gathered(mnemonic: str, operands: Sequence[Operand]) -> tuple[Operand, ...]:
    """The operands, with lists of registers made one."""
    before = {"push": 0, "pop": 0, "ldm": 1, "stm": 1}.get(mnemonic)
    if before is None or not all(isinstance(o, Register) for o in operands[before:]):
        return tuple(operands)
    mask = 0
    for operand in operands[before:]:
        mask |= _mask(operand)
    return (*operands[:before], Registers(mask))


def _mask(operand: Operand) -> int:
    """Registers that an operand names, one bit each."""
    if isinstance(operand, Registers):
        return operand.mask
    if isinstance(operand, Register):
        return 1 << operand.number
    if isinstance(operand, Shifted | Moved):
        return _mask(operand.register)
    if isinstance(operand, Address):
        return _mask(operand.base) | _mask(operand.offset)
    return 0


def _pushed(mnemonic: str, operands: Sequence[Operand]) -> int:
    """Bytes that an instruction puts on the stack; negative where it takes them away."""
    last = operands[-1] if operands else None
    if isinstance(last, Registers) and mnemonic in ("push", "pop"):
        size = 4 * last.mask.bit_count()
        return size if mnemonic == "push" else -size
    if isinstance(last, Address) and last.base == sp and last.mode != "offset":
        assert isinstance(last.offset, int)
        return -last.offset
    if isinstance(last, int) and operands[0] == sp and mnemonic in ("add", "sub"):
        return last if mnemonic == "sub" else -last
    return 0

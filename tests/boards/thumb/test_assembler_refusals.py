"""What the assembler refuses, and that it says where, why, and what was wanted."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import cast

import pytest

from firmware.kernels.thumb import function
from firmware.kernels.thumb.assembler import Kernel
from firmware.kernels.thumb.forms import ARCHITECTURES
from firmware.kernels.thumb.instructions import FORMS
from firmware.kernels.thumb.operands import (
    AssemblyError,
    literal,
    pc,
    r0,
    r1,
    r2,
    r4,
    r8,
    r9,
    r12,
    sp,
)
from tests.boards.thumb.gnu import Sampler
from tests.boards.thumb.test_assembler import flat

Write = Callable[[Kernel], object]
LEAST: dict[str, Write] = {
    "armv7m": lambda k: k.ldr(r0, r1.post(4)),
    "armv7em": lambda k: k.smlad(r0, r1, r2, r0),
}
REFUSED: list[tuple[str, Write, str]] = [
    ("armv6m", lambda k: k.movs(r0, 256), "256 is not 0..255"),
    ("armv6m", lambda k: k.movs(r0, -1), "-1 is not 0..255"),
    ("armv6m", lambda k: k.movs(r12, 1), "r12 is not one of r0..r7"),
    ("armv6m", lambda k: k.adds(r0, r1, 8), "8 is not 0..7"),
    ("armv6m", lambda k: k.adds(r0, r12, r1), "r12 is not one of r0..r7"),
    ("armv6m", lambda k: k.add(r0, r1, r2), "r1 is not the same register again"),
    ("armv6m", lambda k: k.muls(r0, r1, r2), "muls r0..r7, the same, r0..r7: r1 is not the same"),
    ("armv6m", lambda k: k.ldr(r0, r1[2]), "2 is not 0..124 in steps of 4"),
    ("armv6m", lambda k: k.ldr(r0, r1[128]), "128 is not 0..124"),
    ("armv6m", lambda k: k.ldr(r0, r12[0]), "r12 is not one of r0..r7"),
    ("armv6m", lambda k: k.ldr(r0, sp[1024]), "1024 is not 0..1020 in steps of 4"),
    ("armv6m", lambda k: k.ldr(r12, "here"), "r12 is not one of r0..r7; others need armv7m"),
    ("armv6m", lambda k: k.ldrsb(r0, r1[0]), "0 is not a register"),
    ("armv6m", lambda k: k.strb(r0, r1.post(1)), "the base cannot be moved"),
    ("armv6m", lambda k: k.lsls(r0, r1, 32), "32 is not 1..31"),
    ("armv6m", lambda k: k.asrs(r0, r1, 0), "0 is not 1..32"),
    ("armv6m", lambda k: k.push(r4, r12), "{r4, r12} is not of r0..r7 and lr"),
    ("armv6m", lambda k: k.pop(pc), "{pc} is not of r0..r7"),
    ("armv6m", lambda k: k.push(r4, 5), "push(r4, #5): wanted\n    push {registers}"),
    ("armv6m", lambda k: k.ldm(r1.up), "{} is not of r0..r7"),
    ("armv6m", lambda k: k.words(1, 1 << 32), "data: 4294967296 has more than 32 bits"),
    ("armv6m", lambda k: k.halfwords(-32769), "data: -32769 has more than 16 bits"),
    ("armv6m", lambda k: k.push(), "{} is not of r0..r7 and lr"),
    ("armv6m", lambda k: k.ldm(r0.up, r0, r1), "the base is among the registers"),
    ("armv6m", lambda k: k.ldm(r0, r1, r2), "the base is not among the registers"),
    ("armv6m", lambda k: k.stm(r0, r1), "r0 is not moved: write r0.up"),
    ("armv6m", lambda k: k.b("here", wide=True), "a wide branch: needs armv7m"),
    ("armv6m", lambda k: k.cbz(r0, "here"), "cbz: needs armv7m"),
    ("armv6m", lambda k: k.itt("eq"), "itt: needs armv7m"),
    ("armv6m", lambda k: k.mov(pc, r0), "pc is not one of r0..r12, lr"),
    ("armv6m", lambda k: k.bx(pc), "pc cannot be used"),
    ("armv6m", lambda k: k.movs(r0, "here"), "here is not a number"),
    ("armv6m", lambda k: k.movs(r0), "movs(r0): wanted\n    movs r0..r7, #0..255\n"),
    ("armv6m", lambda k: k.adr(r0, cast(str, 3)), "adr: 3 is not a label"),
    ("armv6m", lambda k: k.adr(sp, "here"), "adr: sp is not one of r0..r12, lr"),
    ("armv6m", lambda k: k.ldr(r0, literal(1 << 32)), "=0x100000000 has more than 32 bits"),
    ("armv6m", lambda k: k.label("two words"), "wanted a name that is not there already"),
    ("armv6m", lambda k: k.label("here"), "wanted a name that is not there already"),
    ("armv6m", lambda k: k.mov(r8, r0), "r8 to r11 are the caller's: save_high() first"),
    ("armv7m", lambda k: k.ldr(r0, r1[r9.lsl(2)]), "r8 to r11 are the caller's"),
    ("armv7m", lambda k: k.push(r4, r8), "r8 to r11 are the caller's"),
    ("armv7m", lambda k: k.ands(r0, r1, 257), "257 is not 8 bits rotated, or one byte repeated"),
    ("armv7m", lambda k: k.mov(r0, -2), "-2 is not 8 bits rotated"),
    ("armv7m", lambda k: k.movw(r0, 1 << 16), "65536 is not 0..65535"),
    ("armv7m", lambda k: k.add(r0, r1, 4097), "4097 is not 0..4095"),
    ("armv7m", lambda k: k.add(r0, r1, r2.lsl(32)), "lsl 32 is not lsl or lsr or asr or ror by"),
    ("armv7m", lambda k: k.add(r0, r1, r2.lsl(0)), "lsl 0 is not lsl or lsr or asr or ror by"),
    ("armv7m", lambda k: k.ldr(r0, r1[r2.lsl(4)]), "lsl 4 is not lsl by 1..3"),
    ("armv7m", lambda k: k.ldr(r0, r1[r2.lsr(1)]), "lsr 1 is not lsl by 1..3"),
    ("armv7m", lambda k: k.ldr(r0, r1[4096]), "4096 is not 0..4095"),
    ("armv7m", lambda k: k.ldr(r0, r1[-256]), "-256 is not -255..255"),
    ("armv7m", lambda k: k.ldr(r0, r0.post(4)), "a base that is moved cannot be loaded"),
    ("armv7m", lambda k: k.ldrd(r0, r1, r2[2]), "2 is not -1020..1020 in steps of 4"),
    ("armv7m", lambda k: k.ldrd(r0, r0, r2[4]), "the registers must differ"),
    ("armv7m", lambda k: k.ldrd(r0, r1, r1.pre(8)), "a base that is moved cannot be loaded"),
    ("armv7m", lambda k: k.ldm(r12.up, r1), "{r1} is not two or more of r0..r12, lr"),
    ("armv7m", lambda k: k.smull(r0, r0, r1, r2), "the registers must differ"),
    ("armv7m", lambda k: k.ssat(r0, 33, r1), "33 is not 1..32"),
    ("armv7m", lambda k: k.ssat(r0, 8, r1.asr(32)), "asr 32 is not lsl or asr by 1..31"),
    ("armv7m", lambda k: k.ubfx(r0, r1, 24, 9), "the field reaches beyond bit 31"),
    ("armv7m", lambda k: k.sxtb(r0, r1.ror(4)), "ror 4 is not ror by 8, 16 or 24"),
    ("armv7m", lambda k: k.mla(r0, r1, r2, sp), "sp is not one of r0..r12, lr"),
    ("armv7m", lambda k: k.cbz(r12, "here"), "r12 is not one of r0..r7"),
    ("armv7m", lambda k: k.it("xx"), "there is no condition 'xx'"),
    ("armv7em", lambda k: k.pkhtb(r0, r1, r2), "asr is wanted"),
    ("armv7em", lambda k: k.ssat16(r0, 17, r1), "17 is not 1..16"),
]  # fmt: skip


def kernel(arch: str) -> Kernel:
    kernel = Kernel("f", 2, arch)
    kernel.label("here")
    return kernel


@pytest.mark.parametrize(("arch", "write", "reason"), REFUSED, ids=[r for *_, r in REFUSED])
def test_refused_with_the_reason(arch: str, write: Write, reason: str) -> None:
    with pytest.raises(AssemblyError) as caught:
        write(kernel(arch))
    told = str(caught.value)
    assert reason in told
    assert re.match(r"test_assembler_refusals\.py:\d+: f: ", told)


def test_the_line_is_that_of_the_kernel() -> None:
    ours = kernel("armv6m")
    first = test_the_line_is_that_of_the_kernel.__code__.co_firstlineno
    with pytest.raises(AssemblyError, match=rf"^test_assembler_refusals\.py:{first + 4}: f: movs"):
        ours.movs(r0, 300)
    ours.b("nowhere")
    wanted = rf"^test_assembler_refusals\.py:{first + 5}: f: b: there is no label 'nowhere'$"
    with pytest.raises(AssemblyError, match=wanted):
        ours.code()


@pytest.mark.parametrize("least", ["armv7m", "armv7em"])
def test_an_instruction_that_the_cpu_lacks(least: str) -> None:
    for arch in ARCHITECTURES:
        if ARCHITECTURES.index(arch) < ARCHITECTURES.index(least):
            with pytest.raises(AssemblyError, match=f"needs {least}, and the kernel is for {arch}"):
                LEAST[least](kernel(arch))
        else:
            LEAST[least](kernel(arch))


def test_every_instruction_is_refused_below_its_architecture() -> None:
    sampler = Sampler(3)
    least = {name: min(ARCHITECTURES.index(f.arch) for f in of) for name, of in FORMS.items()}
    for name, rank in least.items():
        for arch in ARCHITECTURES[:rank]:
            told = ""
            for _ in range(8):  # a few random operands are refused for themselves
                ours = kernel(arch)
                ours.save_high()
                with pytest.raises(AssemblyError) as caught:
                    getattr(ours, name)(*flat(sampler.operands(FORMS[name][0])))
                told += str(caught.value)
            assert f"needs {ARCHITECTURES[rank]}, and the kernel is for {arch}" in told
    assert sum(least.values()) > 150


def test_it_blocks_are_filled_and_hold_what_they_can() -> None:
    def block(name: str = "itt") -> Kernel:
        ours = kernel("armv7m")
        getattr(ours, name)("eq")
        return ours

    writes: tuple[Write, ...] = (
        lambda k: k.label("inside"),
        lambda k: k.it("ne"),
        lambda k: k.bne("here"),
        lambda k: k.cbz(r0, "here"),
        lambda k: k.words(1),
        lambda k: k.pool(),
        lambda k: k.code(),
    )
    for write in writes:
        with pytest.raises(AssemblyError, match="the IT block before wants 2 more instructions"):
            write(block())
    with pytest.raises(AssemblyError, match="only the last instruction of an IT block may branch"):
        block().b("here")
    with pytest.raises(AssemblyError, match="bx: only the last instruction of an IT block"):
        block().bx(r0)
    with pytest.raises(AssemblyError, match="lsls: the short form's name outside of an IT block"):
        kernel("armv6m").lsl(r0, r1, 3)
    with pytest.raises(AssemblyError, match="mul: the short form's name inside of an IT block"):
        block().muls(r0, r1)
    block("it").b("here")


def test_kernels_that_cannot_be() -> None:
    with pytest.raises(AssemblyError, match="there is no 'armv8m', only armv6m, armv7m, armv7em"):
        Kernel("f", 0, "armv8m")
    for name, arguments in (("f", 5), ("f", -1), ("not a name", 1)):
        with pytest.raises(AssemblyError, match="wanted a function's name, and 0 to 4 arguments"):
            Kernel(name, arguments, "armv6m")
    with pytest.raises(AttributeError, match="there is no instruction 'fmuls'"):
        kernel("armv6m").fmuls(r0, r1)
    ours = kernel("armv6m")
    ours.save_high()
    with pytest.raises(AssemblyError, match=r"save_high\(\) without restore_high\(\)"):
        ours.code()
    with pytest.raises(AssemblyError, match="a result is one of none, small, not 'int'"):
        function.source("f", 0, [], "int")


def test_the_stack_is_balanced() -> None:
    writes: dict[int, tuple[Write, ...]] = {
        8: (lambda k: k.push(r0, r1), lambda k: k.sub(sp, 8), lambda k: k.strd(r0, r1, sp.pre(-8))),
        -8: (
            lambda k: k.pop(r0, r1),
            lambda k: k.add(sp, sp, 8),
            lambda k: k.ldrd(r0, r1, sp.post(8)),
        ),
        0: (lambda k: k.ldr(r0, sp[8]), lambda k: k.cmp(sp, r0), lambda k: k.add(r0, sp, 8)),
    }
    for size, these in writes.items():
        for write in these:
            ours = kernel("armv7m")
            write(ours)
            if size:
                with pytest.raises(AssemblyError, match=f"^f: {size} bytes are left on the stack"):
                    ours.code()
            if size > 0:
                ours.pop(r0, r1)
            elif size:
                ours.push(r0, r1)
            assert ours.code()
    for write in (lambda k: k.mov(sp, r0), lambda k: k.add(sp, r0), lambda k: k.ldm(sp.up, r0, r1)):
        with pytest.raises(AssemblyError, match="sp is not one of"):
            write(kernel("armv7m"))

"""Every form of every instruction, with random operands, against GNU's assembler."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from firmware.kernels.thumb.assembler import Kernel
from firmware.kernels.thumb.forms import ARCHITECTURES, Form
from firmware.kernels.thumb.instructions import CONDITIONS, FORMS
from firmware.kernels.thumb.operands import (
    AssemblyError,
    Operand,
    Register,
    Registers,
    r0,
    r1,
    r12,
    sp,
)
from tests.boards.thumb import gnu

SAMPLES = 16
# Branches end a block; GNU's assembler takes some short forms of add for the 12 bits of addw.
NOT_IN_BLOCKS = [f for name in ("bx", "blx") for f in FORMS[name]] + [
    f for name in ("add", "sub") for f in FORMS[name] if f.kinds[1:] == ("Hn", "#i")
]
Line = tuple[str, list[int]]
"""What GNU's assembler reads, and our halfwords."""


@pytest.fixture(autouse=True)
def tools() -> None:
    gnu.require()


def forms(arch: str) -> list[Form]:
    rank = ARCHITECTURES.index(arch)
    found = [f for of in FORMS.values() for f in of if ARCHITECTURES.index(f.arch) <= rank]
    # For armv6m GNU's assembler writes nop as mov r8, r8, though that CPU has the hint.
    return [f for f in found if arch != "armv6m" or f.name != "nop"]


def flat(operands: Sequence[Operand]) -> list[Operand]:
    """Operands as a kernel's author writes them: registers of a list one by one."""
    written: list[Operand] = []
    for operand in operands:
        if isinstance(operand, Registers):
            written += [Register(n) for n in range(16) if operand.mask >> n & 1]
        else:
            written.append(operand)
    return written


def ours(arch: str, mnemonic: str, operands: Sequence[Operand], block: str = "") -> list[int]:
    """Halfwords of one instruction, in an IT block where a condition is given."""
    kernel = Kernel("f", 0, arch)
    kernel.save_high()
    kernel.restore_high()
    before = len(kernel.code())
    if block:
        kernel.it(block)
    getattr(kernel, mnemonic)(*flat(operands))
    kernel._pushed = 0  # one instruction need not leave the stack as it was
    return kernel.code()[before:]


def lines(form: Form, arch: str, sampler: gnu.Sampler) -> list[Line]:
    """Some instructions of a form. Few random operands may be refused, as two that are the same."""
    made: list[Line] = []
    for _ in range(SAMPLES):
        operands = sampler.operands(form)
        try:
            code = ours(arch, form.name, operands)
        except AssemblyError:
            continue
        made.append((gnu.line(form.name, operands), code))
        if arch != "armv6m" and form not in NOT_IN_BLOCKS and form.stars < 2:
            made += _in_a_block(form, arch, operands, sampler.random.choice(CONDITIONS))
    assert len(made) >= SAMPLES // 2, form
    return made


def _in_a_block(form: Form, arch: str, operands: Sequence[Operand], condition: str) -> list[Line]:
    name = form.name[:-1] if form.stars else form.name
    code = ours(arch, name, operands, condition)
    return [(f"it {condition}\n{gnu.line(name + condition, operands)}", code)]


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_every_form(arch: str, tmp_path: Path) -> None:
    sampler = gnu.Sampler(7)
    made = [line for form in forms(arch) for line in lines(form, arch, sampler)]
    expected = gnu.assembled([line for line, _ in made], arch, tmp_path)
    assert len(made) > {"armv6m": 700, "armv7m": 4000, "armv7em": 7000}[arch]
    at = 0
    for line, code in made:
        assert [f"{c:04x}" for c in code] == [f"{c:04x}" for c in expected[at : at + len(code)]], (
            line
        )
        at += len(code)
    assert at == len(expected)


def test_a_first_operand_that_is_repeated_may_be_left_out(tmp_path: Path) -> None:
    kernel = Kernel("f", 0, "armv7m")
    kernel.adds(r0, 3)
    kernel.adds(r0, r1)
    kernel.muls(r0, r1)
    kernel.sub(sp, 8)
    kernel.add(sp, 8)
    kernel.and_(r0, r1.lsl(3))
    kernel.lsl(r12, 4)
    narrow = ["adds r0, #3", "adds r0, r1", "muls r0, r1", "sub sp, #8", "add sp, #8"]
    wide = ["and r0, r0, r1, lsl #3", "lsl r12, #4"]
    assert kernel.code() == gnu.assembled(narrow + wide, "armv7m", tmp_path)


def test_the_least_cpu_has_the_nop_of_the_others() -> None:
    assert [ours(arch, "nop", ()) for arch in ARCHITECTURES] == [[0xBF00]] * 3

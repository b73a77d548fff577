"""Operands with something changed: what ours takes, GNU's assembler takes too, without a warning.

So nothing that is unpredictable on a processor gets through. What is refused is not compared: ours
refuses more, as the program counter, and stores of the stack pointer.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from random import Random
from typing import Any

import pytest

from firmware.kernels.thumb.forms import ARCHITECTURES
from firmware.kernels.thumb.operands import (
    Address,
    AssemblyError,
    Moved,
    Operand,
    Register,
    Registers,
    Shifted,
)
from tests.boards.thumb import gnu
from tests.boards.thumb.test_assembler import forms, ours

CASES = 4000
SHIFTS = ("lsl", "lsr", "asr", "ror")
NUMBERS = (-1, 0, 1, 2, 3, 7, 8, 31, 32, 33, 255, 256, 257, 1020, 1024, 4095, 4096, 65535, 65536)


def changed(operand: Operand, random: Random) -> Operand:
    """The operand with something else in it, which need not fit."""
    register = Register(random.randrange(16))
    if isinstance(operand, int):
        near = (operand + 1, operand - 1, -operand, operand * 2, random.getrandbits(32))
        return random.choice((*near, *NUMBERS))
    if isinstance(operand, Register):
        return random.choice((register, register, Shifted(operand, random.choice(SHIFTS), 8)))
    if isinstance(operand, Shifted):
        other = Shifted(register, random.choice(SHIFTS), random.randrange(34))
        field = random.choice(("register", "shift", "count"))
        return dataclasses.replace(operand, **{field: getattr(other, field)})
    if isinstance(operand, Address):
        mode = random.choice(("pre", "post", "offset"))
        values: dict[str, Any] = {
            "base": register,
            "offset": changed(operand.offset, random),
            "mode": mode,
        }
        field = random.choice(tuple(values))
        return dataclasses.replace(operand, **{field: values[field]})
    if isinstance(operand, Registers):
        return Registers(operand.mask ^ 1 << random.randrange(16))
    assert isinstance(operand, Moved)
    return Moved(register)


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_what_is_taken_is_sound(arch: str, tmp_path: Path) -> None:
    gnu.require()
    sampler = gnu.Sampler(23)
    known = [form for form in forms(arch) if form.kinds]
    lines, codes, refused = [], [], 0
    for _ in range(CASES):
        form = sampler.random.choice(known)
        operands = list(sampler.operands(form))
        place = sampler.random.randrange(len(operands))
        operands[place] = changed(operands[place], sampler.random)
        try:
            codes.append(ours(arch, form.name, operands))
        except AssemblyError:
            refused += 1
            continue
        lines.append(gnu.line(form.name, operands))
    assert len(codes) > CASES // 10
    assert refused > CASES // 10
    expected = gnu.assembled(lines, arch, tmp_path)
    at = 0
    for line, code in zip(lines, codes, strict=True):
        assert code == expected[at : at + len(code)], line
        at += len(code)
    assert at == len(expected)

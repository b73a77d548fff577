"""Branches, literals and data at the limits of their reach, against GNU's assembler."""

from __future__ import annotations

from pathlib import Path

import pytest

from firmware.kernels.thumb.assembler import Kernel
from firmware.kernels.thumb.forms import ARCHITECTURES
from firmware.kernels.thumb.instructions import CONDITIONS
from firmware.kernels.thumb.operands import AssemblyError, literal, r0, r1, r2, r3, r7, r12
from firmware.kernels.thumb.relative import Branch
from tests.boards.thumb import gnu

NOP = 0xBF00


@pytest.fixture(autouse=True)
def tools() -> None:
    gnu.require()


def forward(arch: str, name: str, distance: int, *before: object) -> list[int]:
    """An instruction, and its label so many bytes after it (after 4 bytes that count as 0)."""
    kernel = Kernel("f", 0, arch)
    getattr(kernel, name)(*before, "there")
    kernel.halfwords(*[NOP] * (distance // 2))
    kernel.label("there")
    kernel.nop()
    return kernel.code()


def backward(arch: str, name: str, distance: int, *before: object) -> list[int]:
    kernel = Kernel("f", 0, arch)
    kernel.label("there")
    kernel.halfwords(*[NOP] * (distance // 2))
    getattr(kernel, name)(*before, "there")
    return kernel.code()


def gnu_forward(arch: str, text: str, distance: int, folder: Path) -> list[int]:
    filler = f".rept {distance // 2}\n.hword {NOP}\n.endr"
    return gnu.assembled([f"{text} there", filler, "there:", f".hword {NOP}"], arch, folder)


def gnu_backward(arch: str, text: str, distance: int, folder: Path) -> list[int]:
    filler = f".rept {distance // 2}\n.hword {NOP}\n.endr"
    return gnu.assembled(["there:", filler, f"{text} there"], arch, folder)


@pytest.mark.parametrize("arch", ["armv6m", "armv7m"])
@pytest.mark.parametrize(
    ("name", "ahead", "behind"), [("b", 2048, 2044), ("bne", 256, 252), ("bl", 70000, 70000)]
)
def test_branches_at_their_limits(
    arch: str, name: str, ahead: int, behind: int, tmp_path: Path
) -> None:
    for distance in (0, 2, 100, ahead - 2, ahead):
        expected = gnu_forward(arch, name, distance, tmp_path)
        assert forward(arch, name, distance) == expected, distance
    for distance in (0, 2, 100, behind - 2, behind):
        expected = gnu_backward(arch, name, distance, tmp_path)
        assert backward(arch, name, distance) == expected, distance


@pytest.mark.parametrize(("name", "ahead", "behind"), [("b", 2048, 2044), ("bne", 256, 252)])
def test_a_branch_too_far(name: str, ahead: int, behind: int, tmp_path: Path) -> None:
    for make, theirs, distance in (
        (forward, gnu_forward, ahead + 2),
        (backward, gnu_backward, behind + 2),
    ):
        signed = ahead if make is forward else -behind - 6
        wanted = rf"{name}: 'there' is {signed} bytes away, and wanted is -{ahead}..{ahead - 2} in"
        with pytest.raises(AssemblyError, match=wanted):
            make("armv6m", name, distance)
        assert make("armv7m", name, distance) == theirs("armv7m", name, distance, tmp_path)


def test_wide_conditional_branches_at_their_limits(tmp_path: Path) -> None:
    for distance in (0x20000, 0x7FFFE, 0x80002, 0xFFFFE):
        expected = gnu_forward("armv7m", "bhi", distance, tmp_path)
        assert forward("armv7m", "bhi", distance) == expected, distance
        expected = gnu_backward("armv7m", "bhi", distance - 4, tmp_path)
        assert backward("armv7m", "bhi", distance - 4) == expected, distance
    with pytest.raises(AssemblyError, match=r"bhi: 'there' is 1048576 bytes away"):
        forward("armv7m", "bhi", 0x100000)


def test_bits_of_wide_branches(tmp_path: Path) -> None:
    lines: list[str] = []
    ours: list[int] = []
    for bits, names in ((24, ("b", "bl")), (20, ("bhi", "beq"))):
        numbers = [1 << shift for shift in range(1, bits)] + [0xA5A5A4 % (1 << bits)]
        for distance in [0, *numbers, *(-number for number in numbers), -(1 << bits)]:
            for name in names:
                lines.append(f"{name}.w _start + {2 + 2 * len(ours) + 4} + {distance}")
                ours += Branch("", name, "there", can_grow=True, is_wide=True).bits(distance)
    assert ours == gnu.assembled([text.replace("bl.w", "bl") for text in lines], "armv7m", tmp_path)


@pytest.mark.parametrize("name", ["cbz", "cbnz"])
def test_branches_on_zero(name: str, tmp_path: Path) -> None:
    for distance in (2, 64, 126, 128):
        expected = gnu_forward("armv7m", f"{name} r7,", distance, tmp_path)
        assert forward("armv7m", name, distance, r7) == expected
    with pytest.raises(AssemblyError, match=rf"{name}: 'there' is 128 bytes away.*0\.\.126"):
        forward("armv7m", name, 130, r7)
    with pytest.raises(AssemblyError, match=rf"{name}: 'there' is -4 bytes away"):
        backward("armv7m", name, 0, r7)


def test_every_condition(tmp_path: Path) -> None:
    for name in (*CONDITIONS, "cs", "cc"):
        expected = gnu_forward("armv6m", f"b{name}", 20, tmp_path)
        assert forward("armv6m", f"b{name}", 20) == expected


def test_growing_branches_push_others_out_of_reach(tmp_path: Path) -> None:
    # Each branch is in reach only as long as the next one is short: all grow, one after the other.
    kernel, lines = Kernel("f", 0, "armv7m"), []
    for number in range(8):
        kernel.label(f"from_{number}")
        kernel.beq(f"to_{number}")
        kernel.halfwords(*[NOP] * 14)
        lines += [f"beq to_{number}", ".rept 14\n.hword 0xbf00\n.endr"]
    kernel.halfwords(*[NOP] * 16)
    lines += [".rept 16\n.hword 0xbf00\n.endr"]
    for number in range(8):
        kernel.label(f"to_{number}")
        kernel.halfwords(*[NOP] * 14)
        kernel.bne(f"from_{number}")
        lines += [f"to_{number}:", ".rept 14\n.hword 0xbf00\n.endr", f"bne from_{number}"]
    at = [number for number, text in enumerate(lines) if text.startswith("beq")]
    for number, place in reversed(list(enumerate(at))):
        lines.insert(place, f"from_{number}:")
    assert kernel.code() == gnu.assembled(lines, "armv7m", tmp_path)


@pytest.mark.parametrize("arch", ["armv6m", "armv7m"])
@pytest.mark.parametrize("name", ["ldr", "adr"])
def test_places_near_by(arch: str, name: str, tmp_path: Path) -> None:
    for distance in (0, 4, 500, 1016, 1020):
        # Behind a push of 2 bytes the instruction stands at 2, and the pc is rounded down to 4.
        kernel = Kernel("f", 0, arch)
        getattr(kernel, name)(r3, "there")
        kernel.halfwords(*[NOP] * (distance // 2))
        kernel.label("there")
        kernel.words(0x12345678)
        filler = f".rept {distance // 2}\n.hword {NOP}\n.endr"
        lines = [f"{name} r3, there", filler, "there: .word 0x12345678"]
        assert kernel.code() == gnu.assembled(lines, arch, tmp_path), distance


@pytest.mark.parametrize("name", ["ldr", "adr"])
def test_places_near_by_in_the_long_form(name: str, tmp_path: Path) -> None:
    for distance in (1024, 2222, 4090):
        expected = gnu_forward("armv7m", f"{name}.w r12,", distance, tmp_path)
        assert forward("armv7m", name, distance, r12) == expected
        expected = gnu_backward("armv7m", f"{name}.w r3,", distance, tmp_path)
        assert backward("armv7m", name, distance, r3) == expected
    with pytest.raises(AssemblyError, match=rf"{name}: 'there' is 4096 bytes away.*-4095\.\.4095"):
        forward("armv7m", name, 4094, r0)
    with pytest.raises(AssemblyError, match=rf"{name}: 'there' is -6 bytes.*0\.\.1020 in steps"):
        backward("armv6m", name, 2, r0)


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_literals(arch: str, tmp_path: Path) -> None:
    kernel = Kernel("f", 0, arch)
    kernel.ldr(r0, literal(0x12345678))
    kernel.ldr(r1, literal(-2))
    kernel.ldr(r2, literal(0x12345678))
    kernel.pool()
    kernel.pool()  # nothing waits for it
    kernel.ldr(r3, literal(0x12345678))
    kernel.nop()
    lines = [
        *("ldr r0, l0", "ldr r1, l1", "ldr r2, l0", "b past"),
        *(".balignw 4, 0xbf00", "l0: .word 0x12345678", "l1: .word -2", "past:"),
        *("ldr r3, l2", ".hword 0xbf00", "b end", ".balignw 4, 0xbf00"),
        *("l2: .word 0x12345678", "end:"),
    ]
    assert kernel.code() == gnu.assembled(lines, arch, tmp_path)


def test_it_blocks(tmp_path: Path) -> None:
    kernel, lines = Kernel("f", 0, "armv7m"), []
    for name in ("it", "itt", "ite", "itte", "itet", "ittt", "iteee", "itttt", "iteet"):
        for condition in ("gt", "le", "hs"):
            opposite = {"gt": "le", "le": "gt", "hs": "lo"}[condition]
            getattr(kernel, name)(condition)
            lines.append(f"{name} {condition}")
            for letter in "t" + name[2:]:
                kernel.add(r0, r1, r2)
                kind = condition if letter == "t" else opposite
                lines.append(f"add{kind} r0, r1, r2")
    kernel.it("eq")
    kernel.b("end")
    kernel.label("end")
    kernel.nop()
    lines += ["it eq", "beq end", "end: nop"]
    assert kernel.code() == gnu.assembled(lines, "armv7m", tmp_path)

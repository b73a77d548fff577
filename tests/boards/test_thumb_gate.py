"""A CPU without DSP instructions refuses the kernels that use them: on the board, by CPUID."""

from __future__ import annotations

from types import ModuleType

import pytest

from microinterp_boards.processor import identify
from tests.boards.qemu_port import qemu_board
from tests.boards.thumb_steps import thumb_files
from tests.boards.viper_emulator import FIRMWARE

TRY = """
try:
    import microinterp
    print("runs", microinterp.TIER)
except RuntimeError as error:
    print("refused:", error)
"""


@pytest.mark.parametrize(
    ("cpu", "tier", "told"),
    [
        ("m3", "armv7em", "refused: kernels for armv7em: this CPU has no DSP instructions"),
        ("m3", "armv7m", "runs armv7m"),
        ("m3", "armv6m", "runs armv6m"),
        ("m4", "armv7em", "runs armv7em"),
        ("m7", "armv7em", "runs armv7em"),
    ],
)
def test_runtime(qemu: None, cpu: str, tier: str, told: str) -> None:
    """QEMU's M3 would execute them: nothing but the gate stops it."""
    with qemu_board(cpu, preload=thumb_files(tier)) as board:
        assert board.link.exec(TRY).decode().startswith(told)
        # A second import must not find a module that was half made.
        assert board.link.exec(TRY).decode().startswith(told)


def gate() -> ModuleType:
    """The gate's source under CPython, on a Cortex-M4."""
    text = (FIRMWARE / "thumb" / "_dsp.py").read_text()
    text = text.replace("import micropython\n", "").replace("@micropython.viper\n", "")
    module = ModuleType("gate")
    exec(text.replace("ptr32(at)[0]", "0x410FC241"), module.__dict__)
    return module


def test_it_decides_as_the_host_does() -> None:
    has_dsp = gate().has_dsp
    full, none = (0x02212000, 0x20232232, 0x01111131), (0x01101110, 0x02112000, 0x01111131)
    seen = set()
    for implementer in (0x41, 0x63):
        for part in range(1 << 12):
            cpuid = implementer << 24 | 0xF << 16 | part << 4 | 1
            for isar in (full, none):
                core = identify(cpuid, isar)
                wanted = core is not None and core.has_dsp
                assert has_dsp(cpuid, *isar) == wanted, (hex(cpuid), isar)
                seen.add((part, wanted))
    assert {(0xC24, True), (0xC23, False), (0xD21, True), (0xD21, False)} <= seen


@pytest.mark.parametrize(("number", "shift"), [(0, 12), (1, 16), (2, 4), (2, 0)])
def test_each_field_decides(number: int, shift: int) -> None:
    isar = [0x02212000, 0x20232232, 0x01111131]
    cpuid = 0x410FD214
    has_dsp = gate().has_dsp
    assert has_dsp(cpuid, *isar)
    isar[number] &= ~(15 << shift)
    assert not has_dsp(cpuid, *isar)

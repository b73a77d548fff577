"""What a board is: facts from the virtual one, from boards that do not exist here, and nonsense."""

from __future__ import annotations

from typing import cast

import pytest

from microinterp.errors import DeviceError
from microinterp_boards import Board, virtual_board
from microinterp_boards.link import Link
from microinterp_boards.probe import CEILING, probe

PICO = """name x6d6963726f707974686f6e
version x312e32362e30
machine x526173706265727279205069205069636f207769746820525032303430
platform x727032
mpy 4870
bits 32
heap_free 220000
heap_total 233024
files_free 860160
files_total 868352
frequency 125000000
inline_asm 1
cpuid 1091356161
end
"""


class Saying:
    """A link to a board that says one thing."""

    port = "/dev/x"
    checks = False  # what it says comes as it is

    def __init__(self, text: str) -> None:
        self.text = text

    def exec(self, code: bytes, timeout: float) -> bytes:
        return self.text.encode()

    @property
    def transport(self) -> Saying:
        return self

    def error(self, message: str, hint: str) -> DeviceError:
        return DeviceError(message, hint=hint)


def link(text: str) -> Link:
    return cast(Link, Saying(text))


def test_the_virtual_board() -> None:
    with virtual_board(heap=131072, flash=131072) as port, Board(port) as board:
        facts = board.probe()
        board.files.put("a", bytes(9000))
        board.exec("keep = bytearray(50000)")
        after = board.probe()
    assert facts.implementation == "micropython"
    assert tuple(map(int, facts.version.split("."))) >= (1, 28, 0)
    assert facts.platform in ("linux", "darwin")
    assert (facts.mpy_version, facts.mpy_subversion) == (6, 3)
    assert facts.int_bits == 64
    assert (facts.cpu_id, facts.cpu, facts.frequency) == (None, None, None)
    assert (facts.cpu_architecture, facts.dsp, facts.tier) == (None, None, None)
    assert facts.inline_asm is None
    assert 124_000 < facts.heap_free < facts.heap_total < 131_072
    assert 49_000 < facts.heap_free - after.heap_free < 53_000
    assert facts.files_total == 131_072
    assert facts.files_free is not None
    assert after.files_free == facts.files_free - 3 * 4096
    if facts.architecture == "x64":
        assert (facts.mpy_set, facts.kernels, facts.sets) == ("x64", "viper", ("x64", "bytecode"))


def test_a_pico() -> None:
    facts = probe(link(PICO))
    assert (facts.implementation, facts.version) == ("micropython", "1.26.0")
    assert facts.machine == "Raspberry Pi Pico with RP2040"
    assert facts.platform == "rp2"
    assert (facts.mpy_version, facts.mpy_subversion, facts.architecture) == (6, 3, "armv6m")
    assert (facts.cpu_id, facts.cpu) == (0x410CC601, "Cortex-M0+")
    assert (facts.cpu_architecture, facts.dsp, facts.tier) == ("armv6m", False, "armv6m")
    assert (facts.int_bits, facts.heap_free, facts.heap_total) == (32, 220000, 233024)
    assert (facts.files_free, facts.files_total) == (860160, 868352)
    assert facts.frequency == 125_000_000
    assert facts.inline_asm is True
    assert (facts.mpy_set, facts.kernels) == ("armv6m", "armv6m")
    assert facts.sets == ("armv6m", "viper-armv6m", "bytecode")
    assert probe(link(PICO.replace("\n", "\r\n"))) == facts  # as hardware prints


def test_facts_that_a_board_does_not_tell() -> None:
    lines = [line for line in PICO.splitlines() if not line.startswith(("f", "cpuid", "inline"))]
    facts = probe(link("\n".join([*lines, ""])))
    assert (facts.files_free, facts.files_total, facts.frequency) == (None, None, None)
    assert (facts.cpu_id, facts.cpu, facts.cpu_architecture, facts.dsp) == (None,) * 4
    assert facts.tier == "armv6m"  # as far as the firmware goes
    assert (facts.inline_asm, facts.mpy_set) == (None, "viper-armv6m")
    assert facts.reason.endswith("does not tell whether it loads inline assembler")


def test_words_of_a_board_act_on_no_terminal() -> None:
    facts = probe(link(PICO.replace("machine x52", "machine x1b")))
    assert facts.machine.startswith("\\x1baspberry")
    facts = probe(link(PICO.replace("platform x727032", "platform xff")))
    assert facts.platform == "\\xff"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("end\n", ""),
        ("end\n", "end"),
        ("bits 32\n", ""),
        ("bits 32", "bits __import__('os')"),
        ("bits 32", "bits 3 2"),
        ("bits 32", "bits x3332"),
        ("mpy 4870", "mpy 0x1306"),
        ("mpy 4870", "mpy " + "9" * 21),
        ("name x6d", "name x6"),
        ("name x6d", "name xzz"),
        ("name", "a log line\nname"),
        (PICO, ""),
    ],
)
def test_nonsense_is_refused(before: str, after: str) -> None:
    text = PICO.replace(before, after)
    assert text != PICO
    with pytest.raises(DeviceError, match="came instead of facts about the board"):
        probe(link(text))


@pytest.mark.parametrize(
    ("mpy", "kernels", "mpy_set"),
    [
        (6 | 3 << 8 | 4 << 10, "armv6m", "armv6m"),
        (6 | 3 << 8, "bytecode", "bytecode"),
        (5, None, None),
    ],
)
def test_kernels_go_with_the_set(mpy: int, kernels: str | None, mpy_set: str | None) -> None:
    facts = probe(link(PICO.replace("mpy 4870", f"mpy {mpy}")))
    assert (facts.kernels, facts.mpy_set) == (kernels, mpy_set)


def test_firmware_without_inline_assembler() -> None:
    facts = probe(link(PICO.replace("inline_asm 1", "inline_asm 0")))
    assert (facts.inline_asm, facts.tier) == (False, "armv6m")
    assert (facts.mpy_set, facts.kernels) == ("viper-armv6m", "viper")
    wanted = "Cortex-M0+ has armv6m; its firmware loads no inline assembler"
    assert facts.reason == wanted


def pretend(memory: str) -> str:
    """Code that makes the virtual board another one, with these words at these addresses."""
    return (
        "import sys\n"
        "class Implementation:\n"
        " name, version, _machine, _mpy = 'micropython', (1, 26, 0, ''), 'fake', 0\n"
        "class Machine:\n"
        " freq = lambda self: (168000000, 168000000, 42000000)\n"
        f" mem32 = {memory}\n"
        "class Sys:\n"
        " stdout, platform, implementation = sys.stdout, 'fake', Implementation\n"
        "sys.modules['sys'] = Sys\n"
        "sys.modules['machine'] = Machine()\n"
    )


def mpy(architecture: int) -> str:
    """Code that makes it firmware of .mpy version 6.3 for the architecture with that number."""
    return f"Implementation._mpy = {6 | 3 << 8 | architecture << 10}"


def test_the_registers_are_read_on_cortex_m_only(board: Board) -> None:
    """Anywhere else the address is not a CPUID register; on the virtual board it would crash."""
    board.exec(pretend("{0xE000ED00: 0x410CC601}"))  # ID_ISAR would be a KeyError
    for number, architecture in enumerate(
        ("none", "x86", "x64", "armv6", "armv6m", "armv7m", "armv7em", "armv7emsp", "armv7emdp")
    ):
        board.exec(mpy(number))
        facts = board.probe()
        is_thumb = architecture.endswith(("m", "sp", "dp"))
        assert facts.architecture == architecture
        assert facts.cpu_id == (0x410CC601 if is_thumb else None)
        assert facts.cpu == ("Cortex-M0+" if is_thumb else None)
        assert facts.tier == ("armv6m" if is_thumb else None)
        assert facts.inline_asm == (False if is_thumb else None)  # it is the unix port's compiler
        assert facts.frequency == 168_000_000
        assert facts.version == "1.26.0"
    board.exec(mpy(10))
    assert board.probe().cpu_id is None
    board.exec(mpy(7) + "\nSys.platform = 'linux'")  # a Raspberry Pi's Linux
    assert board.probe().cpu_id is None
    board.exec(mpy(0) + "\nSys.platform = 'microbit'")  # no native code, and always a Cortex-M
    assert board.probe().cpu_id == 0x410CC601


DSP_ISAR = (0x02212000, 0x20232232, 0x01111131)
PLAIN_ISAR = (0x02211000, 0x20112232, 0x01111110)


def m33(isar: tuple[int, ...]) -> str:
    """The words of a Cortex-M33 with these registers ID_ISAR1 to 3."""
    isar_at = {0xE000ED64 + 4 * i: word for i, word in enumerate(isar)}
    return repr({0xE000ED00: 0x410FD213, **isar_at})


@pytest.mark.parametrize(("isar", "dsp"), [(DSP_ISAR, True), (PLAIN_ISAR, False)])
def test_an_m33_has_what_its_registers_say(board: Board, isar: tuple[int, ...], dsp: bool) -> None:
    board.exec(pretend(m33(isar)) + mpy(7))
    facts = board.probe()
    assert (facts.cpu, facts.cpu_architecture, facts.dsp) == ("Cortex-M33", "armv8m.main", dsp)
    assert facts.tier == ("armv7em" if dsp else "armv7m")
    assert facts.mpy_set == "viper-armv7m"  # the unix port has no inline assembler for Thumb


def test_firmware_that_has_stm_in_place_of_machine(board: Board) -> None:
    board.exec(pretend(m33(DSP_ISAR)) + mpy(6))
    board.exec("sys.modules['stm'], sys.modules['machine'] = Machine, None")
    facts = board.probe()
    assert (facts.cpu, facts.tier) == ("Cortex-M33", "armv7em")


@pytest.mark.parametrize(
    ("ceiling", "tier"), [("armv6m", "armv6m"), ("armv7m", "armv7m"), ("armv7em", "armv7m")]
)
def test_a_ceiling_lowers_and_never_raises(
    ceiling: str, tier: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CEILING, ceiling)
    text = PICO.replace("mpy 4870", f"mpy {6 | 3 << 8 | 6 << 10}")
    facts = probe(link(text.replace("1091356161", f"{0x410FC231}")))  # armv7em says the firmware
    assert (facts.cpu, facts.tier, facts.mpy_set) == ("Cortex-M3", tier, tier)
    assert ("held to armv6m" in facts.reason) == (ceiling == "armv6m")


def test_a_ceiling_is_a_tier(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CEILING, "m0\x1b")
    with pytest.raises(DeviceError, match=r"MICROINTERP_TIER is 'm0\\x1b', which is no") as caught:
        probe(link(PICO))
    assert "armv6m, armv7m, armv7em" in caught.value.hint
    monkeypatch.setenv(CEILING, "")
    assert probe(link(PICO)).tier == "armv6m"

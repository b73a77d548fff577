"""The tier of a Cortex-M by its ID registers: a table of processors, and the rules around it."""

from __future__ import annotations

import re

import pytest

from microinterp_boards.processor import TIERS, Core, choose_tier, identify, tiers_up_to
from tests.boards.unix_port import ROOT

Isar = tuple[int, int, int]
M3_ISAR = (0x02111000, 0x21112231, 0x01111110)
M4_ISAR = (0x02112000, 0x21232231, 0x01111131)
M7_ISAR = (0x02112000, 0x20232231, 0x01111131)
V8_ISAR = (0x02212000, 0x20232232, 0x01111131)
V8_PLAIN = (0x02211000, 0x20112232, 0x01111110)
ALL = (0xFFFFFFFF,) * 3


@pytest.mark.parametrize(
    ("cpu_id", "isar", "name", "architecture", "dsp", "tier"),
    [
        (0x410CC200, None, "Cortex-M0", "armv6m", False, "armv6m"),
        (0x410CC601, None, "Cortex-M0+", "armv6m", False, "armv6m"),
        (0x410CC601, ALL, "Cortex-M0+", "armv6m", False, "armv6m"),
        (0x410CC210, None, "Cortex-M1", "armv6m", False, "armv6m"),
        (0x412FC230, M3_ISAR, "Cortex-M3", "armv7m", False, "armv7m"),
        (0x410FC231, None, "Cortex-M3", "armv7m", False, "armv7m"),
        (0x410FC231, M4_ISAR, "Cortex-M3", "armv7m", False, "armv7m"),
        (0x410FC231, ALL, "Cortex-M3", "armv7m", False, "armv7m"),
        (0x410FC241, M4_ISAR, "Cortex-M4", "armv7em", True, "armv7em"),
        (0x410FC240, M3_ISAR, "Cortex-M4", "armv7em", True, "armv7em"),  # QEMU 7.2
        (0x410FC241, None, "Cortex-M4", "armv7em", True, "armv7em"),
        (0x411FC272, M7_ISAR, "Cortex-M7", "armv7em", True, "armv7em"),
        (0x410CD200, None, "Cortex-M23", "armv8m.base", False, "armv6m"),
        (0x410FD213, V8_ISAR, "Cortex-M33", "armv8m.main", True, "armv7em"),
        (0x410FD214, V8_PLAIN, "Cortex-M33", "armv8m.main", False, "armv7m"),
        (0x410FD214, None, "Cortex-M33", "armv8m.main", False, "armv7m"),
        (0x410FD214, (0, 0, 0), "Cortex-M33", "armv8m.main", False, "armv7m"),
        (0x410FD310, V8_ISAR, "Cortex-M35P", "armv8m.main", True, "armv7em"),
        (0x410FD310, V8_PLAIN, "Cortex-M35P", "armv8m.main", False, "armv7m"),
        (0x410FD221, V8_ISAR, "Cortex-M55", "armv8.1m.main", True, "armv7em"),
        (0x410FD230, None, "Cortex-M85", "armv8.1m.main", True, "armv7em"),
    ],
)
def test_processors(
    cpu_id: int, isar: Isar | None, name: str, architecture: str, dsp: bool, tier: str
) -> None:
    core = identify(cpu_id, isar)
    assert core == Core(name, architecture, dsp)
    assert core.tier == tier
    for number, firmware in enumerate((*TIERS, "armv7emsp", "armv7emdp")):
        allowed = TIERS[min(number, TIERS.index(tier), 2)]
        assert choose_tier(firmware, core)[0] == allowed


@pytest.mark.parametrize(("word", "field"), [(0, 12), (1, 16), (2, 4), (2, 0)])
@pytest.mark.parametrize("isar", [V8_ISAR, M4_ISAR])
def test_dsp_is_all_groups_of_instructions_or_none(isar: Isar, word: int, field: int) -> None:
    """SXTAB16, SMLAD, the parallel ones, QADD: one value less in a field is without its group."""
    less = list(isar)
    less[word] -= 1 << field
    without = identify(0x410FD213, (less[0], less[1], less[2]))
    assert without == Core("Cortex-M33", "armv8m.main", has_dsp=False)


@pytest.mark.parametrize(
    "cpu_id",
    [
        None,
        0,
        0xFFFFFFFF,
        0x410FC250,  # a part that is none of those known
        0x721FD220,  # another company's core, which has the number of Arm's M55
        0x412FC090,  # a Cortex-A9
    ],
)
def test_an_unknown_core_gets_no_dsp(cpu_id: int | None) -> None:
    assert identify(cpu_id, V8_ISAR) is None
    chosen = [choose_tier(firmware, None)[0] for firmware in (*TIERS, "armv7emdp")]
    assert chosen == ["armv6m", "armv7m", "armv7m", "armv7m"]


@pytest.mark.parametrize("firmware", ["none", "armv6", "x64", "xtensawin", "rv32imc", "unknown 14"])
def test_firmware_that_is_not_for_thumb_has_no_tier(firmware: str) -> None:
    tier, reason = choose_tier(firmware, identify(0x410FC241, M4_ISAR))
    assert tier is None
    assert firmware in reason


@pytest.mark.parametrize("ceiling", TIERS)
@pytest.mark.parametrize("firmware", TIERS)
@pytest.mark.parametrize("cpu_id", [None, 0x410CC601, 0x410FC231, 0x410FC241])
def test_a_ceiling_is_never_exceeded_and_never_raises(
    cpu_id: int | None, firmware: str, ceiling: str
) -> None:
    core = identify(cpu_id, None)
    free, without = choose_tier(firmware, core)
    held, reason = choose_tier(firmware, core, ceiling)
    assert free is not None
    assert held == TIERS[min(TIERS.index(free), TIERS.index(ceiling))]
    assert reason == (without if held == free else f"held to {held}; else {free}: {without}")


def test_reasons() -> None:
    m3, m4 = identify(0x410FC231, M3_ISAR), identify(0x410FC241, M4_ISAR)
    assert choose_tier("armv7em", m3) == ("armv7m", "Cortex-M3 without DSP instructions")
    assert choose_tier("armv7emsp", m4) == ("armv7em", "Cortex-M4 with DSP instructions")
    assert choose_tier("armv7m", m4) == ("armv7m", "its firmware runs armv7m")
    assert choose_tier("armv6m", None) == ("armv6m", "its firmware runs armv6m")
    assert choose_tier("armv7em", identify(0x410CC601, None)) == (
        *("armv6m", "Cortex-M0+ has armv6m"),
    )


def test_the_table_in_the_documentation() -> None:
    text = (ROOT / "docs" / "board_kernels.md").read_text()
    rows = re.findall(r"^\| Cortex-(.+) \| (\S+) \| (.+) \| (.+) \|$", text, re.MULTILINE)
    told = {
        f"Cortex-{name.removeprefix('Cortex-')}": (architecture, dsp, tiers)
        for names, architecture, dsp, tiers in rows
        for name in names.split(", ")
    }
    assert len(told) == 11
    for part in range(1 << 12):
        cpu_id = 0x41 << 24 | part << 4
        best, least = identify(cpu_id, ALL), identify(cpu_id, None)
        if best is None or least is None:
            continue
        dsp = "if ID_ISAR1 to 3 say so" if best != least else "yes" if best.has_dsp else "no"
        tiers = f"{best.tier}, else {least.tier}" if best != least else best.tier
        assert told.pop(best.name) == (best.architecture, dsp, tiers)
    assert told == {}


def test_lower_tiers() -> None:
    assert tiers_up_to("armv6m") == ("armv6m",)
    assert tiers_up_to("armv7em") == ("armv7em", "armv7m", "armv6m")

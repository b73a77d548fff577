"""Which sets of .mpy files a board runs, by its firmware, its core and what it is held to."""

from __future__ import annotations

import pytest

from microinterp.packed.tiers import TIERS as LAYOUTS
from microinterp_boards import runtime
from microinterp_boards.kernel_sets import SETS, choose, kernels_of
from microinterp_boards.processor import TIERS, Core

M0 = Core("Cortex-M0+", "armv6m", False)
M3 = Core("Cortex-M3", "armv7m", False)
M4 = Core("Cortex-M4", "armv7em", True)
V6 = ("armv6m", "viper-armv6m", "bytecode")
V7 = ("armv7m", "armv6m", "viper-armv7m", "viper-armv6m", "bytecode")
V7E = ("armv7em", *V7)


@pytest.mark.parametrize(
    ("version", "subversion", "architecture", "core", "sets", "reason"),
    [
        (6, 3, "x64", None, ("x64", "bytecode"), "its firmware runs x64"),
        (6, 3, "armv6m", M0, V6, "Cortex-M0+ has armv6m"),
        (6, 3, "armv7m", M4, V7, "its firmware runs armv7m"),
        (6, 3, "armv7emsp", M4, V7E, "Cortex-M4 with DSP"),
        (6, 3, "armv7em", M3, V7, "Cortex-M3 without DSP"),
        (6, 3, "armv7em", None, V7, "an unknown core, which may lack DSP"),
        (6, 3, "none", None, ("bytecode",), "loads no native code"),
        (6, 3, "xtensawin", None, ("bytecode",), "no native kernels for xtensawin"),
        (6, 3, "rv32imc", None, ("bytecode",), "no native kernels for rv32imc"),
        (6, 3, "unknown 14", None, ("bytecode",), "no native kernels for unknown 14"),
        (6, 2, "armv6m", M0, ("bytecode",), "its native code is 6.2, ours is 6.3"),
        (6, 1, "none", None, ("bytecode",), "loads no native code"),
        (5, 0, "armv6m", M0, (), "it loads .mpy version 5"),
        (0, 0, "none", None, (), "it loads no .mpy files"),
    ],
)
def test_the_sets(
    version: int,
    subversion: int,
    architecture: str,
    core: Core | None,
    sets: tuple[str, ...],
    reason: str,
) -> None:
    """With an inline assembler, and without: then all that is left is not written in it."""
    found = choose(version, subversion, architecture, core, inline_asm=True)
    assert found.sets == sets
    assert reason in found.reason
    assert (found.tier in TIERS) == (found.tier is not None) == ("armv6m" in sets)
    for inline_asm, told in ((False, "loads no"), (None, "does not tell whether it loads")):
        less = choose(version, subversion, architecture, core, inline_asm)
        assert (less.tier, less.sets) == (found.tier, tuple(s for s in sets if s not in TIERS))
        lacks = f"; its firmware {told} inline assembler" if found.tier else ""
        assert less.reason == found.reason + lacks


@pytest.mark.parametrize(
    ("ceiling", "sets"), [("armv6m", V6), ("armv7m", V7), ("armv7em", V7E), (None, V7E)]
)
def test_a_ceiling_holds_viper_too(ceiling: str | None, sets: tuple[str, ...]) -> None:
    assert choose(6, 3, "armv7em", M4, True, ceiling).sets == sets


def test_the_sets_are_those_that_are_built() -> None:
    """And each reads the layout of its own name, if it has one: what it packs, no other reads."""
    assert set(runtime.manifest()["sets"]) == set(SETS)
    layouts = {name: runtime.tier_of(name) for name in SETS}
    assert layouts == {name: name if name in TIERS else "portable" for name in SETS}
    assert set(layouts.values()) == set(LAYOUTS)


def test_what_kernels_a_set_has() -> None:
    told = {name: kernels_of(name) for name in SETS}
    viper = dict.fromkeys(("viper-armv6m", "viper-armv7m", "x64"), "viper")
    assert told == {**{name: name for name in (*TIERS, "bytecode")}, **viper}

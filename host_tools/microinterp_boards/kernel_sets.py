"""The sets of .mpy files: what kernels each has, and which of them a board runs, best first.

Names are those of `firmware/build.py`; the manifest tells which layout of weights each set reads.
"""

from __future__ import annotations

from dataclasses import dataclass

from microinterp_boards.processor import TIERS, Core, choose_tier, tiers_up_to

MPY_VERSION, NATIVE_SUBVERSION = 6, 3
"""The .mpy format that is shipped, and the sub-version of its native code (MicroPython 1.23)."""
BYTECODE = "bytecode"
VIPER = {tier: f"viper-{tier}" for tier in ("armv6m", "armv7m")}
"""Sets of viper kernels for Thumb by their tier: viper has no use for DSP instructions."""
SETS = (*TIERS, *VIPER.values(), "x64", BYTECODE)
"""All of them. Those of TIERS are hand-written Thumb code."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What a board runs.

    Attributes:
        tier: the highest of TIERS that firmware and core allow; None without native code for Thumb.
        sets: names out of SETS, best first; empty if no file of ours can be loaded.
        reason: why the first of them, or why none.
    """

    tier: str | None
    sets: tuple[str, ...]
    reason: str


def choose(
    version: int,
    subversion: int,
    architecture: str,
    core: Core | None,
    inline_asm: bool | None = None,
    ceiling: str | None = None,
) -> Choice:
    """The sets that a board runs.

    Args:
        version, subversion, architecture: of the .mpy files that the firmware loads.
        core: None is an unknown one.
        inline_asm: whether the firmware has MicroPython's inline assembler: only with it does it
            load a file that was written in it. None, not told, counts as no.
        ceiling: a tier that is not to be exceeded.
    """
    if version == 0:
        return Choice(
            None, (), "it loads no .mpy files: only a tiny model, as source, can run there"
        )
    if version != MPY_VERSION:
        loads = f"it loads .mpy version {version}, ours have {MPY_VERSION} (MicroPython 1.19)"
        return Choice(None, (), loads)
    if architecture == "none":
        return Choice(None, (BYTECODE,), "its firmware loads no native code")
    if subversion != NATIVE_SUBVERSION:
        native = (
            f"its native code is {version}.{subversion}, ours is {MPY_VERSION}."
            f"{NATIVE_SUBVERSION} (MicroPython 1.23 and later)"
        )
        return Choice(None, (BYTECODE,), native)
    if architecture == "x64":
        return Choice(None, (architecture, BYTECODE), f"its firmware runs {architecture}")
    tier, reason = choose_tier(architecture, core, ceiling)
    if tier is None:
        return Choice(None, (BYTECODE,), reason)
    tiers = tiers_up_to(tier)
    viper = (*(VIPER[each] for each in tiers if each in VIPER), BYTECODE)
    if inline_asm:
        return Choice(tier, (*tiers, *viper), reason)
    lacks = "loads no" if inline_asm is False else "does not tell whether it loads"
    return Choice(tier, viper, f"{reason}; its firmware {lacks} inline assembler")


def kernels_of(mpy_set: str) -> str:
    """What a set's runtime says of its kernels: "bytecode", "viper", or one of TIERS."""
    return mpy_set if mpy_set == BYTECODE or mpy_set in TIERS else "viper"

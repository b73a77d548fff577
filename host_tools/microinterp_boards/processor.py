"""Which Cortex-M a board has, and which kernels it may run: by the processor's own ID registers.

Names prove nothing here: firmware for a Cortex-M3 says armv7em of itself, and QEMU's M3 executes
SMLAD without a fault.
"""

from __future__ import annotations

from dataclasses import dataclass

from microinterp.packed import tiers

TIERS: tuple[str, ...] = tiers.TIERS[1:]  # the first one is for any processor
"""Kernels for Thumb by the instructions that they use, least first; armv7em has DSP."""

_ARM = 0x41
_OPTIONAL = None  # the chip's maker decides whether the core has DSP
_CORES: dict[int, tuple[str, str, bool | None]] = {
    0xC20: ("Cortex-M0", "armv6m", False),
    0xC60: ("Cortex-M0+", "armv6m", False),
    0xC21: ("Cortex-M1", "armv6m", False),
    0xC23: ("Cortex-M3", "armv7m", False),
    0xC24: ("Cortex-M4", "armv7em", True),
    0xC27: ("Cortex-M7", "armv7em", True),
    0xD20: ("Cortex-M23", "armv8m.base", False),
    0xD21: ("Cortex-M33", "armv8m.main", _OPTIONAL),
    0xD31: ("Cortex-M35P", "armv8m.main", _OPTIONAL),
    0xD22: ("Cortex-M55", "armv8.1m.main", True),
    0xD23: ("Cortex-M85", "armv8.1m.main", True),
}
"""By CPUID's part number: name, architecture, DSP instructions."""


@dataclass(frozen=True, slots=True)
class Core:
    """A processor core: its name, its architecture in GCC's words, whether it may execute DSP.

    `architecture` is armv6m, armv7m, armv7em, armv8m.base, armv8m.main or armv8.1m.main.
    """

    name: str
    architecture: str
    has_dsp: bool

    @property
    def tier(self) -> str:
        """The highest of TIERS of which it has every instruction."""
        if self.architecture in ("armv6m", "armv8m.base"):
            return "armv6m"
        return "armv7em" if self.has_dsp else "armv7m"


def identify(cpu_id: int | None, isar: tuple[int, int, int] | None) -> Core | None:
    """The core with this CPUID register and ID_ISAR1 to 3; None if it is unknown.

    The part number decides on DSP where it can, since it is certain: QEMU 7.2 gives its M4 the
    ID_ISAR registers of an M3. Where DSP is an option of the core, the registers decide, and None,
    which says nothing, means that it has none.
    """
    if cpu_id is None or cpu_id >> 24 != _ARM:  # others number their cores as they please
        return None
    found = _CORES.get(cpu_id >> 4 & 0xFFF)
    if found is None:
        return None
    name, architecture, has_dsp = found
    return Core(name, architecture, _tell_dsp(isar) if has_dsp is None else has_dsp)


def _tell_dsp(isar: tuple[int, int, int] | None) -> bool:
    """Whether all groups of DSP instructions are there: an extension has all or none."""
    if isar is None:
        return False
    isar1, isar2, isar3 = isar
    sxtab16, smlad = isar1 >> 12 & 15, isar2 >> 16 & 15
    parallel, saturating = isar3 >> 4 & 15, isar3 & 15
    return sxtab16 >= 2 and smlad >= 3 and parallel >= 3 and saturating >= 1


def choose_tier(
    architecture: str, core: Core | None, ceiling: str | None = None
) -> tuple[str | None, str]:
    """The kernel tier that firmware and core both allow, and why; None if there is none.

    Args:
        architecture: of the .mpy files that the firmware loads; it loads those of lower tiers too.
        core: None is an unknown one, which is not trusted with DSP.
        ceiling: a tier that is not to be exceeded; it lowers only.
    """
    firmware = "armv7em" if architecture.startswith("armv7em") else architecture
    if firmware not in TIERS:
        return None, f"there are no native kernels for {architecture}"
    if core is None:
        limit, why = "armv7m", "an unknown core, which may lack DSP instructions"
    else:
        limit, why = core.tier, f"{core.name} has {core.architecture}"
        if limit != "armv6m":
            why = f"{core.name} {'with' if core.has_dsp else 'without'} DSP instructions"
    if TIERS.index(firmware) < TIERS.index(limit) or (core is None and firmware == limit):
        limit, why = firmware, f"its firmware runs {firmware}"
    if ceiling is not None and TIERS.index(ceiling) < TIERS.index(limit):
        return ceiling, f"held to {ceiling}; else {limit}: {why}"
    return limit, why


def tiers_up_to(tier: str) -> tuple[str, ...]:
    """A tier and those below it, highest first."""
    return tuple(reversed(TIERS[: TIERS.index(tier) + 1]))

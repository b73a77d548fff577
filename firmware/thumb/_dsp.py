"""Refuses a CPU without the DSP instructions of the kernels for armv7em, when it is imported.

Firmware for a Cortex-M3 says armv7em of itself and loads these files; the first such instruction
would stop it in a HardFault. CPUID tells the core, ID_ISAR1 to 3 where DSP is an option of it.
"""

import micropython

_CPUID = 0xE000ED00
_ISAR = 0xE000ED64
_ALWAYS = (0xC24, 0xC27, 0xD22, 0xD23)  # M4, M7, M55, M85
_OPTIONAL = (0xD21, 0xD31)  # M33, M35P


@micropython.viper
def _word(at: int) -> int:
    return int(ptr32(at)[0])


def has_dsp(cpuid, isar1, isar2, isar3):
    """True if a core has them all; an unknown one is not trusted."""
    part = cpuid >> 4 & 0xFFF
    if cpuid >> 24 & 255 != 0x41:
        return False
    if part in _OPTIONAL:
        first = isar1 >> 12 & 15 >= 2 and isar2 >> 16 & 15 >= 3
        return first and isar3 >> 4 & 15 >= 3 and isar3 & 15 >= 1
    return part in _ALWAYS


if not has_dsp(_word(_CPUID), _word(_ISAR), _word(_ISAR + 4), _word(_ISAR + 8)):
    raise RuntimeError("kernels for armv7em: this CPU has no DSP instructions, or is unknown")

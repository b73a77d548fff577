"""What differs between the tiers, for the shared modules. This is viper."""

import micropython

TIER = "viper"
# (v ^ SIGN) - SIGN extends the sign of what ptr32 has loaded, also where a word has 64 bits.
SIGN = -(1 << 31)
LIMIT = 0


@micropython.viper
def misaligned(buffer: ptr8) -> int:
    """Bytes from the last multiple of 4: a Cortex-M0+ faults on unaligned words."""
    return int(buffer) & 3

"""What differs between the tiers, for the shared modules. This is viper."""

import micropython

TIER = "viper"
LAYOUT = "portable"  # of filters in the model
# Arguments of steps beyond the least, by code: the order.
MORE = {5: 1, 6: 1, 7: 1, 8: 1}
LUT = "_move"  # the module that has this kernel
# (v ^ SIGN) - SIGN extends the sign of what ptr32 has loaded, also where a word has 64 bits.
SIGN = -(1 << 31)
LIMIT = 0


@micropython.viper
def misaligned(buffer: ptr8) -> int:
    """Bytes from the last multiple of 4: a Cortex-M0+ faults on unaligned words."""
    return int(buffer) & 3

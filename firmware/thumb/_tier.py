"""What differs between the tiers, for the shared modules. This is Thumb.

The build adds what the three of them do not share: TIER and LAYOUT, their name; of a CONV the
multiples that channels of a group and taps come in, and the bytes of patch for each tap; the bytes
of a channel table's entry; whether steps may be wide.
"""

import micropython

# Arguments of steps beyond the least, by code: order, wide, scratch.
MORE = {5: 2, 6: 3, 7: 1, 8: 1, 15: 2}
LUT = "_lut"
# (v ^ SIGN) - SIGN extends the sign of what ptr32 has loaded.
SIGN = -(1 << 31)
LIMIT = 0


@micropython.viper
def misaligned(buffer: ptr8) -> int:
    """Bytes from the last multiple of 4."""
    return int(buffer) & 3

"""What differs between the tiers, for the shared modules. This is plain bytecode."""

TIER = "bytecode"
LAYOUT = "portable"  # of filters in the model
# Arguments of steps beyond the least, by code: the order.
MORE = {5: 1, 6: 1, 7: 1, 8: 1}
LUT = "_move"  # the module that has this kernel
# (v ^ SIGN) - SIGN extends the sign of what viper's ptr32 has loaded; bytecode's ints have theirs.
SIGN = 0
# Accumulators must stay below, so that a 32-bit board's small ints hold every intermediate.
LIMIT = 1 << 29


def misaligned(buffer):
    """Bytes from the last multiple of 4; no concern here, where only bytes are read."""
    return 0

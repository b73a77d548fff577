"""Solutions of lab 05."""

# %% task: differing
# int8 - int8 is int8 in NumPy and wraps around: -128 - 127 would be 1.


def differing(a, b):
    """How many elements of two int8 arrays differ, and the largest difference in steps."""
    apart = np.abs(a.astype(np.int32) - b.astype(np.int32))
    return int((apart > 0).sum()), int(apart.max())


# %% task: first-op
# Ops run in the order of their numbers, whatever the order of the dict.


def first_difference(ours, theirs):
    """Number of the first op that has written something else, or None."""
    for op in sorted(ours.keys() & theirs.keys()):
        if (ours[op] != theirs[op]).any():
            return op
    return None


# %% task: who-did-it
# MAX_POOL_2D, AVERAGE_POOL_2D and RESHAPE differ only since their inputs do.
guilty = [row.index for row in against_litert.rows if row.isolated_differing]

# %% task: three-roundings
# Half of the divisor is added before the bits are cut off: that rounds, halves up.


def rounded_shift(x, bits):
    """x / 2^bits to the nearest whole number, halves up."""
    return (x + (1 << bits >> 1)) >> bits


def twice(total, multiplier, n):
    """total * multiplier / 2^(31 + n), rounded after 2^31 and again after 2^n; halves go up."""
    return rounded_shift(rounded_shift(total * multiplier, 31), n)


def once(total, multiplier, n):
    """total * multiplier / 2^(31 + n), rounded once; halves go up."""
    return rounded_shift(total * multiplier, 31 + n)


def in_float32(total, factor):
    """float32(total) * float32(factor), to the nearest whole number, halves to the even one."""
    return int(np.rint(np.float32(total) * np.float32(factor)))


# %% task: window
# With n bits behind the point a number has steps of 2^-n. One that is nearer to one half than half
# a step, 2^-(n + 1), becomes one half, and one half goes up.


def window(n):
    """The smallest fraction that goes up if it is rounded to n bits first, n being 1 or more."""
    return 0.5 - 2.0 ** -(n + 1)


# %% task: how-many
# The window of a channel is 2^-(n + 1) wide: that is the share of its results that fall into it.
expected = sum((sums[..., c] > 0).sum() * 2.0 ** -(n + 1) for c, n in enumerate(right))

# %% task: three-boards
# anna: one step here and there, in all ops with a multiplier: a build with TFLITE_SINGLE_ROUNDING.
# ben: nothing differs before op 5, and there most elements, by many steps: its bias is gone.
# carla: everything differs from the first op on, and shifting the samples by one makes all equal.
diagnosis = {"anna": "single-rounding", "ben": "bias-left-out", "carla": "input-late"}

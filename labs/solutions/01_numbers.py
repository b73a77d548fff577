"""Solutions of lab 01."""

# %% task: real-of
# float64 holds every difference of two codes, int8 does not: -128 - 100 would be 28.


def real_of(codes, scale, zero_point):
    """The real numbers, as float64, that an array of int8 codes stands for."""
    return scale * (codes.astype(np.float64) - zero_point)


# %% task: round-half
# The sign is put aside, so that away from zero is up. The difference x - floor(x) is exact.


def round_half_away(x):
    """x rounded to whole numbers, halves away from zero; an array of float64."""
    size = np.abs(x)
    whole = np.floor(size)
    return np.sign(x) * (whole + (size - whole >= 0.5))


# %% task: quantise
# Saturate while the numbers are still wide.


def quantise(x, scale, zero_point):
    """The int8 codes of an array of real numbers."""
    return np.clip(round_half_away(x / scale) + zero_point, -128, 127).astype(np.int8)


# %% task: error
# To the nearest code it is never further than half a step; the end is the code 127.
worst_inside = float(scores.tensor.scale) / 2
largest = float(scores.tensor.scale) * (127 - scores.tensor.zero_point)
error_of_ten = 10 - largest

# %% task: range
# -128 stands for low: 0 lies -low / scale steps above it.


def parameters(low, high):
    """Scale (float) and zero point (int, -128 to 127) for numbers between low and high."""
    low, high = min(low, 0.0), max(high, 0.0)
    scale = (high - low) / 255
    return scale, round(-128 - low / scale)


# %% task: cut
# What is above the end is cut to it first, and is then a whole number of steps.
candidates = np.linspace(0.1, 1.0, 46) * tail.max()


def mean_square_error(x, high, codes):
    """Mean squared error of x >= 0, quantised from 0 to high."""
    step = high / (codes - 1)
    back = np.rint(np.minimum(x, high) / step) * step
    return ((back - x) ** 2).mean()


best_of_256 = min(candidates, key=lambda high: mean_square_error(tail, high, 256))
best_of_16 = min(candidates, key=lambda high: mean_square_error(tail, high, 16))

# %% task: channels
# The last axis is the channels; the others are looked through for the largest magnitude.


def scales_of(weights, per_channel):
    """An array of scales: one for each channel, or of length 1 for all channels together."""
    axes = tuple(range(weights.ndim - 1)) if per_channel else None
    return np.atleast_1d(np.abs(weights).max(axis=axes)) / 127


def _error(scales):
    return ((np.rint(weights / scales) * scales - weights) ** 2).mean()


times_larger = _error(scales_of(weights, False)) / _error(scales_of(weights, True))

# %% task: multiplier
# A fraction that rounds up to 2^31 is halved, and the shift makes up for it.
import math


def split(factor):
    """Multiplier and shift, both int, of a factor above 0."""
    fraction, shift = math.frexp(factor)
    multiplier = math.floor(fraction * 2**31 + 0.5)
    if multiplier == 2**31:
        multiplier, shift = 2**30, shift + 1
    return multiplier, shift

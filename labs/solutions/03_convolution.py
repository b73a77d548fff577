"""Solutions of lab 03."""

# %% task: taps
# A tap outside of the image is left out: the padding's code is the zero point, and adds 0.


def sum_of_products(x, w, row, column, channel, zero_point):
    """The sum over the taps that lie inside of the image."""
    total = 0
    for i in range(3):
        for j in range(3):
            r, c = row + i - 1, column + j - 1
            if 0 <= r < x.shape[0] and 0 <= c < x.shape[1]:
                total += (int(x[r, c]) - zero_point) * int(w[channel, i, j, 0])
    return total


# %% task: factor
# In double precision throughout: the factor decides all bits of the multiplier.
factors = [float(image.scale) * float(s) / float(out.scale) for s in weights.quantization.scale]

# %% task: high-mul
# 2^30 is one half of 2^31. The shift rounds down, so that halves go up.


def high_mul(a, b):
    """a * b / 2^31 to the nearest, halves up; ints."""
    return (a * b + (1 << 30)) >> 31


# %% task: divide
# Without the sign, up is away from zero. For n = 0 nothing is added: (1 << 0) >> 1 is 0.


def divide_by_power(x, n):
    """x / 2^n to the nearest, halves away from zero; ints, n >= 0."""
    size = (abs(x) + (1 << n >> 1)) >> n
    return size if x >= 0 else -size


# %% task: layer
# The clamp to -128 is the ReLU, since the zero point is -128.
channel_pairs = [quantize_multiplier(float(f)) for f in factors]


def layer(x):
    """Output of the first convolution, int8 [8, 8, 16], for int8 codes [8, 8]."""
    result = np.zeros((8, 8, 16), np.int8)
    for row, column, channel in np.ndindex(result.shape):
        total = sum_of_products(x, weights.data, row, column, channel, image.zero_point)
        total += int(bias.data[channel])
        pair = channel_pairs[channel]
        steps = divide_by_power(high_mul(total, pair.multiplier), -pair.shift)
        result[row, column, channel] = min(127, max(-128, steps + out.zero_point))
    return result


# %% task: once-or-twice
# With n bits behind the point after the first rounding, what lies within 2^-(n + 1) below one half
# becomes one half. Here n is 8: one sum in 512.


def once(total):
    """total * factor, rounded once, halves up."""
    bits = 31 - pair.shift
    return (total * pair.multiplier + (1 << (bits - 1))) >> bits


def twice(total):
    """total * factor as TFLM rounds it."""
    return divide_by_power(high_mul(total, pair.multiplier), -pair.shift)


how_many = sum(once(total) != twice(total) for total in range(100_000))

# %% task: kernel
# A tap is a matrix product: pixels by input channels, input channels by output channels.


def evaluate(p, arrays):
    """A convolution, stride 1, padding SAME."""
    x, w, bias = arrays.inputs
    (out,) = arrays.outputs
    _, height, width, _ = w.shape
    centred = x.astype(np.int32) - p.input_zero_point
    edges = [(0, 0)] * (x.ndim - 3) + [(height // 2,) * 2, (width // 2,) * 2, (0, 0)]
    padded = np.pad(centred, edges)
    sums = np.zeros(out.shape, np.int32) + bias
    for i in range(height):
        for j in range(width):
            shifted = padded[..., i : i + x.shape[-3], j : j + x.shape[-2], :]
            sums += shifted @ w[:, i, j, :].astype(np.int32).T
    steps = p.requantise(sums, p.multiplier, p.shift) + p.output_zero_point
    out[...] = np.clip(steps, p.low, p.high)

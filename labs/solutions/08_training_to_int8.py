"""Solutions of lab 08."""

# %% task: from-range
# 0 becomes part of the range; then low is -128 * scale off the zero point.


def from_range(low, high):
    """Scale (float) and zero point (int, -128 to 127) of int8 for numbers from low to high."""
    low, high = min(float(low), 0.0), max(float(high), 0.0)
    scale = (high - low) / 255
    return scale, round(-128 - low / scale)


# %% task: parameters
# The largest magnitude of a channel (or of all) becomes 127.


def quantise_weights(w, per_channel):
    """Weights as int8 from -127 to 127, and their scales [outputs] or [1]."""
    largest = np.abs(w).max(axis=1) if per_channel else np.abs(w).max(keepdims=True).ravel()
    scales = np.where(largest > 0, largest / 127, 1.0)
    return np.rint(w / scales[:, None]).astype(np.int8), scales


def quantise_bias(b, input_scale, weight_scales):
    """A bias as int32 [outputs]."""
    return np.rint(b / (input_scale * weight_scales)).astype(np.int32)


# %% task: build
# Each layer's input scale is the scale of the tensor that it reads.


def build(w1, b1, w2, b2, hidden_range, scores_range, per_channel=False):
    """An int8 .tflite file of the network."""
    builder = ModelBuilder(description="digits, two layers")
    graph = builder.subgraph("main")
    image = graph.input("image", (1, 64), "int8", scale=IMAGE_SCALE, zero_point=IMAGE_ZERO)
    scale, zero_point = from_range(*hidden_range)
    middle = graph.tensor("hidden", (1, len(b1)), "int8", scale=scale, zero_point=zero_point)
    layer(graph, "hidden", image, IMAGE_SCALE, w1, b1, middle, per_channel, "RELU")
    score_scale, score_zero = from_range(*scores_range)
    top = graph.tensor("scores", (1, 10), "int8", scale=score_scale, zero_point=score_zero)
    layer(graph, "scores", middle, scale, w2, b2, top, per_channel, "NONE")
    output = graph.tensor("probabilities", (1, 10), "int8", scale=1 / 256, zero_point=-128)
    graph.op("SOFTMAX", [top], [output], version=2, beta=1.0)
    graph.output(output)
    return builder.finish()


# %% task: saturated
# The lower end counts unless it is the zero point of a ReLU.


def saturated(q, zero_point, relu):
    """Share of int8 values that are at an end of the range where no ReLU has put them."""
    share = float((q == 127).mean())
    if not (relu and zero_point == -128):
        share += float((q == -128).mean())
    return share


# %% task: squared-error
# Codes counted from 0: their zero point is the lowest one, whatever int8 calls it.


def squared_error(values, top, bits):
    """Mean squared error of values in 2^bits codes that stand for 0 to top."""
    highest = 2**bits - 1
    scale = top / highest
    codes = np.clip(np.rint(values / scale), 0, highest)
    return float(((codes * scale - values) ** 2).mean())


# %% task: rescale
# A unit is a row of w1, an element of b1, and a column of w2.


def rescale(w1, b1, w2, factors):
    """The same network with hidden unit k times factors[k]: (w1, b1, w2)."""
    return w1 * factors[:, None], b1 * factors, w2 / factors

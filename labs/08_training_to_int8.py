# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 08 From training to int8
#
# A trained network is floats. The chip gets int8. In between somebody has to choose every scale
# and every zero point; usually a converter does it, and nobody looks. Here you do it by hand, all
# of it.
#
# After this lab you can
#
# - calibrate: turn the range of an activation into a scale and a zero point;
# - quantise weights and biases, with one scale or one per channel, and say when that matters;
# - write a working int8 `.tflite` file with ModelBuilder;
# - measure accuracy and saturation, and choose a range on purpose: clip a little, or round a lot;
# - make a network that is right in float and useless in int8, and mend it.
#
# **Time:** 60 minutes. **Needs:** lab 01 (scale, zero point) and lab 02 (ModelBuilder);
# scikit-learn. No board.

# %%
from pathlib import Path
from tempfile import mkdtemp

import lab
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier

from microinterp import Interpreter
from microinterp.model_builder import ModelBuilder
from microinterp.report import plots

folder = Path(mkdtemp(prefix="lab08-"))

# %% [markdown]
# ## Train
#
# The digits again, but a network so small that you can hold all of it in your head: 64 pixels, 32
# hidden units with ReLU, 10 scores. The images lie in the order of their writers: the first half
# trains, the second half tests, so nearly all test writers are new.

# %%
data = load_digits()
pixels = (data.images.reshape(-1, 64) / 16).astype(np.float32)  # 0 paper, 1 ink
train, test = slice(0, 898), slice(898, None)

network = MLPClassifier((32,), alpha=0.01, learning_rate_init=0.005, max_iter=300, random_state=0)
network.fit(pixels[train], data.target[train])
w1, w2 = (w.T.astype(np.float32) for w in network.coefs_)  # [outputs, inputs], as .tflite has them
b1, b2 = (b.astype(np.float32) for b in network.intercepts_)

# Some hidden units die in training: no image makes them more than 0. Nobody misses them.
lives = np.maximum(pixels[train] @ w1.T + b1, 0).max(axis=0) > 0.01
w1, b1, w2 = w1[lives], b1[lives], w2[:, lives]
print(
    f"{lives.sum()} of 32 hidden units live, {w1.size + w2.size + b1.size + b2.size:,} parameters"
)


def hidden(x, w1=w1, b1=b1):
    """What the hidden layer gives, in float: [n, hidden units]."""
    return np.maximum(x @ w1.T + b1, 0)


def scores(x):
    """The ten scores, in float: [n, 10]."""
    return hidden(x) @ w2.T + b2


def accuracy(found):
    """Of the test part, in percent."""
    return 100 * float((found.argmax(1) == data.target[test]).mean())


print(f"float, test part: {accuracy(scores(pixels[test])):.2f} %")

# %% [markdown]
# ## Ranges
#
# An int8 has 256 values. They are spread evenly over a range of real numbers: `real = scale * (q
# - zero_point)`. Which range? That of the numbers that occur, found by running the network on the
# training images: **calibration**.
#
# One number must be hit exactly: 0.0. It stands for padding, for what ReLU cuts off, for an absent
# feature; if 0 were rounded, every empty place would add an error. So the range is stretched to
# include 0, and 0.0 must be a step.
#
# ### Task: calibrate
#
# Write `from_range(low, high)`: a pair `(scale, zero_point)`. -128 is to stand for `low` (at most
# 0) and 127 for `high` (at least 0), as near as it gets: the scale is the width of the stretched
# range over 255, and the zero point is a whole number, rounded to the nearest.

# %% tags=["task"]
# task: from-range


def from_range(low, high):
    """Scale (float) and zero point (int, -128 to 127) of int8 for numbers from low to high."""
    raise NotImplementedError


# %% tags=["check"]
@lab.check("from-range")
def _():
    for low, high, scale, zero_point, look in (
        (-1.28, 1.27, 0.01, 0, "255 steps of 0.01; -128 stands for -1.28."),
        (0.0, 2.55, 0.01, -128, "-128 stands for 0."),
        (1.0, 2.55, 0.01, -128, "The range must include 0."),
        (-2.55, -1.0, 0.01, 127, "The range must include 0; 127 stands for it."),
        (-1.0, 3.0, 4 / 255, -64, "-128 + 1 / scale is -64.25."),
    ):
        got = from_range(low, high)
        lab.near(got[0], scale, 1e-7, look, f"the scale of {low} to {high}")
        lab.equal(int(got[1]), zero_point, look, f"the zero point of {low} to {high}")


# %% [markdown]
# For the hidden layer and the scores, on the training images:

# %%
on_train = {"hidden": hidden(pixels[train]), "scores": scores(pixels[train])}
for name, values in on_train.items():
    scale, zero_point = from_range(values.min(), values.max())
    print(f"{name}: {values.min():.2f} to {values.max():.2f}: scale {scale:.5f}, zero {zero_point}")

# %% [markdown]
# The image needs no calibration: pixels are 0 to 16 sixteenths. With a scale of 1/240 and the zero
# point -128 each of the 17 grey levels has an int8 of its own, q = 15 * pixel - 128.
#
# ## Weights and biases
#
# Weights are symmetric: zero point 0, numbers from -127 to 127. (Why not -128? Then negation stays
# within int8, and kernels can use tricks.) Either the whole layer has one scale, or each output
# channel its own: **per channel**.
#
# A bias is added to the sum of products, so it must be in the sum's unit. A product of an input
# step and a weight step stands for `input scale * weight scale`; the bias is an int32 in that
# unit.
#
# ### Task: quantise the parameters
#
# Write both functions. Weights are [outputs, inputs]; `weight_scales` is an array [outputs] if
# `per_channel`, else [1]. A channel of nothing but zeros gets the scale 1.

# %% tags=["task"]
# task: parameters


def quantise_weights(w, per_channel):
    """Weights as int8 from -127 to 127, and their scales [outputs] or [1]."""
    raise NotImplementedError


def quantise_bias(b, input_scale, weight_scales):
    """A bias as int32 [outputs]."""
    raise NotImplementedError


# %% tags=["check"]
@lab.check("parameters")
def _():
    w = np.array([[1.27, -0.5], [0.0, 0.0], [0.0127, -0.0254]], np.float32)
    q, scales = quantise_weights(w, True)
    look = "The largest magnitude of each row becomes 127."
    lab.equal(np.asarray(q), np.array([[127, -50], [0, 0], [64, -127]], np.int8), look, "weights")
    lab.equal(q.dtype.name, "int8", what="the dtype of weights")
    lab.expect(np.allclose(scales, [0.01, 1, 0.0002]), f"Scales {scales}. {look}")
    q, scales = quantise_weights(w, False)
    look = "One scale for all: 1.27 becomes 127, and 0.0127 only 1."
    wanted = np.array([[127, -50], [0, 0], [1, -3]], np.int8)
    lab.equal(np.asarray(q), wanted, look, "weights, one scale")
    lab.equal(np.shape(scales), (1,), what="the shape of the scales")
    bias = quantise_bias(np.array([1.0, -0.5], np.float32), 0.5, np.array([0.01, 0.002]))
    lab.equal(
        np.asarray(bias),
        np.array([200, -500], np.int32),
        "Steps of 0.005 and of 0.001.",
        "the bias",
    )
    lab.equal(bias.dtype.name, "int32", what="the dtype of the bias")
    bias = quantise_bias(np.array([1.0, -0.5], np.float32), 0.5, np.array([0.01]))
    lab.equal(np.asarray(bias), np.array([200, -100], np.int32), "One scale for all.", "the bias")


# %% [markdown]
# How many of the 255 codes do the weights of each hidden unit use, with one scale for all?

# %%
figure, axes = plt.subplots(figsize=(7, 2.6))
for per_channel, label in ((False, "one scale"), (True, "a scale per channel")):
    q, _ = quantise_weights(w1, per_channel)
    axes.plot(np.abs(q.astype(int)).max(axis=1), "o", label=label)
axes.set(xlabel="hidden unit", ylabel="largest code", ylim=(0, 135))
axes.legend(fontsize=8)
figure.tight_layout()

# %% [markdown]
# ## The file
#
# Now put it together. The graph is `FULLY_CONNECTED` with a fused ReLU, `FULLY_CONNECTED`,
# `SOFTMAX`. The softmax has a fixed output: scale 1/256, zero point -128.
#
# ### Task: build the model
#
# Complete `build`. It gets the parameters, the ranges of hidden layer and scores as pairs (low,
# high), and `per_channel`. Two things are missing: the quantisation of the activations, and the two
# layers. `layer` is there for you to call; look at what it wants.

# %%
IMAGE_SCALE, IMAGE_ZERO = 1 / 240, -128


def layer(graph, name, x, input_scale, w, b, output, per_channel, activation):
    """Add a FULLY_CONNECTED that writes tensor `output`."""
    weights, scales = quantise_weights(w, per_channel)
    bias = quantise_bias(b, input_scale, scales)
    bias_scales = (input_scale * scales).tolist()
    inputs = [
        x,
        graph.constant(f"{name}/weights", weights, scale=scales.tolist(), zero_point=0, axis=0),
        graph.constant(f"{name}/bias", bias, scale=bias_scales, zero_point=0),
    ]
    options = {"fused_activation_function": activation}
    graph.op("FULLY_CONNECTED", inputs, [output], version=5 if per_channel else 4, **options)


# %% tags=["task"]
# task: build


def build(w1, b1, w2, b2, hidden_range, scores_range, per_channel=False):
    """An int8 .tflite file of the network."""
    builder = ModelBuilder(description="digits, two layers")
    graph = builder.subgraph("main")
    image = graph.input("image", (1, 64), "int8", scale=IMAGE_SCALE, zero_point=IMAGE_ZERO)
    raise NotImplementedError  # first "hidden", int8 [1, len(b1)], then "scores", int8 [1, 10]
    top = image
    output = graph.tensor("probabilities", (1, 10), "int8", scale=1 / 256, zero_point=-128)
    graph.op("SOFTMAX", [top], [output], version=2, beta=1.0)
    graph.output(output)
    return builder.finish()


# %% tags=["check"]
@lab.check("build")
def _():
    ranges = [(values.min(), values.max()) for values in on_train.values()]
    made = Interpreter.from_bytes(build(w1, b1, w2, b2, *ranges))
    names = [node.name for node in made.graph.main.nodes]
    lab.equal(names, ["FULLY_CONNECTED", "FULLY_CONNECTED", "SOFTMAX"], what="the ops")
    first, second = (node.output() for node in made.graph.main.nodes[:2])
    for tensor, found in ((first, ranges[0]), (second, ranges[1])):
        scale, zero_point = from_range(*found)
        lab.near(tensor.scale, scale, 1e-6 * scale, "from_range.", f"the scale of {tensor.name}")
        lab.equal(tensor.zero_point, zero_point, "from_range.", f"the zero of {tensor.name}")
    inputs = (15 * data.images[test].reshape(-1, 1, 64) - 128).astype(np.int8)
    (found,) = made.run_batch(inputs)
    lost = accuracy(scores(pixels[test])) - accuracy(found.reshape(-1, 10))
    look = "Is a ReLU on the first layer only? Does each bias have its own input's scale?"
    lab.expect(lost < 1.5, f"int8 is {lost:.2f} percentage points worse than float. {look}")


# %% [markdown]
# Does it run like the chip? `eval` does the whole test set, and `compare` asks TFLM's own wheel.

# %%
ranges = [(values.min(), values.max()) for values in on_train.values()]
path = folder / "digits_mlp.tflite"
path.write_bytes(build(w1, b1, w2, b2, *ranges))
inputs = (15 * data.images[test].reshape(-1, 1, 64) - 128).astype(np.int8)
np.savez(folder / "test.npz", x=inputs, y=data.target[test])

print(f"float32 {accuracy(scores(pixels[test])):.2f} %, int8:\n")
lab.command("eval", path, folder / "test.npz")

# %%
lab.command("compare", path, folder / "test.npz:x", "--with", "tflm")

# %% [markdown]
# ## Saturation
#
# The ranges were those of the *training* images. A new writer may press harder: his sums leave the
# range, and all of them become 127. That is saturation: a clamp that nobody wanted.
#
# With ReLU, -128 (the real 0) is no saturation, however often it occurs. It is what ReLU is for.
#
# ### Task: saturated
#
# Write `saturated(q, zero_point, relu)`: the share (0 to 1) of int8 values that are saturated. That
# is 127, and -128 too, unless a ReLU put it there (`relu` is True and -128 is the zero point).

# %%
from microinterp.sides import open_side, places_of


def activations(model):
    """What op 0 (hidden) and op 1 (scores) write for the test images: int8 [n, units], [n, 10]."""
    places = places_of(Interpreter.from_bytes(model).prepared)[:2]
    with open_side("host", model) as side:
        seen = side.run([inputs], places)
    return [seen.tensors[place].reshape(len(inputs), -1) for place in places]


# %% tags=["task"]
# task: saturated


def saturated(q, zero_point, relu):
    """Share of int8 values that are at an end of the range where no ReLU has put them."""
    raise NotImplementedError


# %% tags=["check"]
@lab.check("saturated")
def _():
    q = np.array([-128, -128, -128, 0, 5, 127, 126, -127], np.int8)
    lab.near(saturated(q, -128, True), 1 / 8, 1e-9, "Only 127.", "with ReLU, zero point -128")
    lab.near(saturated(q, -128, False), 4 / 8, 1e-9, "Both ends.", "without ReLU")
    look = "-128 is below the zero point here: no ReLU gives that."
    lab.near(saturated(q, -100, True), 4 / 8, 1e-9, look, "with ReLU, zero point -100")


# %%
for name, q, relu in zip(
    ("hidden", "scores"), activations(path.read_bytes()), (True, False), strict=True
):
    zero_point = from_range(on_train[name].min(), on_train[name].max())[1]
    print(f"{name}: {100 * saturated(q, zero_point, relu):.3f} % of the test values saturate")

# %% [markdown]
# ## A range on purpose
#
# The range that calibration finds is ruled by its **largest** value, and that may be a single one
# of many thousands. Here is the histogram of the hidden layer.

# %%
values = on_train["hidden"]
figure, axes = plt.subplots(figsize=(7, 2.8))
axes.hist(values[values > 0], bins=120)
axes.axvline(values.max(), color="crimson", linewidth=1, linestyle="--")
axes.set(yscale="log", xlabel="value (those above 0)", ylabel="how many")
axes.set_title("hidden layer on the training images; dashed: the largest", fontsize=10)
figure.tight_layout()
print(f"{values.size:,} values, {(values > 0.8 * values.max()).sum()} of them in the top fifth")

# %% [markdown]
# Take the range smaller, and steps become finer: less rounding error for nearly all values. But the
# few above it are clipped, by a lot. Somewhere in between is the least error. Where, depends on how
# many codes there are: with 8 bits rounding costs little, with 4 bits much. **Guess** which of the
# two wants the smaller range.
#
# ### Task: the error of a range
#
# Write `squared_error(values, top, bits)`: the mean squared error that quantisation with `2^bits`
# codes does to `values`, with the range 0 to `top`. The lowest code stands for 0, the highest for
# `top`: quantise (round to the nearest, clamp), turn back into real numbers, compare.

# %% tags=["task"]
# task: squared-error


def squared_error(values, top, bits):
    """Mean squared error of values in 2^bits codes that stand for 0 to top."""
    raise NotImplementedError


# %% tags=["check"]
@lab.check("squared-error")
def _():
    x = np.array([0.0, 0.01, 0.014, 2.55, 3.55])
    look = "Errors of 0, 0, 0.004, 0 and 1 (clipped)."
    lab.near(squared_error(x, 2.55, 8), (0.004**2 + 1) / 5, 1e-6, look, "the error up to 2.55")
    wanted = (0.01**2 + 0.014**2 + 2 * 0.45**2) / 5
    look = "Steps of 1: 2.55 becomes 3, 3.55 becomes 4."
    lab.near(squared_error(x, 255.0, 8), wanted, 1e-6, look, "the error up to 255")
    look = "With 4 bits there are 16 codes, 0 to 15, and steps of 1 here."
    lab.near(squared_error(x, 15.0, 4), wanted, 1e-6, look, "the error of 4 bits up to 15")


# %%
tops = np.linspace(0.3, 1.2, 61) * values.max()
figure, axes = plt.subplots(figsize=(7, 3.2))
for bits in (8, 6, 4, 3):
    errors = [squared_error(values, top, bits) for top in tops]
    best = int(np.argmin(errors))
    axes.plot(tops, errors, label=f"{bits} bits")
    axes.plot(tops[best], errors[best], "o", color="black", markersize=4)
    clipped = int((values > tops[best]).sum())
    print(f"{bits} bits: least error with a range up to {tops[best]:.2f}, {clipped} values clipped")
axes.axvline(values.max(), color="crimson", linewidth=1, linestyle="--")
axes.set(yscale="log", xlabel="top of the range", ylabel="mean squared error")
axes.set_title("clipping to the left, rounding to the right; dots: the least error", fontsize=10)
axes.legend(fontsize=8)
figure.tight_layout()

# %% [markdown]
# And the network? Here is its accuracy in int8 with other tops for the hidden layer, and what share
# of the test values is clipped then.

# %%
for top in np.array([1, 0.75, 0.5, 0.35, 0.25, 0.15]) * values.max():
    tried = build(w1, b1, w2, b2, (0, top), ranges[1])
    (found,) = Interpreter.from_bytes(tried).run_batch(inputs)
    share = saturated(activations(tried)[0], -128, True)
    print(
        f"up to {top:.2f}: {accuracy(found.reshape(-1, 10)):.2f} %, {100 * share:.2f} % saturated"
    )

# %% [markdown]
# Half of the range, as a picture: what is beyond the end is clipped.

# %%
plots.histogram(values, values.max() / 2 / 255, -128, title="half of the range", log=True)
# %% [markdown]
# Now imagine one broken image among those that you calibrate with: a sensor glitch, with all pixels
# 40 times too bright. What does min and max make of it?

# %%
broken = np.concatenate([pixels[train], 40 * pixels[:1]])
bad_ranges = [(f(broken).min(), f(broken).max()) for f in (hidden, scores)]
bad = folder / "bad.tflite"
bad.write_bytes(build(w1, b1, w2, b2, *bad_ranges))
for name, model in (("good", path.read_bytes()), ("one broken image", bad.read_bytes())):
    (found,) = Interpreter.from_bytes(model).run_batch(inputs)
    q = activations(model)[0]
    print(f"{name:<17} {accuracy(found.reshape(-1, 10)):.2f} %,", end=" ")
    print(f"the hidden layer uses {len(np.unique(q))} of 256 codes")

# %% [markdown]
# Accuracy says little: a small network on easy images stands a lot. The codes say it at once.
#
# `report` has rules for this: it looks at what your samples do to each tensor, and tells what costs
# accuracy. Here are its findings, out of the JSON.

# %%
import json
import subprocess
import sys


def findings(model):
    """Rule and place of each finding of `microinterp report` on the test images."""
    words = ["report", str(model), "--json", "-i", f"{folder}/test.npz:x"]
    done = subprocess.run(
        [sys.executable, "-m", "microinterp", *words], capture_output=True, text=True, check=False
    )
    return [(f["rule"], f["message"]) for f in json.loads(done.stdout)["health"]]


for model in (path, bad):
    print(model.name, *findings(model) or ["no findings"], sep="\n  ")

# %% [markdown]
# ## Right in float, useless in int8
#
# Here is a trick. Multiply all weights (and the bias) of a hidden unit by 100, and divide what the
# next layer does with that unit by 100. ReLU lets positive factors through, so in float **nothing
# changes**. Training does this to you, too, if less: some units have large weights, some small.
#
# ### Task: rescale
#
# Write `rescale(w1, b1, w2, factors)`: new `(w1, b1, w2)` with hidden unit k multiplied by
# `factors[k]`, and the same function in float.

# %% tags=["task"]
# task: rescale


def rescale(w1, b1, w2, factors):
    """The same network with hidden unit k times factors[k]: (w1, b1, w2)."""
    raise NotImplementedError


# %% tags=["check"]
@lab.check("rescale")
def _():
    factors = np.logspace(-1, 1, len(b1)).astype(np.float32)
    new1, newb, new2 = rescale(w1, b1, w2, factors)
    look = "w1 has a row for each hidden unit, w2 a column."
    lab.equal((new1.shape, newb.shape, new2.shape), (w1.shape, b1.shape, w2.shape), look, "shapes")
    now = hidden(pixels[test], new1, newb)
    off = np.abs(now - hidden(pixels[test]) * factors).max()
    lab.expect(off < 1e-3, f"Hidden units are off their factor by up to {off:.3g}. {look}")
    off = np.abs(now @ new2.T + b2 - scores(pixels[test])).max()
    lab.expect(off < 1e-3, f"The scores have changed by up to {off:.3g}. {look}")


# %%
factors = np.logspace(-1.5, 1.5, len(b1)).astype(np.float32)  # from 1/32 to 32
new1, newb, new2 = rescale(w1, b1, w2, factors)
spread = [(h.min(), h.max()) for h in (hidden(pixels[train], new1, newb), on_train["scores"])]
in_float = hidden(pixels[test], new1, newb) @ new2.T + b2
print(f"float                 {accuracy(in_float):.2f} %")
for per_channel in (False, True):
    made = Interpreter.from_bytes(build(new1, newb, new2, b2, *spread, per_channel))
    (found,) = made.run_batch(inputs)
    kind = "a scale per channel" if per_channel else "one scale"
    print(f"int8, {kind:<20}{accuracy(found.reshape(-1, 10)):.2f} %")

# %% [markdown]
# A scale per channel mends the weights of the first layer. It cannot mend everything: the *hidden
# activations* still share one scale, and the small units drown in it. What would mend those? (The
# function `rescale` is also the cure: choose the factors so that all hidden units have the same
# largest value. That is called cross-layer equalisation.)

# %%
largest = hidden(pixels[train], new1, newb).max(axis=0)
level = largest.max() / largest
equal1, equalb, equal2 = rescale(new1, newb, new2, level)
spread = [(h.min(), h.max()) for h in (hidden(pixels[train], equal1, equalb), on_train["scores"])]
for per_channel in (False, True):
    made = Interpreter.from_bytes(build(equal1, equalb, equal2, b2, *spread, per_channel))
    (found,) = made.run_batch(inputs)
    kind = "a scale per channel" if per_channel else "one scale"
    print(f"equalised, int8, {kind:<20}{accuracy(found.reshape(-1, 10)):.2f} %")

# %% [markdown]
# ## With a real board
#
# The file that you have written is an ordinary `.tflite` file: `microinterp board deploy` takes it,
# and so does the C++ of TFLM. Old firmware may refuse FULLY_CONNECTED with a scale per channel (it
# came late): `microinterp ops FULLY_CONNECTED` tells what each type needs.
#
# examples/digits has the convolutional network of the other labs, trained and quantised the same
# way: `quantise.py` is 140 lines, and you have now written most of them.
#
# ## To go on with
#
# - The test part was used here to choose nothing. Which choices did you nearly make with it?
# - Quantise the weights to 4 bits (-7 to 7). How much accuracy is lost with one scale, and how much
#   with one per channel?
# - Train with a hidden layer of 8 units. Float loses some accuracy; does int8 lose more, or less?

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
# # 01 Numbers
#
# A microcontroller runs a network in bytes: weights, images and activations are whole numbers from
# -128 to 127. Yet the network was trained with real numbers. What stands between the two is one
# scale and one zero point for each tensor, and a few roundings. This lab is about them.
#
# After this lab you can
#
# - read a quantised tensor as real numbers, and write real numbers as codes, to the bit;
# - say how large the error is, inside the range and outside of it;
# - choose scale and zero point for a range, and say when it pays to cut the range off;
# - turn a real factor into the integer and the shift that a chip multiplies with.
#
# **Time:** 50 minutes. **Needs:** Python and NumPy; nothing of machine learning, and no board.
#
# A cell marked `# task:` is yours. The cell below it checks your work: it says `solved`, or what it
# wanted, what it got, and where to look.

# %%
import lab
import matplotlib.pyplot as plt
import numpy as np

from microinterp import Interpreter
from microinterp.report import plots

digits = lab.digits()
model = Interpreter.from_file(digits.path)

# %% [markdown]
# ## What the chip sees
#
# The model reads handwritten digits of 8 x 8 pixels. On the left is an image as people see it, on
# the right the numbers that go into the network.

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.6), layout="constrained")
left.imshow(digits.images[3, :, :, 0], cmap="gray_r")
codes = digits.inputs[3, 0, :, :, 0]
right.imshow(codes, cmap="gray_r", alpha=0.25)
for (y, x), code in np.ndenumerate(codes):
    right.text(x, y, code, ha="center", va="center", fontsize=8)
for axes in (left, right):
    axes.set(xticks=[], yticks=[])

# %% [markdown]
# A code is not a brightness. What a code stands for is written in the model, beside the tensor: a
# **scale** and a **zero point**.

# %%
details = model.get_input_details(0)
scale = float(details["quantization_parameters"]["scales"][0])
zero_point = int(details["quantization_parameters"]["zero_points"][0])
print(details["name"], details["shape"], details["dtype"], "scale", scale, "zero point", zero_point)

# %% [markdown]
# $$\text{real} = \text{scale} \cdot (\text{code} - \text{zero point})$$
#
# The zero point is the code of the real number 0. What does -128 stand for here? And 112, the code
# of the blackest pixel?
#
# ### Task: from codes to real numbers
#
# Mind the type: `codes` are int8, and int8 minus int8 is int8 again in NumPy. What is -128 - 100
# then?

# %% tags=["task"]
# task: real-of


def real_of(codes, scale, zero_point):
    """The real numbers, as float64, that an array of int8 codes stands for."""
    raise NotImplementedError


# %% tags=["check"]
@lab.check("real-of")
def _():
    got = real_of(np.array([-128, 0, 112], np.int8), 0.5, 100)
    lab.equal(got, np.array([-114.0, -50.0, 6.0]), "Widen the codes before you subtract.")
    got = real_of(digits.inputs, scale, zero_point)
    lab.expect(
        bool(np.allclose(got[:, 0], digits.images / 16)), "The images should be ink from 0 to 1."
    )


# %% [markdown]
# ## Rounding: which way does one half go?
#
# Back again: divide by the scale, round, add the zero point. Rounding sounds harmless. What do you
# expect of these?

# %%
halves = np.array([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5])
print("number           ", halves)
print("Python's round() ", [round(h) for h in halves])
print("np.rint          ", np.rint(halves))
print("floor(x + 0.5)   ", np.floor(halves + 0.5))

# %% [markdown]
# Two answers for one question, and neither of them is that of C's `round()`, which TFLM uses where
# it quantises: **to the nearest, halves away from zero**. 2.5 becomes 3, and -2.5 becomes -3. If
# your PC rounds in another way than your chip, one code in many is off by one, and one such code
# can change an answer.
#
# ### Task: rounding as C does it
#
# It takes an array of real numbers. One trap: `floor(x + 0.5)` of the largest number below one half
# is 1, since the sum itself is rounded. Compare what is cut off with one half instead.

# %% tags=["task"]
# task: round-half


def round_half_away(x):
    """x rounded to whole numbers, halves away from zero; an array of float64."""
    raise NotImplementedError


# %% tags=["check"]
@lab.check("round-half")
def _():
    lab.equal(round_half_away(halves), np.array([-3.0, -2.0, -1.0, 1.0, 2.0, 3.0]), "See above.")
    below = np.nextafter(0.5, 0)
    wanted = np.array([0.0, 0.0, 7.0, -7.0])
    got = round_half_away(np.array([below, -below, 7.0, -7.0]))
    lab.equal(got, wanted, "The first two are a hair's breadth from one half.")
    many = np.random.default_rng(1).uniform(-300, 300, 1000)
    lab.equal(round_half_away(many), np.rint(many), "No halves here: all roundings agree.")


# %% [markdown]
# ## From real numbers to codes
#
# A code must lie between -128 and 127. What is beyond is set to the end: that is **saturation**.
#
# ### Task: quantise
#
# Divide, round as C does, add the zero point, saturate, and make it int8. Order matters: a number
# must be saturated before it becomes int8, or 300 becomes 44.

# %% tags=["task"]
# task: quantise


def quantise(x, scale, zero_point):
    """The int8 codes of an array of real numbers."""
    raise NotImplementedError


# %% [markdown]
# The check asks the authority: a model with one op, QUANTIZE, run as TFLM runs it.


# %% tags=["check"]
@lab.check("quantise")
def _():
    from microinterp.model_builder import ModelBuilder

    def chip(x, scale, zero_point):
        builder = ModelBuilder()
        graph = builder.subgraph()
        real = graph.input("real", x.shape, "float32")
        code = graph.tensor("code", x.shape, "int8", scale=scale, zero_point=zero_point)
        graph.op("QUANTIZE", [real], [code])
        graph.output(code)
        one = Interpreter.from_bytes(builder.finish())
        one.set_input(x, 0)
        one.invoke()
        return one.get_output(0)

    numbers = np.arange(-600, 600, dtype=np.float32) / 4
    got = quantise(numbers, 0.5, 10)
    lab.equal(got, chip(numbers, 0.5, 10), "Halves away from zero; saturate at both ends.")
    lab.expect(got.dtype == np.int8, f"Codes are int8, yours are {got.dtype}.")
    images = (digits.images[:100] / 16).astype(np.float32)
    wanted = chip(images, scale, zero_point)
    lab.equal(quantise(images, scale, zero_point), wanted, "", "images")


# %% [markdown]
# ## How wrong is a code?
#
# Here is what the network computes last but one, ten scores, over 200 images: the codes below, the
# real numbers above, and the shaded range that 256 codes can stand for.

# %%
from microinterp.health.recording import record_uses

uses = record_uses(model, [digits.inputs[:200]])
scores = next(use for use in uses if use.tensor.name == "scores")
plots.histogram(scores)
print("scale", float(scores.tensor.scale), "zero point", scores.tensor.zero_point)

# %% [markdown]
# ### Task: the error
#
# Let a real number be quantised as a score, and made real again.
#
# 1. `worst_inside`: how far from the number can the result be, if the number lies inside the range?
# 2. `largest`: which is the largest real number that a score can be?
# 3. `error_of_ten`: how far is the result from the number, if the number is 10?

# %% tags=["task"]
# task: error
worst_inside = ...
largest = ...
error_of_ten = ...


# %% tags=["check"]
@lab.check("error")
def _():
    step, zero = float(scores.tensor.scale), scores.tensor.zero_point
    for got, wanted, look in (
        (worst_inside, step / 2, "Rounding goes to the nearest code: how far can that be?"),
        (largest, step * (127 - zero), "The real number of the code 127."),
        (error_of_ten, 10 - step * (127 - zero), "10 saturates."),
    ):
        lab.expect(isinstance(got, (int, float, np.number)), "Three numbers are wanted.")
        lab.expect(abs(float(got) - wanted) < 1e-6, f"{got:.6g} is not it. {look}")


# %% [markdown]
# Inside the range an error is at most half a step; outside it has no bound. A wide range makes
# steps coarse, a narrow one cuts. Everything about quantisation is this trade.
#
# ## Choosing a range
#
# Someone has measured that an activation lies between `low` and `high`. 256 codes have 255 steps
# between them. And one thing more: **0 must have a code of its own, without error**. Why? A
# convolution pads its image with zeros, and a ReLU makes half of all numbers 0. If 0 were off by a
# third of a step, all of these would be off, all in the same direction.
#
# ### Task: parameters of a range
#
# - Stretch the range so that 0 lies in it.
# - The scale is the width in steps of 255.
# - The zero point is the code at which 0 comes to lie, if `low` has the code -128. Make it a whole
#   number; it decides where the range really ends.

# %% tags=["task"]
# task: range


def parameters(low, high):
    """Scale (float) and zero point (int, -128 to 127) for numbers between low and high."""
    raise NotImplementedError


# %% tags=["check"]
@lab.check("range")
def _():
    for low, high, wanted_scale, wanted_zero in (
        (0.0, 255.0, 1.0, -128),
        (-128.0, 127.0, 1.0, 0),
        (-51.0, 0.0, 0.2, 127),
        (2.0, 5.1, 0.02, -128),
        (-3.0, -1.0, 3 / 255, 127),
    ):
        got_scale, got_zero = parameters(low, high)
        what = f"parameters({low}, {high})"
        lab.near(got_scale, wanted_scale, 1e-9, "Is 0 in your range?", f"the scale of {what}")
        lab.equal(got_zero, wanted_zero, "Where does 0 lie?", f"the zero point of {what}")
        lab.expect(isinstance(got_zero, (int, np.integer)), "A zero point is a whole number.")
    own = parameters(*(float(scores.tensor.scale) * (q - 13) for q in (-128, 127)))
    lab.near(own[0], float(scores.tensor.scale), 1e-6, "", "the scale of the scores")
    lab.equal(own[1], 13, "", "the zero point of the scores")


# %% [markdown]
# ## Does it pay to cut?
#
# Activations have long tails: most are small, a few are large. A range up to the largest wastes
# most codes on numbers that hardly ever come. Here are the outputs of the network's third
# convolution, from the float model, and three ranges for them.

# %%
floats = Interpreter.from_file(digits.float_path, preserve_all_tensors=True)
node = next(n for n in floats.graph.nodes() if n.output().name == "pointwise_2")
tail = []
for image in digits.images[:100]:
    floats.set_input((image[None] / 16).astype(np.float32), 0)
    floats.invoke()
    tail.append(floats.get_tensor(node.output().index).ravel())
tail = np.concatenate(tail).astype(np.float64)

figure, rows = plt.subplots(1, 3, figsize=(13, 3.2), layout="constrained")
for axes, high in zip(rows, (tail.max(), tail.max() / 2, tail.max() / 4), strict=True):
    title = f"0 to {high:.2f}"
    plots.histogram(tail, high / 255, -128, title=title, log=True, ax=axes)

# %% [markdown]
# Which of the three would you take? Guess before you compute. And would you take the same one if
# there were only 16 codes, as in int4?
#
# ### Task: the best cut
#
# For a range from 0 to `high` with `codes` codes (256 or 16), the step is `high / (codes - 1)`.
# Each number goes to the nearest step, numbers above `high` to `high`. Write the mean of the
# squared errors, and find by it the best of the `candidates` for 256 codes and for 16.

# %% tags=["task"]
# task: cut
candidates = np.linspace(0.1, 1.0, 46) * tail.max()


def mean_square_error(x, high, codes):
    """Mean squared error of x >= 0, quantised from 0 to high."""
    raise NotImplementedError


best_of_256 = ...
best_of_16 = ...


# %% tags=["check"]
@lab.check("cut")
def _():
    toy = np.array([0.0, 0.4, 1.0, 3.0, 8.0])
    look = "Steps of 1: errors 0, 0.4, 0, 0, and 5 above the end."
    lab.near(mean_square_error(toy, 3.0, 4), (0.16 + 25) / 5, 1e-9, look)
    for got, codes in ((best_of_256, 256), (best_of_16, 16)):
        lab.expect(isinstance(got, (float, np.floating)), "Two of the candidates are wanted.")
        errors = [mean_square_error(tail, each, codes) for each in candidates]
        wanted = float(candidates[int(np.argmin(errors))])
        look = f"The candidate with the smallest error for {codes} codes."
        lab.expect(abs(got - wanted) < 1e-9, f"{got:.3f} is not it. {look}")


# %%
figure, axes = plt.subplots(figsize=(7, 3), layout="constrained")
for count, colour in ((256, "#0072b2"), (16, "#d55e00")):
    errors = [mean_square_error(tail, each, count) for each in candidates]
    axes.semilogy(candidates, errors, "o-", ms=3, color=colour, label=f"{count} codes")
axes.set(xlabel="end of the range, real number", ylabel="mean squared error")
axes.legend()
plt.show()

# %% [markdown]
# The fewer codes there are, the more it pays to cut: coarse steps hurt everywhere, cutting hurts
# few. `microinterp report` judges ranges from your samples, and says where they cut too much.
#
# ## One scale, or one for each channel?
#
# Weights are known before anything runs, so their ranges need no guess. But each channel of a
# filter has a range of its own: here is how far from 0 each of the 32 channels of a layer of the
# float model goes. With one scale for all, the largest of them says how coarse the steps of
# the smallest are.

# %%
layer = next(n for n in floats.graph.nodes() if n.output().name == "depthwise_2")
weights = layer.input(1).data[0].astype(np.float64)  # [3, 3, channels]
reach = np.abs(weights).max(axis=(0, 1))
figure, axes = plt.subplots(figsize=(8, 2.4), layout="constrained")
axes.bar(np.arange(len(reach)), np.sort(reach))
axes.set(xlabel="channels, by reach", ylabel="largest weight")
plt.show()

# %% [markdown]
# ### Task: scales of weights
#
# Weights have the zero point 0 and codes from -127 to 127, so the scale is the largest magnitude
# in steps of 127. Write the scales of weights `[height, width, channels]` for both ways. (No
# channel of this layer is all zeros, so no scale is 0.) Then say how many times larger the mean
# squared error of the rounded weights is with one scale for all. Halves are rare here: `np.rint`
# will do.

# %% tags=["task"]
# task: channels


def scales_of(weights, per_channel):
    """An array of scales: one for each channel, or of length 1 for all channels together."""
    raise NotImplementedError


times_larger = ...


# %% tags=["check"]
@lab.check("channels")
def _():
    toy = np.array([[[1.27, -0.5], [0.2, 0.254]]])
    look = "The largest magnitude has the code 127 or -127."
    for per_channel, wanted in ((True, [0.01, 0.5 / 127]), (False, [0.01])):
        got = np.asarray(scales_of(toy, per_channel))
        what = f"scales_of([height, width, 2], {per_channel})"
        lab.equal(got.shape, (len(wanted),), "", f"the shape of {what}")
        for at, want in enumerate(wanted):
            lab.near(got[at], want, 1e-12, look, f"scale {at} of {what}")

    def error(scales):
        return float(np.mean((np.rint(weights / scales) * scales - weights) ** 2))

    ratio = error(scales_of(weights, False)) / error(scales_of(weights, True))
    lab.expect(isinstance(times_larger, (float, np.floating)), "One number is wanted.")
    look = "Divide the error with one scale by the error with many; both over all weights."
    lab.expect(abs(times_larger - ratio) < 1e-6 * ratio, f"{times_larger:.4g} is not it. {look}")


# %% [markdown]
# That is why converters write a scale for each channel of a convolution's weights, and why a chip
# has a multiplier for each of them. Activations have one scale for all: their channels meet in one
# sum, and there a scale of its own for each would not come out as one factor.
#
# ## A factor without a float
#
# Between two tensors stands a real factor: a sum of products has the scale *input scale times
# weight scale*, and must come to the *output scale*. Many microcontrollers have no fast floats, so
# the factor is turned into integers once, before anything runs:
#
# $$\text{factor} \approx \text{multiplier} \cdot 2^{\text{shift} - 31}, \qquad 2^{30} \le
# \text{multiplier} < 2^{31}$$
#
# The multiplier uses all 31 bits that an int32 has beside its sign.
#
# ### Task: multiplier and shift
#
# `math.frexp(x)` gives a fraction from 0.5 up to 1 and an exponent, with x = fraction * 2^exponent.
# The fraction, times 2^31 and rounded, is nearly the multiplier. Nearly: what if it rounds up to
# 2^31?

# %% tags=["task"]
# task: multiplier
import math


def split(factor):
    """Multiplier and shift, both int, of a factor above 0."""
    raise NotImplementedError


# %% tags=["check"]
@lab.check("multiplier")
def _():
    from microinterp.quant.params import quantize_multiplier

    for factor in (0.5, 1.0, 0.75, 0.002183139, 1 / 3, 300.7, 1 - 2.0**-40):
        multiplier, shift = split(factor)
        what = f"the multiplier of {factor!r}"
        lab.expect(2**30 <= multiplier < 2**31, f"{what} is {multiplier}, not below 2^31.")
        back = multiplier * 2.0 ** (shift - 31)
        lab.near(back, factor, factor * 2.0**-31, "Is the shift right?", f"factor {factor!r}")
        lab.equal(multiplier, quantize_multiplier(factor).multiplier, "Round.", what)


# %% [markdown]
# And how good is it? The error of a factor is at most one part in 2^31, far below the steps of a
# code. Yet in a sum of many thousands even that can tip a rounding: lab 03 computes a byte with it,
# and lab 05 finds the runtimes that do it another way.
#
# ## With a real board
#
# Nothing changes: these are the chip's numbers. What may change is the cost. A Cortex-M0+ has no
# float unit and no long multiply, so it takes four multiplications and several shifts for what a
# Cortex-M4 does in one instruction.
#
# ## To go on
#
# - Weights have zero point 0 and codes from -127 to 127. What becomes simpler in the sum of
#   products if a zero point is 0? And why is -128 left out?
# - Weights of a convolution have a scale for each output channel. Load `digits_int8.tflite` and
#   compare these scales: by what factor do the steps of the smallest and the largest differ?
# - `microinterp inspect` and `microinterp report` warn of ranges that saturate or that are hardly
#   used. Look up the rules in docs/health.md: which of them could you compute now?

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
# # 03 One convolution by hand
#
# How does the chip come to one byte of one layer? Nine products, a bias, a multiplication by a
# large integer, two roundings, a clamp. In this lab you compute that byte, then a whole layer, and
# in the end the network runs your code in place of its own, and every byte is the same.
#
# After this lab you can
#
# - compute any element of an int8 convolution, from the taps to the byte;
# - say why padding adds nothing to a sum, and what the scale of a bias is;
# - multiply by a real factor with integers alone, rounding as TensorFlow Lite Micro (TFLM) does;
# - write a kernel in Python and register it.
#
# **Time:** 60 minutes. **Needs:** lab 01 (scale, zero point, multiplier and shift); no board.

# %%
import lab
import matplotlib.pyplot as plt
import numpy as np

from microinterp import Interpreter

digits = lab.digits()
it = Interpreter.from_file(digits.path, preserve_all_tensors=True)
conv = it.graph.main.nodes[0]
image, weights, bias, out = conv.input(0), conv.input(1), conv.input(2), conv.output()
for tensor in (image, weights, bias, out):
    print(f"{tensor.name:<14} {tensor}")

# %% [markdown]
# The first op is a 3 x 3 convolution with 16 output channels, stride 1, padding SAME: the output
# has the size of the image. Each output channel looks for one small pattern. Here are the 16,
# darker where more ink makes the sum larger, redder where ink makes it smaller.

# %%
figure, rows = plt.subplots(2, 8, figsize=(10, 2.8), layout="constrained")
for channel, axes in enumerate(rows.flat):
    axes.imshow(weights.data[channel, :, :, 0], cmap="RdGy", vmin=-127, vmax=127)
    axes.set(title=channel, xticks=[], yticks=[])

# %% [markdown]
# ## The sum
#
# We look at image 0, and at the output in row 4, column 3, channel 2. It is a sum over the 3 x 3
# pixels around row 4, column 3:
#
# $$\text{sum} = \sum_{i, j} (\text{pixel} - \text{zero point of the image}) \cdot \text{weight}$$
#
# Weights have the zero point 0. Why is it subtracted from pixels, and what would go wrong without?
#
# At the edge of the image some of the nine pixels do not exist. Padding stands for the *real*
# number 0, whose code is the zero point, so such a tap adds 0. Not -128, and not 0 minus the zero
# point!
#
# ### Task: the taps
#
# Return the sum for any row, column and channel. `x` are the codes, int8 [8, 8]; `w` are all
# weights, int8 [16, 3, 3, 1]. Take Python ints, `int(x[r, c])`: they never overflow.

# %% tags=["task"]
# task: taps


def sum_of_products(x, w, row, column, channel, zero_point):
    """The sum over the taps that lie inside of the image."""
    raise NotImplementedError


# %% tags=["check"]
@lab.check("taps")
def _():
    ones = np.ones((16, 3, 3, 1), np.int8)
    flat = np.full((8, 8), 2, np.int8)
    got = sum_of_products(flat, ones, 3, 3, 0, -1)
    lab.equal(got, 27, "Nine taps of (2 - -1) * 1.", "the sum in the middle")
    got = sum_of_products(flat, ones, 0, 0, 0, -1)
    lab.equal(got, 12, "Four taps in a corner.", "the sum in a corner")
    x = digits.inputs[0, 0, :, :, 0]
    got = sum_of_products(x, weights.data, 4, 3, 2, image.zero_point)
    lab.equal(got, 5340, "Row 4, column 3: pixels from row 3 to 5, column 2 to 4.", "our sum")


# %% [markdown]
# ## What the sum stands for
#
# A product of a pixel and a weight stands for the real number product times *image scale times
# weight scale*. So does the sum, so must the bias, or the two could not be added; that is the
# bias' scale. Weights have a scale for each output channel, so biases have, too.
#
# The output has a scale of its own. From a sum to output steps there is one factor:
#
# $$\text{factor} = \frac{\text{image scale} \cdot \text{weight scale}}{\text{output scale}}$$
#
# ### Task: the factor
#
# One factor for each of the 16 channels, as Python floats. The scales are `image.scale`,
# `weights.quantization.scale` (16 of them) and `out.scale`. They are float32 in the file; TFLM
# multiplies them in double precision. So turn each into a `float` *before* you multiply.

# %% tags=["task"]
# task: factor
factors = ...


# %% tags=["check"]
@lab.check("factor")
def _():
    lab.expect(isinstance(factors, (list, tuple, np.ndarray)), "A list of 16 numbers is wanted.")
    lab.equal(len(factors), 16, "One for each channel.", "the number of factors")
    from microinterp.kernels.filters import channel_factors as theirs

    wanted = theirs(conv, 16, 0)
    for channel, (got, exact) in enumerate(zip(factors, wanted, strict=True)):
        look = "float(scale) first: float32 times float32 is float32, and rounded."
        lab.equal(float(got), exact, look, f"the factor of channel {channel}")


# %% [markdown]
# ## Two roundings
#
# Lab 01 turned a factor into multiplier and shift. For channel 2 they are:

# %%
from microinterp.kernels.filters import channel_factors
from microinterp.quant.params import quantize_multiplier

pair = quantize_multiplier(channel_factors(conv, 16, 0)[2])  # 16 channels, along axis 0
print("multiplier", pair.multiplier, "shift", pair.shift)

# %% [markdown]
# The product of sum and multiplier has up to 62 bits. TFLM keeps the upper half of it, and rounds
# **twice**:
#
# 1. `high_mul(a, b)`: a * b / 2^31, to the nearest whole number, **halves up** (towards plus
#    infinity), also for negative numbers;
# 2. `divide_by_power(x, n)`: x / 2^n to the nearest, **halves away from zero**; n is -shift.
#
# Both in integers. In Python `x >> n` is x / 2^n rounded *down*, for negative x too: -3 >> 1 is -2.
# So what must be added before the shift, to round to the nearest with halves up?
#
# ### Task: the first rounding

# %% tags=["task"]
# task: high-mul


def high_mul(a, b):
    """a * b / 2^31 to the nearest, halves up; ints."""
    raise NotImplementedError


# %% tags=["check"]
@lab.check("high-mul")
def _():
    for a, b, wanted in (
        (17315, 1200193495, 9677),
        (2**31 - 1, 2**30, 2**30),
        (1, 2**30, 1),
        (-1, 2**30, 0),
        (-3, 2**30, -1),
        (3, 2**30, 2),
        (-100, 2**31 - 1, -100),
    ):
        lab.equal(high_mul(a, b), wanted, "Add one half, then cut.", f"high_mul({a}, {b})")


# %% [markdown]
# ### Task: the second rounding
#
# Halves away from zero: -5 / 2 is -3. The same sum and shift as before gives -2 there. What do you
# do with the sign?

# %% tags=["task"]
# task: divide


def divide_by_power(x, n):
    """x / 2^n to the nearest, halves away from zero; ints, n >= 0."""
    raise NotImplementedError


# %% tags=["check"]
@lab.check("divide")
def _():
    for x, n, wanted in (
        (9677, 8, 38),
        (5, 1, 3),
        (-5, 1, -3),
        (-3, 1, -2),
        (7, 0, 7),
        (-7, 2, -2),
    ):
        look = "Put the sign aside; n may be 0."
        lab.equal(divide_by_power(x, n), wanted, look, f"divide_by_power({x}, {n})")


# %% [markdown]
# ## The byte
#
# Now all is there: sum, bias, factor, two roundings. The output's zero point is added, and the
# result is **clamped**. To -128 and 127? This layer has a ReLU: nothing below the real number 0,
# whose code is the zero point. Here that is -128, so the clamp of int8 does the ReLU for free. This
# is why the zero point of a ReLU's output should be -128.
#
# ### Task: the whole layer
#
# Return the layer's output, int8 [8, 8, 16], for the codes `x` of an image. `channel_pairs` has
# multiplier and shift of each channel; no shift is above 0 here. It is 9,216 multiplications: plain
# loops are fine.

# %% tags=["task"]
# task: layer
channel_pairs = [quantize_multiplier(float(f)) for f in factors] if factors is not ... else []


def layer(x):
    """Output of the first convolution, int8 [8, 8, 16], for int8 codes [8, 8]."""
    raise NotImplementedError


# %% tags=["check"]
@lab.check("layer")
def _():
    for number in (0, 7):
        it.set_input(digits.inputs[number], 0)
        it.invoke()
        wanted = it.get_tensor(out.index)[0]
        got = layer(digits.inputs[number, 0, :, :, 0])
        look = "Sum, bias.data[channel], high_mul, divide_by_power(., -shift), zero point, clamp."
        lab.equal(got, wanted, look, f"the layer of image {number}")


# %% [markdown]
# Every byte of it. Compare with what `microinterp explain` says of our element: it opens any
# element of any op in this way, and never prints a number that the interpreter does not compute.

# %%
images = digits.path.with_name("test_images.npz")
lab.command(
    *("explain", digits.path, "--op", 0, "--index", "0,4,3,2"),
    *("--input", f"{images}:images", "--image-range", "0:15.9375"),
)

# %% [markdown]
# Look at the line of the factor and at the bits below each rounding. Two roundings are not as good
# as one: what the first one has rounded up to exactly one half, the second one rounds up again.
# TFLM can be built with a single rounding (`TFLITE_SINGLE_ROUNDING`), and then some bytes differ.
#
# ### Task: how many?
#
# One rounding: sum * multiplier / 2^(31 - shift) to the nearest, halves up. Take multiplier and
# shift of channel 2, `pair`. Of all the sums from 0 to 99,999, how many come to another number with
# one rounding than with two?

# %% tags=["task"]
# task: once-or-twice
how_many = ...


# %% tags=["check"]
@lab.check("once-or-twice")
def _():
    from microinterp.quant.fixedpoint_ref import multiply_double, multiply_single

    found = [
        multiply_double(x, pair.multiplier, pair.shift)
        != multiply_single(x, pair.multiplier, pair.shift)
        for x in range(100_000)
    ]
    look = "Where sum * multiplier / 2^(31 - shift) ends in .5 minus a little."
    lab.answer(how_many, sum(found), look, "how_many")


# %% [markdown]
# About one in five hundred, and always by one. Such a byte now and then is what people see when "PC
# and chip disagree". Lab 05 hunts them.
#
# ## Your own kernel
#
# A kernel of `microinterp` is two functions. `prepare` runs once, when the model is loaded: it
# checks, and folds all scales into integers. `evaluate` runs at every invoke and only computes.
# Here is `prepare` for convolutions like ours; you write `evaluate`.
#
# This model has three CONV_2D, one of 3 x 3 and two of 1 x 1, with 1, 16 and 32 input channels.
# Your code will run all of them, in place of the package's.

# %%
from dataclasses import dataclass
from typing import Any

import tflite

from microinterp.kernels import default_registry
from microinterp.kernels.common import activation_range, multipliers_of
from microinterp.kernels.filters import channel_factors
from microinterp.prepare import Kernel
from microinterp.registry import Op


@dataclass(frozen=True)
class Params:
    """All that evaluate needs: integers and a function."""

    input_zero_point: int
    output_zero_point: int
    multiplier: np.ndarray  # one for each output channel
    shift: np.ndarray
    requantise: Any  # (int32 sums, multiplier, shift) -> int32 steps, rounded as on the chip
    low: int  # clamp
    high: int


def prepare(node, context):
    """Check, and fold scales into integers."""
    x, w, out = node.input(0), node.input(1), node.output()
    node.require(x.type_name == w.type_name == "int8", "takes int8 only", x)
    node.require(x.shape[1:3] == out.shape[1:3], "takes stride 1 and padding SAME only", out)
    pairs = multipliers_of(node, channel_factors(node, out.shape[-1], 0), 30)
    options = node.options(tflite.Conv2DOptions)
    low, high = activation_range(node, options.FusedActivationFunction(), out)
    requantise = context.profile.requantise(node.name)
    parameters = Params(
        x.zero_point, out.zero_point, pairs.multiplier, pairs.shift, requantise, low, high
    )
    return Kernel(evaluate, parameters)


# %% [markdown]
# ### Task: evaluate
#
# `arrays.inputs` are x [..., rows, columns, c], w [o, kh, kw, c] and bias [o]; the result goes
# *into* `arrays.outputs[0]`, [..., rows, columns, o]. `run_batch` puts one more axis in front, so
# count axes from the right: `x.shape[-3]` are the rows.
#
# Widen before you subtract. One way without loops over pixels: pad x - zero point with zeros by
# kh // 2 rows and kw // 2 columns on each side; for each tap take the shifted image and multiply it
# by that tap's weights, `shifted @ w[:, i, j, :].T`; add up.

# %% tags=["task"]
# task: kernel


def evaluate(p, arrays):
    """A convolution, stride 1, padding SAME."""
    raise NotImplementedError


# %% tags=["check"]
@lab.check("kernel")
def _():
    registry = default_registry().with_op(Op("CONV_2D", prepare, ("int8",)))
    mine = Interpreter.from_file(digits.path, registry=registry, preserve_all_tensors=True)
    it.set_input(digits.inputs[0], 0)
    it.invoke()
    mine.set_input(digits.inputs[0], 0)
    mine.invoke()
    for node in it.graph.nodes():
        if node.name == "CONV_2D":
            got, wanted = (each.get_tensor(node.output().index) for each in (mine, it))
            lab.equal(got, wanted, "", f"what op {node.index} writes")
    (got,), (wanted,) = (each.run_batch(digits.inputs[:50]) for each in (mine, it))
    lab.equal(got, wanted, "One sample is right: count axes from the right.", "a batch")


# %% [markdown]
# You have written an operator that computes what TFLM computes. The whole way to operators of your
# own, with their scratch memory and state, is in docs/custom_ops.md.
#
# ## With a real board
#
# The same numbers, in another order. A Cortex-M4 multiplies two pairs of 16-bit numbers in one
# instruction; CMSIS-NN and this project's Thumb kernels arrange weights for it. They fold the zero
# point of the image into the bias beforehand, so that the inner loop has no subtraction.
#
# ## To go on
#
# - (x - z) * w summed up is the sum of x * w minus z times the sum of w. For a 1 x 1 convolution,
#   fold z into the bias and compare. What about 3 x 3, where taps in the padding add nothing?
# - `microinterp explain` takes any op. Explain an element of the AVERAGE_POOL_2D, and one of the
#   SOFTMAX. Which of the two could you do with a pencil?
# - A profile names a rounding: `Interpreter.from_file(path, profile="single")`. How many of the
#   bytes of the first layer differ, over all test images? Does the count agree with your answer?

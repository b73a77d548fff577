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
# # 05 PC or chip
#
# You have a model that is right on your PC and a board that prints other numbers. Who is wrong?
# Often nobody: the runtime on the PC and the one on the chip round differently.
#
# After this lab you can
#
# - count in how many bytes two runtimes differ, and by how much;
# - find the first op in which they differ, and tell an op that computes differently from one that
#   has only been given other numbers;
# - compute a byte with three kinds of rounding, and say in advance how often they disagree;
# - name the cause of a difference, also where it is a mistake in somebody's firmware.
#
# **Time:** 50 minutes. **Needs:** lab 01 (scale, zero point) and lab 03 (from the sum to the
# byte); LiteRT and TFLM's wheel (`pip install 'microinterp[labs]'`, Linux x86-64). No board.

# %%
import lab
import matplotlib.pyplot as plt
import numpy as np

from microinterp import Interpreter
from microinterp.report import plots
from microinterp.sides import open_side, places_of

digits = lab.digits()
model, images = digits.model, digits.inputs
print(images.shape, images.dtype)

# %% [markdown]
# ## The same file, two runtimes
#
# `microinterp` computes what TensorFlow Lite Micro (TFLM) computes on the chip. LiteRT is what
# `pip` brings to a PC. Both have the same methods here, so one function runs either, on one image.

# %%
from ai_edge_litert.interpreter import Interpreter as LiteRt

from microinterp.litert import Interpreter as Chip


def scores(kind, image):
    runtime = kind(model_content=model)
    runtime.allocate_tensors()
    runtime.set_tensor(runtime.get_input_details()[0]["index"], image)
    runtime.invoke()
    return runtime.get_tensor(runtime.get_output_details()[0]["index"])[0]


number = 32
print("label", digits.labels[number])
print("PC  ", scores(LiteRt, images[number]))
print("chip", scores(Chip, images[number]))

# %% [markdown]
# That is one image. Before you go on, **guess**: the test set has 899 images with 10 scores each.
# In how many of these 8,990 bytes will the two differ? In none, in one of a hundred, in half?
#
# A *side* is a runtime that runs many samples and also tells what each op has written.

# %%
places = places_of(Interpreter.from_bytes(model).prepared)  # (subgraph, op, tensor) of each op


def everything(name):
    """Outputs [899, 10], and what each op has written, by the op's number."""
    with open_side(name, model) as side:
        seen = side.run([images], places)
    ops = {op: seen.tensors[0, op, tensor] for _, op, tensor in places}
    return seen.outputs[0].reshape(len(images), -1), ops


chip_scores, chip = everything("host")
pc_scores, pc = everything("litert")

# %% [markdown]
# ### Task: count the differences
#
# Write `differing(a, b)` for two int8 arrays of one shape: how many elements differ, and the
# largest difference in steps. Two ints, as a tuple.
#
# One trap is waiting: what is `np.int8(-128) - np.int8(127)`?

# %% tags=["task"]
# task: differing


def differing(a, b):
    """How many elements of two int8 arrays differ, and the largest difference in steps."""
    raise NotImplementedError


# %% tags=["check"]
@lab.check("differing", look="An int8 holds -128 to 127. Widen both before you subtract.")
def _():
    a = np.array([[0, 5, -128], [127, 1, 1]], np.int8)
    b = np.array([[0, 7, 127], [-128, 1, 1]], np.int8)
    lab.equal(differing(a, a), (0, 0), what="differing(a, a)")
    lab.equal(differing(a, b), (3, 255), "An int8 cannot hold a difference of 255.", "a against b")
    lab.equal(differing(b, a), (3, 255), what="b against a")


# %%
count, largest = differing(chip_scores, pc_scores)
print(f"{count} of {chip_scores.size} bytes of the scores differ, by up to {largest} steps")
for name, found in (("chip", chip_scores), ("PC", pc_scores)):
    print(f"{name}: {(found.argmax(1) == digits.labels).sum()} of {len(images)} images right")
print("images with another answer:", (chip_scores.argmax(1) != pc_scores.argmax(1)).sum())
plots.error_elements(chip_scores, pc_scores, title="scores, PC against chip")
# %% [markdown]
# So it is not a disaster; the network still reads digits. But if your firmware's test says "these
# ten bytes, and no others", a test vector from the PC makes it fail, and you look for a bug that is
# not there.
#
# Who is right? The chip's runtime decides what the chip computes, so a third witness is asked:
# TFLM's own C++ code, in its Python wheel.

# %%
wheel_scores, wheel = everything("tflm")
print("microinterp against TFLM's wheel:", differing(chip_scores, wheel_scores))

# %% [markdown]
# ## The first op
#
# Outputs are the end of a chain of ten ops. A difference in the first op is handed to the second,
# and so on. The question is where it **begins**.
#
# ### Task: find the first op
#
# `chip` and `pc` are dicts: the op's number, and the array [899, ...] that it has written. Write
# `first_difference(ours, theirs)`: the number of the first op in which any element differs, or
# None. A side need not tell every op: leave out those that are in one dict only.

# %% tags=["task"]
# task: first-op


def first_difference(ours, theirs):
    """Number of the first op that has written something else, or None."""
    raise NotImplementedError


# %% tags=["check"]
@lab.check("first-op", look="A side need not tell every op: take those that both tell.")
def _():
    lab.expect(first_difference(chip, chip) is None, "Two equal sides have no first difference.")
    late = {op: array.copy() for op, array in chip.items()}
    late[6][-1].flat[-1] ^= 1
    lab.equal(first_difference(chip, late), 6, "One byte of the last sample was changed.")
    backwards = {op: late[op] for op in reversed(late) if op != 3}
    look = "Dicts need not be sorted, and op 3 is told by one side only."
    lab.equal(first_difference(chip, backwards), 6, look)


# %%
for name in ("tflm", "litert-ref", "litert-noxnn", "litert"):
    _, other = everything(name)
    first = first_difference(chip, other)
    print(f"{name:<14}", "equal" if first is None else f"first difference in op {first}")

# %% [markdown]
# Three times LiteRT, and three answers:
#
# - `litert` is LiteRT as it comes: the library XNNPACK computes nearly everything;
# - `litert-noxnn` is LiteRT's own fast kernels;
# - `litert-ref` is its reference kernels, written as TFLM's are, but for one op.
#
# ## Who did it, and who only passed it on?
#
# `compare` runs every op a second time: our op, *given what the other side's op was given*. If the
# two agree then, the op has only passed on what came in. In the table, `differing` counts all,
# `by itself` only what the op has done.

# %%
from microinterp.compare import compare

with open_side("litert", model) as side:
    against_litert = compare(model, side, [images])
print(f"{'op':>2} {'name':<18} {'elements':>9} {'differing':>9} {'by itself':>9}  largest")
for row in against_litert.rows:
    print(
        f"{row.index:>2} {row.name:<18} {row.elements:>9,} {row.differing:>9,}"
        f" {row.isolated_differing:>9,}  {row.max_difference:.0f}"
    )

# %% [markdown]
# ### Task: who did it?
#
# From `against_litert.rows`, make the list of the numbers of all ops that differ **by themselves**.
# Before you do: MAX_POOL_2D takes the largest of four numbers. Can it round?

# %% tags=["task"]
# task: who-did-it
guilty = ...

# %% tags=["check"]
lab.check(
    "who-did-it",
    lambda: guilty == [row.index for row in against_litert.rows if row.isolated_differing],
    "A list of ints, in their order. Which column of the table tells what an op has done itself?",
)

# %%
plots.error_against(against_litert)
# %% [markdown]
# Pooling and RESHAPE move numbers and are innocent. What is left has a multiplier: a sum in int32
# is brought to an int8, and must be rounded.
#
# ## Three ways to round
#
# In lab 03 you took a sum to a byte. Here are the sums of op 0 for all images and, for each output
# channel, the multiplier and the shift that stand for the real factor
# `input scale * weight scale / output scale`. All shifts of this layer go to the right.

# %%
node = Interpreter.from_bytes(model).graph.main.nodes[0]
x, weights, bias = node.inputs
padded = np.pad(images[:, 0].astype(np.int64) - x.zero_point, ((0, 0), (1, 1), (1, 1), (0, 0)))
filters = weights.data.astype(np.int64)  # [16, 3, 3, 1]
sums = bias.data + sum(
    padded[:, i : i + 8, j : j + 8] * filters[:, i, j, 0] for i in range(3) for j in range(3)
)
factors = np.float64(x.scale) * weights.quantization.scale / np.float64(node.output().scale)

from microinterp.quant.params import quantize_multiplier

folded = [quantize_multiplier(factor) for factor in factors.tolist()]
multipliers = [each.multiplier for each in folded]
right = [-each.shift for each in folded]
print("sums", sums.shape, "from", sums.min(), "to", sums.max())
for c in (0, 5, 15):
    print(f"channel {c}: factor {factors[c]:.9f} = {multipliers[c]:,} / 2^(31 + {right[c]})")

# %% [markdown]
# TFLM (and CMSIS-NN, as it is usually built) rounds **twice**: first the product with the
# multiplier is rounded to a whole number after division by 2^31, then that number is rounded
# after division by 2^n, n being the right shift. Why? Arm's vector units have an instruction for
# each half, and the rule was made for them.
#
# A build with `TFLITE_SINGLE_ROUNDING` divides by 2^(31 + n) and rounds **once**.
#
# XNNPACK does not use integers at all: it turns the sum into a **float32**, multiplies it by a
# float32 factor, and rounds to the nearest whole number; a half goes to the even one.
#
# ### Task: three roundings
#
# Write all three, for one sum as an int. `twice` and `once` must not use a float. You may take it
# that sums and multipliers are not negative here (a ReLU follows; what is negative becomes 0
# anyway). `in_float32` gets the real factor.

# %% tags=["task"]
# task: three-roundings


def twice(total, multiplier, n):
    """total * multiplier / 2^(31 + n), rounded after 2^31 and again after 2^n; halves go up."""
    raise NotImplementedError


def once(total, multiplier, n):
    """total * multiplier / 2^(31 + n), rounded once; halves go up."""
    raise NotImplementedError


def in_float32(total, factor):
    """float32(total) * float32(factor), to the nearest whole number, halves to the even one."""
    raise NotImplementedError


# %% tags=["check"]
@lab.check("three-roundings")
def _():
    from microinterp.quant.fixedpoint_ref import multiply_double, multiply_single

    lab.equal(twice(10, 1 << 30, 1), 3, "10 / 2 is 5, and 5 / 2 is 2.5: up.", "twice(10, 2^30, 1)")
    lab.equal(once(9, 1 << 30, 1), 2, "9 / 4 is 2.25.", "once(9, 2^30, 1)")
    lab.equal(twice(9, 1 << 30, 1), 3, "9 / 2 is 4.5: up to 5; then 2.5: up.", "twice(9, 2^30, 1)")
    look = "To add half of the divisor before a right shift is to round, halves up."
    rng = np.random.default_rng(5)
    for total, m, n in zip(
        rng.integers(0, 1 << 20, 500).tolist(),
        rng.integers(1 << 30, 1 << 31, 500).tolist(),
        rng.integers(0, 12, 500).tolist(),
        strict=True,
    ):
        lab.equal(twice(total, m, n), multiply_double(total, m, -n), look, f"{total, m, n} twice")
        lab.equal(once(total, m, n), multiply_single(total, m, -n), look, f"{total, m, n} once")
    look = "np.float32 both factors before you multiply; np.rint takes halves to the even number."
    lab.equal(float(in_float32(5, 0.5)), 2.0, look, "5 * 0.5")
    lab.equal(float(in_float32(7, 0.5)), 4.0, look, "7 * 0.5")
    lab.equal(float(in_float32(16777217, 1.0)), 16777216.0, look, "16777217, in float32")


# %% [markdown]
# Now take every element in which LiteRT differs from the chip in op 0, and see whose bytes your
# functions give. The output's zero point is -128, and ReLU lets nothing below it.

# %%
theirs, ours = pc[0][:, 0], chip[0][:, 0]
places_apart = np.argwhere(theirs != ours)
right_guesses = np.zeros(3, int)
for place in map(tuple, places_apart):
    total, c = int(sums[place]), place[-1]
    right_guesses[0] += max(twice(total, multipliers[c], right[c]) - 128, -128) == ours[place]
    right_guesses[1] += max(once(total, multipliers[c], right[c]) - 128, -128) == theirs[place]
    right_guesses[2] += max(in_float32(total, factors[c]) - 128, -128) == theirs[place]
print(f"of {len(places_apart)} differing bytes of op 0")
print(f"  rounding twice gives {right_guesses[0]} of the chip's")
print(f"  rounding once gives {right_guesses[1]} of the PC's, float32 {right_guesses[2]}")
place = tuple(places_apart[0])
c = place[-1]
exact = sums[place] * multipliers[c] / 2 ** (31 + right[c])
print(f"\nfor example {list(map(int, place))}: {sums[place]:,} * factor = {exact:.6f}")
print(f"  PC {int(theirs[place]) + 128}, chip {int(ours[place]) + 128} steps above the zero point")

# %% [markdown]
# Look at the example. The exact number is below a half, and the chip still rounds it **up**. Is
# that always so? Here are the digits behind the point of all these elements.

# %%
fractions = np.array(
    [
        sums[tuple(p)] * multipliers[p[-1]] / 2 ** (31 + right[p[-1]]) % 1
        for p in places_apart  # which element it is: image, row, column, channel
    ]
)
figure, axes = plt.subplots(figsize=(7, 2.6))
for n in sorted({right[c] for c in places_apart[:, -1]}):
    mine = [f for f, p in zip(fractions, places_apart, strict=True) if right[p[-1]] == n]
    axes.plot(mine, np.full(len(mine), n), "|", markersize=14)
axes.axvline(0.5, color="black", linewidth=1)
axes.set(xlabel="fraction of the exact result", ylabel="right shift n", title="where they differ")
axes.set_yticks(sorted(set(right)))
axes.set_ylim(min(right) - 1, max(right) + 1)
figure.tight_layout()

# %% [markdown]
# All differences lie in a narrow window below one half, and the window depends on the shift. Why?
# The first rounding moves the number by up to half of its last bit. That last bit is worth 2^-n of
# a step. If it carries the number **to** one half, the second rounding carries it over.
#
# ### Task: the window
#
# Write `window(n)` for n of 1 or more: the smallest fraction, as a float, that two roundings take
# up. Try n = 1 by hand: which is the smallest fraction that becomes 1 if you round to halves first,
# and then to whole numbers?

# %% tags=["task"]
# task: window


def window(n):
    """The smallest fraction that goes up if it is rounded to n bits first, n being 1 or more."""
    raise NotImplementedError


# %% tags=["check"]
@lab.check("window")
def _():
    look = "Bits behind the point: n. Half of the last one's worth is what the first rounding adds."
    for n in (1, 2, 5, 8, 11):
        edge = window(n) * (1 << (31 + n))  # times a factor of 2^-(31 + n)
        lab.expect(edge == int(edge) >= 1, f"window({n}) is {window(n)}. {look}")
        below, at = (twice(int(edge) + i, 1, n) for i in (-1, 0))
        lab.equal((below, at), (0, 1), look, f"just below window({n}), and at it, two roundings")


# %% [markdown]
# ### Task: how many?
#
# The window tells you how many differences to expect before you run anything. Suppose that the
# fractions of the results are spread evenly over [0, 1). Only results above 0 count: ReLU makes
# all others equal. How many elements of op 0 should then differ? `sums` has one channel in each
# `sums[..., c]`, with the shift `right[c]`.

# %% tags=["task"]
# task: how-many
expected = ...


# %% tags=["check"]
@lab.check("how-many")
def _():
    wanted = sum(float((sums[..., c] > 0).sum()) * 2.0 ** -(n + 1) for c, n in enumerate(right))
    look = "What share of [0, 1) is a channel's window? Which of its sums can fall into it?"
    given = expected if expected is ... else round(float(expected), 3)
    lab.answer(given, round(wanted, 3), look, "expected")


# %%
print(f"expected {expected:.0f}, LiteRT differs in {len(places_apart)} elements of op 0")

# %% [markdown]
# The size is right, the number is not. Are the fractions not spread evenly? Look at one channel:
# how often does its commonest sum occur, and what in the images does it come from? Count every sum
# of a channel once, whatever the number of pixels that have it, and predict again.

# %%
values, counts = np.unique(sums[..., 1], return_counts=True)
print(f"channel 1: the sum {values[counts.argmax()]:,} occurs {counts.max():,} times")
once_each, met = 0.0, 0
for c, n in enumerate(right):
    values = np.unique(sums[..., c])
    once_each += (values > 0).sum() * 2.0 ** -(n + 1)
    met += len(np.unique(sums[tuple(places_apart[places_apart[:, 3] == c].T)]))
print(f"different sums: expected {once_each:.1f} that differ, met {met}")

# %% [markdown]
# The chip's rounding is no bug either, and not worse by anything that you would see in accuracy: it
# is a rule, and the PC has another one.
#
# ## Let the tool name it
#
# What you did by hand, `compare` does with every cause that it knows: it runs the op again with
# that cause in it, and names it only if **all** bytes come out.

# %%
from pathlib import Path
from tempfile import mkdtemp

folder = Path(mkdtemp(prefix="lab05-"))
np.save(folder / "images.npy", images)
lab.command("compare", digits.path, folder / "images.npy", "--with", "litert")

# %% [markdown]
# ## Three boards with a problem
#
# Three colleagues have ported the digits model to boards of their own, in C. Each has let it print
# a dump of 120 images (a few lines of `printf`; docs/compare.md has the format). All three say
# "something is wrong".

# %%
# This cell makes the three dumps. Do not look for the answers here; look at the dumps.
from base64 import b64decode

from microinterp.compare import Account, Told
from microinterp.compare.sources import write_dump


def dump(name, side_model, profile, fed):
    with open_side("host", side_model, profile) as side:
        seen = side.run([fed], places)
    told = {place: Told(array) for place, array in seen.tensors.items()}
    account = Account(name, f"{name}'s board", len(fed), [some], [Told(seen.outputs[0])], told)
    with open(folder / f"{name}.txt", "w") as file:
        write_dump(file, Interpreter.from_bytes(model).prepared, account, [some])


def hidden(text):
    return b64decode(text).decode()


some = images[:120]
ANNA, BEN, CARLA = "c2luZ2xlLXJvdW5kaW5n", "Ymlhcy1sZWZ0LW91dA==", "aW5wdXQtbGF0ZQ=="
last = Interpreter.from_bytes(model).graph.main.nodes[5].inputs[2].data
dump("anna", model, "single", some)
dump("ben", model.replace(last.tobytes(), bytes(last.nbytes)), "tflm", some)
dump("carla", model, "tflm", np.concatenate([np.full_like(some[:1], -128), some[:-1]]))
print(sorted(path.name for path in folder.glob("*.txt")))
print((folder / "anna.txt").read_text()[:300])

# %%
lab.command("compare", digits.path, "--with", folder / "anna.txt")

# %% [markdown]
# ### Task: what has happened?
#
# Find out what is wrong on each of the three boards. Before you believe the tool, look at its
# table: which op is the first to differ, by how many steps, in how many elements? A rounding is off
# by one step here and there. What would a mistake look like?
#
# Put the name of the cause (in square brackets where `compare` prints it, or in the table of
# docs/compare.md) into the dict. If several causes give all bytes, take the one that explains most
# of the ops.

# %% tags=["task"]
# task: three-boards
diagnosis = {"anna": ..., "ben": ..., "carla": ...}


# %% tags=["check"]
@lab.check("three-boards", look="Run lab.command as above for ben.txt and carla.txt.")
def _():
    for name, secret in (("anna", ANNA), ("ben", BEN), ("carla", CARLA)):
        look = f"Compare with {name}.txt and read what is said of the cause."
        lab.answer(diagnosis[name], hidden(secret), look, f"your diagnosis for {name}")


# %% [markdown]
# One of the three has no mistake in the code at all, only another build option. Which one? And what
# would you tell the other two?
#
# ## With a real board
#
# Nothing changes but where the numbers come from. A MicroPython board is a side like the others:
# `open_side("board:/dev/ttyACM0", model)` once the model is deployed (lab 06), or `microinterp
# compare MODEL --with board`. Firmware in C prints a dump; `examples/tflm_dump` has the few lines.
# On a Cortex-M with CMSIS-NN compare in the profile that speaks for it: `--profile cmsis-nn`.
#
# ## To go on with
#
# - The differing elements of op 5 *by themselves* are few, but the op differs in many more. Where
#   do those come from, and why are they more than in op 0?
# - `litert-noxnn` differs in FULLY_CONNECTED only. `compare --with litert-noxnn` names the cause.
#   It also rounds twice. What does it do with negative numbers that TFLM does not?
# - Golden outputs for a chip should come from TFLM or from here. Would you accept "at most two
#   steps off" as a test of your firmware instead? Which of the three boards would pass it?

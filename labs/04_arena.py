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
# # 04 The arena
#
# "How big must my arena be?" is the question that users of TensorFlow Lite Micro (TFLM) ask most.
# Most try numbers until it works. The answer can be computed: all tensors of a network share one
# array of bytes, and who lies where is decided before anything runs. In this lab you compute it.
#
# After this lab you can
#
# - work out from when to when each tensor is alive, and how many bytes that makes at the worst op;
# - place tensors as TFLM does, to the byte, and find a better placing;
# - read an arena's picture, and see which op to change;
# - say what a PAD costs, and what the arena holds beside tensors.
#
# **Time:** 45 minutes. **Needs:** nothing of the labs before; no board.

# %%
from itertools import permutations

import lab
import matplotlib.pyplot as plt
import numpy as np

from microinterp import Interpreter
from microinterp.model_builder import ModelBuilder
from microinterp.report import plots

digits = lab.digits()
it = Interpreter.from_file(digits.path)
nodes = list(it.graph.nodes())


def moving(tensors):
    """Numbers of the tensors that lie in the arena: constants stay in flash."""
    return [t.index for t in tensors if t is not None and not t.is_constant]


model_input = it.graph.main.inputs[0].index
model_output = it.graph.main.outputs[0].index
ops = [(moving(node.inputs), moving(node.outputs)) for node in nodes]
size = {t.index: t.nbytes for t in it.graph.main.tensors if not t.is_constant}
for number, (node, (reads, writes)) in enumerate(zip(nodes, ops, strict=True)):
    print(f"op {number} {node.name:<18} reads {reads} writes {writes}")
print("bytes", size)

# %% [markdown]
# All of it together: how many bytes would the tensors need if each had a place of its own? Nobody
# needs that many. When op 3 runs, the image has been forgotten long ago.
#
# ## Alive
#
# A tensor is **alive** from the op that writes it to the last op that reads it, both included: an
# op must not write over what it still reads. Two special ones:
#
# - the model's input is written by the application, before the first op: say at op -1;
# - the model's output is read by the application: it must live until the last op at least.
#
# ### Task: lifetimes

# %% tags=["task"]
# task: lifetimes


def lifetimes(ops, model_input, model_output):
    """For each tensor's number the first and the last op at which it is alive: {number: (f, l)}."""
    raise NotImplementedError


# %% tags=["check"]
@lab.check("lifetimes")
def _():
    toy = [([0], [1]), ([1], [2]), ([1, 2], [3])]
    look = "Tensor 1 is read twice; the input is there at -1."
    wanted = {0: (-1, 0), 1: (0, 2), 2: (1, 2), 3: (2, 2)}
    lab.equal(lifetimes(toy, 0, 3), wanted, look, "a chain with a shortcut")
    late = [([0], [1]), ([0], [2])]
    lab.equal(lifetimes(late, 0, 1)[1], (0, 1), "It must not be overwritten.", "an early output")
    placed = it.arena.plan.placed  # TFLM counts from 0 for the input, from 1 for the first op
    wanted = {p.request.tensor[1]: (p.request.first - 1, p.request.last - 1) for p in placed}
    lab.equal(
        lifetimes(ops, model_input, model_output), wanted, "", "lifetimes of the digits model"
    )


# %% [markdown]
# ## The bound
#
# TFLM begins each tensor at a multiple of 16 bytes, so each takes its size rounded up to one. What
# is alive at one op must lie in the arena side by side: the op with the most bytes alive gives a
# bound that no placing can beat.
#
# Which op is it in this model? Guess from the table above, then compute.
#
# ### Task: the peak

# %% tags=["task"]
# task: peak


def peak(lives, size):
    """The most bytes alive at once, and the op at which they are: (bytes, op)."""
    raise NotImplementedError


# %% tags=["check"]
@lab.check("peak")
def _():
    got = peak({0: (-1, 0), 1: (0, 2), 2: (1, 2)}, {0: 100, 1: 10, 2: 33})
    lab.equal(got, (128, 0), "112 + 16 at op 0, 16 + 48 at op 1.", "the peak of a toy")
    got = peak(lifetimes(ops, model_input, model_output), size)
    plan = it.arena.plan
    lab.equal(got[0], plan.lower_bound, "Round each size up to 16.", "bytes at the peak")
    lab.equal(nodes[got[1]].name, "CONV_2D", "Which op is fullest?", "the op at the peak")


# %%
plots.arena_map(it)
plt.show()

# %% [markdown]
# A bar is a tensor: as wide as its life, as high as its bytes, at the address where TFLM puts it.
# Nothing overlaps. The outlined ones are alive at the peak. The plan is as good as the bound here:
# head and peak are the same. That is not always so.
#
# ## Placing
#
# TFLM places greedily. It takes the tensors by falling size (of equal sizes the one with the larger
# number first), and puts each at the lowest place where it fits: in a gap between those placed
# before it that are alive at the same time, or on top of them.
#
# ### Task: as TFLM does it
#
# `place(order, lives, size)` puts the tensors into the arena in a given order. Return the offsets.
# For each tensor, look only at those placed before whose life touches its own. Walk through them by
# rising offset and remember the first free byte; stop where the gap is large enough.
#
# `greedy_order(size)` is the order above.

# %% tags=["task"]
# task: greedy


def rounded(n):
    """n rounded up to a multiple of 16."""
    return -(-n // 16) * 16


def greedy_order(size):
    """Numbers of the tensors, in the order in which TFLM places them."""
    raise NotImplementedError


def place(order, lives, size):
    """{number: offset}: each at the lowest gap that is free for its whole life."""
    raise NotImplementedError


# %% tags=["check"]
@lab.check("greedy")
def _():
    lab.equal(
        greedy_order({0: 16, 1: 64, 2: 64}), [2, 1, 0], "Equal sizes: 2 before 1.", "the order"
    )
    lives = {0: (0, 1), 1: (1, 2), 2: (0, 2), 3: (3, 3)}
    got = place([0, 1, 2, 3], lives, {0: 32, 1: 64, 2: 10, 3: 5})
    wanted = {0: 0, 1: 32, 2: 96, 3: 0}
    lab.equal(got, wanted, "3 is alone at its op; 2 meets 0 and 1.", "places of a toy")
    lives = {0: (0, 0), 1: (0, 2), 2: (2, 2), 3: (2, 2)}
    got = place([0, 1, 2, 3], lives, {0: 64, 1: 32, 2: 32, 3: 48})
    wanted = {0: 0, 1: 64, 2: 0, 3: 96}
    lab.equal(got, wanted, "3 does not fit under 1: only 32 bytes are left.", "places with a gap")
    lives = lifetimes(ops, model_input, model_output)
    got = place(greedy_order(size), lives, size)
    lab.equal(got, dict(it.arena.offsets), "", "offsets of the digits model")


# %% [markdown]
# These are the addresses on the chip, all of them, before it is even bought.
#
# ## When greed does not pay
#
# Here are the first layers of a network for a small camera: a colour image, and then what most
# networks for images do, channels up and rows down.


# %%
def network(*layers, shape):
    """A chain of ops: (kernel size, stride, channels) of convolutions, or "PAD"."""
    rng = np.random.default_rng(4)
    builder = ModelBuilder()
    graph = builder.subgraph()
    at = graph.input("image", shape, "int8", scale=0.1, zero_point=0)
    for number, layer in enumerate(layers):
        _, rows, columns, channels = shape
        if layer == "PAD":
            shape = (1, rows + 2, columns + 2, channels)
            edges = graph.constant("edges", np.array([[0, 0], [1, 1], [1, 1], [0, 0]], np.int32))
            out = graph.tensor("padded", shape, "int8", scale=0.1, zero_point=0)
            graph.op("PAD", [at, edges], [out])
            at = out
            continue
        kernel, stride, filters = layer
        is_padded = number > 0 and layers[number - 1] == "PAD"
        lost = kernel - 1 if is_padded else 0
        shape = (1, -(-(rows - lost) // stride), -(-(columns - lost) // stride), filters)
        values = rng.integers(-127, 128, (filters, kernel, kernel, channels)).astype(np.int8)
        weights = graph.constant("weights", values, scale=[0.01], zero_point=0)
        bias = graph.constant("bias", np.zeros(filters, np.int32), scale=[0.001], zero_point=0)
        out = graph.tensor(f"layer_{number}", shape, "int8", scale=0.1, zero_point=0)
        padding = "VALID" if is_padded else "SAME"
        graph.op(
            "CONV_2D", [at, weights, bias], [out], padding=padding, stride_w=stride, stride_h=stride
        )
        at = out
    graph.output(at)
    return builder.finish()


camera = Interpreter.from_bytes(
    network((3, 2, 8), (1, 1, 8), (1, 1, 16), (3, 2, 16), shape=(1, 32, 32, 3))
)
plots.arena_map(camera)
plt.show()
print("bound", camera.arena.plan.lower_bound, "head", camera.arena.head_bytes)

# %% [markdown]
# A third more than needed. Look at the picture: the largest tensor came first and took the floor,
# and what came later had to climb. `place` does not care in which order you hand it the tensors.
#
# ### Task: a better order
#
# Find an order of the five tensors that `place` turns into an arena as small as the bound. There
# are 120 orders; `permutations` lists them.

# %%
camera_nodes = list(camera.graph.nodes())
camera_ops = [(moving(node.inputs), moving(node.outputs)) for node in camera_nodes]
camera_size = {t.index: t.nbytes for t in camera.graph.main.tensors if not t.is_constant}
first, last = camera.graph.main.inputs[0].index, camera.graph.main.outputs[0].index
print(camera_size)

# %% tags=["task"]
# task: better-order
better_order = ...


# %% tags=["check"]
@lab.check("better-order")
def _():
    lab.expect(isinstance(better_order, (list, tuple)), "A list of the tensors' numbers is wanted.")
    lab.equal(sorted(better_order), sorted(camera_size), "Each number once.", "your list, sorted")
    lives = lifetimes(camera_ops, first, last)
    offsets = place(better_order, lives, camera_size)
    end = max(offsets[i] + rounded(camera_size[i]) for i in offsets)
    lab.equal(end, camera.arena.plan.lower_bound, "Try all orders.", "the end of your arena")


# %%
plots.arena_map(Interpreter.from_bytes(camera.graph.model.data, planner="best"))
plt.show()

# %% [markdown]
# 120 orders are few; fifty tensors have more orders than a computer can try, so the planner `best`
# of `microinterp` searches, and stops at the bound. TFLM can use what it finds: `microinterp plan
# MODEL --planner best --embed OUT.tflite` writes the offsets into the file, and TFLM obeys them.
#
# ## What a PAD costs
#
# PyTorch pads before it convolves, and its exporters write that down: a PAD, then a convolution
# without padding. TensorFlow lets the convolution pad by itself (SAME). The results are the same.
#
# ### Task: the price
#
# An image of 16 x 16 pixels with 8 channels goes through a 3 x 3 convolution with 16 output
# channels, stride 1. Once with SAME, once with a PAD that makes it 18 x 18 before. By how many
# bytes is the second arena larger? Use a pencil: which tensors are alive at each op?

# %% tags=["task"]
# task: pad
pad_costs = ...


# %% tags=["check"]
@lab.check("pad")
def _():
    shape = (1, 16, 16, 8)
    plain, padded = (
        Interpreter.from_bytes(network(*layers, shape=shape)).arena.head_bytes
        for layers in (((3, 1, 16),), ("PAD", (3, 1, 16)))
    )
    look = "At the convolution: the padded image and the output. What was alive there without PAD?"
    lab.answer(pad_costs, padded - plain, look, "pad_costs")


# %%
with_pad = network("PAD", (3, 1, 16), shape=(1, 16, 16, 8))
figure, pair = plt.subplots(1, 2, figsize=(12, 4), layout="constrained")
for axes, passes in zip(pair, ("none", ["fold-pad"]), strict=True):
    found = Interpreter.from_bytes(with_pad, passes=passes)
    plots.arena_map(found, title=f"passes {passes}: {found.arena.head_bytes:,} bytes", ax=axes)

# %% [markdown]
# On the right, a memory pass has put the PAD into the convolution's windows again. In a real model
# the padded image is often the very peak.
#
# ## The rest of the arena
#
# What you have computed is the **head** of TFLM's arena: tensors and scratch. From the other end
# grows the **tail**: TFLM's own structs for tensors and ops, multipliers of each channel,
# variables. It depends on the chip, since structs and kernels do.
#
# ### Task: the tail
#
# `target_sizes` tells the sizes on a build of TFLM; the target below is a Cortex-M4 with CMSIS-NN.
# `used_bytes` is what `arena_used_bytes()` says there, head and tail. Scratch buffers of CMSIS-NN
# count to the head, so take the head from there, too, not from the picture. How many bytes is the
# tail of the digits model? And which of its parts (`categories`, by name) is the largest?

# %%
from microinterp.arena.target import target_sizes

on_chip = target_sizes(it.prepared, it.arena.plan, "cortex-m-cmsis-nn-dsp")
print([name for name in dir(on_chip) if not name.startswith("_")])

# %% tags=["task"]
# task: tail
tail = ...
largest_part = ...


# %% tags=["check"]
@lab.check("tail")
def _():
    sizes = target_sizes(it.prepared, it.arena.plan, "cortex-m-cmsis-nn-dsp")
    look = "What is used, less the target's head."
    lab.answer(tail, sizes.used_bytes - sizes.head_bytes, look, "the tail")
    inside = {k: v for k, v in sizes.categories.items() if k not in ("activations", "scratch")}
    look = "Activations and scratch are the head; look at the others."
    lab.answer(largest_part, max(inside, key=inside.get), look, "the largest part")


# %%
lab.command("plan", digits.path, "--target", "cortex-m-cmsis-nn-dsp")

# %% [markdown]
# For a small model the tail is nearly as large as the head. The largest part of it are multipliers
# and shifts: two int32 for each output channel of each layer.
#
# ## With a real board
#
# On MicroPython boards the arena is a `bytearray` in MicroPython's heap, with the same offsets.
# TFLM's structs do not exist there; a packed model keeps what it needs in flash where the port can
# map it. Lab 07 asks which board holds what.
#
# ## To go on
#
# - `microinterp plan MODEL --html out.html` makes a page of the picture, with every buffer. Find
#   the peak of a model of your own. Which layer would you change?
# - `microinterp plan MODEL --regions fast=4K,slow=64K` splits the head over two memories. Which
#   tensors should lie in the fast one?
# - A RESHAPE copies its input to its output in TFLM. What would the digits model save if it did
#   not? (`passes=["in-place"]`)

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
# # 07 Does it fit?
#
# A network for a camera, a drawer full of boards. Which of them can run it? And if one is 15 kB
# short: buy a larger one, train a smaller network, or compute in another order?
#
# After this lab you can
#
# - say what a model needs on a chip: arena, flash, heap, and which of them is short;
# - work out the peak of the arena with a pencil, and see which op makes it;
# - check a prediction of memory on a board;
# - cut the first layers into strips, and pay for it in multiply-accumulates (MACs) that you have
#   computed before.
#
# **Time:** 60 minutes. **Needs:** lab 04 (the arena); the virtual board of `pip install
# 'microinterp[labs]'` (Linux x86-64, macOS arm64).

# %%
from itertools import pairwise
from pathlib import Path
from tempfile import mkdtemp

import lab
import matplotlib.pyplot as plt
import networks
import numpy as np

from microinterp import Interpreter
from microinterp.interpreter import prepare_model
from microinterp.report import Mark, plots

model = networks.camera()  # a MobileNet for 96 x 96 grey pixels; random weights, real memory
path = Path(mkdtemp(prefix="lab07-")) / "camera.tflite"
path.write_bytes(model)
lab.command("inspect", path)

# %% [markdown]
# ## The peak, with a pencil
#
# The ops run one after the other, each reads what the one before has written. While an op runs, its
# input and its output must both be there, and nothing else.
#
# ### Task: the peak of a chain
#
# `sizes` are the bytes of the tensors along such a chain: the model's input, then each op's output.
# Write `peak(sizes)`: the bytes that must be alive at once at the worst moment. TFLM begins each
# tensor at a multiple of 16 bytes, so round each size up to one.

# %%
prepared = prepare_model(model, kernels="plain")
nodes = [item.node for item in prepared.subgraphs[0]]
sizes = [nodes[0].inputs[0].nbytes, *(node.output().nbytes for node in nodes)]
print(sizes)

# %% tags=["task"]
# task: peak


def peak(sizes):
    """Bytes alive at once at the worst moment of a chain of tensors."""
    raise NotImplementedError


# %% tags=["check"]
@lab.check("peak")
def _():
    lab.equal(peak([16, 32, 64]), 96, "32 and 64 are alive together.", "peak([16, 32, 64])")
    lab.equal(peak([100, 10]), 112 + 16, "100 becomes 112, 10 becomes 16.", "peak([100, 10])")
    wanted = Interpreter.from_bytes(model).arena.head_bytes
    lab.equal(peak(sizes), wanted, "This is what TFLM's plan has.", "the camera's peak")


# %%
alive = [a + b for a, b in pairwise(sizes)]
figure, axes = plt.subplots(figsize=(7, 2.8))
axes.bar(range(len(alive)), [each / 1024 for each in alive])
axes.set(xlabel="op", ylabel="KiB alive", title="input and output of each op")
axes.set_xticks(range(len(alive)))
figure.tight_layout()
print(f"the largest: op {np.argmax(alive)}, {nodes[int(np.argmax(alive))].name}")

# %% [markdown]
# The same as a map: ops to the right, bytes upwards. The outlined ones make the peak.

# %%
plots.arena_map(Interpreter.from_bytes(model), marks=[Mark("where we shall get to", 40_000)])
# %% [markdown]
# Look at the shape of it: memory is needed at the beginning, where images are large, and weights
# lie at the end, where channels are many (see the table above). That is typical of networks for
# images, and the reason why the second half of this lab works.
#
# ## Fifty boards
#
# `fit` has a table of boards, and two answers for each: with firmware in C (TFLM), where the arena
# must fit the RAM and the model the flash; and with MicroPython, where all of it lies in a heap.

# %%
from microinterp_boards.boards_table import boards
from microinterp_boards.fit import Fitter

fitter = Fitter(model)
verdicts = [fitter.fit(row) for row in boards().values() if not row.is_virtual]
print(f"{'board':<20} {'RAM':>10}  {'TFLM':<13} {'heap':>9}  MicroPython")
for each in sorted(verdicts, key=lambda v: v.board.ram_bytes or 0)[:16]:
    tflm, python = each.tflm, each.micropython
    said = [
        "fits" if v.fits else f"{v.short_bytes:,} short" if v.short_bytes else "cannot run it"
        for v in (tflm, python)
    ]
    heap = python.available_bytes or 0
    print(f"{each.board.id:<20} {each.board.ram_bytes:>10,}  {said[0]:<13} {heap:>9,}  {said[1]}")

# %% [markdown]
# ### Task: the smallest board
#
# A verdict has `fits` (True, False, or None where a figure is not known), `needed_bytes`,
# `available_bytes`, `short_bytes`, `reason`, `parts`. The board's row is `verdict.board`, with `id`
# and `ram_bytes`. Find the ids of two boards: with the least RAM that fits by TFLM firmware, and
# with the least RAM that fits by MicroPython. A board counts only if it fits for sure.

# %% tags=["task"]
# task: smallest-boards
smallest_tflm = ...
smallest_python = ...


# %% tags=["check"]
@lab.check("smallest-boards")
def _():
    def least(kind):
        sure = [v for v in verdicts if getattr(v, kind) and getattr(v, kind).fits]
        return min(v.board.ram_bytes for v in sure)

    known = boards()
    for got, kind in ((smallest_tflm, "tflm"), (smallest_python, "micropython")):
        lab.expect(got is not ..., "Two ids of boards are wanted, as text.")
        lab.expect(got in known, f"There is no board '{got}'.")
        look = f"RAM of the board for {kind}; min(..., key=...) over the verdicts that fit."
        lab.answer(known[got].ram_bytes, least(kind), look, f"the RAM of {got}")


# %% [markdown]
# A factor of several. Where does it come from? Here is what the heap is needed for on the board
# that you have found, and on one that is short.

# %%
for each in verdicts:
    if each.board.id in (smallest_python, "stm32f4-discovery"):
        parts = each.micropython.parts
        print(f"{each.board.name}")
        print(f"  model {parts.model:,}, arena {parts.arena:,}, objects {parts.objects:,}", end="")
        print(f": {parts.total:,} of {each.micropython.available_bytes:,} bytes of heap")

# %% [markdown]
# ## Can you believe it?
#
# A table is patient. For the virtual board the account can be put to the test: give the board a
# heap of so many bytes, deploy, see. The digits model is quick to send.
#
# ### Task: the smallest heap
#
# Write `smallest(works, low, high)`: `works(heap)` is True or False, False up to some size and True
# from there on; `works(low)` is False, `works(high)` is True. Find a heap that works while one of
# 512 bytes less does not. Each try takes a second: halve the interval, and do not try all.

# %% tags=["task"]
# task: smallest-heap


def smallest(works, low, high):
    """A heap that works, when one of 512 bytes less does not."""
    raise NotImplementedError


# %% tags=["check"]
@lab.check("smallest-heap")
def _():
    for border in (40_000, 65_535, 131_000, 262_144):
        tried = []

        def works(heap, border=border, tried=tried):
            tried.append(heap)
            return heap >= border

        found = smallest(works, 16_384, 262_144)
        lab.expect(border <= found < border + 512, f"{found} for a border of {border}.")
        lab.expect(len(tried) <= 12, f"{len(tried)} tries; halving takes 9 or 10.")


# %%
from microinterp.errors import DeviceError

digits = lab.digits()


def deploys(heap):
    """Whether a virtual board with such a heap takes the digits and computes."""
    try:
        with lab.board(heap=heap) as board:
            board.deploy(digits.path)
            return board.validate(digits.path, samples=2).equal
    except DeviceError:
        return False


predicted = Fitter(digits.model).fit(boards()["unix"]).micropython.needed_bytes
measured = smallest(deploys, predicted - 8192, predicted)
print(f"predicted {predicted:,} bytes, the smallest heap that works is {measured:,}")

# %% [markdown]
# The account promises to be on the careful side, by less than 4 KiB. Was it?
#
# ## Fifteen kilobytes short
#
# Back to the camera. An STM32F4-Discovery lies in the drawer.

# %%
lab.command("fit", path, "--board", "stm32f4-discovery", "--firmware", "micropython")

# %% [markdown]
# "Fits with passes": what are they? The arithmetic stays the same, to the bit. What changes is
# *when* a number is computed, and where it lies. Take op 0, a convolution with 3 x 3 windows and
# stride 2. For one row of its output it does not need the whole image, but three rows of it.
#
# So: compute a strip of the third layer's output at a time, and for that only the rows of the
# second, of the first and of the image that it needs. The large images then never exist as a whole.
#
# ### Task: which rows?
#
# Write `rows_needed(layer, first, end)`: for the output rows `first` to `end - 1`, which input
# rows are needed, as `(first, end)` again. A layer has `size` and `stride` of its window,
# `before` (rows of padding above the image) and `length` (rows of the input). Output row r looks
# at the `size` rows from `r * stride - before` on. Rows of padding are no rows: cut off what is
# outside the image.

# %%
layers = [item.kernel.params.geometry.height for item in prepared.subgraphs[0][:11]]
for number, layer in enumerate(layers[:4]):
    print(number, layer)

# %% tags=["task"]
# task: rows-needed


def rows_needed(layer, first, end):
    """Input rows (first, end) that output rows first to end - 1 look at."""
    raise NotImplementedError


# %% tags=["check"]
@lab.check("rows-needed")
def _():
    look = "Row 0 of op 1 looks at rows -1, 0 and 1, of which -1 is padding."
    lab.equal(tuple(rows_needed(layers[1], 0, 1)), (0, 2), look, "row 0 of op 1 needs")
    look = "Row 47 of op 1 looks at rows 46, 47 and 48; the image ends with 47."
    lab.equal(tuple(rows_needed(layers[1], 47, 48)), (46, 48), look, "row 47 of op 1 needs")
    for number, layer in enumerate(layers):
        for first in range(layer.outputs):
            for end in range(first + 1, layer.outputs + 1):
                starts = [row * layer.stride - layer.before for row in range(first, end)]
                seen = {row for start in starts for row in range(start, start + layer.size)}
                seen &= set(range(layer.length))
                got = tuple(rows_needed(layer, first, end))
                what = f"rows {first} to {end - 1} of op {number} need"
                lab.equal(got, (min(seen), max(seen) + 1), "First to last row, cut off.", what)


# %%
rows = (8, 16)  # a strip of what op 3 writes
for number in (3, 2, 1, 0):
    rows = rows_needed(layers[number], *rows)
    of = layers[number].length
    print(f"op {number} reads rows {rows[0]:>2} to {rows[1] - 1:>2} of {of}")

# %% [markdown]
# The image has four times the rows of the result, so eight rows should be 32 of the image. Count
# how many there are: each window reaches a little over the edge. The neighbouring strip needs
# these rows, too. They are either kept (that takes memory) or **computed twice**: that is the
# price.
#
# ### Task: the price
#
# Cut the output of op `split - 1` into `count` strips (`strips` gives their rows), and go back
# through the layers for each. An output row of layer k costs `row_macs[k]`. Write `extra(split,
# count)`: how many MACs more than without strips, as a share of **all** MACs of the model
# (`all_macs`).

# %%
from microinterp.passes.price import file_macs

op_macs = file_macs(prepared)
all_macs = sum(op_macs.values())
row_macs = [op_macs[number] // layer.outputs for number, layer in enumerate(layers)]


def strips(length, count):
    """Rows (first, end) of each of `count` strips, as equal as can be."""
    edges = [length * i // count for i in range(count + 1)]
    return list(pairwise(edges))


print(strips(24, 5), f"{all_macs:,} MACs in all")

# %% tags=["task"]
# task: price


def extra(split, count):
    """MACs done twice with the first `split` ops in `count` strips, as a share of all."""
    raise NotImplementedError


# %% tags=["check"]
@lab.check("price")
def _():
    from microinterp.passes.patches import Grid, patches
    from microinterp.passes.price import extra_macs

    lab.near(extra(4, 1), 0.0, 1e-9, "One strip is all of it.", "extra(4, 1)")
    for split in (1, 2, 4, 7, 11):
        for count in (2, 3, 5, 8):
            wanted = extra_macs(patches(prepared, Grid(split, count, 1)))
            look = (
                "Rows that all strips compute of each layer 0 to split - 1, less those there are."
            )
            lab.near(extra(split, count), wanted, 1e-5, look, f"extra({split}, {count})")


# %% [markdown]
# And what does it bring? The memory of each cut is worked out by the planner. A cut deep in the
# network brings much and costs much.

# %%
from microinterp.arena.plan import plan_pieces
from microinterp.passes.patches import Grid, patches

cuts = {
    (split, count): plan_pieces(patches(prepared, Grid(split, count, 1))).head_bytes
    for split in range(2, 12)
    for count in (2, 3, 4, 6, 8, 12)
}
figure, axes = plt.subplots(figsize=(7, 3.6))
for count, marker in ((2, "o"), (3, "s"), (4, "^"), (6, "D"), (8, "v"), (12, "P")):
    points = [(extra(s, n), head / 1024) for (s, n), head in cuts.items() if n == count]
    axes.scatter(*zip(*points, strict=True), marker=marker, label=f"{count} strips", s=24)
axes.axhline(peak(sizes) / 1024, color="black", linewidth=1)
axes.axvline(0.1, color="gray", linewidth=1, linestyle=":")
axes.set(xlabel="extra MACs (of all MACs)", ylabel="KiB of arena's head")
axes.set_xscale("log")
axes.set_xticks([0.003, 0.01, 0.03, 0.1, 0.3, 1], ["0.3 %", "1 %", "3 %", "10 %", "30 %", "100 %"])
axes.set_title("each point is a cut; line: without strips; dotted: 10 %", fontsize=10)
axes.legend(fontsize=7)
figure.tight_layout()

# %% [markdown]
# ### Task: choose
#
# The arena's head may have 40,000 bytes at most. Which of the `cuts` (a tuple of split and count)
# gets below that at the **least** price? If two cost the same, take the one with the smaller head.

# %% tags=["task"]
# task: choose
chosen = ...


# %% tags=["check"]
@lab.check("choose")
def _():
    lab.expect(chosen in cuts, f"{chosen} is none of the cuts: wanted (split, count).")
    look = f"{cuts[chosen]:,} bytes, {100 * extra(*chosen):.2f} % extra."
    lab.expect(cuts[chosen] <= 40_000, f"That does not fit: {look}")
    price, head = min((round(extra(*c), 7), h) for c, h in cuts.items() if h <= 40_000)
    is_cheapest = round(extra(*chosen), 7) == price
    lab.expect(is_cheapest, f"That fits, but something else costs less: {look}")
    lab.expect(cuts[chosen] == head, f"Another cut at that price has a smaller head: {look}")


# %% [markdown]
# ## The other trick
#
# A convolution that goes row by row is done with an input row before it has written many output
# rows. So the output may move in **behind** the input, into memory that has just become free. That
# is `overlap`, and it computes nothing twice. All passes together, from the cheapest to the
# smallest:

# %%
from microinterp.passes import ladder

for rung in ladder(prepared, max_extra_macs=0.1, strips=True):
    names = ", ".join(rung.names) or "TFLM's own plan"
    print(f"{rung.plan.head_bytes:>7,} bytes, {100 * rung.extra_macs:4.1f} % extra  {names}")

# %% [markdown]
# The second one as a map. Follow op 2: row by row its output grows from below, just as fast as its
# input goes away above. Op 3 does the same downwards. What is pale is not in use.

# %%
passed = Interpreter.from_bytes(model, passes=["overlap"])
plots.arena_map(passed, marks=[Mark("without passes", peak(sizes))])

# %% [markdown]
# ## Same bits?
#
# That is the promise. You have a way to find out.
#
# ### Task: prove it
#
# Write `same(passes, images)`: whether the camera gives the same bytes with these passes as
# without, for all of `images` (int8 [n, 1, 96, 96, 1]). `Interpreter.from_bytes(model,
# passes=...)` takes names; run sample by sample (`run_batch` runs without passes). The scores of
# a random network hardly move, so be strict: compare every byte of every image's output.

# %% tags=["task"]
# task: same-bits


def same(passes, images):
    """Whether the camera's outputs are the same with `passes` as without."""
    raise NotImplementedError


# %% tags=["check"]
@lab.check("same-bits")
def _():
    from unittest.mock import patch

    images = np.random.default_rng(7).integers(-128, 128, (4, 1, 96, 96, 1)).astype(np.int8)
    lab.expect(same(["patches", "overlap"], images) is True, "They should be the same: True.")
    honest, count = Interpreter.get_output, 0

    def lying(self, index=0):
        nonlocal count
        made = honest(self, index)
        if self.passed is not None and self.passed.names:
            count += 1
            if count == 3:
                made.flat[-1] ^= 1
        return made

    with patch.object(Interpreter, "get_output", lying):
        look = "One bit of one image's output was turned, and the answer is still True."
        lab.expect(same(["overlap"], images) is False, look)


# %% [markdown]
# Now the board. How large a heap does the camera need without passes, and with them? Take one in
# between, and deploy it twice.

# %%
need = fitter.fit(boards()["unix"]).micropython.needed_bytes
heap = need - 16 * 1024
print(f"the camera needs {need:,} bytes of heap on this board, which has {heap:,}\n")
with lab.board(heap=heap) as board:
    try:
        board.deploy(path)
    except DeviceError as error:
        print("as it is:", error)
    done = board.deploy(path, passes=["overlap"])
    print(f"\nwith overlap: deployed, arena {done.arena_bytes:,} bytes")
    proof = board.validate(path, samples=3, passes=["overlap"])
    print(f"{proof.compared_bytes} bytes compared, {proof.differing_bytes} differ")

# %% [markdown]
# ## With a real board
#
# - `microinterp board probe` tells the heap that is really free; `fit MODEL --board NAME --heap
#   BYTES` takes it. Rows of the table with a `~` are estimates.
# - A real board's heap has holes. A model needs one piece of its size: deploy after a reset.
# - With firmware in C none of these passes runs: TFLM's interpreter cannot. What it can use is a
#   better plan in the file, `plan --planner best --embed` (docs/arena.md).
# - Time is the other price. Extra MACs cost time in proportion; `board bench` before and after.
#
# ## To go on with
#
# - The camera has 96 x 96 pixels. At how many pixels does it no longer fit the Discovery with any
#   pass? `networks.camera(size)` makes it; guess how head and price grow.
# - Strips of whole rows compute rows twice. Patches of a grid (`Grid(split, 4, 2)`) compute columns
#   twice as well. Why can they still be better?
# - `plan MODEL --passes auto` draws the arena over time. Find the moment of the peak. What would
#   you have to change in the network to lower it?

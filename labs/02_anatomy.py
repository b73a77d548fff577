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
# # 02 Anatomy of a .tflite
#
# A `.tflite` file is copied into flash and read in place: the chip follows offsets, and never
# unpacks anything. In this lab you do the same by hand. You walk the bytes from the first one to a
# weight, change that weight, build a model of your own, and break one.
#
# After this lab you can
#
# - read a FlatBuffer: offsets, tables, vectors, strings;
# - list a model's tensors and ops with nothing but Python and the schema;
# - find a weight in the file;
# - write a model with `ModelBuilder`;
# - say which damage to a file is noticed, and which is not.
#
# **Time:** 60 minutes. **Needs:** lab 01 for the last third; no board.

# %%
import lab
import matplotlib.pyplot as plt
import numpy as np

from microinterp import Interpreter
from microinterp.errors import MicrointerpError
from microinterp.model import load

digits = lab.digits()
data = digits.model
print(len(data), "bytes")
for at in range(0, 64, 16):
    row = data[at : at + 16]
    text = "".join(chr(b) if 32 <= b < 127 else "." for b in row)
    print(f"{at:04x}  {row.hex(' ')}  {text}")

# %% [markdown]
# Can you see something that looks like text? `TFL3` are four letters that say what this file is.
# Everything else here is numbers: a FlatBuffer stores them with the **lowest byte first**, as the
# chip does. The four bytes `20 00 00 00` at the beginning are 0x20 = 32.
#
# ### Task: read a number
#
# Write `number(at, size, signed)`: the integer in `data[at : at + size]`. Python's
# `int.from_bytes` can do it; so can a sum of bytes times 256, 65536, ...

# %% tags=["task"]
# task: number


def number(at, size=4, signed=False):
    """The integer of `size` bytes at `at`, lowest byte first; signed ones are two's complement."""
    raise NotImplementedError


# %% tags=["check"]
@lab.check("number")
def _():
    lab.equal(number(0), 32, "Lowest byte first.", "number(0)")
    lab.equal(number(4, 3), 0x4C4654, "Three bytes: 54 46 4c.", "number(4, 3)")
    lab.equal(number(12, 2), 0x14, "", "number(12, 2)")
    at = data.index(b"\xff\xff\xff\xff")
    lab.equal(number(at, 4, True), -1, "All bits set is -1.", "a signed number")
    lab.equal(number(at, 1), 255, "", "an unsigned byte")


# %% [markdown]
# ## Tables
#
# The number at byte 0 is an **offset**: it counts from where it stands. So the root of the file is
# a **table** at byte 0 + 32.
#
# A table has fields, and any of them may be left out. Where they are is told by its **vtable**:
#
# - at the table stands a *signed* offset of 4 bytes: the vtable is at `table - offset`;
# - the vtable is a list of 2-byte numbers: its own size in bytes, the table's size, then for field
#   0, 1, 2, ... how far behind `table` the field lies. 0, or a vtable that ends before, means that
#   the field is left out and has its default.
#
# So field 3 of a table is looked up at `vtable + 4 + 2 * 3`.
#
# ### Task: find a field

# %% tags=["task"]
# task: field


def field(table, slot):
    """Where field `slot` of the table at byte `table` lies in the file; None if it is left out."""
    raise NotImplementedError


# %% tags=["check"]
@lab.check("field")
def _():
    root = number(0)
    got = [field(root, slot) for slot in range(4)]
    look = "At the table stands how far back its vtable lies; fields count from the table."
    lab.equal(got, [root + 28, root + 24, root + 20, root + 16], look, "fields 0 to 3 of the root")
    lab.equal(field(root, 5), None, "A 0 in the vtable: left out.", "field 5 of the root")
    lab.equal(field(root, 50), None, "The vtable ends before.", "field 50 of the root")
    entry = root + 12 + number(root + 12) + 8  # of buffer 1 in the vector of buffers
    buffer = entry + number(entry)
    look = "This table's vtable lies behind it: the offset is negative."
    lab.equal(field(buffer, 0), buffer + 4, look, "field 0 of another table")


# %% [markdown]
# ## Offsets, vectors, strings
#
# A field of a small type (a number) stands in the table itself. Tables, vectors and strings stand
# elsewhere, and the field holds an offset to them, counted from the field:
#
# - `follow(at)` is `at + number(at)`;
# - a **vector** begins with the count of its elements, 4 bytes, and then come the elements;
#   elements that are tables are offsets again, each counted from itself;
# - a **string** is a vector of bytes.
#
# These helpers do that with your functions.


# %%
def follow(at):
    """What the offset at `at` points to."""
    return at + number(at)


def vector(at):
    """Count and first element of the vector that the field at `at` points to."""
    return (0, 0) if at is None else (number(follow(at)), follow(at) + 4)


def tables(at):
    """The tables of a vector of tables."""
    count, first = vector(at)
    return [follow(first + 4 * i) for i in range(count)]


# %% [markdown]
# What the fields mean is written in TensorFlow's `schema.fbs`. The part that we need:
#
# - **Model**: 0 version (uint32), 1 operator_codes (vector of OperatorCode), 2 subgraphs (vector of
#   SubGraph), 3 description (string), 4 buffers (vector of Buffer)
# - **SubGraph**: 0 tensors (vector of Tensor), 1 inputs, 2 outputs (vectors of int32), 3 operators
#   (vector of Operator), 4 name (string)
# - **Tensor**: 0 shape (vector of int32), 1 type (int8), 2 buffer (uint32), 3 name (string),
#   4 quantization
# - **Operator**: 0 opcode_index (uint32), 1 inputs, 2 outputs (vectors of int32)
# - **OperatorCode**: 0 deprecated_builtin_code (int8), 3 builtin_code (int32)
# - **Buffer**: 0 data (vector of bytes)
#
# ### Task: the tensors' names
#
# `names`: a list with the name of every tensor of the first subgraph, in order.

# %% tags=["task"]
# task: names


def names_of(subgraph):
    """Names of all tensors of the SubGraph table at byte `subgraph`."""
    raise NotImplementedError


# %% tags=["check"]
@lab.check("names")
def _():
    (subgraph,) = tables(field(number(0), 2))
    wanted = [tensor.name for tensor in load(data).subgraphs[0].tensors]
    look = "A Tensor's name is its field 3, a string: count, then bytes of UTF-8."
    lab.equal(names_of(subgraph), wanted, look, "your list of names")


# %% [markdown]
# ## Ops
#
# An Operator does not say what it is. It has an `opcode_index`, which counts in the model's
# `operator_codes`: a model with fifty convolutions says "CONV_2D" once. And that OperatorCode has
# two fields for one thing: a byte, `deprecated_builtin_code`, from the time when there were fewer
# than 128 operators, and an int32, `builtin_code`. Rule: **the larger of the two counts**. A field
# that is left out is 0.
#
# Names of the codes are in the package `tflite`: `code_names[3]` is CONV_2D.
#
# ### Task: the list of ops
#
# Write the names of the ops in order. If `opcode_index` is left out, it is 0.

# %% tags=["task"]
# task: ops
import tflite

code_names = {
    code: name for name, code in vars(tflite.BuiltinOperator).items() if isinstance(code, int)
}


def op_names(model, subgraph):
    """Names of the ops of a subgraph, such as "CONV_2D"; `model` and `subgraph` are tables."""
    raise NotImplementedError


# %% [markdown]
# The check also tries two other files: one as converters wrote them in 2019, which has the byte
# alone, and one with an operator that is younger.


# %% tags=["check"]
def of_other_file(is_old, *names):
    from microinterp.model_builder import ModelBuilder

    builder = ModelBuilder(old_op_codes=is_old)
    graph = builder.subgraph()
    x = graph.tensor("x", (1,), "float32")
    for name in names:
        graph.op(name, [x, x], [x])
    global data
    data, ours = builder.finish(), data
    try:
        return op_names(number(0), tables(field(number(0), 2))[0])
    finally:
        data = ours


@lab.check("ops")
def _():
    (subgraph,) = tables(field(number(0), 2))
    found = Interpreter.from_bytes(data)
    wanted = [node.name for node in found.graph.nodes()]
    look = "opcode_index counts in field 1 of the model; which of the two code fields is larger?"
    lab.equal(op_names(number(0), subgraph), wanted, look, "your list of ops")
    for is_old, *names in ((True, "ADD", "MUL"), (False, "ADD", "BROADCAST_TO")):
        lab.equal(of_other_file(is_old, *names), names, look, "the list of another file's ops")


# %% [markdown]
# ## Where the weights are
#
# A tensor does not hold its data. It has the number of a **buffer**; buffers lie in the model's
# field 4, and buffer 0 is always empty, for tensors whose data comes only when the model runs. What
# part of this file is weights? Guess, then look: each colour is a buffer.

# %%
model = load(data)
figure, axes = plt.subplots(figsize=(11, 1.8), layout="constrained")
axes.barh(0, len(data), color="#d9dee4")
held = 0
colours = plt.get_cmap("tab20").colors
for tensor in model.subgraphs[0].tensors:
    content = model.buffers[tensor.buffer]
    if content is not None:
        at = data.find(bytes(content))
        axes.barh(0, len(content), left=at, color=colours[tensor.index % 20])
        if len(content) > 1000:
            axes.text(at + len(content) / 2, 0, tensor.name, ha="center", va="center", fontsize=8)
        held += len(content)
axes.set(yticks=[], xlabel="byte in the file", xlim=(0, len(data)))
axes.set_title(f"{held:,} of {len(data):,} bytes are weights, biases and shapes", loc="left")
plt.show()

# %% [markdown]
# The rest is names, shapes, scales and vtables. For a small model that is more than half of the
# file. It is why `microinterp pack` makes a file of its own for MicroPython boards.
#
# ### Task: find the weights of the first convolution
#
# Where in the file do the weights of `conv/weights` begin, and how many bytes are they? Find it by
# the tables, not by search: tensor 1, its buffer's number, that buffer's data.

# %% tags=["task"]
# task: weights


def weights_of(model, subgraph, tensor_index):
    """First byte and byte count of a constant tensor's data."""
    raise NotImplementedError


# %% tags=["check"]
@lab.check("weights")
def _():
    (subgraph,) = tables(field(number(0), 2))
    tensors = load(data).subgraphs[0].tensors
    for index in (1, 2, 20):
        at, size = weights_of(number(0), subgraph, index)
        wanted = bytes(load(data).buffers[tensors[index].buffer])
        look = "Field 2 of the Tensor counts in field 4 of the Model; field 0 of the Buffer."
        lab.equal(size, len(wanted), look, f"the size of tensor {index}")
        lab.equal(data[at : at + size], wanted, look, f"what lies at byte {at}")


# %% [markdown]
# Now you can operate on it. The nine weights of one output channel of the first convolution look
# for a small pattern in the image. Which of the 16 patterns does the network need most? Put zeros
# in place of each in turn, and count how many of the 899 test images are still read right.


# %%
def accuracy(model_bytes):
    """Share of the test images that a model reads right."""
    (scores,) = Interpreter.from_bytes(model_bytes).run_batch(digits.inputs)
    return (scores[:, 0].argmax(-1) == digits.labels).mean()


(subgraph,) = tables(field(number(0), 2))
first, size = weights_of(number(0), subgraph, 1)
left = []
for channel in range(16):
    changed = bytearray(data)
    changed[first + 9 * channel : first + 9 * channel + 9] = bytes(9)
    left.append(100 * accuracy(bytes(changed)))

figure, axes = plt.subplots(figsize=(8, 2.8), layout="constrained")
axes.bar(range(16), left, color="#0072b2")
axes.axhline(100 * accuracy(data), color="#d55e00", label="nothing changed")
axes.set(xlabel="channel without weights", ylabel="read right, %", xticks=range(16))
axes.legend(loc="lower right")
plt.show()

# %% [markdown]
# ## A model by hand
#
# `ModelBuilder` writes such files. The smallest useful image filter is an edge finder: a 3 x 3
# convolution with the weights
#
# $$\begin{pmatrix} -1 & 0 & 1 \\ -1 & 0 & 1 \\ -1 & 0 & 1 \end{pmatrix}$$
#
# It is large where the image is darker on the right than on the left.
#
# ### Task: an edge finder
#
# Return the bytes of a model with one CONV_2D:
#
# | tensor | shape and type | scale, zero point |
# |---|---|---|
# | image, the input | [1, 8, 8, 1] int8 | 1/240, -128 |
# | weights | [1, 3, 3, 1] int8: output channels, rows, columns, input channels | [1.0], 0 |
# | bias | [1] int32: 0 | [1/240], 0 |
# | edges, the output | [1, 8, 8, 1] int8 | 1/40, 0 |
#
# Stride 1, padding SAME. The first lines are there; `help(graph.constant)` and `help(graph.op)`
# tell the rest.

# %% tags=["task"]
# task: build
from microinterp.model_builder import ModelBuilder


def edge_finder():
    """A .tflite file: one convolution that finds vertical edges."""
    builder = ModelBuilder(description="edges, by hand")
    graph = builder.subgraph("main")
    graph.input("image", (1, 8, 8, 1), "int8", scale=1 / 240, zero_point=-128)
    ...
    return builder.finish()


# %% tags=["check"]
@lab.check("build")
def _():
    made = load(edge_finder())
    names = [code.code for code in made.operator_codes]
    lab.equal(names, [tflite.BuiltinOperator.CONV_2D], "One op: CONV_2D.", "the list of op codes")
    edges = Interpreter.from_bytes(edge_finder())
    lab.equal(edges.get_output_details(0)["shape"].tolist(), [1, 8, 8, 1], "", "the output's shape")
    (got,) = edges.run_batch(digits.inputs[:20])
    real = np.pad(digits.images[:20, :, :, 0] / 16, ((0, 0), (1, 1), (1, 1)))
    columns = real[:, :-2] + real[:, 1:-1] + real[:, 2:]
    wanted = columns[:, :, 2:] - columns[:, :, :-2]
    error = np.abs(got[:, 0, :, :, 0] / 40 - wanted).max()
    look = "Stride 1, SAME; do rows and columns of your weights stand as above?"
    lab.expect(
        error <= 0.5 / 40 + 1e-6, f"An edge is off by {error:.3f}; half a step is 0.0125. {look}"
    )


# %%
edges = Interpreter.from_bytes(edge_finder())
(found,) = edges.run_batch(digits.inputs[:5])
figure, rows = plt.subplots(2, 5, figsize=(10, 4), layout="constrained")
for k in range(5):
    rows[0, k].imshow(digits.images[k, :, :, 0], cmap="gray_r")
    rows[1, k].imshow(found[k, 0, :, :, 0], cmap="RdBu", vmin=-127, vmax=127)
for axes in rows.flat:
    axes.set(xticks=[], yticks=[])

# %% [markdown]
# Blue is an edge to the darker side, red one to the lighter side. A trained network's first
# convolution has such filters, and nobody told it to.
#
# ## Damage
#
# Flash ages, downloads break. TFLM itself follows offsets without a check, and a wrong one can send
# it anywhere. `microinterp` walks the whole file first. But it cannot notice everything.
#
# ### Task: one byte
#
# Find two places in `data`. At `refused`, a byte set to 255 makes a file that is refused. At
# `silent`, a byte set to 255 makes a file that runs, and reads at least one of the test images
# otherwise: not every weight can do that alone. `damaged(at)` tells which it is.


# %%
def damaged(at):
    """What becomes of the model if the byte at `at` is 255: "refused", "changed" or "same"."""
    broken = bytearray(data)
    broken[at] = 255
    try:
        (scores,) = Interpreter.from_bytes(bytes(broken)).run_batch(digits.inputs)
    except MicrointerpError as error:
        print(f"byte {at}: {error}")
        return "refused"
    (good,) = Interpreter.from_bytes(data).run_batch(digits.inputs)
    return "changed" if (scores.argmax(-1) != good.argmax(-1)).any() else "same"


# %% tags=["task"]
# task: damage
refused = ...
silent = ...


# %% tags=["check"]
@lab.check("damage")
def _():
    for at, wanted in ((refused, "refused"), (silent, "changed")):
        lab.expect(isinstance(at, int) and 0 <= at < len(data), "Two places in `data` are wanted.")
        lab.expect(data[at] != 255, f"byte {at} is 255 already")
        look = "Where do offsets stand? And which byte is added, with great weight, to every sum?"
        lab.equal(damaged(at), wanted, look, f"what becomes of the model by byte {at}")


# %% [markdown]
# A check of the structure catches what would crash; only a checksum catches a changed weight. That
# is why deployment to a board sends CRC32s and the board tests the model with golden outputs (lab
# 06), and why CI should hold models to golden bundles.
#
# ## With a real board
#
# A chip with TFLM reads this very file from flash, weights in place. A model is usually turned into
# a C array for that; the array must be aligned to 16 bytes, or loads of int32 trap on some cores.
#
# ## To go on
#
# - `microinterp verify` lists everything that is wrong with a file. Feed it your refused one. How
#   many problems does one byte make?
# - Field 4 of a Tensor is its quantisation: a table with vectors of scales (field 2, float32) and
#   of zero points (field 3, int64). Read the 16 scales of `conv/weights`.
# - Give the edge finder a second output channel for horizontal edges. Weights then have two scales,
#   along axis 0.

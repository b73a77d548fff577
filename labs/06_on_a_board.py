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
# # 06 Your model on a board
#
# A model file becomes a program on a microcontroller: packed, sent, tested there, timed. The board
# is a virtual one, so nothing can burn.
#
# After this lab you can
#
# - say what a board gets in place of the `.tflite` file, and why;
# - run a model on the board with a few lines of MicroPython;
# - prove that the board computes the right bytes, and find the op where it does not;
# - read a benchmark: time per multiply-accumulate, and what a faster kernel could bring;
# - write a kernel in viper, and say what separates bytecode, viper and Thumb code.
#
# **Time:** 50 minutes. **Needs:** `pip install 'microinterp[labs]'` (the virtual board runs on
# Linux x86-64 and macOS arm64), or a MicroPython board. The last part uses QEMU, if it is
# installed.

# %%
from contextlib import ExitStack

import lab
import matplotlib.pyplot as plt
import numpy as np

from microinterp import Interpreter
from microinterp.report import plots

PORT = None  # a real board's port, such as "/dev/ttyACM0" or "COM3"; None is a virtual board

digits = lab.digits()
model, images = digits.path, digits.inputs
(answers,) = Interpreter.from_file(model).run_batch(images)
answers = answers.reshape(len(images), 10)  # what the board must print, byte for byte

# %% [markdown]
# ## Packing
#
# A board has little memory and often float arithmetic of 32 bits only, or none. So everything that
# needs planning or floats is done here: multipliers and shifts are folded, tables made, arena
# offsets fixed, weights brought into the order in which the board's kernels read them.
#
# A question first: will the packed file be larger or smaller than the `.tflite` file?

# %%
from pathlib import Path
from tempfile import mkdtemp

folder = Path(mkdtemp(prefix="lab06-"))
print(f"{model.name}: {model.stat().st_size:,} bytes")
lab.command("pack", model, "-o", folder / "digits.mipk")

# %% [markdown]
# Names, shapes, quantisation records and the tables of the FlatBuffer are gone; steps have come.
#
# ## The board
#
# The virtual board is MicroPython's unix port behind a serial line that behaves as a board's: a
# prompt, soft resets, a heap of a fixed size, a filesystem of its own. `probe` asks what it is.

# %%
with_board = ExitStack()  # holds the board until the last cell
board = with_board.enter_context(lab.board(PORT))
probe = board.probe()
print(probe.implementation, probe.version, "on", probe.platform, probe.architecture)
print(f"{probe.heap_total:,} bytes of heap, {probe.heap_free:,} of them free")
print("kernels that it can run, the best first:", ", ".join(probe.sets))

# %%
sent = board.deploy(model)
print(f"{len(sent.files_sent)} files, {sent.sent_bytes:,} bytes in {sent.seconds:.2f} s")
print(
    f"packed model {sent.model_bytes:,} bytes, arena {sent.arena_bytes:,}, {sent.kernels} kernels"
)
print(f"{sent.tested_samples} samples computed on the board before the model was put to use")
print(f"heap: {sent.heap_start - sent.heap_imported:,} bytes for the runtime,", end=" ")
print(f"{sent.heap_imported - sent.heap_loaded:,} for the loaded model")

again = board.deploy(model)
print(f"\nthe same again: {again.sent_bytes:,} bytes sent, {len(again.files_kept)} files kept")

# %% [markdown]
# ## Run it, on the board
#
# `board.exec(code)` runs Python code *on the board* and gives back what it printed. On the board,
# `models.load("digits_int8")` gives an interpreter with the methods that you know: `set_input`,
# `invoke`, `get_output`. There is no NumPy; an output is an `array.array` of signed bytes.
#
# ### Task: the first answer
#
# Write the program for the board as text. It has `image`, a `bytes` object with 64 pixels, and must
# print two whole numbers in one line: the class with the highest score, and that score (the raw
# int8). The code must work on MicroPython.

# %% tags=["task"]
# task: first-answer
program = """
print("?")
"""


# %% tags=["check"]
@lab.check(
    "first-answer", look="from microinterp import models; then load, set_input(image, 0) ..."
)
def _():
    board.soft_reset()
    for number in (0, 5, 77, 400):
        found = board.exec(f"image = {images[number].tobytes()!r}\n" + program).split()
        best = int(answers[number].argmax())
        wanted = [str(best), str(answers[number, best])]
        look = "The index of the largest score, a space, and the score: print(best, scores[best])."
        lab.equal(found, wanted, look, f"what it prints for image {number}")


# %%
board.soft_reset()
for number in range(3):
    printed = board.exec(f"image = {images[number].tobytes()!r}\n" + program)
    print("label", digits.labels[number], "board:", printed.strip())

# %% [markdown]
# ## Is it right?
#
# Three good answers prove little. `validate` sends random inputs, and compares every byte of every
# output with what is computed here; `per_op=True` also takes the CRC32 of what each op has written.

# %%
proof = board.validate(model, samples=20, per_op=True)
print(
    f"{proof.samples} samples: {proof.compared_bytes} bytes, {proof.compared_crcs} CRC32s;", end=" "
)
print(f"{proof.differing_bytes} bytes differ")

# %% [markdown]
# Now damage it. Flash memory does forget a bit now and then. This cell turns **one bit** of the
# packed file on the board, in a weight of some op.

# %%
print(f"one of {8 * sent.model_bytes:,} bits of {sent.path}")
board.exec(f"""
with open("{sent.path}", "r+b") as file:
    file.seek(3000)
    byte = file.read(1)[0]
    file.seek(3000)
    file.write(bytes([byte ^ 1]))
""")
damaged = board.validate(model, samples=20, per_op=True)

# %% [markdown]
# ### Task: which op?
#
# `damaged` is what `validate` has found. Look at its fields: how many bytes of the outputs differ,
# in how many samples, is the file on the board intact? Which op (its number) is the first one to
# compute something else: whose weights have been hit?

# %% tags=["task"]
# task: which-op
hit = ...


# %% tags=["check"]
@lab.check("which-op")
def _():
    look = "Print `damaged` and look at first_difference."
    lab.answer(hit, damaged.first_difference.op_index, look)


# %% [markdown]
# How many of the 20 samples have another *output*? Would a test with three images and "same class"
# have noticed? `deploy` reads the file again from flash and compares its SHA-256; so it mends this:

# %%
mended = board.deploy(model)
print(f"{mended.sent_bytes:,} bytes sent, {mended.copied_bytes:,} taken from what is there")
print("differing bytes:", board.validate(model, samples=20).differing_bytes)

# %% [markdown]
# ## Two slots
#
# A model has two slots on the board. A new version goes into the one that is not in use, and is
# computed once there, before it is put to use. Here is a new version of the digits, with a bug: its
# last layer's weights have the wrong sign.

# %%
weights = Interpreter.from_file(model).graph.main.nodes[8].inputs[1].data
wrong = digits.model.replace(weights.tobytes(), (-weights).tobytes())
update = board.deploy(wrong, name="digits_int8", version=2)
print(f"{update.model_bytes:,} bytes: {update.sent_bytes:,} sent,", end=" ")
print(f"{update.copied_bytes:,} copied from the other slot")
found = board.validate(wrong, name="digits_int8", samples=20)
print("the board computes what the file says:", found.equal)
for kept in board.models():
    for slot, file in sorted(kept.slots.items()):
        state = "in use" if slot == kept.slot else "before"
        print(
            f"{kept.name} slot {slot}: {state}, version {file.version}, sha256 {file.sha256[:12]}"
        )

# %% [markdown]
# The board accepts it, and validates it. Of course: bit for bit, it computes what this file says.
# No runtime can know that the file itself is bad. What would have noticed, before the board did?
#
# ### Task: go back
#
# Put the version that was in use before to use again, and prove that it is the good one: `proved`
# is to be a `Validation` of the original `model` after that, over 30 samples.

# %% tags=["task"]
# task: go-back
proved = ...


# %% tags=["check"]
@lab.check("go-back", look="board.back(name), with the name on the board; then board.validate.")
def _():
    lab.expect(proved is not ..., "proved is still ... .")
    lab.equal(proved.name, "digits_int8", what="the name of what was validated")
    lab.expect(proved.samples >= 30, f"{proved.samples} samples were compared, wanted 30.")
    lab.expect(proved.equal and proved.model_intact, "It was not the good model that ran.")
    lab.expect(board.validate(model, samples=3).equal, "The good model is not in use now.")


# %% [markdown]
# ## How fast?
#
# `bench` times invokes with random inputs by the board's own clock. On the virtual unix board the
# clock is that of your PC: the figures are good for comparing kernels, not for a chip.

# %%
fast = board.bench(model)
board.deploy(model, mpy_set="bytecode")  # the runtime without any native code
slow = board.bench(model, runs=5)
unit = fast["clock_unit"]
for timed in (fast, slow):
    print(f"{timed['runtime']['kernels']:<9} {timed['median']:>12,.0f} {unit} an invoke")

# %% [markdown]
# ### Task: time per multiply-accumulate
#
# `timed["ops"]` is a list of dicts, one for each op, with `index`, `name`, `time` (median, in
# `clock_unit`) and `macs`. Write `per_mac(timed)`: a dict from the op's index to its time divided
# by its MACs. Ops without MACs are left out.

# %% tags=["task"]
# task: per-mac


def per_mac(timed):
    """Time per multiply-accumulate of each op that has any, by the op's index."""
    raise NotImplementedError


# %% tags=["check"]
@lab.check("per-mac")
def _():
    ops = [
        {"index": 0, "name": "CONV_2D", "time": 50, "macs": 100},
        {"index": 3, "name": "MAX_POOL_2D", "time": 7, "macs": 0},
        {"index": 4, "name": "FULLY_CONNECTED", "time": 0, "macs": 10},
    ]
    lab.equal(per_mac({"ops": ops}), {0: 0.5, 4: 0.0}, what="per_mac of three ops")
    lab.equal(sorted(per_mac(slow)), [0, 1, 2, 4, 5, 8], what="the ops of the digits with MACs")


# %%
figure, axes = plt.subplots(figsize=(7, 3))
names = {op["index"]: op["name"] for op in slow["ops"]}
for timed, offset in ((slow, -0.2), (fast, 0.2)):
    found = per_mac(timed)
    label = f"{timed['runtime']['kernels']} kernels"
    axes.bar([i + offset for i in range(len(found))], found.values(), 0.4, label=label)
axes.set_xticks(range(len(found)), [f"{i}\n{names[i][:14]}" for i in found], fontsize=7)
axes.set(yscale="log", ylabel=f"{unit} per MAC", title="what a multiply-accumulate costs")
axes.legend()
figure.tight_layout()

# %% [markdown]
# A depthwise convolution costs more per MAC than a pointwise one. Both have the same arithmetic.
# What is different is how many MACs there are for each *output*: what a kernel does once per
# output (bias, multiplier, clamp, store, loop counters) is spread over 9 taps here, and over 16
# or 32 there.
#
# ### Task: what is the most that it can bring?
#
# You could write a better kernel for one op. Before you do: if that op took **no time at all**, how
# much faster would the whole be? Write `speed_up_at_most(timed, index)`, from the sum of all ops'
# times. (1.0 is: no faster.)

# %% tags=["task"]
# task: at-most


def speed_up_at_most(timed, index):
    """How many times as fast all ops together are, if op `index` takes no time."""
    raise NotImplementedError


# %% tags=["check"]
@lab.check("at-most")
def _():
    ops = [{"index": i, "time": t, "macs": 1, "name": ""} for i, t in ((0, 60), (1, 30), (7, 10))]
    lab.near(speed_up_at_most({"ops": ops}, 0), 2.5, 1e-9, "100 of time become 40.", "without op 0")
    lab.near(speed_up_at_most({"ops": ops}, 7), 10 / 9, 1e-9, "100 become 90.", "without op 7")


# %%
for op in slow["ops"]:
    a, b = (speed_up_at_most(timed, op["index"]) for timed in (slow, fast))
    print(f"{op['index']} {op['name']:<18} bytecode {a:.2f}, {fast['runtime']['kernels']} {b:.2f}")

# %%
plots.op_times(fast)
# %% [markdown]
# Look at SOFTMAX. With bytecode kernels nobody would touch it. What has happened to it in the other
# column, though it takes as long as before?
#
# ## A kernel of your own
#
# The inner loop of a convolution is a dot product of int8 numbers. Here it is in plain MicroPython.
# Each turn of the loop is a dozen bytecodes and more, and each number an object to be unpacked.

# %%
PLAIN = """
def dot(a, b, n):
    total = 0
    for i in range(n):
        total += a[i] * b[i]
    return total
"""

# %%
BENCH = """
import time
def timed(a, b):
    best = 1 << 30
    for _ in range(5):
        start = time.ticks_us()
        for _ in range(200):
            dot(a, b, 256)
        best = min(best, time.ticks_diff(time.ticks_us(), start))
    return best
"""


def on_board(kernel, a, b, what="dot"):
    """What the kernel computes of int8 arrays a and b on the board, or how long it takes."""
    arrays = "\n".join(f"{name} = array('b', {x.tobytes()!r})" for name, x in (("a", a), ("b", b)))
    call = "timed(a, b)" if what == "time" else f"dot(a, b, {len(a)})"
    return int(board.exec(f"from array import array\n{arrays}\n{kernel}\n{BENCH}\nprint({call})"))


# %% [markdown]
# **viper** is MicroPython's compiler to machine code: with `@micropython.viper` and types for the
# arguments, numbers are machine words and `a[i]` is one load. The types: `int`, and `ptr8`,
# `ptr16`, `ptr32` for a pointer into memory. One thing is not as you wish: `ptr8` reads bytes
# **without a sign**, 0 to 255. What is the int8 -3 then, and how do you get it back without an
# `if`?
#
# ### Task: a dot product in viper
#
# Write `dot(a, b, n)` of int8 arrays, in viper.

# %% tags=["task"]
# task: viper-dot
VIPER = """
import micropython

@micropython.viper
def dot(a: ptr8, b: ptr8, n: int) -> int:
    return 0
"""


# %% tags=["check"]
@lab.check("viper-dot")
def _():
    rng = np.random.default_rng(6)
    lab.expect("@micropython.viper" in VIPER, "The function is to be in viper.")
    for a, b in (([3], [5]), ([-3], [5]), ([-128, 127], [-128, -128]), ([1, 2, 3], [-1, -1, -1])):
        look = "ptr8 reads -3 as 253, and 3 as 3. Which steps make -3 and 3 of these two?"
        found = on_board(VIPER, np.array(a, np.int8), np.array(b, np.int8))
        lab.equal(found, int(np.dot(a, b)), look, f"dot of {a} and {b}")
    a, b = rng.integers(-128, 128, (2, 256)).astype(np.int8)
    lab.equal(on_board(VIPER, a, b), int(a.astype(int) @ b), "256 of them.", "a long dot product")
    plain, viper = (on_board(kernel, a, b, "time") for kernel in (PLAIN, VIPER))
    print(f"200 dot products of 256: plain {plain:,} us, viper {viper:,} us")
    lab.expect(2 * viper < plain, "It is right, but no faster: are all numbers machine words?")


# %% [markdown]
# ## Thumb code
#
# viper translates bytecode by bytecode. Whoever writes the machine code by hand keeps numbers in
# registers, unrolls loops, and uses what the processor has: on a Cortex-M4, an instruction that
# multiplies two pairs of 16-bit numbers and adds both products to a sum. microinterp's kernels for
# Cortex-M are such code (`armv6m`, `armv7m`, `armv7em` with DSP instructions).
#
# Such a board can be had without hardware, too: QEMU runs a Cortex-M4 and counts its
# instructions. **Guess first:** how many instructions does a multiply-accumulate take in
# bytecode, in viper, and in Thumb code with DSP?

# %%
from microinterp.errors import DeviceError

counted = {}
try:
    with lab.board(kind="qemu", cpu="m4") as cortex:
        for kernels in ("bytecode", "viper-armv7m", "armv7em"):
            cortex.deploy(model, mpy_set=kernels)
            counted[kernels] = cortex.bench(model, runs=2)
except DeviceError as error:
    print(error)
    print("Without QEMU: docs/instructions.md and docs/board_kernels.md have its figures.")
for kernels, timed in counted.items():
    each = timed["instructions"]["per_mac"]
    print(f"{kernels:<13} {timed['median']:>12,.0f} {timed['clock_unit']}, {each:>8,.1f} a MAC")

# %% [markdown]
# Instructions are not time: a load may take two cycles, flash may make the core wait. But they are
# the same in every run, on every PC: a regression test can hold a kernel to them.
#
# Less than three instructions for a multiply-accumulate, with two loads, a multiplication and an
# addition in it: how can that be?

# %%
with_board.close()

# %% [markdown]
# ## With a real board
#
# Put its port into `PORT` above and run the lab again. What changes:
#
# - `probe` finds the processor and takes the best kernels for it, on a Cortex-M Thumb code;
# - `deploy` takes longer: the line has a speed, and flash is slow to erase;
# - times are those of the chip. Divide by the clock's period: cycles per MAC;
# - viper needs firmware that has the native emitter; most boards' firmware does.
# - Pull the cable while `deploy` runs, and see what `board.models()` says afterwards.
#
# `microinterp board --help` has all of this as commands; docs/boards.md tells the whole story.
#
# ## To go on with
#
# - The bytecode of `PLAIN` takes a step for each Python operation. Can you make it faster *without*
#   viper? (`sum`, `memoryview`, two turns at once, ...)
# - A CI job has a board on its desk. Which three numbers of this lab would you let it watch, and
#   with what limits?
# - The model was wrong in slot a, and no test of the runtime could know. Look at docs/ci.md: which
#   test belongs before `deploy`?

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
# # 09 Sound
#
# Your PC says "okay nabu", and a keyword model for a microcontroller hears it. In between lies the
# part that most people never open: the front end, which makes 40 small numbers of 480 samples.
#
# After this lab you can
#
# - cut sound into frames, and window them in fixed point;
# - follow a frame through the front end: FFT, mel bands, noise, gain, logarithm, all in integers;
# - run a model that has a memory, frame by frame, and know when to reset it;
# - turn probabilities into detections, and trade false alarms for misses;
# - say what share of a processor all of it takes.
#
# **Time:** 60 minutes. **Needs:** lab 01 and lab 02. Best with `espeak-ng`, which speaks (Debian:
# `apt install espeak-ng`), and with the package pymicro-wakeword, which brings keyword models (it
# comes with `microinterp[labs]` on Linux). Without them the tasks are the same, but a crude
# imitation speaks and nobody listens.

# %%
from pathlib import Path
from tempfile import mkdtemp

import lab
import matplotlib.pyplot as plt
import numpy as np
import sound
from IPython.display import Audio

from microinterp import Interpreter
from microinterp.frontend import Frontend

spoken = sound.padded(sound.say("okay nabu"))  # int16, 16,000 samples a second
print("espeak-ng speaks" if sound.can_speak() else "no espeak-ng here: an imitation speaks")
print(f"{len(spoken):,} samples, {len(spoken) / sound.RATE:.2f} s, {spoken.nbytes:,} bytes")
Audio(spoken, rate=sound.RATE)

# %%
figure, axes = plt.subplots(figsize=(8, 2))
axes.plot(np.arange(len(spoken)) / sound.RATE, spoken, linewidth=0.5)
axes.set(xlabel="s", ylabel="sample", title="okay nabu")
figure.tight_layout()

# %% [markdown]
# ## Frames
#
# 16,000 numbers a second are too many for a small network, and most of them say little. Speech
# changes slowly: over 30 ms a vowel is a steady tone. So sound is cut into **frames** of 480
# samples (30 ms); the next frame begins `stride` samples later, here 160 (10 ms), so that frames
# overlap.
#
# ### Task: how many frames?
#
# Write `frame_count(samples, length, stride)`: how many whole frames fit into so many samples.

# %% tags=["task"]
# task: frames


def frame_count(samples, length, stride):
    """Whole frames of `length` samples that begin `stride` samples apart."""
    raise NotImplementedError


# %% tags=["check"]
@lab.check("frames")
def _():
    for samples in (0, 1, 479, 480, 639, 640, 641, 16000):
        for length, stride in ((480, 160), (480, 320), (3, 1), (2, 5)):
            wanted = len(range(0, samples - length + 1, stride))
            what = f"frame_count({samples}, {length}, {stride})"
            lab.equal(frame_count(samples, length, stride), wanted, "The last one is whole.", what)


# %% [markdown]
# ## The window
#
# A frame is cut out with scissors: at its ends the sound jumps to nothing, and a Fourier transform
# hears a click. So each sample is multiplied by a **window** that fades in and out. The Hann window
# of N samples is 0.5 - 0.5 cos(2 pi (i + 0.5) / N), i = 0 ... N - 1.
#
# The chip has no floats to spare: the window is stored in int16 with 12 fractional bits (4096
# stands for 1.0), and a product is shifted right by 12.
#
# ### Task: the window in fixed point
#
# Write `hann(size, bits)`: the window as int16, with so many fractional bits, rounded to the
# nearest.

# %% tags=["task"]
# task: hann


def hann(size, bits):
    """The Hann window of `size` samples, int16 with `bits` fractional bits."""
    raise NotImplementedError


# %% tags=["check"]
@lab.check("hann")
def _():
    lab.equal(np.asarray(hann(4, 8)), np.array([37, 219, 219, 37], np.int16), what="hann(4, 8)")
    lab.equal(hann(4, 8).dtype.name, "int16", what="the dtype")
    look = "np.rint of 4096 times the formula; mind the + 0.5."
    lab.equal(np.asarray(hann(480, 12)), sound.window(), look, "the front end's window")


# %% [markdown]
# ## The front end is a model
#
# TFLM has operators for all of it, so a front end is a `.tflite` file as well. The one in
# `labs/sound.py` is built with ModelBuilder; its window is the one of your task, its other tables
# are there to be read. Input: 480 samples. Output: 40 features, int8.

# %%
folder = Path(mkdtemp(prefix="lab09-"))
(folder / "frontend.tflite").write_bytes(sound.front_end())
front = Interpreter.from_file(folder / "frontend.tflite", preserve_all_tensors=True)
for node in front.graph.main.nodes:
    print(f"{node.index:>2} {node.name:<36} {node.output()}")

# %%
start = int(np.abs(spoken).argmax()) - sound.FRAME // 2  # around the loudest sample
frame = spoken[start : start + sound.FRAME]
front.reset()
front.set_input(frame[None], 0)
front.invoke()


def written(name, output=0):
    """What the op of that name has written last."""
    node = next(n for n in front.graph.main.nodes if n.name == name)
    return front.get_tensor(node.outputs[output].index)


figure, axes = plt.subplots(1, 3, figsize=(9, 2.4))
axes[0].plot(frame, linewidth=0.7, label="frame")
axes[0].plot(written("SignalWindow")[0], linewidth=0.7, label="windowed")
axes[0].legend(fontsize=7)
axes[1].plot(np.arange(257) * sound.RATE / 512, written("SignalEnergy"), linewidth=0.7)
axes[1].set(xlabel="Hz", title="energy")
axes[2].bar(range(40), written("SignalFilterBankSquareRoot"))
axes[2].set(xlabel="channel", title="40 mel channels")
figure.tight_layout()

# %% [markdown]
# ## Headroom
#
# The FFT works on int16. A quiet frame uses only the lowest bits of each sample, and would drown
# in rounding. So before the FFT the frame is shifted left as far as it goes, and the shift is
# remembered (SignalFftAutoScale writes both); later the result is shifted back.
#
# ### Task: how far?
#
# Write `headroom(samples)` for an int16 array: the largest number of bits by which all samples
# can be shifted left so that the **largest magnitude** stays below 2^15. Silence (all zeros) is
# not shifted: 0. One trap: the magnitude of -32768 is no int16.

# %% tags=["task"]
# task: headroom


def headroom(samples):
    """By how many bits int16 samples can be shifted left; 0 for silence."""
    raise NotImplementedError


# %% tags=["check"]
@lab.check("headroom")
def _():
    for values, wanted in (([0, 0], 0), ([1, 0], 14), ([-1, 1], 14), ([16384], 0), ([16383], 1)):
        got = headroom(np.array(values, np.int16))
        lab.equal(int(got), wanted, "2^15 is too much.", f"headroom({values})")
    lab.equal(int(headroom(np.array([-32768, 5], np.int16))), 0, "Widen first.", "with -32768")
    for begin in range(0, len(spoken) - sound.FRAME, 1600):
        front.set_input(spoken[begin : begin + sound.FRAME][None], 0)
        front.invoke()
        got, wanted = headroom(written("SignalWindow")[0]), written("SignalFftAutoScale", 1)
        lab.equal(int(got), int(wanted), "This is what the op found.", f"the frame at {begin}")


# %% [markdown]
# ## Mel bands
#
# Ears hear ratios: from 200 to 400 Hz is as far as from 2000 to 4000. Above some 700 Hz the **mel
# scale** grows with the logarithm of the frequency:
#
#     mel(f) = 1127 ln(1 + f / 700)
#
# The 257 energies are gathered into 40 channels, evenly spaced in mel from 125 to 7500 Hz. With 42
# points (the two ends and 40 between them), channel c has its peak at point c + 1, and shares
# everything between two peaks with its neighbour.

# %%
weights, rest, bins, starts, widths = sound.filter_bank()
figure, axes = plt.subplots(figsize=(8, 2.2))
for channel in range(40):
    response = np.zeros(257)
    for band, table in ((channel, rest), (channel + 1, weights)):
        first, size = starts[band], widths[band]
        response[bins[band] : bins[band] + size] = table[first : first + size] / 4096
    axes.plot(np.arange(257) * sound.RATE / 512, response, linewidth=0.8)
axes.set(xlabel="Hz", ylabel="weight", title="what each channel hears")
figure.tight_layout()

# %% [markdown]
# ### Task: who hears this?
#
# Write `channel_of(frequency)`: which channel (0 to 39) hears a tone of so many Hz best? Its peak
# is the nearest **in mel**.

# %% tags=["task"]
# task: channel-of


def channel_of(frequency):
    """The channel, 0 to 39, whose peak is nearest in mel to a frequency in Hz."""
    raise NotImplementedError


# %% tags=["check"]
@lab.check("channel-of")
def _():
    time = np.arange(sound.FRAME) / sound.RATE
    look = "42 points evenly in mel from mel(125) to mel(7500); the first one is no peak."
    for frequency in (*range(200, 7000, 300), 1000, 440):
        tone = 6000 * np.sin(2 * np.pi * frequency * time)
        front.set_input(np.rint(tone).astype(np.int16)[None], 0)
        front.invoke()
        wanted = int(written("SignalFilterBank").argmax())
        what = f"a tone of {frequency} Hz is heard best by a channel that"
        lab.equal(int(channel_of(frequency)), wanted, look, what)


# %% [markdown]
# ## A memory
#
# The front end keeps an estimate of the **noise** in each channel, and takes it away. It follows
# the sound slowly, from frame to frame. So the order of frames matters, and a new recording needs
# a fresh start: `reset()`.
#
# ### Task: all frames
#
# Write `features(interpreter, samples, stride)`: reset, then run the front end over all whole
# frames in their order. Returns int8 [frames, 40]. (`set_input` takes int16 [1, 480];
# `get_output(0)` gives a copy.)

# %% tags=["task"]
# task: features


def features(interpreter, samples, stride):
    """Features int8 [frames, 40] of all whole frames of a sound, from a fresh start."""
    raise NotImplementedError


# %% tags=["check"]
@lab.check("features")
def _():
    one = Interpreter.from_file(folder / "frontend.tflite")
    short = spoken[sound.RATE // 2 : sound.RATE]
    for stride in (160, 320):
        count = (len(short) - sound.FRAME) // stride + 1
        wanted = Frontend(Interpreter.from_bytes(sound.front_end()), stride).features(short, count)
        for time in ("the first time", "once more"):
            look = "In their order, with one reset before the first frame."
            what = f"features with stride {stride}, {time}"
            lab.equal(np.asarray(features(one, short, stride)), wanted, look, what)


# %%
front = Interpreter.from_file(folder / "frontend.tflite")
heard = features(front, spoken, 160)
figure, axes = plt.subplots(figsize=(8, 2.6))
image = axes.imshow(heard.T, origin="lower", aspect="auto", extent=(0, len(heard) / 100, 0, 40))
axes.set(xlabel="s", ylabel="channel", title="okay nabu, as the model gets it")
figure.colorbar(image, label="int8")
figure.tight_layout()
print(f"{spoken.nbytes:,} bytes of sound became {heard.nbytes:,} bytes of features")

# %% [markdown]
# What does the noise estimate do to a tone that never ends? Guess, then look: a steady tone of
# 1000 Hz with a little noise, four seconds long.

# %%
time = np.arange(4 * sound.RATE) / sound.RATE
noise = np.random.default_rng(0).normal(0, 200, len(time))
tone = (6000 * np.sin(2 * np.pi * 1000 * time) + noise).astype(np.int16)
steady = features(front, tone, 160)
figure, axes = plt.subplots(figsize=(8, 2.2))
axes.plot(np.arange(len(steady)) / 100, steady[:, channel_of(1000)], linewidth=0.8)
axes.set(xlabel="s", ylabel="feature", title=f"channel {channel_of(1000)}: a tone of 1000 Hz")
figure.tight_layout()

# %% [markdown]
# Speech is what changes. A fan, a fridge, a hum: gone after a second.
#
# Is that what the chip computes? Signal processing is full of rounding, so ask TFLM's wheel, over
# all frames in a row, with the memory that both keep:

# %%
count = frame_count(len(spoken), sound.FRAME, 160)
frames = np.stack([spoken[i * 160 : i * 160 + sound.FRAME] for i in range(count)])[:, None]
np.save(folder / "frames.npy", frames)
lab.command("compare", folder / "frontend.tflite", folder / "frames.npy", "--with", "tflm")

# %% [markdown]
# ## The listener
#
# microWakeWord's models run on ESP32 boards in people's homes. `okay_nabu` takes 3 frames at a time
# (30 ms), keeps what it needs of the past in **variables** of its own, and says after each call how
# probable it is that the words have just been said: 0 to 255.

# %%
keyword = sound.wakeword("okay_nabu")


def probabilities(sounds):
    """What the keyword model says after each three frames, 0 to 255; [] without the model."""
    if keyword is None:
        return np.zeros(0, int)
    model, found = Interpreter.from_bytes(keyword), []
    made = features(front, sounds, 160)
    for first in range(0, len(made) - 2, 3):
        model.set_input(made[first : first + 3][None], 0)
        model.invoke()
        found.append(int(model.get_output(0)[0, 0]))
    return np.array(found, int)


said = ("okay nabu", "alexa", "hello world", "okay kaboom")
traces = {text: probabilities(sound.padded(sound.say(text))) for text in said}
figure, axes = plt.subplots(figsize=(8, 2.6))
for text, trace in traces.items():
    axes.plot(np.arange(len(trace)) * 0.03, trace, label=text)
axes.set(xlabel="s", ylabel="probability, 0 to 255", title="the model okay_nabu hears")
axes.legend(fontsize=8)
figure.tight_layout()

# %% [markdown]
# It knows its name. It also likes "okay kaboom". A single high number is no detection yet:
# firmware takes the mean of the last few, compares it with a limit, and then is deaf for a while,
# so that one phrase is not counted five times.
#
# ### Task: detect
#
# Write `detections(trace, limit, window, deaf)`: the list of the positions in `trace` at which a
# detection is made. At each position, the mean of the last `window` numbers (with fewer than
# `window` so far: no detection) is compared: at least `limit` is a detection. The next `deaf`
# positions are passed over; the numbers there still count for later means.

# %% tags=["task"]
# task: detect


def detections(trace, limit, window, deaf):
    """Positions in a trace of probabilities at which a detection is made."""
    raise NotImplementedError


# %% tags=["check"]
@lab.check("detect")
def _():
    flat = [0, 0, 255, 255, 255, 255, 0, 0]
    lab.equal(list(detections(flat, 255, 2, 10)), [3], "Two in a row.", "window 2, deaf 10")
    lab.equal(list(detections(flat, 255, 2, 0)), [3, 4, 5], "Never deaf.", "window 2, deaf 0")
    lab.equal(list(detections(flat, 255, 2, 1)), [3, 5], "Position 4 is passed over.", "deaf 1")
    lab.equal(list(detections(flat, 127, 4, 0)), [3, 4, 5, 6, 7], "The mean of four.", "window 4")
    lab.equal(list(detections([255, 255], 1, 3, 0)), [], "Too few numbers.", "window 3")
    lab.equal(list(detections(np.array(flat), 255, 1, 2)), [2, 5], what="of an array, window 1")


# %% [markdown]
# Now the trade. Four voices say the right words, and others say other words. Which limit would you
# ship? (microWakeWord's own settings for this model are a window of 5 and a limit of 0.85 * 255.)

# %%
voices = ("en-us", "en-gb", "en-us+f3", "en-us+m3")
right = [probabilities(sound.padded(sound.say("okay nabu", voice))) for voice in voices]
others = ("okay kaboom", "okay", "hello world", "the quick brown fox", "a new okapi")
wrong = [
    probabilities(sound.padded(sound.say(text, voice)))
    for text, voice in zip(others * 2, (*voices, *voices, "en-gb", "en-us"), strict=True)
]
print("limit   heard   false alarms")
for share in (0.1, 0.5, 0.7, 0.85, 0.95, 0.99):
    hits, alarms = (
        sum(bool(detections(trace, share * 255, 5, 50)) for trace in group)
        for group in (right, wrong)
    )
    print(f"{share:.2f}   {hits} of {len(right)}   {alarms} of {len(wrong)}")

# %% [markdown]
# ## What does it cost?
#
# The listener listens all day. How much of a processor does it take?
#
# ### Task: the load
#
# Write `load(macs, frames, per_mac, clock)`: the share (0 to 1) of a processor's cycles that a
# model takes. It runs once for every `frames` frames of 10 ms, does `macs` multiply-accumulates
# each time, each of them takes `per_mac` cycles, and the clock has `clock` cycles a second.

# %% tags=["task"]
# task: load


def load(macs, frames, per_mac, clock):
    """Share of a processor's cycles that a streaming model takes."""
    raise NotImplementedError


# %% tags=["check"]
@lab.check("load")
def _():
    look = "100 frames a second; a run for every `frames` of them."
    lab.near(
        load(10_000, 1, 1, 1_000_000), 1.0, 1e-9, look, "1,000,000 cycles a second of 1,000,000"
    )
    lab.near(load(30_000, 3, 2.5, 64e6), 30_000 * 100 / 3 * 2.5 / 64e6, 1e-9, look, "the load")


# %%
from microinterp.inspect_model import inspect_model

if keyword is not None:
    macs = inspect_model(keyword).macs
    arena = Interpreter.from_bytes(keyword).arena
    print(f"okay_nabu: {len(keyword):,} bytes, {macs:,} MACs, {arena.head_bytes:,} bytes of arena")
    for kernels, per_mac in (("bytecode", 1237), ("viper", 34), ("Thumb with DSP", 2.6)):
        share = load(macs, 3, per_mac, 64e6)
        print(f"  {kernels:<15} {100 * share:8.1f} % of a Cortex-M4 at 64 MHz")

# %% [markdown]
# (Cycles per MAC are instructions as lab 06 counts them on QEMU's Cortex-M4, taken for cycles. Run
# its last part for your own figures; the real chip is somewhat slower.)
#
# And on the board? The keyword model is int8 with variables, so it runs there:

# %%
if keyword is not None:
    with lab.board() as board:
        done = board.deploy(keyword, name="okay_nabu")
        proof = board.validate(keyword, samples=30, name="okay_nabu", per_op=True)
        print(f"{done.model_bytes:,} bytes, arena {done.arena_bytes:,}, {done.kernels} kernels")
        print(f"{proof.samples} calls in a row: {proof.compared_crcs} CRC32s", end=", ")
        print(f"{proof.differing_bytes} bytes of the outputs differ")

# %% [markdown]
# ## Yes and no
#
# If `../shared/models` is there, with the micro_speech model and its recordings: it takes 49 frames
# with a stride of 320 at once, and knows two words.

# %%
micro_speech = lab.shared_model("micro_speech_int8.tflite")
if micro_speech is not None:
    model = Interpreter.from_file(micro_speech)
    labels = ("silence", "unknown", "yes", "no")
    recordings = sorted((micro_speech.parent / "inputs").glob("*_1000ms.wav"))
    samples = Frontend(Interpreter.from_bytes(sound.front_end())).read(
        [str(path) for path in recordings], model.graph.main.inputs
    )
    (found,) = model.run_batch(*samples.arrays)
    for path, row in zip(recordings, found.reshape(-1, 4), strict=True):
        print(f"{path.stem:<16} {labels[row.argmax()]:<8} {row}")

# %% [markdown]
# ## With a real board
#
# - The microphone comes by I2S or PDM, in blocks of samples: the front end wants 480 of them every
#   160. A ring buffer holds the overlap.
# - Boards of microinterp run the int8 keyword model; the front end's operators run on the PC, and
#   in C with TFLM. Send features to the board over the line, or build the front end into its
#   firmware.
# - The FFT's sine table comes from the C library. A chip's library may differ from the PC's in the
#   last bit of one entry: `microinterp ops SignalRfft` says so, and `compare` would show it.
#
# ## To go on with
#
# - In the features, even channels hear a tone louder than odd ones, though the mel bands do not.
#   Look at the options of SignalFilterBankSpectralSubtraction in `labs/sound.py`: what is
#   different?
# - Speak yourself: record a second at 16 kHz, mono, 16 bits; `microinterp.input_files.read_wav`
#   reads it. Does the model know your voice?
# - Leave out the `reset()` between two recordings. After which sounds does it matter, and for how
#   long?

"""Solutions of lab 09."""

# %% task: frames
# The last frame begins at samples - length at the latest.


def frame_count(samples, length, stride):
    """Whole frames of `length` samples that begin `stride` samples apart."""
    return 0 if samples < length else (samples - length) // stride + 1


# %% task: hann
# 1.0 becomes 2^bits.


def hann(size, bits):
    """The Hann window of `size` samples, int16 with `bits` fractional bits."""
    place = (np.arange(size) + 0.5) / size
    return np.rint((0.5 - 0.5 * np.cos(2 * np.pi * place)) * 2**bits).astype(np.int16)


# %% task: headroom
# A magnitude of k bits can go up by 15 - k. In int32, where -32768 has a magnitude.


def headroom(samples):
    """By how many bits int16 samples can be shifted left; 0 for silence."""
    largest = int(np.abs(samples.astype(np.int32)).max())
    return max(15 - largest.bit_length(), 0) if largest else 0


# %% task: channel-of
# Points 1 to 40 of 42 are the peaks.


def channel_of(frequency):
    """The channel, 0 to 39, whose peak is nearest in mel to a frequency in Hz."""
    points = np.linspace(sound.mel(125), sound.mel(7500), 42)
    return int(np.abs(points[1:41] - sound.mel(frequency)).argmin())


# %% task: features
# One reset, then frame after frame: the noise estimate goes on.


def features(interpreter, samples, stride):
    """Features int8 [frames, 40] of all whole frames of a sound, from a fresh start."""
    interpreter.reset()
    found = []
    for number in range(frame_count(len(samples), sound.FRAME, stride)):
        begin = number * stride
        interpreter.set_input(samples[begin : begin + sound.FRAME][None], 0)
        interpreter.invoke()
        found.append(interpreter.get_output(0))
    return np.array(found, np.int8).reshape(-1, 40)


# %% task: detect
# The position up to which it is deaf is kept; means are taken all the time.


def detections(trace, limit, window, deaf):
    """Positions in a trace of probabilities at which a detection is made."""
    found, next_at = [], 0
    for position in range(window - 1, len(trace)):
        mean = sum(trace[position - window + 1 : position + 1]) / window
        if position >= next_at and mean >= limit:
            found.append(position)
            next_at = position + deaf + 1
    return found


# %% task: load
# 100 frames a second.


def load(macs, frames, per_mac, clock):
    """Share of a processor's cycles that a streaming model takes."""
    return macs * per_mac * (100 / frames) / clock

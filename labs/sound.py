"""What lab 09 needs: speech, an audio front end as a .tflite file, and keyword models.

The front end has the parameters of TFLM's micro_speech example (its audio_preprocessor): frames of
30 ms at 16 kHz, 40 channels from 125 to 7500 Hz. Its sources are docs/audio.md's.
"""

from __future__ import annotations

import importlib.util
import io
import shutil
import subprocess
import wave
from importlib import resources
from itertools import pairwise

import numpy as np
from flatbuffers import flexbuffers

from microinterp.model_builder import ModelBuilder

RATE, FRAME, CHANNELS = 16_000, 480, 40
FFT, LOWEST, HIGHEST = 512, 125.0, 7500.0
WINDOW_BITS = WEIGHT_BITS = 12
_PCAN = {"strength": 0.95, "offset": 80.0, "gain_bits": 21, "input_bits": 7}


def can_speak() -> bool:
    """Whether espeak-ng is installed (Debian: apt install espeak-ng)."""
    return shutil.which("espeak-ng") is not None


def say(text: str, voice: str = "en-us", speed: int = 150) -> np.ndarray:
    """Speech, int16 [n] at 16 kHz; by espeak-ng, or by a poor imitation where there is none."""
    if not can_speak():
        return robot(text)
    words = ["espeak-ng", "-v", voice, "-s", str(speed), "--stdout", text]
    done = subprocess.run(words, capture_output=True, check=True)
    with wave.open(io.BytesIO(done.stdout)) as file:
        rate = file.getframerate()
        sound = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float64)
    spectrum = np.fft.rfft(sound)
    spectrum[len(spectrum) * RATE // rate :] = 0  # nothing above half of the new rate
    smooth = np.fft.irfft(spectrum, len(sound))
    places = np.arange(len(sound) * RATE // rate) * rate / RATE
    made = np.interp(places, np.arange(len(sound)), smooth)
    return np.clip(np.rint(made), -32768, 32767).astype(np.int16)


def robot(text: str) -> np.ndarray:
    """A sound for each letter: harmonics of 110 Hz around two formants, or noise; int16 [n]."""
    rng = np.random.default_rng(0)
    time = np.arange(RATE // 8) / RATE
    parts = [np.zeros(RATE // 20)]
    for letter in text.lower():
        number = ord(letter) - ord("a")
        if not 0 <= number < 26:
            parts.append(np.zeros(RATE // 20))
            continue
        formants = 300 + 40 * (number % 13), 900 + 110 * number
        tones = [(k * 110, min(abs(k * 110 - f) for f in formants)) for k in range(1, 40)]
        voiced = sum(np.sin(2 * np.pi * f * time) / (1 + (off / 90) ** 2) for f, off in tones)
        is_vowel = letter in "aeiouylmnrw"
        sound = voiced if is_vowel else 0.3 * voiced + rng.normal(0, 0.5, len(time))
        parts.append(sound * np.hanning(len(time)) * 5000)
    return np.clip(np.concatenate(parts), -32768, 32767).astype(np.int16)


def padded(sound: np.ndarray, before: float = 0.5, after: float = 1.0) -> np.ndarray:
    """With so many seconds of silence around it."""
    return np.pad(sound, (int(before * RATE), int(after * RATE)))


def wakeword(name: str) -> bytes | None:
    """A streaming keyword model that the package pymicro-wakeword has, or None."""
    if importlib.util.find_spec("pymicro_wakeword") is None:
        print("keyword models are in the package pymicro-wakeword: pip install pymicro-wakeword")
        return None
    return (resources.files("pymicro_wakeword") / "models" / f"{name}.tflite").read_bytes()


def mel(frequency: float) -> float:
    """Hertz on the mel scale, in float32 as front ends in C have it."""
    return float(np.float32(1127) * np.log1p(np.float32(frequency) / np.float32(700)))


def window() -> np.ndarray:
    """The Hann window of a frame, int16 with 12 fractional bits."""
    place = (np.arange(FRAME) + 0.5) / FRAME
    return np.rint((0.5 - 0.5 * np.cos(2 * np.pi * place)) * (1 << WINDOW_BITS)).astype(np.int16)


def filter_bank() -> list[np.ndarray]:
    """The tables of SignalFilterBank: weights, 'unweights', and each band's bin, weight and width.

    Band c lies between two centres. A bin in it is shared: its weight goes to channel c - 1, the
    rest to channel c.
    """
    low = np.float32(mel(LOWEST))
    spacing = (np.float32(mel(HIGHEST)) - low) / np.float32(CHANNELS + 1)
    edges = low + spacing * np.arange(CHANNELS + 2, dtype=np.float32)
    hertz = RATE / FFT
    weights: list[int] = []
    rest: list[int] = []
    bands = []
    first = round(1 + LOWEST / hertz)
    for below, above in pairwise(edges):
        end = first
        while mel(end * hertz) <= above:
            share = (above - np.float32(mel(end * hertz))) / (above - below)
            weights.append(int(share * (1 << WEIGHT_BITS)))
            rest.append(int((1 - share) * (1 << WEIGHT_BITS)))
            end += 1
        bands.append((first, len(weights) - (end - first), end - first))
        first = end
    return [np.array(column, np.int16) for column in (weights, rest, *zip(*bands, strict=True))]


def gain_table() -> np.ndarray:
    """Gain control, int16 [125]: parabolas through gain(x) = 2^21 / (x / 128 + 80)^0.95."""

    def gain(x: int) -> int:
        level = np.float32(x / 2 ** _PCAN["input_bits"])
        found = 2 ** _PCAN["gain_bits"] * (level + np.float32(_PCAN["offset"])) ** np.float32(
            -_PCAN["strength"]
        )
        return min(int(found + 0.5), 32767)

    table = [gain(0), gain(1)]
    for bits in range(2, 33):
        low = 1 << (bits - 1)
        middle, high = low + low // 2, 2 * low if bits < 32 else 2 * low - 1
        start, half, whole = gain(low), gain(middle) - gain(low), gain(high) - gain(low)
        curve = 4 * half - whole
        table += [start, curve, whole - curve, 0]
    return np.array(table[:125], np.int16)


def front_end() -> bytes:
    """A .tflite file: int16 [1, 480] samples to int8 [40] features; it has state."""
    builder = ModelBuilder(description="audio front end: 30 ms at 16 kHz to 40 features")
    graph = builder.subgraph("main")

    def signal(name: str, inputs: list[int], outputs: list[int], **options: int) -> int:
        data = bytes(flexbuffers.Dumps(options)) if options else None
        graph.custom_op(name, inputs, outputs, data)
        return outputs[0]

    def tensor(name: str, size: int, dtype: str) -> int:
        return graph.tensor(name, (size,) if size else (), dtype)

    x = graph.input("samples", (1, FRAME), "int16")
    windowed = graph.tensor("windowed", (1, FRAME), "int16")
    signal("SignalWindow", [x, graph.constant("hann", window())], [windowed], shift=WINDOW_BITS)
    row, scaled = tensor("row", FRAME, "int16"), tensor("scaled", FRAME, "int16")
    shape = graph.constant("row/shape", np.array([FRAME], np.int32))
    graph.op("RESHAPE", [windowed, shape], [row], new_shape=[FRAME])
    bits, spectrum = tensor("bits", 0, "int32"), tensor("spectrum", FFT + 2, "int16")
    signal("SignalFftAutoScale", [row], [scaled, bits])
    signal("SignalRfft", [scaled], [spectrum], T=7, fft_length=FFT)
    bins = FFT // 2 + 1
    energy, mels = tensor("energy", bins, "uint32"), tensor("mels", CHANNELS, "uint64")
    signal("SignalEnergy", [spectrum], [energy], start_index=0, end_index=bins)
    tables = [graph.constant(f"bank/{i}", table) for i, table in enumerate(filter_bank())]
    signal("SignalFilterBank", [energy, *tables], [mels], num_channels=CHANNELS)
    names = ("amplitudes", "cleaned", "noise", "levelled")
    amplitudes, cleaned, noise, levelled = (tensor(name, CHANNELS, "uint32") for name in names)
    signal("SignalFilterBankSquareRoot", [mels, bits], [amplitudes])
    signal(
        "SignalFilterBankSpectralSubtraction",
        [amplitudes],
        [cleaned, noise],
        alternate_one_minus_smoothing=15401,
        alternate_smoothing=983,
        clamping=0,
        min_signal_remaining=819,
        num_channels=CHANNELS,
        one_minus_smoothing=15975,
        smoothing=409,
        smoothing_bits=10,
        spectral_subtraction_bits=14,
    )
    gains = graph.constant("gains", gain_table())
    signal("SignalPCAN", [cleaned, noise, gains], [levelled], snr_shift=6)
    logs = tensor("logs", CHANNELS, "int16")
    signal("SignalFilterBankLog", [levelled], [logs], input_correction_bits=3, output_scale=64)
    graph.output(_as_int8(builder, graph, logs))
    return builder.finish()


def _as_int8(builder: ModelBuilder, graph, logs: int) -> int:
    """(log * 256 + 333) / 666 - 128, clamped: what models were trained with."""

    def step(name: str, x: int, op: str, number: int | None, dtype: str = "int32") -> int:
        y = graph.tensor(name, (CHANNELS,), dtype)
        inputs = [x] if number is None else [x, graph.constant(f"{name}/by", np.int32(number))]
        graph.op(op, inputs, [y])
        return y

    x = step("wide", logs, "CAST", None)
    for name, op, number in (
        ("times", "MUL", 256),
        ("half", "ADD", 333),
        ("over", "DIV", 666),
        ("centred", "ADD", -128),
        ("below", "MINIMUM", 127),
        ("above", "MAXIMUM", -128),
    ):
        x = step(name, x, op, number)
    return step("features", x, "CAST", None, "int8")

"""Writes `tones.tflite` and `recording`.

    python examples/apps/microphone/make.py

Nothing is trained. The model is a filter bank with weights that are known: for each tone four
filters of 64 samples, a quarter of a period apart; RELU and the mean over a frame give the tone's
strength, and each tone's score is its strength less a share of the others'. The recording is made
too, not heard: tones of different loudness, half a second each, with silence between and noise.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from microinterp.model_builder import ModelBuilder

HERE = Path(__file__).resolve().parent
RATE, FRAME, TAPS, STRIDE = 8000, 512, 64, 16
TONES = (500, 1000, 2000, 3000)
SILENCE = 6.0
"""Strength below which there is no tone."""


def filters() -> np.ndarray:
    """int8 [16, 1, 64, 1]."""
    time = np.arange(TAPS) / RATE
    window = np.hanning(TAPS + 2)[1:-1]
    phases = np.arange(4) * np.pi / 2
    turns = 2 * np.pi * np.outer(np.repeat(TONES, 4), time) + np.tile(phases, 4)[:, None]
    return np.rint(127 * window * np.cos(turns)).astype(np.int8)[:, None, :, None]


def model() -> bytes:
    """Input int8 [1, 1, 512, 1], samples; output int8 [1, 5]: silence and four tones."""
    builder = ModelBuilder()
    graph = builder.subgraph("main")
    x = graph.input("samples", (1, 1, FRAME, 1), "int8", scale=1.0, zero_point=0)
    w_scale = 2 / (127 * TAPS / 2)  # a tone of amplitude A gives about A
    w = graph.constant("filters", filters(), scale=w_scale, zero_point=0)
    none = graph.constant("none", np.zeros(16, np.int32), scale=w_scale, zero_point=0)
    steps = (FRAME - TAPS) // STRIDE + 1
    bank = graph.tensor("bank", (1, 1, steps, 16), "int8", scale=0.5, zero_point=-128)
    options = {"padding": "VALID", "stride_w": STRIDE, "stride_h": 1}
    graph.op("CONV_2D", [x, w, none], [bank], fused_activation_function="RELU", **options)
    mean = graph.tensor("strength", (1, 1, 1, 16), "int8", scale=0.5, zero_point=-128)
    pool = {"padding": "VALID", "stride_w": 1, "stride_h": 1}
    pool |= {"filter_width": steps, "filter_height": 1}
    graph.op("AVERAGE_POOL_2D", [bank], [mean], **pool)
    weights = np.zeros((5, 16), np.int8)
    for tone in range(4):
        weights[1 + tone] = -40
        weights[1 + tone, 4 * tone : 4 * tone + 4] = 120
    v_scale = 1 / 120
    v = graph.constant("weights", weights, scale=v_scale, zero_point=0)
    bias = np.array([SILENCE / (0.5 * v_scale), 0, 0, 0, 0], np.int32)
    b = graph.constant("bias", bias, scale=0.5 * v_scale, zero_point=0)
    scores = graph.tensor("scores", (1, 5), "int8", scale=0.5, zero_point=0)
    graph.op("FULLY_CONNECTED", [mean, v, b], [scores])
    graph.output(scores)
    return builder.finish()


def recording() -> np.ndarray:
    """int16 samples, 40 frames."""
    rng = np.random.default_rng(3)
    parts = []
    for tone, loud in zip((*TONES, *reversed(TONES)), np.geomspace(28000, 6000, 8), strict=True):
        time = np.arange(4 * FRAME) / RATE
        fade = np.minimum(1, np.minimum(time, time[::-1]) / 0.02)
        parts += [np.zeros(FRAME), loud * fade * np.sin(2 * np.pi * tone * time)]
    sound = np.concatenate(parts)
    return np.clip(sound + rng.normal(0, 400, len(sound)), -32768, 32767).astype("<i2")


if __name__ == "__main__":
    (HERE / "tones.tflite").write_bytes(model())
    (HERE / "recording").write_bytes(recording().tobytes())

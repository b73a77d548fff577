"""Writes `waveform.tflite` and `recording`.

    python examples/apps/adc/make.py

Trains 64 -> 12 -> 4 on made waveforms, in NumPy, and quantises it by hand: scales from the
largest weight of each layer and the largest of its sums. The recording is
made too, with another seed.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from microinterp.model_builder import ModelBuilder

HERE = Path(__file__).resolve().parent
COUNT, HIDDEN, CLASSES = 64, 12, 4
STEPS, RATE = 600, 0.02
Array = np.ndarray


def windows(count: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Samples uint16 [count, 64] as an ADC gives them, and classes as in main.py."""
    kind = np.arange(count) % CLASSES
    cycles, start = rng.uniform(1.5, 9, (count, 1)), rng.uniform(0, 1, (count, 1))
    phase = (start + cycles * np.arange(COUNT) / COUNT) % 1
    shapes = (0 * phase, np.sin(2 * np.pi * phase), np.sign(phase - 0.5), 4 * abs(phase - 0.5) - 1)
    wave = np.choose(kind[:, None], shapes) * rng.uniform(3000, 28000, (count, 1))
    wave += 32768 + rng.uniform(-3000, 3000, (count, 1)) + rng.normal(0, 150, wave.shape)
    return np.clip(wave, 0, 65535).astype("<u2"), kind


def prepare(samples: Array) -> Array:
    """int8 [n, 64]: what main.py makes of samples."""
    ordered = np.sort(samples.astype(int), axis=1)
    low, span = ordered[:, :1], np.ptp(ordered, axis=1, keepdims=True)
    scaled = 254 * (ordered - low) // np.maximum(span, 1) - 127
    return np.where(span >= 1000, scaled, 0).astype(np.int8)


def train() -> list[tuple[Array, Array]]:
    """Weights [out, in] and biases of both layers, for inputs from -1 to 1; by Adam."""
    rng = np.random.default_rng(1)
    samples, kind = windows(2000, rng)
    x, wanted = prepare(samples) / 127, np.eye(CLASSES)[kind]
    w1, w2 = rng.normal(0, 0.15, (HIDDEN, COUNT)), rng.normal(0, 0.3, (CLASSES, HIDDEN))
    values = [w1, np.zeros(HIDDEN), w2, np.zeros(CLASSES)]
    means, squares = ([np.zeros_like(each) for each in values] for _ in range(2))
    for step in range(1, STEPS + 1):
        w1, b1, w2, b2 = values
        hidden = np.maximum(x @ w1.T + b1, 0)
        scores = hidden @ w2.T + b2
        odds = np.exp(scores - scores.max(axis=1, keepdims=True))
        error = (odds / odds.sum(axis=1, keepdims=True) - wanted) / len(x)
        back = (error @ w2) * (hidden > 0)
        for i, slope in enumerate((back.T @ x, back.sum(0), error.T @ hidden, error.sum(0))):
            means[i] = 0.9 * means[i] + 0.1 * slope
            squares[i] = 0.999 * squares[i] + 0.001 * slope**2
            size = np.sqrt(squares[i] / (1 - 0.999**step)) + 1e-8
            values[i] = values[i] - RATE * means[i] / (1 - 0.9**step) / size
    return [(values[0], values[1]), (values[2], values[3])]


def quantised(layers: list[tuple[Array, Array]]) -> bytes:
    """Input int8 [1, 64]; output int8 [1, 4], scores."""
    builder = ModelBuilder()
    graph = builder.subgraph("main")
    scale, zero = 1 / 127, 0
    real = prepare(windows(2000, np.random.default_rng(2))[0]) / 127
    x = graph.input("samples", (1, COUNT), "int8", scale=scale, zero_point=zero)
    for depth, (weights, bias) in enumerate(layers):
        w_scale = float(abs(weights).max() / 127)
        w = graph.constant(
            "w", np.rint(weights / w_scale).astype(np.int8), scale=w_scale, zero_point=0
        )
        b_scale = scale * w_scale
        b = graph.constant(
            "b", np.rint(bias / b_scale).astype(np.int32), scale=b_scale, zero_point=0
        )
        real = real @ weights.T + bias
        is_hidden = depth == 0
        real = np.maximum(real, 0) if is_hidden else real
        scale, zero = float(abs(real).max() / (255 if is_hidden else 127)), -128 if is_hidden else 0
        y = graph.tensor("y", (1, len(bias)), "int8", scale=scale, zero_point=zero)
        activation = "RELU" if is_hidden else "NONE"
        graph.op("FULLY_CONNECTED", [x, w, b], [y], fused_activation_function=activation)
        x = y
    graph.output(x)
    return builder.finish()


if __name__ == "__main__":
    (HERE / "waveform.tflite").write_bytes(quantised(train()))
    (HERE / "recording").write_bytes(windows(24, np.random.default_rng(3))[0].tobytes())

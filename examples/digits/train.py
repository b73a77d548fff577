"""Train the digits network in NumPy: Adam on randomly distorted images, seeded.

    python train.py

Writes digits_float.npz, test_images.npz, digits.npz and train.log next to itself. The same machine
gives the same bytes again; another one may add up float32 numbers in another order.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import dataset
import network
import numpy as np
from network import Array, Layer
from threadpoolctl import threadpool_limits

HERE = Path(__file__).resolve().parent
SEED = 1
EPOCHS = 300
BATCH = 32
LEARNING_RATE = 5e-3
WARM_UP_STEPS = 100
WEIGHT_DECAY = 5e-2
LABEL_SMOOTHING = 0.05


class Adam:
    """Adam with decoupled weight decay (Loshchilov and Hutter, 2019); biases do not decay."""

    def __init__(self, layers: list[Layer]) -> None:
        self.layers = layers
        self.count = 0
        # per parameter: running means of the gradient and of its square
        self.means = {(a.name, k): (0 * w, 0 * w) for a in layers for k, w in a.parameters.items()}

    def step(self, rate: float) -> None:
        """Move every parameter against its gradient."""
        self.count += 1
        bias_1, bias_2 = 1 - 0.9**self.count, 1 - 0.999**self.count
        for layer in self.layers:
            for key, parameter in layer.parameters.items():
                gradient = layer.gradients[key]
                mean, square = self.means[layer.name, key]
                mean += 0.1 * (gradient - mean)
                square += 0.001 * (gradient**2 - square)
                decay = WEIGHT_DECAY * parameter if key == "weights" else 0
                step = mean / bias_1 / (np.sqrt(square / bias_2) + 1e-8)
                parameter -= rate * (step + decay)


def learning_rate(step: int, steps: int) -> float:
    """Rising at first, then down to zero along a cosine."""
    warm_up = min(1, (step + 1) / WARM_UP_STEPS)
    return float(LEARNING_RATE * warm_up * (1 + np.cos(np.pi * step / steps)) / 2)


def train(images: Array, labels: Array, seed: int = SEED) -> list[Layer]:
    """Train a new network.

    Args:
        images: uint8 [n, 8, 8, 1], 0..16.
        labels: [n], 0..9.
        seed: of the first weights, the distortions and the order of the images.
    """
    layers = network.digits_network(seed)
    adam = Adam(layers)
    rng = np.random.default_rng(seed)
    real = dataset.to_real(images)
    targets = np.eye(network.CLASSES, dtype=np.float32)[labels]
    targets = targets * (1 - LABEL_SMOOTHING) + LABEL_SMOOTHING / network.CLASSES
    batches = len(images) // BATCH
    for epoch in range(EPOCHS):
        distorted = dataset.distort(real, rng)
        order = rng.permutation(len(images))
        loss = 0.0
        for i in range(batches):
            chosen = order[i * BATCH : (i + 1) * BATCH]
            probabilities = network.forward(layers, distorted[chosen])
            network.backward(layers, (probabilities - targets[chosen]) / BATCH)
            adam.step(learning_rate(epoch * batches + i, EPOCHS * batches))
            loss -= float(np.sum(targets[chosen] * np.log(probabilities + 1e-9))) / BATCH
        _show_progress(f"epoch {epoch + 1} of {EPOCHS}, loss {loss / batches:.4f}")
    return layers


def accuracy(probabilities: Array, labels: Array) -> str:
    """How many are right, for a log: "95.00 % (19 of 20)"."""
    right = int(np.sum(probabilities.argmax(axis=1) == labels))
    return f"{100 * right / len(labels):.2f} % ({right} of {len(labels)})"


def write_log(path: Path, lines: list[str]) -> None:
    """Print the lines and keep them in a file."""
    text = "\n".join(lines) + "\n"
    path.write_text(text, encoding="utf-8")
    print(text, end="")


def _show_progress(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r{text}  ", end="", file=sys.stderr, flush=True)


def main() -> None:
    """Train on the train part, save the weights, test once."""
    images, labels = dataset.load(dataset.TRAIN)
    start = time.perf_counter()
    with threadpool_limits(1):  # threads may change the order of additions, and so the bytes
        layers = train(images, labels)
        seconds = time.perf_counter() - start
        on_train = network.forward(layers, dataset.to_real(images))
        test_images, test_labels = dataset.load(dataset.TEST)
        on_test = network.forward(layers, dataset.to_real(test_images))
    network.save_weights(layers, HERE / "digits_float.npz")
    dataset.save_test_images(HERE / "test_images.npz", HERE / "digits.npz")
    parameters = sum(w.size for layer in layers for w in layer.parameters.values())
    lines = [
        f"NumPy {np.__version__}, seed {SEED}, {EPOCHS} epochs, {len(images)} images",
        f"{parameters} parameters, trained in {seconds:.1f} s on one core",
        f"float32, train part: {accuracy(on_train, labels)}",
        f"float32, test part: {accuracy(on_test, test_labels)}",
    ]
    write_log(HERE / "train.log", lines)


if __name__ == "__main__":
    main()

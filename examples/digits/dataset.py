"""The digits data set: the split, the scaling, and the distortions that training adds."""

from __future__ import annotations

import os

import numpy as np
from network import Array

TRAIN = slice(0, 898)
TEST = slice(898, 1797)  # used once, at the end; never for a choice

# Everything that was chosen (layers, epochs, ...) was chosen by leaving out the images of two or
# three writers of the train part and testing on those. The images lie in order of their writers.
WRITER_FOLDS = (slice(0, 256), slice(256, 516), slice(516, 898))


def load(part: slice) -> tuple[Array, Array]:
    """Images uint8 [n, 8, 8, 1] from 0 (paper) to 16 (ink), labels int64 [n]."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    images = digits.images[part, :, :, None].astype(np.uint8)
    return images, digits.target[part].astype(np.int64)


def to_real(images: Array) -> Array:
    """What the network takes: 0 for paper, 1 for full ink; float32."""
    return images.astype(np.float32) / 16


def save_test_images(pixels: str | os.PathLike[str], samples: str | os.PathLike[str]) -> None:
    """Write the test part twice.

    pixels: `images` uint8 [899, 8, 8, 1] from 0 to 16, `labels` int64 [899].
    samples: as the model takes them: `image` float32 from 0 to 1, `label`.
    """
    images, labels = load(TEST)
    np.savez_compressed(pixels, images=images, labels=labels)
    np.savez_compressed(samples, image=to_real(images), label=labels)


def distort(images: Array, rng: np.random.Generator) -> Array:
    """Turn, lean, zoom, stretch and shift each image by random amounts; [n, 8, 8, 1], as given."""
    n, size = images.shape[:2]
    angle, lean = rng.normal(0, 0.12, n), rng.normal(0, 0.12, n)
    zoom_x, zoom_y = rng.normal(1, 0.08, n), rng.normal(1, 0.08, n)
    shift_x, shift_y = rng.normal(0, 0.4, n), rng.normal(0, 0.4, n)
    middle = (size - 1) / 2
    row, column = np.mgrid[:size, :size].reshape(2, 1, -1) - middle
    cos, sin = np.cos(angle), np.sin(angle)

    def source(at_column: Array, at_row: Array, shift: Array) -> Array:
        return at_column[:, None] * column + at_row[:, None] * row + (shift + middle)[:, None]

    x = source(zoom_x * cos, zoom_y * (lean - sin), shift_x)
    y = source(zoom_x * sin, zoom_y * cos, shift_y)
    return _sample(images[..., 0], x, y).reshape(images.shape)


def _sample(images: Array, x: Array, y: Array) -> Array:
    """Bilinear values of images [n, h, w] at x, y [n, points]; outside is paper."""
    padded = np.pad(images, ((0, 0), (1, 2), (1, 2)))
    height, width = padded.shape[1:]
    x = np.clip(x + 1, 0, width - 2)
    y = np.clip(y + 1, 0, height - 2)
    left, top = x.astype(int), y.astype(int)
    fx, fy = (x - left).astype(images.dtype), (y - top).astype(images.dtype)
    n = np.arange(len(images))[:, None]
    upper = padded[n, top, left] * (1 - fx) + padded[n, top, left + 1] * fx
    lower = padded[n, top + 1, left] * (1 - fx) + padded[n, top + 1, left + 1] * fx
    return upper * (1 - fy) + lower * fy

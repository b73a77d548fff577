"""Writes `recording`: frames of 32 x 32 grey pixels, from test images of examples/digits.

    python examples/apps/camera/make.py

No camera took them: each cell of an image becomes 4 x 4 pixels of paper and ink, and a little noise
whose sum in each cell is 0.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
FRAMES = 20


def frames() -> np.ndarray:
    """uint8 [20, 32, 32]: 255 is paper."""
    rng = np.random.default_rng(8)
    images = np.load(HERE.parents[1] / "digits" / "test_images.npz")["images"][:FRAMES, :, :, 0]
    light = np.rint(255 - images.astype(float) * 255 / 16).astype(int)
    grey = light.repeat(4, axis=1).repeat(4, axis=2)
    noise = rng.integers(0, 6, (FRAMES, 32, 16))
    grey[:, :, 0::2] += noise  # pairs of neighbours: one up, one down
    grey[:, :, 1::2] -= noise
    return np.clip(grey, 0, 255).astype(np.uint8)


if __name__ == "__main__":
    (HERE / "recording").write_bytes(frames().tobytes())

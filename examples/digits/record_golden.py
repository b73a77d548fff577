"""Records digits_tflm.golden: what TFLM's own wheel answers to all test images.

    python examples/digits/record_golden.py

The bundle's header says which wheel and which model it comes from.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from quantise import quantise_image

from microinterp import golden

HERE = Path(__file__).parent


def main() -> None:
    images = quantise_image(np.load(HERE / "test_images.npz")["images"])[:, None]
    model = (HERE / "digits_int8.tflite").read_bytes()
    made = golden.record(model, [images], HERE / "digits_tflm.golden", runtime="tflm")
    print(f"digits_tflm.golden: {made.samples} images, {made.version}")


if __name__ == "__main__":
    main()

"""Records golden_tflm.npz: what TFLM's own wheel answers to all test images.

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
    bundle = golden.record(model, [images], runtime="tflm")
    golden.save(bundle, HERE / "golden_tflm.npz")
    print(f"golden_tflm.npz: {bundle.header.samples} images, TFLM {bundle.header.version}")


if __name__ == "__main__":
    main()

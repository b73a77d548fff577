"""Write what the page carries with it: the board's runtime, the digits model, and its test images.

    python docs/playground/data.py FILE.json

The model is packed as `microinterp pack --tier bytecode` packs it. The images come with what
TensorFlow Lite Micro answered to each, and with the CRC32 of every tensor that it wrote. Bytes are
base64.
"""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from microinterp.golden_bundle import BundleReader
from microinterp.interpreter import prepare_model
from microinterp.packed import pack
from microinterp.passes import run_passes
from microinterp_boards.runtime import manifest, shipped

DIGITS = Path(__file__).resolve().parents[2] / "examples" / "digits"


def main(target: Path) -> None:
    """Collect everything in one JSON file."""
    data = (DIGITS / "digits_int8.tflite").read_bytes()
    passed = run_passes(prepare_model(data, kernels="plain"), [], None, 0.0, strips=True)
    about = {
        "version": manifest()["version"],
        "compiler": manifest()["compiler"],
    }
    page = {
        "about": about,
        "runtime": {name: text(each) for name, each in shipped("bytecode").items()},
        "model": text(pack(passed.prepared, passed.plan)),
        "examples": examples(),
    }
    target.write_text(json.dumps(page), encoding="utf-8")


def examples() -> dict[str, Any]:
    """The test images in their order, 0 to 16 of ink; and what TFLM made of them."""
    test = np.load(DIGITS / "test_images.npz")
    outputs, sums = [], []
    with BundleReader(DIGITS / "digits_tflm.golden") as reader:
        for chunk in reader:
            outputs.append(np.asarray(chunk.outputs[0]))
            sums.append(chunk.crcs)
        header = reader.header
    return {
        "count": len(test["images"]),
        "images": text(test["images"].astype(np.uint8).tobytes()),
        "labels": text(test["labels"].astype(np.uint8).tobytes()),
        "outputs": text(np.concatenate(outputs).tobytes()),
        "crcs": text(np.concatenate(sums).astype("<u4").tobytes()),
        "checks": len(header.checks),
        "runtime": header.runtime_version,
    }


def text(data: bytes) -> str:
    """Bytes as base64."""
    return base64.b64encode(data).decode()


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""The folders that pages run in: the files that they talk of lie there."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np

from microinterp import golden
from tests.cli import good
from tests.conftest import shared_model
from tests.docs.blocks import ROOT

DIGITS = ROOT / "examples" / "digits"


def make_folder(page: str, folder: Path) -> None:
    """Put into an empty folder what the page talks of."""
    (folder / "examples").symlink_to(ROOT / "examples")
    for name in ("MODEL.tflite", "model.tflite", "digits_int8.tflite"):
        shutil.copy(DIGITS / "digits_int8.tflite", folder / name)
    shutil.copy(DIGITS / "digits_tflm.golden", folder / "tflm.golden")
    MORE.get(page, lambda _: None)(folder)


def _pictures(folder: Path) -> None:
    from PIL import Image

    data = np.load(DIGITS / "test_images.npz")
    pixels = (data["images"][0, :, :, 0].astype(int) * 255 // 16).astype(np.uint8)
    Image.fromarray(pixels).save(folder / "picture.png")
    np.savez(folder / "images.npz", images=data["images"][:20] / 16)
    np.savez(folder / "test_set.npz", images=data["images"][:100] / 16, labels=data["labels"][:100])


def _old_bundle(folder: Path) -> None:
    """A bundle of a model that differs from digits in one weight."""
    data = bytearray((DIGITS / "digits_int8.tflite").read_bytes())
    weights = golden.sound_graph(bytes(data)).main.nodes[8].inputs[1]
    assert weights is not None
    assert weights.data is not None
    data[bytes(data).index(weights.data.tobytes()) + 200] ^= 0x40
    (folder / "old.tflite").write_bytes(data)
    good("golden", "record", "old.tflite", "--samples", 4, "-o", "digits_old.golden")


def _input(folder: Path) -> None:
    np.save(folder / "input.npy", np.zeros((1, 8, 8, 1), np.int8))


def _sound(folder: Path) -> None:
    """TFLM's models of micro_speech, which are not in this repository."""
    for there, here in {
        "micro_speech_int8.tflite": "micro_speech_quantized.tflite",
        "audio_preprocessor_int8.tflite": "audio_preprocessor_int8.tflite",
        "inputs/yes_1000ms.wav": "yes_1000ms.wav",
    }.items():
        (folder / here).write_bytes(shared_model(there))
    (folder / "labels.txt").write_text("silence\nunknown\nyes\nno\n")


MORE: dict[str, Callable[[Path], None]] = {
    "README.md": _pictures,
    "docs/audio.md": _sound,
    "docs/eval.md": _pictures,
    "docs/golden.md": _old_bundle,
    "docs/profiles.md": _input,
}
